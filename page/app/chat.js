// Chat over channels that come and go, after "Chat" in docs/app.md: what was said and is not confirmed is
// kept, and said again on the next channel; what comes twice is told once.

import { textOf, utf8 } from "../bytes.js";
import { parseObject } from "./control.js";
import { Damage } from "./damage.js";
import { PAYLOAD_BYTES_MAX } from "./kinds.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {{ id: string, at: number, text: string }} ChatMessage `text` is as it was written: show it by
 *     `harmless`
 */

const KEPT_MAX = 200;
const TEXT_BYTES_MAX = 8 << 10;
const ID_BYTES_MAX = 64;

/** @param {Bytes} bytes @returns {{ got: string } | { message: ChatMessage }} */
export function parseChat(bytes) {
    if (textOf(bytes) === null) throw new Damage("chat");
    const { id, at, text, got } = parseObject(bytes);
    if (isId(got)) return { got };
    const isWhole = isId(id) && typeof text === "string" && Number.isSafeInteger(at) && Number(at) >= 0;
    if (!isWhole || utf8(text).length > TEXT_BYTES_MAX) throw new Damage("chat");
    return { message: { id, at: Number(at), text } };
}

/** @param {unknown} id @returns {id is string} */
function isId(id) {
    return typeof id === "string" && id.length > 0 && utf8(id).length <= ID_BYTES_MAX;
}

/** One end's side of a chat. */
export class Conversation {
    // Makes this process's ids different from others'.
    #prefix;
    #said = 0;
    // Said, and the other app has not confirmed it. So many of the first ones were sent on the present
    // channel.
    /** @type {ChatMessage[]} */
    #waiting = [];
    #sent = 0;
    // To be confirmed; an older one is asked about again.
    /** @type {string[]} */
    #owed = [];
    /** @type {string[]} */
    #seen = [];

    /** @param {string} prefix random, at most 40 bytes */
    constructor(prefix) {
        this.#prefix = prefix;
    }

    /**
     * The user says something. Gives the message as it is kept, or why it is not.
     * @param {string} text
     * @param {number} at
     * @returns {ChatMessage | "too-many" | "too-long"}
     */
    say(text, at) {
        if (this.#waiting.length >= KEPT_MAX) return "too-many";
        const message = { id: `${this.#prefix}-${this.#said + 1}`, at, text };
        // Every byte of a text may need six.
        if (utf8(text).length > TEXT_BYTES_MAX || bytesOf(message).length > PAYLOAD_BYTES_MAX) return "too-long";
        this.#said += 1;
        this.#waiting.push(message);
        return message;
    }

    /** A data message came; null if the user knows it already. @param {Bytes} bytes */
    onData(bytes) {
        const part = parseChat(bytes);
        if ("got" in part) return this.#onGot(part.got);
        const { message } = part;
        keep(this.#owed, message.id, KEPT_MAX);
        if (this.#seen.includes(message.id)) return null;
        keep(this.#seen, message.id, 2 * KEPT_MAX);
        return { message };
    }

    /** A new channel is there: everything unconfirmed goes again. */
    reopened() {
        this.#sent = 0;
    }

    /** The next data message to send, confirmations first. @returns {Bytes | null} */
    get nextPart() {
        if (this.#owed.length > 0) return bytesOf({ got: this.#owed[0] });
        const message = this.#waiting[this.#sent];
        return message ? bytesOf(message) : null;
    }

    /** The channel has taken `nextPart`. Gives the message's id if it was one. */
    partSent() {
        if (this.#owed.shift() !== undefined || this.#sent >= this.#waiting.length) return null;
        return this.#waiting[this.#sent++].id;
    }

    /** @param {string} id */
    #onGot(id) {
        const at = this.#waiting.findIndex((message) => message.id === id);
        if (at < 0) return null;
        this.#waiting.splice(at, 1);
        if (at < this.#sent) this.#sent -= 1;
        return { delivered: id };
    }
}

/** @param {object} part */
function bytesOf(part) {
    return utf8(JSON.stringify(part));
}

/**
 * Appends to a queue from which the oldest gives way.
 * @param {string[]} queue
 * @param {string} id
 * @param {number} most
 */
function keep(queue, id, most) {
    if (queue.length >= most) queue.shift();
    queue.push(id);
}
