// The three squares in the corners of a QR code: dark, light, three dark, light and dark, along every line
// through their middle.

/** @typedef {{ width: number, height: number, isDark: (x: number, y: number) => boolean }} Picture */
/** @typedef {{ x: number, y: number, module: number, count: number }} Finder */

const CANDIDATES_MAX = 12;

/** Three finders, in the order top left, top right, bottom left; the likeliest first. @param {Picture} picture */
export function triples(picture) {
    const found = findersOf(picture).sort((a, b) => b.count - a.count).slice(0, CANDIDATES_MAX);
    /** @type {{ points: Finder[], error: number }[]} */
    const all = [];
    for (let i = 0; i < found.length; i++) {
        for (let j = i + 1; j < found.length; j++) {
            for (let k = j + 1; k < found.length; k++) all.push(...arranged([found[i], found[j], found[k]]));
        }
    }
    return all.sort((a, b) => a.error - b.error).slice(0, 6).map(({ points }) => points);
}

/** The finder at the right angle comes first. @param {Finder[]} three */
function arranged(three) {
    const sizes = three.map(({ module }) => module);
    if (Math.max(...sizes) > 2 * Math.min(...sizes)) return [];
    const [one, two, corner] = [...three].sort((a, b) => far(a, three) - far(b, three)).reverse();
    const [a, b] = [distance(corner, one), distance(corner, two)];
    const isSquare = Math.abs(a - b) / Math.max(a, b), angle = ((one.x - corner.x) * (two.x - corner.x) + (one.y - corner.y) * (two.y - corner.y)) / (a * b);
    const error = isSquare + Math.abs(angle);
    if (error > 0.9) return [];
    const turns = (one.x - corner.x) * (two.y - corner.y) - (one.y - corner.y) * (two.x - corner.x);
    return [{ points: turns > 0 ? [corner, one, two] : [corner, two, one], error }];
}

/** @param {{ x: number, y: number }} a @param {{ x: number, y: number }} b */
export const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);

/** How far a finder is from the two others. @param {Finder} finder @param {Finder[]} three */
const far = (finder, three) => three.reduce((sum, other) => sum + distance(finder, other), 0);

/** @param {Picture} picture */
function findersOf({ width, height, isDark }) {
    /** @type {Finder[]} */
    const found = [];
    for (let y = 0; y < height; y++) {
        let runs = [0, 0, 0, 0, 0], wasDark = false;
        for (let x = 0; x <= width; x++) {
            const dark = x < width && isDark(x, y);
            if (dark === wasDark && x < width) {
                runs[4] += 1;
                continue;
            }
            const module = wasDark ? moduleOf(runs) : 0;
            if (module) note(found, x - runs[4] - runs[3] - runs[2] / 2, y, isDark);
            runs = [...runs.slice(1), 1];
            wasDark = dark;
        }
    }
    return found;
}

/** The size of a module if five runs are those of a finder, else 0. @param {number[]} runs */
function moduleOf(runs) {
    const module = runs.reduce((sum, run) => sum + run, 0) / 7, slack = module * 0.7;
    const is = (/** @type {number} */ run, /** @type {number} */ wanted) => Math.abs(run - wanted * module) < slack * Math.min(wanted, 2);
    return module >= 1 && is(runs[0], 1) && is(runs[1], 1) && is(runs[2], 3) && is(runs[3], 1) && is(runs[4], 1) ? module : 0;
}

/** Looks along the column, then along the row again. */
/** @param {Finder[]} found @param {number} x @param {number} y @param {Picture["isDark"]} isDark */
function note(found, x, y, isDark) {
    const down = across((at) => isDark(Math.round(x), at), y);
    if (!down) return;
    const along = across((at) => isDark(at, Math.round(down.middle)), x);
    if (!along) return;
    const here = { x: along.middle, y: down.middle, module: (along.module + down.module) / 2, count: 1 };
    const same = found.find((other) => distance(other, here) < 2.5 * other.module);
    if (!same) {
        found.push(here);
        return;
    }
    for (const name of /** @type {const} */ (["x", "y", "module"])) same[name] += (here[name] - same[name]) / (same.count + 1);
    same.count += 1;
}

/** The five runs along a line around a point in the middle one. @param {(at: number) => boolean} isDark @param {number} at */
function across(isDark, at) {
    const middle = Math.round(at), runs = [0, 0, 0, 0, 0], reach = 400;
    let low = middle, high = middle + 1;
    if (!isDark(middle)) return null;
    for (let run = 2; run >= 0; run--) {
        const dark = run !== 1;
        for (; low > middle - reach && isDark(low) === dark && low >= 0; low--) runs[run] += 1;
    }
    for (let run = 2; run <= 4; run++) {
        const dark = run !== 3;
        for (; high < middle + reach && isDark(high) === dark; high++) runs[run] += 1;
    }
    const module = moduleOf(runs);
    return module ? { module, middle: high - runs[4] - runs[3] - runs[2] / 2 - 0.5 } : null;
}
