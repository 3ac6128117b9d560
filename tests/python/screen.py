"""A program in a window of its own, seen through pyte, an independent terminal emulator."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

import pyte

from service import BINARIES, GUARD_SECS


class Window:
    """A child on a pseudo-terminal. What it prints is drawn by pyte. It ends with its `with` block."""

    def __init__(self, argv, columns=80, rows=24, env=None, cwd=None):
        self.screen = pyte.HistoryScreen(columns, rows, history=2000)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        self.status = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                if cwd:
                    os.chdir(cwd)
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
                os.execvpe(argv[0], argv, {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **(env or {})})
            finally:
                os._exit(127)
        # Held open, so that the settings of the terminal can be read after the child has ended.
        self.terminal = os.open(os.ptsname(self.fd), os.O_RDWR | os.O_NOCTTY)
        self.resize(columns, rows)
        self.settings_at_start = termios.tcgetattr(self.terminal)

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
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            # Linux says EIO when the child has closed its terminal.
            data = b""
        self.raw += data
        self.stream.feed(data)
        return bool(data)

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

    def has_ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
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

    def expect_settings_restored(self):
        """The terminal is as the program found it."""
        now = termios.tcgetattr(self.terminal)
        assert now == self.settings_at_start, f"{now} instead of {self.settings_at_start}"

    def close_terminal(self):
        """The window is closed, as by its user: everything in it gets a SIGHUP."""
        os.close(self.terminal)
        os.close(self.fd)
        self.fd = self.terminal = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.has_ended():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        for fd in (self.fd, self.terminal):
            if fd is not None:
                os.close(fd)
