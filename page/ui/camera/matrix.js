// What a QR code's modules say (ISO/IEC 18004), for versions 1 to 15: format, mask, blocks, and their bytes
// mended by Reed-Solomon.

import { mend } from "./reed_solomon.js";

/** A square of modules. @typedef {{ size: number, isDark: (x: number, y: number) => boolean }} Modules */

export const VERSION_MAX = 15;
// For each level L, M, Q, H: per version the bytes of correction in a block, and how many blocks there are.
const CORRECTION = [
    [7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22],
    [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24],
    [13, 22, 18, 26, 18, 24, 18, 22, 20, 24, 28, 26, 24, 20, 30],
    [17, 28, 22, 16, 22, 28, 26, 26, 24, 28, 24, 28, 22, 24, 24],
];
const BLOCKS = [
    [1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6],
    [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10],
    [1, 1, 2, 2, 4, 4, 6, 6, 8, 8, 8, 10, 12, 16, 12],
    [1, 1, 2, 4, 4, 4, 5, 6, 8, 8, 11, 11, 16, 16, 18],
];
/** Levels by their two bits in the format. */
const LEVELS = [1, 0, 3, 2];
/** @type {((x: number, y: number) => boolean)[]} */
const MASKS = [
    (x, y) => (x + y) % 2 === 0,
    (_, y) => y % 2 === 0,
    (x) => x % 3 === 0,
    (x, y) => (x + y) % 3 === 0,
    (x, y) => ((y >> 1) + Math.floor(x / 3)) % 2 === 0,
    (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
    (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
    (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

/** The text that the modules say; null if they say none. @param {Modules} modules */
export function readModules(modules) {
    const version = (modules.size - 17) / 4;
    const format = formatOf(modules);
    if (!format || !Number.isInteger(version) || version < 1 || version > VERSION_MAX) return null;
    const bytes = dataOf(codewords(modules, version, MASKS[format.mask]), version, format.level);
    return bytes && textOf(bytes, version);
}

/** The format is there twice, with its own correction: at most three of fifteen bits may be wrong. */
/** @param {Modules} modules */
function formatOf({ size, isDark }) {
    let first = 0, second = 0;
    for (let at = 0; at <= 5; at++) first = (first << 1) | Number(isDark(at, 8));
    for (const [x, y] of [[7, 8], [8, 8], [8, 7]]) first = (first << 1) | Number(isDark(x, y));
    for (let at = 5; at >= 0; at--) first = (first << 1) | Number(isDark(8, at));
    for (let at = 1; at <= 7; at++) second = (second << 1) | Number(isDark(8, size - at));
    for (let at = 8; at >= 1; at--) second = (second << 1) | Number(isDark(size - at, 8));
    for (let bits = 0; bits < 32; bits++) {
        const whole = formatBits(bits);
        if ([first, second].some((read) => ones(read ^ whole) <= 3)) return { level: LEVELS[bits >> 3], mask: bits & 7 };
    }
    return null;
}

/** @param {number} bits */
function formatBits(bits) {
    let rest = bits;
    for (let at = 0; at < 10; at++) rest = (rest << 1) ^ ((rest >> 9) * 0x537);
    return ((bits << 10) | rest) ^ 0x5412;
}

/** @param {number} bits */
function ones(bits) {
    let count = 0;
    for (let rest = bits; rest; rest &= rest - 1) count += 1;
    return count;
}

/** Where alignment patterns have their centres, in either direction. @param {number} version */
export function alignments(version) {
    if (version === 1) return [];
    const count = Math.floor(version / 7) + 2, last = version * 4 + 10;
    const step = Math.ceil((last - 6) / (count - 1) / 2) * 2;
    return [6, ...Array.from({ length: count - 1 }, (_, at) => last - step * (count - 2 - at))];
}

/** True where a module is part of a pattern and says nothing. @param {number} size @param {number} version */
function isPattern(size, version) {
    const centres = alignments(version), last = size - 7;
    const isFinder = (/** @type {number} */ x, /** @type {number} */ y) => (x < 9 && y < 9) || (x > size - 9 && y < 9) || (x < 9 && y > size - 9);
    const isCorner = (/** @type {number} */ x, /** @type {number} */ y) => (x === 6 && (y === 6 || y === last)) || (x === last && y === 6);
    return (/** @type {number} */ x, /** @type {number} */ y) => {
        if (isFinder(x, y) || x === 6 || y === 6) return true;
        const isVersion = version >= 7 && ((x < 6 && y > size - 12) || (y < 6 && x > size - 12));
        const near = (/** @type {number} */ at) => centres.find((centre) => Math.abs(centre - at) <= 2);
        const [cx, cy] = [near(x), near(y)];
        return isVersion || (cx !== undefined && cy !== undefined && !isCorner(cx, cy));
    };
}

/** @param {Modules} modules @param {number} version @param {(x: number, y: number) => boolean} mask */
function codewords({ size, isDark }, version, mask) {
    const isUsed = isPattern(size, version);
    /** @type {number[]} */
    const bytes = [];
    let byte = 0, bits = 0, isUp = true;
    for (let right = size - 1; right > 0; right -= 2, isUp = !isUp) {
        if (right === 6) right = 5;
        for (let step = 0; step < size; step++) {
            const y = isUp ? size - 1 - step : step;
            for (const x of [right, right - 1]) {
                if (isUsed(x, y)) continue;
                byte = (byte << 1) | Number(isDark(x, y) !== mask(x, y));
                bits += 1;
                if (bits % 8 > 0) continue;
                bytes.push(byte);
                byte = 0;
            }
        }
    }
    return bytes;
}

/** The blocks' data, each mended. @param {number[]} all @param {number} version @param {number} level */
function dataOf(all, version, level) {
    const count = BLOCKS[level][version - 1], correction = CORRECTION[level][version - 1];
    const short = Math.floor(all.length / count) - correction, longer = all.length % count;
    const lengths = Array.from({ length: count }, (_, at) => short + Number(at >= count - longer));
    /** @type {number[][]} */
    const blocks = lengths.map(() => []);
    let next = 0;
    for (let at = 0; at <= short; at++) lengths.forEach((length, block) => at < length && blocks[block].push(all[next++]));
    for (let at = 0; at < correction; at++) for (const block of blocks) block.push(all[next++]);
    const mended = blocks.map((block) => mend(block, correction));
    return mended.every((block) => block !== null) ? mended.flatMap((block, at) => block?.slice(0, lengths[at]) ?? []) : null;
}

const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

/** @param {number[]} bytes @param {number} version */
function textOf(bytes, version) {
    let at = 0;
    const left = () => bytes.length * 8 - at;
    const take = (/** @type {number} */ count) => {
        let value = 0;
        for (const end = at + count; at < end; at++) value = (value << 1) | ((bytes[at >> 3] >> (7 - (at & 7))) & 1);
        return value;
    };
    /** @type {number[]} */
    const said = [];
    const letter = (/** @type {number} */ value) => said.push(LETTERS.charCodeAt(value));
    const isWide = version >= 10;
    while (left() >= 4) {
        const kind = take(4);
        if (kind === 0) break;
        const width = kind === 4 ? (isWide ? 16 : 8) : kind === 2 ? (isWide ? 11 : 9) : isWide ? 12 : 10;
        if (![1, 2, 4].includes(kind) || left() < width) return null;
        let count = take(width);
        const needed = kind === 4 ? count * 8 : kind === 2 ? Math.ceil(count * 5.5) : Math.ceil((count * 10) / 3);
        if (needed > left()) return null;
        if (kind === 4) for (; count > 0; count--) said.push(take(8));
        else if (kind === 2) {
            for (; count > 1; count -= 2) {
                const two = take(11);
                letter(Math.floor(two / 45)), letter(two % 45);
            }
            if (count) letter(take(6));
        } else {
            for (; count > 0; count -= 3) {
                const digits = Math.min(count, 3);
                for (const digit of String(take([0, 4, 7, 10][digits])).padStart(digits, "0")) said.push(digit.charCodeAt(0));
            }
        }
    }
    return new TextDecoder().decode(Uint8Array.from(said));
}
