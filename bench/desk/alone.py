#!/usr/bin/env python3
"""The desk alone: how fast output passes through `workstation run`, through `script` and through tmux.

    python3 bench/desk/alone.py [--rounds 7] [--bin target/release/workstation]

Each contender runs in a pseudo-terminal of 120×50 whose other side this script drains. They take turns, and
the order moves on by one in each round; ratios compare neighbours in time. CPU is that of all processes on
the near side: the window, the terminal's host or tmux's server, and the command.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import tempfile

import trial

FILE_MB = 100
PLAIN = b"%07d the quick brown fox jumps over the lazy dog, and nobody looks on from here at all\n"
COLOURED = b"%07d the quick \x1b[33mbrown fox\x1b[m jumps over the \x1b[1mlazy dog\x1b[m, and \x1b[32mnobody\x1b[m looks on\n"


def make_file(path, line):
    length = len(line % 0)
    with open(path, "wb") as file:
        for first in range(0, FILE_MB * 1_000_000 // length, 1000):
            file.write(b"".join(line % number for number in range(first, first + 1000)))


def contenders(program, command):
    quoted = " ".join(f"'{word}'" for word in command)
    tmux = ["tmux", "-L", f"bench{os.getpid()}", "-f", "/dev/null", "new-session", *command]
    return {
        "bare": list(command),
        "script": ["script", "-q", "-c", quoted, "/dev/null"],
        "tmux": tmux,
        "run": [program, "run", "--", *command],
    }


def environment(folder):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RELAY_", "TMUX"))}
    (folder / "state").mkdir()
    (folder / "run").mkdir(mode=0o700)
    own = {"XDG_STATE_HOME": str(folder / "state"), "XDG_RUNTIME_DIR": str(folder / "run")}
    return env | own | {"TERM": "xterm-256color", "TMUX_TMPDIR": str(folder), "SHELL": "/bin/sh"}


def measure(ways, rounds, env):
    names = list(ways)
    results = {name: [] for name in names}
    for number in range(rounds + 1):
        for at in range(len(names)):
            name = names[(at + number) % len(names)]
            result = trial.run(ways[name], env)
            if number > 0:
                # The first round warms caches up.
                results[name].append(result)
    return results


def report(title, results):
    print(f"\n{title}\n")
    print("| way | wall s | CPU s | MB to the terminal | `script`'s wall over it | tmux's wall over it |")
    print("|---|---|---|---|---|---|")
    for name, rows in results.items():
        wall, cpu = spread(row["wall"] for row in rows), spread(row["cpu"] for row in rows)
        ratio = [against(results[other], rows) for other in ("script", "tmux")]
        count = statistics.median(row["bytes"] for row in rows) / 1e6
        print(f"| {name} | {wall} | {cpu} | {count:.1f} | {ratio[0]} | {ratio[1]} |")


def spread(values):
    values = sorted(values)
    return f"{statistics.median(values):.3f} ({values[0]:.3f}–{values[-1]:.3f})"


def against(others, rows):
    return spread(other["wall"] / row["wall"] for other, row in zip(others, rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--bin", default="target/release/workstation")
    parser.add_argument("--only", choices=["cat", "colours", "yes"])
    args = parser.parse_args()
    program = str(pathlib.Path(args.bin).resolve(strict=True))
    for tool in ("script", "tmux"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is not there: install it first")
    trial.adopt_orphans()
    # Short, as it is part of a socket's path.
    with tempfile.TemporaryDirectory(prefix="rd", dir="/tmp") as name:
        folder = pathlib.Path(name)
        env, plain, coloured = environment(folder), folder / "plain", folder / "coloured"
        make_file(plain, PLAIN)
        make_file(coloured, COLOURED)
        commands = {
            "cat": (f"`cat` of {FILE_MB} MB of text", ["cat", str(plain)]),
            "colours": (f"`cat` of {FILE_MB} MB with colours", ["cat", str(coloured)]),
            "yes": ("`yes | head -n 5000000`", ["sh", "-c", "yes | head -n 5000000"]),
        }
        for key, (title, command) in commands.items():
            if args.only in (None, key):
                report(title, measure(contenders(program, command), args.rounds, env))


if __name__ == "__main__":
    main()
