"""Plays either role with the `websockets` package, which shares nothing with this project."""

import base64
import json

from websockets.sync.client import connect

from service import GUARD_SECS

OTHER = {"phone": "workstation", "workstation": "phone"}


class Peer:
    """A joined connection. The `with` block closes it and expects an answer to the Close."""

    def __init__(self, url, session, token, role="phone", **options):
        """`options` are for `connect`: where it connects from, and which certificates it trusts."""
        self.role, self.session = role, session
        # This package offers compression by default. The relay must not accept it.
        self.socket = connect(url, max_size=None, **{"open_timeout": GUARD_SECS, **options})
        assert not self.socket.protocol.extensions, self.socket.protocol.extensions
        self.socket.send(json.dumps({"type": "hello", "s": session, "t": token, "r": role}))
        ack = self.next()
        assert ack["type"] == "hello-ack" and ack["sessionId"] == session, ack

    def next(self):
        message = self.socket.recv(timeout=GUARD_SECS)
        assert isinstance(message, str), "without raw mode the relay sends text only"
        return json.loads(message)

    def expect(self, kind, **members):
        event = self.next()
        assert event == {"type": kind, **members}, event

    def expect_joined(self):
        self.expect("peer-joined", role=OTHER[self.role])

    def send(self, payload):
        """Sends a str as text, bytes as binary."""
        self.socket.send(payload)

    def receive(self):
        """The next frame: a str or bytes."""
        event = self.next()
        assert event.keys() == {"type", "sid", "fromRole", "at", "frame", "b64"}, event
        assert (event["type"], event["sid"]) == ("frame", self.session), event
        assert event["fromRole"] == OTHER[self.role] and isinstance(event["at"], int), event
        return base64.b64decode(event["frame"], validate=True) if event["b64"] else event["frame"]

    def close_code(self):
        """Reads to the end. Returns the code of the Close."""
        while self.socket.close_code is None:
            try:
                self.socket.recv(timeout=GUARD_SECS)
            except TimeoutError:
                raise AssertionError("no Close") from None
            except Exception:  # The package's own name for a closed connection.
                break
        return self.socket.close_code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
