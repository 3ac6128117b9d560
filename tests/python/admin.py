"""What operators see and do: the address of --admin-listen, relayctl over its socket, and the filter for fail2ban.

    cargo build --workspace --bins && tests/.venv/bin/python tests/python/admin.py [PART OF A NAME]
"""

import concurrent.futures
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

from phone import Peer
from played import cases_of, play_all
from service import BINARIES, GUARD_SECS, ROOT, Relay

REDIS_URL = os.environ.get("RELAY_TEST_REDIS_URL")
FILTER = ROOT / "deploy" / "fail2ban" / "filter.d" / "relayd.conf"


class Node(Relay):
    """relayd with an address and a socket for operators."""

    def __init__(self, folder, *more, redis_url=None):
        self.socket = pathlib.Path(folder) / "ctl"
        flags = ["--admin-listen", "127.0.0.1:0", "--admin-host", "relay-1.internal", "--admin-socket", str(self.socket)]
        super().__init__(redis_url, *flags, *more)
        self.admin = next(filter(None, map(operators_address, self.seen)))

    def ask(self, path, method="GET", **fields):
        """A request at the address for operators: its status, fields and text."""
        return exchange(self.admin, method, path, {name.replace("_", "-"): value for name, value in fields.items()})

    def ctl(self, *args):
        """Runs relayctl: its exit code, standard output and standard error."""
        command = [BINARIES / "relayctl", "--socket", str(self.socket), *args]
        done = subprocess.run(command, capture_output=True, text=True, timeout=GUARD_SECS)
        return done.returncode, done.stdout, done.stderr


def operators_address(line):
    event = json.loads(line) if line.startswith("{") else {}
    return event.get("addr") if event.get("message") == "listening for operators" else None


def exchange(address, method, path, fields):
    connection = http.client.HTTPConnection(address, timeout=GUARD_SECS)
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_host="Host" in fields)
        for name, value in fields.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()


@contextlib.contextmanager
def node(*more, redis_url=None):
    with tempfile.TemporaryDirectory() as folder, Node(folder, *more, redis_url=redis_url) as relay:
        yield relay


@contextlib.contextmanager
def pair(relay):
    """A session's id, its hash, and both ends."""
    session = relay.register()
    url, name = relay.reachable(session["ws"]), session["sessionId"]
    with contextlib.ExitStack() as stack:
        ends = [stack.enter_context(Peer(url, name, session["token"], role)) for role in ["workstation", "phone"]]
        for end in ends:
            end.expect_joined()
        yield name, hashlib.sha256(name.encode()).hexdigest(), *ends


def case_pages_name_sessions_by_their_hash_and_never_by_their_id():
    with node() as relay, pair(relay) as (name, digest, workstation, phone):
        workstation.send("x" * 5000)
        assert phone.receive() == "x" * 5000
        for path in ["/debug", "/debug/sessions", "/debug/connections", f"/debug/sessions?hash={digest[:8]}"]:
            for accept in ["text/html", "application/json", "*/*"]:
                status, fields, text = relay.ask(path, Accept=accept)
                assert status == 200 and digest[:8] in text and name not in text, (path, accept, text)
                assert "<script" not in text and fields["Cache-Control"] == "no-store", fields
                if accept == "*/*":
                    assert max(map(len, text.splitlines())) <= 80, text
                else:
                    assert digest in text, text
        sessions = json.loads(relay.ask("/debug/sessions", Accept="application/json")[2])
        assert sessions["sessions_all"] == 1, sessions
        row = sessions["sessions"][0]
        assert (row["session"], row["hash"], row["state"]) == (digest[:8], digest, "linked"), row
        assert 5000 < row["workstation"] < 5300 and 0 < row["phone"] < 300, row
        connections = json.loads(relay.ask("/debug/connections", Accept="application/json")[2])["connections"]
        assert {row["role"] for row in connections} == {"workstation", "phone"}, connections
        overview = json.loads(relay.ask("/debug", Accept="application/json")[2])
        assert overview["sessions_linked_here"] == 1 and overview["connections_joined"] == 2, overview


def case_recent_closes_are_counted_by_reason():
    with node() as relay:
        with pair(relay):
            pass
        with pair(relay) as (_, _, workstation, _):
            workstation.socket.socket.shutdown(socket.SHUT_RDWR)
            until = lambda: json.loads(relay.ask("/debug", Accept="application/json")[2])
            while sum(row["since_start"] for row in until()["recent_closes"]) < 3:
                pass
        closes = {row["reason"]: row["since_start"] for row in until()["recent_closes"]}
        assert closes.get("normal", 0) >= 2, closes


def case_pages_of_browsers_and_foreign_names_are_refused_in_words():
    with node() as relay:
        for path in ["/", "/debug", "/metrics", "/health", "/ready"]:
            for host in ["evil.example", "localhost.evil.example:80", "127.0.0.1.evil.example"]:
                status, _, text = relay.ask(path, Host=host)
                assert status == 403 and "--admin-host" in text, (path, host, text)
            for host in ["localhost", relay.admin, "[::1]:9", "relay-1.internal:9300"]:
                assert relay.ask(path, Host=host)[0] == 200, (path, host)
            for origin in ["http://127.0.0.1", "null"]:
                status, fields, text = relay.ask(path, Origin=origin)
                assert status == 403 and "web pages" in text, (path, origin, text)
                assert "Access-Control-Allow-Origin" not in fields, fields
        for path in ["/drain", "/kill/" + "a" * 64]:
            status, _, text = relay.ask(path, "POST")
            assert status == 403 and "relayctl" in text, text
        assert relay.ask("/debug", "POST")[0] == 405
        assert relay.ask("/ws")[0] == relay.ask("/api/register", "POST")[0] == 404


def case_a_session_is_killed_by_its_whole_hash(redis_url=None):
    with node(redis_url=redis_url) as relay, pair(relay) as (name, digest, workstation, phone):
        code, text, _ = relay.ctl("sessions", digest[:8])
        assert code == 0 and digest in text and name not in text, text
        assert relay.ctl("sessions")[1].count(digest[:8]) == 1
        rows = json.loads(relay.ctl("sessions", digest[:8], "--json")[1])["sessions"]
        assert [row["hash"] for row in rows] == [digest], rows
        for part in [digest[:8], digest[:63], digest.upper()]:
            code, _, words = relay.ctl("kill", part)
            assert code == 2 and "64 digits" in words, words
        code, _, words = relay.ctl("kill", hashlib.sha256(b"").hexdigest())
        assert code == 1 and "no session" in words, words
        workstation.send("still there?")
        assert phone.receive() == "still there?"
        code, text, _ = relay.ctl("kill", digest)
        assert code == 0 and "4410" in text, text
        assert workstation.close_code() == phone.close_code() == 4410
        assert relay.ctl("kill", digest)[0] == 1
        assert digest[:8] not in relay.ctl("sessions")[1]
        log = relay.line(lambda line: "ended by relayctl" in line and line)
        assert digest[:8] in log and name not in log and digest not in log, log


def case_with_redis_a_session_is_killed_and_round_trips_are_counted():
    assert REDIS_URL, "RELAY_TEST_REDIS_URL is not set: run ./run-test.sh"
    case_a_session_is_killed_by_its_whole_hash(REDIS_URL)
    with node(redis_url=REDIS_URL) as relay:
        relay.register()
        text = relay.ask("/metrics")[2]
        assert re.search(r"^relay_redis_seconds_count [1-9]", text, re.M), text


def case_a_session_over_two_nodes_shows_the_other_node_and_is_killed_from_one():
    assert REDIS_URL, "RELAY_TEST_REDIS_URL is not set: run ./run-test.sh"
    with node(redis_url=REDIS_URL) as first, node(redis_url=REDIS_URL) as second:
        session = first.register()
        name, token = session["sessionId"], session["token"]
        digest = hashlib.sha256(name.encode()).hexdigest()
        with Peer(first.reachable(session["ws"]), name, token, "workstation") as workstation, \
                Peer(second.reachable(session["ws"]), name, token) as phone:
            workstation.expect_joined()
            phone.expect_joined()
            workstation.send("across")
            assert phone.receive() == "across"
            for here, there, absent in [(first, second, "phone"), (second, first, "workstation")]:
                other = json.loads(there.ask("/debug", Accept="application/json")[2])["node"][:8]
                row, = json.loads(here.ctl("sessions", "--json")[1])["sessions"]
                assert (row["state"], row["other_node"], row[absent]) == ("linked", other, None), row
                row, = json.loads(here.ctl("nodes", "--json")[1])["nodes"]
                assert (row["node"], row["links"]) == (other, 1), row
            assert second.ctl("kill", digest)[0] == 0
            assert workstation.close_code() == phone.close_code() == 4410


def case_relayctl_drains_as_sigterm_does():
    with tempfile.TemporaryDirectory() as folder:
        relay = Node(folder)
        with pair(relay) as (_, _, workstation, phone):
            code, text, _ = relay.ctl("drain")
            assert code == 0 and "SIGTERM" in text, text
            assert workstation.close_code() == phone.close_code() == 1001
        assert relay.child.wait(GUARD_SECS) == 0
        assert not relay.socket.exists()
        code, _, words = relay.ctl("sessions")
        assert code == 3 and str(relay.socket) in words, words


def case_each_drain_is_answered_before_the_process_ends():
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(30):
            relay = Node(folder)
            code, text, words = relay.ctl("drain")
            assert code == 0 and "SIGTERM" in text, (code, text, words)
            assert relay.child.wait(GUARD_SECS) == 0


def case_the_socket_is_for_its_owner_and_a_stale_one_is_replaced():
    with tempfile.TemporaryDirectory() as folder:
        with Node(folder) as relay:
            assert stat.S_IMODE(relay.socket.stat().st_mode) == 0o600
            flags = ["--port", "0", "--listen", "127.0.0.1", "--store", "memory", "--admin-socket", str(relay.socket)]
            second = subprocess.run([BINARIES / "relayd", *flags], capture_output=True, text=True, timeout=GUARD_SECS)
            assert second.returncode == 1 and "another relayd serves" in second.stderr, second.stderr
            assert relay.ctl("nodes")[0] == 0
        # It was killed, so its socket is left behind.
        assert relay.socket.exists() and relay.ctl("nodes")[0] == 3
        with Node(folder) as again:
            assert again.ctl("nodes")[0] == 0
        relay.socket.unlink()
        relay.socket.write_text("mine")
        flags[-1] = str(relay.socket)
        refused = subprocess.run([BINARIES / "relayd", *flags], capture_output=True, text=True, timeout=GUARD_SECS)
        assert refused.returncode == 1 and "not a socket" in refused.stderr, refused.stderr
        assert relay.socket.read_text() == "mine"


def case_the_default_socket_is_in_the_runtime_directory():
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RUNTIME_DIRECTORY"] = folder
        try:
            with Relay():
                command = [BINARIES / "relayctl", "connections"]
                done = subprocess.run(command, capture_output=True, text=True, timeout=GUARD_SECS)
                assert done.returncode == 0 and "(none)" in done.stdout, done
        finally:
            del os.environ["RUNTIME_DIRECTORY"]


def case_slow_readers_and_idle_operators_hold_nobody_up():
    host, request = "127.0.0.1", b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with node() as relay, pair(relay) as (_, _, workstation, phone), contextlib.ExitStack() as stack:
        port = int(relay.admin.rsplit(":", 1)[1])
        for _ in range(40):
            slow = stack.enter_context(socket.socket())
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect((host, port))
            slow.setblocking(False)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                for _ in range(200):
                    slow.send(request)
        for number in range(20):
            workstation.send(f"frame {number}")
            assert phone.receive() == f"frame {number}"
            assert relay.ask("/debug")[0] == 200
        assert relay.ctl("connections")[0] == 0


def case_an_operator_who_came_while_no_descriptor_was_left_is_served_once_there_is_one():
    with node("--log", "debug") as relay, concurrent.futures.ThreadPoolExecutor(1) as pool:
        pid = relay.child.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        # The next descriptor is over the limit.
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
        waiting = pool.submit(relay.ctl, "nodes")
        relay.line(lambda line: "operator's connection could not be accepted" in line)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        assert waiting.result()[0] == 0, waiting.result()


def case_public_metrics_stay_unless_they_are_switched_off():
    with node() as relay:
        assert relay.status("/metrics") == 200 and relay.ask("/metrics")[0] == 200
    with node("--no-public-metrics") as relay:
        assert relay.status("/metrics") == 404 and relay.ask("/metrics")[0] == 200
        assert relay.status("/health") == relay.status("/ready") == 200


def case_metrics_tell_of_the_process_of_turns_and_of_outcomes():
    with node() as relay, pair(relay):
        text = relay.ask("/metrics")[2]
        value = lambda name: float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M).group(1))
        assert value('relay_hellos_total{outcome="joined"}') == 2
        assert value('relay_register_answers_total{outcome="made"}') == 1
        assert value("relay_turn_seconds_count") >= 3 and 0 < value("relay_turn_seconds_sum") < 60
        assert value("relay_write_bytes_sum") > 300
        assert value('relay_write_bytes_bucket{le="+Inf"}') == value("relay_write_bytes_count") > 0
        if sys.platform == "linux":
            assert value("process_resident_memory_bytes") > 1 << 20
            assert 3 < value("process_open_fds") < value("process_max_fds")
            assert 0 < value("process_cpu_seconds_total") < 600
        assert abs(value("process_start_time_seconds") - pathlib.Path(f"/proc/{relay.child.pid}").stat().st_mtime) < 60


def case_the_page_for_operators_lists_the_commands_and_exit_codes_of_relayctl():
    text = (ROOT / "docs" / "operations.md").read_text()
    section = text.split("\n## Admin\n")[1].split("\n## ")[0]
    shown = subprocess.run([BINARIES / "relayctl", "--help"], capture_output=True, text=True).stdout
    commands = re.findall(r"^  (\w+)", shown.split("Commands:\n")[1].split("\n\n")[0], re.M)
    assert re.findall(r"^\| `relayctl (\w+)", section, re.M) == [name for name in commands if name != "help"], commands
    codes = re.findall(r"^  (\d)  ", shown.split("Exit codes:\n")[1], re.M)
    assert re.findall(r"^\| (\d) \|", section, re.M) == codes, codes


def refused_lines(log_format):
    """The line of the log after two clients came too often."""
    relay = Relay(None, "--trusted-proxy", "127.0.0.1", "--registers-per-minute", "1", "--log-format", log_format) \
        if log_format == "json" else TextRelay()
    with relay:
        for address, count in [("192.0.2.7", 120), ("2001:db8:1:2::5", 20)]:
            for _ in range(count):
                register_as(relay, address)
        return relay.line(lambda line: "limits turned clients away" in line and line)


class TextRelay(Relay):
    """The same with a log as text: the last flag counts, and the address is read from it."""

    def __init__(self):
        port = free_port()
        flags = ["--port", str(port), "--trusted-proxy", "127.0.0.1", "--registers-per-minute", "1", "--log-format", "text"]
        fixed = ["--listen", "127.0.0.1", "--store", "memory"]
        super(Relay, self).__init__("relayd", *fixed, *flags, stream="stderr")
        self.line(lambda line: "listening addr=" in line)
        self.address = f"127.0.0.1:{port}"
        self.url = f"http://{self.address}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def register_as(relay, address):
    request = urllib.request.Request(relay.url + "/api/register", data=b"", headers={"X-Forwarded-For": address})
    with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=GUARD_SECS) as answer:
        answer.read()


def banned(lines):
    """The addresses that the filter finds, by fail2ban itself if that is here."""
    tool = shutil.which("fail2ban-regex")
    if tool:
        with tempfile.NamedTemporaryFile("w", suffix=".log") as log:
            log.writelines(f"{line}\n" for line in lines)
            log.flush()
            done = subprocess.run([tool, "--raw", "--out", "<ip>", log.name, str(FILTER)], capture_output=True, text=True)
        assert done.returncode == 0, done
        return done.stdout.split()
    text = FILTER.read_text()
    section = re.search(r"^failregex = (.*?)\n\n", text, re.M | re.S).group(1)
    address = r"(?P<ip>[0-9a-fA-F.:]+(?:/\d+)?)"
    patterns = [re.compile(line.strip().replace("<SUBNET>", address)) for line in section.splitlines()]
    # fail2ban takes the time away before it looks.
    bare = [re.sub(r'^[^\d]*\d{4}-\d\d-\d\dT[\d:.]+Z?', "", line) for line in lines]
    found = [next(filter(None, (pattern.search(line) for pattern in patterns)), None) for line in bare]
    return [match.group("ip") for match in found if match]


def case_fail2ban_finds_the_address_that_was_refused_most():
    for log_format in ["text", "json"]:
        line = refused_lines(log_format)
        assert "192.0.2.7 (" in line and "2001:db8:1:2::/64 (" in line, line
        heavy = re.sub(r"192\.0\.2\.7 \(\d+\)", "192.0.2.7 (119)", line)
        light = re.sub(r"192\.0\.2\.7 \(\d+\)", "192.0.2.8 (99)", line)
        network = re.sub(r"192\.0\.2\.7 \(\d+\), ", "", line).replace("::/64 (", "::/64 (1")
        network = re.sub(r"/64 \(\d+\)", "/64 (1234)", network)
        others = ["2026-11-29T18:44:10.631136Z  INFO told to stop signal=SIGTERM", "", line.replace("WARN", "INFO")]
        assert banned([heavy, light, network, *others]) == ["192.0.2.7", "2001:db8:1:2::/64"], (line, log_format)


def main():
    cases = cases_of(globals(), *sys.argv[1:2])
    return play_all(cases.items())


if __name__ == "__main__":
    sys.exit(main())
