"""Measures how fast output comes through `workstation run`, beside `script -q`, tmux and the bare command.

    cargo build --release -p workstation
    tests/python/throughput.py target/release/workstation [ROUNDS]

Each command runs in a pseudo-terminal of 80×24 that is read as fast as possible. The ways take turns, so that
what else the machine does falls on all of them. tmux sends what a screen shows, and not every byte, so the
time counts and not the bytes. Printed: the median, and all times, in seconds.
"""

import fcntl
import os
import pty
import shlex
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

BYTES = 100_000_000


def read_all(command, env):
    """Runs the command in a terminal of its own, and returns how long that took."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    began = time.monotonic()
    process = subprocess.Popen(
        ["setsid", "--ctty", *command], stdin=theirs, stdout=theirs, stderr=theirs, env=env
    )
    os.close(theirs)
    try:
        while os.read(ours, 65536):
            pass
    except OSError:
        pass  # EIO: nobody has the terminal open.
    os.close(ours)
    code = process.wait()
    assert code == 0, (command, code)
    return time.monotonic() - began


def ways(program, script):
    """The command, and the three programs that show it."""
    quoted = " ".join(map(shlex.quote, script))
    return {
        "bare": script,
        "script -q": ["script", "-q", "-c", quoted, "/dev/null"],
        "workstation run": [program, "run", "--", *script],
        "tmux": ["tmux", "-L", f"throughput-{os.getpid()}", "-f", "/dev/null", "new-session", quoted],
    }


def main():
    program = os.path.abspath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory(prefix="tp-") as folder:
        env = dict(os.environ, XDG_RUNTIME_DIR=folder, XDG_STATE_HOME=folder, TERM="xterm", SHELL="/bin/sh")
        env.pop("TMUX", None)
        text = os.path.join(folder, "text")
        with open(text, "w", encoding="ascii") as file:
            written = line = 0
            while written < BYTES:
                written += file.write(f"{line} {'the quick brown fox jumps'[: line % 26]} over the lazy dog\n")
                line += 1
        scripts = {
            "cat of 100 MB": ["cat", text],
            "yes | head -n 5000000": ["sh", "-c", "yes | head -n 5000000"],
        }
        for name, script in scripts.items():
            times = {way: [] for way in ways(program, script)}
            for _ in range(rounds):
                for way, command in ways(program, script).items():
                    times[way].append(read_all(command, env))
            print(name)
            for way, all_times in times.items():
                each = " ".join(f"{seconds:.2f}" for seconds in all_times)
                print(f"  {way:16} {statistics.median(all_times):6.2f}   ({each})")


main()
