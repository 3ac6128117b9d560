"""A line to a server that can be cut, held up and mended: it forwards one port to another."""

import socket
import threading


class Line:
    """Forwards a free port to `address`, until it is cut. It ends with its `with` block."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self._target = (host, int(port))
        self._lock = threading.Lock()
        self._sockets = set()
        self._passes = threading.Event()
        self._passes.set()
        self._listener = None
        self._listen(0)
        self.port = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.address}"

    def cut(self):
        """Closes every connection; new ones are refused."""
        with self._lock:
            listener, self._listener = self._listener, None
            sockets = list(self._sockets)
        # The thread that accepts wakes up.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for end in sockets:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                # It has ended meanwhile.
                pass

    def mend(self):
        self._passes.set()
        if self._listener is None:
            self._listen(self.port)

    def hold_up(self):
        """Passes nothing more, and closes nothing."""
        self._passes.clear()

    def _listen(self, port):
        listener = socket.create_server(("127.0.0.1", port), backlog=64)
        # Known before it accepts: a connection of another listener than this one comes too late.
        with self._lock:
            self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()
                continue
            with self._lock:
                is_cut = self._listener is not listener
                if not is_cut:
                    self._sockets |= {near, far}
            if is_cut:
                near.close()
                far.close()
                return
            for ends in [(near, far), (far, near)]:
                threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source, target):
        try:
            while data := source.recv(65536):
                self._passes.wait()
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                # The other direction has ended it.
                pass
        with self._lock:
            is_last = source not in self._sockets
            self._sockets.discard(target)
        if is_last:
            source.close()
            target.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._passes.set()
        if self._listener is not None:
            self.cut()
