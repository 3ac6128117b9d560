// The messages of the app protocol as bytes: control is one JSON object, data has a header of five bytes.

import { concat, cut, harmless, textOf, utf8 } from "../bytes.js";
import { Damage } from "./damage.js";
import { deskOf, helloOf } from "./hello.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {{ token: string, words: string }} Reason a token for programs, words of the other end for people
 * @typedef {Record<string, unknown>} Params a JSON object
 */

/**
 * @typedef {{ t: "hello", hello: import("./hello.js").Hello, id?: string, re?: string }
 *     | { t: "desk", desk: import("./hello.js").DeskInfo } | { t: "hidden", hidden: boolean }
 *     | { t: "open", ch: number, kind: string, credit: number, p: Params }
 *         | { t: "accept", ch: number, credit: number, p: Params } | { t: "refuse" | "reset", ch: number,
 *     reason: Reason }
 *     | { t: "credit", ch: number, n: number } | { t: "end", ch: number }} Control
 */

const CONTROL_BYTES_MAX = 16 << 10;
const PARAMS_BYTES_MAX = 15 << 10;
const DATA_BYTES_MAX = 32 << 10;
const DEPTH_MAX = 32;
const DATA = 1;
const HEADER = 5;
const OPENING = "{".charCodeAt(0);
const TOKEN = /^[a-z0-9-]{1,32}$/;
const WORDS_BYTES_MAX = 200;
const NAME_BYTES_MAX = 64;

/**
 * A message of the tunnel: control, data, or null for one of a later version.
 * @param {Bytes} message
 * @returns {Control | { t: "data", ch: number, payload: Bytes } | null}
 */
export function parse(message) {
    if (message.length === 0) throw new Damage("empty");
    if (message[0] === OPENING) return parseControl(message);
    if (message[0] !== DATA) return null;
    if (message.length < HEADER || message.length > DATA_BYTES_MAX) throw new Damage("length of data");
    const ch = new DataView(message.buffer, message.byteOffset).getUint32(1);
    return { t: "data", ch, payload: message.subarray(HEADER) };
}

/** @param {number} ch @param {Bytes} payload */
export function writeData(ch, payload) {
    return concat([DATA, ch >>> 24, (ch >>> 16) & 255, (ch >>> 8) & 255, ch & 255], payload);
}

/** @param {Control} control @returns {Bytes} */
export function writeControl(control) {
    switch (control.t) {
        case "hello": {
            const { version, features, device, name, hidden } = control.hello;
            const { id, re } = control;
            return json({ t: "hello", v: version, features, device, name, hidden, id, re });
        }
        case "desk":
            return json({ t: "desk", ...control.desk });
        case "refuse":
        case "reset": {
            const { t, ch, reason } = control;
            return json({ t, ch, reason: reason.token, words: reason.words || undefined });
        }
        default:
            return json(control);
    }
}

/** True if these can be the parameters of a channel. @param {Params} params */
export function isParams(params) {
    const text = JSON.stringify(params);
    return text.startsWith("{") && utf8(text).length <= PARAMS_BYTES_MAX && !nestsDeeper(text, DEPTH_MAX - 1);
}

/**
 * A reason as it came, made short and harmless.
 * @param {unknown} token
 * @param {unknown} [words]
 * @returns {Reason}
 */
export function reasonOf(token, words) {
    const isToken = typeof token === "string" && TOKEN.test(token);
    const shown = typeof words === "string" ? cut(harmless(words), WORDS_BYTES_MAX) : "";
    return { token: isToken ? token : "other", words: shown };
}

/** @param {unknown} value */
function json(value) {
    return utf8(JSON.stringify(value));
}

/** The object in these bytes. @param {Bytes} bytes @returns {Params} */
export function parseObject(bytes) {
    const text = textOf(bytes);
    if (text === null || nestsDeeper(text, DEPTH_MAX)) throw new Damage("JSON");
    let value;
    try {
        value = JSON.parse(text);
    } catch {
        throw new Damage("JSON");
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Damage("JSON");
    return value;
}

/** @param {Bytes} bytes @returns {Control | null} */
function parseControl(bytes) {
    if (bytes.length > CONTROL_BYTES_MAX) throw new Damage("length of control");
    const members = parseObject(bytes);
    const { t, ch } = members;
    const credit = () => u32(members.credit, "credit");
    switch (t) {
        case "hello":
            return { t, hello: helloOf(members), id: idOf(members.id), re: idOf(members.re) };
        case "desk":
            return { t, desk: deskOf(members) };
        case "hidden":
            if (typeof members.hidden !== "boolean") throw new Damage("hidden");
            return { t, hidden: members.hidden };
        case "open":
            return { t, ch: u32(ch, "ch"), kind: kindOf(members.kind), credit: credit(), p: paramsOf(members.p) };
        case "accept":
            return { t, ch: u32(ch, "ch"), credit: credit(), p: paramsOf(members.p) };
        case "refuse":
        case "reset":
            return { t, ch: u32(ch, "ch"), reason: reasonOf(members.reason, members.words) };
        case "credit":
            return { t, ch: u32(ch, "ch"), n: u32(members.n, "n") };
        case "end":
            return { t, ch: u32(ch, "ch") };
        default:
            if (typeof t !== "string") throw new Damage("t");
            return null;
    }
}

/** @param {unknown} value @param {string} what */
function u32(value, what) {
    if (!Number.isInteger(value) || Number(value) < 0 || Number(value) >= 2 ** 32) throw new Damage(what);
    return Number(value);
}

/** @param {unknown} value */
function kindOf(value) {
    if (typeof value !== "string" || utf8(value).length > NAME_BYTES_MAX) throw new Damage("kind");
    return value;
}

/** @param {unknown} value */
function idOf(value) {
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "string" || utf8(value).length > NAME_BYTES_MAX) throw new Damage("id");
    return value;
}

/** @param {unknown} value @returns {Params} */
function paramsOf(value) {
    if (value === undefined || value === null) return {};
    if (typeof value !== "object" || Array.isArray(value)) throw new Damage("p");
    return /** @type {Params} */ (value);
}

/** True if brackets nest deeper than `most`. @param {string} text @param {number} most */
function nestsDeeper(text, most) {
    let [depth, isText] = [0, false];
    for (let i = 0; i < text.length; i++) {
        const char = text[i];
        if (isText) {
            if (char === "\\") i += 1;
            else if (char === '"') isText = false;
        } else if (char === '"') {
            isText = true;
        } else if (char === "{" || char === "[") {
            depth += 1;
            if (depth > most) return true;
        } else if (char === "}" || char === "]") {
            depth -= 1;
        }
    }
    return false;
}
