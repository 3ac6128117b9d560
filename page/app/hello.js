// What the two ends say about themselves: `hello` of either, and what the desk offers. Made short and
// harmless.

import { cut, harmless } from "../bytes.js";
import { Damage } from "./damage.js";
import { RIGHTS } from "./kinds.js";

/**
 * @typedef {{ version: number, features: string[], device: string, name: string, hidden: boolean }} Hello
 * @typedef {{ name: string, title: string, cols: number, rows: number, viewOnly: boolean }} TerminalInfo
 * @typedef {{ name: string, rights: import("./kinds.js").Right[], terminals: TerminalInfo[] }} DeskInfo
 */

/** The version of the app protocol that the page speaks. */
export const VERSION = 1;
const NAME_BYTES_MAX = 64;
const TITLE_BYTES_MAX = 128;
const TERMINALS_MAX = 32;
const FEATURES_MAX = 32;

/** @param {Record<string, unknown>} members @returns {Hello} */
export function helloOf({ v, features, device, name, hidden }) {
    if (!Number.isInteger(v) || Number(v) < 1) throw new Damage("v");
    const named = list(features).filter((feature) => typeof feature === "string");
    return {
        version: Number(v),
        features: named.slice(0, FEATURES_MAX),
        device: shown(device, NAME_BYTES_MAX),
        name: shown(name, NAME_BYTES_MAX),
        hidden: hidden === true,
    };
}

/** @param {Record<string, unknown>} members @returns {DeskInfo} */
export function deskOf({ name, rights, terminals }) {
    if (!Array.isArray(rights)) throw new Damage("rights");
    return {
        name: shown(name, NAME_BYTES_MAX),
        rights: RIGHTS.filter((right) => rights.includes(right)),
        terminals: list(terminals).slice(0, TERMINALS_MAX).map(terminalOf),
    };
}

/** @param {unknown} value @returns {TerminalInfo} */
function terminalOf(value) {
    const { name, title, cols, rows, viewOnly } = /** @type {Record<string, unknown>} */ (value ?? {});
    if (typeof name !== "string") throw new Damage("terminals");
    const side = (/** @type {unknown} */ number) => (Number.isInteger(number) ? Number(number) & 0xffff : 0);
    return {
        name: shown(name, NAME_BYTES_MAX),
        title: shown(title, TITLE_BYTES_MAX),
        cols: side(cols),
        rows: side(rows),
        viewOnly: viewOnly === true,
    };
}

/** @param {unknown} value @returns {any[]} */
function list(value) {
    return Array.isArray(value) ? value : [];
}

/** @param {unknown} text @param {number} most */
function shown(text, most) {
    return typeof text === "string" ? cut(harmless(cut(text, most)), most) : "";
}
