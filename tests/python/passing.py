"""`notify`, `clip` and `pipe` with the example `phone`: in scripts and at terminals, and their exit codes. Ends with
`N passed, N failed`.

    cargo build --workspace --bins --examples && tests/.venv/bin/python tests/python/passing.py [PART OF A NAME]
"""

import base64
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

from paired import Desk, run_cases
from service import BINARIES, GUARD_SECS

BINARY = bytes(range(256)) * 4000 + os.urandom(70_001)


def paired_phone(desk):
    phone = desk.pair()
    phone.line(lambda line: line.startswith("desk "))
    return phone


# Notices.


def case_a_notice_is_shown_from_a_script_and_from_a_terminal(relay):
    with Desk(relay) as desk, paired_phone(desk) as phone:
        code, text = desk.run("notify", "--title", "make", "all", "done")
        assert (code, text) == (0, ""), (code, text)
        phone.expect("notice: make: all done")
        with desk.window("notify", "--to", "Pixel", "-") as window:
            window.until("type the text, and then Ctrl-D")
            window.type("typed here\n\x04")
            phone.expect("notice: typed here")
            assert window.exit_code() == 0, window.text()
            window.expect_settings_restored()


def case_a_notice_that_nobody_sees_ends_with_1(relay):
    with Desk(relay) as desk:
        code, text = desk.run("notify", "hello")
        assert code == 1 and "no phone is paired" in text, (code, text)
        desk.pair_once()
        for args, code, words in [
            (["--to", "Nexus", "x"], 1, 'no phone is called "Nexus"'),
            ([" "], 1, "the text is empty"),
            ([], 2, "TEXT"),
            (["--wait", "1", "x"], 1, "no phone has shown it"),
            (["--wait", "0", "x"], 1, "no phone has shown it"),
        ]:
            got, text = desk.run("notify", *args)
            assert got == code and words in text, (args, got, text)


def case_a_phone_that_comes_later_shows_what_waits(relay):
    with Desk(relay) as desk:
        number = desk.pair_once()
        with desk.started("notify", "--wait", "60", "come back", stdin=subprocess.DEVNULL) as waiting:
            with desk.phone("--desk", number) as phone:
                phone.expect("notice: come back")
                assert waiting.wait(GUARD_SECS) == 0


def case_a_hidden_phone_does_not_confirm(relay):
    with Desk(relay) as desk, desk.pair("--hidden") as phone:
        phone.line(lambda line: line.startswith("desk "))
        code, text = desk.run("notify", "--wait", "1", "hello")
        assert code == 1, (code, text)
        phone.expect("notice: hello")


def case_a_terminal_that_nobody_sees_raises_notices(relay):
    with Desk(relay) as desk, paired_phone(desk) as phone:
        go = desk.folder / "go"
        wait = f"while ! test -e {go}; do sleep 0.05; done; "
        script = wait + r"printf '\033]777;notify;tests;4 failed\007'; exit 3"
        with desk.window("run", "--name", "build", "--", "sh", "-c", "printf '\\a'; echo ready; " + script) as window:
            window.until("ready")
            phone.line(lambda line: "shares build" in line)
            # Its user sees the bell.
            window.close_terminal()
            window.exit_code_without_terminal()
        go.touch()
        first = phone.line(lambda line: line.startswith("notice: ") and line)
        assert first == "notice: tests: 4 failed", first
        ended = phone.line(lambda line: line.startswith("notice: ") and line)
        assert ended.startswith("notice: build: sh -c ") and ended.endswith("has ended with exit code 3"), ended


def case_a_command_whose_user_looks_raises_none(relay):
    with Desk(relay) as desk, paired_phone(desk) as phone:
        with desk.window("run", "--", "sh", "-c", "printf '\\a\\033]9;x\\007'; exit 4") as window:
            assert window.exit_code() == 4
        assert desk.run("notify", "next")[0] == 0
        assert phone.line(lambda line: line.startswith("notice: ") and line) == "notice: next"


# The clipboard.


def case_a_text_goes_to_the_phone(relay):
    with Desk(relay) as desk, paired_phone(desk) as phone:
        code, text = desk.run("clip", input="grüß dich\n\x1b[2Jzwei".encode())
        assert (code, text) == (0, ""), (code, text)
        phone.expect(r"clip: grüß dich\n\u{1b}[2Jzwei")
        code, text = desk.run("clip", "--to", "Pixel", input=b"x" * 1_048_576)
        assert code == 0, (code, text)
        assert len(phone.line(lambda line: line.startswith("clip: xxx") and line)) == 6 + 1_048_576


def case_what_a_program_copies_is_passed_on_only_with_leave(relay):
    with Desk(relay) as desk, paired_phone(desk) as phone:
        for leave, text in [([], "no"), (["--clipboard"], "yes")]:
            # Copied once the agent knows the terminal.
            script = f"read line; printf '\\033]52;c;{base64.b64encode(text.encode()).decode()}\\007'; read line"
            with desk.window("run", *leave, "--", "sh", "-c", script) as window:
                phone.line(lambda line: "shares sh" in line)
                window.type("go\r")
                window.until("", lambda: b"]52;c;" in window.raw)
                if leave:
                    phone.expect("clip: yes")
                window.type("end\r")
                assert window.exit_code() == 0
            phone.line(lambda line: "shares no terminal" in line)
        assert not any("clip: no" in line for line in phone.seen), phone.seen


def case_a_text_of_the_phone_is_printed(relay):
    with Desk(relay) as desk, paired_phone(desk) as phone:
        # A chat keeps the agent, which waits for a while for a command that takes the text.
        quiet = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with desk.started("chat", **quiet) as chat:
            phone.type("/clip nobody takes this")
            refused = "the desk did not take the text: "
            phone.line(lambda line: line.startswith(refused) and "workstation clip" in line)
            chat.kill()
        for args in [["--get"], ["--get", "--to", "Pixel"]]:
            with desk.started("clip", *args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as clip:
                assert b"waiting for a text" in clip.stderr.readline()
                phone.type("/clip \u00e4 text\twith 'this'")
                phone.expect("the desk has the text")
                assert clip.stdout.read().decode() == "\u00e4 text\twith 'this'" and clip.wait(GUARD_SECS) == 0
        # At a terminal it waits without --get, and shows nothing that acts there.
        with desk.window("clip") as window:
            window.until("waiting for a text")
            phone.type("/clip a\x1b[31mb")
            window.until(r"a\u{1b}[31mb")
            assert window.exit_code() == 0, window.text()


def case_the_exit_code_of_clip_says_what_happened(relay):
    with Desk(relay) as desk:
        desk.pair_once()
        for args, input, code, words in [
            ([], b"", 1, "the input is empty"),
            ([], b"\xff", 1, "not text in UTF-8"),
            ([], b"x" * 1_048_577, 1, "send it as a file"),
            (["--to", "Nexus"], b"x", 1, 'no phone is called "Nexus"'),
            (["--wait", "1"], b"x", 4, '"Pixel" was not there in time'),
            (["--get", "--wait", "1"], b"", 4, "no text came in time"),
        ]:
            got, text = desk.run("clip", *args, input=input)
            assert got == code and words in text, (args, got, text)
        clip = desk.started("clip", "--get", stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        clip.stderr.readline()
        clip.send_signal(signal.SIGINT)
        assert clip.wait(GUARD_SECS) == 130


# Pipes.


def phone_pipe(desk, number, **pipes):
    env = {**os.environ, **desk.phone_env()}
    command = [BINARIES / "examples/phone", "--desk", number, "--pipe"]
    return subprocess.Popen(command, env=env, **{"stderr": subprocess.DEVNULL, **pipes})


def communicated(child, data, result):
    def work():
        result.append(child.communicate(data, timeout=4 * GUARD_SECS)[0])

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def case_bytes_go_both_ways_unchanged(relay):
    both = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Desk(relay) as desk:
        number = desk.pair_once()
        for there, back in [(BINARY, BINARY[::-1]), (BINARY, b""), (b"", b"x"), (b"", b"")]:
            with desk.started("pipe", **both) as here, phone_pipe(desk, number, **both) as phone:
                came, went = [], []
                threads = [communicated(here, there, came), communicated(phone, back, went)]
                [thread.join(4 * GUARD_SECS) for thread in threads]
                assert [hashlib.sha256(got[0]).hexdigest() for got in (came, went)] == [
                    hashlib.sha256(wanted).hexdigest() for wanted in (back, there)
                ], (len(there), len(back), len(came[0]), len(went[0]))
                assert (here.returncode, phone.returncode) == (0, 0)


def case_a_phone_that_does_not_read_stops_the_writer(relay):
    with Desk(relay) as desk:
        number = desk.pair_once()
        with desk.started("pipe", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as here:
            # Its output is a pipe that nobody reads.
            phone = phone_pipe(desk, number, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            with phone:
                os.set_blocking(here.stdin.fileno(), False)
                total, written, still_since = 64 << 20, 0, time.monotonic()
                while written < total and time.monotonic() < still_since + 3:
                    try:
                        written += os.write(here.stdin.fileno(), b"p" * 65536)
                        still_since = time.monotonic()
                    except BlockingIOError:
                        pass
                assert written < 8 << 20, f"{written} bytes were taken, and nobody reads them"
                os.set_blocking(here.stdin.fileno(), True)
                here.stdin.close()
                assert len(phone.stdout.read()) == written
                assert (here.wait(GUARD_SECS), phone.wait(GUARD_SECS)) == (0, 0)


def case_the_exit_code_of_pipe_says_what_happened(relay):
    with Desk(relay) as desk:
        number = desk.pair_once()
        code, text = desk.run("pipe", "--wait", "1")
        assert code == 4 and "did not open its end in time" in text, (code, text)
        # A phone without a pipe is waited for, and one that opens it then is used.
        with desk.started("pipe", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as here:
            with desk.phone("--desk", number):
                assert b"waiting until \"Pixel\" opens its end" in here.stderr.readline()
            with phone_pipe(desk, number, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as phone:
                phone.stdin.write(b"at last")
                phone.stdin.close()
                assert here.stdout.read() == b"at last" and here.wait(GUARD_SECS) == 0
                assert phone.wait(GUARD_SECS) == 0
        # An input that can't be read ends both sides.
        folder = os.open(desk.folder, os.O_RDONLY)
        with desk.started("pipe", stdin=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as here:
            with phone_pipe(desk, number, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as phone:
                assert here.wait(GUARD_SECS) == 3 and b"the input can't be read" in here.stderr.read()
                assert phone.wait(GUARD_SECS) == 1
        os.close(folder)
        # The phone's program is killed in the middle.
        with desk.started("pipe", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as here:
            with phone_pipe(desk, number, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as phone:
                phone.stdin.write(b"first")
                phone.stdin.flush()
                assert here.stdout.read(5) == b"first"
                phone.kill()
            with desk.phone("--desk", number):
                assert here.wait(GUARD_SECS) == 3
            assert b"not everything was passed on" in here.stderr.read()
        # The desk's reader goes.
        with desk.started("pipe", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as here:
            with phone_pipe(desk, number, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as phone:
                phone.stdin.write(b"first")
                phone.stdin.flush()
                assert here.stdout.read(5) == b"first"
                here.stdout.close()
                phone.stdin.write(b"second")
                phone.stdin.close()
                assert here.wait(GUARD_SECS) == 3
                assert phone.wait(GUARD_SECS) == 1
        with desk.started("pipe", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as here:
            with desk.phone("--desk", number):
                here.stderr.readline()
                here.send_signal(signal.SIGINT)
                assert here.wait(GUARD_SECS) == 130


def case_a_pipe_at_a_terminal_shows_nothing_that_acts(relay):
    with Desk(relay) as desk:
        number = desk.pair_once()
        with desk.window("pipe") as window:
            with phone_pipe(desk, number, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as phone:
                phone.stdin.write(b"a\x1b[2Jb\n")
                phone.stdin.close()
                window.until(r"a\u{1b}[2Jb")
                window.type("typed\n\x04")
                assert phone.stdout.read() == b"typed\n" and phone.wait(GUARD_SECS) == 0
                assert window.exit_code() == 0, window.text()
                window.expect_settings_restored()


if __name__ == "__main__":
    sys.exit(run_cases(globals(), *sys.argv[1:]))
