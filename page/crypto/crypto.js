// What the tunnel needs of cryptography, as one interface with two backends: WebCrypto, and our own for pages
// that have none. `chooseCrypto` finds out which this browser has by trying.

import { webCrypto } from "./web.js";

/** @typedef {import("../bytes.js").Bytes} Bytes */

/**
 * A secret for `hkdf` that can be stored: a key that cannot be read out again where the browser has such,
 * else bytes.
 * @typedef {CryptoKey | Bytes} Secret
 */

/**
 * An X25519 key pair.
 * @typedef {object} KeyPair
 * @property {Bytes} publicKey
 * @property {(theirs: Bytes) => Promise<Bytes>} agree fails, or gives zeros, for a point of small order
 */

/**
 * AES-256-GCM under one key, with nonces of 12 bytes and tags of 16.
 * @typedef {object} Aead
 * @property {(nonce: Bytes, data: Bytes, plaintext: Bytes) => Promise<Bytes>} seal
 * @property {(nonce: Bytes, data: Bytes, ciphertext: Bytes) => Promise<Bytes>} open fails if it does not open
 */

/**
 * `mixed` is WebCrypto without X25519: the pair key cannot be read out, and the page came encrypted.
 * @typedef {object} Crypto
 * @property {"web" | "mixed" | "own"} name
 * @property {(bytes: Bytes) => Promise<Bytes>} sha256
 * @property {(secret: Secret, salt: Bytes, info: Bytes, length: number) => Promise<Bytes>} hkdf RFC 5869,
 *     SHA-256
 * @property {(bytes: Bytes) => Promise<Secret>} keep
 * @property {(privateKey?: Bytes) => Promise<KeyPair>} keyPair a new one, or that of a given private key
 * @property {(key: Bytes) => Promise<Aead>} aead
 */

/**
 * @param {SubtleCrypto | undefined} [subtle]
 * @returns {Promise<Crypto>}
 */
export async function chooseCrypto(subtle = globalThis.crypto.subtle) {
    if (!subtle) return (await own()).ownCrypto();
    try {
        await subtle.generateKey({ name: "X25519" }, false, ["deriveBits"]);
        return webCrypto(subtle);
    } catch {
        return { ...webCrypto(subtle), name: "mixed", keyPair: (await own()).ownKeyPair };
    }
}

/** Few browsers need it, so it is a file of its own: see relayd/build.rs. */
function own() {
    return import("./own.js");
}

/**
 * Random bytes: there also where WebCrypto is not.
 * @param {number} length
 */
export function randomBytes(length) {
    return globalThis.crypto.getRandomValues(new Uint8Array(length));
}
