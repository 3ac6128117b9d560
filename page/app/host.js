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

/** Messages that a channel has not taken yet: in order, and bounded. */
export class Outbox {
    #max;
    /** @type {import("../bytes.js").Bytes[]} */
    #queue = [];
    #bytes = 0;

    /** @param {number} max bytes */
    constructor(max) {
        this.#max = max;
    }

    /** True if they were accepted, all of them. @param {import("../bytes.js").Bytes[]} messages */
    push(messages) {
        const bytes = messages.reduce((sum, { length }) => sum + length, 0);
        if (this.#bytes + bytes > this.#max) return false;
        this.#bytes += bytes;
        this.#queue.push(...messages);
        return true;
    }

    clear() {
        this.#queue = [];
        this.#bytes = 0;
    }

    /** Gives the channel what it takes. @param {import("./channel.js").Channel | null} channel */
    flush(channel) {
        while (channel?.isAccepted && this.#queue.length > 0 && channel.send(this.#queue[0])) {
            this.#bytes -= this.#queue[0].length;
            this.#queue.shift();
        }
    }
}
