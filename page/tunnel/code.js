// Pairing codes, after "The code" in docs/tunnel.md: links of both versions, and JSON.

import { fromBase64url, hex, utf8 } from "../bytes.js";
import { chooseCrypto } from "../crypto/crypto.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {{ url: string, session: string, token: string }} Place where the two ends meet: hex digits
 * @typedef {{ place: Place, key: Bytes, app: boolean }} Code `app` says that the tunnel carries the app
 *     protocol
 */

const KEY_LEN = 32;
const LABEL = "relay code 2";
const DIGITS = { 1: 86, 2: 32 };

/** A text that is not a code which this page can use. */
export class CodeError extends Error {
    /**
     * - `not-a-code`: not a pairing link and not a pairing JSON, or cut short;
     * - `other-version`: a link of a later version;
     * - `no-key`: a code without encryption, which the page does not speak;
     * - `other-app`: a code of an app of its own. Nothing was sent, so it can still be used there.
     * @param {"not-a-code" | "other-version" | "no-key" | "other-app"} why
     */
    constructor(why) {
        super(why);
        this.why = why;
    }
}

/**
 * Reads a code that was scanned or pasted, with blanks and line breaks around it or in it.
 * @param {string} text
 */
export async function readCode(text) {
    return readCodeWith(await chooseCrypto(), text);
}

/**
 * The same with cryptography that was chosen before.
 * @param {import("../crypto/crypto.js").Crypto} crypto
 * @param {string} text
 * @returns {Promise<Code>}
 */
export async function readCodeWith(crypto, text) {
    const whole = text.replace(/\s+/g, "");
    return whole.startsWith("{") ? readJson(whole) : readLink(crypto, whole);
}

/** @param {string} text */
function readJson(text) {
    const { u, s, t, k, a } = parsed(text);
    const isId = (/** @type {unknown} */ id) => typeof id === "string" && /^[0-9a-f]{32}$/.test(id);
    if (typeof u !== "string" || !/^wss?:\/\/\S+$/.test(u) || !isId(s) || !isId(t)) throw new CodeError("not-a-code");
    if (k === undefined) throw new CodeError("no-key");
    const key = typeof k === "string" ? fromBase64url(k) : null;
    if (key?.length !== KEY_LEN) throw new CodeError("not-a-code");
    return { place: { url: u, session: s, token: t }, key, app: a === 1 };
}

/** @param {string} text */
function parsed(text) {
    try {
        return JSON.parse(text);
    } catch {
        throw new CodeError("not-a-code");
    }
}

/** @param {import("../crypto/crypto.js").Crypto} crypto @param {string} text */
async function readLink(crypto, text) {
    const link = urlOf(text);
    if (link?.pathname !== "/p" || !/^https?:$/.test(link.protocol)) throw new CodeError("not-a-code");
    const version = link.hash.slice(1, 2);
    if (/[3-9]/.test(version)) throw new CodeError("other-version");
    const secret = fromBase64url(link.hash.slice(2));
    const wanted = DIGITS[/** @type {"1" | "2"} */ (version)];
    if (!secret || link.hash.length !== 2 + wanted) throw new CodeError("not-a-code");
    const url = `${link.protocol.replace(/^http/, "ws")}//${link.host}/ws`;
    const { session, token, key } = version === "2" ? await derive(crypto, secret) : split(secret);
    return { place: { url, session: hex(session), token: hex(token) }, key, app: version === "2" };
}

/** @param {string} text */
function urlOf(text) {
    try {
        return new URL(text);
    } catch {
        return null;
    }
}

/** @param {Bytes} bytes */
function split(bytes) {
    return { session: bytes.slice(0, 16), token: bytes.slice(16, 32), key: bytes.slice(32) };
}

/**
 * Session, token and key of the secret in a link of version 2.
 * @param {import("../crypto/crypto.js").Crypto} crypto
 * @param {Bytes} secret
 */
export async function derive(crypto, secret) {
    /** @param {string} name @param {number} length */
    const expand = (name, length) => crypto.hkdf(secret, new Uint8Array(0), utf8(`${LABEL} ${name}`), length);
    return { session: await expand("session", 16), token: await expand("token", 16), key: await expand("key", KEY_LEN) };
}
