"""How the desk's commands end, or are ended: whatever it is, the terminal is as it was found, and no process is left.

    cargo build --workspace --bins --examples && tests/.venv/bin/python tests/python/ends.py [PART OF A NAME]
"""

import os
import signal

from seat import PROMPT, SHELL, names_in, play


def chat(desk):
    window = desk.window()
    window.until("encrypted")
    window.until("> ", lambda: any(line.startswith(">") for line in window.lines()))
    return window


def case_a_chat_that_its_user_ends(desk):
    with desk.pair():
        for keys in ["\x03", "\x04", "/quit\r", "half a line\x03"]:
            with chat(desk) as window:
                window.type(keys)
                assert window.exit_code() == 0, (keys, window.text())
                window.expect_as_found()


def case_lines_that_are_typed_at_once(desk):
    """What was typed ahead, or pasted without brackets, is the next line."""
    with desk.pair() as phone:
        with chat(desk) as window:
            window.type("one\rtwo\rthree\r/quit\r")
            assert window.exit_code() == 0, window.text()
            window.expect_as_found()
        phone.until("three")
        assert [line.split(": ")[-1] for line in phone.lines() if ": " in line][-3:] == ["one", "two", "three"], phone.text()


def case_a_chat_that_a_signal_ends(desk):
    with desk.pair():
        for signals in [[signal.SIGTERM], [signal.SIGHUP], [signal.SIGINT], [signal.SIGTERM] * 2]:
            with chat(desk) as window:
                window.type("half a line")
                window.until("half a line")
                for sign in signals:
                    window.child.send_signal(sign)
                window.exit_code()
                window.expect_as_found()


def case_a_chat_that_is_killed(desk):
    with desk.pair():
        with chat(desk) as window:
            window.child.kill()
            assert window.exit_code() == -signal.SIGKILL
            window.until_as_found()


def case_a_chat_that_is_killed_under_a_shell(desk):
    """The shell has the terminal again before another process can restore it."""
    with desk.pair(), desk.window_of(*SHELL) as window:
        window.until(PROMPT)
        window.type("stty -a > before; $WORKSTATION\r")
        window.until("encrypted")
        window.until("> ", lambda: window.lines()[window.screen.cursor.y].startswith(">"))
        for pid in desk.processes("chat"):
            os.kill(pid, signal.SIGKILL)
        window.until("Killed")
        window.type("until stty -a > after; cmp -s before after; do sleep 0.05; done; echo same $((40 + 2))\r")
        window.until("same 42")


def case_a_chat_that_is_suspended(desk):
    with desk.pair(), desk.window_of(*SHELL) as window:
        window.until(PROMPT)
        window.type("stty -a > before; $WORKSTATION\r")
        for number in range(10):
            window.until("> ", lambda: window.lines()[window.screen.cursor.y].startswith(">"))
            window.type("\x1a")
            window.until(PROMPT, lambda: window.lines()[window.screen.cursor.y].startswith(PROMPT))
            window.type(f"stty -a > after; cmp before after && echo same {number} $((40 + 2))\r")
            window.until(f"same {number} 42")
            window.type("fg\r")
        window.until("> ", lambda: window.lines()[window.screen.cursor.y].startswith(">"))
        window.type("/quit\r")
        window.until(PROMPT, lambda: window.lines()[window.screen.cursor.y].startswith(PROMPT))


def case_a_window_on_a_terminal_that_is_killed(desk):
    with desk.run("sh", "-c", "printf '\\033[?1049h\\033[?1000h\\033[?2004h\\033[?25lfull'; exec cat", options=["--name", "full"]) as window:
        window.until("full")
        window.child.kill()
        window.exit_code()
        window.until_as_found()
    assert names_in(desk.output("terminals")[1]) == ["full"]


def case_a_pairing_that_is_ended(desk):
    for at_question in [False, True]:
        for end in ["\x03", signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]:
            with desk.pairing() as window:
                code = desk.code_in(window)
                phone = desk.phone(code) if at_question else None
                if phone:
                    window.until("[y/n]")
                if isinstance(end, str):
                    window.type(end)
                else:
                    window.child.send_signal(end)
                assert window.exit_code() != 0, window.text()
                window.expect_as_found()
                if phone:
                    with phone:
                        assert phone.exit_code() != 0
                        phone.expect_as_found()


play("ends", globals())
