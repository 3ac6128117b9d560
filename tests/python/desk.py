"""The desk's commands as a person uses them, at windows of 80×24 and 120×50: each in a pseudo-terminal of its own, and
judged by pyte, an independent terminal emulator. Ends with `N passed, N failed`.

    cargo build --workspace --bins --examples && tests/.venv/bin/python tests/python/desk.py [PART OF A NAME]
"""

import os
import random
import shutil
import signal
import subprocess

from seat import PROMPT, SHELL, expect_same, names_in, play

# Cases. Each is played at every size.


def case_run_ends_with_the_exit_code_of_its_command(desk):
    for command, code in [("true", 0), ("exit 7", 7), ("kill -TERM $$", 128 + 15), ("no-such-command-here", 127)]:
        with desk.run("sh", "-c", command) as window:
            assert window.exit_code() == code, (command, window.status, window.text())
            window.expect_settings_restored()


def case_a_shell_has_job_control(desk):
    with desk.run(*SHELL) as window:
        window.until(PROMPT)
        window.type("sleep 1000\r")
        desk.until_in_front(window, "1000")
        window.type("\x03")
        window.until("^C")
        window.type("echo left with $?\r")
        window.until("left with 130")
        window.type("sleep 1000\r")
        desk.until_in_front(window, "1000")
        window.type("\x1a")
        window.until("Stopped")
        window.type("fg\r")
        desk.until_in_front(window, "1000")
        # What is typed right behind a Ctrl-C is dropped with it, as at any terminal.
        window.type("\x03")
        window.until("^C", lambda: window.text().count("^C") >= 2)
        window.type("echo now $?\r")
        window.until("now 130")
        window.type("stty -a | head -1; exit 3\r")
        window.until(f"rows {desk.rows}; columns {desk.columns}")
        assert window.exit_code() == 3
        window.expect_settings_restored()


def case_the_child_hears_of_a_resize(desk):
    with desk.run(*SHELL) as window:
        window.until(PROMPT)
        for number in range(50):
            window.resize(40 + number, 10 + number % 7)
        window.resize(72, 20)
        # It hears of the last size a little later than the keys.
        window.type("until [ \"$(stty size)\" = '20 72' ]; do sleep 0.05; done; echo as $((20 * 72))\r")
        window.until("as 1440")
        window.type("exit\r")
        assert window.exit_code() == 0


def case_a_closed_window_detaches_and_attach_comes_back(desk):
    with desk.run(*SHELL, options=["--name", "work"]) as window:
        window.until(PROMPT)
        window.type("echo before $((40 + 2))\r")
        window.until("before 42")
        window.close_terminal()
        window.exit_code_without_terminal()
    code, listed = desk.output("terminals")
    assert code == 0 and names_in(listed) == ["work"], listed
    with desk.window("attach", "work") as window:
        window.until("before 42")
        window.type("echo after $((40 + 3)); exit 5\r")
        window.until("after 43")
        assert window.exit_code() == 5, window.text()
        window.expect_settings_restored()
    code, listed = desk.output("terminals")
    assert code == 0 and names_in(listed) == [], listed


def case_a_hang_up_of_the_window_s_process_detaches(desk):
    for sign in (signal.SIGHUP, signal.SIGTERM):
        with desk.run(*SHELL, options=["--name", f"s{int(sign)}"]) as window:
            window.until(PROMPT)
            os.kill(window.pid, sign)
            window.exit_code()
            window.expect_settings_restored()
        assert f"s{int(sign)}" in names_in(desk.output("terminals")[1])


def case_a_terminal_whose_process_is_killed_leaves_the_window_as_it_was(desk):
    with desk.run(*SHELL, options=["--name", "gone"]) as window:
        window.until(PROMPT)
        hosts = desk.processes("terminal-host")
        assert len(hosts) == 1, hosts
        os.kill(hosts[0], signal.SIGKILL)
        assert window.exit_code() != 0
        window.expect_settings_restored()
    assert names_in(desk.output("terminals")[1]) == []


def case_two_phones_see_the_same_and_one_is_revoked(desk):
    with desk.pair("one") as one, desk.pair("two") as two, desk.run(*SHELL, options=["--name", "both"]) as window:
        window.until(PROMPT)
        for phone in (one, two):
            phone.until("shares both")
            phone.type("/open both\r")
            expect_same(window, phone)
        one.type("echo from $((1 + 1)) phones\r")
        window.until("from 2 phones")
        expect_same(window, one)
        expect_same(window, two)
        code, told = desk.output("revoke", "one")
        assert code == 0, told
        assert one.exit_code() != 0
        one.expect_settings_restored()
        two.type("echo still $((2 + 1))\r")
        window.until("still 3")
        expect_same(window, two)
        code, listed = desk.output("devices")
        assert "two" in listed and "one" not in listed, listed
        window.type("exit\r")
        assert window.exit_code() == 0


def case_a_phone_shows_the_present_again_after_its_agent_was_killed(desk):
    with desk.pair() as phone, desk.run(*SHELL, options=["--name", "work"]) as window:
        window.until(PROMPT)
        phone.until("shares work")
        phone.type("/open work\r")
        expect_same(window, phone)
        for pid in desk.processes("agent"):
            os.kill(pid, signal.SIGKILL)
        window.type("seq 30; echo left $((40 + 2))\r")
        window.until("left 42")
        # The window starts another agent.
        expect_same(window, phone)
        phone.type("echo back $((40 + 3)); exit\r")
        window.until("back 43")
        assert window.exit_code() == 0


PROGRAMS = {
    "vim": (["vim", "-u", "NONE", "-c", "set number hlsearch", "{file}"], ["G", "gg", "/line 7\r", "ddp", ":set invnumber\r", "\x04", "\x15"], ":qa!\r"),
    "less": (["less", "{file}"], ["G", "g", "/wide\r", " ", "\x02"], "q"),
    "git log": (["git", "-C", "{git}", "-c", "core.pager=less -R", "log", "--color=always", "--stat"], ["G", "g", " ", "/b\r"], "q"),
    "htop": (["htop", "-d", "100", "-p", "1"], ["\x1b[B", "t", "t"], "q"),
    "tmux": (["tmux", "-L", "{name}", "-f", "/dev/null"], ["echo one\r", "\x02%", "echo two\r", "\x02\"", "seq 60\r", "\x02o"], None),
    "wide": (["cat", "{file}"], [], ""),
}


def case_programs_look_the_same_on_a_phone(desk):
    text = desk.folder / "text"
    # pyte counts flags and emoji with a skin tone by rules of its own, so they are left out.
    wide = ["日本語 と emoji 👋 🎉 and é, combining e\u0301 x\u0308", "\x1b[1;31mred\x1b[0m \x1b[4munder\x1b[0m \x1b[7mback\x1b[0m \x1b[38;5;202m256\x1b[0m \x1b[48;2;9;99;199mtrue\x1b[0m"]
    text.write_text("\n".join([f"line {number} " + "x" * (number % 90) for number in range(80)] + ["wide: 漢字かな交じり文"] * 5) + "\n")
    (desk.folder / "wide").write_text("\n".join(wide) + "\n")
    seed = int(os.environ.get("RELAY_DESK_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"RELAY_DESK_SEED={seed}", flush=True)
    chance = random.Random(seed)
    git = desk.folder / "git"
    subprocess.run(["git", "init", "-q", git], check=True)
    for number in range(12):
        (git / f"f{number}").write_text("b\n" * number)
        subprocess.run(["git", "-C", git, "add", "."], check=True)
        subprocess.run(["git", "-C", git, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", f"change {number} 漢"], check=True)
    with desk.pair() as phone:
        for name, (command, keys, leave) in PROGRAMS.items():
            if shutil.which(command[0]) is None:
                print(f"  {command[0]} is not installed", flush=True)
                continue
            own = {"file": str(desk.folder / ("wide" if name == "wide" else "text")), "git": str(git), "name": desk.folder.name}
            command = [part.format(**own) for part in command]
            shown = name.replace(" ", "-")
            hold = [] if leave != "" else ["sh", "-c", '"$@"; read line', "sh"]
            with desk.run(*hold, *command, options=["--name", shown]) as window:
                phone.until(f"shares {shown}", lambda: shown in phone.text())
                phone.type(f"/open {shown}\r")
                expect_same(window, phone)
                for key in keys:
                    chance.choice([window, phone]).type(key)
                    expect_same(window, phone)
                # What is not drawn again is cut by pyte, and wrapped again by others.
                for _ in range(0 if name == "wide" else 3):
                    columns, rows = chance.randrange(30, desk.columns + 1), chance.randrange(8, desk.rows + 1)
                    window.resize(columns, rows)
                    expect_resized(window, phone, columns, rows)
                window.resize(desk.columns, desk.rows)
                expect_resized(window, phone, desk.columns, desk.rows)
                if leave is None:
                    # As one write it would be a paste to tmux.
                    subprocess.run(["tmux", "-L", desk.folder.name, "kill-server"], check=True)
                else:
                    window.type(leave or "\r")
                window.exit_code()
                window.expect_settings_restored()
                phone.until("has ended")


def expect_resized(window, phone, columns, rows):
    """A terminal smaller than the phone's window is drawn in its corner; the rest is blank."""
    phone.until(f"{columns}x{rows}")
    expect_same(window, phone)


play("desk", globals())
