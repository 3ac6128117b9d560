"""Settings of a real relayd: from a file, changed by SIGHUP, checked beforehand, and with secrets kept elsewhere.

    cargo build -p relayd --bins && tests/.venv/bin/python tests/python/settings.py

Ends with `N passed, N failed`.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from front import free_port
from played import cases_of, play_all
from service import BINARIES, CONTRACT_VARIABLES, GUARD_SECS

COMMON = 'port = 0\nlisten = "127.0.0.1"\nlog-format = "json"\n'


def environment():
    return {key: value for key, value in os.environ.items() if key not in CONTRACT_VARIABLES}


class Node:
    """A relayd with a settings file. It ends with its `with` block."""

    def __init__(self, settings='store = "memory"\n'):
        self.folder = tempfile.TemporaryDirectory(prefix="relay-settings-")
        self.path = pathlib.Path(self.folder.name)
        self.log = self.path / "log"
        self.write(settings)
        with self.log.open("wb") as log:
            command = [BINARIES / "relayd", "--config", self.file]
            self.child = subprocess.Popen(command, env=environment(), stderr=log)
        line = next(line for line in self.logged('"listening"').splitlines() if '"listening"' in line)
        self.address = line.split('"addr":"')[1].split('"')[0]

    @property
    def file(self):
        return self.path / "relayd.toml"

    def write(self, settings):
        self.file.write_text(COMMON + settings)

    def reload(self, settings, until):
        """Another file, and SIGHUP. Gives what was logged since, up to this text."""
        self.write(settings)
        at = len(self.log.read_text())
        self.child.send_signal(signal.SIGHUP)
        return self.logged(until, at)

    def logged(self, text, at=0):
        deadline = time.monotonic() + GUARD_SECS
        while text not in (log := self.log.read_text()[at:]):
            assert time.monotonic() < deadline, log
            time.sleep(0.02)
        return log

    def register(self, key):
        headers = {"Authorization": f"Bearer {key}"}
        request = urllib.request.Request(f"http://{self.address}/api/register", data=b"", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=GUARD_SECS) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.child.terminate()
        assert self.child.wait(GUARD_SECS) == 0
        if failure[0]:
            print(self.log.read_text(), flush=True)
        self.folder.cleanup()


def case_a_key_is_changed_without_a_gap():
    memory = 'store = "memory"\n'
    with Node(memory + 'register-key = "old"\n') as node:
        assert [node.register("old"), node.register("new")] == [200, 401]
        said = node.reload(memory + 'register-key = ["old", "new"]\ndrain-secs = 1\n', "are in force")
        assert "need a restart" in said and '"drain-secs"' in said, said
        assert [node.register("old"), node.register("new")] == [200, 200]
        said = node.reload(memory + 'register-key = "new"\nprot = 1\n', '"ERROR"')
        assert "line 6" in said and "did you mean port?" in said, said
        assert [node.register("old"), node.register("new")] == [200, 200]
        node.reload(memory + 'register-key = "new"\n', "are in force")
        assert [node.register("old"), node.register("new")] == [401, 200]
        assert "none changed" in node.reload(memory + 'register-key = "new"\n', "none changed")


def case_a_check_prints_the_settings_and_where_they_come_from():
    def check(*args, **variables):
        command = [BINARIES / "relayd", "check", *args]
        env = {**environment(), **variables}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=GUARD_SECS)

    with tempfile.TemporaryDirectory(prefix="relay-settings-") as folder:
        file = pathlib.Path(folder) / "relayd.toml"
        file.write_text('register-key = "s3cret"\nport = 1\n')
        good = check("--config", file, "--drain-secs=7", PORT="2", REDIS_URL="redis://:s3cret@h")
        assert good.returncode == 0 and "s3cret" not in good.stdout + good.stderr, good
        lines = {line.split()[0]: line for line in good.stdout.splitlines()}
        for name, value, place in [
            ("port", " 2 ", "variable PORT"),
            ("drain-secs", " 7 ", "flag"),
            ("register-key", " (set) ", f"file {file} line 1"),
            ("redis-url", " redis://***@h ", "variable REDIS_URL"),
            ("stall-secs", " 120 ", "default"),
        ]:
            assert value in lines[name] and lines[name].endswith(place), lines[name]
        file.write_text("\nstall-secs = true\n")
        bad = check("--config", file)
        assert (bad.returncode, bad.stdout) == (2, ""), bad
        assert bad.stderr == f"relayd: {file} line 2: stall-secs = true is invalid: write a whole number\n", bad
        assert check("--config", "/no/such/file").returncode == 2


def case_the_password_of_redis_comes_from_a_file_or_a_command():
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="relay-redis-") as folder:
        token = pathlib.Path(folder) / "token"
        token.write_text("expired\n")
        server = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        redis = subprocess.Popen([*server, "--requirepass", "t0ken"], stdout=subprocess.DEVNULL)
        try:
            url = f'redis-url = "redis://127.0.0.1:{port}"\n'
            for where in [f'redis-password-file = "{token}"\n', f'redis-password-command = "cat {token}"\n']:
                token.write_text("expired\n")
                with Node(url + where) as node:
                    node.logged("authentication failed")
                    token.write_text("t0ken\n")
                    node.logged("the store answers")
            with Node(url + 'redis-password-command = "echo t0ken; echo no token today >&2; exit 3"\n') as node:
                log = node.logged("exit code 3: no token today")
                assert "t0ken" not in log, log
        finally:
            redis.terminate()
            redis.wait(GUARD_SECS)


if __name__ == "__main__":
    cases = cases_of(globals(), *sys.argv[1:])
    if not shutil.which("redis-server"):
        cases = {name: case for name, case in cases.items() if "redis" not in name}
    sys.exit(play_all(cases.items()))
