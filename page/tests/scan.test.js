// Codes that a camera sees: what their modules say, and how they are found in a picture.

import assert from "node:assert/strict";
import test from "node:test";
import { readModules } from "../ui/camera/matrix.js";
import { mend } from "../ui/camera/reed_solomon.js";
import { scan } from "../ui/camera/scan.js";
import { CODES } from "./codes.js";
import { random } from "./vectors.js";

const rng = random(23);
const chance = () => rng.bytes(1)[0] / 256;

/** A photo of a code: a perspective, light from one side, noise. */
function photo({ size, isDark }, { width = 480, height = 640, corners, noise = 20 }) {
    const data = new Uint8Array(width * height * 4);
    const [p, q, r, s] = corners;
    for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
            const [u, v] = inverse([p, q, r, s], x, y);
            const column = Math.floor(u * (size + 8)) - 4, row = Math.floor(v * (size + 8)) - 4;
            const isIn = column >= 0 && row >= 0 && column < size && row < size;
            const onPaper = u >= 0 && v >= 0 && u < 1 && v < 1;
            const light = (isIn && isDark(column, row) ? 40 : onPaper ? 200 : 120) * (0.6 + (0.4 * x) / width);
            const value = light + (rng.bytes(1)[0] / 255 - 0.5) * noise;
            data.fill(Math.max(0, Math.min(255, value)), (y * width + x) * 4, (y * width + x) * 4 + 3);
        }
    }
    return { data, width, height };
}

/** Where a point is in a square that a camera sees with these corners, in turn around it (Heckbert). */
function inverse([p, q, r, s], x, y) {
    const [dx1, dx2, sx] = [q[0] - r[0], s[0] - r[0], p[0] - q[0] + r[0] - s[0]];
    const [dy1, dy2, sy] = [q[1] - r[1], s[1] - r[1], p[1] - q[1] + r[1] - s[1]];
    const by = dx1 * dy2 - dx2 * dy1;
    const [g, h] = [(sx * dy2 - dx2 * sy) / by, (dx1 * sy - sx * dy1) / by];
    const [a, b, c] = [q[0] - p[0] + g * q[0], s[0] - p[0] + h * s[0], p[0]];
    const [d, e, f] = [q[1] - p[1] + g * q[1], s[1] - p[1] + h * s[1], p[1]];
    const [A, B, C] = [e - f * h, c * h - b, b * f - c * e];
    const [D, E, F] = [f * g - d, a - c * g, c * d - a * f];
    const [G, H, I] = [d * h - e * g, b * g - a * h, a * e - b * d];
    const depth = G * x + H * y + I;
    return [(A * x + B * y + C) / depth, (D * x + E * y + F) / depth];
}

test("codes of another program say what they should, also with damaged modules", () => {
    for (const code of CODES) {
        assert.equal(readModules(code), code.text);
        const damaged = new Set(Array.from({ length: 3 }, () => `${9 + Math.floor(chance() * (code.size - 18))} ${9 + Math.floor(chance() * (code.size - 18))}`));
        assert.equal(readModules({ size: code.size, isDark: (x, y) => code.isDark(x, y) !== damaged.has(`${x} ${y}`) }), code.text);
    }
});

test("a block is mended up to half of its correction, and not beyond", () => {
    // The block of version 1-M in ISO/IEC 18004, annex I.
    const whole = [0x10, 0x20, 0x0c, 0x56, 0x61, 0x80, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11];
    const block = [...whole, 0xa5, 0x24, 0xd4, 0xc1, 0xed, 0x36, 0xc7, 0x87, 0x2c, 0x55];
    assert.deepEqual(mend(block, 10), block);
    for (let faults = 1; faults <= 12; faults++) {
        for (let round = 0; round < 20; round++) {
            const bad = [...block], places = new Set();
            while (places.size < faults) places.add(Math.floor(chance() * block.length));
            for (const at of places) bad[at] ^= 1 + Math.floor(chance() * 255);
            const mended = mend(bad, 10);
            if (faults <= 5) assert.deepEqual(mended, block, `${faults} faults`);
            else if (mended) assert.notDeepEqual(mended, bad);
        }
    }
});

test("a code is read from a picture: straight, turned, aslant, near and far", () => {
    const views = [
        [[60, 100], [420, 100], [420, 460], [60, 460]],
        [[240, 60], [450, 290], [230, 520], [20, 280]],
        [[420, 460], [60, 460], [60, 100], [420, 100]],
        [[90, 130], [400, 90], [450, 480], [40, 430]],
        [[150, 200], [300, 205], [298, 352], [148, 350]],
    ];
    for (const [view, corners] of views.entries()) {
        for (const code of CODES) {
            const isTiny = view === 4 && code.size > 33;
            // Version 1 has no alignment pattern, so nothing shows how it leans.
            const isFlat = view === 3 && code.size === 21;
            if (!isTiny && !isFlat) assert.equal(scan(photo(code, { corners })), code.text, `view ${view}, ${code.size} modules`);
        }
    }
});

test("a picture without a code, or with a damaged one, says nothing and breaks nothing", () => {
    for (let round = 0; round < 6; round++) {
        const [width, height] = [160 + round, 120];
        const data = round === 0 ? new Uint8Array(width * height * 4) : rng.bytes(width * height * 4);
        assert.equal(scan({ data, width, height }), null);
    }
    const [{ size, isDark }] = CODES;
    for (let round = 0; round < 10; round++) {
        const torn = { size, isDark: (x, y) => isDark(x, y) !== (x > 8 && y > 8 && chance() < 0.3) };
        assert.equal(readModules(torn), null);
    }
});
