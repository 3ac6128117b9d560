// The messages of a terminal's channel: parts joined, what the desk says, what a viewer says.

import { concat, utf8 } from "../bytes.js";
import { blankScreen, update } from "./screen.js";
import { expect, Reader } from "./wire.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {import("./wire.js").Row} Row
 * @typedef {import("./screen.js").Screen} Screen
 * @typedef {{ owner: "nobody" | "desk" | "you" | "other", name: string, mayType: boolean }} SizeOwner
 * @typedef {{ code: number } | { signal: number } | null} Exit null if it is not known
 * @typedef {{ request: number, generation: number, first: number, rows: Row[] }} Scrollback
 */

/**
 * @typedef {{ what: "updated", seq: number } | { what: "notice", title: string, text: string }
 *     | { what: "scrollback", answer: Scrollback } | { what: "owner", owner: SizeOwner }
 *         | { what: "ended", exit: Exit } | { what: "nothing" }} Received "nothing": more parts follow, or a
 *     later version
 */

const MORE = 0x80;
const MESSAGE_BYTES_MAX = 16 << 10;
const DESK_BYTES_MAX = 12 << 20;
/** Four times as many as a desk needs for the longest message. */
const PARTS_MAX = 4096;
const NOTICE_BYTES_MAX = 1024;
/** The most rows of one answer with scrollback. */
export const SCROLLBACK_ROWS_MAX = 200;
const COLUMNS_MAX = 1000;
const WORD_MAX = 2 ** 32 - 1;

/** Applies the desk's messages to a screen of its own. After an error the channel must be opened again. */
export class ScreenReceiver {
    /** The screen after the last update. */
    screen = blankScreen(80, 24);
    #seq = 0;
    /** @type {Bytes[]} */
    #parts = [];
    #kind = 0;
    #length = 0;

    /** @param {Bytes} message @returns {Received} */
    receive(message) {
        const payload = this.#join(message);
        if (!payload) return { what: "nothing" };
        if (this.#kind !== 1) return readMessage(this.#kind, new Reader(payload));
        const { seq, screen } = update(this.screen, payload, this.#seq);
        this.#seq = seq;
        this.screen = screen;
        return { what: "updated", seq };
    }

    /** Kind and payload when the last part is there. @param {Bytes} message */
    #join(message) {
        expect(message.length > 0, "nothing");
        const kind = message[0] & ~MORE;
        expect(this.#parts.length === 0 || kind === this.#kind, "parts of two messages");
        this.#kind = kind;
        this.#length += message.length - 1;
        expect(this.#length <= DESK_BYTES_MAX && this.#parts.length < PARTS_MAX, "a message that is too long");
        this.#parts.push(message.subarray(1));
        if (message[0] & MORE) return null;
        const payload = this.#parts.length === 1 ? this.#parts[0] : concat(...this.#parts);
        this.#parts = [];
        this.#length = 0;
        return payload;
    }
}

/** @param {number} kind @param {Reader} reader @returns {Received} */
function readMessage(kind, reader) {
    const received = readKind(kind, reader);
    if (received.what !== "nothing") reader.end();
    return received;
}

/** @param {number} kind @param {Reader} reader @returns {Received} */
function readKind(kind, reader) {
    switch (kind) {
        case 2:
            return { what: "notice", title: reader.text(NOTICE_BYTES_MAX), text: reader.text(NOTICE_BYTES_MAX) };
        case 3: {
            const [request, generation, first] = [reader.number(WORD_MAX), reader.number(WORD_MAX), reader.number()];
            const rows = reader.rows(SCROLLBACK_ROWS_MAX, COLUMNS_MAX);
            expect(rows.every(({ at }, i) => at === i), "rows with gaps");
            return { what: "scrollback", answer: { request, generation, first, rows: rows.map(({ row }) => row) } };
        }
        case 4: {
            const mayType = reader.byte() === 1;
            const owner = /** @type {const} */ (["nobody", "desk", "you", "other"])[reader.byte()];
            expect(owner !== undefined, "an owner");
            const name = owner === "other" ? reader.text(NOTICE_BYTES_MAX) : "";
            return { what: "owner", owner: { owner, name, mayType } };
        }
        case 5: {
            const [how, number] = [reader.byte(), reader.byte()];
            expect(how <= 2, "an exit");
            return { what: "ended", exit: how === 0 ? { code: number } : how === 1 ? { signal: number } : null };
        }
        default:
            return { what: "nothing" };
    }
}

/** The named keys, by their codes from 1 up; F1 to F20 follow from 33. */
const KEYS = ["Enter", "Tab", "Backspace", "Escape", "ArrowUp", "ArrowDown", "ArrowRight", "ArrowLeft", "Home", "End"].concat(
    ["Insert", "Delete", "PageUp", "PageDown"],
);
const FUNCTION = 32;
const FUNCTION_MAX = 20;

/** The bits of modifiers. */
export const SHIFT = 1;
export const ALT = 2;
export const CTRL = 4;
export const META = 8;

/** What a viewer says, as messages of the channel. */
export const viewerMessages = {
    /** @param {number} seq */
    ack: (seq) => split(1, numberBytes(seq)),
    /** @param {string} text */
    text: (text) => split(2, utf8(text)),
    /**
     * A key by its name in `KeyboardEvent.key`, or a character; null for a key that terminals do not have.
     * @param {string} key
     * @param {number} modifiers
     */
    key(key, modifiers) {
        const named = KEYS.indexOf(key) + 1;
        const number = Number(/^F(\d\d?)$/.exec(key)?.[1] ?? 0);
        if (named > 0) return split(3, [modifiers, named]);
        if (number >= 1 && number <= FUNCTION_MAX) return split(3, [modifiers, FUNCTION + number]);
        return [...key].length === 1 ? split(3, concat([modifiers, 0], utf8(key))) : null;
    },
    /** @param {string} text at most 1 MiB in UTF-8 */
    paste: (text) => split(4, utf8(text)),
    /**
     * @param {number} action 0 press, 1 release, 2 move
     * @param {number} button 0 none, 1 left, 2 middle, 3 right, 4 to 7 the wheel up, down, left, right
     * @param {number} modifiers
     * @param {number} column
     * @param {number} row
     */
    mouse: (action, button, modifiers, column, row) =>
        split(5, concat([action, button, modifiers], numberBytes(column), numberBytes(row))),
    /** @param {number} columns @param {number} rows */
    takeSize: (columns, rows) => split(6, concat(numberBytes(columns), numberBytes(rows))),
    giveBack: () => split(7, []),
    /** @param {number} request @param {number} first @param {number} count */
    scrollback: (request, first, count) =>
        split(8, concat(numberBytes(request), numberBytes(first), numberBytes(count))),
    /** @param {boolean} hasFocus */
    focus: (hasFocus) => split(9, [hasFocus ? 1 : 0]),
};

/** @param {number} value */
function numberBytes(value) {
    const bytes = [];
    for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
    bytes.push(value);
    return bytes;
}

/** A message as its parts. @param {number} kind @param {ArrayLike<number>} payload @returns {Bytes[]} */
function split(kind, payload) {
    const parts = [];
    const bytes = Uint8Array.from(payload);
    for (let at = 0; at === 0 || at < bytes.length; at += MESSAGE_BYTES_MAX - 1) {
        const isLast = at + MESSAGE_BYTES_MAX - 1 >= bytes.length;
        parts.push(concat([isLast ? kind : kind | MORE], bytes.subarray(at, at + MESSAGE_BYTES_MAX - 1)));
    }
    return parts;
}
