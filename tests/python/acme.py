"""`relayd --domain` with a real CA for tests (pebble): the first certificate, renewals, and what goes wrong.

    acme.py [PART]

Runs the cases with PART in their names. Ends with `N passed, N failed`.
"""

import asyncio
import http.client
import json
import pathlib
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time

from websockets.asyncio.client import connect

from front import free_port
from pebble import Front, Pebble
from phone import Peer
from played import cases_of, play_all
from service import GUARD_SECS, Program

NAME = "relay.test"
PAIRS = 200


class Site:
    """A folder with a CA, and the ports of the server that it comes to."""

    def __init__(self, **options):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="acme"))
        self.tls_port, self.http_port = free_port(), free_port()
        self.pebble = Pebble(self.folder, self.tls_port, self.http_port, **options)

    def relay(self, *flags, names=(NAME,), directory=None):
        return Relay(self, names, directory or self.pebble.directory, flags)

    def __enter__(self):
        self.pebble.__enter__()
        return self

    def __exit__(self, *failure):
        self.pebble.__exit__(*failure)
        if failure[0]:
            print((self.folder / "pebble.log").read_text()[-4000:])
        shutil.rmtree(self.folder)


class Relay(Program):
    """relayd with certificates of the site's CA. The `with` block fails if it ended by itself or panicked."""

    def __init__(self, site, names, directory, flags):
        self.site = site
        fixed = ["--port", site.tls_port, "--http-port", site.http_port, "--listen", "127.0.0.1"]
        ca = ["--acme-directory", directory, "--acme-ca-cert", site.pebble.certificate.file, "--acme-agree-tos"]
        rest = ["--state-dir", site.folder / "state", "--domain", ",".join(names), "--metrics-public"]
        usual = ["--store", "memory", "--drain-secs", 0, "--log-format", "json"]
        super().__init__("relayd", *map(str, [*fixed, *ca, *rest, *usual, *flags]), stream="stderr")

    def logged(self, message):
        """The next log line that begins so."""

        def wanted(line):
            event = json.loads(line) if line.startswith("{") else {}
            event = event.get("fields", event)
            return event if event.get("message", "").startswith(message) else None

        return self.line(wanted)

    def look_again(self):
        self.child.send_signal(signal.SIGHUP)

    def __exit__(self, *failure):
        ended = self.child.poll()
        super().__exit__(*failure)
        self._collector.join(GUARD_SECS)
        log = self.seen + [line for line in self._lines.queue if line is not None]
        if failure[0]:
            print("\n".join(log[-20:]))
        assert ended is None, f"relayd ended by itself with {ended}: {log[-5:]}"
        assert not any("panicked" in line for line in log), log[-5:]


class Client:
    """Reaches the server by its name, and verifies its certificate."""

    def __init__(self, site, context, name=NAME):
        self.site, self.context, self.name = site, context, name

    def socket(self):
        return socket.create_connection(("127.0.0.1", self.site.tls_port), GUARD_SECS)

    def certificate(self):
        """The certificate that it is shown: names, serial number, times."""
        with self.context.wrap_socket(self.socket(), server_hostname=self.name) as stream:
            return stream.getpeercert()

    def request(self, method, path):
        connection = http.client.HTTPSConnection(self.name, self.site.tls_port, timeout=GUARD_SECS)
        connection.sock = self.context.wrap_socket(self.socket(), server_hostname=self.name)
        connection.request(method, path)
        return connection.getresponse().read().decode()

    def register(self):
        return json.loads(self.request("POST", "/api/register"))

    def metric(self, sample):
        lines = self.request("GET", "/metrics").splitlines()
        return next(int(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{sample} "))

    def pair(self):
        """A linked workstation and phone."""
        session = self.register()
        assert session["ws"].startswith(f"wss://{self.name}/ws"), session["ws"]
        options = {"ssl": self.context, "server_hostname": self.name}
        join = lambda role: Peer(
            f"wss://{self.name}/ws", session["sessionId"], session["token"], role, sock=self.socket(), **options
        )
        workstation, phone = join("workstation"), join("phone")
        workstation.expect_joined()
        phone.expect_joined()
        return workstation, phone


def talk(pair):
    workstation, phone = pair
    for sender, receiver in [(workstation, phone), (phone, workstation)]:
        sender.send("still there?")
        assert receiver.receive() == "still there?"


class Crowd:
    """Pairs that talk without a pause, on a thread of their own. `frames` are those that went back and forth."""

    def __init__(self, client, pairs):
        self.client, self.pairs = client, pairs
        self.linked, self.frames, self.failures = 0, 0, []
        self.is_over = False
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run()), daemon=True)
        self.thread.start()

    async def run(self):
        sessions = [await asyncio.to_thread(self.client.register) for _ in range(self.pairs)]
        results = await asyncio.gather(*(self.pair(session) for session in sessions), return_exceptions=True)
        self.failures += [result for result in results if result is not None]

    def connect(self):
        place = {"host": "127.0.0.1", "port": self.client.site.tls_port, "open_timeout": GUARD_SECS * 2}
        tls = {"ssl": self.client.context, "server_hostname": self.client.name}
        return connect(f"wss://{self.client.name}/ws", compression=None, ping_interval=None, **place, **tls)

    async def pair(self, session):
        async with self.connect() as workstation, self.connect() as phone:
            for socket_, role in [(workstation, "workstation"), (phone, "phone")]:
                hello = {"type": "hello", "s": session["sessionId"], "t": session["token"], "r": role}
                await socket_.send(json.dumps(hello))
                assert json.loads(await socket_.recv())["type"] == "hello-ack"
            for socket_ in [workstation, phone]:
                assert json.loads(await socket_.recv())["type"] == "peer-joined"
            self.linked += 1
            number = 0
            while not self.is_over:
                number += 1
                for sender, receiver in [(workstation, phone), (phone, workstation)]:
                    await sender.send(f"{number}")
                    event = json.loads(await receiver.recv())
                    assert event["type"] == "frame" and event["frame"] == f"{number}", event
                    self.frames += 1

    def until(self, is_reached):
        deadline = time.monotonic() + GUARD_SECS * 2
        while not is_reached():
            assert self.thread.is_alive(), self.failures[:3]
            assert time.monotonic() < deadline, (self.linked, self.frames)
            time.sleep(0.05)

    def end(self):
        self.is_over = True
        self.thread.join(GUARD_SECS)
        assert not self.thread.is_alive()
        assert not self.failures, self.failures[:3]


def case_the_first_certificate():
    with Site() as site, site.relay() as relay:
        relay.logged("there is no certificate yet")
        relay.logged("listening")
        relay.logged("issued certificate")
        client = Client(site, site.pebble.trusted())
        assert client.certificate()["subjectAltName"] == (("DNS", NAME),)
        talk(client.pair())
        assert client.metric('relay_acme_attempts_total{outcome="issued"}') == 1
        assert client.metric(f'relay_tls_certificate_not_after_seconds{{name="{NAME}"}}') > time.time()
        plain = http.client.HTTPConnection("127.0.0.1", site.http_port, timeout=GUARD_SECS)
        plain.request("GET", "/p?x", headers={"Host": NAME})
        answer = plain.getresponse()
        assert (answer.status, answer.headers["Location"]) == (308, f"https://{NAME}/p?x"), answer.headers
        kept = [path for path in site.folder.glob("state/acme/*/*")]
        assert len(kept) == 2 and all(path.stat().st_mode & 0o777 == 0o600 for path in kept), kept


def case_by_http_01_while_slow_clients_take_all_places():
    with Site() as site:
        with site.relay("--acme-challenge", "http-01") as relay:
            relay.logged("listening")
            slow = [socket.create_connection(("127.0.0.1", site.http_port), GUARD_SECS) for _ in range(200)]
            for client in slow:
                try:
                    client.sendall(b"GET /slow")
                except OSError:
                    # Newer ones took its place.
                    pass
            relay.logged("issued certificate")
            # Behind a port that clients reach as it is.
            client = Client(site, site.pebble.trusted())
            assert client.register()["ws"].startswith(f"wss://{NAME}:{site.tls_port}/ws")
            for connection in slow:
                connection.close()


def case_a_renewal_in_the_ca_s_window_while_200_pairs_talk():
    with Site() as site, Front(site.pebble) as front, site.relay(directory=front.directory) as relay:
        relay.logged("issued certificate")
        client = Client(site, site.pebble.trusted())
        first = client.certificate()["serialNumber"]
        crowd = Crowd(client, PAIRS)
        crowd.until(lambda: crowd.linked == PAIRS)
        front.window = (time.time() - 100, time.time() - 50)
        relay.look_again()
        relay.logged("issued certificate")
        frames = crowd.frames
        crowd.until(lambda: crowd.frames > frames + 4 * PAIRS)
        assert client.certificate()["serialNumber"] != first
        assert front.asked > 0
        crowd.end()
        assert crowd.linked == PAIRS
        print(f"    {crowd.frames} frames of {PAIRS} pairs, none lost, while the certificate was renewed")


def case_a_renewal_at_two_thirds_of_life_after_the_ca_was_away_and_forgot_the_account():
    with Site(valid_secs=60) as site, site.relay() as relay:
        relay.logged("issued certificate")
        client = Client(site, site.pebble.trusted())
        pair, first = client.pair(), client.certificate()["serialNumber"]
        issued_at = time.monotonic()
        site.pebble.stop()
        failure = relay.logged("no new certificate, the earlier one stays: the CA can't be reached")
        assert 30 < time.monotonic() - issued_at < 60, time.monotonic() - issued_at
        assert "can't be connected to" in failure["message"], failure
        talk(pair)
        site.pebble.start()
        # Without being asked to: the pause after the first failures is short.
        relay.logged("issued certificate")
        talk(pair)
        renewed = Client(site, site.pebble.trusted())
        assert renewed.certificate()["serialNumber"] != first
        assert renewed.metric('relay_acme_attempts_total{outcome="unreachable"}') >= 1
        talk(renewed.pair())


def case_an_account_that_is_closed_is_replaced():
    with Site() as site, Front(site.pebble) as front, site.relay(directory=front.directory) as relay:
        relay.logged("issued certificate")
        [path] = site.folder.glob("state/acme/*/account.key")
        key = path.read_bytes()
        site.pebble.close_account(key)
        front.window = (time.time() - 100, time.time() - 50)
        relay.look_again()
        relay.logged("the CA does not serve the account any more: a new one is registered")
        relay.logged("issued certificate")
        assert path.read_bytes() != key
        talk(Client(site, site.pebble.trusted()).pair())


def case_a_ca_that_is_away_at_the_start():
    with Site() as site:
        site.pebble.stop()
        with site.relay() as relay:
            relay.logged("listening")
            failure = relay.logged("no certificate: the CA can't be reached")
            assert failure["level"] == "ERROR" or "level" not in failure, failure
            try:
                Client(site, ssl.create_default_context()).certificate()
                raise AssertionError("a handshake without a certificate")
            except ssl.SSLError as error:
                assert "ACCESS_DENIED" in str(error), error
            site.pebble.start()
            relay.look_again()
            relay.logged("issued certificate")
            talk(Client(site, site.pebble.trusted()).pair())


def case_wrong_dns_is_named_and_right_dns_is_enough():
    with Site() as site:
        site.pebble.resolve(NAME, "127.0.0.99")
        with site.relay(names=("good.test", NAME)) as relay:
            failure = relay.logged("no certificate: the CA could not see that every name leads here by tls-alpn-01")
            assert f"{NAME}: " in failure["message"] and "127.0.0.99" in failure["message"], failure
            assert failure["retry_secs"] >= 300, failure
            site.pebble.resolve(NAME)
            relay.look_again()
            relay.logged("issued certificate")
            talk(Client(site, site.pebble.trusted(), "good.test").pair())


def case_50_names_and_one_more_later():
    names = [f"{number}.relay.test" for number in range(50)]
    with Site() as site:
        with site.relay(names=names) as relay:
            relay.logged("issued certificate")
            client = Client(site, site.pebble.trusted(), names[0])
            assert sorted(client.certificate()["subjectAltName"]) == sorted(("DNS", name) for name in names)
            for name in names:
                Client(site, client.context, name).certificate()
        with site.relay(names=[*names, "one.more.test"]) as relay:
            relay.logged("the kept certificate lacks a name of --domain")
            relay.logged("issued certificate")
            assert len(client.certificate()["subjectAltName"]) == 51


def case_a_restart_uses_the_kept_certificate_without_the_ca():
    with Site() as site:
        with site.relay() as relay:
            relay.logged("issued certificate")
            client = Client(site, site.pebble.trusted())
            first = client.certificate()["serialNumber"]
        site.pebble.stop()
        with site.relay() as relay:
            relay.logged("certificate")
            relay.logged("listening")
            assert client.certificate()["serialNumber"] == first
            talk(client.pair())
            for outcome in ["issued", "unreachable"]:
                assert client.metric(f'relay_acme_attempts_total{{outcome="{outcome}"}}') == 0


if __name__ == "__main__":
    sys.exit(play_all(cases_of(globals(), *sys.argv[1:2]).items()))
