"""relayd judged by the Autobahn test suite's own cases, which `kosoku` plays against it through the shim.

`conformance.py short` or `conformance.py whole`, on the embedded store and with default limits. It prints a table per run and each case
that failed, and ends with `N passed, N failed`. What was found is in `tests/conformance.md`.
"""

import asyncio
import collections
import sys
import time

from kosoku import FailureError, run_fuzzingclient

from service import Relay
from shim import Shim

# `count` is how many cases must have been played: patterns that match none must not pass for a run without
# failures.
Run = collections.namedtuple("Run", "role cases count raw bytewise", defaults=(False, False))

ROLES = ["phone", "workstation"]
# Framing, pings, reserved bits, opcodes, fragments, UTF-8, closing, and one message in many frames.
RULES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
# Messages of up to 16 MiB, in few frames or many, and 1000 of them one after the other.
LARGE = ["9.*"]

RULES_COUNT, LARGE_COUNT = 247, 54

SHORT = [Run(role, RULES, RULES_COUNT, raw) for raw in (False, True) for role in ROLES]
BYTEWISE = [Run(role, RULES, RULES_COUNT, bytewise=True) for role in ROLES]
WHOLE = SHORT + BYTEWISE + [Run(role, LARGE, LARGE_COUNT, raw) for raw in (False, True) for role in ROLES]
PARTS = {"short": SHORT, "whole": WHOLE}
VERDICTS = ["OK", "NON-STRICT", "INFORMATIONAL", "FAILED"]
# Families in which NON-STRICT is a failure: bad UTF-8 must fail as soon as it arrives.
STRICT = {6}


def verdict(result):
    """What the case says of the messages; FAILED also where it says that the closing was wrong."""
    behavior, closing = result.behavior.value, result.behavior_close.value
    if behavior == "NON-STRICT" and int(result.case_id.split(".")[0]) in STRICT:
        return "FAILED"
    return behavior if behavior in VERDICTS and closing in ("OK", "INFORMATIONAL") else "FAILED"


def play(shim, run):
    # Most of the short cases wait, which many can do at once; the others work.
    at_once = 2 if run.bytewise or run.cases == LARGE else 8
    try:
        return asyncio.run(run_fuzzingclient(shim.url, run.cases, concurrency=at_once))
    except FailureError as failure:
        return failure.results


def report(run, results, secs):
    """Prints the table of a run."""
    mode = ("raw" if run.raw else "enveloped") + (", a byte at a time" if run.bytewise else "")
    print(f"\nas the {run.role}, {mode}: {len(results)} cases in {secs:.0f} s")
    families = collections.defaultdict(collections.Counter)
    for result in results:
        families[int(result.case_id.split(".")[0])][verdict(result)] += 1
    print("family  " + "  ".join(VERDICTS))
    for family, counts in sorted(families.items()):
        print(f"{family:>6}  " + "  ".join(f"{counts[name]:>{len(name)}}" for name in VERDICTS))
    by_name = lambda name: " ".join(result.case_id for result in results if verdict(result) == name)
    print("not strict: " + (by_name("NON-STRICT") or "none"))
    for result in results:
        if verdict(result) == "FAILED":
            print(f"FAILED {result.case_id}: {result.behavior.value}, {result.result} / {result.result_close}")


def judge(relay, run):
    """Plays one run; how many cases passed and failed."""
    begun = time.monotonic()
    with Shim(relay, run.role, run.raw, run.bytewise) as shim:
        results = play(shim, run)
    report(run, results, time.monotonic() - begun)
    for fault in shim.faults:
        print(f"FAULT in what relayd sent: {fault}")
    wrong = sum(verdict(result) == "FAILED" for result in results)
    missing = abs(run.count - len({result.case_id for result in results}))
    if missing:
        print(f"FAILED: {len(results)} cases were played, not {run.count}")
    return len(results) - wrong, wrong + missing + len(shim.faults)


def main():
    if sys.argv[1:] not in [[part] for part in PARTS]:
        print(f"usage: conformance.py {'|'.join(PARTS)}", file=sys.stderr)
        return 2
    with Relay() as relay:
        counts = [judge(relay, run) for run in PARTS[sys.argv[1]]]
    passed, failed = (sum(column) for column in zip(*counts))
    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
