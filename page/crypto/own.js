// The backend of our own, for pages without WebCrypto. Its arithmetic takes the same steps whatever the keys
// are, but a browser promises no constant time, and AES reads tables. So it is the second choice.

import { AesGcm } from "./aes_gcm.js";
import { sha256 } from "./sha256.js";
import { hkdf } from "./hkdf.js";
import { publicKeyOf, x25519 } from "./x25519.js";

/**
 * @typedef {import("./crypto.js").Bytes} Bytes
 */

/** @returns {import("./crypto.js").Crypto} */
export function ownCrypto() {
    return {
        name: "own",
        sha256: async (bytes) => sha256(bytes),
        hkdf: async (secret, salt, info, length) => hkdf(asBytes(secret), salt, info, length),
        keep: async (bytes) => bytes.slice(),
        keyPair: ownKeyPair,

        async aead(key) {
            const cipher = new AesGcm(key);
            return {
                seal: async (nonce, data, plaintext) => cipher.seal(nonce, data, plaintext),
                open: async (nonce, data, ciphertext) => {
                    const plaintext = cipher.open(nonce, data, ciphertext);
                    if (!plaintext) throw new Error("it does not open");
                    return plaintext;
                },
            };
        },
    };
}

/**
 * @param {Bytes} [privateKey]
 * @returns {Promise<import("./crypto.js").KeyPair>}
 */
export async function ownKeyPair(privateKey) {
    const own = privateKey ?? globalThis.crypto.getRandomValues(new Uint8Array(32));
    return { publicKey: publicKeyOf(own), agree: async (theirs) => x25519(own, theirs) };
}

/** @param {import("./crypto.js").Secret} secret */
function asBytes(secret) {
    if (secret instanceof Uint8Array) return secret;
    throw new Error("this key belongs to WebCrypto, which this page does not have");
}
