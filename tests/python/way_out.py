"""The example `phone` behind proxies by others, which lead to a real relay behind a real nginx with TLS.

    way_out.py tinyproxy microsocks

Ends with `N passed, N failed`.
"""

import functools
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

from front import Front, free_port
from played import cases_of, play_all
from service import GUARD_SECS, Program

PATH = "/usr/sbin:/usr/bin:/bin:/opt/homebrew/bin:/usr/local/bin:/usr/local/sbin"
# tinyproxy's file knows no other characters.
USER, PASSWORD = "me", "pass.word"


def tinyproxy(folder, port, wants_login):
    config = folder / "tinyproxy.conf"
    login = f"BasicAuth {USER} {PASSWORD}\n" if wants_login else ""
    config.write_text(f"Port {port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 20\n{login}")
    return ["tinyproxy", "-d", "-c", str(config)]


def microsocks(_, port, wants_login):
    login = ["-u", USER, "-P", PASSWORD] if wants_login else []
    return ["microsocks", "-i", "127.0.0.1", "-p", str(port), *login]


# How each is started, and the schemes it is spoken to by.
PROXIES = {"tinyproxy": (tinyproxy, ["http"]), "microsocks": (microsocks, ["socks5", "socks5h"])}


class Proxy:
    """A running proxy. It ends with its `with` block."""

    def __init__(self, name, wants_login):
        self.command, _ = PROXIES[name]
        self.wants_login = wants_login

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="relay-way-out-")
        folder = pathlib.Path(self.folder.name)
        assert any(self.starts(folder) for _ in range(3)), "it does not start"
        return self

    def starts(self, folder):
        self.port = free_port()
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        command = self.command(folder, self.port, self.wants_login)
        self.child = subprocess.Popen(command, env={"PATH": PATH}, **quiet)
        deadline = time.monotonic() + GUARD_SECS
        while self.child.poll() is None:
            assert time.monotonic() < deadline, "it does not listen"
            if self.accepts():
                return True
        return False

    def accepts(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            time.sleep(0.02)
            return False

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()
        self.folder.cleanup()


def pair(front, proxy):
    """A workstation that goes directly, and a phone through `proxy`."""
    trust = ["--ca", str(front.certificate.file)]
    url = f"https://localhost:{front.port}"
    desk = Program("workstation", "--alone", "--server", url, "--public-url", f"wss://localhost:{front.port}/ws", *trust, "--yes")
    code = desk.line(lambda line: "{" in line and line[line.index("{") :])
    return desk, Program("examples/phone", *trust, "--proxy", proxy, code)


def case_a_phone_talks_through_it(name):
    for scheme in PROXIES[name][1]:
        for wants_login in [False, True]:
            login = f"{USER}:{PASSWORD}@" if wants_login else ""
            with Front("nginx") as front, Proxy(name, wants_login) as proxy:
                desk, phone = pair(front, f"{scheme}://{login}127.0.0.1:{proxy.port}")
                with desk, phone:
                    desk.expect("phone is here, encrypted")
                    phone.expect("workstation is here, encrypted")
                    phone.type("from the phone")
                    desk.expect("from the phone")


def case_a_wrong_password_is_told(name):
    for scheme in PROXIES[name][1]:
        with Front("nginx") as front, Proxy(name, True) as proxy:
            desk, phone = pair(front, f"{scheme}://me:wrong@127.0.0.1:{proxy.port}")
            with desk, phone:
                words = "it does not accept the user or the password ("
                line = phone.line(lambda line: words in line and line)
                where = f"through the proxy {scheme}://127.0.0.1:{proxy.port}: "
                assert where in line and "wrong" not in line, line


def case_a_relay_that_is_not_there_is_told(name):
    words = {"tinyproxy": "it can't reach the relay (500 ", "microsocks": "it can't reach the relay (connection refused)"}
    with Proxy(name, False) as proxy:
        scheme = PROXIES[name][1][-1]
        code = '{"u":"ws://localhost:%d/ws","s":"%s","t":"%s","k":"%s"}' % (free_port(), "0" * 32, "0" * 32, "A" * 43)
        with Program("examples/phone", "--proxy", f"{scheme}://127.0.0.1:{proxy.port}", code) as phone:
            phone.line(lambda line: words[name] in line)


def main(names):
    return play_all(
        (f"{title}::{name}", functools.partial(case, name)) for name in names for title, case in cases_of(globals()).items()
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(PROXIES)))
