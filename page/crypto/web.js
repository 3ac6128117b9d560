// The backend on WebCrypto.

import { concat } from "../bytes.js";

/**
 * @typedef {import("./crypto.js").Bytes} Bytes
 * @typedef {import("./crypto.js").Secret} Secret
 */

// RFC 8410: the bytes before the 32 bytes of a private X25519 key in PKCS 8.
const PKCS8_HEAD = Uint8Array.from(atob("MC4CAQAwBQYDK2VuBCIEIA=="), (digit) => digit.charCodeAt(0));
// RFC 7748 §4.1: the base point's u.
const BASE_POINT = Uint8Array.of(9, ...new Uint8Array(31));
const X25519 = { name: "X25519" };

/**
 * @param {SubtleCrypto} subtle
 * @returns {import("./crypto.js").Crypto}
 */
export function webCrypto(subtle) {
    /** @param {Bytes} bytes */
    const keep = (bytes) => subtle.importKey("raw", bytes, "HKDF", false, ["deriveBits"]);

    /** @param {CryptoKey} own @param {Bytes} theirs */
    const agree = async (own, theirs) => {
        const key = await subtle.importKey("raw", theirs, X25519, true, []);
        return new Uint8Array(await subtle.deriveBits({ name: "X25519", public: key }, own, 256));
    };

    return {
        name: "web",
        sha256: async (bytes) => new Uint8Array(await subtle.digest("SHA-256", bytes)),
        keep,

        async hkdf(secret, salt, info, length) {
            const key = secret instanceof Uint8Array ? await keep(secret) : secret;
            const algorithm = { name: "HKDF", hash: "SHA-256", salt, info };
            return new Uint8Array(await subtle.deriveBits(algorithm, key, 8 * length));
        },

        async keyPair(privateKey) {
            if (!privateKey) {
                const made = await subtle.generateKey(X25519, false, ["deriveBits"]);
                const pair = /** @type {CryptoKeyPair} */ (made);
                const publicKey = new Uint8Array(await subtle.exportKey("raw", pair.publicKey));
                return { publicKey, agree: (theirs) => agree(pair.privateKey, theirs) };
            }
            const own = await subtle.importKey("pkcs8", concat(PKCS8_HEAD, privateKey), X25519, false, ["deriveBits"]);
            return { publicKey: await agree(own, BASE_POINT), agree: (theirs) => agree(own, theirs) };
        },

        async aead(bytes) {
            const key = await subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
            /** @param {Bytes} iv @param {Bytes} additionalData */
            const algorithm = (iv, additionalData) => ({ name: "AES-GCM", iv, additionalData, tagLength: 128 });
            return {
                seal: async (nonce, data, plaintext) =>
                    new Uint8Array(await subtle.encrypt(algorithm(nonce, data), key, plaintext)),
                open: async (nonce, data, ciphertext) =>
                    new Uint8Array(await subtle.decrypt(algorithm(nonce, data), key, ciphertext)),
            };
        },
    };
}
