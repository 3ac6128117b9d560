"""A program in a window of its own, seen through pyte, an independent terminal emulator."""

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time

import pyte

from service import BINARIES, GUARD_SECS


def begin_in_terminal():
    """What a terminal does for its first process, wherever these tests were started from, as under `nohup`."""
    for ignored in [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT]:
        signal.signal(ignored, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Emulator(pyte.HistoryScreen):
    """pyte's screen, which stumbles over sequences that it does not know: over private ones (`CSI > … m`), and over more
    parameters than it takes. It leaves them out."""

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        return tolerant(found) if name in HANDLERS else found


# What a sequence calls, and those of them that know private ones.
HANDLERS = set(pyte.Stream.csi.values()) | set(pyte.Stream.escape.values()) | set(pyte.Stream.sharp.values())
PRIVATE = {"set_mode", "reset_mode"}


def tolerant(handler):
    def handle(*parameters, private=False):
        if private and handler.__name__ not in PRIVATE:
            return
        try:
            handler(*parameters, **({"private": True} if private else {}))
        except (TypeError, ValueError, LookupError, UnboundLocalError):
            # More parameters, or other ones.
            pass
    return handle


class Window:
    """A child on a pseudo-terminal. What it prints is drawn by pyte. It ends with its `with` block."""

    def __init__(self, argv, columns=80, rows=24, env=None, cwd=None):
        self.screen = Emulator(columns, rows, history=2000)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        self.fd, self.terminal = os.openpty()
        self.resize(columns, rows)
        self.settings_at_start = termios.tcgetattr(self.terminal)
        self.modes_at_start = set(self.screen.mode)
        # Our own copy of its end stays open, so that the settings can be read after the child has ended.
        self.child = subprocess.Popen(
            argv,
            stdin=self.terminal,
            stdout=self.terminal,
            stderr=self.terminal,
            start_new_session=True,
            preexec_fn=begin_in_terminal,
            env={**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **(env or {})},
            cwd=cwd,
        )
        self.pid = self.child.pid

    @classmethod
    def of(cls, name, *args, **rest):
        """One of this workspace's programs."""
        path = BINARIES / name
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not there: run `cargo build --workspace --bins --examples` first")
        return cls([str(path), *args], **rest)

    def resize(self, columns, rows):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(rows, columns)

    def type(self, keys):
        os.write(self.fd, keys if isinstance(keys, bytes) else keys.encode())

    def pump(self, secs):
        """Draws what arrives within `secs`; false if nothing did."""
        ready, _, _ = select.select([self.fd], [], [], secs)
        if not ready:
            return False
        data = os.read(self.fd, 65536)
        self.raw += data
        self.stream.feed(data)
        return True

    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def text(self):
        return "\n".join(self.lines()).rstrip()

    def until(self, what, is_so=None):
        """Reads until `what` is on the screen, or until `is_so()`; gives the screen's lines."""
        is_so = is_so or (lambda: what in self.text())
        deadline = time.monotonic() + GUARD_SECS
        while not is_so():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {GUARD_SECS} s for {what!r}; the screen:\n{self.text()}")
            if not self.pump(0.2) and self.has_ended() and not is_so():
                raise AssertionError(f"ended with {self.status} before {what!r}; the screen:\n{self.text()}")
        return self.lines()

    @property
    def status(self):
        """The exit code, or minus the signal; `None` while it runs."""
        return self.child.poll()

    def has_ended(self):
        return self.status is not None

    def exit_code(self):
        """Waits for the end; the exit code, or minus the signal."""
        deadline = time.monotonic() + GUARD_SECS
        while not self.has_ended():
            if time.monotonic() > deadline:
                raise AssertionError(f"still running; the screen:\n{self.text()}")
            self.pump(0.1)
        while self.pump(0):
            pass
        return self.status

    def exit_code_without_terminal(self):
        """Waits for the end of a program whose terminal was closed."""
        deadline = time.monotonic() + GUARD_SECS
        while not self.has_ended():
            if time.monotonic() > deadline:
                raise AssertionError("still running although its terminal is gone")
            select.select([], [], [], 0.02)
        return self.status

    def expect_settings_restored(self):
        """The terminal is as the program found it."""
        now = termios.tcgetattr(self.terminal)
        assert now == self.settings_at_start, f"{now} instead of {self.settings_at_start}"

    def until_as_found(self):
        """Waits until the terminal's settings and the emulator's modes are as they were before the program. Somebody
        else restores them where the program was killed."""
        def is_as_found():
            return termios.tcgetattr(self.terminal) == self.settings_at_start and self.screen.mode == self.modes_at_start
        deadline = time.monotonic() + GUARD_SECS
        while not is_as_found():
            assert time.monotonic() < deadline, (
                f"{termios.tcgetattr(self.terminal)} and modes {self.screen.mode} instead of "
                f"{self.settings_at_start} and {self.modes_at_start}"
            )
            self.pump(0.05)

    def expect_as_found(self):
        """The terminal and the emulator's modes are as the program found them."""
        self.expect_settings_restored()
        assert self.screen.mode == self.modes_at_start, f"{self.screen.mode} instead of {self.modes_at_start}"

    def close_terminal(self):
        """The window is closed, as by its user: everything in it gets a SIGHUP."""
        os.close(self.terminal)
        os.close(self.fd)
        self.fd = self.terminal = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()
        for fd in (self.fd, self.terminal):
            if fd is not None:
                os.close(fd)
