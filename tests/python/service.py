"""Starts the programs of this workspace and reads what they print."""

import errno
import fcntl
import json
import os
import pathlib
import queue
import struct
import subprocess
import termios
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARIES = pathlib.Path(os.environ.get("RELAY_TEST_BINARIES", ROOT / "target" / "debug"))
# Longer than anything takes on a loaded machine: only a hang reaches it.
GUARD_SECS = int(os.environ.get("RELAY_GUARD_SECS", 60))


class Program:
    """A child whose output is read line by line. It ends with its `with` block."""

    def __init__(self, name, *args, env=None, stream="stdout", at_terminal=False, controls=False, size=(60, 100)):
        """`stream`: which output is read. With stdout, stderr is read too, as a terminal shows both.
        `at_terminal`: its input and outputs are a terminal, so the user can be asked.
        `controls`: it has a terminal besides its piped input and outputs, as in `tail -f log | program`.
        `size`: that terminal's rows and columns."""
        path = BINARIES / name
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not there: run `cargo build --workspace --bins --examples` first")
        own = {key: value for key, value in os.environ.items() if key not in CONTRACT_VARIABLES}
        pipes = {"stdin": subprocess.PIPE, stream: subprocess.PIPE}
        if stream == "stdout":
            pipes["stderr"] = subprocess.STDOUT
        if at_terminal or controls:
            window, terminal = open_window(*size)
            # The terminal becomes the program's controlling terminal, from which answers are read.
            pipes |= {"start_new_session": True, "pass_fds": [terminal]}
            pipes["preexec_fn"] = lambda: fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        if at_terminal:
            pipes |= {"stdin": terminal, "stdout": terminal, "stderr": terminal}
            own |= {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        self.child = subprocess.Popen([path, *args], env={**own, **(env or {})}, **pipes)
        self.input = self.child.stdin
        pipe = getattr(self.child, stream)
        if at_terminal or controls:
            os.close(terminal)
            self.terminal = os.fdopen(os.dup(window), "wb", buffering=0)
        if at_terminal:
            self.input = self.terminal
            pipe = os.fdopen(window, "rb")
        self.seen = []
        self._lines = queue.Queue()
        self._collector = threading.Thread(target=self._collect, args=(pipe,), daemon=True)
        self._collector.start()

    def _collect(self, pipe):
        try:
            for line in pipe:
                self._lines.put(line.decode("utf-8").rstrip("\r\n"))
        except OSError as error:
            # How Linux reports that the other side of a terminal is closed.
            if error.errno != errno.EIO:
                raise
        self._lines.put(None)

    def line(self, wanted):
        """Finds the next line for which `wanted` returns something true, and returns that."""
        deadline = time.monotonic() + GUARD_SECS
        while True:
            try:
                line = self._lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no such line in {GUARD_SECS} s after {self.seen[-5:]}") from None
            if line is None:
                raise AssertionError(f"it ended; its last lines: {self.seen[-5:]}")
            self.seen.append(line)
            answer = wanted(line)
            if answer:
                return answer

    def expect(self, text):
        """Waits for exactly this line."""
        self.line(lambda line: line == text)

    def type(self, text):
        """Types a line."""
        self.input.write(text.encode("utf-8") + b"\n")
        self.input.flush()

    def type_at_terminal(self, text):
        """Types a line at the terminal of a program whose input is a pipe."""
        self.terminal.write(text.encode("utf-8") + b"\n")

    def end_input(self):
        """Ends the input, and returns the exit code once it has ended."""
        self.input.close()
        return self.child.wait(GUARD_SECS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()


def open_window(rows=60, columns=100):
    """A terminal of this size without echo: our side of it, and the program's."""
    window, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    attributes = termios.tcgetattr(terminal)
    attributes[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)
    return window, terminal


class Relay(Program):
    """relayd on a free port, ready. Its `with` block fails at the end if it ended by itself, or its log shows a panic."""

    def __init__(self, redis_url=None, *more):
        store = {"REDIS_URL": redis_url} if redis_url else {}
        flags = ["--redis-prefix", f"python-{os.getpid()}:"] if redis_url else ["--store", "memory"]
        fixed = ["--port", "0", "--listen", "127.0.0.1", "--log-format", "json"]
        super().__init__("relayd", *fixed, *flags, *more, env=store, stream="stderr")
        self.address = self.line(listening_address)
        self.url = f"http://{self.address}"
        deadline = time.monotonic() + GUARD_SECS
        while self.status("/ready") != 200:
            assert time.monotonic() < deadline, "relayd is not ready"

    def __exit__(self, *failure):
        ended = self.child.poll()
        super().__exit__(*failure)
        self._collector.join(GUARD_SECS)
        log = self.seen + [line for line in self._lines.queue if line is not None]
        panics = [line for line in log if "panicked" in line]
        assert ended is None, f"relayd ended by itself with {ended}: {log[-10:]}"
        assert not panics, f"relayd panicked: {panics}"

    def status(self, path):
        try:
            with urllib.request.urlopen(self.url + path, timeout=GUARD_SECS) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def register(self):
        request = urllib.request.Request(self.url + "/api/register", data=b"", method="POST")
        with urllib.request.urlopen(request, timeout=GUARD_SECS) as answer:
            return json.load(answer)

    def reachable(self, ws_url):
        """The same path at the address that this relayd listens on."""
        return f"ws://{self.address}/" + ws_url.split("/", 3)[3]


def listening_address(line):
    if not line.startswith("{"):
        return None
    event = json.loads(line)
    event = event.get("fields", event)
    return event.get("addr") if event.get("message") == "listening" else None


# Removed from the environment, so that only a case's own settings count.
CONTRACT_VARIABLES = {
    "PORT",
    "REDIS_URL",
    "REDIS_PASSWORD_FILE",
    "REDIS_PASSWORD_COMMAND",
    "PUBLIC_WS_URL",
    "SESSION_IDLE_SECS",
    "HEARTBEAT_INTERVAL_SECS",
    "MAX_MESSAGE_BYTES",
    "ALLOWED_ORIGINS",
    "REGISTER_KEY",
    "REGISTER_KEY_FILE",
    "RELAY_CONFIG",
    "TRUSTED_PROXY",
    "RELAY_LOG",
    "RELAY_SERVER",
}
