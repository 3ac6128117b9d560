"""A real nginx, HAProxy or Caddy with the configuration of `deploy/`, in front of real relays.

Only ports, addresses, folders and certificate files of a configuration are filled in.
"""

import getpass
import grp
import http.client
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

from phone import Peer
from service import GUARD_SECS, ROOT, Relay

FILES = {"nginx": "nginx/nginx.conf", "haproxy": "haproxy/haproxy.cfg", "caddy": "caddy/Caddyfile"}
# The nodes that the configurations name. The lines with the first are repeated for each node of a test.
FIRST, SECOND = "10.0.0.11:3001", "10.0.0.12:3001"

# How long an upgrade may take through a proxy, and how often a client tries.
UPGRADE_SECS = 10
TRIES = 3


def configuration(name):
    return (ROOT / "deploy" / FILES[name]).read_text("utf-8")


def filled(text, *pairs):
    """`text` with the first word of each pair replaced by the second. The first must be there."""
    for old, new in pairs:
        assert old in text, f"{old!r} is not in the configuration:\n{text}"
        text = text.replace(old, new)
    return text


def with_nodes(text, addresses):
    """The configuration with these nodes instead of the two that it names."""
    assert FIRST in text and SECOND in text, text
    lines = []
    for line in text.splitlines():
        is_comment = line.lstrip().startswith("#")
        if FIRST in line and not is_comment:
            numbered = [line.replace("relay1", f"relay{number}") for number in range(1, len(addresses) + 1)]
            lines += [line.replace(FIRST, address) for line, address in zip(numbered, addresses)]
        elif SECOND not in line or is_comment:
            lines.append(line)
    return "\n".join(lines) + "\n"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Certificate:
    """A self-signed certificate for localhost."""

    def __init__(self, folder):
        self.file, self.key, self.both = folder / "cert.pem", folder / "key.pem", folder / "both.pem"
        made = ["-keyout", self.key, "-out", self.file, "-days", "2", "-subj", "/CN=localhost"]
        # The clients of this project do not believe a server that shows a CA's own certificate.
        names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"]
        fresh = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"]
        subprocess.run([*fresh, *made, *names], check=True, capture_output=True)
        self.both.write_bytes(self.file.read_bytes() + self.key.read_bytes())


def nginx(folder, port, text, certificate):
    places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    temporary = "".join(f"    {place}_temp_path {folder}/{place};\n" for place in places)
    text = filled(
        text,
        ("user www-data;", f"daemon off;\nuser {getpass.getuser()} {grp.getgrgid(os.getgid()).gr_name};"),
        ("pid /run/nginx.pid;", f"pid {folder}/pid;"),
        ("error_log /var/log/nginx/error.log warn;", "error_log stderr warn;"),
        ("http {\n", f"http {{\n{temporary}"),
        ("listen 80 default_server;", f"listen 127.0.0.1:{free_port()} default_server;"),
        ("listen [::]:80 default_server;", ""),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("listen [::]:443 ssl http2 default_server;", ""),
        ("server_name relay.example.org;", "server_name localhost;"),
        ("/etc/ssl/relay.example.org.pem", str(certificate.file)),
        ("/etc/ssl/relay.example.org.key", str(certificate.key)),
    )
    config = folder / "nginx.conf"
    config.write_text(text)
    return ["nginx", "-p", folder, "-e", "stderr", "-c", config]


def haproxy(folder, port, text, certificate):
    text = filled(
        text,
        ("    user haproxy\n    group haproxy\n", ""),
        ("log /dev/log local0", "log stderr format raw local0"),
        # So many descriptors may be more than this machine allows.
        ("maxconn 30000", "maxconn 4000"),
        ("/run/haproxy/admin.sock", f"{folder}/admin.sock"),
        ("bind :::80 v4v6", f"bind 127.0.0.1:{free_port()}"),
        ("bind :::443 v4v6", f"bind 127.0.0.1:{port}"),
        ("/etc/haproxy/relay.example.org.pem", str(certificate.both)),
    )
    config = folder / "haproxy.cfg"
    config.write_text(text)
    # The master and its worker, as Debian's unit starts them, but not in the background.
    return ["haproxy", "-W", "-f", config]


def caddy(folder, port, text, certificate):
    # A test cannot get a certificate in Caddy's own ways.
    site = f"https://localhost:{port} {{\n\tbind 127.0.0.1\n\ttls {certificate.file} {certificate.key}\n"
    own = f"admin unix/{folder}/admin.sock\n\tauto_https disable_redirects\n\tstorage file_system {folder}\n"
    config = folder / "Caddyfile"
    config.write_text(filled(text, ("\n{$RELAY_NAME:relay.example.org} {\n", f"\n{site}"), ("\n{\n", f"\n{{\n\t{own}")))
    return ["caddy", "run", "--adapter", "caddyfile", "--config", config]


PROXIES = {"nginx": nginx, "haproxy": haproxy, "caddy": caddy}


class Front:
    """A proxy in front of relays that trust it. All end with the `with` block.

    `nodes`: how many; more than one need the Redis at `redis`. `flags`: of each relay. `edit`: changes the configuration.
    `addresses`: of relays that are run by the caller; then none is started here.
    """

    def __init__(self, name, edit=lambda text: text, nodes=1, redis=None, flags=(), addresses=()):
        self.name, self.edit, self.redis, self.flags = name, edit, redis, flags
        self.addresses, self.wanted = list(addresses), 0 if addresses else nodes
        self.nodes, self.child = [], None

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="rfront-")
        self.place = pathlib.Path(self.folder.name)
        self.certificate = Certificate(self.place)
        self.trust = ssl.create_default_context(cafile=str(self.certificate.file))
        self.log = self.place / "log"
        try:
            for _ in range(self.wanted):
                self.nodes.append(Relay(self.redis, "--trusted-proxy", "127.0.0.1", *self.flags).__enter__())
                self.addresses.append(self.nodes[-1].address)
            # Another program may take the free port first. Then try another port.
            assert any(self.starts() for _ in range(3)), f"{self.name} does not start:\n{self.log.read_text()}"
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    @property
    def relay(self):
        return self.nodes[0]

    def starts(self):
        self.port = free_port()
        text = with_nodes(self.edit(configuration(self.name)), self.addresses)
        self.command = PROXIES[self.name](self.place, self.port, text, self.certificate)
        home = {"HOME": str(self.place), "XDG_CONFIG_HOME": str(self.place), "XDG_DATA_HOME": str(self.place)}
        self.env = {"PATH": "/usr/sbin:/usr/local/sbin:/opt/homebrew/bin:/usr/bin:/bin:/usr/local/bin", **home}
        with self.log.open("wb") as log:
            self.child = subprocess.Popen(self.command, cwd=self.place, env=self.env, stdout=log, stderr=log)
        deadline = time.monotonic() + GUARD_SECS
        while self.child.poll() is None:
            assert time.monotonic() < deadline, f"{self.name} is not there:\n{self.log.read_text()}"
            try:
                # HAProxy knows only after its first health check that the relay is ready.
                if self.ask("GET", "/ready")[0] == 200:
                    return True
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.02)
        return False

    def workers(self):
        """The processes that serve, where a reload starts new ones (Linux only)."""
        tasks = pathlib.Path(f"/proc/{self.child.pid}/task")
        return {int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()}

    def reload(self):
        """Has the proxy read its configuration again, and waits until new connections are served by it."""
        if self.name == "caddy":
            config = ["--config", self.place / "Caddyfile", "--adapter", "caddyfile", "--force"]
            admin = ["--address", f"unix/{self.place}/admin.sock"]
            subprocess.run(["caddy", "reload", *config, *admin], env=self.env, check=True, capture_output=True)
            return
        older = self.workers()
        self.child.send_signal(signal.SIGHUP if self.name == "nginx" else signal.SIGUSR2)
        deadline = time.monotonic() + GUARD_SECS
        while not self.is_reloaded(older):
            assert time.monotonic() < deadline, f"{self.name} does not reload:\n{self.log.read_text()}"
            time.sleep(0.05)

    def is_reloaded(self, older):
        try:
            return bool(self.workers() - older) and self.ask("GET", "/ready")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def __exit__(self, *failure):
        if self.child:
            self.child.terminate()
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        if failure and failure[0] and self.log.exists():
            print(f"--- the log of {self.name}:\n{self.log.read_text()}", flush=True)
        self.folder.cleanup()
        for node in self.nodes:
            node.__exit__(*failure)

    def ask(self, method, path, source="127.0.0.1", **request):
        """Status and body of a request on its own connection, from the address `source`."""
        connection = http.client.HTTPSConnection(
            "localhost", self.port, timeout=GUARD_SECS, context=self.trust, source_address=(source, 0)
        )
        try:
            connection.request(method, path, **request)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8")
        finally:
            connection.close()

    def register(self, source="127.0.0.1", **request):
        return self.ask("POST", "/api/register", source, **request)

    def join(self, session, role, source="127.0.0.1", query="", **more):
        url = f"wss://localhost:{self.port}/ws{query}"
        options = {"ssl": self.trust, "source_address": (source, 0), "open_timeout": UPGRADE_SECS, **more}
        # HAProxy 2.6 now and then keeps an upgrade to itself: its socket has taken the request, and the relay
        # never gets a byte of it. So a client asks again, as the clients of this project do.
        for _ in range(TRIES - 1):
            try:
                return Peer(url, session["sessionId"], session["token"], role, **options)
            except TimeoutError as error:
                print(f"    {self.name} passed on no upgrade within {UPGRADE_SECS} s: {error}")
        return Peer(url, session["sessionId"], session["token"], role, **options)


def gauge(relay, name):
    """The value of one line of a relay's metrics, such as `relay_links{to="local"}`."""
    connection = http.client.HTTPConnection(*relay.address.rsplit(":", 1), timeout=GUARD_SECS)
    try:
        connection.request("GET", "/metrics")
        page = connection.getresponse().read().decode("utf-8")
    finally:
        connection.close()
    return float(re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE).group(1))
