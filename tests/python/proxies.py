"""The documented snippets for nginx, HAProxy and Caddy, run by the real programs in front of a real relay.

    proxies.py nginx haproxy caddy

Each snippet is taken from docs/configuration.md as written. Only ports, addresses and certificate files are filled in.
Ends with `N passed, N failed`.
"""

import http.client
import json
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import traceback

from websockets.exceptions import InvalidStatus

from phone import Peer
from service import GUARD_SECS, ROOT, Relay

# Enough for what a case does from one address, and small enough to be used up.
REGISTERS = 6
CONNECTIONS = 2


def snippet(name):
    """The block with this name in docs/configuration.md."""
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    found = re.findall(rf"^```{name}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"docs/configuration.md has {len(found)} blocks of {name}"
    return found[0]


def filled(text, *pairs):
    """`text` with the first word of each pair replaced by the second. The first must be there."""
    for old, new in pairs:
        assert old in text, f"{old!r} does not stand in the snippet:\n{text}"
        text = text.replace(old, new)
    return text


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

# How long an upgrade may take through a proxy, and how often a client tries.
UPGRADE_SECS = 10
TRIES = 3


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


def nginx(folder, port, relay, certificate, edit):
    server = filled(
        edit(snippet("nginx")),
        ("listen 443 ", f"listen 127.0.0.1:{port} "),
        ("relay.example.org;", "localhost;"),
        ("/etc/ssl/relay.example.org.pem", str(certificate.file)),
        ("/etc/ssl/relay.example.org.key", str(certificate.key)),
        ("http://127.0.0.1:3001", f"http://{relay}"),
    )
    places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    temporary = "".join(f"{place}_temp_path {folder}/{place};\n" for place in places)
    process = f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
    config = folder / "nginx.conf"
    config.write_text(f"{process}http {{\naccess_log off;\n{temporary}{server}}}\n")
    return ["nginx", "-p", folder, "-e", "stderr", "-c", config]


def haproxy(folder, port, relay, certificate, edit):
    config = folder / "haproxy.cfg"
    config.write_text(
        filled(
            edit(snippet("haproxy")),
            ("bind :443 ", f"bind 127.0.0.1:{port} "),
            ("/etc/haproxy/relay.example.org.pem", str(certificate.both)),
            ("127.0.0.1:3001", relay),
        )
    )
    return ["haproxy", "-db", "-f", config]


def caddy(folder, port, relay, certificate, edit):
    # A test cannot get a certificate in Caddy's own ways.
    site = f"https://localhost:{port} {{\n    bind 127.0.0.1\n    tls {certificate.file} {certificate.key}\n"
    body = filled(edit(snippet("caddy")), ("relay.example.org {\n", site), ("127.0.0.1:3001", relay))
    config = folder / "Caddyfile"
    config.write_text(f"{{\n    admin off\n    auto_https disable_redirects\n    storage file_system {folder}\n}}\n{body}")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", config]


PROXIES = {"nginx": nginx, "haproxy": haproxy, "caddy": caddy}


class Front:
    """A proxy in front of a relay that trusts it. Both end with the `with` block."""

    def __init__(self, name, edit=lambda text: text):
        self.name, self.edit = name, edit

    def __enter__(self):
        limits = ["--registers-per-minute", str(REGISTERS), "--connections-per-address", str(CONNECTIONS)]
        self.relay = Relay(None, "--trusted-proxy", "127.0.0.1", *limits).__enter__()
        self.folder = tempfile.TemporaryDirectory(prefix="relay-proxy-")
        folder = pathlib.Path(self.folder.name)
        self.certificate = Certificate(folder)
        self.trust = ssl.create_default_context(cafile=str(self.certificate.file))
        self.log = folder / "log"
        try:
            # Another program may take the free port first. Then try another port.
            assert any(self.starts(folder) for _ in range(3)), f"{self.name} does not start:\n{self.log.read_text()}"
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def starts(self, folder):
        self.port = free_port()
        command = PROXIES[self.name](folder, self.port, self.relay.address, self.certificate, self.edit)
        home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        path = {"PATH": "/usr/sbin:/usr/local/sbin:/opt/homebrew/bin:/usr/bin:/bin:/usr/local/bin"}
        with self.log.open("wb") as log:
            self.child = subprocess.Popen(command, cwd=folder, env={**path, **home}, stdout=log, stderr=log)
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

    def __exit__(self, *failure):
        child = getattr(self, "child", None)
        if child:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if failure[0] and self.log.exists():
            print(f"--- the log of {self.name}:\n{self.log.read_text()}", flush=True)
        self.folder.cleanup()
        self.relay.__exit__(*failure)

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

    def join(self, session, role, source="127.0.0.1"):
        url = f"wss://localhost:{self.port}/ws"
        options = {"ssl": self.trust, "source_address": (source, 0), "open_timeout": UPGRADE_SECS}
        # HAProxy 2.6 now and then keeps an upgrade to itself: its socket has taken the request, and the relay
        # never gets a byte of it. So a client asks again, as the clients of this project do.
        for _ in range(TRIES - 1):
            try:
                return Peer(url, session["sessionId"], session["token"], role, **options)
            except TimeoutError as error:
                print(f"    {self.name} passed on no upgrade within {UPGRADE_SECS} s: {error}")
        return Peer(url, session["sessionId"], session["token"], role, **options)


def case_the_relay_is_seen_to_be_ready_and_shows_no_metrics(name):
    with Front(name) as front:
        assert front.ask("GET", "/ready") == (200, '{"store":"memory"}')
        assert front.ask("GET", "/health")[0] == 200
        # The proxy comes from this machine, but the clients behind it do not.
        assert front.ask("GET", "/metrics")[0] == 404
        assert front.relay.status("/metrics") == 200


def case_a_plain_and_a_streamed_body_register(name):
    with Front(name) as front:
        status, body = front.register()
        assert status == 200, body
        session = json.loads(body)
        ids = json.dumps({"sessionId": session["sessionId"], "token": session["token"]}).encode()
        status, body = front.register(body=ids)
        assert (status, json.loads(body)["sessionId"]) == (200, session["sessionId"]), body
        streamed = {"body": iter([ids[:7], ids[7:8], ids[8:]]), "encode_chunked": True}
        status, body = front.register(headers={"Transfer-Encoding": "chunked"}, **streamed)
        assert (status, json.loads(body)["sessionId"]) == (200, session["sessionId"]), body
        too_large = {"body": iter([b"x" * 1025]), "encode_chunked": True}
        status, body = front.register(headers={"Transfer-Encoding": "chunked"}, **too_large)
        assert status == 413, body


def case_a_client_of_http_2_registers_without_a_length(name):
    with Front(name) as front:
        said = ["-s", "-o", "-", "-w", "\n%{http_version} %{http_code}"]
        trust = ["--cacert", str(front.certificate.file)]
        url = f"https://localhost:{front.port}/api/register"
        # From standard input, so curl does not know the length when it begins.
        curl = ["curl", "--http2", "-X", "POST", "-T", "-", "--max-time", str(GUARD_SECS), *trust, *said, url]
        out = subprocess.run(curl, input=b'{"a":"b"}', capture_output=True, check=True).stdout.decode("utf-8")
        body, end = out.rsplit("\n", 1)
        assert end == "2 200", out
        assert len(json.loads(body)["sessionId"]) == 32, out


def case_a_pair_talks(name):
    with Front(name) as front:
        session = json.loads(front.register()[1])
        with front.join(session, "workstation") as workstation, front.join(session, "phone") as phone:
            workstation.expect_joined()
            phone.expect_joined()
            for payload in ["", "text", "Grüße 👋", "x" * 1_000_000, b"\x00\xff", bytes(range(256)) * 4000]:
                for sender, receiver in [(workstation, phone), (phone, workstation)]:
                    sender.send(payload)
                    assert receiver.receive() == payload, payload[:20]


def case_each_client_is_counted_by_its_own_address(name):
    with Front(name) as front:
        for _ in range(REGISTERS):
            status, body = front.register("127.0.0.2")
            assert status == 200, body
        status, body = front.register("127.0.0.2")
        assert (status, json.loads(body)["error"]) == (429, "too_many_requests"), body
        # What the client itself writes is not trusted.
        assert front.register("127.0.0.2", headers={"X-Forwarded-For": "198.51.100.7"})[0] == 429
        status, body = front.register("127.0.0.3")
        assert status == 200, body
        session = json.loads(body)
        with front.join(session, "workstation", "127.0.0.4"), front.join(session, "phone", "127.0.0.4"):
            try:
                front.join(session, "phone", "127.0.0.4")
            except InvalidStatus as refused:
                assert refused.response.status_code == 429, refused.response
            else:
                raise AssertionError("a third connection of one address is let in")
            front.join(session, "phone", "127.0.0.5").socket.close()


def case_nginx_that_lacks_a_directive_is_told_which(name):
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    version, passes_upgrade, passes_connection = (
        "proxy_http_version 1.1;",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Connection upgrade;",
    )
    for left_out, status in [
        ([version], 400),
        ([version, passes_connection], 400),
        ([passes_connection], 426),
        ([passes_upgrade, passes_connection], 426),
        ([version, passes_upgrade, passes_connection], 426),
    ]:
        # Without the first directive, nginx uses HTTP/1.0 before version 1.29, and 1.1 since.
        absent = {version: "proxy_http_version 1.0;", passes_upgrade: "", passes_connection: ""}
        with Front("nginx", lambda text: filled(text, *((one, absent[one]) for one in left_out))) as front:
            found, body = front.ask("GET", "/ws", headers=upgrade)
            assert found == status, (left_out, found, body)
            said = json.loads(body)["message"]
            for directive in absent:
                assert (directive in said) == (directive in left_out), (left_out, said)


def lack(case):
    """A case needs something that this machine lacks."""
    if case is case_each_client_is_counted_by_its_own_address and sys.platform != "linux":
        return "all of 127.0.0.0/8 must be this machine, as on Linux"
    if case is case_a_client_of_http_2_registers_without_a_length:
        try:
            said = subprocess.run(["curl", "--version"], capture_output=True).stdout
        except FileNotFoundError:
            said = b""
        return None if b"HTTP2" in said else "there is no curl that speaks HTTP/2"
    return None


def run(name, case):
    """`ok`, `FAILED`, or None if the case cannot run."""
    if name != "nginx" and case is case_nginx_that_lacks_a_directive_is_told_which:
        return None
    lacked = lack(case)
    if lacked:
        print(f"SKIPPED: {case.__name__.removeprefix('case_')}::{name}: {lacked}", flush=True)
        return None
    try:
        case(name)
        return "ok"
    except Exception:
        traceback.print_exc()
        return "FAILED"


def main(names):
    cases = {name: case for name, case in globals().items() if name.startswith("case_")}
    results = []
    for name in names:
        for title, case in cases.items():
            result = run(name, case)
            if result:
                results.append(result)
                print(f"test {title.removeprefix('case_')}::{name} ... {result}", flush=True)
    failed = results.count("FAILED")
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
