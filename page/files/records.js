// What the two ends of a file channel say, after docs/app-files.md: records, of which one message has one or
// more.

import { concat, cut, textOf, utf8 } from "../bytes.js";
import { reasonOf } from "../app/control.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {import("../app/control.js").Reason} Reason
 * @typedef {{ id: Bytes, name: string, size: number, time: number, isInline: boolean }} Offer
 */

/**
 * @typedef {{ what: "offer", file: number, offer: Offer } | { what: "data", file: number, bytes: Bytes }
 *     | { what: "hole", file: number, length: number } | { what: "end", file: number, hash: Bytes }
 *     | { what: "again", file: number } | { what: "fail", file: number, reason: Reason }
 *     | { what: "total", files: number } | { what: "wait" }} SenderRecord
 * @typedef {{ what: "accept", file: number, offset: number, hash: Bytes | null }
 *     | { what: "written", file: number, bytes: number } | { what: "done", file: number, name: string }
 *     | { what: "failed", file: number, reason: Reason }
 *     | { what: "taken", done: number, failed: number, bytes: number } | { what: "wait" }} ReceiverRecord
 */

export const INLINE_BYTES_MAX = 16 << 10;
export const OFFERS_MAX = 32;
export const UNSETTLED_MAX = 1024;
/** What a DATA record has besides its bytes, at most. */
export const DATA_HEAD_MAX = 12;
const NAME_BYTES_MAX = 1024;
const REASON_BYTES_MAX = 256;
const HOLE_BYTES_MAX = 16 << 20;
const WORD_MAX = 2 ** 32 - 1;
const WAIT = 8;

/** Bytes that are not records, or a record that may not come. */
export class Malformed extends Error {}

/** @param {boolean} holds @param {string} what */
export function expect(holds, what) {
    if (!holds) throw new Malformed(what);
}

/** A record of the sender. @param {SenderRecord} record */
export function writeSender(record) {
    switch (record.what) {
        case "offer": {
            const { id, name, size, time, isInline } = record.offer;
            const body = [[isInline ? 4 : 0], id, number(size), number(time), text(name, NAME_BYTES_MAX)];
            return pack(1, number(record.file), ...body);
        }
        case "data":
            return pack(2, number(record.file), record.bytes);
        case "hole":
            return pack(3, number(record.file), number(record.length));
        case "end":
            return pack(4, number(record.file), record.hash);
        case "again":
            return pack(5, number(record.file));
        case "fail":
            return pack(6, number(record.file), ...reason(record.reason));
        case "total":
            return pack(7, number(record.files));
        default:
            return pack(WAIT);
    }
}

/** A record of the receiver. @param {ReceiverRecord} record */
export function writeReceiver(record) {
    switch (record.what) {
        case "accept":
            return pack(1, number(record.file), number(record.offset), record.hash ?? []);
        case "written":
            return pack(2, number(record.file), number(record.bytes));
        case "done":
            return pack(3, number(record.file), text(record.name, NAME_BYTES_MAX));
        case "failed":
            return pack(4, number(record.file), ...reason(record.reason));
        case "taken":
            return pack(5, number(record.done), number(record.failed), number(record.bytes));
        default:
            return pack(WAIT);
    }
}

/** The sender's records in a message; those of later versions are left out. @param {Bytes} message */
export function readSender(message) {
    return bodies(message).flatMap(([type, body]) => senderOf(type, body));
}

/** @param {Bytes} message */
export function readReceiver(message) {
    return bodies(message).flatMap(([type, body]) => receiverOf(type, body));
}

/** @param {number} type @param {Reader} body @returns {SenderRecord[]} */
function senderOf(type, body) {
    if (type === WAIT) return [{ what: "wait" }];
    if (type < 1 || type > 7) return [];
    const file = body.number(WORD_MAX);
    switch (type) {
        case 1:
            return [{ what: "offer", file, offer: offerOf(body) }];
        case 2:
            return [{ what: "data", file, bytes: body.rest() }];
        case 3:
            return [{ what: "hole", file, length: body.number(HOLE_BYTES_MAX) }];
        case 4:
            return [{ what: "end", file, hash: body.bytes(32) }];
        case 5:
            return [{ what: "again", file }];
        case 6:
            return [{ what: "fail", file, reason: body.reason() }];
        default:
            return [{ what: "total", files: file }];
    }
}

/** @param {Reader} body @returns {Offer} */
function offerOf(body) {
    const flags = body.byte();
    const [id, size, time] = [body.bytes(16), body.number(), body.number()];
    if (flags & 1) body.number(WORD_MAX);
    if (flags & 2) body.bytes(32);
    const isInline = (flags & 4) !== 0;
    expect(!isInline || size <= INLINE_BYTES_MAX, "size of an inline file");
    return { id, name: body.text(NAME_BYTES_MAX), size, time, isInline };
}

/** @param {number} type @param {Reader} body @returns {ReceiverRecord[]} */
function receiverOf(type, body) {
    if (type === WAIT) return [{ what: "wait" }];
    if (type < 1 || type > 5) return [];
    const file = body.number(WORD_MAX);
    switch (type) {
        case 1: {
            const offset = body.number();
            return [{ what: "accept", file, offset, hash: offset > 0 ? body.bytes(32) : null }];
        }
        case 2:
            return [{ what: "written", file, bytes: body.number() }];
        case 3:
            return [{ what: "done", file, name: body.text(2 * NAME_BYTES_MAX) }];
        case 4:
            return [{ what: "failed", file, reason: body.reason() }];
        default:
            return [{ what: "taken", done: file, failed: body.number(WORD_MAX), bytes: body.number() }];
    }
}

/** @param {Bytes} message @returns {[number, Reader][]} */
function bodies(message) {
    const reader = new Reader(message);
    /** @type {[number, Reader][]} */
    const found = [];
    while (reader.left > 0) {
        const type = reader.byte();
        found.push([type, new Reader(reader.bytes(reader.number(WORD_MAX)))]);
    }
    return found;
}

/** @param {number} type @param {...ArrayLike<number>} parts */
function pack(type, ...parts) {
    const body = concat(...parts);
    return concat([type], number(body.length), body);
}

/** @param {number} value @returns {number[]} */
function number(value) {
    const bytes = [];
    for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
    bytes.push(value);
    return bytes;
}

/** @param {string} value @param {number} most */
function text(value, most) {
    const bytes = utf8(cut(value, most));
    return concat(number(bytes.length), bytes);
}

/** @param {Reason} value */
function reason({ token, words }) {
    return [text(token, REASON_BYTES_MAX), text(words, REASON_BYTES_MAX)];
}

class Reader {
    #bytes;
    #at = 0;

    /** @param {Bytes} bytes */
    constructor(bytes) {
        this.#bytes = bytes;
    }

    get left() {
        return this.#bytes.length - this.#at;
    }

    byte() {
        expect(this.left > 0, "a record that ends early");
        return this.#bytes[this.#at++];
    }

    /** @param {number} length */
    bytes(length) {
        expect(length <= this.left, "a record that ends early");
        this.#at += length;
        return this.#bytes.slice(this.#at - length, this.#at);
    }

    rest() {
        return this.bytes(this.left);
    }

    number(most = Number.MAX_SAFE_INTEGER) {
        let [value, factor] = [0, 1];
        for (;;) {
            const byte = this.byte();
            value += (byte & 127) * factor;
            expect(value <= most && factor < 2 ** 63, "a number");
            if (byte < 128) return value;
            factor *= 128;
        }
    }

    /** @param {number} most */
    text(most) {
        const value = textOf(this.bytes(this.number(most)));
        if (value === null) throw new Malformed("a text that is not UTF-8");
        return value;
    }

    reason() {
        return reasonOf(this.text(REASON_BYTES_MAX), this.text(REASON_BYTES_MAX));
    }
}
