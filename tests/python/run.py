"""Independent checks of the relay: another WebSocket client, a QR reader, and the clients' programs.

Each case runs with the embedded store and with the Redis of RELAY_TEST_REDIS_URL. Ends with `N passed, N failed`.
"""

import functools
import json
import os
import re
import signal
import sys
import tempfile

import qr
from phone import Peer
from played import cases_of, play_all
from processes import kill_all_of
from service import Program, Relay


def case_frames_pass_both_ways(relay):
    session = relay.register()
    url = relay.reachable(session["ws"])
    join = lambda role: Peer(url, session["sessionId"], session["token"], role)
    with join("workstation") as workstation, join("phone") as phone:
        workstation.expect_joined()
        phone.expect_joined()
        for payload in ["", "text", "Grüße 👋 \"\\\n\x01", "x" * 1_000_000, b"", b"\x00\xff", bytes(range(256)) * 4000]:
            for sender, receiver in [(workstation, phone), (phone, workstation)]:
                sender.send(payload)
                assert receiver.receive() == payload, payload[:20]


def case_a_fragmented_message_arrives_whole(relay):
    session = relay.register()
    url = relay.reachable(session["ws"])
    join = lambda role: Peer(url, session["sessionId"], session["token"], role)
    with join("workstation") as workstation, join("phone") as phone:
        workstation.expect_joined()
        phone.expect_joined()
        phone.send(iter(["in ", "", "pieces ", "ü" * 70_000]))
        assert workstation.receive() == "in pieces " + "ü" * 70_000
        phone.send(iter([b"by", b"tes"]))
        assert workstation.receive() == b"bytes"


def case_the_code_at_registering_is_the_payload(relay):
    for _ in range(5):
        answer = relay.register()
        text = qr.decode_data_url(answer["qrDataUrl"])
        assert json.loads(text) == answer["qrPayload"], text
        assert answer["qrPayload"] == {"u": answer["ws"], "s": answer["sessionId"], "t": answer["token"]}


def shown_pairing(workstation):
    """The drawing's lines, and the pairing code to paste below it."""
    line = workstation.line(lambda line: "{" in line and line)
    drawing = [line for line in workstation.seen if qr.is_drawing(line)]
    return drawing, line[line.index("{") :]


def case_the_code_in_the_terminal_is_the_pairing(relay):
    for flags, members in [(["--plain"], {"u", "s", "t"}), ([], {"u", "s", "t", "k"})]:
        with Program("workstation", "--alone", "--server", relay.url, *flags, at_terminal=True) as workstation:
            drawing, payload = shown_pairing(workstation)
            assert qr.decode_terminal(drawing) == payload
            pairing = json.loads(payload)
            assert pairing.keys() == members, pairing
        # A phone cannot reach this machine as "localhost". All except the host comes from the relay.
        own = relay.register()["ws"]
        port_and_path = lambda url: url.split("?")[0].rsplit(":", 1)[1]
        assert port_and_path(pairing["u"]) == port_and_path(own), (pairing["u"], own)


def case_a_link_of_one_secret_fits_a_small_window(relay):
    with tempfile.TemporaryDirectory() as folder:
        env = {"XDG_STATE_HOME": folder, "XDG_RUNTIME_DIR": folder}
        flags = ["--server", relay.url, "--public-url", f"ws://{relay.address}/ws", "--yes"]
        with Program("workstation", "pair", *flags, at_terminal=True, env=env, size=(24, 80)) as workstation:
            link = workstation.line(lambda line: re.search(r"http://\S*/p#2[A-Za-z0-9_-]{32}$", line)).group()
            # The status line before it was erased.
            lines = [line.rsplit("\r\x1b[K", 1)[-1] for line in workstation.seen]
            drawing = [line for line in lines if qr.is_drawing(line)]
            assert len(drawing) <= 19, len(drawing)
            assert qr.decode_terminal(drawing) == link
            with Program("examples/phone", link, env=env) as phone:
                phone.line(lambda line: line.startswith("waiting for the workstation's user"))
                workstation.line(lambda line: "\x1b[J" in line and "(a phone has used the code)" in line)
                workstation.line(lambda line: "paired with" in line)
            assert workstation.child.wait(60) == 0
        # Its agent would go on writing.
        kill_all_of(folder)


def case_the_workstation_program_talks_to_another_hands_phone(relay):
    with Program("workstation", "--plain", "--server", relay.url) as workstation:
        pairing = json.loads(shown_pairing(workstation)[1])
        with Peer(relay.reachable(pairing["u"]), pairing["s"], pairing["t"]) as phone:
            phone.expect_joined()
            workstation.expect("phone joined")
            phone.send("hello from here")
            workstation.expect("hello from here")
            workstation.type("grüß dich")
            assert phone.receive() == "grüß dich"
            phone.send(b"\x00\x01b")
            workstation.expect("\x00\x01b")
        workstation.expect("phone left")
        assert workstation.end_input() == 0


def case_what_is_piped_answers_no_question(relay):
    public = f"ws://{relay.address}/ws"
    with Program("workstation", "--alone", "--server", relay.url, "--public-url", public, controls=True) as workstation:
        payload = shown_pairing(workstation)[1]
        with Program("examples/phone", payload) as phone:
            workstation.expect("allow it? [y/n]")
            workstation.type("y")
            workstation.type_at_terminal("perhaps")
            workstation.expect("allow it? [y/n]")
            workstation.type_at_terminal("y")
            workstation.line(lambda line: line.startswith("phone is here"))
            phone.expect("workstation: y")


def case_both_programs_talk(relay):
    public = f"ws://{relay.address}/ws"
    with Program("workstation", "--plain", "--server", relay.url, "--public-url", public) as workstation:
        payload = shown_pairing(workstation)[1]
        with Program("examples/phone", "--plain", payload) as phone:
            workstation.expect("phone joined")
            phone.expect("workstation joined")
            for number in range(100):
                workstation.type(f"down {number}")
                phone.type(f"up {number}")
            for number in range(100):
                phone.expect(f"workstation: down {number}")
                workstation.expect(f"up {number}")
            assert phone.end_input() == 0
        workstation.expect("phone left")
        assert workstation.end_input() == 0


def case_the_phone_program_hears_another_hands_workstation(relay):
    session = relay.register()
    payload = json.dumps({**session["qrPayload"], "u": relay.reachable(session["ws"])})
    url = relay.reachable(session["ws"])
    with Peer(url, session["sessionId"], session["token"], "workstation") as workstation:
        with Program("examples/phone", "--plain", payload) as phone:
            workstation.expect_joined()
            phone.expect("workstation joined")
            workstation.send("spoken")
            phone.expect("workstation: spoken")
            workstation.send(b"\xfe\x00")
            phone.line(lambda line: line.startswith("workstation: ") and "2 bytes" in line and "fe00" in line)
            phone.type("answered")
            assert workstation.receive() == "answered"


def case_a_workstation_that_kills_ends_its_session(relay):
    with Program("workstation", "--plain", "--server", relay.url, "--kill") as workstation:
        pairing = json.loads(shown_pairing(workstation)[1])
        with Peer(relay.reachable(pairing["u"]), pairing["s"], pairing["t"]) as phone:
            phone.expect_joined()
            workstation.expect("phone joined")
            workstation.child.send_signal(signal.SIGINT)
            assert workstation.child.wait(60) == 0
            phone.expect("peer-left", role="workstation")
            phone.expect("session-killed", reason="deleted")
            assert phone.close_code() == 4410


def main():
    set_ups = {"memory": None, "redis": os.environ.get("RELAY_TEST_REDIS_URL")}
    def played(case, set_up):
        assert set_up == "memory" or set_ups[set_up], "RELAY_TEST_REDIS_URL is not set: run ./run-test.sh"
        with Relay(set_ups[set_up]) as relay:
            case(relay)
    return play_all(
        (f"{name}::{set_up}", functools.partial(played, case, set_up))
        for name, case in cases_of(globals()).items()
        for set_up in set_ups
    )


if __name__ == "__main__":
    sys.exit(main())
