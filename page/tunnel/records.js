// What is inside records and H2: bytes in, fields out, and the other way round. No key and no state.

import { concat, textOf, utf8 } from "../bytes.js";
import { FAULT, Refused } from "./refused.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {{ epoch: Bytes, known: Bytes, received: bigint, window: number }} ResumeState
 * @typedef {{ what: "DATA", number: bigint, ack: bigint, fin: boolean, bytes: Bytes }} DataRecord
 * @typedef {DataRecord | { what: "ACK", ack: bigint } | { what: "PING" | "PONG", token: Bytes }
 *     | { what: "CLOSE", last: bigint } | { what: "HELLO", state: ResumeState, name: string }
 *         | { what: "WELCOME", session?: Bytes, token?: Bytes } | { what: "SETTLED" } | { what: "DENIED" }}
 *     TunnelRecord
 */

export const STATE_LEN = 44;
const PIECE_BYTES = 32_768;
const NAME_BYTES_MAX = 64;
const KINDS = ["", "DATA", "ACK", "PING", "PONG", "CLOSE", "HELLO", "WELCOME", "SETTLED", "DENIED"];

/**
 * `epoch | known | received | window`, and what follows.
 * @param {Bytes} bytes
 * @returns {ResumeState & { rest: Bytes }}
 */
export function readState(bytes) {
    const fields = new Reader(bytes);
    const state = { epoch: fields.take(16), known: fields.take(16), received: fields.u64(), window: fields.u32() };
    return { ...state, rest: fields.rest() };
}

/** @param {ResumeState} state */
export function writeState({ epoch, known, received, window }) {
    const numbers = new DataView(new ArrayBuffer(12));
    numbers.setBigUint64(0, received);
    numbers.setUint32(8, window);
    return concat(epoch, known, new Uint8Array(numbers.buffer));
}

/**
 * @param {Bytes} plaintext
 * @returns {TunnelRecord}
 */
export function readRecord(plaintext) {
    const what = KINDS[plaintext[0]];
    const fields = new Reader(plaintext.slice(1));
    if (!what) throw new Refused(FAULT, "a record of unknown kind");
    const record = { what, ...readFields(what, fields) };
    if (fields.left > 0) throw new Refused(FAULT, `a longer ${what}`);
    return /** @type {TunnelRecord} */ (record);
}

/** @param {string} what @param {Reader} fields */
function readFields(what, fields) {
    switch (what) {
        case "DATA": {
            const [number, ack, fin] = [fields.u64(), fields.u64(), flag(fields.take(1)[0])];
            return { number, ack, fin, bytes: fields.atMost(PIECE_BYTES) };
        }
        case "ACK":
            return { ack: fields.u64() };
        case "PING":
        case "PONG":
            return { token: fields.take(8) };
        case "CLOSE":
            return { last: fields.u64() };
        case "HELLO": {
            const { rest: _, ...state } = readState(fields.take(STATE_LEN));
            return { state, name: nameOf(fields.atMost(NAME_BYTES_MAX)) };
        }
        case "WELCOME":
            return fields.left > 0 ? { session: fields.take(16), token: fields.take(16) } : {};
        default:
            return {};
    }
}

/** @param {TunnelRecord} record */
export function writeRecord(record) {
    return concat([KINDS.indexOf(record.what)], ...writeFields(record));
}

/** @param {TunnelRecord} record @returns {ArrayLike<number>[]} */
function writeFields(record) {
    switch (record.what) {
        case "DATA":
            return [u64(record.number), u64(record.ack), [record.fin ? 1 : 0], record.bytes];
        case "ACK":
            return [u64(record.ack)];
        case "PING":
        case "PONG":
            return [record.token];
        case "CLOSE":
            return [u64(record.last)];
        case "HELLO":
            return [writeState(record.state), utf8(record.name)];
        case "WELCOME":
            return record.session && record.token ? [record.session, record.token] : [];
        default:
            return [];
    }
}

// Fields in the order of the wire; too few bytes are a fault.
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

    /** @param {number} length */
    take(length) {
        if (this.left < length) throw new Refused(FAULT, "a record that ends early");
        this.#at += length;
        return this.#bytes.slice(this.#at - length, this.#at);
    }

    /** @param {number} most */
    atMost(most) {
        return this.take(Math.min(this.left, most));
    }

    rest() {
        return this.take(this.left);
    }

    u32() {
        return new DataView(this.take(4).buffer).getUint32(0);
    }

    u64() {
        return new DataView(this.take(8).buffer).getBigUint64(0);
    }
}

/** @param {number} byte */
function flag(byte) {
    if (byte > 1) throw new Refused(FAULT, "an unknown flag");
    return byte === 1;
}

/** @param {Bytes} bytes */
function nameOf(bytes) {
    const name = textOf(bytes);
    if (name === null) throw new Refused(FAULT, "a name that is not UTF-8");
    return name;
}

/** @param {bigint} number */
function u64(number) {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, number);
    return bytes;
}
