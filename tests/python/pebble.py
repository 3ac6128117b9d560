"""A CA for tests: `pebble` with a DNS server of its own, and a front that adds renewal windows to it.

Needs the programs pebble, pebble-challtestsrv and openssl. Everything is on loopback.
"""

import base64
import http.client
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from front import Certificate, free_port
from service import GUARD_SECS


class Pebble:
    """The CA, which comes to these ports of 127.0.0.1 for every name. It may be started and stopped many times: each
    run has forgotten all accounts, and has a new root. Everything ends with the `with` block."""

    def __init__(self, folder, tls_port, http_port, valid_secs=None):
        self.folder, self.certificate = folder, Certificate(folder)
        self.port, self.management, self.dns, self.dns_management = (free_port() for _ in range(4))
        config = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": str(self.certificate.file),
            "privateKey": str(self.certificate.key),
            "httpPort": http_port,
            "tlsPort": tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
        }
        if valid_secs:
            config["certificateValidityPeriod"] = valid_secs
        (folder / "pebble.json").write_text(json.dumps({"pebble": config}))
        self.directory = f"https://localhost:{self.port}/dir"
        self.child = None
        self.resolver = start(
            folder, "pebble-challtestsrv", "-dns01", f"127.0.0.1:{self.dns}", "-management",
            f"127.0.0.1:{self.dns_management}", "-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", "",
        )  # fmt: skip
        wait_for_port(self.dns_management)

    def start(self):
        # A fifth of all nonces is refused, as a CA may do at any time.
        env = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "20", "PEBBLE_AUTHZREUSE": "0"}
        config = self.folder / "pebble.json"
        self.child = start(self.folder, "pebble", "-config", config, "-dnsserver", f"127.0.0.1:{self.dns}", env=env)
        wait_for_port(self.port)
        wait_for_port(self.management)
        return self

    def stop(self):
        self.child.kill()
        self.child.wait()
        self.child = None

    def trusted(self):
        """A context for clients that trust this run's root."""
        context = ssl.create_default_context(cafile=self.certificate.file)
        connection = http.client.HTTPSConnection("localhost", self.management, context=context, timeout=GUARD_SECS)
        connection.request("GET", "/roots/0")
        return ssl.create_default_context(cadata=connection.getresponse().read().decode())

    def close_account(self, key_pem):
        """Deactivates the account of this key, as its owner or the CA may do at any time. RFC 8555 §7.3.6."""
        key = serialization.load_pem_private_key(key_pem, None)
        numbers = key.public_key().public_numbers()
        jwk = {"kty": "EC", "crv": "P-256", "x": base64url(number(numbers.x)), "y": base64url(number(numbers.y))}
        find = self.signed(key, "/sign-me-up", {"jwk": jwk}, {"onlyReturnExisting": True})
        account = find.headers["Location"]
        path = account.split(str(self.port), 1)[1]
        answer = self.signed(key, path, {"kid": account}, {"status": "deactivated"})
        assert answer.status == 200, answer.read()

    def signed(self, key, path, who, payload):
        """The answer to a signed request, which is repeated while its nonce is refused."""
        context = ssl.create_default_context(cafile=self.certificate.file)
        base = f"https://localhost:{self.port}"
        while True:
            connection = http.client.HTTPSConnection("localhost", self.port, context=context, timeout=GUARD_SECS)
            connection.request("GET", "/nonce-plz")
            answer = connection.getresponse()
            answer.read()
            head = {"alg": "ES256", "nonce": answer.headers["Replay-Nonce"], "url": base + path, **who}
            protected, body = (base64url(json.dumps(part).encode()) for part in [head, payload])
            der = key.sign(f"{protected}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
            signature = base64url(b"".join(number(part) for part in decode_dss_signature(der)))
            message = json.dumps({"protected": protected, "payload": body, "signature": signature})
            connection.request("POST", path, message, {"Content-Type": "application/jose+json"})
            answer = connection.getresponse()
            if answer.status != 400 or b"badNonce" not in answer.read():
                return answer
            connection.close()

    def resolve(self, name, *addresses):
        """Has the name lead elsewhere; to 127.0.0.1 without addresses."""
        path, body = ("/add-a", {"addresses": addresses}) if addresses else ("/clear-a", {})
        connection = http.client.HTTPConnection("127.0.0.1", self.dns_management, timeout=GUARD_SECS)
        connection.request("POST", path, json.dumps({"host": f"{name}.", **body}))
        assert connection.getresponse().status == 200

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        for child in [self.child, self.resolver]:
            if child:
                child.kill()
                child.wait()


class Front:
    """In front of a CA: passes everything on, and answers questions about renewals (RFC 9773) itself. `window` is the
    window that it suggests, as seconds since 1970. `asked` counts the questions."""

    def __init__(self, pebble):
        self.pebble, self.window, self.asked = pebble, None, 0
        self.port = free_port()
        self.directory = f"https://localhost:{self.port}/dir"
        front = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                front.serve(self, "GET", b"")

            def do_POST(self):
                front.serve(self, "POST", self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        # A server that is killed leaves questions behind.
        self.server.handle_error = lambda *_: None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pebble.certificate.file, pebble.certificate.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, request, method, body):
        if request.path.startswith("/renewal/"):
            self.asked += 1
            times = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(secs)) for secs in self.window or (4e9, 4.1e9)]
            answer = json.dumps({"suggestedWindow": {"start": times[0], "end": times[1]}}).encode()
            return self.answer(request, 200, {"Retry-After": "21600"}, answer)
        context = ssl.create_default_context(cafile=self.pebble.certificate.file)
        ca = http.client.HTTPSConnection("localhost", self.pebble.port, context=context, timeout=GUARD_SECS)
        # The CA's addresses then lead back here.
        headers = {"Host": request.headers["Host"], "Content-Type": request.headers.get("Content-Type", "")}
        headers |= {"User-Agent": request.headers["User-Agent"], "Accept": request.headers["Accept"]}
        ca.request(method, request.path, body or None, headers)
        answer = ca.getresponse()
        content = answer.read()
        if request.path == "/dir":
            more = {"renewalInfo": f"https://localhost:{self.port}/renewal"}
            content = json.dumps({**json.loads(content), **more}).encode()
        kept = {"Replay-Nonce", "Location", "Content-Type", "Retry-After", "Link"}
        headers = {name: value for name, value in answer.getheaders() if name in kept}
        return self.answer(request, answer.status, headers, content)

    def answer(self, request, status, headers, content):
        request.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(content)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def number(value):
    return value.to_bytes(32, "big")


def start(folder, *command, env=None):
    with open(folder / f"{command[0]}.log", "ab") as log:
        return subprocess.Popen(command, env={**os.environ, **(env or {})}, stdout=log, stderr=log)


def wait_for_port(port):
    deadline = time.monotonic() + GUARD_SECS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), GUARD_SECS).close()
            return
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, f"nothing listens at port {port}"
            time.sleep(0.05)
