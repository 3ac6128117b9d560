"""The life of relayd under a service manager, which these cases play: a socket that is told, and sockets passed on.

    cargo build -p relayd --bins && tests/.venv/bin/python tests/python/life.py

Ends with `N passed, N failed`.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from phone import Peer
from played import cases_of, play_all
from service import BINARIES, CONTRACT_VARIABLES, GUARD_SECS

# What starts a program as a service manager does: the sockets from descriptor 3 on, and its own process id.
START = """
import os, sys
names, owner, *given = sys.argv[1].split(",")
given = [os.dup2(os.dup(int(one)), 60 + at) for at, one in enumerate(given)]
for at, one in enumerate(given):
    os.dup2(one, 3 + at, inheritable=True)
    os.close(one)
if given:
    os.environ |= {"LISTEN_FDS": str(len(given)), "LISTEN_FDNAMES": names, "LISTEN_PID": owner or str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""


class Manager:
    """A service manager with one service. Both end with the `with` block."""

    def __init__(self, *flags, listeners=(), watchdog_ms=None, is_abstract=False, owner=""):
        self.folder = tempfile.TemporaryDirectory(prefix="relay-life-")
        self.log = pathlib.Path(self.folder.name) / "log"
        path = f"\0relay-life-{os.getpid()}-{id(self)}" if is_abstract else f"{self.folder.name}/notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(GUARD_SECS)
        own = {key: value for key, value in os.environ.items() if key not in CONTRACT_VARIABLES}
        own["NOTIFY_SOCKET"] = path.replace("\0", "@")
        if watchdog_ms:
            own["WATCHDOG_USEC"] = str(watchdog_ms * 1000)
        names = ":".join(name for name, _ in listeners)
        passed = ",".join([names, owner, *(str(one.fileno()) for _, one in listeners)])
        fixed = ["--listen", "127.0.0.1"]
        if "--store" not in flags:
            fixed += ["--store", "memory"]
        if "--port" not in flags:
            fixed += ["--port", "0"]
        command = [sys.executable, "-c", START, passed, str(BINARIES / "relayd"), *fixed, *flags]
        with self.log.open("wb") as log:
            self.child = subprocess.Popen(
                command, env=own, stderr=log, pass_fds=[one.fileno() for _, one in listeners]
            )

    def told(self, **wanted):
        """Reads what it is told until a message has these assignments. Gives all of that message."""
        while True:
            message = dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())
            if all(message.get(key) == value for key, value in wanted.items()):
                return message

    def ready(self):
        """Its address, once it listens."""
        return self.told(READY="1")["STATUS"].removeprefix("listening on ")

    def logged(self, text):
        """Waits until its log has this text, and gives all of it."""
        deadline = time.monotonic() + GUARD_SECS
        while text not in (log := self.log.read_text()):
            assert time.monotonic() < deadline, log
            time.sleep(0.02)
        return log

    def code(self):
        return self.child.wait(GUARD_SECS)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.child.kill()
        self.child.wait()
        self.socket.close()
        if failure[0]:
            print(self.log.read_text(), flush=True)
        self.folder.cleanup()


def listener():
    one = socket.create_server(("127.0.0.1", 0))
    return one, "%s:%d" % one.getsockname()


def health(address):
    with urllib.request.urlopen(f"http://{address}/health", timeout=GUARD_SECS) as answer:
        return answer.status


def case_each_step_of_its_life_is_told():
    for is_abstract in [False, True]:
        with Manager(is_abstract=is_abstract) as manager:
            assert health(manager.ready()) == 200
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            manager.child.send_signal(signal.SIGHUP)
            began = int(manager.told(RELOADING="1")["MONOTONIC_USEC"])
            assert before <= began <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            manager.told(READY="1")
            manager.child.send_signal(signal.SIGTERM)
            stopping = manager.told(STOPPING="1")
            # The default of --drain-secs, 2 s, and half a second for the guard.
            assert int(stopping["EXTEND_TIMEOUT_USEC"]) == 7_500_000, stopping
            assert manager.code() == 0


def case_the_watchdog_hears_of_it_while_it_turns():
    with Manager(watchdog_ms=400) as manager:
        manager.ready()
        for _ in range(5):
            manager.told(WATCHDOG="1")
        # Stopped, it says nothing for longer than the limit.
        manager.child.send_signal(signal.SIGSTOP)
        manager.socket.settimeout(0.8)
        try:
            while True:
                manager.told(WATCHDOG="1")
        except TimeoutError:
            pass
        manager.socket.settimeout(GUARD_SECS)
        manager.child.send_signal(signal.SIGCONT)
        manager.told(WATCHDOG="1")


def case_nobody_to_tell_is_a_warning():
    with Manager(is_abstract=True) as manager:
        manager.socket.close()
        manager.logged("service manager")
        manager.logged("listening")
        assert manager.child.poll() is None


def case_a_socket_that_is_passed_is_used():
    for name in ["relay", "relayd.socket"]:
        one, address = listener()
        # The port of the settings is not opened.
        with one, Manager("--port", "1", listeners=[(name, one)]) as manager:
            assert manager.ready() == address
            assert health(address) == 200
            manager.child.send_signal(signal.SIGTERM)
            assert manager.code() == 0


def case_the_listener_of_that_name_is_the_main_one():
    (other, _), (main, address) = listener(), listener()
    with other, main, Manager(listeners=[("relayd.socket", other), ("relay", main)]) as manager:
        assert manager.ready() == address
        assert health(address) == 200
        assert "relayd.socket" in manager.logged("is not used")


def case_what_does_not_listen_is_not_used():
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with one, Manager(listeners=[("relay", one)]) as manager:
        assert health(manager.ready()) == 200
        manager.logged("does not listen for TCP")


def case_sockets_of_another_process_are_not_taken():
    """As of a program that a service starts, which inherits its variables."""
    one, address = listener()
    with one, Manager(listeners=[("relay", one)], owner="1") as manager:
        assert manager.ready() != address


def case_a_restart_on_a_passed_socket_refuses_nobody():
    """The socket stays open between two processes, so a client that comes meanwhile waits."""
    one, address = listener()
    with one:
        with Manager(listeners=[("relay", one)]) as manager:
            manager.ready()
            manager.child.send_signal(signal.SIGTERM)
            assert manager.code() == 0
        with socket.create_connection(("127.0.0.1", one.getsockname()[1]), GUARD_SECS) as early:
            early.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            early.settimeout(GUARD_SECS)
            with Manager(listeners=[("relay", one)]) as manager:
                manager.ready()
                assert early.recv(4096).startswith(b"HTTP/1.1 200 ")


def case_a_stop_tells_each_of_a_crowd():
    with Manager() as manager:
        address = manager.ready()
        sessions = [register(address) for _ in range(20)]
        peers = [join(address, session, role) for session in sessions for role in ["workstation", "phone"]]
        manager.child.send_signal(signal.SIGTERM)
        assert [peer.close_code() for peer in peers] == [1001] * 40
        assert manager.code() == 0


def case_a_healthcheck_asks_the_server_of_its_settings():
    own = {key: value for key, value in os.environ.items() if key not in CONTRACT_VARIABLES}

    def check(*flags):
        """The exit code, and what is said."""
        command = [BINARIES / "relayd", "healthcheck", "--store", "memory", *flags]
        done = subprocess.run(command, env=own, capture_output=True, timeout=GUARD_SECS)
        assert done.stdout == b"", done.stdout
        return done.returncode, done.stderr.decode()

    with Manager() as manager, socket.create_server(("127.0.0.1", 0)) as silent:
        port = manager.ready().rsplit(":", 1)[1]
        assert check("--port", port) == (0, "")
        assert check("--port", port, "--ready") == (0, "")
        # Nothing answers there. The system takes the connection all the same.
        code, said = check("--port", str(silent.getsockname()[1]))
        assert code == 1 and said.count("\n") == 1 and "no answer in time" in said, said
        assert check("--port", "0")[0] == 1
        manager.child.send_signal(signal.SIGTERM)
        assert manager.code() == 0
        code, said = check("--port", port)
        assert code == 1 and "no connection" in said, said


def case_a_healthcheck_speaks_tls_and_hears_that_a_server_is_not_ready():
    with tempfile.TemporaryDirectory(prefix="relay-life-") as folder:
        pem, key = f"{folder}/pem", f"{folder}/key"
        made = ["-nodes", "-keyout", key, "-out", pem, "-subj", "/CN=other", "-addext", "subjectAltName=DNS:other"]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", *made], check=True, capture_output=True)
        # A Redis that nobody runs: this server is well, and not ready.
        closed, _ = listener()
        redis = "redis://%s:%d" % closed.getsockname()
        closed.close()
        flags = ["--tls-cert", pem, "--tls-key", key, "--store", "redis", "--redis-url", redis]
        with Manager(*flags) as manager:
            port = ["--port", manager.ready().rsplit(":", 1)[1]]
            for asked, code in [([], 0), (["--ready"], 1)]:
                command = [BINARIES / "relayd", "healthcheck", *flags, *port, *asked]
                done = subprocess.run(command, capture_output=True, timeout=GUARD_SECS)
                assert done.returncode == code, done.stderr
            assert b"503" in done.stderr, done.stderr


def register(address):
    with urllib.request.urlopen(f"http://{address}/api/register", data=b"", timeout=GUARD_SECS) as answer:
        return json.load(answer)


def join(address, session, role):
    return Peer(f"ws://{address}/ws", session["sessionId"], session["token"], role)


if __name__ == "__main__":
    sys.exit(play_all(cases_of(globals(), *sys.argv[1:]).items()))
