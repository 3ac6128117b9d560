"""The configurations of `deploy/` for nginx, HAProxy and Caddy, run by the real programs in front of a real relay.

    proxies.py nginx haproxy caddy

What takes longer, or needs several nodes, is in `proxies_long.py`. Ends with `N passed, N failed`.
"""

import functools
import json
import re
import subprocess
import sys

from websockets.exceptions import InvalidStatus

from front import Front, filled
from played import cases_of, play_all
from service import GUARD_SECS
from talkers import query_of

# Enough for what a case does from one address, and small enough to be used up.
REGISTERS = 6
CONNECTIONS = 2


def one_relay(name, edit=lambda text: text):
    """A proxy in front of one relay, whose limits by address are small."""
    limits = ["--registers-per-minute", str(REGISTERS), "--connections-per-address", str(CONNECTIONS)]
    return Front(name, edit, flags=limits)


def case_the_relay_is_seen_to_be_ready_and_shows_no_metrics(name):
    with one_relay(name) as front:
        assert front.ask("GET", "/ready") == (200, '{"store":"memory"}')
        assert front.ask("GET", "/health")[0] == 200
        # The proxy comes from this machine, but the clients behind it do not.
        assert front.ask("GET", "/metrics")[0] == 404
        assert front.relay.status("/metrics") == 200


def case_a_plain_and_a_streamed_body_register(name):
    with one_relay(name) as front:
        status, body = front.register()
        assert status == 200, body
        session = json.loads(body)
        ids = json.dumps({"sessionId": session["sessionId"], "token": session["token"]}).encode()
        status, body = front.register(body=ids)
        assert (status, json.loads(body)["sessionId"]) == (200, session["sessionId"]), body
        streamed = {"body": iter([ids[:7], ids[7:8], ids[8:]]), "encode_chunked": True}
        status, body = front.register(headers={"Transfer-Encoding": "chunked"}, **streamed)
        assert (status, json.loads(body)["sessionId"]) == (200, session["sessionId"]), body
        too_large = {"body": iter([b"x" * 1025]), "encode_chunked": True}
        status, body = front.register(headers={"Transfer-Encoding": "chunked"}, **too_large)
        assert status == 413, body


def case_a_client_of_http_2_registers_without_a_length(name):
    with one_relay(name) as front:
        said = ["-s", "-o", "-", "-w", "\n%{http_version} %{http_code}"]
        trust = ["--cacert", str(front.certificate.file)]
        url = f"https://localhost:{front.port}/api/register"
        # From standard input, so curl does not know the length when it begins.
        curl = ["curl", "--http2", "-X", "POST", "-T", "-", "--max-time", str(GUARD_SECS), *trust, *said, url]
        out = subprocess.run(curl, input=b'{"a":"b"}', capture_output=True, check=True).stdout.decode("utf-8")
        body, end = out.rsplit("\n", 1)
        assert end == "2 200", out
        assert len(json.loads(body)["sessionId"]) == 32, out


def case_a_pair_talks(name):
    with one_relay(name) as front:
        session = json.loads(front.register()[1])
        with front.join(session, "workstation") as workstation, front.join(session, "phone") as phone:
            workstation.expect_joined()
            phone.expect_joined()
            for payload in ["", "text", "Grüße 👋", "x" * 1_000_000, b"\x00\xff", bytes(range(256)) * 4000]:
                for sender, receiver in [(workstation, phone), (phone, workstation)]:
                    sender.send(payload)
                    assert receiver.receive() == payload, payload[:20]


def case_each_client_is_counted_by_its_own_address(name):
    with one_relay(name) as front:
        for _ in range(REGISTERS):
            status, body = front.register("127.0.0.2")
            assert status == 200, body
        status, body = front.register("127.0.0.2")
        assert (status, json.loads(body)["error"]) == (429, "too_many_requests"), body
        # What the client itself writes is not trusted.
        assert front.register("127.0.0.2", headers={"X-Forwarded-For": "198.51.100.7"})[0] == 429
        status, body = front.register("127.0.0.3")
        assert status == 200, body
        session = json.loads(body)
        with front.join(session, "workstation", "127.0.0.4"), front.join(session, "phone", "127.0.0.4"):
            try:
                front.join(session, "phone", "127.0.0.4")
            except InvalidStatus as refused:
                assert refused.response.status_code == 429, refused.response
            else:
                raise AssertionError("a third connection of one address is let in")
            front.join(session, "phone", "127.0.0.5").socket.close()


def case_haproxy_can_say_the_address_in_a_proxy_header(name):
    """As its file says. The relay ignores addresses of its own machine in the header, so they are not looked at here."""

    def edited(text):
        text = filled(text, ("    option forwardfor\n", ""))
        text = re.sub(r"^(    server .* track .*)$", r"\1 send-proxy-v2", text, flags=re.MULTILINE)
        return re.sub(r"^(    server .* check)$", r"\1 send-proxy-v2 check-send-proxy", text, flags=re.MULTILINE)

    with one_relay(name, edited) as front:
        session = json.loads(front.register()[1])
        query = query_of(session["sessionId"])
        with front.join(session, "workstation", query=query) as desk, front.join(session, "phone", query=query) as phone:
            desk.expect_joined()
            phone.expect_joined()
            desk.send("hello")
            assert phone.receive() == "hello"


def case_nginx_that_lacks_a_directive_is_told_which(name):
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    version, passes_upgrade, passes_connection = (
        "proxy_http_version 1.1;",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Connection upgrade;",
    )
    for left_out, status in [
        ([version], 400),
        ([version, passes_connection], 400),
        ([passes_connection], 426),
        ([passes_upgrade, passes_connection], 426),
        ([version, passes_upgrade, passes_connection], 426),
    ]:
        # Without the first directive, nginx uses HTTP/1.0 before version 1.29, and 1.1 since.
        absent = {version: "proxy_http_version 1.0;", passes_upgrade: "", passes_connection: ""}
        with one_relay("nginx", lambda text: filled(text, *((one, absent[one]) for one in left_out))) as front:
            found, body = front.ask("GET", "/ws", headers=upgrade)
            assert found == status, (left_out, found, body)
            said = json.loads(body)["message"]
            for directive in absent:
                assert (directive in said) == (directive in left_out), (left_out, said)


def lack(case):
    """A case needs something that this machine lacks."""
    if case is case_each_client_is_counted_by_its_own_address and sys.platform != "linux":
        return "all of 127.0.0.0/8 must be this machine, as on Linux"
    if case is case_a_client_of_http_2_registers_without_a_length:
        try:
            said = subprocess.run(["curl", "--version"], capture_output=True).stdout
        except FileNotFoundError:
            said = b""
        return None if b"HTTP2" in said else "there is no curl that speaks HTTP/2"
    return None


def can_run(name, case):
    """A case that can't run here is printed as skipped, unless it is another proxy's alone."""
    ones = {case_nginx_that_lacks_a_directive_is_told_which: "nginx"}
    ones[case_haproxy_can_say_the_address_in_a_proxy_header] = "haproxy"
    if ones.get(case, name) != name:
        return False
    lacked = lack(case)
    if lacked:
        print(f"SKIPPED: {case.__name__.removeprefix('case_')}::{name}: {lacked}", flush=True)
    return not lacked


def main(names):
    return play_all(
        (f"{title}::{name}", functools.partial(case, name))
        for name in names
        for title, case in cases_of(globals()).items()
        if can_run(name, case)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
