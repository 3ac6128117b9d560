#!/usr/bin/env python3
"""Draws the page's icons: icon.svg, and the same as icon-192.png and icon-512.png.

A prompt and its cursor on a dark ground, from four strokes with round ends. The ground fills the whole
square, and the strokes stay within the inner 80 %, so that a launcher may cut any shape out of it.
"""

import struct
import zlib
from math import hypot
from pathlib import Path

GROUND, INK, ACCENT = (18, 38, 58), (244, 248, 251), (94, 214, 160)

# In a square of 100: two points, a width, a colour.
STROKES = [
    ((28, 34), (46, 50), 9, INK),
    ((46, 50), (28, 66), 9, INK),
    ((54, 66), (74, 66), 9, ACCENT),
]


def distance(x, y, a, b):
    """From a point to a stroke's middle line."""
    (ax, ay), (bx, by) = a, b
    length = (bx - ax) ** 2 + (by - ay) ** 2
    along = max(0, min(1, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length))
    return hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay))


def pixel(x, y, scale):
    """A colour, with the edges of strokes blended over one pixel."""
    colour = GROUND
    for a, b, width, ink in STROKES:
        cover = max(0, min(1, (width / 2 - distance(x, y, a, b)) * scale + 0.5))
        colour = tuple(round(c + (i - c) * cover) for c, i in zip(colour, ink))
    return bytes(colour)


def png(size):
    scale = size / 100
    rows = b"".join(
        b"\0" + b"".join(pixel((x + 0.5) / scale, (y + 0.5) / scale, scale) for x in range(size)) for y in range(size)
    )

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def svg():
    def hex_of(colour):
        return "#%02x%02x%02x" % colour

    lines = [f'<path d="M{a[0]} {a[1]}L{b[0]} {b[1]}" stroke="{hex_of(ink)}" stroke-width="{width}"/>'
             for a, b, width, ink in STROKES]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">'
        f'<rect width="100" height="100" fill="{hex_of(GROUND)}"/>'
        f'<g fill="none" stroke-linecap="round">{"".join(lines)}</g></svg>\n'
    )


if __name__ == "__main__":
    here = Path(__file__).parent
    (here / "icon.svg").write_text(svg())
    for size in (192, 512):
        (here / f"icon-{size}.png").write_bytes(png(size))
