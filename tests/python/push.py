"""Notices by Web Push: the desk, a phone that nobody looks at, and a push service by other hands. Ends with `N passed, N
failed`.

    cargo build --workspace --bins --examples && tests/.venv/bin/python tests/python/push.py [PART OF A NAME]
"""

import json
import os
import subprocess
import sys
import time

import paired
from push_service import PAGE, Service, garbage, silence, trickle
from service import BINARIES, GUARD_SECS


class Desk(paired.Desk):
    """A desk that may post to this service, and a phone that gives a subscription to it."""

    def __init__(self, relay, service, allowed=None):
        self.service = service
        super().__init__(relay, "--push-service", allowed or service.url)

    def pair(self, *args, subscription=None):
        path = self.folder / "subscription.json"
        path.write_text(subscription or self.service.subscription())
        return super().pair("--push", str(path), *args)


def case_a_hidden_phone_gets_a_push_and_the_command_says_so(relay):
    with Service() as service, Desk(relay, service) as desk, desk.pair("--hidden") as phone:
        phone.expect("push: on")
        began = time.monotonic()
        code, text = desk.run("notify", "--title", "make", "--urgent", "it is \u202e\"done\"\x1b[2J")
        assert code == 3 and "\"Pixel\" gets it as a push notification" in text, (code, text)
        taken, = service.until(1)
        assert taken["at"] - began < 4, "a hidden page needs no five seconds"
        shown = taken["text"]["notification"]
        assert taken["text"]["web_push"] == 8030 and taken["headers"]["urgency"] == "high", taken
        assert shown["title"] == "make" and shown["body"] == r'it is \u{202e}"done"\u{1b}[2J', shown
        assert shown["navigate"] == f"{PAGE}&notice={shown['tag']}" and shown["data"]["id"] == shown["tag"], shown
        # The phone has it by its channel too, and does not confirm it.
        phone.expect(r'notice: make: it is \u{202e}"done"\u{1b}[2J')
        # One token serves an hour; every notice has its own topic and key.
        assert desk.run("notify", "again")[0] == 3
        first, second = service.until(2)
        assert first["headers"]["authorization"] == second["headers"]["authorization"]
        assert first["headers"]["topic"] != second["headers"]["topic"]
        assert "secret-path" not in desk.agent_log() and "secret-path" in desk.kept()


def case_a_visible_phone_shows_it_and_nothing_is_posted(relay):
    with Service() as service, Desk(relay, service) as desk, desk.pair() as phone:
        phone.expect("push: on")
        code, text = desk.run("notify", "--json", "hello")
        assert code == 0 and json.loads(text) == {"event": "shown", "phone": "Pixel"}, (code, text)
        phone.expect("notice: hello")
        code, text = desk.run("notify", "--title", "log", "-", input="one\ntwo\n".encode() + b"x" * 1_000_000)
        assert code == 0, (code, text)
        assert phone.line(lambda line: line).startswith("notice: log: one · two · xxx")
        assert service.requests == []


def case_a_phone_that_is_away_gets_a_push_after_five_seconds_and_the_notice_when_it_is_back(relay):
    with Service() as service, Desk(relay, service) as desk:
        with desk.pair() as phone:
            phone.expect("push: on")
        code, text = desk.run("notify", "are you there?")
        assert code == 3, (code, text)
        assert service.until(1)[0]["text"]["notification"]["body"] == "are you there?"


def case_a_service_that_fails_is_tried_again(relay):
    answers = [500, garbage, (429, {"Retry-After": "1"}), 201]
    with Service(answers) as service, Desk(relay, service) as desk, desk.pair("--hidden") as phone:
        phone.expect("push: on")
        code, text = desk.run("notify", "--wait", "60", "hello")
        assert code == 3, (code, text)
        taken = service.until(4)
        assert len({one["text"]["notification"]["tag"] for one in taken}) == 1, "the same notice"
        assert taken[1]["at"] - taken[0]["at"] >= 1 and taken[3]["at"] - taken[2]["at"] >= 1


def case_a_subscription_that_is_gone_is_forgotten(relay):
    with Service([410]) as service, Desk(relay, service) as desk, desk.pair("--hidden") as phone:
        phone.expect("push: on")
        assert desk.run("notify", "--wait", "3", "hello")[0] == 1
        phone.line(lambda line: line == "push: gone")
        assert "secret-path" not in desk.kept()
        assert desk.run("notify", "--wait", "1", "hello")[0] == 1
        assert len(service.requests) == 1


def case_redirects_are_not_followed_and_refusals_are_told(relay):
    with Service() as elsewhere:
        for answer, words in [((307, {"Location": elsewhere.url + "/x"}), "redirect (307)"), (403, "refused the notice (403)"), (413, "too long (413)")]:
            with Service([answer]) as service, Desk(relay, service) as desk, desk.pair("--hidden") as phone:
                phone.expect("push: on")
                code, text = desk.run("notify", "--wait", "4", "hello")
                assert code == 1 and words in text, (code, text)
                assert len(service.until(1)) == 1
        assert elsewhere.requests == []


def case_only_services_that_are_allowed_are_posted_to(relay):
    with Service() as service:
        for endpoint in ["https://push.example.org/x", "https://127.0.0.1/x", "http://fcm.googleapis.com/x"]:
            with Desk(relay, service, allowed="push.example.test") as desk, desk.pair(subscription=service.subscription(endpoint)) as phone:
                told = phone.line(lambda line: line.startswith("push: ") and line)
                assert told.startswith("push: refused: this desk does not send to the push service"), told
                assert endpoint not in desk.kept() and "/x" not in desk.agent_log()
        assert service.requests == []


def case_a_known_name_that_leads_to_this_machine_is_not_posted_to(relay):
    """The agent's resolver says that the name of a known service is here, as a name server might."""
    with Service() as service, Desk(relay, service) as desk:
        hosts, agent = desk.folder / "hosts", ["workstation", "agent", "--profile", "default"]
        hosts.write_text("127.0.0.1 localhost fcm.googleapis.com\n")
        inside = f"mount --bind {hosts} /etc/hosts && exec \"$@\""
        namespace = ["unshare", "--map-root-user", "--mount", "sh", "-c", inside, "sh"]
        if subprocess.run([*namespace, "true"], stderr=subprocess.DEVNULL).returncode != 0:
            print("left out: this machine gives no namespace of one's own")
            return
        with desk.pair("--hidden", subscription=service.subscription("https://fcm.googleapis.com/x")) as phone:
            phone.expect("push: on")
            desk.stop_agent()
            command = [*namespace, BINARIES / agent[0], *agent[1:]]
            env = {**os.environ, **desk.env, "NO_PROXY": "*", "no_proxy": "*"}
            with subprocess.Popen(command, env=env) as own:
                phone.line(lambda line: line.startswith("workstation is here") or "encrypted" in line)
                code, text = desk.run("notify", "--wait", "10", "hello")
                own.kill()
            assert code == 1 and "leads to 127.0.0.1, which is not a public address" in text, (code, text)


def case_slow_services_hold_up_nothing_else(relay):
    for slow in [silence, trickle]:
        with Service([slow]) as service, Desk(relay, service) as desk, desk.pair("--hidden") as phone:
            phone.expect("push: on")
            waiting = desk.started("notify", "--wait", "30", "slow", stderr=subprocess.DEVNULL)
            service.until(1)
            began = time.monotonic()
            assert desk.run("devices")[0] == 0
            code, text = desk.run("chat", input=b"a line\n")
            assert code == 0, (code, text)
            phone.line(lambda line: line.endswith(": a line"))
            # Far less than the ten seconds that the request may take.
            assert time.monotonic() - began < 8, slow
            waiting.kill()
            waiting.wait()


def case_a_phone_takes_its_subscription_back(relay):
    with Service() as service, Desk(relay, service) as desk:
        with desk.pair("--hidden") as phone:
            phone.expect("push: on")
            phone.type("/quit")
            assert phone.child.wait(GUARD_SECS) == 0
        with desk.phone("desks") as listed:
            number = listed.line(lambda line: line).split()[0]
        quiet = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with desk.started("chat", **quiet) as chat:
            with desk.phone("--desk", number, "--push", "none", "--hidden") as phone:
                phone.expect("push: off")
                assert "secret-path" not in desk.kept()
            chat.kill()


if __name__ == "__main__":
    sys.exit(paired.run_cases(globals(), *sys.argv[1:]))
