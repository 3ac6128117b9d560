"""Plays suites in lanes side by side, as they wait more than they work. Within a lane, one plays after another. Each
suite's output is printed whole when it has ended.

    tests/.venv/bin/python tests/python/side_by_side.py desk,ends sequences
"""

import pathlib
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).parent
printing = threading.Lock()


def play_lane(suites, failed):
    for suite in suites:
        begin = time.monotonic()
        done = subprocess.run(
            [sys.executable, HERE / f"{suite}.py"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        with printing:
            print(f"--- {suite}, {time.monotonic() - begin:.0f} s", flush=True)
            sys.stdout.buffer.write(done.stdout)
            sys.stdout.flush()
        if done.returncode != 0:
            failed.append(suite)


def main(lanes):
    failed = []
    threads = [threading.Thread(target=play_lane, args=(lane.split(","), failed)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
