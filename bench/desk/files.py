#!/usr/bin/env python3
"""Files between a desk and a phone: over a line that breaks, and beside magic-wormhole.

    python3 bench/desk/files.py faults [--mib 1024] [--cut-every 10]
    python3 bench/desk/files.py rate   [--mib 1024] [--files 10000] [--rounds 3] --wormhole VENV

`faults` sends a file each way over a line whose connections all end again and again, kills the sender and the
receiver once each, and checks the hash, the memory and the progress. `rate` takes turns with magic-wormhole
through its own transit relay; VENV has magic-wormhole, magic-wormhole-mailbox-server and
magic-wormhole-transit-relay. Both are on the loopback, and CPU is user and system time of every process.
"""

import argparse
import hashlib
import json
import os
import pathlib
import random
import shutil
import socket
import statistics
import subprocess
import threading
import time
import types

from line import Line
from rig import Desk, Phone

TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid):
    """CPU seconds of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss_mib(pid):
    try:
        for row in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if row.startswith("VmRSS:"):
                return int(row.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def make_file(path, mib):
    with open(path, "wb") as file:
        for _ in range(mib):
            file.write(random.randbytes(1 << 20))


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def written(folder):
    """Bytes of the files in a folder, and in its folders; the sidecars among them are small."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:
            # It got its name just now.
            continue
    return total


class Watch:
    """The memory of processes, by name: a sample every half second."""

    def __init__(self, pids):
        self.pids, self.samples, self.over = pids, {name: [] for name in pids}, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.over.wait(0.5):
            for name, pid in self.pids.items():
                if mib := rss_mib(pid()):
                    self.samples[name].append(mib)

    def report(self):
        self.over.set()
        self.thread.join()
        for name, samples in self.samples.items():
            if samples:
                quarter = len(samples) // 4 or 1
                parts = (statistics.median(samples[:quarter]), statistics.median(samples[-quarter:]), max(samples))
                print("| memory of %s | first quarter %.1f MiB | last quarter %.1f MiB | most %.1f MiB |" % (name, *parts))


class Progress:
    """What a command says with --json, judged by what is on disk."""

    def __init__(self, process, folder):
        self.last, self.faults, self.lines, self.folder = 0, [], 0, folder
        self.is_ready = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(process,), daemon=True)
        self.thread.start()

    def run(self, process):
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "note":
                # Files are taken from now on.
                self.is_ready.set()
            if event["event"] == "file" and event["state"] in ("failed", "skipped"):
                self.faults.append(line.strip())
            if event["event"] != "progress":
                continue
            self.lines += 1
            if event["bytes"] < self.last:
                self.faults.append(f"back from {self.last} to {event['bytes']}")
            if event["bytes"] > (there := written(self.folder)):
                self.faults.append(f"said {event['bytes']}, and {there} are there")
            self.last = event["bytes"]


class Faults:
    """One direction of `faults`."""

    def __init__(self, desk, phone, mib):
        self.desk, self.phone, self.mib = desk, phone, mib
        self.program = desk.binaries / "workstation"
        self.processes, self.progress = {}, []

    def command(self, folder, *args):
        process = subprocess.Popen([self.program, *args, "--json"], env=self.desk.env, stdout=subprocess.PIPE, text=True)
        self.processes["command"] = process
        self.progress.append(Progress(process, folder))
        if args[0] == "receive":
            self.progress[-1].is_ready.wait()

    def talk(self, *args):
        self.processes["phone"] = self.phone.talk(*args)

    def kill(self, name, folder, share):
        """Kills a process when so much of the file is there."""
        while written(folder) < self.mib * (1 << 20) * share:
            time.sleep(0.05)
            if self.processes["command"].poll() is not None:
                raise RuntimeError(f"the command has ended: {self.processes['command'].returncode}")
        self.processes[name].kill()
        self.processes[name].wait()

    def run(self, way):
        source, inbox = self.desk.folder / f"{way}.bin", self.desk.folder / f"{way}.in"
        make_file(source, self.mib)
        inbox.mkdir()
        pids = {name: lambda name=name: self.processes[name].pid for name in ("command", "phone")}
        pids |= {"agent": self.desk.agent, "relayd": lambda: self.desk.relayd.pid}
        began = time.monotonic()
        if way == "down":
            starts = {"phone": lambda: self.talk("--inbox", str(inbox)), "command": lambda: self.command(inbox, "send", str(source))}
        else:
            starts = {"command": lambda: self.command(inbox, "receive", "--once", str(inbox)), "phone": lambda: self.talk("--send", str(source))}
        for start in starts.values():
            start()
        watch = Watch(pids)
        self.kill("command", inbox, 0.3)
        starts["command"]()
        if way == "up":
            # A phone whose receiver has gone says so: its user sends again.
            time.sleep(1)
            self.processes["phone"].kill()
            self.processes["phone"].wait()
            starts["phone"]()
        self.kill("phone", inbox, 0.6)
        starts["phone"]()
        code = self.processes["command"].wait()
        took = time.monotonic() - began
        watch.report()
        [kept] = [path for path in inbox.iterdir() if path.name == source.name]
        faults = [fault for progress in self.progress for fault in progress.faults]
        lines = sum(progress.lines for progress in self.progress)
        is_same = sha256(kept) == sha256(source)
        print(f"| {way} | {self.mib} MiB in {took:.0f} s | exit code {code} | same hash: {is_same} | {lines} lines of progress, false ones: {faults} |", flush=True)
        self.processes["phone"].terminate()
        self.processes["phone"].wait()


def faults(args):
    desk = Desk(args.bin)
    line = Line(desk.port, cut_every=args.cut_every)
    try:
        # Both ends use the line.
        desk.env["RELAY_SERVER"] = f"http://127.0.0.1:{line.port}"
        phone = Phone(desk, line, "pixel")
        for way in ("down", "up"):
            Faults(desk, phone, args.mib).run(way)
        print(f"| the line | cut {line.cuts.value} times |")
    finally:
        desk.close()
        line.close()


def run_to_end(*commands):
    """Runs these until all have ended. Gives the seconds, and CPU seconds of each; the last one counts for time."""
    began = time.monotonic()
    processes = [subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command, env in commands]
    spent = []
    for process, (command, _) in zip(processes, commands):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{command} ended with {process.returncode}")
        spent.append(usage.ru_utime + usage.ru_stime)
    return time.monotonic() - began, spent


class Ours:
    name = "workstation send"

    def __init__(self, args):
        self.desk = Desk(args.bin)
        # Straight to the relay, without a line between them.
        self.phone = Phone(self.desk, types.SimpleNamespace(port=self.desk.port), "pixel")
        [self.pair] = pathlib.Path(self.phone.env["XDG_STATE_HOME"]).rglob("*.pair")
        # An agent that lives through all rounds, as it does beside a shared terminal.
        self.keeper = subprocess.Popen([self.desk.binaries / "workstation", "receive", self.desk.folder], env=self.desk.env, stderr=subprocess.DEVNULL)

    def move(self, source, inbox):
        agent, relay = self.desk.agent(), self.desk.relayd.pid
        before = cpu(agent), cpu(relay)
        phone = [self.desk.binaries / "examples/phone", "--desk", self.pair.stem, "--inbox", inbox, "--once"]
        send = [self.desk.binaries / "workstation", "send", source]
        took, (sender, receiver) = run_to_end((send, self.desk.env), (phone, self.phone.env))
        agent, relay = cpu(agent) - before[0], cpu(relay) - before[1]
        return took, {"sender": sender + agent, "receiver": receiver, "relay": relay}

    def close(self):
        self.keeper.terminate()
        self.keeper.wait()
        self.desk.close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Wormhole:
    name = "magic-wormhole"

    def __init__(self, args):
        self.bin = pathlib.Path(args.wormhole) / "bin"
        self.folder = pathlib.Path(args.folder)
        mailbox, transit = free_port(), free_port()
        twist = str(self.bin / "twist")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": self.folder}
        self.mailbox = subprocess.Popen([twist, "wormhole-mailbox", f"--port=tcp:{mailbox}:interface=127.0.0.1"], **quiet)
        self.transit = subprocess.Popen([twist, "transitrelay", f"--port=tcp:{transit}:interface=127.0.0.1"], **quiet)
        for port in (mailbox, transit):
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    time.sleep(0.1)
        self.start = [str(self.bin / "wormhole"), "--relay-url", f"ws://127.0.0.1:{mailbox}/v1", "--transit-helper", f"tcp:127.0.0.1:{transit}"]
        self.count = 0

    def move(self, source, inbox):
        self.count += 1
        code = f"{self.count}-measure-files"
        before = cpu(self.mailbox.pid) + cpu(self.transit.pid)
        # Neither listens, so everything goes through the transit relay.
        send = [*self.start, "send", "--hide-progress", "--no-listen", "--code", code, source]
        receive = [*self.start, "receive", "--hide-progress", "--no-listen", "--accept-file", "-o", inbox / source.name, code]
        took, (sender, receiver) = run_to_end((send, os.environ), (receive, os.environ))
        relay = cpu(self.mailbox.pid) + cpu(self.transit.pid) - before
        return took, {"sender": sender, "receiver": receiver, "relay": relay}

    def close(self):
        for process in (self.mailbox, self.transit):
            process.terminate()
            process.wait()


def rate(args):
    folder = pathlib.Path(args.folder)
    one, many = folder / "one.bin", folder / "many"
    make_file(one, args.mib)
    many.mkdir()
    for number in range(args.files):
        (many / f"{number}.bin").write_bytes(random.randbytes(1024))
    sides = [Ours(args)] + ([Wormhole(args)] if args.wormhole else [])
    try:
        for source, size in ((one, args.mib), (many, args.files / 1024)):
            results = {side.name: [] for side in sides}
            for number in range(args.rounds):
                for side in sides[number % 2 :] + sides[: number % 2]:
                    inbox = folder / f"inbox-{source.name}-{number}-{sides.index(side)}"
                    inbox.mkdir()
                    results[side.name].append(side.move(source, inbox))
                    check(source, inbox / source.name)
                    if source.is_file():
                        # Many files stay to the end: ext4 looks at every inode that was freed in the last
                        # minutes before it takes another one, which costs more than everything else here.
                        shutil.rmtree(inbox)
            for name, runs in results.items():
                report(f"{source.name}, {name}", size, runs)
    finally:
        for side in sides:
            side.close()


def check(source, kept):
    pairs = [(source, kept)] if source.is_file() else [(path, kept / path.name) for path in source.iterdir()]
    for one, other in pairs:
        if sha256(one) != sha256(other):
            raise RuntimeError(f"{other} is not what was sent")


def report(what, mib, runs):
    took = [took for took, _ in runs]
    spent = {name: statistics.median(cpu[name] for _, cpu in runs) for name in runs[0][1]}
    words = " | ".join(f"{name} {secs:.2f} s" for name, secs in spent.items())
    middle = statistics.median(took)
    print(f"| {what} | {middle:.2f} s ({min(took):.2f} to {max(took):.2f}) | {mib / middle:.1f} MiB/s | CPU: {words} | in all {sum(spent.values()):.2f} s |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["faults", "rate"])
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cut-every", type=float, default=10)
    parser.add_argument("--wormhole", help="the folder of a virtual environment with magic-wormhole")
    parser.add_argument("--folder", help="a folder for the files; it is made, and deleted at the end")
    parser.add_argument("--bin", default="target/release", help="the folder of the programs")
    args = parser.parse_args()
    args.folder = args.folder or f"/tmp/rdf{os.getpid()}"
    pathlib.Path(args.folder).mkdir()
    try:
        {"faults": faults, "rate": rate}[args.what](args)
    finally:
        shutil.rmtree(args.folder)


if __name__ == "__main__":
    main()
