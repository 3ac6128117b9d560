// Pairing codes, written from docs/tunnel.md on WebCrypto alone: JSON, and links of both versions.

const { subtle } = globalThis.crypto;
const KEY_LEN = 32;
const LABEL = "relay code 2";
const utf8 = new TextEncoder();

/** Reads a code, or what an earlier run saved: `{ place, codeKey, pairKey, welcomed }`. */
export async function readCode(text) {
    return text.startsWith("{") ? readJson(text) : readLink(text);
}

function readJson(text) {
    const { u, s, t, k, p, a, welcomed = false } = JSON.parse(text);
    const place = { url: u, session: s, token: t };
    return { place, codeKey: k ? key(k) : null, pairKey: p ? key(p) : null, app: a === 1, welcomed };
}

async function readLink(text) {
    const link = new URL(text);
    const [version, digits] = [link.hash.slice(1, 2), link.hash.slice(2)];
    const wanted = { 1: 86, 2: 32 }[version];
    if (link.pathname !== "/p" || digits.length !== wanted || !/^[A-Za-z0-9_-]+$/.test(digits)) {
        throw new Error(`${text} is not a pairing link`);
    }
    const bytes = new Uint8Array(Buffer.from(digits, "base64url"));
    const url = `${link.protocol.replace(/^http/, "ws")}//${link.host}/ws`;
    const fields = version === "2" ? await derive(bytes) : split(bytes);
    const place = { url, session: hex(fields.session), token: hex(fields.token) };
    return { place, codeKey: fields.key, pairKey: null, app: version === "2", welcomed: false };
}

function split(bytes) {
    return { session: bytes.slice(0, 16), token: bytes.slice(16, 32), key: bytes.slice(32) };
}

/** Session, token and key of the secret in a link of version 2. */
export async function derive(secret) {
    const base = await subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
    const expand = async (name, length) => {
        const info = utf8.encode(`${LABEL} ${name}`);
        const algorithm = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info };
        return new Uint8Array(await subtle.deriveBits(algorithm, base, length * 8));
    };
    return { session: await expand("session", 16), token: await expand("token", 16), key: await expand("key", KEY_LEN) };
}

function key(digits) {
    const key = new Uint8Array(Buffer.from(digits, "base64url"));
    if (key.length !== KEY_LEN) throw new Error(`a key has ${KEY_LEN} bytes, this one ${key.length}`);
    return key;
}

function hex(bytes) {
    return Buffer.from(bytes).toString("hex");
}
