"""One run of a command in a pseudo-terminal whose other side is drained: wall time, CPU time, bytes."""

import ctypes
import fcntl
import os
import pty
import resource
import struct
import termios
import time

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Processes that outlive their parent become children of this one, so their CPU time is counted too."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def set_size(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def start(command, env, columns=120, rows=50):
    """Starts a command as the leader of a new terminal. Returns its pid and the terminal's other side."""
    pid, master = pty.fork()
    if pid == 0:
        # The parent may be late with the size; so the child sets it.
        set_size(0, columns, rows)
        os.execvpe(command[0], command, env)
    return pid, master


def drain(master):
    """Reads until every process has left the terminal. Returns the number of bytes."""
    count = 0
    while True:
        try:
            piece = os.read(master, 1 << 16)
        except OSError:
            # EIO: the last user of the terminal is gone.
            return count
        if not piece:
            return count
        count += len(piece)


def reap_all():
    """Waits for all descendants. Returns the exit codes by pid."""
    codes = {}
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            return codes
        codes[pid] = os.waitstatus_to_exitcode(status)


def cpu_of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(command, env):
    """Runs a command to its end, and those of its processes that outlive it."""
    before, began = cpu_of_children(), time.monotonic()
    pid, master = start(command, env)
    count = drain(master)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    wall = time.monotonic() - began
    os.close(master)
    code = reap_all()[pid]
    if code != 0:
        raise SystemExit(f"{command} ended with {code}")
    return {"wall": wall, "cpu": cpu_of_children() - before, "bytes": count}
