// AES-256-GCM, after NIST SP 800-38D, with nonces of 12 bytes: the counter mode and its tag.

import { Aes256 } from "./aes.js";
import { Ghash } from "./ghash.js";

/** @typedef {import("../bytes.js").Bytes} Bytes */

const TAG = 16;
const BLOCK = 16;

/** One key. */
export class AesGcm {
    #aes;
    #ghash;
    #counter = new Int32Array(4);
    #stream = new Int32Array(4);

    /** @param {Uint8Array} key 32 bytes */
    constructor(key) {
        this.#aes = new Aes256(key);
        this.#aes.encrypt(new Int32Array(4), this.#stream);
        this.#ghash = new Ghash(this.#stream);
    }

    /**
     * @param {Uint8Array} nonce
     * @param {Uint8Array} data
     * @param {Uint8Array} plaintext
     * @returns {Bytes}
     */
    seal(nonce, data, plaintext) {
        const sealed = new Uint8Array(plaintext.length + TAG);
        this.#xor(nonce, plaintext, sealed);
        sealed.set(this.#tag(nonce, data, sealed.subarray(0, plaintext.length)), plaintext.length);
        return sealed;
    }

    /**
     * Null if it does not open.
     * @param {Uint8Array} nonce
     * @param {Uint8Array} data
     * @param {Uint8Array} sealed
     * @returns {Bytes | null}
     */
    open(nonce, data, sealed) {
        const length = sealed.length - TAG;
        if (length < 0) return null;
        const tag = this.#tag(nonce, data, sealed.subarray(0, length));
        let difference = 0;
        for (let i = 0; i < TAG; i++) difference |= tag[i] ^ sealed[length + i];
        if (difference !== 0) return null;
        const plaintext = new Uint8Array(length);
        this.#xor(nonce, sealed.subarray(0, length), plaintext);
        return plaintext;
    }

    /** @param {Uint8Array} nonce @param {number} count */
    #block(nonce, count) {
        for (let i = 0; i < 3; i++) this.#counter[i] = wordOf(nonce, 4 * i);
        this.#counter[3] = count;
        this.#aes.encrypt(this.#counter, this.#stream);
    }

    // The counter 1 is the tag's, so the text begins at 2.
    /** @param {Uint8Array} nonce @param {Uint8Array} from @param {Uint8Array} to */
    #xor(nonce, from, to) {
        const stream = this.#stream;
        this.#block(nonce, 2);
        for (let at = 0; at < from.length; at += BLOCK) {
            const end = Math.min(from.length, at + BLOCK);
            for (let i = at; i < end; i++) to[i] = from[i] ^ (stream[(i - at) >> 2] >>> (24 - 8 * (i & 3)));
            this.#counter[3] += 1;
            this.#aes.encrypt(this.#counter, stream);
        }
    }

    /** @param {Uint8Array} nonce @param {Uint8Array} data @param {Uint8Array} ciphertext */
    #tag(nonce, data, ciphertext) {
        const hash = this.#ghash.of(data, ciphertext);
        this.#block(nonce, 1);
        const tag = new Uint8Array(TAG);
        const view = new DataView(tag.buffer);
        for (let i = 0; i < 4; i++) view.setInt32(4 * i, hash[i] ^ this.#stream[i]);
        return tag;
    }
}

/** @param {Uint8Array} bytes @param {number} at */
function wordOf(bytes, at) {
    return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
}
