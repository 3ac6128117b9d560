// Which language the page speaks, and its sentences with their values put in.

import { en } from "./en.js";

/** @typedef {keyof typeof en} TextName */

/** @type {Record<TextName, string>} */
let texts = en;

/**
 * Takes the first language of the user's that there is. Any but English is a file of its own: see
 * relayd/build.rs.
 */
export async function chooseLanguage() {
    const wanted = navigator.languages ?? [navigator.language];
    const first = wanted.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => ["de", "en"].includes(tag));
    if (first === "de") texts = (await import("./de.js").catch(() => ({ de: en }))).de;
    document.documentElement.lang = texts.language;
}

/**
 * A sentence. `{name}` in it becomes the value of that name.
 * @param {TextName} name
 * @param {Record<string, string | number>} [values]
 */
export function t(name, values = {}) {
    return texts[name].replace(/\{(\w+)\}/g, (whole, key) => (key in values ? String(values[key]) : whole));
}

/**
 * The sentence of a code that comes from elsewhere, or of `fallback` where there is none.
 * @param {string} name
 * @param {TextName} fallback
 * @param {Record<string, string | number>} [values]
 */
export function tOf(name, fallback, values = {}) {
    return t(/** @type {TextName} */ (Object.hasOwn(texts, name) ? name : fallback), values);
}

/**
 * A time of day, or a date and time where it is not of today.
 * @param {number} ms
 */
export function time(ms) {
    const at = new Date(ms);
    const isToday = at.toDateString() === new Date().toDateString();
    /** @type {Intl.DateTimeFormatOptions} */
    const day = isToday ? {} : { day: "numeric", month: "short" };
    return at.toLocaleString(texts.language, { hour: "2-digit", minute: "2-digit", ...day });
}

/**
 * A date.
 * @param {number} ms
 */
export function date(ms) {
    return new Date(ms).toLocaleDateString(texts.language, { day: "numeric", month: "long", year: "numeric" });
}

/**
 * A count of bytes.
 * @param {number} bytes
 */
export function size(bytes) {
    const units = ["B", "kB", "MB", "GB", "TB"];
    let value = Math.max(0, bytes), at = 0;
    while (value >= 1000 && at < units.length - 1) {
        value /= 1000;
        at += 1;
    }
    const digits = at === 0 || value >= 100 ? 0 : 1;
    return `${value.toLocaleString(texts.language, { maximumFractionDigits: digits })} ${units[at]}`;
}
