// What the kinds of channels need of the link that carries them.

/**
 * @typedef {object} Host
 * @property {(kind: string, params: import("./control.js").Params) => import("./channel.js").Channel | null}
 *     open null
 *     while the two ends are not ready
 * @property {() => void} pump call it after anything was sent, consumed or answered
 * @property {() => boolean} isOpen the two ends are connected
 * @property {() => number} now milliseconds that only rise
 * @property {() => number} date milliseconds since 1970
 * @property {(ms: number, then: () => void) => () => void} after calls `then` later, unless what it returns
 *     is called
 */

/**
 * Messages of one act, as many parts as they have.
 * @typedef {{ parts: import("../bytes.js").Bytes[], isKept: boolean, isBegun: boolean }} Act
 */

/** Messages that a channel has not taken yet: in order, and bounded. */
export class Outbox {
    #max;
    /** @type {Act[]} */
    #queue = [];
    #bytes = 0;

    /** @param {number} max bytes */
    constructor(max) {
        this.#max = max;
    }

    /**
     * True if they were accepted, all of them.
     * @param {import("../bytes.js").Bytes[]} parts
     * @param {boolean} [isKept] they are for the next channel, too
     */
    push(parts, isKept = false) {
        const bytes = lengthOf(parts);
        if (this.#bytes + bytes > this.#max) return false;
        this.#bytes += bytes;
        this.#queue.push({ parts: [...parts], isKept, isBegun: false });
        return true;
    }

    /** There is another channel: what was meant for the last one goes, and what that one has a part of. */
    renew() {
        this.#queue = this.#queue.filter(({ isKept, isBegun }) => isKept && !isBegun);
        this.#bytes = this.#queue.reduce((sum, { parts }) => sum + lengthOf(parts), 0);
    }

    /** Gives the channel what it takes. @param {import("./channel.js").Channel | null} channel */
    flush(channel) {
        for (let act = this.#queue[0]; act && channel?.isAccepted; act = this.#queue[0]) {
            if (act.parts.length > 0 && !channel.send(act.parts[0])) return;
            this.#bytes -= act.parts.shift()?.length ?? 0;
            act.isBegun = true;
            if (act.parts.length === 0) this.#queue.shift();
        }
    }
}

/** @param {import("../bytes.js").Bytes[]} parts */
function lengthOf(parts) {
    return parts.reduce((sum, { length }) => sum + length, 0);
}
