"""Draws docs/pairing.svg: a first pairing in three terminals, printed by the real programs.

    cargo build --workspace --bins --examples && python3 tests/python/picture.py [FILE]

Starts relayd, workstation and the example phone, pairs them, and writes each terminal as plain SVG. The
script adds the command lines, the typed lines and the colour of the six words. The session in the picture ends
with the script. Needs nothing but Python.
"""

import html
import itertools
import re
import socket
import sys

from service import ROOT, Program

# A character's box. Half of the height is the width, so that the modules of the QR code are squares.
WIDE, HIGH = 8, 16
PADDING, BAR, GAP = 16, 30, 16
LEFT_COLUMNS, RIGHT_COLUMNS = 59, 60

WORDS = re.compile(r"\b(?:[a-z]{5} ){5}[a-z]{5}\b")
PAINT = re.compile(r"\x1b\[[0-9;]*m")
HALVES = {" ": (False, False), "▀": (True, False), "▄": (False, True), "█": (True, True)}

STYLE = """
    .window { fill:#16181d; stroke:#6e7681; }
    .name { fill:#8b949e; font: 12px system-ui, -apple-system, sans-serif; text-anchor: middle; }
    .dot { fill:#3d444d; }
    .light { fill:#fff; }
    .dark { fill:#000; }
    .line { font: 13.3px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace;
            white-space: pre; }
    .told { fill:#d0d7de; }
    .typed { fill:#7ee787; }
    .words { fill:#f2cc60; }
"""


class Typed(str):
    """A line that the user typed."""


def first_pairing(port):
    """What the three terminals show, line by line: relayd's, the workstation's and the phone's."""
    is_default = port == 3001
    relay_args = ["--listen", "127.0.0.1", "--store", "memory"]
    relay_args += [] if is_default else ["--port", str(port)]
    desk_args = [] if is_default else ["--server", f"http://localhost:{port}"]
    desk_args += ["--public-url", f"ws://localhost:{port}/ws", "--kill"]
    with Program("relayd", *relay_args, stream="stderr") as relay:
        relay.line(lambda line: "listening" in line)
        with (
            Program("workstation", *desk_args, at_terminal=True) as desk,
            Program("examples/phone", at_terminal=True) as phone,
        ):
            pair(desk, phone)
            talk(desk, phone)
        programs = [("relayd", relay_args, relay), ("workstation", desk_args, desk), ("phone", [], phone)]
        return [shown(*program) for program in programs]


def pair(desk, phone):
    """The phone gets the code, both show the same words, and the workstation's user says yes."""
    code = desk.line(lambda line: re.search(r'\{"u".*\}', line)).group()
    phone.line(lambda line: "paste" in line)
    type_shown(phone, code)
    words = [end.line(WORDS.search).group() for end in (desk, phone)]
    assert words[0] == words[1], f"two different lists of words: {words}"
    desk.line(lambda line: "[y/n]" in line)
    type_shown(desk, "y")
    for end in (desk, phone):
        end.line(lambda line: "encrypted" in line)


def talk(desk, phone):
    """One line each way."""
    for sender, receiver, place in [(desk, phone, "desk"), (phone, desk, "phone")]:
        text = f"hello from the {place}"
        type_shown(sender, text)
        receiver.line(lambda line: line.endswith(text))


def shown(name, args, program):
    """What is in a program's terminal: its command line, and all lines so far, the code among them."""
    return [Typed("$ " + " ".join([name, *args])), *kept(program.seen)]


def kept(lines):
    """The lines as if nothing had been replaced: without a line that clears what is below the cursor and takes
    the code's place, and without those that are printed once more after it."""
    lines = list(lines)
    for at, line in enumerate(lines):
        if "\x1b[J" in line:
            code = max(before for before in range(at) if PAINT.match(lines[before]))
            # The two lines of the code go with the picture; typed lines are printed again, too.
            below = len(lines[code + 3 : at])
            return lines[:at] + kept(lines[at + 1 + below :])
    return lines


def type_shown(program, text):
    """Types a line and notes it, because the terminals of `service` echo nothing."""
    program.seen.append(Typed(text))
    program.type(text)


def rows_of(lines, columns):
    """The lines as rows of a terminal: a long line continues in the next row.

    A row is a list of characters, each with its kind. A row of the QR code is a string of half blocks."""
    for line in lines:
        if PAINT.match(line):
            yield PAINT.sub("", line)
            continue
        words = WORDS.search(line)
        marked = range(*words.span()) if words else ()
        kind = "typed" if isinstance(line, Typed) else "told"
        cells = [(char, "words" if at in marked else kind) for at, char in enumerate(line)]
        yield from (cells[start : start + columns] for start in range(0, max(len(cells), 1), columns))


def window(name, lines, columns, left, top):
    """The SVG of one terminal, its width and its height."""
    rows = list(rows_of(lines, columns))
    width, height = columns * WIDE + 2 * PADDING, len(rows) * HIGH + BAR + PADDING
    drawn = [f'<g transform="translate({left} {top})">']
    drawn.append(f'<rect class="window" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>')
    drawn += [f'<circle class="dot" cx="{PADDING + 2 + 16 * dot}" cy="15" r="5"/>' for dot in range(3)]
    drawn.append(f'<text class="name" x="{width // 2}" y="{BAR // 2 + 4}">{name}</text>')
    code = [(at, row) for at, row in enumerate(rows) if isinstance(row, str)]
    drawn += qr_code(code) if code else []
    for at, row in enumerate(rows):
        drawn += [] if isinstance(row, str) else text_row(row, at)
    return [*drawn, "</g>"], width, height


def qr_code(rows):
    """The rows of half blocks as one light rectangle and one path of dark ones."""
    columns, top = len(rows[0][1]), BAR + rows[0][0] * HIGH
    path = []
    for (at, cells), half in itertools.product(rows, (0, 1)):
        x, y = PADDING, BAR + at * HIGH + half * HIGH // 2
        for is_dark, run in itertools.groupby(HALVES[cell][half] for cell in cells):
            width = len(list(run)) * WIDE
            path += [f"M{x} {y}h{width}v{HIGH // 2}h-{width}z"] if is_dark else []
            x += width
    size = f'width="{columns * WIDE}" height="{len(rows) * HIGH}"'
    return [
        f'<rect class="light" x="{PADDING}" y="{top}" {size}/>',
        f'<path class="dark" shape-rendering="crispEdges" d="{"".join(path)}"/>',
    ]


def text_row(row, at):
    """One row, cut where its colour changes. Every piece has its exact width, whatever font is there."""
    x = 0
    for kind, cells in itertools.groupby(row, key=lambda cell: cell[1]):
        cells = list(cells)
        # Without the spaces at the end: not every renderer counts them.
        text = "".join(char for char, _ in cells).rstrip()
        place = f'x="{PADDING + x * WIDE}" y="{BAR + at * HIGH + 12}" textLength="{len(text) * WIDE}"'
        yield f'<text class="line {kind}" {place}>{html.escape(text, quote=False)}</text>'
        x += len(cells)


def page(relay, desk, phone):
    """The whole picture: the workstation on the left, relayd and the phone on the right."""
    left, left_width, left_height = window("workstation", desk, LEFT_COLUMNS, 0, 0)
    upper, right_width, upper_height = window("relayd", relay, RIGHT_COLUMNS, left_width + GAP, 0)
    lower, _, lower_height = window("phone", phone, RIGHT_COLUMNS, left_width + GAP, upper_height + GAP)
    width, height = left_width + GAP + right_width, max(left_height, upper_height + GAP + lower_height)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} xml:space="preserve" role="img">'
    title = "<title>A first pairing: relayd, the workstation with its QR code, and the phone</title>"
    return "\n".join([head, title, f"<style>{STYLE}</style>", *left, *upper, *lower, "</svg>\n"])


def port_to_use():
    """The default port, so that the command lines are short. A free one if it is taken."""
    for port in (3001, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return probe.getsockname()[1]
            except OSError:
                assert port, "no free port"


def main():
    target = sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs" / "pairing.svg"
    text = page(*first_pairing(port_to_use()))
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)
    print(f"wrote {target}")


if __name__ == "__main__":
    main()
