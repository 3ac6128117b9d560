"""Many pairs that talk all the time and come back when they are closed, as the contract says, with nothing but the contract.

Each end numbers its frames. The contract lets frames be lost only where a link ends, and both ends are told of
that. So within one link numbers must follow each other, and what is missing must lie between two links.
"""

import asyncio
import dataclasses
import hashlib
import json
import random
import time

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from service import GUARD_SECS

# A stopping node asks for a random delay of at most this.
GOING_AWAY_SECS = 0.3
# Any other end: growing delays, from the first bound to the last.
DELAY_FIRST_SECS, DELAY_LAST_SECS = 0.5, 30
OPEN_SECS = 10


def query_of(session):
    """What both ends of a session append to the address."""
    return "?a=" + hashlib.sha256(session.encode()).hexdigest()[:8]


@dataclasses.dataclass
class Judge:
    """What one end has heard from the other."""

    last: int = -1
    # True from the start of a link until its first frame: some may be missing before it.
    may_skip: bool = True
    received: int = 0
    # Missing between two links, which the contract allows and tells.
    told: int = 0
    # All other faults, in words.
    faults: list = dataclasses.field(default_factory=list)

    def on_link(self):
        self.may_skip = True

    def on_frame(self, number):
        self.received += 1
        missing = number - self.last - 1
        if missing < 0:
            self.faults.append(f"{number} came after {self.last}")
        elif missing and self.may_skip:
            self.told += missing
        elif missing:
            self.faults.append(f"{missing} frames before {number} are missing within a link")
        self.last, self.may_skip = number, False


class End:
    """One end, which connects, talks while it has a peer, and comes back until it is told to stop."""

    def __init__(self, url, session, role, trust, every):
        self.url, self.session, self.role, self.trust, self.every = url, session, role, trust, every
        self.heard = Judge()
        self.sent, self.is_linked, self.ends, self.tries_failed = 0, asyncio.Event(), [], 0
        # When links began and ended, by the clock of this process.
        self.joined, self.left = [], []
        self.is_over = asyncio.Event()

    async def run(self):
        failures = 0
        while not self.is_over.is_set():
            started = time.monotonic()
            code = await self.connection()
            self.on_left()
            if self.is_over.is_set():
                return
            self.ends.append(code)
            failures = 0 if time.monotonic() - started > 10 else failures + 1
            bound = min(DELAY_FIRST_SECS * 2 ** max(0, failures - 1), DELAY_LAST_SECS)
            await asyncio.sleep(random.uniform(0, GOING_AWAY_SECS if code == 1001 else bound))

    async def connection(self):
        """One connection to its end: its close code, or what else ended it."""
        try:
            async with connect(self.url, ssl=self.trust, open_timeout=OPEN_SECS, ping_interval=None, proxy=None) as socket:
                hello = {"type": "hello", "s": self.session["sessionId"], "t": self.session["token"], "r": self.role}
                await socket.send(json.dumps({**hello, "v": 2}))
                talk = asyncio.create_task(self.talk(socket))
                try:
                    async for message in socket:
                        self.on_message(json.loads(message))
                        if self.is_over.is_set():
                            return 1000
                finally:
                    talk.cancel()
                return socket.close_code
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else "cut off"
        except (OSError, InvalidHandshake, TimeoutError) as error:
            self.tries_failed += 1
            return f"{type(error).__name__}: {error}"

    async def talk(self, socket):
        while True:
            await self.is_linked.wait()
            number, self.sent = self.sent, self.sent + 1
            await socket.send(str(number))
            await asyncio.sleep(self.every)

    def on_message(self, event):
        kind = event["type"]
        if kind == "frame":
            self.heard.on_frame(int(event["frame"]))
        elif kind == "peer-joined":
            self.on_left()
            self.heard.on_link()
            self.joined.append(time.monotonic())
            self.is_linked.set()
        elif kind == "peer-left":
            self.on_left()

    def on_left(self):
        if self.is_linked.is_set():
            self.left.append(time.monotonic())
        self.is_linked.clear()


class Pair:
    def __init__(self, front_url, session, trust, every, query=None):
        url = front_url + (query_of(session["sessionId"]) if query is None else query)
        self.ends = [End(url, session, role, trust, every) for role in ("workstation", "phone")]

    def is_linked(self):
        return all(end.is_linked.is_set() for end in self.ends)

    def faults(self):
        return [f"{end.role}: {fault}" for end in self.ends for fault in end.heard.faults]

    def told(self):
        return sum(end.heard.told for end in self.ends)

    def received(self):
        return sum(end.heard.received for end in self.ends)

    def apart(self, since):
        """For how long this pair was without a link in all since that time, in seconds, and in how many breaks."""
        end = self.ends[0]
        breaks = [(left, next((j for j in end.joined if j >= left), None)) for left in end.left if left >= since]
        return [back - left for left, back in breaks if back is not None]


class Talk:
    """Pairs that talk within an `async with` block. At its end they stop sending, and everything must have arrived."""

    def __init__(self, url, sessions, trust, every=0.05, query=None):
        self.pairs = [Pair(url, session, trust, every, query) for session in sessions]

    async def __aenter__(self):
        self.tasks = [asyncio.create_task(end.run()) for end in self.ends()]
        await self.until_linked()
        return self

    def ends(self):
        return [end for pair in self.pairs for end in pair.ends]

    async def until_linked(self):
        deadline = time.monotonic() + GUARD_SECS
        while not all(pair.is_linked() for pair in self.pairs):
            alone = [end.ends[-3:] for end in self.ends() if not end.is_linked.is_set()]
            assert time.monotonic() < deadline, f"{len(alone)} ends have no link: {alone[:5]}"
            await asyncio.sleep(0.02)

    async def until_heard(self, frames=10):
        """Waits until every end has heard so many more frames."""
        await self.until_linked()
        before = [end.heard.received for end in self.ends()]
        deadline = time.monotonic() + GUARD_SECS
        while not all(end.heard.received >= count + frames for end, count in zip(self.ends(), before)):
            assert time.monotonic() < deadline, "some ends hear nothing"
            await asyncio.sleep(0.02)

    async def __aexit__(self, *failure):
        if not failure[0]:
            await self.settle()
        for end in self.ends():
            end.is_over.set()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def settle(self):
        """Ends the sending, and waits for what is under way."""
        await self.until_linked()
        for end in self.ends():
            end.every = 3600
        deadline = time.monotonic() + GUARD_SECS
        while not all(self.is_complete(pair) for pair in self.pairs):
            assert time.monotonic() < deadline, f"frames are missing at the end of a link that lives: {self.missing()}"
            await asyncio.sleep(0.02)

    def is_complete(self, pair):
        one, other = pair.ends
        return one.heard.last == other.sent - 1 and other.heard.last == one.sent - 1

    def missing(self):
        return [(one.heard.last, other.sent) for one, other in (pair.ends for pair in self.pairs)][:5]

    def faults(self):
        return [fault for pair in self.pairs for fault in pair.faults()]

    def told(self):
        return sum(pair.told() for pair in self.pairs)

    def received(self):
        return sum(pair.received() for pair in self.pairs)
