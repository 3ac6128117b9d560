"""Relays that keep their addresses while they are stopped and started, behind a proxy."""

import signal
import time

from front import free_port
from service import GUARD_SECS, Program, listening_address

# All clients have one address in tests.
NO_LIMITS = ["--registers-per-minute", "0", "--connections-per-address", "0", "--failed-hellos-per-minute", "0"]


def ready_delay_of(proxy):
    """As deploy/ says: nginx has no checks of its own, so a node need not wait for them."""
    return 0 if proxy == "nginx" else 5


class Node:
    """A relayd that keeps its port over restarts."""

    def __init__(self, redis, ready_delay_secs):
        self.address = f"127.0.0.1:{free_port()}"
        port = self.address.rsplit(":", 1)[1]
        self.flags = ["--listen", "127.0.0.1", "--port", port, "--log-format", "json", "--redis-url", redis]
        self.program = None
        self.flags += ["--trusted-proxy", "127.0.0.1", "--ready-delay-secs", str(ready_delay_secs), *NO_LIMITS]

    def start(self):
        self.program = Program("relayd", *self.flags, stream="stderr")
        self.program.line(listening_address)

    def stop(self):
        """Until it has ended by itself."""
        self.program.child.send_signal(signal.SIGTERM)
        code = self.program.child.wait(GUARD_SECS)
        assert code == 0, f"the node ended with {code}"

    def restart(self):
        """How long the node was away, in seconds."""
        self.stop()
        ended = time.monotonic()
        self.start()
        return time.monotonic() - ended

    def kill(self):
        if self.program:
            self.program.__exit__()
