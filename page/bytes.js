// Bytes, texts and numbers: what every folder of the page needs and the platform does not have.

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * One array of all parts, which may be arrays of numbers too.
 * @param {...ArrayLike<number>} parts
 * @returns {Bytes}
 */
export function concat(...parts) {
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
        whole.set(part, at);
        at += part.length;
    }
    return whole;
}

/**
 * True if both have the same bytes.
 * @param {Uint8Array} left
 * @param {Uint8Array} right
 */
export function equal(left, right) {
    return left.length === right.length && left.every((byte, i) => byte === right[i]);
}

/**
 * @param {string} text
 * @returns {Bytes}
 */
export function utf8(text) {
    return /** @type {Bytes} */ (encoder.encode(text));
}

/**
 * The text of these bytes; null if they are not UTF-8.
 * @param {Uint8Array} bytes
 */
export function textOf(bytes) {
    try {
        return decoder.decode(bytes);
    } catch {
        return null;
    }
}

/** @param {Uint8Array} bytes */
export function hex(bytes) {
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} digits
 * @returns {Bytes}
 */
export function unhex(digits) {
    return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** @param {Uint8Array} bytes */
export function toBase64url(bytes) {
    const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/**
 * The bytes of base64url digits without padding; null if there are other characters.
 * @param {string} digits
 * @returns {Bytes | null}
 */
export function fromBase64url(digits) {
    if (!/^[A-Za-z0-9_-]*$/.test(digits) || digits.length % 4 === 1) return null;
    const binary = atob(digits.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(binary, (digit) => digit.charCodeAt(0));
}

/**
 * At most `most` bytes of a text in UTF-8, cut between two characters.
 * @param {string} text
 * @param {number} most
 */
export function cut(text, most) {
    if (text.length * 3 <= most) return text;
    const bytes = utf8(text);
    if (bytes.length <= most) return text;
    let end = most;
    while (end > 0 && (bytes[end] & 0xc0) === 0x80) end -= 1;
    return new TextDecoder().decode(bytes.subarray(0, end));
}

/**
 * A text from elsewhere as it may be shown: control characters, and those that hide or reorder text, become
 * escapes.
 * @param {string} text
 */
export function harmless(text) {
    return text.replace(HARMFUL, (char) => SHORT[char] ?? `\\u{${char.codePointAt(0)?.toString(16)}}`);
}

const HARMFUL = /[\u0000-\u001f\u007f-\u009f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu;
/** @type {Record<string, string>} */
const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
