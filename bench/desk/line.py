"""A line between a phone and the relay: TCP connections that share a rate and have a delay, and are counted.

In a process of its own. Each direction has one queue for all connections, as a line has. What the line does
not take waits in the sender's kernel, as the receive buffer here is small.
"""

import multiprocessing
import queue
import socket
import threading
import time

# About what one packet carries.
PIECE = 1448
RECEIVE_BUFFER = 8 << 10


class Direction:
    """One way of the line. `rate` is in bytes a second, or None; `delay` in seconds."""

    def __init__(self, rate, delay, counter):
        self.rate, self.delay, self.counter = rate, delay, counter
        self.lock, self.free_at = threading.Lock(), 0.0

    def pass_piece(self, piece):
        """Waits until the line has taken a piece. Returns when it arrives."""
        with self.counter.get_lock():
            self.counter.value += len(piece)
        if self.rate is None:
            return time.monotonic() + self.delay
        with self.lock:
            self.free_at = max(time.monotonic(), self.free_at) + len(piece) / self.rate
            free_at = self.free_at
        time.sleep(max(0.0, free_at - time.monotonic()))
        return free_at + self.delay

    def carry(self, source, target):
        pieces = queue.Queue()
        threading.Thread(target=deliver, args=(pieces, target), daemon=True).start()
        length = PIECE if self.rate else 1 << 16
        while True:
            try:
                piece = source.recv(length)
            except OSError:
                piece = b""
            pieces.put((self.pass_piece(piece), piece))
            if not piece:
                return


def deliver(pieces, target):
    while True:
        arrives_at, piece = pieces.get()
        time.sleep(max(0.0, arrives_at - time.monotonic()))
        try:
            if not piece:
                target.shutdown(socket.SHUT_WR)
                return
            target.sendall(piece)
        except OSError:
            # The other side is gone, which its reader notices too.
            return


class Line:
    """A line to a port of this machine. `one_way` is the delay of each direction in seconds, and all of its
    connections end every `cut_every` seconds."""

    def __init__(self, port, bits=None, one_way=0.0, cut_every=None):
        self.up, self.down = multiprocessing.Value("Q", 0), multiprocessing.Value("Q", 0)
        listener = socket.create_server(("127.0.0.1", 0))
        if bits:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.port = listener.getsockname()[1]
        rate = bits / 8 if bits else None
        self.cuts = multiprocessing.Value("Q", 0)
        context = multiprocessing.get_context("fork")
        self.process = context.Process(target=self.serve, args=(listener, port, rate, one_way, cut_every), daemon=True)
        self.process.start()
        listener.close()

    def serve(self, listener, port, rate, one_way, cut_every):
        up, down = Direction(rate, one_way, self.up), Direction(rate, one_way, self.down)
        live = []
        if cut_every:
            threading.Thread(target=self.cut, args=(live, cut_every), daemon=True).start()
        while True:
            near, _ = listener.accept()
            far = socket.socket()
            if rate:
                far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            far.connect(("127.0.0.1", port))
            live.append((near, far))
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=up.carry, args=(near, far), daemon=True).start()
            threading.Thread(target=down.carry, args=(far, near), daemon=True).start()

    def cut(self, live, every):
        while True:
            time.sleep(every)
            while live:
                for end in live.pop():
                    try:
                        end.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        # It has ended by itself.
                        pass
            self.cuts.value += 1

    def close(self):
        self.process.terminate()
        self.process.join()
