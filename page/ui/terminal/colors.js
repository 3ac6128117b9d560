// The colours of a terminal's palette, and a run's style as CSS.

/** @typedef {import("../../screen/wire.js").Style} Style */
/** @typedef {import("../../screen/wire.js").Color} Color */

const NAMED = [
    "#2b3036", "#f0716b", "#6fd08c", "#e5c07b", "#79b0f5", "#d48bea", "#5fc9d3", "#d5dae0",
    "#8a949e", "#ff9b95", "#9be7b0", "#ffdf9e", "#a9cdff", "#ecb6fb", "#93e6ee", "#ffffff",
];
const GROUND = "#101418", INK = "#e6e9ec";
const BOLD = 1, DIM = 2, ITALIC = 4, BLINKING = 8, REVERSE = 16, HIDDEN = 32, STRUCK = 64;
const UNDERLINES = ["", "solid", "double", "wavy", "dotted", "dashed"];

/**
 * @param {Color} color
 * @param {string} usual the default color
 */
export function css(color, usual) {
    if (color === null) return usual;
    if (typeof color === "string") return /^#[0-9a-f]{6}$/.test(color) ? color : usual;
    if (color < 16) return NAMED[color] ?? usual;
    if (color >= 232) {
        const grey = 8 + (color - 232) * 10;
        return `rgb(${grey} ${grey} ${grey})`;
    }
    const level = (/** @type {number} */ n) => (n === 0 ? 0 : 55 + n * 40);
    const cube = color - 16;
    return `rgb(${level(Math.floor(cube / 36))} ${level(Math.floor(cube / 6) % 6)} ${level(cube % 6)})`;
}

/**
 * Gives an element a run's look.
 * @param {HTMLElement} element
 * @param {Style} style
 */
export function applyStyle(element, style) {
    const has = (/** @type {number} */ bit) => (style.attributes & bit) !== 0;
    let ink = css(style.text, INK), ground = css(style.background, "");
    if (has(REVERSE)) [ink, ground] = [ground || GROUND, ink];
    const set = (/** @type {string} */ name, /** @type {string} */ value) => element.style.setProperty(name, value);
    if (ink !== INK) set("color", has(HIDDEN) ? "transparent" : ink);
    else if (has(HIDDEN)) set("color", "transparent");
    if (ground) set("background", ground);
    if (has(BOLD)) set("font-weight", "700");
    if (has(DIM)) set("opacity", ".7");
    if (has(ITALIC)) set("font-style", "italic");
    if (has(BLINKING)) element.classList.add("blink");
    const lines = [style.underline ? "underline" : "", has(STRUCK) ? "line-through" : ""].filter(Boolean).join(" ");
    if (lines) set("text-decoration-line", lines);
    if (style.underline) set("text-decoration-style", UNDERLINES[style.underline] ?? "solid");
    if (style.underlineColor !== null) set("text-decoration-color", css(style.underlineColor, ink));
}
