"""Reads QR codes like a camera: from the PNG of a data URL, and from a terminal's output."""

import base64
import io
import re

import zxingcpp
from PIL import Image

DATA_URL = "data:image/png;base64,"
MODULE_PIXELS = 6
# The colour around the text in a terminal window, which the program does not know. Dark is the harder case.
BACKGROUND, FOREGROUND = (0, 0, 0), (229, 229, 229)
MARGIN_CELLS = 3
BASIC = [(0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229)]


def decode(image):
    """The text of the only QR code in the picture. It must be dark on light, as some cameras need."""
    codes = zxingcpp.read_barcodes(image, formats=zxingcpp.BarcodeFormat.QRCode, try_invert=False)
    assert len(codes) == 1, f"{len(codes)} codes instead of one"
    return codes[0].text


def decode_data_url(url):
    assert url.startswith(DATA_URL), url[:40]
    png = base64.b64decode(url[len(DATA_URL) :], validate=True)
    return decode(Image.open(io.BytesIO(png)).convert("L"))


def is_drawing(line):
    """True for a line of half blocks; a quiet zone's line is painted spaces."""
    bare = SGR.sub("", line)
    return bare != "" and not bare.strip(" ▀▄█")


def decode_terminal(lines):
    return decode(render(lines))


def render(lines):
    """The picture of these lines in a terminal with default colours, two square pixels per character."""
    rows = [list(cells(line)) for line in lines]
    width = max(len(row) for row in rows) + 2 * MARGIN_CELLS
    height = 2 * (len(rows) + 2 * MARGIN_CELLS)
    image = Image.new("RGB", (width, height), BACKGROUND)
    for y, row in enumerate(rows):
        for x, (upper, lower) in enumerate(row):
            at = (x + MARGIN_CELLS, 2 * (y + MARGIN_CELLS))
            image.putpixel(at, upper)
            image.putpixel((at[0], at[1] + 1), lower)
    scaled = (width * MODULE_PIXELS, height * MODULE_PIXELS)
    return image.resize(scaled, Image.Resampling.NEAREST).convert("L")


def cells(line):
    """The colours of the upper and lower half of each character, after SGR sequences."""
    ink, paper, at = FOREGROUND, BACKGROUND, 0
    for match in re.finditer(r"\x1b\[([0-9;]*)m|([ ▀▄█])", line):
        assert match.start() == at, f"what is this? {line[at : match.start()]!r}"
        at = match.end()
        codes, block = match.groups()
        if block is None:
            ink, paper = select(codes, ink, paper)
        else:
            yield (ink if block in "▀█" else paper, ink if block in "▄█" else paper)
    assert at == len(line), f"what is this? {line[at:]!r}"


def select(codes, ink, paper):
    """Colours after one SGR sequence (ECMA-48, with the 256-colour and 24-bit forms of ISO 8613-6)."""
    rest = [int(code or 0) for code in codes.split(";")]
    while rest:
        code = rest.pop(0)
        if code in (38, 48):
            colour, rest = extended(rest)
            ink, paper = (colour, paper) if code == 38 else (ink, colour)
        elif code == 0:
            ink, paper = FOREGROUND, BACKGROUND
        elif code == 7:
            ink, paper = paper, ink
        elif 30 <= code <= 37:
            ink = BASIC[code - 30]
        elif 40 <= code <= 47:
            paper = BASIC[code - 40]
        elif code == 39:
            ink = FOREGROUND
        elif code == 49:
            paper = BACKGROUND
        elif 90 <= code <= 97:
            ink = (255, 255, 255) if code == 97 else BASIC[code - 90]
        elif 100 <= code <= 107:
            paper = (255, 255, 255) if code == 107 else BASIC[code - 100]
        else:
            assert code == 1, f"SGR {code}"
    return ink, paper


def extended(rest):
    if rest[0] == 2:
        return tuple(rest[1:4]), rest[4:]
    number, rest = rest[1], rest[2:]
    if number < 16:
        return BASIC[number % 8], rest
    if number >= 232:
        return ((number - 232) * 10 + 8,) * 3, rest
    steps = [0, 95, 135, 175, 215, 255]
    cube = number - 16
    return (steps[cube // 36], steps[cube // 6 % 6], steps[cube % 6]), rest


SGR = re.compile(r"\x1b\[[0-9;]*m")
