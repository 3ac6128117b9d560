// RFC 6455, the client's side, over node:net: Node 20 has no WebSocket client of its own. Knows nothing of
// the relay; relay.mjs calls it. Extensions are never offered.

import { createHash, randomBytes } from "node:crypto";
import net from "node:net";
import tls from "node:tls";

const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const NORMAL = 1000;
const PROTOCOL_ERROR = 1002;
const INVALID_UTF8 = 1007;
const TOO_BIG = 1009;

const MESSAGE_BYTES_MAX = 64 << 20;
// Longer messages go in fragments, so that a relay meets them.
const FRAGMENT_BYTES = 20_000;
const CONNECT_MS = 6_000;
const CLOSE_MS = 2_000;
// RFC 6455 §1.3.
const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/**
 * One connection. `on` has `text(string)`, `binary(bytes)` and `end({ code, reason })`; `end` comes once,
 * last, with no
 * code where the other side sent no Close frame.
 */
export class WebSocket {
    #socket;
    #on;
    #input = Buffer.alloc(0);
    #fragments = null;
    #end = { code: null, reason: "" };
    #closing = false;

    /** Fails if there is no server, or if it does not accept `protocol`. */
    static async connect(url, protocol, on) {
        const { socket, rest } = await upgrade(new URL(url), protocol);
        return new WebSocket(socket, rest, on);
    }

    constructor(socket, rest, on) {
        this.#socket = socket;
        this.#on = on;
        socket.on("data", (chunk) => this.#take(chunk));
        // An error is told by the `close` behind it.
        socket.on("error", () => {});
        socket.on("end", () => socket.end());
        socket.on("close", () => this.#on.end(this.#end));
        // The caller learns of this object before what it read.
        setImmediate(() => {
            this.#take(rest);
            socket.resume();
        });
    }

    sendText(text) {
        this.#send(TEXT, Buffer.from(text, "utf8"));
    }

    sendBinary(bytes) {
        this.#send(BINARY, Buffer.from(bytes));
    }

    /** The closing handshake of RFC 6455 §7; the other side has a while to answer. */
    close(code = NORMAL, reason = "") {
        if (this.#closing) return;
        this.#closing = true;
        this.#write(true, CLOSE, Buffer.concat([u16(code), Buffer.from(reason)]));
        setTimeout(() => this.#socket.destroy(), CLOSE_MS).unref();
    }

    /** Ends the TCP connection silently, like a pulled cable. */
    cut() {
        this.#socket.destroy();
    }

    #send(opcode, payload) {
        if (this.#closing) return;
        for (let at = 0; at === 0 || at < payload.length; at += FRAGMENT_BYTES) {
            const last = at + FRAGMENT_BYTES >= payload.length;
            this.#write(last, at === 0 ? opcode : CONTINUATION, payload.subarray(at, at + FRAGMENT_BYTES));
        }
    }

    #write(fin, opcode, payload) {
        if (this.#socket.destroyed) return;
        const mask = randomBytes(4);
        const masked = Buffer.from(payload);
        for (let i = 0; i < masked.length; i++) masked[i] ^= mask[i & 3];
        const first = (fin ? 0x80 : 0) | opcode;
        this.#socket.write(Buffer.concat([lengthHead(first, masked.length), mask, masked]));
    }

    #take(chunk) {
        this.#input = this.#input.length > 0 ? Buffer.concat([this.#input, chunk]) : chunk;
        for (let frame = this.#tryFrame(); frame; frame = this.#tryFrame()) this.#onFrame(frame);
    }

    /** The next frame, or null until there are more bytes. */
    #tryFrame() {
        const head = readHead(this.#input);
        if (!head || this.#socket.destroyed) return null;
        // RFC 6455 §5.1: a server does not mask. §5.2: reserved bits are of extensions, which nobody offered.
        if (head.masked || head.reserved) return this.#fail(PROTOCOL_ERROR);
        const control = head.opcode >= CLOSE;
        // RFC 6455 §5.5: control frames carry at most 125 bytes and are never fragmented.
        if (control && (head.length > 125 || !head.fin)) return this.#fail(PROTOCOL_ERROR);
        if (head.length > MESSAGE_BYTES_MAX) return this.#fail(TOO_BIG);
        const end = head.at + head.length;
        if (this.#input.length < end) return null;
        const payload = this.#input.subarray(head.at, end);
        this.#input = this.#input.subarray(end);
        return { ...head, payload };
    }

    #onFrame({ fin, opcode, payload }) {
        if (opcode === PING) return this.#closing || this.#write(true, PONG, payload);
        if (opcode === PONG) return;
        if (opcode === CLOSE) return this.#onClose(payload);
        // RFC 6455 §5.4: a continuation continues something, and nothing else may come before its end.
        const known = opcode === CONTINUATION || opcode === TEXT || opcode === BINARY;
        if (!known || (opcode === CONTINUATION) !== (this.#fragments !== null)) return this.#fail(PROTOCOL_ERROR);
        this.#fragments ??= { opcode, parts: [], length: 0 };
        this.#fragments.parts.push(payload);
        this.#fragments.length += payload.length;
        if (this.#fragments.length > MESSAGE_BYTES_MAX) return this.#fail(TOO_BIG);
        if (!fin) return;
        const whole = Buffer.concat(this.#fragments.parts);
        const isText = this.#fragments.opcode === TEXT;
        this.#fragments = null;
        if (!isText) return this.#on.binary(new Uint8Array(whole));
        const text = utf8OrNull(whole);
        if (text === null) return this.#fail(INVALID_UTF8);
        this.#on.text(text);
    }

    #onClose(payload) {
        if (payload.length >= 2) this.#end = { code: payload.readUInt16BE(0), reason: payload.toString("utf8", 2) };
        if (!this.#closing) this.close(this.#end.code ?? NORMAL);
        this.#socket.end();
    }

    #fail(code) {
        this.close(code);
        this.#end.reason = `this client closed with ${code}`;
        this.#socket.destroySoon();
        this.#input = Buffer.alloc(0);
        return null;
    }
}

/** RFC 6455 §4.1: the upgrade, and what was read behind its answer. */
function upgrade(url, protocol) {
    const key = randomBytes(16).toString("base64");
    const secure = url.protocol === "wss:";
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const place = { host, port: Number(url.port || (secure ? 443 : 80)), servername: host };
    return new Promise((resolve, reject) => {
        const socket = secure ? tls.connect(place) : net.connect(place);
        const fail = (why) => {
            socket.destroy();
            reject(new Error(`no upgrade at ${url}: ${why}`));
        };
        const guard = setTimeout(() => fail(`no answer in ${CONNECT_MS} ms`), CONNECT_MS);
        const failed = (error) => fail(error.message);
        const ended = () => fail("the connection ended");
        let read = Buffer.alloc(0);
        const onData = (chunk) => {
            read = Buffer.concat([read, chunk]);
            const end = read.indexOf("\r\n\r\n");
            if (end < 0) return;
            clearTimeout(guard);
            socket.pause();
            socket.off("data", onData).off("error", failed).off("end", ended);
            const wrong = faultOfAnswer(read.toString("latin1", 0, end), key, protocol);
            if (wrong) return fail(wrong);
            resolve({ socket, rest: read.subarray(end + 4) });
        };
        socket.setNoDelay(true);
        socket.on("data", onData).on("error", failed).on("end", ended);
        socket.write(
            `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\nUpgrade: websocket\r\n` +
                `Connection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n` +
                `Sec-WebSocket-Protocol: ${protocol}\r\n\r\n`,
        );
    });
}

function faultOfAnswer(head, key, protocol) {
    const [status, ...lines] = head.split("\r\n");
    if (!/^HTTP\/1\.1 101( |$)/.test(status)) return `the answer is ${status}`;
    const fields = new Map();
    for (const line of lines) {
        const colon = line.indexOf(":");
        fields.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    const accept = createHash("sha1").update(key + ACCEPT_GUID).digest("base64");
    if (fields.get("sec-websocket-accept") !== accept) return "its accept is not that of our key";
    if (fields.get("sec-websocket-protocol") !== protocol) return `it does not grant ${protocol}`;
    if (fields.has("sec-websocket-extensions")) return "it grants an extension that nobody offered";
    return null;
}

/** RFC 6455 §5.2, or null until there are more bytes. */
function readHead(bytes) {
    if (bytes.length < 2) return null;
    const [first, second] = bytes;
    const more = { 126: 2, 127: 8 }[second & 127] ?? 0;
    if (bytes.length < 2 + more) return null;
    const long = { 2: () => bytes.readUInt16BE(2), 8: () => Number(bytes.readBigUInt64BE(2)) };
    return {
        fin: (first & 0x80) !== 0,
        reserved: (first & 0x70) !== 0,
        opcode: first & 15,
        masked: (second & 0x80) !== 0,
        length: long[more]?.() ?? second & 127,
        at: 2 + more,
    };
}

// A client's frames are masked, which the second byte's first bit says.
function lengthHead(first, length) {
    if (length < 126) return Buffer.of(first, 0x80 | length);
    if (length < 65_536) return Buffer.concat([Buffer.of(first, 0x80 | 126), u16(length)]);
    const long = Buffer.alloc(8);
    long.writeBigUInt64BE(BigInt(length));
    return Buffer.concat([Buffer.of(first, 0x80 | 127), long]);
}

function u16(number) {
    return Buffer.of(number >> 8, number & 255);
}

function utf8OrNull(bytes) {
    try {
        return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
        return null;
    }
}
