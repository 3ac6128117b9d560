"""The processes that belong to one user's runtime folder: an agent and its terminals outlive the command that began
them."""

import os
import pathlib
import signal
import time

GONE_SECS = 60


def processes_of(runtime, argument=""):
    """The ids of the processes with this XDG_RUNTIME_DIR that have this argument, or any."""
    mine = f"XDG_RUNTIME_DIR={runtime}\0".encode()
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
            if mine in (process / "environ").read_bytes() and argument.encode() in arguments:
                found.append(int(process.name))
        except OSError:
            # It has ended meanwhile, or is another user's.
            pass
    return found


def kill_all_of(runtime):
    """Returns when all of them are gone, so that they write nothing more."""
    deadline = time.monotonic() + GONE_SECS
    while pids := [pid for pid in processes_of(runtime) if is_running(pid)]:
        assert time.monotonic() < deadline, f"{pids} do not end"
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.01)


def is_running(pid):
    """False for one that waits to be looked at by its parent (proc_pid_stat(5))."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
