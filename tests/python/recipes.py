"""Runs each recipe of docs/workstation.md as its reader would: every line of its code blocks, and every command that fills a
cell of its tables, against a relay on the loopback. A line must end with exit code 0, by itself or as its play below says:
a recipe that needs a person and has no play fails.

    cargo build --workspace --bins --examples && tests/.venv/bin/python tests/python/recipes.py [PART OF A LINE]
"""

import functools
import json
import os
import re
import subprocess
import sys
import time

from played import play_all
from screen import Window
from seat import Desk
from service import BINARIES, GUARD_SECS, ROOT, Relay

PAGE = ROOT / "docs" / "workstation.md"
PHONE = BINARIES / "examples" / "phone"
# Longer than any line takes that needs nobody: what waits for a person is told apart from what is slow.
ALONE_SECS = 45
# These would change the services of this machine's user. A booted systemd plays them (tests/deploy).
ELSEWHERE = r"workstation service\b"


def blocks():
    """The recipes: lists of lines that belong together."""
    block = []
    for line in PAGE.read_text().splitlines() + [""]:
        cell = re.search(r"\| `(workstation[^`]*)` \|$", line)
        if line.startswith("    ") and not re.search("[│┌└]", line):
            block.append(line.strip())
        elif cell:
            yield [cell.group(1)]
        elif block:
            yield block
            block = []


class User:
    """A user with a phone called Pixel, a terminal that is shared, and a folder with a project."""

    def __init__(self, relay):
        self.desk = Desk(relay)
        self.project = self.desk.folder / "project"
        self.project.mkdir()
        (self.project / "Makefile").write_text("all test:\n\t@echo made $@\n")
        for name in ["folder", "notes", "in", "Downloads"]:
            (self.project / name).mkdir()
        for name in ["build.log", "folder/report.pdf", "report.pdf", "notes.txt", "notes/one.txt", "photo.jpg", "backup.tar"]:
            (self.project / name).write_text(f"{name}\n" * 100)
        for command in [["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first"]]:
            subprocess.run(["git", "-C", self.project, *command], check=True)
        self.desk.env |= {
            "PATH": f"{BINARIES}:{os.environ['PATH']}",
            "SHELL": "/bin/sh",
        }
        self.phone, self.others = self.desk.pair("Pixel"), []
        code, told = self.desk.output("setup", relay.url, "--public-url", f"ws://{relay.address}/ws")
        assert code == 0, told

    def run_phone(self, *args, name="Pixel", **pipes):
        """A phone with these options in the place of its chat."""
        if name == "Pixel" and not self.others:
            self.phone.__exit__()
        env = {**os.environ, **self.desk.env, "XDG_STATE_HOME": str(self.desk.folder / name)}
        number = re.search(r"\b[0-9a-f]{8}\b", subprocess.check_output([PHONE, "desks"], env=env).decode()).group()
        other = subprocess.Popen([PHONE, "--desk", number, *args], env=env, stderr=subprocess.DEVNULL, **pipes)
        self.others.append(other)
        return other

    def window(self, line):
        """The line in a window, as in a shell there."""
        line = line.replace("https://relay.example.org", self.desk.relay.url)
        return Window(["bash", "-c", line], 100, 40, env=self.desk.env, cwd=self.project)

    def code_in(self, window):
        """The code that the window shows, with the relay's address: what is detected is another one of this machine."""
        text = lambda: window.raw.decode(errors="replace")
        shown = lambda: re.search(r"or paste this: (\S+)\r", text()) or re.search(r'"event":"code","text":("(?:[^"\\]|\\.)*")', text())
        window.until("a code", shown)
        code = shown().group(1)
        code = json.loads(code) if code.startswith('"') else code
        return re.sub(r"(\w+://)[^/]+/", rf"\g<1>{self.desk.relay.address}/", code, count=1)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        for other in self.others:
            other.kill()
            other.wait()
        if not self.others:
            self.phone.__exit__(*failure)
        self.desk.__exit__(*failure)


# What a person does, by the beginning of the line that needs one. Each leaves the line to end by itself.


def let_in(user, window):
    """A phone uses the code, and the user says yes where that is asked."""
    folder = user.desk.folder / "new"
    folder.mkdir(mode=0o700, exist_ok=True)
    with user.desk.phone("--name", "new", user.code_in(window), name="new") as phone:
        asks = lambda: "[y/n]" in window.text() or window.has_ended()
        window.until("the question, or the end", asks)
        if not window.has_ended():
            window.type("y\r")
        window.exit_code()
        phone.until("encrypted")


def let_in_and_talk(user, window):
    """The same without an agent; then the user ends it."""
    (user.desk.folder / "new").mkdir(mode=0o700, exist_ok=True)
    with user.desk.phone(user.code_in(window), name="new") as phone:
        window.until("[y/n]")
        window.type("y\r")
        window.until("phone is here")
        window.type("hello from the desk\r")
        phone.until("hello from the desk")
        window.type("\x04")
        window.exit_code()


def talk(user, window):
    window.until("the prompt", lambda: any(line.startswith(">") for line in window.lines()))
    window.type("hello from the desk\r")
    user.phone.until("hello from the desk")
    window.type("/quit\r")


def stop_serving(user, window):
    window.until("serving: phones reach this machine")
    window.type("\x03")


def until_shell(window):
    window.until("a shell's prompt", lambda: window.lines()[window.screen.cursor.y][:1] in ("$", "#"))


def leave_shell(user, window):
    until_shell(window)
    window.type("exit\r")


def leave_htop(user, window):
    window.until("PID")
    window.type("q")


def come_back(user, window):
    """To the shell that was left before."""
    window.until("left behind")
    window.type("exit\r")


def share_shell(user):
    """A terminal that its window has left."""
    with user.window("workstation run --name sh") as window:
        until_shell(window)
        window.type("echo left behind\r")
        window.until("left behind")
        window.type("\x1cd")
        assert window.exit_code() == 0, window.text()


def say_text(user, window):
    """Until the command is there, the phone's text is refused."""
    deadline = time.monotonic() + GUARD_SECS
    while not window.has_ended() and time.monotonic() < deadline:
        user.phone.type("/clip from the phone\r")
        window.pump(0.5)
        user.phone.pump(0.1)


def read_pipe(user):
    user.run_phone("--pipe", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)


def write_pipe(user):
    """The pipe before this one is over."""
    user.others[-1].communicate(timeout=GUARD_SECS)
    with open(user.project / "report.pdf", "rb") as report:
        user.run_phone("--pipe", stdin=report, stdout=subprocess.DEVNULL)


def take_files(user):
    """The phone takes files from now on, and is the only one."""
    user.desk.output("revoke", "Tablet")
    if not user.others:
        take_files_at(user, "Pixel")


def take_files_twice(user):
    take_files(user)
    with user.desk.pair("Tablet"):
        pass
    take_files_at(user, "Tablet")


def take_files_at(user, name):
    inbox = user.desk.folder / f"{name}-inbox"
    inbox.mkdir()
    # The end of its input would end it.
    user.run_phone("--inbox", inbox, name=name, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)


def send_photo(user):
    """Until the command is there, the phone's file is refused; so it sends again."""
    sends = "until \"$0\" \"$@\"; do sleep 0.2; done"
    if not user.others:
        user.phone.__exit__()
    env = {**os.environ, **user.desk.env, "XDG_STATE_HOME": str(user.desk.folder / "Pixel")}
    number = re.search(r"\b[0-9a-f]{8}\b", subprocess.check_output([PHONE, "desks"], env=env).decode()).group()
    command = ["sh", "-c", sends, PHONE, "--desk", number, "--send", user.project / "photo.jpg", "--once"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    user.others.append(subprocess.Popen(command, env=env, **quiet))


def end_after_photo(user, window):
    window.until("photo")
    assert user.others[-1].wait(GUARD_SECS) == 0
    window.type("\x03")


# The line's beginning; what comes before it, and what a person does.
PLAYS = [
    (r"(RELAY_PROFILE=work )?workstation pair\b", None, let_in),
    (r"workstation --(alone|keep)\b", None, let_in_and_talk),
    (r"workstation$", None, talk),
    (r"workstation chat --to Pixel$", None, talk),
    (r"workstation serve\b", None, stop_serving),
    (r"workstation run( --to Pixel)?$", None, leave_shell),
    (r"workstation run .*\b(htop|top)$", None, leave_htop),
    (r"workstation attach sh$", share_shell, come_back),
    (r"workstation clip --get\b", None, say_text),
    (r"workstation send .*Tablet", take_files_twice, None),
    (r"workstation send\b", take_files, None),
    (r"workstation receive (?=.*--once)", send_photo, None),
    (r"workstation receive\b", send_photo, end_after_photo),
    (r"tar .* \| workstation pipe$", read_pipe, None),
    (r"workstation pipe < /dev/null > ", write_pipe, None),
]

# Other exit codes than 0: a machine for tests lacks what the doctor looks for.
CODES = {"workstation doctor": [0, 1]}


def play_block(lines):
    """A block's lines, one after another, for one user."""
    with Relay() as relay, User(relay) as user:
        for line in lines:
            print(f"    {line}", flush=True)
            play(user, line)


def play(user, line):
    before, person = next(((before, person) for start, before, person in PLAYS if re.match(start, line)), (None, None))
    if before:
        before(user)
    if person is None:
        command = line.replace("https://relay.example.org", user.desk.relay.url)
        done = subprocess.run(
            ["bash", "-c", command], env={**os.environ, **user.desk.env}, cwd=user.project, stdin=subprocess.DEVNULL,
            capture_output=True, timeout=ALONE_SECS,
        )
        assert done.returncode in CODES.get(line, [0]), (done.returncode, done.stdout, done.stderr)
        return
    with user.window(line) as window:
        person(user, window)
        assert window.exit_code() == 0, (window.status, window.text())
        window.expect_settings_restored()


def main():
    wanted = "".join(sys.argv[1:2])
    cases = []
    for block in blocks():
        for line in block:
            if re.match(ELSEWHERE, line):
                print(f"test recipes::{line} ... played elsewhere", flush=True)
        lines = [line for line in block if not re.match(ELSEWHERE, line)]
        if any(wanted in line for line in lines):
            cases.append((f"recipes::{lines[0]}", functools.partial(play_block, lines)))
    sys.exit(play_all(cases))


if __name__ == "__main__":
    main()
