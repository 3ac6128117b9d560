// Reads a QR code in a picture of a camera, for browsers that cannot: those of iPhones, Firefox, Chromium on
// Linux.

import { distance, triples } from "./finders.js";
import { alignments, readModules, VERSION_MAX } from "./matrix.js";

/** @typedef {import("./finders.js").Picture} Picture */
/** @typedef {{ x: number, y: number }} Point */

/**
 * The text of a code in the picture; null if none is read.
 * @param {{ data: ArrayLike<number>, width: number, height: number }} image four bytes for each point
 */
export function scan(image) {
    const picture = pictureOf(image);
    for (const corners of triples(picture)) {
        const text = readAt(picture, corners);
        if (text) return text;
    }
    return null;
}

/** Dark is what is darker than its surroundings. @param {Parameters<typeof scan>[0]} image @returns {Picture} */
function pictureOf({ data, width, height }) {
    const gray = new Uint8Array(width * height), sums = new Uint32Array((width + 1) * (height + 1));
    for (let y = 0; y < height; y++) {
        for (let x = 0, row = 0; x < width; x++) {
            const at = (y * width + x) * 4;
            const value = (data[at] * 3 + data[at + 1] * 6 + data[at + 2]) / 10;
            gray[y * width + x] = value;
            row += gray[y * width + x];
            sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1] + row;
        }
    }
    const reach = Math.max(12, Math.round(Math.min(width, height) / 8));
    const isDark = (/** @type {number} */ x, /** @type {number} */ y) => {
        if (x < 0 || y < 0 || x >= width || y >= height) return false;
        const [left, right] = [Math.max(0, x - reach), Math.min(width, x + reach)];
        const [top, bottom] = [Math.max(0, y - reach) * (width + 1), Math.min(height, y + reach) * (width + 1)];
        const sum = sums[bottom + right] - sums[top + right] - sums[bottom + left] + sums[top + left];
        const mean = sum / (((bottom - top) / (width + 1)) * (right - left));
        return gray[y * width + x] < mean * 0.9;
    };
    const dark = new Uint8Array(width * height);
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) dark[y * width + x] = Number(isDark(x, y));
    return { width, height, isDark: (x, y) => x >= 0 && y >= 0 && x < width && y < height && dark[y * width + x] === 1 };
}

/** @param {Picture} picture @param {import("./finders.js").Finder[]} corners */
function readAt(picture, [corner, right, below]) {
    // The finders were measured along the picture's lines, which may be aslant to the code's.
    const slant = Math.max(Math.abs(right.x - corner.x), Math.abs(right.y - corner.y)) / distance(corner, right);
    const module = ((corner.module + right.module + below.module) / 3) * slant;
    const guess = (distance(corner, right) + distance(corner, below)) / 2 / module + 7;
    const near = Math.round((guess - 17) / 4);
    for (const version of [near, near - 1, near + 1]) {
        if (version < 1 || version > VERSION_MAX) continue;
        const size = version * 4 + 17;
        for (const fourth of fourths(picture, [corner, right, below], version)) {
            const place = mapping(size, [corner, right, below], fourth);
            const text = readModules({
                size,
                isDark: (x, y) => {
                    const point = place(x + 0.5, y + 0.5);
                    return picture.isDark(Math.floor(point.x + 0.5), Math.floor(point.y + 0.5));
                },
            });
            if (text) return text;
        }
    }
    return null;
}

/**
 * Where the fourth known point may be, and the module that it is: the last alignment pattern, or, where the
 * camera looks straight, the corner that has no finder.
 * @param {Picture} picture @param {Point[]} corners @param {number} version
 */
function fourths(picture, [corner, right, below], version) {
    const size = version * 4 + 17, far = size - 3.5;
    const flat = { module: far, x: right.x + below.x - corner.x, y: right.y + below.y - corner.y };
    if (version === 1) return [flat];
    const centre = (alignments(version).at(-1) ?? 0) + 0.5;
    const share = (centre - 3.5) / (far - 3.5);
    const unit = (/** @type {Point} */ to) => ({ x: (to.x - corner.x) / (far - 3.5), y: (to.y - corner.y) / (far - 3.5) });
    const hope = { x: corner.x + share * (flat.x - corner.x), y: corner.y + share * (flat.y - corner.y) };
    return [...alignmentsNear(picture, hope, unit(right), unit(below)).map((point) => ({ module: centre, ...point })), flat];
}

/** Points that look as the middle of an alignment pattern: dark, in a light ring, in a dark ring. */
/** @param {Picture} picture @param {Point} hope @param {Point} ux a module to the right @param {Point} uy one down */
function alignmentsNear({ isDark }, hope, ux, uy) {
    const from = (/** @type {Point} */ { x, y }, /** @type {number} */ right, /** @type {number} */ down) => {
        return { x: x + right * ux.x + down * uy.x, y: y + right * ux.y + down * uy.y };
    };
    const is = (/** @type {Point} */ { x, y }, /** @type {boolean} */ dark) => isDark(Math.round(x), Math.round(y)) === dark;
    const ring = (/** @type {Point} */ at, /** @type {number} */ radius, /** @type {boolean} */ dark) => {
        let right = 0;
        for (let step = -radius; step < radius; step += radius / 2) {
            for (const [x, y] of [[step, -radius], [radius, step], [-step, radius], [-radius, -step]]) right += Number(is(from(at, x, y), dark));
        }
        return right;
    };
    /** @type {(Point & { score: number })[]} */
    const found = [];
    const reach = 10, step = Math.max(0.25, 1 / Math.hypot(ux.x, ux.y));
    for (let down = -reach; down <= reach; down += step) {
        for (let right = -reach; right <= reach; right += step) {
            const at = from(hope, right, down);
            if (!is(at, true)) continue;
            // The camera may be nearer to this corner than to the others, or farther.
            const rings = [1, 1.3, 0.77].map((scale) => ring(at, scale, false) + ring(at, 2 * scale, true));
            const score = Math.max(...rings) - Math.hypot(right, down) / 8;
            if (score > 24) found.push({ ...at, score });
        }
    }
    return found.sort((a, b) => b.score - a.score).slice(0, 6);
}

/**
 * From a module's place to the picture's, by the perspective that the four points show.
 * @param {number} size @param {Point[]} corners @param {Point & { module: number }} fourth
 */
function mapping(size, [corner, right, below], fourth) {
    const far = size - 3.5;
    const from = [[3.5, 3.5], [far, 3.5], [3.5, far], [fourth.module, fourth.module]];
    const to = [corner, right, below, fourth];
    /** @type {number[][]} */
    const rows = from.flatMap(([x, y], at) => [
        [x, y, 1, 0, 0, 0, -x * to[at].x, -y * to[at].x, to[at].x],
        [0, 0, 0, x, y, 1, -x * to[at].y, -y * to[at].y, to[at].y],
    ]);
    const [a, b, c, d, e, f, g, h] = solved(rows);
    return (/** @type {number} */ x, /** @type {number} */ y) => {
        const depth = g * x + h * y + 1;
        return { x: (a * x + b * y + c) / depth, y: (d * x + e * y + f) / depth };
    };
}

/** Linear equations, one a row, with the right side last (Gauss and Jordan). @param {number[][]} rows */
function solved(rows) {
    for (let at = 0; at < rows.length; at++) {
        const best = rows.slice(at).reduce((most, row, i) => (Math.abs(row[at]) > Math.abs(rows[most][at]) ? at + i : most), at);
        [rows[at], rows[best]] = [rows[best], rows[at]];
        const own = rows[at].map((value) => value / rows[at][at]);
        rows[at] = own;
        rows.forEach((row, i) => i !== at && (rows[i] = row.map((value, column) => value - row[at] * own[column])));
    }
    return rows.map((row) => row[row.length - 1]);
}
