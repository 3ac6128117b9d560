"""A desk for the browser tests: windows of `workstation` on pseudo-terminals, driven by lines of JSON.

Each line of standard input is one command, `{"id": 1, "do": "open", …}`. Its answer is one line, `{"id": 1, …}` or
`{"id": 1, "error": "…"}`. `until` answers when a window shows a text; meanwhile other commands go on.
"""

import base64
import json
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))

import qr
from PIL import Image
from screen import Window
from service import BINARIES, GUARD_SECS

FILM = (640, 480)


class Server:
    def __init__(self, relay):
        # Short: it is part of a socket's path.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rb", dir="/tmp"))
        for name in ("run", "state", "files"):
            (self.folder / name).mkdir(mode=0o700)
        self.env = {
            "RELAY_SERVER": relay,
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "XDG_STATE_HOME": str(self.folder / "state"),
        }
        self.windows = {}
        self.waiting = []

    def do_open(self, window, args, columns=80, rows=24, cwd=None):
        cwd = cwd or str(self.folder)
        self.windows[window] = Window.of("workstation", *args, columns=columns, rows=rows, env=self.env, cwd=cwd)
        return {"folder": str(self.folder)}

    def do_type(self, window, keys):
        self.windows[window].type(keys)
        return {}

    def do_resize(self, window, columns, rows):
        self.windows[window].resize(columns, rows)
        return {}

    def do_screen(self, window):
        """Its rows, without the second halves of wide characters."""
        return {"lines": self.windows[window].lines()}

    def do_raw(self, window):
        return {"text": self.windows[window].raw.decode(errors="replace")}

    def drawing(self, window):
        """The lines of the code that the window shows."""
        text = self.windows[window].raw.decode(errors="replace")
        # What stood on a line before it was cleared is not seen.
        lines = [line.rstrip("\r").split("\x1b[K")[-1] for line in text.split("\n")]
        return [line for line in lines if qr.is_drawing(line)]

    def do_code(self, window):
        """The text of the code that the window shows, read from its picture."""
        return {"text": qr.decode_terminal(self.drawing(window))}

    def do_film(self, window):
        """What a camera sees that is held before the window, not quite straight: a film for a browser's false camera."""
        code = qr.render(self.drawing(window))
        sight = Image.new("L", FILM, 90)
        turned = code.resize((380, 380 * code.height // code.width)).rotate(7, Image.Resampling.BILINEAR, fillcolor=0)
        sight.paste(turned, (130, 40))
        path = self.folder / "film.y4m"
        gray = bytes([128]) * (FILM[0] * FILM[1] // 2)
        head = f"YUV4MPEG2 W{FILM[0]} H{FILM[1]} F10:1 Ip A1:1 C420jpeg\n".encode()
        path.write_bytes(head + (b"FRAME\n" + sight.tobytes() + gray) * 10)
        return {"path": str(path)}

    def do_status(self, window):
        return {"status": self.windows[window].status}

    def do_run(self, args):
        """A command without a terminal."""
        env = {**os.environ, **self.env}
        done = subprocess.run([BINARIES / "workstation", *args], env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=GUARD_SECS)
        return {"status": done.returncode, "out": (done.stdout + done.stderr).decode(errors="replace")}

    def do_shell(self, command):
        """A line of a shell, which finds `workstation` by its name."""
        env = {**os.environ, **self.env, "PATH": f"{BINARIES}:{os.environ['PATH']}"}
        done = subprocess.run(["sh", "-c", command], env=env, capture_output=True, timeout=GUARD_SECS)
        return {"status": done.returncode, "out": (done.stdout + done.stderr).decode(errors="replace")}

    def do_put(self, name, base64_bytes):
        (self.folder / "files" / name).write_bytes(base64.b64decode(base64_bytes))
        return {"path": str(self.folder / "files" / name)}

    def pump(self):
        """Draws what arrived, and says which answers are due; waits at most 50 ms."""
        fds = {window.fd: window for window in self.windows.values() if window.fd is not None}
        ready, _, _ = select.select([sys.stdin, *fds], [], [], 0.05)
        for fd in ready:
            if fd in fds:
                try:
                    fds[fd].pump(0)
                except OSError:
                    # The window's program has ended, and so has its terminal.
                    os.close(fd)
                    fds[fd].fd = None
        return sys.stdin in ready

    def answer_due(self):
        left = []
        for request, pattern, until in self.waiting:
            window = self.windows[request["window"]]
            found = re.search(pattern, window.raw.decode(errors="replace") if request.get("raw") else window.text())
            has_ended = request.get("ended") and window.has_ended()
            if found and not request.get("ended") or has_ended:
                say({"id": request["id"], "found": found.group(0) if found else "", "status": window.status})
            elif time.monotonic() > until:
                say({"id": request["id"], "error": f"waited for {pattern!r}; the screen:\n{window.text()}"})
            else:
                left.append((request, pattern, until))
        self.waiting = left

    def handle(self, request):
        try:
            if request["do"] == "until":
                until = time.monotonic() + request.get("secs", GUARD_SECS)
                self.waiting.append((request, request.get("pattern", ""), until))
                return True
            if request["do"] == "end":
                return False
            rest = {key: value for key, value in request.items() if key not in ("id", "do")}
            say({"id": request["id"], **getattr(self, f"do_{request['do']}")(**rest)})
        except Exception as error:
            say({"id": request["id"], "error": f"{type(error).__name__}: {error}"})
        return True

    def close(self):
        mine = f"XDG_RUNTIME_DIR={self.folder}/run\0".encode()
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if mine in (process / "environ").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
            except OSError:
                # It has ended meanwhile, or is another user's.
                pass
        shutil.rmtree(self.folder, ignore_errors=True)


def say(answer):
    print(json.dumps(answer), flush=True)


def main():
    server = Server(sys.argv[1])
    # A file of 50 MB is one line: what has come of it is not copied with each read.
    pending = bytearray()
    try:
        while True:
            if server.pump():
                read = os.read(0, 1 << 20)
                if not read:
                    return
                pending += read
                *lines, rest = pending.split(b"\n") if b"\n" in read else [pending]
                if not all(server.handle(json.loads(line)) for line in lines):
                    return
                pending = rest
            server.answer_due()
    finally:
        server.close()


if __name__ == "__main__":
    main()
