// The block cipher AES with keys of 256 bits, after FIPS 197; encryption only, as counter mode needs no
// other.

const ROUNDS = 14;
const KEY_WORDS = 8;

const { box, tables } = makeTables();
const [T0, T1, T2, T3] = tables;

/** One key, expanded. */
export class Aes256 {
    #words = new Int32Array(4 * (ROUNDS + 1));

    /** @param {Uint8Array} key 32 bytes */
    constructor(key) {
        const words = this.#words;
        const view = new DataView(key.buffer, key.byteOffset, key.length);
        for (let i = 0; i < KEY_WORDS; i++) words[i] = view.getInt32(4 * i);
        let round = 1;
        for (let i = KEY_WORDS; i < words.length; i++) {
            let word = words[i - 1];
            if (i % KEY_WORDS === 0) {
                word = substitute((word << 8) | (word >>> 24)) ^ (round << 24);
                round <<= 1;
            } else if (i % KEY_WORDS === 4) {
                word = substitute(word);
            }
            words[i] = words[i - KEY_WORDS] ^ word;
        }
    }

    /** One block of four words. @param {Int32Array} from @param {Int32Array} to */
    encrypt(from, to) {
        const words = this.#words;
        let [a, b, c, d] = [from[0] ^ words[0], from[1] ^ words[1], from[2] ^ words[2], from[3] ^ words[3]];
        let at = 4;
        for (let round = 1; round < ROUNDS; round++, at += 4) {
            const e = T0[a >>> 24] ^ T1[(b >>> 16) & 255] ^ T2[(c >>> 8) & 255] ^ T3[d & 255] ^ words[at];
            const f = T0[b >>> 24] ^ T1[(c >>> 16) & 255] ^ T2[(d >>> 8) & 255] ^ T3[a & 255] ^ words[at + 1];
            const g = T0[c >>> 24] ^ T1[(d >>> 16) & 255] ^ T2[(a >>> 8) & 255] ^ T3[b & 255] ^ words[at + 2];
            d = T0[d >>> 24] ^ T1[(a >>> 16) & 255] ^ T2[(b >>> 8) & 255] ^ T3[c & 255] ^ words[at + 3];
            a = e;
            b = f;
            c = g;
        }
        to[0] = last(a, b, c, d) ^ words[at];
        to[1] = last(b, c, d, a) ^ words[at + 1];
        to[2] = last(c, d, a, b) ^ words[at + 2];
        to[3] = last(d, a, b, c) ^ words[at + 3];
    }
}

/**
 * The last round does not mix columns.
 * @param {number} a
 * @param {number} b
 * @param {number} c
 * @param {number} d
 */
function last(a, b, c, d) {
    return (box[a >>> 24] << 24) | (box[(b >>> 16) & 255] << 16) | (box[(c >>> 8) & 255] << 8) | box[d & 255];
}

/** @param {number} word */
function substitute(word) {
    return last(word, word, word, word);
}

/**
 * FIPS 197 §4.2 and §5.1.1: the box, and what it and the mixing of columns make of each byte in each place.
 */
function makeTables() {
    const box = new Uint8Array(256);
    const tables = Array.from({ length: 4 }, () => new Int32Array(256));
    /** @param {number} byte */
    const double = (byte) => ((byte << 1) ^ (byte & 0x80 ? 0x11b : 0)) & 255;
    // Powers of 3 and of its inverse run through the field together, so each is the other's inverse.
    let [power, inverse] = [1, 1];
    do {
        power ^= double(power);
        inverse = divideByThree(inverse);
        let mixed = inverse;
        for (let shift = 1; shift <= 4; shift++) mixed ^= (inverse << shift) | (inverse >> (8 - shift));
        box[power] = (mixed & 255) ^ 0x63;
    } while (power !== 1);
    box[0] = 0x63;
    for (let i = 0; i < 256; i++) {
        const [s, two] = [box[i], double(box[i])];
        const word = (two << 24) | (s << 16) | (s << 8) | (two ^ s);
        tables.forEach((table, place) => (table[i] = (word >>> (8 * place)) | (word << (32 - 8 * place))));
        tables[0][i] = word;
    }
    return { box, tables };
}

/** Times 0xf6, the inverse of 3. @param {number} byte */
function divideByThree(byte) {
    byte ^= byte << 1;
    byte ^= byte << 2;
    byte ^= byte << 4;
    return (byte ^ (byte & 0x80 ? 0x09 : 0)) & 255;
}
