// The chat as the page shows it: one list of messages of both ends.

import { hex } from "../bytes.js";
import { Conversation } from "./chat.js";
import { Damage } from "./damage.js";

/**
 * `waiting`: not sent; `sent`: on its way; `delivered`: the other app has it. Show `text` by `harmless`.
 * @typedef {{ id: string, isMine: boolean, at: number, text: string, state: "waiting" | "sent" | "delivered"
 *     }} ChatLine
 */

/** Lines that are kept. */
const LINES_MAX = 400;

export class ChatRoom {
    #host;
    #conversation;
    #changed;
    /** @type {import("./channel.js").Channel | null} */
    #channel = null;
    /** The oldest first. @type {ChatLine[]} */
    lines = [];

    /**
     * @param {import("./host.js").Host} host
     * @param {Uint8Array} random 16 bytes
     * @param {() => void} changed
     */
    constructor(host, random, changed) {
        this.#host = host;
        this.#conversation = new Conversation(hex(random));
        this.#changed = changed;
    }

    /**
     * The user says something. Null, or why it is not sent: at most 8 KiB each, and 200 that the desk does
     * not have.
     * @param {string} text
     */
    say(text) {
        const at = this.#host.date();
        const said = this.#conversation.say(text, at);
        if (typeof said === "string") return said;
        this.#add({ id: said.id, isMine: true, at, text, state: "waiting" });
        this.#flush();
        this.#host.pump();
        return null;
    }

    /** For the link: the two ends are ready, or not any more. @param {boolean} isReady */
    onReady(isReady) {
        this.#channel = isReady ? this.#host.open("chat", {}) : null;
        if (this.#channel) this.take(this.#channel);
    }

    /**
     * For the link: a channel of this kind, also one that the desk opened.
     * @param {import("./channel.js").Channel} channel
     */
    take(channel) {
        channel.owner = (event) => this.#onEvent(event);
        if (channel.accept()) this.#onAccepted(channel);
    }

    /** @param {import("./channel.js").Channel} channel */
    #onAccepted(channel) {
        this.#channel = channel;
        this.#conversation.reopened();
        this.#flush();
    }

    /** @param {import("./end.js").AppEvent} event */
    #onEvent(event) {
        if (event.type === "accepted") this.#onAccepted(event.channel);
        if (event.type === "data") this.#onData(event.channel, event.bytes);
        if (event.type === "ended") event.channel.end();
        if (event.type === "reset" || event.type === "refused" || event.type === "ended") {
            if (event.channel === this.#channel) this.#channel = null;
        }
        this.#flush();
        this.#host.pump();
    }

    /** @param {import("./channel.js").Channel} channel @param {import("../bytes.js").Bytes} bytes */
    #onData(channel, bytes) {
        channel.consumed(bytes.length);
        try {
            const news = this.#conversation.onData(bytes);
            if (!news) return;
            if ("delivered" in news && news.delivered) this.#mark(news.delivered, "delivered");
            if ("message" in news) this.#add({ ...news.message, isMine: false, state: "delivered" });
        } catch (error) {
            if (!(error instanceof Damage)) throw error;
            channel.reset("malformed", "not a chat message");
        }
    }

    #flush() {
        const channel = this.#channel;
        for (let part = this.#conversation.nextPart; part && channel?.send(part); part = this.#conversation.nextPart) {
            const id = this.#conversation.partSent();
            if (id) this.#mark(id, "sent");
        }
    }

    /** @param {ChatLine} line */
    #add(line) {
        this.lines.push(line);
        if (this.lines.length > LINES_MAX) this.lines.shift();
        this.#changed();
    }

    /** @param {string} id @param {"sent" | "delivered"} state */
    #mark(id, state) {
        const line = this.lines.find((other) => other.id === id && other.isMine);
        if (!line || line.state === "delivered") return;
        line.state = state;
        this.#changed();
    }
}
