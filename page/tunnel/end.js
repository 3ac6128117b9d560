// What both ends of a tunnel share: the live connection, records out, messages in and out. It sees no socket,
// timer or clock of its own. phone.js is the page's role; the tests have the other one.
//
// A driver hands it one input at a time and waits for each: `onLink`, `onUnlink`, `onMessage`, `onTimeout`,
// or a call of the app. After each it calls `drain`. An input may throw `Refused`: FAULT ends the connection,
// DROPPED means nothing.

import { readRecord, writeRecord } from "./records.js";
import { FAULT, faultUnless, Refused } from "./refused.js";
import { Stream } from "./stream.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {import("../crypto/crypto.js").Crypto} Crypto
 * @typedef {import("./code.js").Place} Place
 * @typedef {import("./handshake.js").Connection} Connection
 * @typedef {import("./records.js").TunnelRecord} TunnelRecord
 */

/**
 * What happened, for the driver:
 * - `asked`: the workstation's user is being asked; `writable`: messages go out behind HELLO; `open`: messages go both ways, again after each new
 *   connection;
 * - `message`: one of the other app, which has it with this; `closed`: it sends nothing more;
 * - `acknowledged`: the other app has so many messages; `restarted`: its process is new, and so many are
 *   lost;
 * - `refused`, `denied`, `removed`: this phone is not let in, or not any more: it is over;
 * - `moved`: go on in `place`; the connection is of no use any more.
 * @typedef {{ what: "words" | "asked", words: string } | { what: "writable" | "open" | "closed" | "pong" |
 *     "denied" | "removed" }
 *     | { what: "message", message: Bytes } | { what: "acknowledged", count: number }
 *     | { what: "restarted", dropped: number } | { what: "refused", reason: number }
 *     | { what: "moved", place: Place }} TunnelEvent
 */

/**
 * The world of an end. `now` is milliseconds that only rise. `mayWrite` is false while the socket has enough.
 * @typedef {object} Outside
 * @property {Crypto} crypto
 * @property {(length: number) => Bytes} random
 * @property {() => number} now
 * @property {(bytes: Bytes) => void} send
 * @property {() => boolean} mayWrite
 * @property {(event: TunnelEvent) => void} tell
 */

const ACK_MS = 200;

export class TunnelEnd {
    /** The records' keys of the newest confirmed handshake. @type {Connection | null} */
    live = null;
    /** While it is true, messages stay where they are, and are not acknowledged. */
    isHeld = false;
    // Whether the tunnel was open in this session. From then on messages are accepted without a connection,
    // too.
    #hasOpened = false;
    #window;
    #closedTold = false;
    #acknowledged = 0;
    /** @type {number | null} */
    #ackAt = null;

    /** @param {{ place: Place, window: number, outside: Outside }} settings */
    constructor({ place, window, outside }) {
        this.place = place;
        this.outside = outside;
        this.#window = window;
        this.stream = new Stream(window, outside.random(16));
    }

    /** True if messages go both ways now. */
    get isOpen() {
        return false;
    }

    /** True if messages are accepted. */
    get hasOpened() {
        return this.#hasOpened || this.isOpen;
    }

    /**
     * Takes a message of the app. If it does not: it is longer than any may be, or others must be taken
     * before.
     * @param {Bytes} message
     * @returns {"too-large" | "full" | null}
     */
    trySend(message) {
        if (this.hasOpened && message.length > this.stream.limit) return "too-large";
        if (!this.hasOpened || this.stream.room < message.length) return "full";
        this.stream.send(message);
        return null;
    }

    /** When `onTimeout` is due; null if nothing waits. */
    get dueAt() {
        return this.#ackAt;
    }

    async onTimeout() {
        if (this.#ackAt === null || this.outside.now() < this.#ackAt) return;
        this.#ackAt = null;
        this.stream.hurryAck();
    }

    /** The connection, or the other end on it, is gone. */
    onUnlink() {
        this.live = null;
    }

    /** Gives the driver messages that came, and the socket records as far as it takes them. */
    async drain() {
        this.#deliver();
        this.#hasOpened ||= this.isOpen;
        if (!this.isOpen) return;
        while (this.isOpen && this.outside.mayWrite()) {
            const record = this.stream.pollRecord();
            if (!record) break;
            await this.transmit(record);
        }
        if (this.stream.acknowledged !== this.#acknowledged) {
            this.#acknowledged = this.stream.acknowledged;
            this.outside.tell({ what: "acknowledged", count: this.#acknowledged });
        }
        this.#ackAt = this.stream.owesAck ? (this.#ackAt ?? this.outside.now() + ACK_MS) : null;
    }

    /** @param {TunnelRecord} record */
    async transmit(record) {
        if (this.live) this.outside.send(await this.live.seal(writeRecord(record)));
    }

    /** Resumes with the other end's state. @param {import("./records.js").ResumeState} state */
    meet(state) {
        const dropped = this.stream.meet(state);
        if (dropped === null) return;
        this.#closedTold = false;
        // Before it was open, nothing was accepted that could be lost.
        if (this.#hasOpened) this.outside.tell({ what: "restarted", dropped });
    }

    /** A record of the live connection. @param {Bytes} bytes */
    async openRecord(bytes) {
        if (!this.live) throw new Refused(FAULT, "a record without a connection");
        return readRecord(await this.live.open(bytes));
    }

    /**
     * Takes a record that both roles may send: PING and PONG behind HELLO, the others while the tunnel is
     * open.
     * @param {TunnelRecord} record
     */
    async onCommonRecord(record) {
        const { what } = record;
        faultUnless(this.isOpen || what === "PING" || what === "PONG", `${what} before WELCOME`);
        switch (what) {
            case "DATA":
                return this.stream.accept(record);
            case "ACK":
                return this.stream.acknowledge(record.ack);
            case "PING":
                return this.transmit({ what: "PONG", token: record.token });
            case "PONG":
                return this.outside.tell({ what: "pong" });
            case "CLOSE":
                return this.stream.onClose(record.last);
            default:
                throw new Refused(FAULT, `${what} out of place`);
        }
    }

    /** Goes on in another session, with a new epoch. @param {Place} place */
    moveTo(place) {
        this.place = place;
        this.stream = new Stream(this.#window, this.outside.random(16));
        this.#hasOpened = false;
        this.#acknowledged = 0;
        this.live = null;
        this.outside.tell({ what: "moved", place });
    }

    #deliver() {
        if (this.isHeld) return;
        for (let message = this.stream.take(); message; message = this.stream.take()) {
            this.outside.tell({ what: "message", message });
        }
        if (this.stream.isClosed && !this.#closedTold) {
            this.#closedTold = true;
            this.outside.tell({ what: "closed" });
        }
    }
}
