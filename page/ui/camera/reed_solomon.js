// Mends the bytes of a block by its bytes of correction: Reed-Solomon over GF(256), as QR codes have it.

const EXP = new Uint8Array(512), LOG = new Uint8Array(256);
for (let at = 0, value = 1; at < 255; at++) {
    EXP[at] = EXP[at + 255] = value;
    LOG[value] = at;
    value = (value << 1) ^ ((value >> 7) * 0x11d);
}

/** @param {number} a @param {number} b */
const times = (a, b) => (a && b ? EXP[LOG[a] + LOG[b]] : 0);
/** @param {number} a @param {number} b not 0 */
const over = (a, b) => (a ? EXP[LOG[a] + 255 - LOG[b]] : 0);
/** The value of a polynomial, lowest coefficient first. @param {number[]} poly @param {number} x */
const valueAt = (poly, x) => poly.reduceRight((sum, coefficient) => times(sum, x) ^ coefficient, 0);

/**
 * The block without its faults; null if it has too many. The last `correction` bytes are the correction.
 * @param {number[]} block
 * @param {number} correction
 */
export function mend(block, correction) {
    const syndromes = syndromesOf(block, correction);
    if (syndromes.every((value) => value === 0)) return block;
    const locator = locatorOf(syndromes);
    const faults = locator.length - 1;
    const places = block.map((_, at) => at).filter((at) => valueAt(locator, EXP[255 - ((block.length - 1 - at) % 255)]) === 0);
    if (faults > correction / 2 || places.length !== faults) return null;
    const product = new Array(correction).fill(0);
    locator.forEach((a, i) => syndromes.forEach((b, j) => i + j < correction && (product[i + j] ^= times(a, b))));
    const mended = [...block];
    for (const at of places) {
        const power = block.length - 1 - at, inverse = EXP[255 - (power % 255)];
        // The derivative has the odd coefficients only.
        const slope = valueAt(locator.filter((_, i) => i % 2 === 1), times(inverse, inverse));
        if (slope === 0) return null;
        mended[at] ^= times(EXP[power % 255], over(valueAt(product, inverse), slope));
    }
    return syndromesOf(mended, correction).every((value) => value === 0) ? mended : null;
}

/** @param {number[]} block @param {number} correction */
function syndromesOf(block, correction) {
    return Array.from({ length: correction }, (_, at) => block.reduce((sum, byte) => times(sum, EXP[at]) ^ byte, 0));
}

/** The polynomial whose roots are the places of the faults (Berlekamp-Massey). @param {number[]} syndromes */
function locatorOf(syndromes) {
    let locator = [1], before = [1], length = 0, shift = 1, last = 1;
    for (let at = 0; at < syndromes.length; at++) {
        let wrong = 0;
        for (let i = 0; i <= length; i++) wrong ^= times(locator[i] ?? 0, syndromes[at - i] ?? 0);
        if (wrong === 0) {
            shift += 1;
            continue;
        }
        const former = locator, factor = over(wrong, last);
        locator = Array.from({ length: Math.max(locator.length, before.length + shift) }, (_, i) => (locator[i] ?? 0) ^ times(factor, before[i - shift] ?? 0));
        shift += 1;
        if (2 * length > at) continue;
        [before, length, last, shift] = [former, at + 1 - length, wrong, 1];
    }
    while (locator.length > 1 && locator.at(-1) === 0) locator.pop();
    return locator;
}
