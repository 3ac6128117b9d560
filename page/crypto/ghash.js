// GHASH of NIST SP 800-38D §6.4, a byte at a time with tables of the key's multiples. A number is four words;
// its highest bit is x^0, so multiplying by x shifts right.

const BLOCK = 16;
const REDUCTION = 0xe1 << 24;

/** What a byte that was shifted out on the right gives to the first word. */
const REDUCED = Int32Array.from({ length: 256 }, (_, byte) => {
    const word = Int32Array.of(0, 0, 0, byte);
    for (let bit = 0; bit < 8; bit++) timesX(word);
    return word[0];
});

/** One key. */
export class Ghash {
    // The multiples of the key by each byte, as if it were the first of a block.
    #multiples = new Int32Array(4 * 256);
    #sum = new Int32Array(4);

    /** @param {Int32Array} key four words */
    constructor(key) {
        const multiple = key.slice();
        for (let bit = 0x80; bit > 0; bit >>= 1) {
            this.#multiples.set(multiple, 4 * bit);
            timesX(multiple);
        }
        for (let byte = 1; byte < 256; byte++) {
            const low = byte & -byte;
            for (let i = 0; i < 4 && low !== byte; i++) {
                this.#multiples[4 * byte + i] = this.#multiples[4 * low + i] ^ this.#multiples[4 * (byte ^ low) + i];
            }
        }
    }

    /**
     * Of both, each filled up to whole blocks, and their lengths. What it returns is valid until the next
     * call.
     * @param {Uint8Array} data
     * @param {Uint8Array} text
     */
    of(data, text) {
        this.#sum.fill(0);
        this.#take(data);
        this.#take(text);
        const lengths = new DataView(new ArrayBuffer(BLOCK));
        lengths.setBigUint64(0, BigInt(data.length) * 8n);
        lengths.setBigUint64(8, BigInt(text.length) * 8n);
        this.#take(new Uint8Array(lengths.buffer));
        return this.#sum;
    }

    /** @param {Uint8Array} bytes */
    #take(bytes) {
        const [sum, multiples] = [this.#sum, this.#multiples];
        for (let at = 0; at < bytes.length; at += BLOCK) {
            let [a, b, c, d] = [0, 0, 0, 0];
            for (let i = BLOCK - 1; i >= 0; i--) {
                const out = d & 255;
                d = (d >>> 8) | (c << 24);
                c = (c >>> 8) | (b << 24);
                b = (b >>> 8) | (a << 24);
                a = (a >>> 8) ^ REDUCED[out];
                // Behind the end, `bytes` gives undefined, which counts as 0.
                const byte = ((sum[i >> 2] >>> (24 - 8 * (i & 3))) & 255) ^ bytes[at + i];
                const of = 4 * byte;
                a ^= multiples[of];
                b ^= multiples[of + 1];
                c ^= multiples[of + 2];
                d ^= multiples[of + 3];
            }
            sum[0] = a;
            sum[1] = b;
            sum[2] = c;
            sum[3] = d;
        }
    }
}

/** @param {Int32Array} word */
function timesX(word) {
    const carry = word[3] & 1;
    for (let i = 3; i > 0; i--) word[i] = (word[i] >>> 1) | (word[i - 1] << 31);
    word[0] = (word[0] >>> 1) ^ (carry ? REDUCTION : 0);
}
