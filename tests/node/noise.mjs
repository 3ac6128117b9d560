// Noise_NNpsk0_25519_AESGCM_SHA256 with WebCrypto only, after revision 34 of the Noise specification (§ below
// are its sections). It does not know the tunnel; tunnel.mjs calls it.

const subtle = globalThis.crypto.subtle;

export const PROTOCOL = "Noise_NNpsk0_25519_AESGCM_SHA256";
export const DH_LEN = 32;
export const TAG_LEN = 16;

const EMPTY = new Uint8Array(0);
const PSK = "psk";
const E = "e";
const EE = "ee";
// §9.4: NN with the key before the first message; the initiator writes the first line, the responder the
// second.
const MESSAGES = [[PSK, E], [E, EE]];

/** A message, key or point that must not be accepted. */
export class NoiseError extends Error {}

export function concat(...parts) {
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
        whole.set(part, at);
        at += part.length;
    }
    return whole;
}

export async function sha256(bytes) {
    return new Uint8Array(await subtle.digest("SHA-256", bytes));
}

// §4.3: Noise's HKDF is that of RFC 5869 with the chaining key as salt and no info.
async function hkdf(chainingKey, input, outputs) {
    const key = await subtle.importKey("raw", input, "HKDF", false, ["deriveBits"]);
    const algorithm = { name: "HKDF", hash: "SHA-256", salt: chainingKey, info: EMPTY };
    const bits = new Uint8Array(await subtle.deriveBits(algorithm, key, outputs * 256));
    return Array.from({ length: outputs }, (_, i) => bits.slice(32 * i, 32 * i + 32));
}

// RFC 8410: the bytes before the 32 bytes of a private X25519 key in PKCS 8.
const PKCS8_HEAD = Uint8Array.from(atob("MC4CAQAwBQYDK2VuBCIEIA=="), (digit) => digit.charCodeAt(0));
// RFC 7748 §4.1: the base point's u.
const BASE_POINT = Uint8Array.of(9, ...new Uint8Array(31));

export async function dh(privateKey, publicKey) {
    const own = await subtle.importKey("pkcs8", concat(PKCS8_HEAD, privateKey), "X25519", false, ["deriveBits"]);
    const theirs = await subtle.importKey("raw", publicKey, "X25519", true, []);
    let secret;
    try {
        secret = new Uint8Array(await subtle.deriveBits({ name: "X25519", public: theirs }, own, 256));
    } catch {
        throw new NoiseError("a point of small order");
    }
    // Not every WebCrypto refuses it.
    if (secret.every((byte) => byte === 0)) throw new NoiseError("a shared secret of zeros");
    return secret;
}

export async function publicKeyOf(privateKey) {
    return dh(privateKey, BASE_POINT);
}

/** §5.1: a key and the nonce that counts what it sealed or opened. */
export class CipherState {
    #key = null;
    #nonce = 0n;

    static async withKey(bytes) {
        const state = new CipherState();
        state.#key = await subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
        return state;
    }

    async seal(data, plaintext) {
        if (!this.#key) return plaintext;
        const sealed = new Uint8Array(await subtle.encrypt(this.#algorithm(data), this.#key, plaintext));
        this.#nonce += 1n;
        return sealed;
    }

    // §5.1: a message that does not open leaves the nonce unchanged.
    async open(data, ciphertext) {
        if (!this.#key) return ciphertext;
        let plaintext;
        try {
            plaintext = new Uint8Array(await subtle.decrypt(this.#algorithm(data), this.#key, ciphertext));
        } catch {
            throw new NoiseError("it does not open");
        }
        this.#nonce += 1n;
        return plaintext;
    }

    // §12.4: four zero bytes and the counter, big-endian.
    #algorithm(data) {
        const iv = new Uint8Array(12);
        new DataView(iv.buffer).setBigUint64(4, this.#nonce);
        return { name: "AES-GCM", iv, additionalData: data, tagLength: 8 * TAG_LEN };
    }
}

/** §5.2: the chaining key, the hash of the whole handshake so far, and the current cipher. */
class SymmetricState {
    #chainingKey;
    #cipher = new CipherState();

    constructor() {
        // §5.2: a name of exactly 32 bytes is used as it is.
        this.hash = new TextEncoder().encode(PROTOCOL);
        this.#chainingKey = this.hash;
    }

    async mixHash(data) {
        this.hash = await sha256(concat(this.hash, data));
    }

    async mixKey(input) {
        const [chainingKey, key] = await hkdf(this.#chainingKey, input, 2);
        this.#chainingKey = chainingKey;
        this.#cipher = await CipherState.withKey(key);
    }

    async mixKeyAndHash(input) {
        const [chainingKey, hash, key] = await hkdf(this.#chainingKey, input, 3);
        this.#chainingKey = chainingKey;
        await this.mixHash(hash);
        this.#cipher = await CipherState.withKey(key);
    }

    async sealAndHash(plaintext) {
        const ciphertext = await this.#cipher.seal(this.hash, plaintext);
        await this.mixHash(ciphertext);
        return ciphertext;
    }

    async openAndHash(ciphertext) {
        const plaintext = await this.#cipher.open(this.hash, ciphertext);
        await this.mixHash(ciphertext);
        return plaintext;
    }

    async split() {
        const keys = await hkdf(this.#chainingKey, EMPTY, 2);
        return Promise.all(keys.map((key) => CipherState.withKey(key)));
    }
}

/** §5.3: one side of one handshake. A message that is refused ends it. */
export class HandshakeState {
    #symmetric = new SymmetricState();
    #initiator;
    #psk;
    #ephemeral;
    #theirs = null;
    #turn = 0;

    static async begin({ initiator, prologue, psk, ephemeral }) {
        const state = new HandshakeState();
        state.#initiator = initiator;
        state.#psk = psk;
        state.#ephemeral = ephemeral;
        await state.#symmetric.mixHash(prologue);
        return state;
    }

    get hash() {
        return this.#symmetric.hash;
    }

    async write(payload) {
        let ephemeral = EMPTY;
        for (const token of this.#nextMessage(true)) {
            if (token === E) {
                ephemeral = await publicKeyOf(this.#ephemeral);
                await this.#mixEphemeral(ephemeral);
            } else {
                await this.#mixSecret(token);
            }
        }
        return concat(ephemeral, await this.#symmetric.sealAndHash(payload));
    }

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

    #nextMessage(writing) {
        const ours = (this.#turn % 2 === 0) === this.#initiator;
        if (this.#turn >= MESSAGES.length || ours !== writing) throw new Error("not this side's turn");
        return MESSAGES[this.#turn++];
    }

    // §9.2: with a psk, the ephemeral key is also mixed into the key.
    async #mixEphemeral(key) {
        await this.#symmetric.mixHash(key);
        await this.#symmetric.mixKey(key);
    }

    async #mixSecret(token) {
        if (token === PSK) return this.#symmetric.mixKeyAndHash(this.#psk);
        return this.#symmetric.mixKey(await dh(this.#ephemeral, this.#theirs));
    }
}
