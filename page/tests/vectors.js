// The shared vectors of client/vectors, and random numbers that a seed repeats.

import { readFileSync } from "node:fs";

/** @param {string} name */
export function vectors(name) {
    return JSON.parse(readFileSync(new URL(`../../client/vectors/${name}`, import.meta.url), "utf8"));
}

/** SplitMix-like numbers from a seed: `below(n)`, `oneIn(n)`, `bytes(n)`. @param {number} seed */
export function random(seed) {
    let state = seed >>> 0;
    const next = () => {
        state = (state + 0x9e3779b9) >>> 0;
        let mixed = state;
        mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
        mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
        return (mixed ^ (mixed >>> 16)) >>> 0;
    };
    const below = (most) => next() % most;
    return {
        below,
        oneIn: (count) => below(count) === 0,
        bytes: (length) => Uint8Array.from({ length }, () => next() & 255),
        pick: (all) => all[below(all.length)],
    };
}
