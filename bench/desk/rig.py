"""A relay, a desk with shared terminals, and phones, for measuring."""

import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import trial

GUARD_SECS = 60


class Lines:
    """What a program prints, line by line."""

    def __init__(self, pipe):
        self.lines, self.last = queue.Queue(), None
        threading.Thread(target=self.collect, args=(pipe,), daemon=True).start()

    def collect(self, pipe):
        for line in pipe:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def next(self, timeout=GUARD_SECS):
        line = self.lines.get(timeout=timeout)
        if line is None:
            raise EOFError(f"the program has ended; its last line: {self.last}")
        self.last = line
        return line

    def until(self, text):
        while text not in (line := self.next()):
            pass
        return line


class Desk:
    """A relay and a desk with folders of their own."""

    def __init__(self, binaries):
        self.binaries = pathlib.Path(binaries).resolve(strict=True)
        # Short, as it is part of a socket's path.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rd", dir="/tmp"))
        for name in ("run", "state"):
            (self.folder / name).mkdir(mode=0o700)
        own = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
        self.env = own | {"XDG_RUNTIME_DIR": f"{self.folder}/run", "XDG_STATE_HOME": f"{self.folder}/state", "TERM": "xterm-256color"}
        command = [self.binaries / "relayd", "--port", "0", "--listen", "127.0.0.1", "--log-format", "json"]
        self.relayd = subprocess.Popen(command, env=own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.port = self.port_of(Lines(self.relayd.stdout))
        self.env["RELAY_SERVER"] = f"http://127.0.0.1:{self.port}"
        self.windows = []

    @staticmethod
    def port_of(lines):
        while True:
            record = json.loads(lines.next())
            if "addr" in record:
                return int(record["addr"].rsplit(":", 1)[1])

    def share(self, name, *command, columns=80, rows=24):
        """Shares a command's terminal. Its window is drained. Returns the pid of the window."""
        program = str(self.binaries / "workstation")
        pid, master = trial.start([program, "run", "--name", name, "--hang-up", "--", *command], self.env, columns, rows)
        threading.Thread(target=trial.drain, args=(master,), daemon=True).start()
        self.windows.append((pid, master))
        return pid

    def host(self, name):
        """The pid of the terminal's host."""
        return self.find(lambda words: "terminal-host" in words and name in words)

    def agent(self):
        return self.find(lambda words: "agent" in words)

    def find(self, is_it):
        run = f"XDG_RUNTIME_DIR={self.folder}/run".encode()
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().decode().split("\0")
                if words[0].endswith("workstation") and is_it(words) and run in (process / "environ").read_bytes():
                    return int(process.name)
            except OSError:
                # It has just ended, or is another user's.
                continue
        return None

    def close(self):
        for pid, _ in self.windows:
            os.kill(pid, signal.SIGHUP)
        for pid, _ in self.windows:
            os.waitpid(pid, 0)
        agent = self.agent()
        if agent:
            os.kill(agent, signal.SIGTERM)
        self.relayd.terminate()
        self.relayd.wait()
        shutil.rmtree(self.folder)


class Phone:
    """A phone behind a line, which shows one terminal as text."""

    def __init__(self, desk, line, name):
        self.desk, self.name, self.process = desk, name, None
        (desk.folder / name).mkdir(mode=0o700)
        self.env = desk.env | {"XDG_STATE_HOME": f"{desk.folder}/{name}"}
        pair = [desk.binaries / "workstation", "pair", "--yes", "--no-qr", "--public-url", f"ws://127.0.0.1:{line.port}/ws"]
        with subprocess.Popen(pair, env=desk.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as shown:
            lines = Lines(shown.stdout)
            code = lines.until("or paste this: ").split("or paste this: ")[1]
            with self.start("--name", name, code):
                lines.until("paired with")
                self.process.stdin.close()
                self.process.wait(GUARD_SECS)

    def start(self, *args):
        program = self.desk.binaries / "examples/phone"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": None if os.environ.get("BENCH_LOUD") else subprocess.DEVNULL}
        self.process = subprocess.Popen([program, *args], env=self.env, text=True, **pipes)
        return self.process

    def watch(self, terminal):
        [pair] = pathlib.Path(self.env["XDG_STATE_HOME"]).rglob("*.pair")
        self.start("--desk", pair.stem, "--watch", terminal, "--dump")
        self.lines = Lines(self.process.stdout)
        return self.next_screen()

    def talk(self, *args):
        """Starts the phone's program for its desk."""
        [pair] = pathlib.Path(self.env["XDG_STATE_HOME"]).rglob("*.pair")
        return self.start("--desk", pair.stem, *args)

    def type(self, keys):
        self.process.stdin.write(keys + "\n")
        self.process.stdin.flush()

    def next_screen(self, timeout=GUARD_SECS):
        """The rows of the next screen that is printed."""
        head = self.lines.next(timeout)
        rows = int(head.split()[1].split("x")[1])
        return [self.lines.next() for _ in range(rows)]

    def until(self, is_it):
        """Reads screens until one fits. Returns when that was."""
        while not is_it(self.next_screen()):
            pass
        return time.monotonic()

    def close(self):
        self.process.terminate()
        self.process.wait()
