// X25519, after RFC 7748: numbers modulo p = 2^255 − 19 in 16 limbs of 16 bits. No branch and no index
// depends on a secret.

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {Float64Array} Field sums and differences of two reduced numbers may be multiplied
 */

const LIMBS = 16;
const A24 = 121_665;
const P = Float64Array.of(0xffed, ...new Array(14).fill(0xffff), 0x7fff);
const product = new Float64Array(2 * LIMBS);

/**
 * The shared secret; zeros for a point of small order.
 * @param {Uint8Array} privateKey
 * @param {Uint8Array} point
 */
export function x25519(privateKey, point) {
    const scalar = privateKey.slice();
    scalar[0] &= 248;
    scalar[31] = (scalar[31] & 127) | 64;
    return ladder(scalar, unpack(point));
}

/** @param {Uint8Array} privateKey */
export function publicKeyOf(privateKey) {
    return x25519(privateKey, Uint8Array.of(9, ...new Uint8Array(31)));
}

/** RFC 7748 §5, with its names. @param {Uint8Array} scalar @param {Field} x1 */
function ladder(scalar, x1) {
    const [x2, z2, x3, z3] = [field(1), field(0), x1.slice(), field(1)];
    const [a, b, c, d, e, aa, bb] = Array.from({ length: 7 }, () => field(0));
    let swapped = 0;
    for (let t = 254; t >= 0; t--) {
        const bit = (scalar[t >> 3] >> (t & 7)) & 1;
        swap(swapped ^ bit, x2, x3);
        swap(swapped ^ bit, z2, z3);
        swapped = bit;
        add(a, x2, z2);
        subtract(b, x2, z2);
        add(c, x3, z3);
        subtract(d, x3, z3);
        multiply(aa, a, a);
        multiply(bb, b, b);
        multiply(d, d, a);
        multiply(c, c, b);
        subtract(e, aa, bb);
        add(x3, d, c);
        multiply(x3, x3, x3);
        subtract(z3, d, c);
        multiply(z3, z3, z3);
        multiply(z3, z3, x1);
        multiply(x2, aa, bb);
        scale(z2, e, A24);
        add(z2, z2, aa);
        multiply(z2, z2, e);
    }
    swap(swapped, x2, x3);
    swap(swapped, z2, z3);
    multiply(x2, x2, inverse(z2));
    return pack(x2);
}

/** @param {number} small @returns {Field} */
function field(small) {
    const made = new Float64Array(LIMBS);
    made[0] = small;
    return made;
}

/** @param {Field} out @param {Field} left @param {Field} right */
function add(out, left, right) {
    for (let i = 0; i < LIMBS; i++) out[i] = left[i] + right[i];
}

/** @param {Field} out @param {Field} left @param {Field} right */
function subtract(out, left, right) {
    for (let i = 0; i < LIMBS; i++) out[i] = left[i] - right[i];
}

/** @param {Field} out @param {Field} left @param {number} factor */
function scale(out, left, factor) {
    for (let i = 0; i < LIMBS; i++) out[i] = left[i] * factor;
    carry(out);
    carry(out);
}

// The limbs are under 2^18 here, so a sum of 16 products, 38 times, is under 2^46: exact.
/** @param {Field} out @param {Field} left @param {Field} right */
function multiply(out, left, right) {
    product.fill(0);
    for (let i = 0; i < LIMBS; i++) {
        const factor = left[i];
        for (let j = 0; j < LIMBS; j++) product[i + j] += factor * right[j];
    }
    // 2^256 is 38 modulo p.
    for (let i = 0; i < LIMBS; i++) out[i] = product[i] + 38 * product[i + LIMBS];
    carry(out);
    carry(out);
}

/** Limbs into 0..65535 again, but for what comes round into the first. @param {Field} out */
function carry(out) {
    let over = 0;
    for (let i = 0; i < LIMBS; i++) {
        const limb = out[i] + over;
        over = Math.floor(limb / 65_536);
        out[i] = limb - over * 65_536;
    }
    out[0] += 38 * over;
}

/** Exchanges the two if `bit` is 1. @param {number} bit @param {Field} left @param {Field} right */
function swap(bit, left, right) {
    for (let i = 0; i < LIMBS; i++) {
        const difference = bit * (left[i] - right[i]);
        left[i] -= difference;
        right[i] += difference;
    }
}

/** The power p − 2, of which all bits are set but two. @param {Field} of @returns {Field} */
function inverse(of) {
    const power = of.slice();
    for (let bit = 253; bit >= 0; bit--) {
        multiply(power, power, power);
        if (bit !== 2 && bit !== 4) multiply(power, power, of);
    }
    return power;
}

/** RFC 7748 §5: the highest bit is left out. @param {Uint8Array} bytes @returns {Field} */
function unpack(bytes) {
    const out = field(0);
    for (let i = 0; i < LIMBS; i++) out[i] = bytes[2 * i] + 256 * bytes[2 * i + 1];
    out[LIMBS - 1] %= 32_768;
    return out;
}

/** @param {Field} number @returns {Bytes} */
function pack(number) {
    carry(number);
    carry(number);
    carry(number);
    // It is under 2^256 now: p is taken off twice at most.
    for (let time = 0; time < 2; time++) {
        const less = new Float64Array(LIMBS);
        let borrow = 0;
        for (let i = 0; i < LIMBS; i++) {
            const limb = number[i] - P[i] - borrow;
            borrow = limb < 0 ? 1 : 0;
            less[i] = limb + 65_536 * borrow;
        }
        swap(1 - borrow, number, less);
    }
    const bytes = new Uint8Array(2 * LIMBS);
    for (let i = 0; i < LIMBS; i++) {
        bytes[2 * i] = number[i] % 256;
        bytes[2 * i + 1] = Math.floor(number[i] / 256);
    }
    return bytes;
}
