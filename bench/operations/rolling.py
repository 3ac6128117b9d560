"""A rolling restart of three nodes behind a proxy of deploy/, while pairs talk: for how long each pair was apart, and what was lost.

    tests/.venv/bin/python bench/operations/rolling.py [--proxy nginx] [--pairs 300] [--plain] [--binaries target/release]

The pairs are this project's clients with their tunnel (`bench pairs`), or with --plain clients that know only the
contract. Nodes are stopped with SIGTERM and started again, one after another. Needs redis-server, the proxy and
openssl. Ends with 1 if the tunnel lost a message, or if a plain frame was lost and no end was told.
"""

import argparse
import asyncio
import json
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "python"))

import service
from front import Front, free_port
from nodes import Node, ready_delay_of
from talkers import Talk

NODES = 3
# How long all pairs talk before the first restart, and after each of them.
TALK_SECS = 5


class Engines:
    """`bench pairs`: the project's clients."""

    def __init__(self, front, pairs):
        command = [service.BINARIES / "bench", "pairs", f"wss://localhost:{front.port}/ws", "--ca", front.certificate.file]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.child = subprocess.Popen([*command, "--pairs", str(pairs)], **pipes)
        assert self.child.stdout.readline() == "ready\n", "the pairs did not open"

    def report(self):
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())

    def end(self):
        self.child.stdin.close()
        last = json.loads(self.child.stdout.readline())
        return last, self.child.wait(service.GUARD_SECS)


def shown(secs):
    """Median and worst."""
    if not secs:
        return "none"
    secs = sorted(secs)
    return f"median {secs[len(secs) // 2]:.2f} s, worst {secs[-1]:.2f} s"


def with_tunnel(front, nodes, pairs):
    engines = Engines(front, pairs)
    time.sleep(TALK_SECS)
    usual = engines.report()["waited_ms"]
    print(f"before: the slowest message of each pair took {shown([ms / 1e3 for ms in usual])}", flush=True)
    for number, node in enumerate(nodes, 1):
        away = node.restart()
        time.sleep(TALK_SECS)
        told = engines.report()
        moved = [ms / 1e3 for ms, opened in zip(told["waited_ms"], told["opened"]) if opened]
        stayed = [ms / 1e3 for ms, opened in zip(told["waited_ms"], told["opened"]) if not opened]
        print(f"node {number}, away for {away:.1f} s: {len(moved)} pairs moved and were apart {shown(moved)};", end=" ")
        print(f"the slowest message of the others took {shown(stayed)}", flush=True)
    last, code = engines.end()
    lost = last["sent"] - last["received"]
    print(f"{last['sent']} messages sent, {last['received']} received: {lost} lost, {last['wrong']} doubled or out of order")
    return code


async def without_tunnel(front, nodes, pairs):
    sessions = [json.loads(front.register()[1]) for _ in range(pairs)]
    async with Talk(f"wss://localhost:{front.port}/ws", sessions, front.trust, every=0.5) as talk:
        await asyncio.sleep(TALK_SECS)
        for number, node in enumerate(nodes, 1):
            since = time.monotonic()
            away = await asyncio.to_thread(node.restart)
            await talk.until_linked()
            await asyncio.sleep(TALK_SECS)
            await talk.until_linked()
            moved = [sum(apart) for apart in (pair.apart(since) for pair in talk.pairs) if apart]
            print(f"node {number}, away for {away:.1f} s: {len(moved)} pairs moved and were apart {shown(moved)}", flush=True)
    faults = talk.faults()
    print(f"{talk.received()} frames received, {talk.told()} lost with notice, {len(faults)} lost without: {faults[:3]}")
    return 1 if faults else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--proxy", choices=["nginx", "haproxy", "caddy"], default="nginx")
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--plain", action="store_true", help="clients that know only the contract")
    parser.add_argument("--binaries", type=pathlib.Path, default=ROOT / "target" / "release")
    args = parser.parse_args()
    service.BINARIES = args.binaries.resolve(strict=True)
    with tempfile.TemporaryDirectory(prefix="rolling-") as folder:
        port = free_port()
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        redis = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        nodes = [Node(f"redis://127.0.0.1:{port}", ready_delay_of(args.proxy)) for _ in range(NODES)]
        try:
            for node in nodes:
                node.start()
            print(f"{args.pairs} pairs, {'plain' if args.plain else 'with the tunnel'}, {args.proxy}, {NODES} nodes", flush=True)
            with Front(args.proxy, addresses=[node.address for node in nodes]) as front:
                if args.plain:
                    return asyncio.run(without_tunnel(front, nodes, args.pairs))
                return with_tunnel(front, nodes, args.pairs)
        finally:
            for node in nodes:
                node.kill()
            redis.terminate()
            redis.wait()


if __name__ == "__main__":
    sys.exit(main())
