// Noise_NNpsk0_25519_AESGCM_SHA256, after revision 34 of the Noise specification (§ below are its sections).
// It does not know the tunnel; handshake.js calls it.

import { concat, utf8 } from "../bytes.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {import("../crypto/crypto.js").Crypto} Crypto
 * @typedef {import("../crypto/crypto.js").KeyPair} KeyPair
 * @typedef {import("../crypto/crypto.js").Secret} Secret
 * @typedef {import("../crypto/crypto.js").Aead} Aead
 */

export const PROTOCOL = "Noise_NNpsk0_25519_AESGCM_SHA256";
export const DH_LEN = 32;
export const TAG_LEN = 16;

/** @type {Bytes} */
const EMPTY = new Uint8Array(0);
const PSK = "psk";
const E = "e";
const EE = "ee";
// §9.4: NN with the key before the first message; the initiator writes the first line, the responder the
// second.
const MESSAGES = [
    [PSK, E],
    [E, EE],
];

/** A message, key or point that must not be accepted. */
export class NoiseError extends Error {}

/**
 * The shared secret. A point of small order is refused.
 * @param {KeyPair} own
 * @param {Bytes} theirs
 */
export async function agree(own, theirs) {
    let secret;
    try {
        secret = await own.agree(theirs);
    } catch {
        throw new NoiseError("a point of small order");
    }
    // Not every WebCrypto refuses it.
    if (secret.every((byte) => byte === 0)) throw new NoiseError("a shared secret of zeros");
    return secret;
}

/** §5.1: a key and the nonce that counts what it sealed or opened. */
export class CipherState {
    /** @type {Aead | null} */
    #key = null;
    count = 0;

    /** @param {Crypto} crypto @param {Bytes} bytes */
    static async withKey(crypto, bytes) {
        const state = new CipherState();
        state.#key = await crypto.aead(bytes);
        return state;
    }

    /** @param {Bytes} data @param {Bytes} plaintext */
    async seal(data, plaintext) {
        if (!this.#key) return plaintext;
        return this.#key.seal(this.#nextNonce(), data, plaintext);
    }

    // §5.1: a message that does not open leaves the nonce unchanged.
    /** @param {Bytes} data @param {Bytes} ciphertext */
    async open(data, ciphertext) {
        if (!this.#key) return ciphertext;
        try {
            return await this.#key.open(this.#nextNonce(), data, ciphertext);
        } catch {
            this.count -= 1;
            throw new NoiseError("it does not open");
        }
    }

    // §12.4: four zero bytes and the counter, big-endian.
    #nextNonce() {
        const nonce = new Uint8Array(12);
        new DataView(nonce.buffer).setBigUint64(4, BigInt(this.count));
        this.count += 1;
        return nonce;
    }
}

/** §5.2: the chaining key, the hash of the whole handshake so far, and the current cipher. */
class SymmetricState {
    #crypto;
    #chainingKey;
    #cipher = new CipherState();

    /** @param {Crypto} crypto */
    constructor(crypto) {
        this.#crypto = crypto;
        // §5.2: a name of exactly 32 bytes is used as it is.
        this.hash = utf8(PROTOCOL);
        this.#chainingKey = this.hash;
    }

    /** @param {Bytes} data */
    async mixHash(data) {
        this.hash = await this.#crypto.sha256(concat(this.hash, data));
    }

    /** @param {Secret} input */
    async mixKey(input) {
        const [chainingKey, key] = await this.#hkdf(input, 2);
        this.#chainingKey = chainingKey;
        this.#cipher = await CipherState.withKey(this.#crypto, key);
    }

    /** @param {Secret} input */
    async mixKeyAndHash(input) {
        const [chainingKey, hash, key] = await this.#hkdf(input, 3);
        this.#chainingKey = chainingKey;
        await this.mixHash(hash);
        this.#cipher = await CipherState.withKey(this.#crypto, key);
    }

    /** @param {Bytes} plaintext */
    async sealAndHash(plaintext) {
        const ciphertext = await this.#cipher.seal(this.hash, plaintext);
        await this.mixHash(ciphertext);
        return ciphertext;
    }

    /** @param {Bytes} ciphertext */
    async openAndHash(ciphertext) {
        const plaintext = await this.#cipher.open(this.hash, ciphertext);
        await this.mixHash(ciphertext);
        return plaintext;
    }

    async split() {
        const keys = await this.#hkdf(EMPTY, 2);
        return Promise.all(keys.map((key) => CipherState.withKey(this.#crypto, key)));
    }

    // §4.3: Noise's HKDF is that of RFC 5869 with the chaining key as salt and no info.
    /** @param {Secret} input @param {number} outputs */
    async #hkdf(input, outputs) {
        const bytes = await this.#crypto.hkdf(input, this.#chainingKey, EMPTY, outputs * 32);
        return Array.from({ length: outputs }, (_, i) => bytes.slice(32 * i, 32 * i + 32));
    }
}

/** §5.3: one side of one handshake. A message that is refused ends it. */
export class HandshakeState {
    #symmetric;
    #initiator;
    #psk;
    #ephemeral;
    /** @type {Bytes} */
    #theirs = EMPTY;
    #turn = 0;

    /**
     * @typedef {object} Beginning
     * @property {Crypto} crypto
     * @property {boolean} initiator
     * @property {Bytes} prologue
     * @property {Secret} psk
     * @property {KeyPair} ephemeral
     */

    /** @param {Beginning} beginning */
    static async begin(beginning) {
        const state = new HandshakeState(beginning);
        await state.#symmetric.mixHash(beginning.prologue);
        return state;
    }

    /** @param {Beginning} beginning */
    constructor({ crypto, initiator, psk, ephemeral }) {
        this.#symmetric = new SymmetricState(crypto);
        this.#initiator = initiator;
        this.#psk = psk;
        this.#ephemeral = ephemeral;
    }

    get hash() {
        return this.#symmetric.hash;
    }

    /** @param {Bytes} payload */
    async write(payload) {
        let ephemeral = EMPTY;
        for (const token of this.#nextMessage(true)) {
            if (token === E) {
                ephemeral = this.#ephemeral.publicKey;
                await this.#mixEphemeral(ephemeral);
            } else {
                await this.#mixSecret(token);
            }
        }
        return concat(ephemeral, await this.#symmetric.sealAndHash(payload));
    }

    /** @param {Bytes} message */
    async read(message) {
        if (message.length < DH_LEN + TAG_LEN) throw new NoiseError(`${message.length} bytes are too few`);
        for (const token of this.#nextMessage(false)) {
            if (token === E) {
                this.#theirs = message.slice(0, DH_LEN);
                await this.#mixEphemeral(this.#theirs);
            } else {
                await this.#mixSecret(token);
            }
        }
        return this.#symmetric.openAndHash(message.slice(DH_LEN));
    }

    /** After the last message: the ciphers from now on. §5.2's first cipher is the initiator's. */
    async split() {
        if (this.#turn !== MESSAGES.length) throw new Error("the handshake is not over");
        const [first, second] = await this.#symmetric.split();
        return this.#initiator ? { sealing: first, opening: second } : { sealing: second, opening: first };
    }

    /** @param {boolean} writing */
    #nextMessage(writing) {
        const ours = (this.#turn % 2 === 0) === this.#initiator;
        if (this.#turn >= MESSAGES.length || ours !== writing) throw new Error("not this side's turn");
        return MESSAGES[this.#turn++];
    }

    // §9.2: with a psk, the ephemeral key is also mixed into the key.
    /** @param {Bytes} key */
    async #mixEphemeral(key) {
        await this.#symmetric.mixHash(key);
        await this.#symmetric.mixKey(key);
    }

    /** @param {string} token */
    async #mixSecret(token) {
        if (token === PSK) return this.#symmetric.mixKeyAndHash(this.#psk);
        return this.#symmetric.mixKey(await agree(this.#ephemeral, this.#theirs));
    }
}
