// HMAC (RFC 2104) and HKDF (RFC 5869) with SHA-256.

import { concat } from "../bytes.js";
import { sha256 } from "./sha256.js";

/** @typedef {import("../bytes.js").Bytes} Bytes */

/**
 * @param {Uint8Array} key
 * @param {...ArrayLike<number>} message its parts
 */
export function hmac(key, ...message) {
    const block = new Uint8Array(64);
    block.set(key.length > 64 ? sha256(key) : key);
    const inner = sha256(concat(block.map((byte) => byte ^ 0x36), ...message));
    return sha256(concat(block.map((byte) => byte ^ 0x5c), inner));
}

/**
 * @param {Uint8Array} input
 * @param {Uint8Array} salt
 * @param {Uint8Array} info
 * @param {number} length
 * @returns {Bytes}
 */
export function hkdf(input, salt, info, length) {
    const key = hmac(salt, input);
    /** @type {Bytes} */
    let all = new Uint8Array(0);
    /** @type {Bytes} */
    let last = all;
    for (let i = 1; all.length < length; i++) {
        last = hmac(key, last, info, [i]);
        all = concat(all, last);
    }
    return all.slice(0, length);
}
