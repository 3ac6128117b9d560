"""A user at a desk, and how the cases about one are played: each at windows of 80×24 and 120×50."""

import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from played import cases_of, play_all
from processes import kill_all_of, processes_of
from screen import Window
from service import BINARIES, GUARD_SECS, Relay

SIZES = [(80, 24), (120, 50)]
PROMPT = "desk$"
# Set in the command line, as a shell that begins without files sets a prompt of its own.
SHELL = ["env", f"PS1={PROMPT} ", "sh", "-i"]


class Desk:
    """A user at a desk: folders of their own, a relay, and phones."""

    def __init__(self, relay, columns=80, rows=24):
        self.relay, self.columns, self.rows = relay, columns, rows
        # Short: it is part of a socket's path.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rd", dir="/tmp"))
        for name in ("run", "state", "phone"):
            (self.folder / name).mkdir(mode=0o700)
        self.env = {
            "RELAY_SERVER": relay.url,
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "XDG_STATE_HOME": str(self.folder / "state"),
        }

    def window(self, *args, **rest):
        return Window.of("workstation", *args, columns=self.columns, rows=self.rows, env=self.env, **rest)

    def window_of(self, *command):
        """Another program's window, in the user's folder. WORKSTATION is the chat's command line there."""
        env = {**self.env, "WORKSTATION": f"{BINARIES / 'workstation'} chat"}
        return Window(command, self.columns, self.rows, env=env, cwd=self.folder)

    def run(self, *command, options=()):
        return self.window("run", *options, "--", *command)

    def output(self, *args):
        """A command without a terminal: its exit code and output."""
        env = {**os.environ, **self.env}
        done = subprocess.run([BINARIES / "workstation", *args], env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=GUARD_SECS)
        return done.returncode, (done.stdout + done.stderr).decode()

    def phone(self, *args, columns=None, rows=None, name="phone"):
        """A phone's window: one row more than the desk's, for its status line."""
        env = {**self.env, "XDG_STATE_HOME": str(self.folder / name)}
        return Window.of("examples/phone", *args, columns=columns or self.columns, rows=rows or self.rows + 1, env=env)

    def pairing(self, command="pair"):
        """A window that shows a code for phones."""
        return self.window(command, "--no-qr", "--public-url", f"ws://{self.relay.address}/ws")

    def code_in(self, window, name="phone"):
        """The code that the window shows, when it can be used; a phone of this name may begin with it."""
        (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        window.until("waiting for a phone")
        return re.search(r"or paste this: (\S.*?)\r", window.raw.decode()).group(1)

    def pair(self, name="phone"):
        """Pairs a phone, as a person does: the code on one screen, pasted at the other, a yes at the desk."""
        with self.pairing() as desk:
            code = self.code_in(desk, name)
            phone = self.phone("--name", name, code, name=name)
            desk.until("[y/n]")
            words = re.search(r"(?:[a-z]{5} ){5}[a-z]{5}", desk.raw.decode().replace("\r\n", " ")).group(0)
            phone.until(words, lambda: words.replace(" ", "") in "".join(phone.text().split()))
            desk.type("y\r")
            assert desk.exit_code() == 0, desk.text()
            desk.expect_settings_restored()
            phone.until("encrypted")
        return phone

    def processes(self, argument=""):
        """The ids of the processes at this desk that have this argument, or any."""
        return processes_of(self.folder / "run", argument)

    def until_in_front(self, window, argument):
        """Waits until a process with this argument has the keyboard. Until then, a key's signal reaches its shell."""
        window.until(f"{argument} in front", lambda: any(has_keyboard(pid) for pid in self.processes(argument)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        kill_all_of(self.folder / "run")
        shutil.rmtree(self.folder, ignore_errors=True)


def has_keyboard(pid):
    """True if the process is of its terminal's foreground group (proc_pid_stat(5))."""
    try:
        _state, _parent, group, _session, _terminal, foreground, *_ = (
            pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        )
    except OSError:
        return False
    return group == foreground


def names_in(listed):
    """The names that `terminals` lists, where it lists any."""
    return [line.split()[0] for line in listed.splitlines() if not line.startswith(("NAME", "there are no"))]


def cells(window, rows, columns):
    """What each cell shows: character and looks."""
    def cell(char):
        front, back = (char.fg, char.bg) if not char.reverse else (char.bg, char.fg)
        if char.data == " " and not char.underscore:
            # A blank cell shows its background alone.
            return char.data, back
        return char.data, back, front, char.bold, char.underscore
    return [[cell(window.screen.buffer[row][column]) for column in range(columns)] for row in range(rows)]


def expect_same(desk, phone):
    """Reads until the phone's screen equals the desk's, cell by cell."""
    rows, columns = desk.screen.lines, desk.screen.columns
    deadline = time.monotonic() + GUARD_SECS
    while True:
        moved = [window.pump(0.05) for window in (desk, phone)]
        here, there = cells(desk, rows, columns), cells(phone, rows, columns)
        if here == there and not any(moved):
            return
        if time.monotonic() > deadline:
            wrong = [(row, column, here[row][column], there[row][column])
                     for row in range(rows) for column in range(columns) if here[row][column] != there[row][column]]
            raise AssertionError(f"{len(wrong)} cells differ, such as {wrong[:5]}\ndesk:\n{desk.text()}\nphone:\n{phone.text()}")


def play(suite, namespace, sizes=SIZES):
    """Plays a module's cases, or those whose name has the first argument, each at every size; ends the process."""
    def played(case, columns, rows):
        with Relay() as relay, Desk(relay, columns, rows) as desk:
            case(desk)
    sys.exit(play_all(
        (f"{suite}::{name}::{columns}x{rows}", functools.partial(played, case, columns, rows))
        for name, case in cases_of(namespace, "".join(sys.argv[1:2])).items()
        for columns, rows in sizes
    ))
