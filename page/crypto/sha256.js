// SHA-256, after FIPS 180-4.

/** @typedef {import("../bytes.js").Bytes} Bytes */

const BLOCK = 64;

/** The first 32 bits of the fractional parts of roots of the first primes: FIPS 180-4 §4.2.2 and §5.3.3. */
const { rounds: K, start: START } = constants();
const words = new Int32Array(64);

/** A hash that takes its bytes one after the other. */
export class Sha256 {
    #state = START.slice();
    #rest = new Uint8Array(BLOCK);
    #length = 0;

    /** @param {Uint8Array} bytes */
    update(bytes) {
        const filled = this.#length % BLOCK;
        this.#length += bytes.length;
        let at = 0;
        if (filled > 0) {
            at = Math.min(BLOCK - filled, bytes.length);
            this.#rest.set(bytes.subarray(0, at), filled);
            if (filled + at < BLOCK) return this;
            compress(this.#state, this.#rest, 0);
        }
        for (; at + BLOCK <= bytes.length; at += BLOCK) compress(this.#state, bytes, at);
        this.#rest.set(bytes.subarray(at));
        return this;
    }

    /** Takes over what another one has taken. @param {Sha256} other */
    become(other) {
        this.#state = other.#state.slice();
        this.#rest = other.#rest.slice();
        this.#length = other.#length;
    }

    /** The hash of what came so far; more may follow. @returns {Bytes} */
    digest() {
        const filled = this.#length % BLOCK;
        const last = new Uint8Array(filled < BLOCK - 8 ? BLOCK : 2 * BLOCK);
        last.set(this.#rest.subarray(0, filled));
        last[filled] = 0x80;
        const lengthAt = new DataView(last.buffer, last.length - 8);
        lengthAt.setUint32(0, Math.floor(this.#length / 0x2000_0000));
        lengthAt.setUint32(4, this.#length << 3);
        const state = this.#state.slice();
        for (let at = 0; at < last.length; at += BLOCK) compress(state, last, at);
        const digest = new Uint8Array(32);
        const view = new DataView(digest.buffer);
        state.forEach((word, i) => view.setInt32(4 * i, word));
        return digest;
    }
}

/** @param {Uint8Array} bytes */
export function sha256(bytes) {
    return new Sha256().update(bytes).digest();
}

/** @param {Int32Array} state @param {Uint8Array} bytes @param {number} at */
function compress(state, bytes, at) {
    for (let i = 0; i < 16; i++) {
        const from = at + 4 * i;
        words[i] = (bytes[from] << 24) | (bytes[from + 1] << 16) | (bytes[from + 2] << 8) | bytes[from + 3];
    }
    for (let i = 16; i < 64; i++) {
        const [early, late] = [words[i - 15], words[i - 2]];
        const s0 = rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3);
        const s1 = rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10);
        words[i] = (words[i - 16] + s0 + words[i - 7] + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
        const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        const one = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + words[i]) | 0;
        const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
        const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        h = g;
        g = f;
        f = e;
        e = (d + one) | 0;
        d = c;
        c = b;
        b = a;
        a = (one + two) | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

/** @param {number} word @param {number} bits */
function rotate(word, bits) {
    return (word >>> bits) | (word << (32 - bits));
}

function constants() {
    /** @type {number[]} */
    const primes = [];
    for (let number = 2; primes.length < 64; number++) {
        if (primes.every((prime) => number % prime !== 0)) primes.push(number);
    }
    // Exact for these: the integer root of prime · 2^(32·root) by search in big numbers.
    /** @param {number} prime @param {bigint} root */
    const bits = (prime, root) => {
        const target = BigInt(prime) << (32n * root);
        let [low, high] = [0n, 1n << 36n];
        while (high - low > 1n) {
            const middle = (low + high) >> 1n;
            if (middle ** root <= target) low = middle;
            else high = middle;
        }
        return Number(BigInt.asIntN(32, low));
    };
    return {
        rounds: Int32Array.from(primes, (prime) => bits(prime, 3n)),
        start: Int32Array.from(primes.slice(0, 8), (prime) => bits(prime, 2n)),
    };
}
