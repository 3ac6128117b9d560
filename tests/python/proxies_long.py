"""The configurations of `deploy/` for nginx, HAProxy and Caddy over time and under load, in front of several nodes.

    proxies_long.py [--idle SECONDS] nginx haproxy caddy

Needs the Redis of RELAY_TEST_REDIS_URL, and Linux. `--idle` is how long pairs say nothing (default 75, which is longer
than the 60 s that all three have without a setting). Ends with `N passed, N failed`.
"""

import asyncio
import collections
import concurrent.futures
import functools
import json
import os
import re
import signal
import socket
import struct
import sys
import threading
import time

from websockets.asyncio.client import connect

from front import Front, configuration, gauge
from nodes import NO_LIMITS, Node, ready_delay_of
from played import cases_of, play_all
from service import GUARD_SECS
from talkers import Talk

REDIS = os.environ.get("RELAY_TEST_REDIS_URL")
# Longer than any idle time here, so that not one byte passes.
SILENT = ["--heartbeat-interval-secs", "3600"]
idle_secs = 75


def many_nodes(name, nodes, *flags):
    return Front(name, nodes=nodes, redis=REDIS, flags=[*NO_LIMITS, *flags])


def sessions_of(front, count):
    made = []
    for _ in range(count):
        status, body = front.register()
        assert status == 200, body
        made.append(json.loads(body))
    return made


def url_of(front):
    return f"wss://localhost:{front.port}/ws"


def case_an_idle_pair_stays(name):
    """Not one byte passes meanwhile: no heartbeat, no ping, no keep-alive."""
    with Front(name, flags=SILENT) as front:
        session = json.loads(front.register()[1])
        quiet = {"ping_interval": None}
        with front.join(session, "workstation", **quiet) as desk, front.join(session, "phone", **quiet) as phone:
            desk.expect_joined()
            phone.expect_joined()
            # This is what is tested: time in which nothing happens.
            threading.Event().wait(idle_secs)
            desk.send("still here")
            assert phone.receive() == "still here"
            phone.send("so am I")
            assert desk.receive() == "so am I"


def case_the_times_of_sockets_are_far_longer_than_relayds(name):
    """relayd ends what is silent or stalled within two minutes, so a proxy never does so first."""
    text = configuration(name)
    if name == "nginx":
        found = re.findall(r"^\s*proxy_(?:read|send)_timeout (\S+);", text, re.MULTILINE)
    elif name == "haproxy":
        found = re.findall(r"^\s*timeout tunnel (\S+)", text, re.MULTILINE)
    else:
        # Caddy has no such time unless one is set.
        assert "stream_timeout" not in text
        return
    assert found and set(found) == {"1h"}, found


def raw_request(front, head, body=b""):
    """Sends these bytes under TLS, and returns everything that is answered."""
    with socket.create_connection(("localhost", front.port), timeout=GUARD_SECS) as plain:
        with front.trust.wrap_socket(plain, server_hostname="localhost") as tls:
            tls.sendall(head.encode() + body)
            answer = b""
            while b"\r\n\r\n" not in answer or not is_whole(answer):
                more = tls.recv(65536)
                if not more:
                    break
                answer += more
    return answer.decode("utf-8")


def is_whole(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return length and len(body) >= int(length.group(1))


def case_refusals_are_the_relays_own(name):
    with Front(name) as front:
        origin = {"Origin": "https://phone.example.org"}
        # nginx would refuse over 1 MB by itself. Caddy closes half a second after an answer if it has not
        # read 256 KiB of what follows, so a slow client may not see the answer to a larger body.
        for size in (1025, 100_000, 2_000_000 if name == "nginx" else 200_000):
            status, body = front.register(body=b"x" * size, headers=origin)
            assert status == 413 and json.loads(body)["error"], (size, status, body[:200])
        # A body that never comes whole: relayd's ten seconds, and its words.
        began = time.monotonic()
        answer = raw_request(front, "POST /api/register HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n", b"{")
        took = time.monotonic() - began
        assert answer.startswith("HTTP/1.1 408 ") and '"error"' in answer, answer[:300]
        assert 5 < took < 30, took
        # A message as large as may be, and one that is larger.
        session = json.loads(front.register()[1])
        with front.join(session, "workstation") as desk, front.join(session, "phone") as phone:
            desk.expect_joined()
            phone.expect_joined()
            largest = b"x" * (16 << 20)
            desk.send(largest)
            assert phone.receive() == largest
        assert asyncio.run(code_of_a_message(front, session, len(largest) + 1)) == 1009


async def code_of_a_message(front, session, size):
    """Sends the header of a message of this size, by which the relay judges. Gives the code of the Close."""
    async with connect(url_of(front), ssl=front.trust, proxy=None) as desk:
        hello = {"type": "hello", "s": session["sessionId"], "t": session["token"], "r": "workstation"}
        await desk.send(json.dumps(hello))
        await desk.recv()
        desk.transport.write(struct.pack("!BBQ", 0x82, 0xFF, size) + b"mask")
        await asyncio.wait_for(desk.wait_closed(), GUARD_SECS)
        return desk.close_code


def where(front, what):
    return [gauge(node, what) for node in front.nodes]


def case_both_ends_meet_on_one_node(name):
    """Sessions that send `a`, on two and on three nodes: every pair's ends are on one node, and every node has some."""
    for nodes in (2, 3):
        with many_nodes(name, nodes) as front:
            sessions = sessions_of(front, 60)
            asyncio.run(pairs_meet(front, sessions))


async def pairs_meet(front, sessions):
    async with Talk(url_of(front), sessions, front.trust, every=1):
        local, remote = where(front, 'relay_links{to="local"}'), where(front, 'relay_links{to="remote"}')
        share = sum(local) / len(sessions)
        print(f"    {front.name}, {len(front.nodes)} nodes: {share:.1%} meet on one node, {local} pairs each", flush=True)
        assert share >= 0.99 and sum(remote) <= 0.02 * len(sessions), (local, remote)
        assert min(local) >= len(sessions) / len(front.nodes) / 4, f"a node has too few: {local}"


def case_clients_without_a_are_spread(name):
    with many_nodes(name, 3) as front:
        sessions = sessions_of(front, 60)
        asyncio.run(connections_are_spread(front, sessions))


async def connections_are_spread(front, sessions):
    async with Talk(url_of(front), sessions, front.trust, every=1, query=""):
        each = where(front, 'relay_connections{protocol="websocket"}')
        print(f"    {front.name}: {each} connections without `a`", flush=True)
        mean = sum(each) / len(each)
        assert sum(each) == 120 and min(each) >= 0.75 * mean and max(each) <= 1.25 * mean, each


def case_a_reload_loses_nothing(name):
    with many_nodes(name, 2) as front:
        sessions = sessions_of(front, 20)
        asyncio.run(reload_under_load(front, sessions))


async def reload_under_load(front, sessions):
    async with Talk(url_of(front), sessions, front.trust) as talk:
        for _ in range(2):
            await talk.until_heard()
            await asyncio.to_thread(front.reload)
            await talk.until_heard()
        # New pairs come through the new configuration.
        async with Talk(url_of(front), await asyncio.to_thread(sessions_of, front, 2), front.trust):
            pass
    judge(front, talk, "a reload")
    closed = collections.Counter(code for end in talk.ends() for code in end.ends)
    print(f"    ends {dict(closed)}", flush=True)
    if front.name == "caddy":
        # Version 2.6 can't keep them. It says 1001 to both ends, which may fall into the middle of a frame.
        # Then what follows is malformed, and that end is closed with 1002.
        assert set(closed) <= {1001, 1002, 1006, "cut off"}, closed
    else:
        assert not closed, f"open sockets do not stay: {closed}"


def case_a_node_that_stops_loses_nothing_untold(name):
    """Half of the pairs must move, while all talk and new ones come all the time."""
    with many_nodes(name, 2, "--ready-delay-secs", str(ready_delay_of(name))) as front:
        sessions = sessions_of(front, 40)
        asyncio.run(stop_under_load(front, sessions))


async def stop_under_load(front, sessions):
    refused, is_over = [], threading.Event()
    newcomers = asyncio.create_task(asyncio.to_thread(register_all_the_time, front, refused, is_over))
    async with Talk(url_of(front), sessions, front.trust) as talk:
        await talk.until_heard()
        stopped, began = front.nodes.pop(), time.monotonic()
        stopped.child.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(stopped.child.wait, GUARD_SECS)
        assert code == 0, f"the node ended with {code}"
        await talk.until_heard()
        is_over.set()
        await newcomers
        apart = sorted(sum(pair.apart(began)) for pair in talk.pairs)
        moved = [secs for secs in apart if secs]
    judge(front, talk, "a stop of a node")
    ends = collections.Counter(code for end in talk.ends() for code in end.ends)
    worst = f"apart {moved[len(moved) // 2]:.2f} s, at worst {moved[-1]:.2f} s" if moved else "none moved"
    print(f"    {len(moved)} of {len(apart)} pairs moved, {worst}; ends {dict(ends)}", flush=True)
    assert moved, "the node that stopped had no pair"
    assert not refused, f"new clients were refused: {refused[:5]}"


def case_all_nodes_may_restart_one_after_another(name):
    """At once, with no time between for what a proxy remembers of a node."""
    nodes = [Node(REDIS, ready_delay_of(name)) for _ in range(3)]
    try:
        for node in nodes:
            node.start()
        with Front(name, addresses=[node.address for node in nodes]) as front:
            asyncio.run(restart_each(front, nodes, sessions_of(front, 30)))
    finally:
        for node in nodes:
            node.kill()


async def restart_each(front, nodes, sessions):
    async with Talk(url_of(front), sessions, front.trust) as talk:
        for node in nodes:
            await talk.until_heard()
            began = time.monotonic()
            await asyncio.to_thread(node.restart)
            await talk.until_heard()
            moved = sorted(sum(pair.apart(began)) for pair in talk.pairs if pair.apart(began))
            print(f"    {len(moved)} of {len(talk.pairs)} pairs moved, apart at worst {max(moved, default=0):.2f} s", flush=True)
    judge(front, talk, "a restart of all nodes")


def register_all_the_time(front, refused, is_over):
    while not is_over.wait(0.05):
        try:
            status, body = front.register()
            if status != 200:
                refused.append((status, body[:100]))
        except OSError as error:
            refused.append(repr(error))


def judge(front, talk, what):
    print(f"    {front.name}, {what}: {talk.received()} frames came, {talk.told()} lost with notice", flush=True)
    assert not talk.faults(), talk.faults()[:10]


def main(names):
    cases = cases_of(globals())
    # All proxies are idle at the same time, and beside the other cases.
    idle = cases.pop("an_idle_pair_stays")
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        waits = [(f"an_idle_pair_stays::{name}", pool.submit(idle, name).result) for name in names]
        others = [
            (f"{title}::{name}", functools.partial(case, name)) for name in names for title, case in cases.items()
        ]
        return play_all(others + waits)


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["--idle"]:
        idle_secs, words = int(words[1]), words[2:]
    assert REDIS, "RELAY_TEST_REDIS_URL is not set: run ./run-test.sh --proxies"
    sys.exit(main(words))
