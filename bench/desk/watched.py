#!/usr/bin/env python3
"""A shared terminal and the phone that watches it: what a flood costs, and how long keys take.

    python3 bench/desk/watched.py flood [--seconds 60] [--line slow]
    python3 bench/desk/watched.py stop  [--times 10]  [--line slow]
    python3 bench/desk/watched.py keys  [--times 100] [--line slow]
    python3 bench/desk/watched.py file  [--times 100] [--line slow]

`--line slow` is 1 Mbit/s with a round trip of 100 ms between the phone and the relay, `fast` the bare loopback.
"""

import argparse
import os
import pathlib
import random
import statistics
import string
import subprocess
import sys
import time

from line import Line
from rig import Desk, Phone

HERE = pathlib.Path(__file__).resolve().parent
LINES = {"slow": {"bits": 1_000_000, "one_way": 0.05}, "fast": {}}


def cpu(pid):
    """CPU seconds of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def child_of(pid):
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None


def wait_for(get, seconds=10):
    """Asks each millisecond until there is an answer."""
    until = time.monotonic() + seconds
    while (value := get()) is None:
        if time.monotonic() > until:
            raise TimeoutError("nothing came")
        time.sleep(0.001)
    return value


def flood(desk, line, args):
    window = desk.share("flood", "yes")
    phone = Phone(desk, line, "pixel")
    phone.watch("flood")
    phone.until(lambda rows: rows[0] == "y")
    host = desk.host("flood")
    pids = {"yes": child_of(host), "window": window, "host": host, "agent": desk.agent()}
    pids |= {"relayd": desk.relayd.pid, "phone": phone.process.pid}
    time.sleep(3)
    before, began = {name: cpu(pid) for name, pid in pids.items()}, time.monotonic()
    down, up = line.down.value, line.up.value
    time.sleep(args.seconds)
    took = time.monotonic() - began
    print(f"| to the phone | {(line.down.value - down) / took:,.0f} bytes/s |")
    print(f"| from the phone | {(line.up.value - up) / took:,.0f} bytes/s |")
    for name, pid in pids.items():
        print(f"| CPU of {name} | {(cpu(pid) - before[name]) / took * 100:.1f} % of a core |")
    phone.close()


def stop(desk, line, args):
    """A shell starts `yes` for each line that it reads, and says when that has ended."""
    desk.share("stop", "sh", "-c", "trap : INT; n=0; while read line; do yes; n=$((n+1)); clear; echo ended $n; done")
    phone = Phone(desk, line, "pixel")
    phone.watch("stop")
    shell = wait_for(lambda: child_of(desk.host("stop")))
    stopped, seen = [], []
    for number in range(1, args.times + 1):
        phone.type("go{Enter}")
        running = wait_for(lambda: child_of(shell))
        phone.until(lambda rows: rows[0] == "y" and rows[-2] == "y")
        time.sleep(1 + random.random())
        began = time.monotonic()
        phone.type("{Ctrl-C}")
        wait_for(lambda: True if child_of(shell) != running else None)
        stopped.append(time.monotonic() - began)
        seen.append(phone.until(lambda rows: rows[0] == f"ended {number}") - began)
    print_times("Ctrl-C until `yes` has ended", stopped)
    print_times("Ctrl-C until the phone shows that", seen)
    phone.close()


def time_keys(phone, times, row_of):
    """Types letters one by one, and waits for each to be seen."""
    typed, took = "", []
    for _ in range(times):
        if len(typed) == 40:
            phone.type("{Enter}")
            typed = ""
            time.sleep(0.5)
        typed += random.choice(string.ascii_letters)
        time.sleep(0.1 + random.random() / 5)
        began = time.monotonic()
        phone.type(typed[-1])
        took.append(phone.until(lambda rows: typed in row_of(rows)) - began)
    return took


def keys(desk, line, args):
    desk.share("keys", "cat")
    phone = Phone(desk, line, "pixel")
    phone.watch("keys")
    everything = "\n".join
    print_times("key to screen, quiet", time_keys(phone, args.times, everything))

    # Another phone on the same line watches a flood.
    desk.share("other", "yes")
    other = Phone(desk, line, "tablet")
    other.watch("other")
    other.until(lambda rows: rows[0] == "y")
    print_times("key to screen, beside a phone that watches `yes`", time_keys(phone, args.times, everything))
    other.close()
    phone.close()

    desk.share("paint", sys.executable, str(HERE / "painter.py"))
    painted = Phone(desk, line, "third")
    painted.watch("paint")
    time.sleep(2)
    print_times("key to screen, all other rows random all the time", time_keys(painted, args.times, lambda rows: rows[-1]))
    painted.close()


def file(desk, line, args):
    """Keys while a file moves on the same line, to the phone and from it."""
    desk.share("keys", "cat")
    phone = Phone(desk, line, "pixel")
    phone.watch("keys")
    everything = "\n".join
    print_times("key to screen, quiet", time_keys(phone, args.times, everything))
    other = Phone(desk, line, "tablet")
    source, inbox = desk.folder / "file.bin", desk.folder / "inbox"
    source.write_bytes(random.randbytes(1 << 20) * 64)
    inbox.mkdir()
    program = desk.binaries / "workstation"
    for way in ("to", "from"):
        if way == "to":
            other.talk("--inbox", str(inbox))
            command = [program, "send", "--to", "tablet", source]
        else:
            command = [program, "receive", inbox]
        desk_end = subprocess.Popen(command, env=desk.env, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        if way == "from":
            time.sleep(2)
            other.talk("--send", str(source))
        time.sleep(15)
        counter = line.down if way == "to" else line.up
        before, began = counter.value, time.monotonic()
        times = time_keys(phone, args.times, everything)
        moved, took = counter.value - before, time.monotonic() - began
        print_times(f"key to screen, while a file goes {way} another phone", times)
        print(f"| the line, {way} the phone | {moved * 8 / took / 1e6:.3f} Mbit/s on the wire |", flush=True)
        desk_end.terminate()
        desk_end.wait()
        other.close()
        for path in inbox.iterdir():
            path.unlink()
    phone.close()


def print_times(what, times):
    times = sorted(value * 1000 for value in times)
    p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
    print(f"| {what} | {len(times)} | p50 {statistics.median(times):.0f} ms | p95 {p95:.0f} ms | worst {times[-1]:.0f} ms |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["flood", "stop", "keys", "file"])
    parser.add_argument("--line", choices=LINES, default="slow")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--times", type=int)
    parser.add_argument("--bin", default="target/release", help="the folder of the programs")
    args = parser.parse_args()
    args.times = args.times or {"stop": 10, "keys": 100, "file": 100}.get(args.what)
    desk = Desk(args.bin)
    line = Line(desk.port, **LINES[args.line])
    try:
        {"flood": flood, "stop": stop, "keys": keys, "file": file}[args.what](desk, line, args)
    finally:
        desk.close()
        line.close()


if __name__ == "__main__":
    main()
