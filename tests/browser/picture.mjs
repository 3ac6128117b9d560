// Draws docs/pairing.svg: the desk's window with its code, and the phone's page from the scan to the
// terminal. What is drawn was shown by the real programs; the session in it ends with this script.
//
//     node tests/browser/picture.mjs [FILE]

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { closeBrowser, DEVICES, Phone } from "./browser.mjs";
import { share, SHELL, untilRows } from "./cases/steps.mjs";
import { Desk } from "./desk.mjs";
import { Relay } from "./relay.mjs";

/** A character's box at the desk. Half of the height is the width, so that the code's modules are squares. */
const WIDE = 7, HIGH = 14;
const PADDING = 14, BAR = 28, COLUMNS = 58;
const PHONE = { width: 360, height: 640, scale: 0.62 };
const HALVES = { " ": [false, false], "▀": [true, false], "▄": [false, true], "█": [true, true] };
const STYLE = `
    .window { fill:#16181d; stroke:#6e7681; }
    .name { fill:#8b949e; font: 12px system-ui, -apple-system, sans-serif; text-anchor: middle; }
    .line { fill:#d0d7de; font: 11.6px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace;
            white-space: pre; }
    .words { fill:#f2cc60; }
    .body { fill:none; stroke:#6e7681; stroke-width:6; }
    .page { font-family: system-ui, -apple-system, 'DejaVu Sans', sans-serif; white-space: pre; }
    .page .mono { font-family: ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; }
`;

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const round = (value) => Math.round(value * 10) / 10;
const isDrawing = (line) => /[▀▄█]/.test(line);

/** In the page: its boxes and its lines of text, with their places and colours. */
function shapesOfPage() {
    const shapes = [];
    const isClear = (color) => color === "transparent" || /, 0\)$/.test(color);
    const textOf = (node, style) => {
        const range = document.createRange();
        let line = null;
        for (let at = 0; at < node.length; at++) {
            range.setStart(node, at);
            range.setEnd(node, at + 1);
            const { left, right, top, bottom } = range.getBoundingClientRect();
            if (right === left) continue;
            if (!line || Math.abs(line.top - top) > 3) shapes.push((line = { text: "", left, top, bottom }));
            line.text += node.data[at];
            line.right = right;
            Object.assign(line, { color: style.color, size: parseFloat(style.fontSize), weight: style.fontWeight, mono: style.fontFamily.includes("mono") });
        }
    };
    const visit = (element) => {
        const style = getComputedStyle(element), box = element.getBoundingClientRect();
        if (style.visibility === "hidden" || style.display === "none" || box.width < 3 || box.height < 3 || box.top >= innerHeight) return;
        const [fill, stroke] = [style.backgroundColor, parseFloat(style.borderTopWidth) > 0 && style.borderTopColor];
        if (!isClear(fill) || stroke) {
            const { left, top, width, height } = box;
            shapes.push({ left, top, width, height, fill: isClear(fill) ? "none" : fill, stroke: stroke || "none", radius: parseFloat(style.borderTopLeftRadius) || 0 });
        }
        if (element.value && element.matches("input")) shapes.push({ text: element.value, left: box.left + 12, right: 0, top: box.top, bottom: box.bottom, color: style.color, size: parseFloat(style.fontSize), weight: "400" });
        for (const child of element.childNodes) {
            if (child.nodeType === Node.TEXT_NODE) textOf(child, style);
            else if (child.nodeType === Node.ELEMENT_NODE) visit(child);
        }
    };
    visit(document.body);
    return { shapes, background: getComputedStyle(document.body).backgroundColor };
}

/** A phone with what its page shows. */
async function phoneOf(page, name, left, id) {
    const { shapes, background } = await page.evaluate(shapesOfPage);
    const { width, height, scale } = PHONE;
    const drawn = shapes.map((shape) => ("text" in shape ? pageText(shape) : pageBox(shape)));
    return [
        `<g transform="translate(${left} ${BAR})">`,
        `<text class="name" x="${(width * scale) / 2}" y="-9">${name}</text>`,
        `<g class="page" transform="scale(${scale})">`,
        `<clipPath id="${id}"><rect width="${width}" height="${height}" rx="26"/></clipPath>`,
        `<g clip-path="url(#${id})"><rect width="${width}" height="${height}" fill="${background}"/>`,
        ...drawn,
        `</g><rect class="body" width="${width}" height="${height}" rx="26"/></g></g>`,
    ];
}

function pageBox({ left, top, width, height, fill, stroke, radius }) {
    const place = `x="${round(left)}" y="${round(top)}" width="${round(width)}" height="${round(height)}"`;
    return `<rect ${place} rx="${Math.min(radius, 20)}" fill="${fill}" stroke="${stroke}"/>`;
}

function pageText({ text, left, right, top, bottom, color, size, weight, mono }) {
    const base = (top + bottom) / 2 + size * 0.35;
    const length = right > left && text.trim().length > 1 ? ` textLength="${round(right - left)}" lengthAdjust="spacingAndGlyphs"` : "";
    const place = `x="${round(left)}" y="${round(base)}" font-size="${size}" font-weight="${weight}"${length}`;
    return `<text${mono ? ' class="mono"' : ""} ${place} fill="${color}">${escaped(text)}</text>`;
}

/** The desk's window: the code as a path, and lines of text. */
function deskWindow(lines, words) {
    const code = lines.findIndex(isDrawing), end = lines.findLastIndex(isDrawing);
    const width = COLUMNS * WIDE + 2 * PADDING, height = lines.length * HIGH + BAR + PADDING;
    const drawn = [`<rect class="window" x="0.5" y="0.5" width="${width}" height="${height}" rx="8"/>`, `<text class="name" x="${width / 2}" y="18">your desk</text>`];
    const rows = lines.slice(code, end + 1);
    const columns = Math.max(...rows.map((line) => line.length));
    // A light edge all around: two modules, as the line above and the one below are.
    const edge = Math.min(...rows.map((line) => line.search(/\S/)));
    const top = BAR + (code - 1) * HIGH;
    drawn.push(`<rect fill="#fff" x="${PADDING}" y="${top}" width="${(columns + edge) * WIDE}" height="${(rows.length + 2) * HIGH}"/>`);
    drawn.push(`<path shape-rendering="crispEdges" d="${modules(lines, code, end, columns)}"/>`);
    for (const [at, line] of lines.entries()) {
        if (at >= code && at <= end) continue;
        const kind = words.some((word) => line.includes(word)) ? "line words" : "line";
        if (line.trim()) drawn.push(`<text class="${kind}" x="${PADDING}" y="${BAR + at * HIGH + 11}" textLength="${line.length * WIDE}">${escaped(line)}</text>`);
    }
    return { drawn, width, height };
}

/** The dark modules. */
function modules(lines, code, end, columns) {
    let path = "";
    for (let at = code; at <= end; at++) {
        for (const half of [0, 1]) {
            for (let x = 0; x < columns; x++) {
                const isDark = HALVES[lines[at][x] ?? " "]?.[half];
                if (isDark) path += `M${PADDING + x * WIDE} ${BAR + at * HIGH + (half * HIGH) / 2}h${WIDE}v${HIGH / 2}h-${WIDE}z`;
            }
        }
    }
    return path;
}

const linesOf = async (desk, window) => (await desk.screen(window)).map((line) => line.trimEnd());

/** Pairs, and gives the picture's parts. */
async function pairing(desk, phone) {
    await desk.open("pair", ["pair"], { columns: COLUMNS, rows: 44 });
    await desk.until("pair", "waiting for a phone");
    const before = (await linesOf(desk, "pair")).filter((line, at, all) => line || all.slice(at).some(Boolean));
    await phone.page.goto(await desk.code("pair"));
    await phone.button("Pair").waitFor();
    const first = await phoneOf(phone.page, "1. scan, and tap Pair", 0, "a");
    await phone.button("Pair").click();
    await phone.sees("Compare these six words");
    await desk.until("pair", "\\[y/n\\]");
    const words = await phone.page.locator(".words li").allTextContents();
    const second = await phoneOf(phone.page, "2. compare six words", 0, "b");
    const asked = await linesOf(desk, "pair");
    const at = asked.findIndex((line) => line.includes("wants to pair"));
    const question = asked.slice(at, asked.findIndex((line) => line.includes("[y/n]")) + 1);
    question[question.length - 1] += " y";
    await desk.answer(true);
    await phone.button("The same words").click();
    await phone.sees("Connected and encrypted");
    await share({ desk, phone }, SHELL, "shell", { columns: 46, rows: 24 });
    await untilRows(phone, "prompt", (rows) => rows[0] === "desk$");
    await desk.type("run", "echo typed at the desk\r");
    await phone.page.getByRole("textbox", { name: "Text for the terminal" }).fill("echo typed on the phone");
    await untilRows(phone, "the desk's line", (rows) => rows.includes("typed at the desk"));
    await phone.button("Send").click();
    await untilRows(phone, "the phone's line", (rows) => rows.includes("typed on the phone"));
    const third = await phoneOf(phone.page, "3. your terminal", 0, "c");
    const window = deskWindow(["$ workstation pair", ...before, ...question], words);
    return { window, phones: [first, second, third] };
}

function whole({ window, phones }) {
    const step = PHONE.width * PHONE.scale + 24;
    const width = Math.ceil(window.width + 24 + phones.length * step);
    const height = Math.ceil(Math.max(window.height, PHONE.height * PHONE.scale + BAR) + 6);
    const placed = phones.map((phone, at) => phone.join("\n").replace("translate(0 ", `translate(${round(window.width + 24 + at * step)} `));
    return [
        `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" xml:space="preserve" role="img">`,
        "<title>The desk shows a code; the phone scans it, shows six words, and then the desk's terminal</title>",
        `<style>${STYLE}</style>`,
        ...window.drawn,
        ...placed,
        "</svg>\n",
    ].join("\n");
}

const target = process.argv[2] ?? fileURLToPath(new URL("../../docs/pairing.svg", import.meta.url));
DEVICES.drawn = { ...DEVICES.pixel, viewport: { width: PHONE.width, height: PHONE.height }, colorScheme: "light" };
/** The usual port, if it is free: the lines are shorter. */
const relay = await Relay.start({ port: 3001 }).catch(() => Relay.start());
const desk = new Desk(relay), phone = await Phone.start("drawn");
try {
    writeFileSync(target, whole(await pairing(desk, phone)));
    console.log(`wrote ${target}`);
} finally {
    await phone.stop();
    await desk.end();
    await relay.stop();
    await closeBrowser();
}
