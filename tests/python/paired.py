"""A user's folders, a relay, and a phone that is paired: what the cases of `push.py` and `passing.py` begin with."""

import functools
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

from played import cases_of, play_all
from processes import is_running, kill_all_of, processes_of
from screen import Window
from service import BINARIES, GUARD_SECS, Program, Relay


class Desk:
    """Everything of it is killed and removed with its `with` block."""

    def __init__(self, relay, *setup):
        self.relay = relay
        # Short: it is part of a socket's path.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rp", dir="/tmp"))
        for name in ("run", "state", "phone"):
            (self.folder / name).mkdir(mode=0o700)
        self.env = {
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "XDG_STATE_HOME": str(self.folder / "state"),
        }
        self.ws = f"ws://{relay.address}/ws"
        code, text = self.run("setup", relay.url, "--public-url", self.ws, *setup)
        assert code == 0, text

    def started(self, *args, **pipes):
        """A command with these pipes."""
        env = {**os.environ, **self.env}
        return subprocess.Popen([BINARIES / "workstation", *args], env=env, **pipes)

    def run(self, *args, input=b""):
        """A command to its end: its exit code and both of its outputs."""
        with self.started(*args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
            try:
                output, _ = child.communicate(input, timeout=GUARD_SECS)
            except subprocess.TimeoutExpired:
                child.kill()
                raise
            return child.returncode, output.decode()

    def window(self, *args, **rest):
        return Window.of("workstation", *args, env=self.env, **rest)

    def phone_env(self):
        return {**self.env, "XDG_STATE_HOME": str(self.folder / "phone")}

    def phone(self, *args):
        return Program("examples/phone", *args, env=self.phone_env())

    def pair(self, *args):
        """Pairs a phone with these options: the running phone."""
        with Program("workstation", "pair", "--yes", "--no-qr", "--public-url", self.ws, env=self.env) as pair:
            code = pair.line(lambda line: re.match(r"or paste this: (\S.*)", line)).group(1)
            phone = self.phone("--name", "Pixel", *args, code)
            pair.line(lambda line: line.startswith("paired with"))
            assert pair.child.wait(GUARD_SECS) == 0
        return phone

    def pair_once(self):
        """Pairs a phone and ends it; gives the desk's number at the phone."""
        with self.pair() as phone:
            phone.line(lambda line: line.startswith("desk "))
            phone.type("/quit")
            assert phone.child.wait(GUARD_SECS) == 0, phone.seen
        with self.phone("desks") as listed:
            return listed.line(lambda line: line).split()[0]

    def stop_agent(self):
        """Ends the agent, and waits until it is gone."""
        for pid in processes_of(self.folder / "run", "agent"):
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + GUARD_SECS
            while is_running(pid):
                assert time.monotonic() < deadline, "the agent does not end"
                time.sleep(0.05)

    def agent_log(self):
        return (self.folder / "state/relay-workstation/default/agent.log").read_text()

    def kept(self):
        """What is kept of the phones."""
        return "".join(path.read_text() for path in (self.folder / "state/relay-workstation/default/phones").iterdir())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        kill_all_of(self.folder / "run")
        shutil.rmtree(self.folder, ignore_errors=True)


def run_cases(names, part=""):
    """Each case with a relay of its own; the exit code."""
    def played(case):
        with Relay() as relay:
            case(relay)
    return play_all((name, functools.partial(played, case)) for name, case in cases_of(names, part).items())
