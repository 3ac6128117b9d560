// The two directions of a channel: what may be sent and is queued, and what came and is not consumed. Credit
// is the sum of what messages cost. See "Credit" in docs/app.md.

import { CREDIT_MAX, PAYLOAD_BYTES_MAX } from "./kinds.js";
import { Pace } from "./pace.js";

/** @typedef {import("../bytes.js").Bytes} Bytes */

const MESSAGE_COST = 64;

/** @param {number} length */
function cost(length) {
    return length + MESSAGE_COST;
}

/**
 * What this end sends: the cost of its queue and `credit` are what the other end granted and has not heard
 * of.
 */
export class Outflow {
    /** @type {Bytes[]} */
    #queue = [];
    #queued = 0;
    #credit = 0;
    #pace;
    // The cost of the last message that there was no credit for.
    #wanted = Infinity;
    /** @type {"open" | "due" | "sent"} */
    #end = "open";

    /** @param {boolean} isBulk */
    constructor(isBulk) {
        this.#pace = isBulk ? new Pace() : null;
    }

    /**
     * The other end takes `more`. True if the message that was too much would be accepted now; null if that
     * is more than
     * a channel may have.
     * @param {number} more
     * @param {number} now
     */
    grant(more, now) {
        if (this.#credit + this.#queued + more > CREDIT_MAX) return null;
        this.#credit += more;
        this.#pace?.onReturn(more, now);
        if (this.#wanted > this.#credit) return false;
        this.#wanted = Infinity;
        return true;
    }

    /** Accepts a message if there is credit for it. @param {Bytes} payload */
    push(payload) {
        const price = cost(payload.length);
        if (price > this.#credit) {
            this.#wanted = price;
            return false;
        }
        this.#credit -= price;
        this.#queued += price;
        this.#queue.push(payload);
        return true;
    }

    /** No message follows the queue. */
    end() {
        this.#end = "due";
    }

    /** What goes next, if it may go now: a payload, "end", or null. @param {number} now */
    poll(now) {
        const first = this.#queue[0];
        if (!first) {
            if (this.#end !== "due") return null;
            this.#end = "sent";
            return "end";
        }
        const price = cost(first.length);
        if (this.#pace && !this.#pace.admit(price, now)) return null;
        this.#queued -= price;
        this.#queue.shift();
        return first;
    }

    /** True if something waits, even if it may not go now. */
    get hasMore() {
        return this.#queue.length > 0 || this.#end === "due";
    }

    get isEnded() {
        return this.#end !== "open";
    }

    get isOver() {
        return this.#end === "sent";
    }

    get messageLength() {
        return this.#pace?.messageLength ?? PAYLOAD_BYTES_MAX;
    }
}

/** What this end receives: `granted`, the cost of what is held, and `unreturned` are the window. */
export class Inflow {
    #window;
    #isBulk;
    #granted = 0;
    // The lengths of messages that came and are not consumed, the oldest first.
    /** @type {number[]} */
    #held = [];
    // Bytes of the oldest that are consumed.
    #consumed = 0;
    // Consumed, and the other end has not been told.
    #unreturned = 0;
    isEnded = false;

    /** @param {number} window @param {boolean} isBulk */
    constructor(window, isBulk) {
        this.#window = window;
        this.#isBulk = isBulk;
    }

    /** The first credit, to be told with `open` or `accept`. */
    grantWindow() {
        this.#granted = this.#window;
        return this.#window;
    }

    /** A message of this length came. False if there was no credit for it. @param {number} length */
    take(length) {
        if (cost(length) > this.#granted) return false;
        this.#granted -= cost(length);
        this.#held.push(length);
        return true;
    }

    /**
     * The app is done with this many bytes of the oldest messages. A message counts when all of it is
     * consumed; one that
     * is empty, with the one before it.
     * @param {number} bytes
     */
    consume(bytes) {
        this.#consumed += bytes;
        while (this.#held.length > 0 && this.#held[0] <= this.#consumed) {
            const length = this.#held.shift() ?? 0;
            this.#consumed -= length;
            this.#unreturned += cost(length);
        }
        if (this.#held.length === 0) this.#consumed = 0;
    }

    /**
     * Returns what is consumed, once it is enough; else 0. A bulk sender is paced by it, so there each
     * message is.
     */
    pollCredit() {
        const enough = this.#isBulk ? 1 : this.#window / 4;
        if (this.isEnded || this.#unreturned < enough) return 0;
        const more = this.#unreturned;
        this.#unreturned = 0;
        this.#granted += more;
        return more;
    }
}
