// The tunnel's messages and records, after docs/tunnel.md: bytes in, bytes out. No socket, clock or pairing
// state. phone.mjs and workstation.mjs call it, and tunnel_vectors.mjs with the inputs of the vectors.

import { concat, DH_LEN, HandshakeState, NoiseError, sha256, TAG_LEN } from "./noise.mjs";

export const H1 = 1;
export const H2 = 2;
export const RECORD = 3;
export const REFUSAL = 4;
const VERSION = 1;
const HEAD_LEN = 5;
const KEY_ID_LEN = 8;
const KEY_LEN = 32;
const STATE_LEN = 44;
const RECORD_MAX = 32_807;

export const UNKNOWN_KEY = 1;
export const CODE_USED = 2;
export const CODE_EXPIRED = 3;
export const DENIED = 4;
export const OTHER_VERSION = 5;
export const DAMAGED = 6;
export const DROPPED = "dropped";
export const FAULT = "fault";

/** Why a message was not accepted: a refusal's reason, DROPPED (stale or foreign, ignored), or FAULT. */
export class Refused extends Error {
    constructor(why, detail = why) {
        super(`refused: ${detail}`);
        this.why = why;
    }
}

export async function keyId(key) {
    return (await sha256(concat(utf8("relay-tunnel key id v1"), key))).slice(0, KEY_ID_LEN);
}

export function prologue(session, id) {
    return concat(utf8("relay-tunnel/1\0"), session, id);
}

/** The six words: proquints of the first 96 bits. */
export function words(hash) {
    const consonants = "bdfghjklmnprstvz";
    const vowels = "aiou";
    const word = (bits) =>
        consonants[bits >> 12] +
        vowels[(bits >> 10) & 3] +
        consonants[(bits >> 6) & 15] +
        vowels[(bits >> 4) & 3] +
        consonants[bits & 15];
    return Array.from({ length: 6 }, (_, i) => word((hash[2 * i] << 8) | hash[2 * i + 1])).join(" ");
}

/** The phone's side of one handshake. */
export class Phone {
    static async begin({ session, key, c, ephemeral }) {
        const phone = new Phone();
        phone.c = c;
        phone.keyId = await keyId(key);
        const said = prologue(session, phone.keyId);
        phone.noise = await HandshakeState.begin({ initiator: true, prologue: said, psk: key, ephemeral });
        return phone;
    }

    async h1() {
        const sealed = await this.noise.write(new Uint8Array(0));
        return concat([H1], this.c, [VERSION], this.keyId, sealed);
    }

    async openH2(message) {
        const body = bodyOf(message, H2, this.c);
        if (body.length < DH_LEN + TAG_LEN || message.length > RECORD_MAX) throw new Refused(DROPPED);
        const payload = await orRefuse(FAULT, this.noise.read(body));
        if (![STATE_LEN, STATE_LEN + KEY_LEN].includes(payload.length)) throw new Refused(FAULT);
        return { payload, connection: await Connection.over(this.noise, this.c) };
    }
}

/** The clear part of an H1, and its Noise part. */
export function readH1(message) {
    if (message[0] !== H1 || message.length < HEAD_LEN + 1 || message.length > RECORD_MAX) throw new Refused(DROPPED);
    const fields = new Reader(message.slice(1));
    const [c, [version]] = [fields.take(HEAD_LEN - 1), fields.take(1)];
    if (version !== VERSION) throw new Refused(OTHER_VERSION);
    if (fields.rest().length !== KEY_ID_LEN + DH_LEN + TAG_LEN) throw new Refused(DROPPED);
    return { c, keyId: fields.take(KEY_ID_LEN), body: fields.rest() };
}

/** A refusal of the handshake `c`. */
export function writeRefusal(c, reason) {
    return concat([REFUSAL], c, [reason]);
}

/** The reason of a refusal of the handshake `c`. */
export function readRefusal(message, c) {
    const body = bodyOf(message, REFUSAL, c);
    if (body.length !== 1 || body[0] < UNKNOWN_KEY || body[0] > DAMAGED) throw new Refused(DROPPED);
    return body[0];
}

/** The workstation's side, with the one key that it knows. */
export class Workstation {
    constructor({ session, key, ephemeral }) {
        Object.assign(this, { session, key, ephemeral });
    }

    async openH1(message) {
        const { c, keyId: wanted, body } = readH1(message);
        this.c = c;
        const id = await keyId(this.key);
        if (!equal(wanted, id)) throw new Refused(UNKNOWN_KEY);
        const said = prologue(this.session, id);
        const { key, ephemeral } = this;
        this.noise = await HandshakeState.begin({ initiator: false, prologue: said, psk: key, ephemeral });
        return orRefuse(DAMAGED, this.noise.read(body));
    }

    async h2(payload) {
        const message = concat([H2], this.c, await this.noise.write(payload));
        return { message, connection: await Connection.over(this.noise, this.c) };
    }
}

/** The state of either side after H2: records with the keys of `Split`. */
export class Connection {
    static async over(noise, c) {
        return Object.assign(new Connection(), await noise.split(), { c, hash: noise.hash });
    }

    async seal(plaintext) {
        return concat([RECORD], this.c, await this.sealing.seal(new Uint8Array(0), plaintext));
    }

    async open(message) {
        const body = bodyOf(message, RECORD, this.c);
        if (body.length <= TAG_LEN || message.length > RECORD_MAX) throw new Refused(DROPPED);
        return orRefuse(FAULT, this.opening.open(new Uint8Array(0), body));
    }
}

/** `epoch | known | received | window`. */
export function readState(bytes) {
    const fields = new Reader(bytes);
    const state = { epoch: fields.take(16), known: fields.take(16), received: fields.u64(), window: fields.u32() };
    return { ...state, rest: fields.rest() };
}

export function writeState({ epoch, known, received, window }) {
    return concat(epoch, known, u64(received), u32(window));
}

const KINDS = [, "DATA", "ACK", "PING", "PONG", "CLOSE", "HELLO", "WELCOME", "SETTLED", "DENIED"];

export function readRecord(plaintext) {
    const what = KINDS[plaintext[0]];
    const fields = new Reader(plaintext.slice(1));
    const record = { what, ...READERS[what]?.(fields) };
    if (!what || fields.rest().length > 0) throw new Refused(FAULT);
    return record;
}

const READERS = {
    DATA: (fields) => ({
        number: fields.u64(),
        ack: fields.u64(),
        fin: flag(fields.take(1)[0]),
        bytes: fields.all(32_768),
    }),
    ACK: (fields) => ({ ack: fields.u64() }),
    PING: (fields) => ({ token: fields.take(8) }),
    PONG: (fields) => ({ token: fields.take(8) }),
    CLOSE: (fields) => ({ last: fields.u64() }),
    HELLO: (fields) => ({ state: readState(fields.take(STATE_LEN)), name: text(fields.all(64)) }),
    WELCOME: (fields) => (fields.rest().length > 0 ? { session: fields.take(16), token: fields.take(16) } : {}),
};

export function writeRecord(record) {
    return concat([KINDS.indexOf(record.what)], WRITERS[record.what]?.(record) ?? []);
}

const WRITERS = {
    DATA: ({ number, ack, fin, bytes }) => concat(u64(number), u64(ack), [fin ? 1 : 0], bytes),
    ACK: ({ ack }) => u64(ack),
    PING: ({ token }) => token,
    PONG: ({ token }) => token,
    CLOSE: ({ last }) => u64(last),
    HELLO: ({ state, name }) => concat(writeState(state), utf8(name)),
    WELCOME: ({ session, token }) => (session ? concat(session, token) : []),
};

// Fields in the order of the wire; too few bytes are a fault.
class Reader {
    #bytes;
    #at = 0;

    constructor(bytes) {
        this.#bytes = bytes;
    }

    take(length) {
        if (this.rest().length < length) throw new Refused(FAULT);
        this.#at += length;
        return this.#bytes.slice(this.#at - length, this.#at);
    }

    all(most) {
        return this.take(Math.min(this.rest().length, most));
    }

    rest() {
        return this.#bytes.slice(this.#at);
    }

    u32() {
        return new DataView(this.take(4).buffer).getUint32(0);
    }

    u64() {
        return new DataView(this.take(8).buffer).getBigUint64(0);
    }
}

// What follows the type and `c`, which stand in clear and under no tag.
function bodyOf(message, type, c) {
    if (message[0] !== type || !equal(message.slice(1, HEAD_LEN), c)) throw new Refused(DROPPED);
    return message.slice(HEAD_LEN);
}

async function orRefuse(why, opening) {
    try {
        return await opening;
    } catch (error) {
        if (error instanceof NoiseError) throw new Refused(why);
        throw error;
    }
}

function flag(byte) {
    if (byte > 1) throw new Refused(FAULT);
    return byte === 1;
}

function text(bytes) {
    try {
        return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
        throw new Refused(FAULT);
    }
}

function utf8(string) {
    return new TextEncoder().encode(string);
}

export function equal(left, right) {
    return left.length === right.length && left.every((byte, i) => byte === right[i]);
}

function u32(number) {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, number);
    return bytes;
}

function u64(number) {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, number);
    return bytes;
}
