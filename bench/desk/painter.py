"""What a phone watches while keys are timed: a screen of random text that changes all the time, and what was
typed in its last row."""

import os
import random
import selectors
import sys
import termios
import tty


def main():
    columns, rows = os.get_terminal_size()
    letters = [chr(code) for code in range(0x21, 0x7F)]
    before = termios.tcgetattr(0)
    tty.setraw(0)
    typed = ""
    keys = selectors.DefaultSelector()
    keys.register(0, selectors.EVENT_READ)
    while True:
        text = "".join(random.choices(letters, k=columns * (rows - 1)))
        piece = "\x1b[H" + text
        if keys.select(0):
            typed += os.read(0, 1024).decode()
        if "\x03" in typed:
            break
        piece += f"\x1b[{rows};1H\x1b[K{typed[-60:]}"
        sys.stdout.write(piece)
        sys.stdout.flush()
    termios.tcsetattr(0, termios.TCSANOW, before)


if __name__ == "__main__":
    main()
