"""An echo server with a relay inside, for test suites that need an echo server.

What a client sends goes to relayd byte by byte, as one role of its own session. Another connection has the other role
and sends every frame back. On the way back, relayd's control frames pass unchanged, its own messages are dropped, and
frames are taken out of their envelopes. So every verdict is about relayd, as only relayd reads what the client sends.
What relayd sends is checked here, and a violation is a fault.
"""

import base64
import json
import os
import socket
import threading
import traceback

from frames import BINARY, CLOSE, PING, PONG, TEXT, accept_value, frame, head, messages
from phone import OTHER
from service import GUARD_SECS

RAW = "relay.raw.v1"


class Shim:
    """Listens on a free port until its `with` block ends. Then `faults` is complete.

    `role` is the role that clients get. With `bytewise`, each of their bytes is written separately.
    """

    def __init__(self, relay, role, raw=False, bytewise=False):
        self.relay, self.role, self.raw, self.bytewise = relay, role, raw, bytewise
        self.faults = []
        self._serving = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = "ws://127.0.0.1:%d/" % self._listener.getsockname()[1]
        spawn(self._accept)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # It was closed: the end.
                return
            self._serving.append(spawn(self._guarded, self._serve, client))

    def _serve(self, client):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session = self.relay.register()
        with client, End(self.relay, session, self.role, self.raw) as end:
            with End(self.relay, session, OTHER[self.role], self.raw) as echo:
                for joined in (end, echo):
                    joined.expect("peer-joined")
                threads = [spawn(self._guarded, echo_all, echo)]
                answer_upgrade(client)
                threads.append(spawn(self._guarded, pass_on, client, end.socket, self.bytewise))
                self._guarded(give_back, end, client)
                for thread in threads:
                    thread.join(GUARD_SECS)
                    assert not thread.is_alive(), "a connection that does not end"

    def _guarded(self, work, *args):
        try:
            work(*args)
        except OSError:
            pass  # The client has left in its own way, which is the case's to judge; for relayd's see `until_fin`.
        except Exception:
            self.faults.append(traceback.format_exc())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._serving:
            thread.join(2 * GUARD_SECS)


class End:
    """A connection that has joined its session. The `with` block closes it."""

    def __init__(self, relay, session, role, raw):
        self.session, self.role, self.raw = session["sessionId"], role, raw
        host, port = relay.address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = self.socket.makefile("rb", 1 << 16)
        self._upgrade(relay.address, stream)
        self.messages = until_fin(messages(stream))
        hello = {"type": "hello", "s": self.session, "t": session["token"], "r": role}
        self.send(TEXT, json.dumps(hello).encode())
        self.expect("hello-ack")

    def _upgrade(self, address, stream):
        key = base64.b64encode(os.urandom(16)).decode("ascii")
        lines = ["GET /ws HTTP/1.1", f"Host: {address}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        lines += [f"Sec-WebSocket-Protocol: {RAW}"] if self.raw else []
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        status, fields = head(stream)
        assert status.split()[1] == "101" and fields["sec-websocket-accept"] == accept_value(key), status
        assert fields.get("sec-websocket-protocol") == (RAW if self.raw else None), fields

    def expect(self, kind):
        opcode, payload = next(self.messages)
        assert opcode == TEXT and json.loads(payload)["type"] == kind, (kind, opcode, payload[:200])

    def send(self, opcode, payload):
        self.socket.sendall(frame(opcode, payload, masked=True))

    def unwrap(self, opcode, payload):
        """The other end's frame as (opcode, payload); None for a message of the relay itself."""
        if opcode == BINARY:
            assert self.raw, "bare binary without raw mode"
            return opcode, payload
        event = json.loads(payload)
        if event["type"] != "frame":
            return None
        assert (event["sid"], event["fromRole"]) == (self.session, OTHER[self.role]), payload[:200]
        if not event["b64"]:
            return TEXT, event["frame"].encode()
        assert not self.raw, "an envelope around binary in raw mode"
        return BINARY, base64.b64decode(event["frame"], validate=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def until_fin(messages):
    """relayd ends with a FIN. A reset can destroy what it sent before, so that is a fault."""
    try:
        yield from messages
    except ConnectionResetError as reset:
        raise AssertionError("relayd ended a connection with a reset") from reset


def echo_all(echo):
    """Sends every frame back until the other end has left."""
    for opcode, payload in echo.messages:
        if opcode == PING:
            echo.send(PONG, payload)
        elif opcode in (TEXT, BINARY):
            back = echo.unwrap(opcode, payload)
            if back:
                echo.send(*back)
            elif json.loads(payload)["type"] == "peer-left":
                return


def give_back(end, client):
    """Passes relayd's output to the client, until relayd ends the connection. Then the client's connection ends."""
    try:
        for opcode, payload in end.messages:
            if opcode >= CLOSE:
                client.sendall(frame(opcode, payload))
            elif back := end.unwrap(opcode, payload):
                client.sendall(frame(*back))
    finally:
        end_writing(client)


def pass_on(client, to, bytewise):
    """Passes the client's bytes. They are still read after relayd stops, so that the client's kernel keeps relayd's Close."""
    try:
        while read := client.recv(1 << 16):
            step = 1 if bytewise else len(read)
            try:
                for at in range(0, len(read), step):
                    to.sendall(read[at : at + step])
            except OSError:
                continue
    finally:
        end_writing(to)


def end_writing(to):
    try:
        to.shutdown(socket.SHUT_WR)
    except OSError:  # It has ended on its own; what is being told must not be replaced by that.
        pass


def answer_upgrade(client):
    # Read unbuffered: what follows the head is not a line.
    request, fields = head(client.makefile("rb", 0))
    assert request.startswith("GET ") and fields["upgrade"].lower() == "websocket", request
    lines = ["HTTP/1.1 101 Switching Protocols", "Server: relayd", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Accept: " + accept_value(fields["sec-websocket-key"])]
    client.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))


def spawn(work, *args):
    thread = threading.Thread(target=work, args=args, daemon=True)
    thread.start()
    return thread
