// One channel of an end: who opened it, whether it was accepted, and its two directions.

import { isParams } from "./control.js";
import { Inflow, Outflow } from "./flow.js";
import { PAYLOAD_BYTES_MAX } from "./kinds.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {import("./control.js").Params} Params
 * @typedef {import("./control.js").Reason} Reason
 * @typedef {import("./end.js").AppEvent} AppEvent
 */

/**
 * - `opening`: this end opens it, `open` is not sent; `waiting`: sent, and not answered;
 * - `asked`: the other end opens it, and this end has not answered; `accepting`: it has, `accept` is not
 *   sent.
 * @typedef {"opening" | "waiting" | "asked" | "accepting" | "accepted" | "gone"} State
 */

/** What a channel needs of the machine. */
/**
 * @typedef {{ lineUp(channel: Channel): void, leave(channel: Channel, farewell: boolean | Reason): void }}
 *     Home
 */

/** A channel. After it is gone, its methods do nothing and say so. */
export class Channel {
    #home;
    /** @type {Params} */
    #params;
    /** Whom its events go to, if its app has set it. @type {((event: AppEvent) => void) | null} */
    owner = null;

    /**
     * @param {{ home: Home, number: number, kind: string, info: import("./kinds.js").KindInfo, params:
     *     Params,
     *     state: State }} made
     */
    constructor({ home, number, kind, info, params, state }) {
        this.#home = home;
        this.number = number;
        this.kind = kind;
        this.info = info;
        this.#params = params;
        /** @type {State} */
        this.state = state;
        this.out = new Outflow(info.isBulk);
        this.inn = new Inflow(info.credit, info.isBulk);
    }

    /** True if data may go both ways. */
    get isAccepted() {
        return this.state === "accepting" || this.state === "accepted";
    }

    get isGone() {
        return this.state === "gone";
    }

    /** A good length for the next message. */
    get messageLength() {
        return this.out.messageLength;
    }

    /** Accepts a channel of `opened`. False if it is gone or answered. @param {Params} [params] */
    accept(params = {}) {
        if (this.state !== "asked" || !isParams(params)) return false;
        this.state = "accepting";
        this.#params = params;
        return true;
    }

    /** Refuses a channel of `opened`. @param {string} token @param {string} [words] */
    refuse(token, words = "") {
        if (this.state === "asked") this.#home.leave(this, { token, words });
    }

    /**
     * Sends one message of the channel's kind. False if nothing was accepted: `writable` follows if it is
     * full.
     * @param {Bytes} payload
     */
    send(payload) {
        if (payload.length > PAYLOAD_BYTES_MAX) throw new Error(`${payload.length} bytes in one data message`);
        if (!this.isAccepted || this.out.isEnded || !this.out.push(payload)) return false;
        this.#home.lineUp(this);
        return true;
    }

    /** The app is done with so many bytes of the oldest data. @param {number} bytes */
    consumed(bytes) {
        this.inn.consume(bytes);
    }

    /** Nothing more is sent. What was accepted goes before it. */
    end() {
        if (!this.isAccepted || this.out.isEnded) return false;
        this.out.end();
        this.#home.lineUp(this);
        return true;
    }

    /** Ends both directions now; what waits is dropped. @param {string} token @param {string} [words] */
    reset(token, words = "") {
        if (!this.isGone) this.#home.leave(this, this.state === "opening" ? false : { token, words });
    }

    /** The channel's next control message; all of them go before its data. */
    pollControl() {
        const { number: ch, kind } = this;
        if (this.state === "opening") {
            this.state = "waiting";
            return { t: /** @type {const} */ ("open"), ch, kind, credit: this.inn.grantWindow(), p: this.#params };
        }
        if (this.state === "accepting") {
            this.state = "accepted";
            return { t: /** @type {const} */ ("accept"), ch, credit: this.inn.grantWindow(), p: this.#params };
        }
        const n = this.state === "accepted" ? this.inn.pollCredit() : 0;
        return n > 0 ? { t: /** @type {const} */ ("credit"), ch, n } : null;
    }
}
