"""`relayd doctor` names each mistake that is planted here, around real servers, nginx and Redis.

    cargo build -p relayd --bins && tests/.venv/bin/python tests/python/doctor.py

Ends with `N passed, N failed`.
"""

import concurrent.futures
import contextlib
import http.server
import json
import os
import pathlib
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from front import free_port
from played import play_all
from service import BINARIES, CONTRACT_VARIABLES, GUARD_SECS, Relay

# Where the proxy comes from, so that the relay can tell it from the doctor.
PROXY = "127.0.0.9"

GOOD = """
        proxy_http_version 1.1;
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection upgrade;
        proxy_read_timeout 300s;
"""


class Patient:
    """What the doctor looks at: relays, an nginx with a port for each mistake, and a Redis."""

    def __init__(self, stack):
        self.folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="relay-doctor-")))
        self.relay = stack.enter_context(Relay(None, "--trusted-proxy", PROXY))
        self.trusting_nobody = stack.enter_context(Relay())
        self.certificate = self.issue("localhost")
        self.for_another = self.issue("other.example")
        self.expired = self.issue("localhost", days=0)
        expires = time.time() + 1
        self.servers, self.stack = [], stack
        self.good = self.server(GOOD)
        self.ports = {
            "upgrade": self.server(GOOD.replace("proxy_set_header Upgrade $http_upgrade;", "")),
            "timeout": self.server(GOOD.replace("300s", "1s")),
            "untrusted": self.server(GOOD, relay=self.trusting_nobody.address),
            "forged": self.server(GOOD.replace("$proxy_add_x_forwarded_for", "$http_x_forwarded_for")),
            "nobody": self.server(GOOD, relay=f"127.0.0.1:{free_port()}"),
            "tls": self.server(GOOD, certificate=self.certificate),
            "name": self.server(GOOD, certificate=self.for_another),
            "expired": self.server(GOOD, certificate=self.expired),
        }
        self.start_nginx()
        self.redis = self.start_redis() if shutil.which("redis-server") else None
        # A certificate is valid through its last second.
        while time.time() <= expires:
            time.sleep(0.05)

    def issue(self, name, days=2):
        """A certificate that signs itself, and its key."""
        base = self.folder / f"{name}-{days}"
        (self.folder / "extensions").write_text(f"subjectAltName=DNS:{name}\nbasicConstraints=CA:FALSE\n")
        asked = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{base}.key", "-out", f"{base}.csr"]
        signed = ["openssl", "x509", "-req", "-in", f"{base}.csr", "-signkey", f"{base}.key", "-out", f"{base}.pem"]
        signed += ["-days", str(days), "-extfile", str(self.folder / "extensions")]
        for command in [[*asked, "-subj", f"/CN={name}"], signed]:
            subprocess.run(command, check=True, capture_output=True)
        return base

    def server(self, directives, relay=None, certificate=None):
        """One more server of nginx; its port."""
        port = free_port()
        tls = f"ssl_certificate {certificate}.pem; ssl_certificate_key {certificate}.key;" if certificate else ""
        listen = f"listen 127.0.0.1:{port}{' ssl' if certificate else ''};"
        upstream = f"proxy_pass http://{relay or self.relay.address}; proxy_bind {PROXY};"
        self.servers.append(f"server {{ {listen} {tls} location / {{ {upstream} {directives} }} }}")
        return port

    def start_nginx(self):
        places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        temporary = "".join(f"{place}_temp_path {self.folder}/{place};\n" for place in places)
        process = f"daemon off;\nmaster_process off;\npid {self.folder}/pid;\nerror_log stderr;\nevents {{}}\n"
        config = self.folder / "nginx.conf"
        config.write_text(f"{process}http {{\naccess_log off;\n{temporary}{''.join(self.servers)}}}\n")
        environment = {"PATH": "/usr/sbin:/usr/local/sbin:/usr/bin:/bin"}
        command = ["nginx", "-p", self.folder, "-e", "stderr", "-c", config]
        child = subprocess.Popen(command, env=environment, stderr=(self.folder / "nginx.log").open("wb"))
        self.stack.callback(stop, child)
        until_open(self.good, child)

    def start_redis(self):
        """A Redis with each mistake that its settings can have."""
        port = free_port()
        settings = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru", "--save", ""]
        settings += ["--client-output-buffer-limit", "pubsub", "1mb", "0", "0", "--dir", str(self.folder)]
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", *settings]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.stack.callback(stop, child)
        until_open(port, child)
        with socket.create_connection(("127.0.0.1", port), GUARD_SECS) as line:
            line.sendall(b"ACL SETUSER mute on >secret ~* &* +@all -publish\r\n")
            assert line.recv(100) == b"+OK\r\n"
        return port

    def findings(self, *flags, ws=None, trust="", descriptors=None, store=("--store", "memory"), listen=True):
        """What the doctor says, by what it looked at, and its exit code."""
        own = {key: value for key, value in os.environ.items() if key not in CONTRACT_VARIABLES}
        own |= {"PUBLIC_WS_URL": ws or f"ws://localhost:{self.good}/ws", "SSL_CERT_FILE": f"{trust}.pem"}

        def limit():
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        fixed = ["--port", "0"] if listen else []
        command = [BINARIES / "relayd", "doctor", "--json", *fixed, *store, *flags]
        done = subprocess.run(command, env=own, preexec_fn=limit, capture_output=True, timeout=GUARD_SECS)
        assert done.stderr == b"", done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()], done.returncode

    def names(self, check, words, remedy, *flags, level="bad", **settings):
        """The doctor must say this, with that remedy, and nothing else may be bad."""
        found, code = self.findings(*flags, **settings)
        right = [one for one in found if one["check"] == check and words in one["words"] and remedy in one["remedy"]]
        assert right and right[0]["level"] == level, found
        others = [one for one in found if one["level"] == "bad" and one not in right]
        # The planted Redis has two mistakes of its own.
        assert all(one["check"] in ("eviction", "buffer") for one in others), others
        assert code == (1 if level == "bad" or others else 0), found


def stop(child):
    child.terminate()
    child.wait(GUARD_SECS)


def until_open(port, child):
    deadline = time.monotonic() + GUARD_SECS
    while True:
        assert child.poll() is None and time.monotonic() < deadline, "it does not start"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)


class AnotherTime(http.server.BaseHTTPRequestHandler):
    """A relay's answer to /health, an hour ago."""

    def do_GET(self):
        body = b'{"ok":true}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp=None):
        return super().date_time_string(time.time() - 3600)

    def log_message(self, *_):
        pass


def another_time(stack):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), AnotherTime)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.callback(server.shutdown)
    return server.server_address[1]


def cases(patient, stack):
    """What is planted, and how the doctor must name it."""
    ws = lambda name, scheme="ws", host="localhost": f"{scheme}://{host}:{patient.ports[name]}/ws"
    taken = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    listening = ["--listen", "127.0.0.1", "--port"]
    clock, dead = another_time(stack), free_port()
    redis = lambda user="": ("--redis-url", f"redis://{user}127.0.0.1:{patient.redis}")
    yield "nothing", lambda: well(patient)
    yield "a port of another program", lambda: patient.names(
        "port", "taken by another program", "ss -ltnp", *listening, str(taken.getsockname()[1]), listen=False)
    yield "too few descriptors", lambda: patient.names("descriptors", "256", "LimitNOFILE", descriptors=256)
    yield "more memory than there is", lambda: patient.names(
        "memory", "--memory-max is 1048576 MiB", "lower --memory-max", "--memory-max", "1024GiB")
    yield "a public address without a server", lambda: patient.names(
        "public", "no connection to", "firewall", ws=f"ws://localhost:{dead}/ws")
    yield "a name without an address", lambda: patient.names(
        "public", "relay.invalid can't be looked up", "DNS", ws="ws://relay.invalid/ws")
    yield "a proxy whose relay does not run", lambda: patient.names(
        "public", "answers 502", "start relayd", ws=ws("nobody"))
    yield "a proxy that passes on no upgrade", lambda: patient.names(
        "websocket", "426", "docs/configuration.md", ws=ws("upgrade"))
    yield "a long look that fails", lambda: leaves_no_session(patient, ws("upgrade"))
    yield "a proxy that closes quiet connections", lambda: patient.names(
        "idle", "closed after 1 s", "proxy_read_timeout", ws=ws("timeout"))
    yield "a proxy that is not trusted", lambda: patient.names(
        "addresses", f"as one, {PROXY}", f"--trusted-proxy {PROXY}", ws=ws("untrusted"))
    trusting = ["--trusted-proxy", PROXY]
    yield "a proxy that believes its clients", lambda: patient.names(
        "addresses", "that the client wrote", "$proxy_add_x_forwarded", *trusting, ws=ws("forged"))
    yield "an expired certificate", lambda: patient.names(
        "certificate", "it ended", "renew it", ws=ws("expired", "wss"), trust=patient.expired)
    yield "a certificate for another name", lambda: patient.names(
        "certificate", "for other.example, and not for localhost", "issued",
        ws=ws("name", "wss"), trust=patient.for_another)
    yield "a certificate of an unknown CA", lambda: patient.names(
        "certificate", "no CA", "fullchain.pem", ws=ws("tls", "wss"), trust=patient.for_another)
    yield "a clock that is wrong", lambda: clock_is_named(patient, clock)
    yield "a key that can be guessed", lambda: patient.names(
        "key", "can be guessed", "openssl rand", "--register-key", "1234")
    if patient.redis is None:
        print("SKIPPED: the mistakes of a Redis: redis-server is not there")
        return
    yield "a Redis that drops sessions", lambda: patient.names("eviction", "allkeys-lru", "noeviction", store=redis())
    yield "a Redis that cuts off nodes", lambda: patient.names("buffer", "pubsub is 1048576", "32mb", store=redis())
    yield "a user without a right", lambda: patient.names(
        "redis", "lacks PUBLISH", "docs/operations.md", store=redis("mute:secret@"))
    yield "a wrong password", lambda: patient.names("redis", "authentication failed", "REDIS_URL", store=redis("mute:no@"))


def well(patient):
    """With TLS that is trusted, nothing is bad."""
    ws = f"wss://localhost:{patient.ports['tls']}/ws"
    found, code = patient.findings(ws=ws, trust=patient.certificate)
    assert code == 0 and not any(one["level"] == "bad" for one in found), found
    seen = {one["check"]: one["level"] for one in found}
    for check in ["websocket", "frames", "idle", "clock", "store"]:
        assert seen[check] == "ok", found
    # It ends in two days.
    assert seen["certificate"] == "warn", found


def leaves_no_session(patient, ws):
    _, code = patient.findings("--slow", ws=ws)
    assert code == 1
    with urllib.request.urlopen(f"{patient.relay.url}/metrics", timeout=GUARD_SECS) as answer:
        lines = answer.read().decode().splitlines()
    assert {"relay_registers_total 1", "relay_deletes_total 1"} <= set(lines), lines


def clock_is_named(patient, port):
    found, code = patient.findings(ws=f"ws://localhost:{port}/ws")
    clock = [one for one in found if one["check"] == "clock"]
    assert code == 1 and clock[0]["level"] == "bad" and "ahead of" in clock[0]["words"], found
    assert "timedatectl" in clock[0]["remedy"], found


def main(part=""):
    with contextlib.ExitStack() as stack:
        patient = Patient(stack)
        chosen = [(label, case) for label, case in cases(patient, stack) if part in label]
        # Each waits for seconds whether a quiet connection stays open, so they are looked at side by side.
        with concurrent.futures.ThreadPoolExecutor(len(chosen) or 1) as pool:
            begun = [(label, pool.submit(case)) for label, case in chosen]
            return play_all([(label, future.result) for label, future in begun])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
