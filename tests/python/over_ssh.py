"""The desk's commands over ssh, through a real server of this user on the loopback: what is left of them when the client
is killed, and when the connection breaks.

    cargo build --workspace --bins --examples && tests/.venv/bin/python tests/python/over_ssh.py [PART OF A NAME]
"""

import getpass
import os
import pathlib
import shlex
import shutil
import socket
import subprocess
import time

from line import Line
from screen import Window
from seat import PROMPT, SHELL, expect_same, names_in, play
from service import BINARIES, GUARD_SECS

SERVER = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin")


class Server:
    """sshd for this user alone, with keys of its own. A client that does not answer for two seconds is gone."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        if os.getuid() == 0:
            # It must be there, and is root's.
            pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        deadline = time.monotonic() + GUARD_SECS
        # Another program may take the free port first.
        while not self._start():
            assert time.monotonic() < deadline, (folder / "sshd.log").read_text()

    def _start(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        config = self.folder / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {self.folder}/user.pub\nStrictModes no\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nPrintLastLog no\nPrintMotd no\n"
            "ClientAliveInterval 1\nClientAliveCountMax 2\n"
        )
        log = open(self.folder / "sshd.log", "wb")
        self.child = subprocess.Popen([SERVER, "-D", "-e", "-f", config], stdin=subprocess.DEVNULL, stderr=log)
        log.close()
        while self.child.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=GUARD_SECS).close()
                return True
            except ConnectionRefusedError:
                time.sleep(0.02)
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.terminate()
        self.child.wait()


class Remote:
    """A desk that is reached over ssh, through a line that can break."""

    def __init__(self, desk):
        self.desk = desk
        folder = desk.folder / "ssh"
        folder.mkdir(mode=0o700)
        self.server = Server(folder)
        self.line = Line(f"127.0.0.1:{self.server.port}")

    def window(self, *args):
        """A command of `workstation` there, in a window here."""
        env = [f"{name}={value}" for name, value in self.desk.env.items()]
        command = shlex.join(["env", *env, str(BINARIES / "workstation"), *args])
        folder = self.server.folder
        options = [f"UserKnownHostsFile={folder}/known", "StrictHostKeyChecking=accept-new", "LogLevel=ERROR"]
        options = [part for option in options for part in ("-o", option)]
        client = ["ssh", "-F", "none", "-tt", "-i", folder / "user", "-p", str(self.line.port), *options]
        return Window([*client, f"{getpass.getuser()}@127.0.0.1", command], self.desk.columns, self.desk.rows)

    def until_ended(self, command):
        """Waits until the server's end of a connection has ended this command."""
        deadline = time.monotonic() + GUARD_SECS
        while left := self.desk.processes(command) + self.desk.processes("terminal-guard"):
            assert time.monotonic() < deadline, f"still there: {left}"
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.line.__exit__(*failure)
        self.server.__exit__(*failure)


def break_by_kill(remote, window):
    window.child.kill()
    window.exit_code()


def break_by_cut(remote, window):
    remote.line.cut()
    window.exit_code()
    # What the server would undo cannot arrive, so only the client's part is as found.
    window.expect_settings_restored()
    remote.line.mend()


def break_by_silence(remote, window):
    remote.line.hold_up()


BREAKS = [break_by_kill, break_by_cut, break_by_silence]


def case_a_terminal_goes_on_and_another_connection_comes_back(desk):
    with desk.pair() as phone, Remote(desk) as remote:
        for number, break_it in enumerate(BREAKS):
            name = f"far{number}"
            with remote.window("run", "--name", name, "--", *SHELL) as window:
                window.until(PROMPT)
                phone.until(f"shares {name}")
                phone.type(f"/open {name}\r")
                expect_same(window, phone)
                break_it(remote, window)
                remote.until_ended("run")
                phone.type("echo alone $((40 + number))\r".replace("number", str(number)))
                phone.until(f"alone {40 + number}")
                remote.line.mend()
            assert names_in(desk.output("terminals")[1]) == [name]
            with remote.window("attach", name) as window:
                window.until(f"alone {40 + number}")
                expect_same(window, phone)
                window.type("exit 5\r")
                assert window.exit_code() == 5, window.text()
                window.expect_as_found()
            remote.until_ended("attach")
            phone.until("has ended")


def case_a_terminal_with_hang_up_ends_with_its_connection(desk):
    with Remote(desk) as remote:
        for break_it in BREAKS:
            with remote.window("run", "--hang-up", "--", *SHELL) as window:
                window.until(PROMPT)
                break_it(remote, window)
                remote.until_ended("run")
                remote.until_ended("terminal-host")
                remote.line.mend()


def case_a_chat_ends_with_its_connection(desk):
    with desk.pair(), Remote(desk) as remote:
        for break_it in BREAKS:
            with remote.window("chat") as window:
                window.until("encrypted")
                window.until("> ", lambda: any(line.startswith(">") for line in window.lines()))
                break_it(remote, window)
                remote.until_ended("chat")
                remote.line.mend()


def case_a_code_and_its_question_end_with_their_connection(desk):
    with Remote(desk) as remote:
        for break_it in BREAKS:
            with remote.window("pair", "--no-qr", "--public-url", f"ws://{desk.relay.address}/ws") as window:
                with desk.phone(desk.code_in(window)) as phone:
                    window.until("[y/n]")
                    break_it(remote, window)
                    remote.until_ended("pair")
                    assert phone.exit_code() != 0
                    remote.line.mend()
    assert desk.output("devices")[1].count("\n") <= 1, desk.output("devices")


play("over_ssh", globals())
