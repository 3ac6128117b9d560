// Numbers, texts, styles and rows of docs/app-terminal.md, from bytes. It never reserves by a claimed length.

import { textOf } from "../bytes.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {null | number | string} Color the default, an index of the palette, or `#rrggbb`
 */

/**
 * How a run looks. Equal styles of one message are one object; `key` is equal for equal styles.
 * @typedef {object} Style
 * @property {Color} text
 * @property {Color} background
 * @property {number} attributes bold 1, dim 2, italic 4, blinking 8, reverse 16, hidden 32, struck out 64
 * @property {number} underline 0 none, 1 single, 2 double, 3 curly, 4 dotted, 5 dashed
 * @property {Color} underlineColor
 * @property {string | null} link an address that the program chose: decide which schemes may be opened
 * @property {string} key
 */

/**
 * Text of one style in neighbouring cells. Each character fills `cellColumns`, or all of it one cell.
 * @typedef {object} Run
 * @property {number} column where it begins
 * @property {number} columns how many it fills
 * @property {1 | 2} cellColumns
 * @property {boolean} isOneCell
 * @property {string} text
 * @property {Style} style
 */

/** @typedef {{ runs: Run[], isWrapped: boolean }} Row cells without a run are blank and plain */

const SIDE_MAX = 1000;
const CELLS_MAX = 128 << 10;
const CELL_BYTES_MAX = 32;
const LINK_BYTES_MAX = 1024;
const LINKS_MAX = 1024;
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** @type {Style} */
export const PLAIN = { text: null, background: null, attributes: 0, underline: 0, underlineColor: null, link: null, key: "" };

/** Bytes that are not a message of this kind. */
export class Malformed extends Error {}

/** @param {boolean} holds @param {string} what */
export function expect(holds, what) {
    if (!holds) throw new Malformed(what);
}

/** Reads values from the front of a message. */
export class Reader {
    #bytes;
    #at = 0;

    /** @param {Bytes} bytes */
    constructor(bytes) {
        this.#bytes = bytes;
    }

    byte() {
        expect(this.#at < this.#bytes.length, "it ends too early");
        return this.#bytes[this.#at++];
    }

    /** @param {number} length */
    bytes(length) {
        expect(length <= this.#bytes.length - this.#at, "it ends too early");
        this.#at += length;
        return this.#bytes.subarray(this.#at - length, this.#at);
    }

    /** A number of at most `most`; numbers of 54 bits and more are not used. @param {number} [most] */
    number(most = Number.MAX_SAFE_INTEGER) {
        let [value, factor] = [0, 1];
        for (;;) {
            const byte = this.byte();
            value += (byte & 127) * factor;
            expect(value <= most, "a number");
            if (byte < 128) return value;
            factor *= 128;
            expect(factor < 2 ** 64, "a number");
        }
    }

    /** @param {number} most bytes */
    text(most) {
        return utf8(this.bytes(this.number(most)));
    }

    size() {
        const [columns, rows] = [this.number(SIDE_MAX), this.number(SIDE_MAX)];
        expect(columns >= 2 && rows >= 1 && columns * rows <= CELLS_MAX, "a size");
        return { columns, rows };
    }

    end() {
        expect(this.#at === this.#bytes.length, "bytes behind its end");
    }

    /**
     * Rows with their numbers below `rowsMax`, ascending, each of at most `columns` columns.
     * @param {number} rowsMax
     * @param {number} columns
     * @returns {{ at: number, row: Row }[]}
     */
    rows(rowsMax, columns) {
        /** @type {string[]} */
        const links = [];
        for (let left = this.number(LINKS_MAX); left > 0; left--) {
            const link = this.text(LINK_BYTES_MAX);
            expect(link !== "" && !CONTROL.test(link), "a link");
            links.push(link);
        }
        const styles = [PLAIN];
        for (let left = this.number(rowsMax * columns); left > 0; left--) styles.push(this.#style(links));
        const rows = [];
        let next = 0;
        for (let left = this.number(rowsMax); left > 0; left--) {
            const at = next + this.number(rowsMax);
            expect(at < rowsMax, "a row");
            rows.push({ at, row: this.#row(columns, styles) });
            next = at + 1;
        }
        return rows;
    }

    /** @param {number} columns @param {Style[]} styles @returns {Row} */
    #row(columns, styles) {
        const head = this.number(columns * 2 + 1);
        const runs = [];
        let column = 0;
        for (let left = head >> 1; left > 0; left--) {
            column += this.number(columns);
            const style = styles[this.number(styles.length - 1)];
            const run = { column, style, ...this.#text(columns) };
            column += run.columns;
            expect(column <= columns, "a column");
            runs.push(run);
        }
        return { runs, isWrapped: (head & 1) === 1 };
    }

    /** @param {number} columns */
    #text(columns) {
        const head = this.number((Math.max(columns, CELL_BYTES_MAX) * 4) * 8 + 7);
        const cellColumns = /** @type {1 | 2} */ ((head & 1) + 1);
        const [isOneCell, isRepeated, length] = [(head & 2) !== 0, (head & 4) !== 0, head >> 3];
        expect(length > 0 && !(isOneCell && (isRepeated || length > CELL_BYTES_MAX)), "a run");
        expect(!isRepeated || length <= columns, "a run");
        const text = isRepeated ? this.char().repeat(length) : utf8(this.bytes(length));
        expect(!CONTROL.test(text), "a control character");
        const cells = isOneCell ? 1 : isRepeated ? length : characters(text);
        return { text, cellColumns, isOneCell, columns: cells * cellColumns };
    }

    /** One character in UTF-8. */
    char() {
        const first = this.#bytes[this.#at] ?? 0;
        return utf8(this.bytes(first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4));
    }

    /** @param {string[]} links @returns {Style} */
    #style(links) {
        const [head, attributes] = [this.byte(), this.byte() & 127];
        const underline = head >> 4;
        expect(underline <= 5, "an underline");
        const text = head & 1 ? this.#color() : null;
        const background = head & 2 ? this.#color() : null;
        const underlineColor = head & 4 ? this.#color() : null;
        const link = head & 8 ? links[this.number(LINKS_MAX)] : null;
        expect(link !== undefined, "a link");
        const key = [text, background, underlineColor, attributes, underline, link].join(" ");
        return { text, background, attributes, underline, underlineColor, link, key };
    }

    /** @returns {Color} */
    #color() {
        const kind = this.byte();
        if (kind === 0) return this.byte();
        expect(kind === 1, "a color");
        return `#${Array.from(this.bytes(3), (part) => part.toString(16).padStart(2, "0")).join("")}`;
    }
}

/** @param {Bytes} bytes */
export function utf8(bytes) {
    const text = textOf(bytes);
    if (text === null) throw new Malformed("a text that is not UTF-8");
    return text;
}

/** How many characters a text has; those beyond U+FFFF are two units of a string. @param {string} text */
function characters(text) {
    let count = text.length;
    for (let i = 0; i < text.length - 1; i++) {
        const unit = text.charCodeAt(i);
        if (unit >= 0xd800 && unit < 0xdc00) count -= 1;
    }
    return count;
}
