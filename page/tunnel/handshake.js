// The tunnel's messages, after docs/tunnel.md: H1, H2, records and refusals. No socket, clock or pairing
// state.

import { concat, equal, utf8 } from "../bytes.js";
import { DH_LEN, HandshakeState, NoiseError, TAG_LEN } from "./noise.js";
import { STATE_LEN } from "./records.js";
import * as refused from "./refused.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {import("../crypto/crypto.js").Crypto} Crypto
 * @typedef {import("../crypto/crypto.js").KeyPair} KeyPair
 * @typedef {import("../crypto/crypto.js").Secret} Secret
 * @typedef {import("./noise.js").CipherState} CipherState
 * @typedef {{ secret: Secret, id: Bytes }} Key a key of the code or the pair, and its id
 */

const { DROPPED, FAULT, Refused } = refused;

export const H1 = 1;
export const H2 = 2;
export const RECORD = 3;
export const REFUSAL = 4;
export const KEY_LEN = 32;
export const VERSION = 1;
export const HEAD_LEN = 5;
export const KEY_ID_LEN = 8;
export const RECORD_MAX = 32_807;
/** @type {Bytes} */
const EMPTY = new Uint8Array(0);

/** @param {Crypto} crypto @param {Bytes} key */
export async function keyId(crypto, key) {
    return (await crypto.sha256(concat(utf8("relay-tunnel key id v1"), key))).slice(0, KEY_ID_LEN);
}

/**
 * A key of these bytes: it cannot be read out again where the browser has such keys.
 * @param {Crypto} crypto
 * @param {Bytes} bytes
 * @returns {Promise<Key>}
 */
export async function keyOf(crypto, bytes) {
    return { secret: await crypto.keep(bytes), id: await keyId(crypto, bytes) };
}

/** @param {Bytes} session @param {Bytes} id */
export function prologue(session, id) {
    return concat(utf8("relay-tunnel/1\0"), session, id);
}

/** The six words: proquints of the first 96 bits. @param {Uint8Array} hash */
export function words(hash) {
    const consonants = "bdfghjklmnprstvz";
    const vowels = "aiou";
    /** @param {number} bits */
    const word = (bits) =>
        consonants[bits >> 12] +
        vowels[(bits >> 10) & 3] +
        consonants[(bits >> 6) & 15] +
        vowels[(bits >> 4) & 3] +
        consonants[bits & 15];
    return Array.from({ length: 6 }, (_, i) => word((hash[2 * i] << 8) | hash[2 * i + 1])).join(" ");
}

/** The phone's side of one handshake. */
export class PhoneHandshake {
    #noise;

    /**
     * @param {{ crypto: Crypto, session: Bytes, key: Key, c: Bytes, ephemeral: KeyPair }} beginning
     */
    static async begin({ crypto, session, key, c, ephemeral }) {
        const said = prologue(session, key.id);
        const psk = key.secret;
        const noise = await HandshakeState.begin({ crypto, initiator: true, prologue: said, psk, ephemeral });
        return new PhoneHandshake(c, key.id, noise);
    }

    /** @param {Bytes} c @param {Bytes} id @param {HandshakeState} noise */
    constructor(c, id, noise) {
        this.c = c;
        this.keyId = id;
        this.#noise = noise;
    }

    async h1() {
        return concat([H1], this.c, [VERSION], this.keyId, await this.#noise.write(EMPTY));
    }

    /** @param {Bytes} message */
    async openH2(message) {
        const body = bodyOf(message, H2, this.c);
        if (body.length < DH_LEN + TAG_LEN || message.length > RECORD_MAX) throw new Refused(DROPPED);
        const payload = await orRefuse(FAULT, this.#noise.read(body));
        if (![STATE_LEN, STATE_LEN + KEY_LEN].includes(payload.length)) throw new Refused(FAULT, "the length of H2");
        return { payload, connection: await Connection.over(this.#noise, this.c) };
    }
}

/** The reason of a refusal of the handshake `c`. @param {Bytes} message @param {Bytes} c */
export function readRefusal(message, c) {
    const body = bodyOf(message, REFUSAL, c);
    const [reason] = body;
    if (body.length !== 1 || reason < refused.UNKNOWN_KEY || reason > refused.DAMAGED) throw new Refused(DROPPED);
    return reason;
}

/** The state of either side after H2: records with the keys of `Split`. */
export class Connection {
    /** @param {HandshakeState} noise @param {Bytes} c */
    static async over(noise, c) {
        return new Connection(await noise.split(), c, noise.hash);
    }

    /** @param {{ sealing: CipherState, opening: CipherState }} keys @param {Bytes} c @param {Bytes} hash */
    constructor({ sealing, opening }, c, hash) {
        this.sealing = sealing;
        this.opening = opening;
        this.c = c;
        this.hash = hash;
    }

    /** @param {Bytes} plaintext */
    async seal(plaintext) {
        return concat([RECORD], this.c, await this.sealing.seal(EMPTY, plaintext));
    }

    /** @param {Bytes} message */
    async open(message) {
        const body = bodyOf(message, RECORD, this.c);
        if (body.length <= TAG_LEN || message.length > RECORD_MAX) throw new Refused(DROPPED);
        return orRefuse(FAULT, this.opening.open(EMPTY, body));
    }

    /** Records of the direction that has more of them. */
    get records() {
        return Math.max(this.sealing.count, this.opening.count);
    }
}

// What follows the type and `c`, which are in clear and under no tag.
/** @param {Bytes} message @param {number} type @param {Bytes} c */
function bodyOf(message, type, c) {
    if (message[0] !== type || !equal(message.subarray(1, HEAD_LEN), c)) throw new Refused(DROPPED);
    return message.slice(HEAD_LEN);
}

/**
 * @template T
 * @param {number | string} why
 * @param {Promise<T>} opening
 */
export async function orRefuse(why, opening) {
    try {
        return await opening;
    } catch (error) {
        if (error instanceof NoiseError) throw new Refused(why);
        throw error;
    }
}
