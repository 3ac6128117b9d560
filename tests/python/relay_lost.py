"""The relay is lost at each stage of the desk's commands: they say what happened, go on when it is back, and end on Ctrl-C
with the terminal as it was found.

    cargo build --workspace --bins --examples && tests/.venv/bin/python tests/python/relay_lost.py [PART OF A NAME]
"""

import contextlib
import functools

from line import Line
from seat import PROMPT, SHELL, expect_same, play

# What a status line says while the relay cannot be reached, and what is said below a question.
AWAY = "Enter tries now"
LOST = "no connection"


def with_line(case):
    """The relay behind a line that can break."""
    @functools.wraps(case)
    def run(desk):
        with Line(desk.relay.address) as line:
            desk.relay = line
            desk.env["RELAY_SERVER"] = line.url
            case(desk, line)
    return run


def has_prompt(window):
    return any(line.startswith("> ") or line == ">" for line in window.lines())


@with_line
def case_before_a_code(desk, line):
    line.cut()
    for command in ["pair", "chat"]:
        with desk.pairing(command) as window:
            assert window.exit_code() == 1, window.text()
            assert line.address in window.text() and "refused" in window.text(), window.text()
            window.expect_as_found()
    line.mend()
    with desk.pair():
        pass


@with_line
def case_before_a_code_from_a_relay_that_does_not_answer(desk, line):
    line.hold_up()
    for command in ["pair", "chat"]:
        with desk.pairing(command) as window:
            window.until("asking", lambda: line.url in window.text())
            window.type("\x03")
            # 4: nobody came. A relay that does not answer in time ends it with 1.
            assert window.exit_code() == 4, window.text()
            window.expect_as_found()
    line.mend()
    with desk.pair():
        pass


@with_line
def case_while_a_code_is_shown(desk, line):
    for ends in [True, False]:
        with desk.pairing() as window:
            code = desk.code_in(window)
            line.cut()
            window.until(AWAY)
            if ends:
                window.type("\x03")
                assert window.exit_code() == 4
                window.expect_as_found()
                line.mend()
                continue
            line.mend()
            window.type("\r")
            window.until("waiting for a phone")
            with desk.phone(code) as phone:
                window.until("[y/n]")
                window.type("y\r")
                assert window.exit_code() == 0, window.text()
                window.expect_as_found()
                phone.until("encrypted")


def asked(desk, stack):
    window = stack.enter_context(desk.pairing())
    phone = stack.enter_context(desk.phone(desk.code_in(window)))
    window.until("[y/n]")
    return window, phone


@with_line
def case_while_the_user_is_asked(desk, line):
    with contextlib.ExitStack() as stack:
        window, phone = asked(desk, stack)
        line.cut()
        window.until(LOST)
        window.type("\x03")
        assert window.exit_code() == 4, window.text()
        window.expect_as_found()
        line.mend()
    for mends_first in [True, False]:
        with contextlib.ExitStack() as stack:
            window, phone = asked(desk, stack)
            line.cut()
            window.until(LOST)
            if mends_first:
                line.mend()
                window.until("connected", lambda: "connected" in window.lines())
            window.type("y\r")
            if not mends_first:
                line.mend()
            phone.until("encrypted")
            assert window.exit_code() == 0, window.text()
            window.expect_as_found()


@with_line
def case_just_after_the_yes(desk, line):
    with contextlib.ExitStack() as stack:
        window, phone = asked(desk, stack)
        window.type("y\r")
        line.cut()
        line.mend()
        assert window.exit_code() == 0, window.text()
        window.expect_as_found()
        phone.until("encrypted")


@with_line
def case_a_second_ctrl_c_ends_a_program_that_waits_for_its_relay(desk, line):
    """It closes its connection first, and waits ten seconds for the relay's answer."""
    with desk.window("--alone", "--no-qr", "--public-url", f"ws://{line.address}/ws") as window:
        window.until("or paste this")
        window.until("connected", lambda: "connected" in window.text())
        line.hold_up()
        while not window.has_ended():
            # Two that come at once are one to the program.
            window.type("\x03")
            window.pump(0.5)
        assert window.exit_code() == 130, (window.status, window.text())
        window.expect_as_found()


@with_line
def case_while_talking(desk, line):
    with desk.pair() as phone:
        # Ctrl-C waits for no confirmation.
        for ends, codes in [("\x03", [0, 3]), ("/quit\r", [0])]:
            with desk.window() as window:
                window.until("encrypted")
                window.until("the prompt", lambda: has_prompt(window))
                line.cut()
                window.until("retry in")
                window.type(f"said {ends!r} meanwhile\r")
                phone.type(f"answered {ends!r} meanwhile\r")
                line.mend()
                window.type("\r")
                phone.until(f"said {ends!r} meanwhile")
                window.until(f"answered {ends!r} meanwhile")
                window.type(ends)
                assert window.exit_code() in codes, window.text()
                window.expect_as_found()
        with desk.window() as window:
            window.until("the prompt", lambda: has_prompt(window))
            line.cut()
            window.until("retry in")
            window.type("not confirmed\r")
            window.until("not confirmed")
            window.type("\x03")
            assert window.exit_code() == 3, window.text()
            window.expect_as_found()


@with_line
def case_while_a_terminal_is_shared(desk, line):
    with desk.pair() as phone, desk.run(*SHELL, options=["--name", "work"]) as window:
        window.until(PROMPT)
        phone.until("shares work")
        phone.type("/open work\r")
        expect_same(window, phone)
        line.cut()
        window.type("seq 30; echo alone $((40 + 2))\r")
        window.until("alone 42")
        window.type("\x1cd")
        assert window.exit_code() == 0
        window.expect_as_found()
        with desk.window("attach", "work") as window:
            window.until("alone 42")
            line.mend()
            expect_same(window, phone)
            phone.type("echo back $((40 + 3)); exit\r")
            window.until("back 43")
            assert window.exit_code() == 0
            window.expect_as_found()
            phone.until("has ended")


@with_line
def case_before_a_terminal_is_shared(desk, line):
    with desk.pair() as phone:
        line.cut()
        with desk.run(*SHELL, options=["--name", "early"]) as window:
            window.until(PROMPT)
            window.type("echo alone $((40 + 2))\r")
            window.until("alone 42")
            line.mend()
            phone.until("shares early")
            phone.type("/open early\r")
            expect_same(window, phone)
            window.type("exit 4\r")
            assert window.exit_code() == 4
            window.expect_as_found()


play("relay_lost", globals())
