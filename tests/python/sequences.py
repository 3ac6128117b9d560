"""Every sequence that a command may print, through a shared terminal that a phone looks at: vttest, played by a program,
and each kind of sequence with each final byte. The terminal goes on, the phone's screen equals the desk's wherever pyte
knows the sequence, and the window is left as it was found.

    cargo build --workspace --bins --examples && tests/.venv/bin/python tests/python/sequences.py [PART OF A NAME]
"""

import re
import shutil
import sys

from seat import PROMPT, SHELL, expect_same, play

# Reset, and the colours that the terminal began with, which a reset leaves alone.
RESET = "\x1bc\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]112\x1b\\"


class VtTest:
    """A walk through all its menus, from the first entry to the last."""

    CHOICE = re.compile(r"Enter choice number \(0 - (\d+)\):")
    # 5 tests a keyboard, and waits for each of its keys. 11 has hundreds of screens for other terminals, and
    # 12 changes the tests.
    LEFT_OUT = {(5,), (11,), (12,)}
    # pyte has no margins that count rows from the top one, knows no line drawing in UTF-8, moves the cursor
    # back over the last column in another way, and prints the end of a few sequences. vttest says itself what
    # must be shown.
    UNKNOWN_TO_PYTE = {(1,), (2,), (3,), (4,), (6, 3), (6, 6), (8,), (9, 6), (10, 3)}

    def __init__(self, desk, window, phone):
        self.desk, self.window, self.phone = desk, window, phone
        # The entries of each open menu: its title, the entry that was chosen last, and its last one.
        self.menus = []
        self.seen = self.compared = 0

    def walk(self):
        """Presses the keys until it has ended."""
        while True:
            self.settle()
            if "walked" in self.window.lines():
                return
            self.seen += 1
            where = tuple(chosen for _, chosen, _ in self.menus)
            if not any(where[: len(known)] == known for known in self.UNKNOWN_TO_PYTE):
                expect_same(self.window, self.phone)
                self.compared += 1
            found = self.CHOICE.findall(self.window.text())
            self.window.type(f"{self.choose(int(found[-1]))}\r" if found else "\r")

    def settle(self):
        """Reads until nothing more comes. A key that is pressed too early waits in the terminal."""
        while any([self.window.pump(0.1), self.phone.pump(0.1)]):
            pass

    def choose(self, last):
        title = " ".join([line.strip() for line in self.window.lines() if line.strip()][:2])
        titles = [known for known, _, _ in self.menus]
        if title in titles:
            del self.menus[titles.index(title) + 1 :]
        else:
            self.menus.append((title, 0, last))
        title, chosen, last = self.menus.pop()
        chosen += 1
        while tuple(at for _, at, _ in self.menus) + (chosen,) in self.LEFT_OUT:
            chosen += 1
        self.menus.append((title, chosen, last))
        return chosen if chosen <= last else 0


def case_vttest(desk):
    if shutil.which("vttest") is None:
        print("  vttest is not installed", flush=True)
        return
    size = f"{desk.rows}x{desk.columns}.{desk.columns}"
    # It leaves a log where it runs.
    script = f"cd '{desk.folder}' && vttest {size} && printf '\\033c' && echo walked && read line"
    with desk.pair() as phone, desk.run("sh", "-c", script, options=["--name", "vt"]) as window:
        # It asks the terminal, and the window's answers.
        window.screen.write_process_input = window.type
        phone.until("shares vt")
        phone.type("/open vt\r")
        walk = VtTest(desk, window, phone)
        walk.walk()
        print(f"  {walk.seen} screens, {walk.compared} compared", flush=True)
        assert walk.seen > 100 and walk.compared > 40, (walk.seen, walk.compared)
        expect_same(window, phone)
        window.type("\r")
        assert window.exit_code() == 0, window.text()
        window.expect_settings_restored()


PARAMETERS = ["", "0", "1", "2", "7", "25", "999", "65535", "65536", "4294967295", "99999999999999999999", ";", "1;", ";1",
              "1;65535", "4:3", "38:2::1:2:3", "38;5;300", "::", "48;2;1", ";".join(["1"] * 32), ";".join(["65535"] * 33), "-1"]
PRIVATE = ["", "?", ">", "=", "<"]
INTERMEDIATE = ["", " ", "!", '"', "$", "'", "*", "#", "%"]
FINAL = [chr(byte) for byte in range(0x40, 0x7F)]


def sequences():
    """Each sequence once: control characters, ESC, CSI, and strings that end well, badly and never."""
    yield from (chr(byte) for byte in range(0x20) if byte not in (0x11, 0x13))
    for intermediate in ["", " ", "#", "%", "(", ")", "*", "+", "-", ".", "/", "$"]:
        yield from (f"\x1b{intermediate}{chr(final)}" for final in range(0x30, 0x7F) if chr(final) not in "[]PX^_" or intermediate)
    for private in PRIVATE:
        for final in FINAL:
            yield from (f"\x1b[{private}{parameters}{final}" for parameters in PARAMETERS)
            yield from (f"\x1b[{private}1;2{intermediate}{final}" for intermediate in INTERMEDIATE)
    for number in [*range(0, 20), 22, 46, 50, 52, 104, 110, 111, 112, 117, 133, 777, 1337, 65535, 4294967296]:
        for text in ["", ";", ";x", ";?", ";0;?", ";1;rgb:ff/00/ff", ";c;aGVsbG8=", ";" + "y" * 300, ";\x80\xff", "x"]:
            for end in ["\x07", "\x1b\\", "\x18", "\x1a", "\x1b[0m"]:
                yield f"\x1b]{number}{text}{end}"
    for kind in "PX^_":
        for text in ["", "$q\"p", "+q544e", "1$tx", "0;1|17/17", "q" + "?" * 300, "zz\x01\x02", "1;2;3{x"]:
            for end in ["\x1b\\", "\x18", "\x07\x1b\\"]:
                yield f"\x1b{kind}{text}{end}"
    yield "\x1b]0;" + "t" * 10240 + "\x07"
    yield "\x1b[" + "1;" * 100000 + "m"
    yield "\x1bP" + "x" * (1 << 20) + "\x1b\\"
    yield "\x1b]52;c;" + "QUFB" * (1 << 18) + "\x07"
    yield "x" * (1 << 20)
    yield "\u0301" * 5000 + "\u200d" * 5000


# pyte takes some of them for others, so the screens are compared after a reset.
CHECKED_EVERY = 500


def case_every_sequence(desk):
    script = desk.folder / "print"
    script.write_text(
        "import os, sys\n"
        "data = open(sys.argv[1], 'rb').read().split(b'\\0--\\0')\n"
        "for part in data:\n"
        "    while part: part = part[os.write(1, part):]\n"
        "    sys.stdin.readline()\n"
    )
    every = [sequence.encode("utf-8", "surrogateescape") for sequence in sequences() if sequence != "\0"]
    parts = [b"".join(every[at : at + CHECKED_EVERY]) for at in range(0, len(every), CHECKED_EVERY)]
    # Ends whatever was left open, sets all back, and says which part it was.
    ends = [f"\x18\x1b\\{RESET}\x1b[?1049l\x1b[?3l{RESET}part {number} of {len(parts)}".encode() for number in range(len(parts))]
    (desk.folder / "all").write_bytes(b"\0--\0".join(part + end for part, end in zip(parts, ends)))
    command = [sys.executable, str(script), str(desk.folder / "all")]
    with desk.pair() as phone, desk.run(*command, options=["--name", "all"]) as window:
        phone.until("shares all")
        phone.type("/open all\r")
        for number in range(len(parts)):
            window.until(f"part {number} of {len(parts)}")
            expect_same(window, phone)
            window.type("\r")
        assert window.exit_code() == 0, window.text()
        print(f"  {len(every)} sequences", flush=True)
        window.expect_settings_restored()
        phone.until("has ended")


def case_a_command_that_leaves_the_terminal_raw(desk):
    with desk.pair() as phone:
        with desk.run("sh", "-c", "stty raw -echo; printf '\\033[?1003h\\033[?1006h\\033[?25l\\033[5;10rraw'; exit 3", options=["--name", "raw"]) as window:
            assert window.exit_code() == 3
            window.expect_settings_restored()
        with desk.run(*SHELL, options=["--name", "raw"]) as window:
            window.until(PROMPT)
            phone.until("shares raw")
            phone.type("/open raw\r")
            window.type("stty raw -echo; echo left raw\r")
            window.until("left raw")
            expect_same(window, phone)
            phone.type("stty sane; echo back $((40 + 2))\n")
            window.until("back 42")
            window.type("exit\r")
            assert window.exit_code() == 0
            window.expect_settings_restored()


play("sequences", globals())
