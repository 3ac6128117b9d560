// The state of a terminal as a viewer draws it, and the updates that change it.

import { Malformed, expect, Reader } from "./wire.js";

/**
 * @typedef {import("./wire.js").Row} Row
 * @typedef {import("./wire.js").Bytes} Bytes
 */

/**
 * A row that did not change stays the same object, also where it moved: compare rows by identity to draw few.
 * @typedef {object} Screen
 * @property {number} columns
 * @property {Row[]} rows from the top; their number is the height
 * @property {string} title
 * @property {{ row: number, column: number, shape: number, isBlinking: boolean, isVisible: boolean }} cursor
 *     shape 0 is a
 *     block, 1 an underline, 2 a bar
 * @property {Modes} modes
 * @property {{ generation: number, end: number, lines: number }} history the lines before number `end` can be
 *     fetched
 * @property {number} bells how often the bell rang so far
 */

/**
 * @typedef {object} Modes
 * @property {boolean} isAlternate a full-screen program shows its own screen, without history
 * @property {boolean} hasBracketedPaste
 * @property {boolean} hasApplicationCursor
 * @property {boolean} hasApplicationKeypad
 * @property {boolean} hasFocusReports
 * @property {boolean} hasAlternateScroll
 * @property {boolean} hasNewline
 * @property {number} mouse 0 none, 1 clicks, 2 drags too, 3 all moves too
 * @property {number} mouseEncoding
 */

/** @type {Row} */
const BLANK = { runs: [], isWrapped: false };
const TITLE_BYTES_MAX = 256;
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;

/** @param {number} columns @param {number} rows @returns {Screen} */
export function blankScreen(columns, rows) {
    return {
        columns,
        rows: new Array(rows).fill(BLANK),
        title: "",
        cursor: { row: 0, column: 0, shape: 0, isBlinking: false, isVisible: true },
        modes: modesOf(0),
        history: { generation: 0, end: 0, lines: 0 },
        bells: 0,
    };
}

/**
 * The screen after an update, and the update's number. The old screen is as it was.
 * @param {Screen} old
 * @param {Bytes} payload
 * @param {number} last the number of the update before
 */
export function update(old, payload, last) {
    const reader = new Reader(payload);
    const [seq, basedOn, sections] = [reader.number(), reader.number(), reader.byte()];
    if (basedOn !== 0 && basedOn !== last) throw new Malformed(`an update of ${basedOn} after ${last}`);
    const has = (/** @type {number} */ bit) => ((sections >> bit) & 1) === 1;
    const size = has(0) ? reader.size() : null;
    const { columns, rows: height } = size ?? { columns: old.columns, rows: old.rows.length };
    const isNew = size !== null || basedOn === 0;
    const base = isNew ? blankScreen(columns, height) : old;
    const screen = basedOn === 0 ? base : { ...old, columns, rows: base.rows.slice() };
    screen.cursor = has(1) ? cursorOf(reader, columns, height) : clamped(screen.cursor, columns, height);
    if (has(2)) screen.modes = modesOf(reader.byte() * 256 + reader.byte());
    if (has(3)) screen.title = reader.text(TITLE_BYTES_MAX).replace(CONTROLS, "");
    if (has(4)) screen.history = { generation: reader.number(), end: reader.number(), lines: reader.number() };
    if (has(5)) screen.bells = reader.number();
    if (has(6)) scroll(screen.rows, reader);
    if (has(7)) for (const { at, row } of reader.rows(height, columns)) screen.rows[at] = row;
    reader.end();
    return { seq, screen };
}

/** @param {Reader} reader @param {number} columns @param {number} rows */
function cursorOf(reader, columns, rows) {
    const [row, column, look] = [reader.number(rows - 1), reader.number(columns - 1), reader.byte()];
    const shape = look & 15;
    expect(shape <= 2, "a cursor");
    return { row, column, shape, isBlinking: (look & 16) !== 0, isVisible: (look & 32) !== 0 };
}

/** @param {Screen["cursor"]} cursor @param {number} columns @param {number} rows */
function clamped(cursor, columns, rows) {
    return { ...cursor, row: Math.min(cursor.row, rows - 1), column: Math.min(cursor.column, columns - 1) };
}

/** Rows move up in a circle. @param {Row[]} rows @param {Reader} reader */
function scroll(rows, reader) {
    const [top, bottom, lines] = [reader.number(rows.length), reader.number(rows.length), reader.number(rows.length)];
    expect(top < bottom && lines < bottom - top, "a scroll");
    const moved = rows.slice(top, bottom);
    moved.forEach((_, i) => (rows[top + i] = moved[(i + lines) % moved.length]));
}

/** @param {number} bits @returns {Modes} */
function modesOf(bits) {
    const is = (/** @type {number} */ bit) => ((bits >> bit) & 1) === 1;
    const mouseEncoding = (bits >> 10) & 3;
    expect(mouseEncoding <= 2, "modes");
    return {
        isAlternate: is(0),
        hasBracketedPaste: is(1),
        hasApplicationCursor: is(2),
        hasApplicationKeypad: is(3),
        hasFocusReports: is(4),
        hasAlternateScroll: is(5),
        hasNewline: is(6),
        mouse: (bits >> 8) & 3,
        mouseEncoding,
    };
}

/** A row as text, with spaces in blank cells up to the last run. @param {Row} row */
export function rowText({ runs }) {
    let [text, column] = ["", 0];
    for (const run of runs) {
        text += " ".repeat(run.column - column) + run.text;
        column = run.column + run.columns;
    }
    return text;
}
