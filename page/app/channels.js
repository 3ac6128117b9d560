// The channels of an end, and whose message goes next. What the other end says about them is in heard.js.

import { Channel } from "./channel.js";
import { isParams, writeControl, writeData } from "./control.js";
import { CHANNELS_MAX, isAllowed, kindInfo } from "./kinds.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {import("./control.js").Control} Control
 * @typedef {import("./control.js").Params} Params
 * @typedef {import("./control.js").Reason} Reason
 * @typedef {import("./kinds.js").Right} Right
 */

/** All channels that are not gone, and the last words about those that are. */
export class Channels {
    #isDesk;
    /** @type {Map<number, Channel>} */
    #channels = new Map();
    // `refuse` and `reset` of channels that are gone here and may not be gone at the other end.
    /** @type {(Control & { ch: number })[]} */
    #farewells = [];
    // Channels with something to send, the next one first. None is in it twice.
    /** @type {Channel[]} */
    #interactive = [];
    /** @type {Channel[]} */
    #bulk = [];
    #next;
    #highest = 0;

    /** @param {boolean} isDesk */
    constructor(isDesk) {
        this.#isDesk = isDesk;
        this.#next = isDesk ? 2 : 1;
    }

    /** The other end begins again: none of them is left. */
    restart() {
        for (const channel of this.#channels.values()) channel.state = "gone";
        this.#channels.clear();
        this.#farewells = [];
        this.#interactive = [];
        this.#bulk = [];
        this.#next = this.#isDesk ? 2 : 1;
        this.#highest = 0;
    }

    /**
     * A channel of this end; null if as many are open as may be.
     * @param {string} kind
     * @param {Params} params
     */
    open(kind, params) {
        const info = kindInfo(kind);
        if (!info || !isParams(params)) throw new Error(`no channel of kind ${kind} with these parameters`);
        const number = this.#next;
        if (this.countLike(number) >= CHANNELS_MAX) return null;
        this.#next += 2;
        return this.#add(number, kind, info, params, "opening");
    }

    /** A channel that the other end opens. @param {number} number @param {string} kind */
    addAsked(number, kind) {
        const info = kindInfo(kind);
        return info && this.#add(number, kind, info, {}, "asked");
    }

    /**
     * @param {number} number
     * @param {string} kind
     * @param {import("./kinds.js").KindInfo} info
     * @param {Params} params
     * @param {import("./channel.js").State} state
     */
    #add(number, kind, info, params, state) {
        const channel = new Channel({ home: this, number, kind, info, params, state });
        this.#channels.set(number, channel);
        return channel;
    }

    /** @param {number} number */
    get(number) {
        return this.#channels.get(number);
    }

    /** The other end's channels that it has no right to. @param {Right[]} rights */
    withoutRight(rights) {
        const theirs = [...this.#channels.values()].filter(({ number }) => !this.isOwn(number));
        return theirs.filter(({ info }) => !isAllowed(info, rights));
    }

    /** The highest number that the other end has opened. */
    get highest() {
        return this.#highest;
    }

    /** @param {number} number */
    noteHighest(number) {
        this.#highest = number;
    }

    /** True if channels with this number are opened by this end. @param {number} number */
    isOwn(number) {
        return (number % 2 === 0) === this.#isDesk;
    }

    /**
     * True if this number was opened by its end, so that a message may have been on its way.
     * @param {number} number
     */
    wasOpened(number) {
        return number > 0 && (this.isOwn(number) ? number < this.#next : number <= this.#highest);
    }

    /** Channels and farewells of the end that opens numbers like this one. @param {number} number */
    countLike(number) {
        const isLike = (/** @type {number} */ other) => other % 2 === number % 2;
        const channels = [...this.#channels.keys()].filter(isLike).length;
        return channels + this.#farewells.filter(({ ch }) => isLike(ch)).length;
    }

    /**
     * Last words about a channel that is not here.
     * @param {"refuse" | "reset"} t
     * @param {number} ch
     * @param {Reason} reason
     */
    farewell(t, ch, reason) {
        this.#farewells.push({ t, ch, reason });
    }

    /** The channel has something to send. @param {Channel} channel */
    lineUp(channel) {
        const line = channel.info.isBulk ? this.#bulk : this.#interactive;
        if (!line.includes(channel)) line.push(channel);
    }

    /**
     * The channel is gone; the other end is told if there is a reason.
     * @param {Channel} channel
     * @param {boolean | Reason} why
     */
    leave(channel, why) {
        if (typeof why === "object") this.farewell(channel.state === "asked" ? "refuse" : "reset", channel.number, why);
        channel.state = "gone";
        this.#channels.delete(channel.number);
        this.#interactive = this.#interactive.filter((other) => other !== channel);
        this.#bulk = this.#bulk.filter((other) => other !== channel);
    }

    /** Both directions of it may be over. @param {Channel} channel */
    leaveIfOver(channel) {
        if (channel.out.isOver && channel.inn.isEnded) this.leave(channel, false);
    }

    /** The next message that is not data. @returns {Bytes | null} */
    pollControl() {
        const farewell = this.#farewells.shift();
        if (farewell) return writeControl(farewell);
        for (const channel of this.#channels.values()) {
            const control = channel.pollControl();
            if (control) return writeControl(control);
        }
        return null;
    }

    /**
     * The next message of interactive or bulk channels, which take turns.
     * @param {boolean} isBulk
     * @param {number} now
     */
    pollData(isBulk, now) {
        const line = isBulk ? this.#bulk : this.#interactive;
        for (let left = line.length; left > 0; left--) {
            const channel = /** @type {Channel} */ (line.shift());
            const next = channel.out.poll(now);
            if (channel.out.hasMore) line.push(channel);
            if (next === "end") {
                this.leaveIfOver(channel);
                return writeControl({ t: "end", ch: channel.number });
            }
            if (next) return writeData(channel.number, next);
        }
        return null;
    }
}
