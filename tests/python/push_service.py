"""A push service for one phone: it decrypts by http_ece and checks signatures by py-vapid, both by other hands. What it
answers is up to the case."""

import base64
import http.server
import json
import socket
import struct
import threading
import time

import http_ece
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02

from service import GUARD_SECS

PAGE = "https://relay.test/p#desk=1"


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def point(key):
    form = (serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return key.public_key().public_bytes(*form)


class Service:
    """Listens on a free port of 127.0.0.1. `answers` are given in turn, the last one again and again: a status, or a
    status with headers, or a function that gets the connection."""

    def __init__(self, answers=(201,)):
        self.answers, self.lock, self.news = list(answers), threading.Lock(), threading.Condition()
        self.requests, self.wrong = [], []
        self.browser, self.auth = ec.generate_private_key(ec.SECP256R1()), b"0123456789abcdef"
        self.sender = ec.generate_private_key(ec.SECP256R1())
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                service.take(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def subscription(self, endpoint=None):
        """What a phone gives to its desk."""
        private = self.sender.private_numbers().private_value.to_bytes(32, "big")
        return json.dumps({
            "t": "subscribe",
            "endpoint": endpoint or f"{self.url}/push/secret-path?x=1",
            "p256dh": encoded(point(self.browser)),
            "auth": encoded(self.auth),
            "public": encoded(point(self.sender)),
            "private": encoded(private),
            "page": PAGE,
        })

    def take(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in request.headers.items()}
        taken = {"path": request.path, "headers": headers, "length": len(body), "at": time.monotonic()}
        try:
            taken["text"] = self.decrypted(body)
            self.check(headers)
        except Exception as error:
            self.wrong.append(repr(error))
        with self.lock:
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        with self.news:
            self.requests.append(taken)
            self.news.notify_all()
        if callable(answer):
            request.close_connection = True
            return answer(request.connection)
        status, more = answer if isinstance(answer, tuple) else (answer, {})
        request.send_response(status)
        for name, value in {"Content-Length": "0", **more}.items():
            request.send_header(name, value)
        request.end_headers()

    def decrypted(self, body):
        text = http_ece.decrypt(body, private_key=self.browser, auth_secret=self.auth, version="aes128gcm")
        # One record of one length, whatever is said.
        assert len(body) == 86 + 3072 + 1 + 16 and struct.unpack(">I", body[16:20]) == (4096,), len(body)
        return json.loads(text)

    def check(self, headers):
        assert headers["content-encoding"] == "aes128gcm" and headers["ttl"] == "86400", headers
        assert len(headers["topic"]) == 32 and headers["urgency"] in ("low", "normal", "high"), headers
        assert Vapid02.verify(headers["authorization"]), headers
        token, key = headers["authorization"].removeprefix("vapid t=").split(",k=")
        assert key == encoded(point(self.sender)), key
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        assert claims["aud"] == self.url and claims["sub"] == "https://relay.test", claims
        assert time.time() + 3600 < claims["exp"] <= time.time() + 24 * 3600, claims

    def until(self, count):
        """Waits until so many requests have come."""
        with self.news:
            assert self.news.wait_for(lambda: len(self.requests) >= count, GUARD_SECS), self.requests
        assert not self.wrong, self.wrong
        return self.requests

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()


def garbage(connection):
    connection.sendall(b"\x00\xffSSH-2.0-nonsense\r\n\r\n" * 50)
    connection.shutdown(socket.SHUT_RDWR)


def silence(connection):
    """Says nothing until the other side gives up."""
    connection.settimeout(GUARD_SECS)
    while connection.recv(1024):
        pass


def trickle(connection):
    """A byte of an endless head now and then."""
    try:
        connection.sendall(b"HTTP/1.1 201 Created\r\n")
        while True:
            connection.sendall(b"X")
            time.sleep(0.2)
    except OSError:
        pass
