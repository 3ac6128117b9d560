// Texts from one device's clipboard to the other's, after "Clipboard" in docs/app.md: sent by an act of the
// user, shown, and put into the clipboard by a tap, never by themselves.

import { concat, textOf, utf8 } from "../bytes.js";

/**
 * @typedef {import("../app/channel.js").Channel} Channel
 * @typedef {import("../bytes.js").Bytes} Bytes
 */

/**
 * One text. Show it by `harmless`; what goes into the clipboard is the text as it is.
 * - sent: `waiting` for the desk, `moving`, `got`: the desk's user can see it, `failed`: see `reason`;
 * - received: `new` until `seen` is called, then `got`.
 * @typedef {{ isMine: boolean, text: string, state: "waiting" | "moving" | "new" | "got" | "failed",
 *     reason: import("../app/control.js").Reason | null }} Clip
 */

const VERSION = 1;
const BYTES_MAX = 1 << 20;
/** Texts that are listed; the oldest gives way. */
const CLIPS_MAX = 20;
/** Texts that come at a time. */
const COMING_MAX = 4;
const GOT = '{"t":"got"}';

export class Clipboard {
    #host;
    #changed;
    #isReady = false;
    #coming = 0;
    /** The channel of each clip that has one. @type {Map<Clip, Channel>} */
    #channels = new Map();
    /** The oldest first. @type {Clip[]} */
    clips = [];

    /** @param {import("../app/host.js").Host} host @param {() => void} changed */
    constructor(host, changed) {
        this.#host = host;
        this.#changed = changed;
    }

    /** The user sends a text. Null, or why it is not sent. @param {string} text */
    send(text) {
        if (utf8(text).length > BYTES_MAX) return "too-long";
        const clip = this.#add({ isMine: true, text, state: "waiting", reason: null });
        if (this.#isReady) this.#open(clip);
        this.#host.pump();
        return null;
    }

    /** The user can see a text that came: the desk is told. @param {Clip} clip */
    seen(clip) {
        if (clip.state !== "new") return;
        clip.state = "got";
        const channel = this.#channels.get(clip);
        this.#channels.delete(clip);
        channel?.send(utf8(GOT));
        channel?.end();
        this.#host.pump();
        this.#changed();
    }

    /** Takes a text off the list, and stops it if it is on its way. @param {Clip} clip */
    drop(clip) {
        this.#channels.get(clip)?.reset("cancelled");
        this.#channels.delete(clip);
        this.clips = this.clips.filter((other) => other !== clip);
        this.#host.pump();
        this.#changed();
    }

    /** For the link: the two ends are ready, or not any more. @param {boolean} isReady */
    onReady(isReady) {
        this.#isReady = isReady;
        this.#channels.clear();
        this.#coming = 0;
        for (const clip of this.clips) {
            if (!clip.isMine || (clip.state !== "moving" && clip.state !== "waiting")) continue;
            clip.state = "waiting";
            if (isReady) this.#open(clip);
        }
        this.#changed();
    }

    /**
     * For the link: the desk sends a text.
     * @param {Channel} channel
     * @param {Record<string, unknown>} params
     */
    take(channel, { bytes }) {
        const length = Number(bytes);
        if (!Number.isSafeInteger(bytes) || length < 0) return channel.refuse("malformed");
        if (length > BYTES_MAX) return channel.refuse("too-long", "a clipboard's text has at most 1 MiB");
        if (this.#coming >= COMING_MAX) return channel.refuse("too-many");
        this.#coming += 1;
        /** @type {Bytes[]} */
        const parts = [];
        let left = length;
        let isOver = false;
        const finish = () => {
            if (!isOver) this.#coming = Math.max(0, this.#coming - 1);
            isOver = true;
        };
        channel.owner = (event) => {
            if (event.type === "data" && !isOver) {
                parts.push(event.bytes.slice());
                left -= event.bytes.length;
                channel.consumed(event.bytes.length);
                if (left < 0) channel.reset("protocol", "more text came than was said");
            }
            if (event.type === "ended") this.#onWhole(channel, parts, left);
            if (event.type === "ended" || event.type === "reset" || left < 0) finish();
            this.#host.pump();
        };
        channel.accept({ v: VERSION });
        this.#host.pump();
    }

    /** @param {Channel} channel @param {Bytes[]} parts @param {number} left */
    #onWhole(channel, parts, left) {
        // It was reset, and its end was on its way.
        if (channel.isGone) return;
        const text = textOf(concat(...parts));
        if (left > 0) return channel.reset("protocol", "less text came than was said");
        if (text === null) return channel.reset("malformed", "it is not text");
        this.#channels.set(this.#add({ isMine: false, text, state: "new", reason: null }), channel);
    }

    /** @param {Clip} clip */
    #open(clip) {
        const bytes = utf8(clip.text);
        const channel = this.#host.open("clipboard", { v: VERSION, bytes: bytes.length });
        if (!channel) return;
        let at = 0;
        const flush = () => {
            while (at < bytes.length && channel.send(bytes.slice(at, at + channel.messageLength))) {
                at += channel.messageLength;
            }
            if (at >= bytes.length) channel.end();
        };
        this.#channels.set(clip, channel);
        channel.owner = (event) => {
            if (event.type === "accepted") this.#set(clip, "moving");
            if (event.type === "accepted" || event.type === "writable") flush();
            if (event.type === "data") {
                channel.consumed(event.bytes.length);
                if (textOf(event.bytes)?.includes('"got"')) this.#set(clip, "got");
            }
            if (event.type === "refused" || event.type === "reset") this.#fail(clip, event.reason);
            if (event.type === "ended") this.#fail(clip, { token: "ended", words: "" });
            this.#host.pump();
        };
    }

    /** Unless the other end has it. @param {Clip} clip @param {import("../app/control.js").Reason} reason */
    #fail(clip, reason) {
        this.#channels.delete(clip);
        if (clip.state === "got") return;
        clip.reason = reason;
        this.#set(clip, "failed");
    }

    /** @param {Clip} clip @param {Clip["state"]} state */
    #set(clip, state) {
        clip.state = state;
        this.#changed();
    }

    /** @param {Clip} clip */
    #add(clip) {
        this.clips.push(clip);
        for (const old of this.clips.slice(0, Math.max(0, this.clips.length - CLIPS_MAX))) this.drop(old);
        this.#changed();
        return clip;
    }
}
