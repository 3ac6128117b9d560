// Messages as numbered pieces, after "Messages" in docs/tunnel.md: what is kept until it is acknowledged,
// what is accepted, when an acknowledgement is due. No socket, clock or key; end.js calls it.

import { concat, equal } from "../bytes.js";
import { FAULT, faultUnless, Refused } from "./refused.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {import("./records.js").ResumeState} ResumeState
 * @typedef {import("./records.js").DataRecord} DataRecord
 * @typedef {{ number: bigint, fin: boolean, bytes: Bytes | null, cost: number }} Piece
 */

const PIECE_BYTES = 32_768;
const PIECE_OVERHEAD = 64;
const ACK_PIECES = 64;
const WINDOW_MIN = 128 << 10;
const WINDOW_MAX = 16 << 20;
const NOBODY = new Uint8Array(16);
const NOTHING_OWED = { cost: 0, pieces: 0, again: false };

/** One end's messages in one session, both directions. A new process in a session uses a new one. */
export class Stream {
    // Own pieces without an acknowledgement, in order and without gaps: acked < number.
    /** @type {Piece[]} */
    #pieces = [];
    #numbered = 0n;
    // What these pieces count.
    #kept = 0;
    // The highest that was ever sent, and the next to send on this connection.
    #sent = 0n;
    #next = 1n;
    // The highest that the other side has reported as received, or as taken by its app: covered <= sent.
    #covered = 0n;
    // 0 <= inFlight <= theirWindow: what pieces up to #sent count against the other side's window.
    #inFlight = 0;
    #theirWindow = 0;
    #closing = false;
    #closeSaid = false;

    #known = NOBODY;
    #received = 0n;
    // The pieces of the message that is coming in, and whole messages that the app has not taken.
    /** @type {Bytes[]} */
    #parts = [];
    /** @type {{ message: Bytes, last: bigint, pieces: number }[]} */
    #whole = [];
    // 0 <= held <= window: what all of these count.
    #held = 0;
    #taken = 0n;
    #owed = NOTHING_OWED;
    /** @type {bigint | null} */
    #last = null;

    /** Own messages that the other app has taken. */
    acknowledged = 0;

    /** @param {number} window @param {Bytes} epoch 16 random bytes */
    constructor(window, epoch) {
        this.window = window;
        this.epoch = epoch;
    }

    /** The resume state, as HELLO and H2 carry it. */
    state() {
        return { epoch: this.epoch, known: this.#known, received: this.#received, window: this.window };
    }

    /**
     * Resumes on a new connection with the other side's state. Returns how many own messages died with its
     * old process:
     * null if it is the process that we knew.
     * @param {ResumeState} state
     */
    meet({ epoch, known, received, window }) {
        faultUnless(!equal(epoch, NOBODY), "an epoch of zeros");
        faultUnless(window >= WINDOW_MIN && window <= WINDOW_MAX, `a window of ${window}`);
        let dropped = null;
        if (!equal(epoch, this.#known)) {
            // Messages of two processes together could be twice the window, so the new one must wait.
            faultUnless(this.#whole.length === 0, "messages of the former process are not taken");
            if (!equal(this.#known, NOBODY)) dropped = this.#restart();
            this.#known = epoch;
            this.#theirWindow = window;
        }
        faultUnless(window === this.#theirWindow, "another window in the same epoch");
        // What it received in another epoch says nothing about these pieces.
        const covered = equal(known, this.epoch) ? received : 0n;
        faultUnless(covered >= this.#covered && covered <= this.#sent, `received ${covered} of ${this.#sent}`);
        this.#covered = covered;
        for (const piece of this.#pieces) {
            // The bytes are dropped. They still count, as the other app has not taken them.
            if (piece.number <= covered) piece.bytes = null;
        }
        this.#next = covered + 1n;
        this.#owed = { ...this.#owed, again: this.#taken > 0n };
        this.#closeSaid = false;
        return dropped;
    }

    /** The most bytes of a message: 0 until the other side was met. */
    get limit() {
        return Math.floor(this.#theirWindow / 2);
    }

    /** How much more a driver should keep here, in bytes; the other side's window bounds it. */
    get room() {
        return this.#theirWindow - this.#kept;
    }

    /** True if at least half of the window is free. */
    get isHalfFree() {
        return this.room * 2 >= this.#theirWindow;
    }

    /** Takes a message of at most `limit` bytes. @param {Bytes} message */
    send(message) {
        for (let at = 0; at === 0 || at < message.length; at += PIECE_BYTES) {
            const bytes = message.slice(at, at + PIECE_BYTES);
            const fin = at + PIECE_BYTES >= message.length;
            const cost = bytes.length + PIECE_OVERHEAD;
            this.#kept += cost;
            this.#pieces.push({ number: ++this.#numbered, fin, bytes, cost });
        }
    }

    /** Nothing is sent after what was sent. */
    close() {
        this.#closing = true;
    }

    /** The next record that should go out now, or null. */
    pollRecord() {
        return this.#pollData() ?? this.#pollAck() ?? this.#pollClose();
    }

    /** An acknowledgement that waits for a DATA record to carry it, for 200 ms at most. */
    get owesAck() {
        return this.#owed.pieces > 0;
    }

    /** The 200 ms are over. */
    hurryAck() {
        this.#owed = { ...this.#owed, again: this.owesAck };
    }

    /** @param {bigint} ack */
    acknowledge(ack) {
        faultUnless(ack <= this.#sent, `an acknowledgement of ${ack}, sent are ${this.#sent}`);
        if (ack > this.#covered) this.#covered = ack;
        let done = 0;
        for (const piece of this.#pieces) {
            if (piece.number > ack) break;
            done += 1;
            this.#inFlight -= piece.cost;
            this.#kept -= piece.cost;
            if (piece.fin) this.acknowledged += 1;
        }
        if (done > 0) this.#pieces.splice(0, done);
    }

    /**
     * A DATA record: takes its acknowledgement, and its piece unless it is there already.
     * @param {DataRecord} data
     */
    accept({ number, ack, fin, bytes }) {
        this.acknowledge(ack);
        faultUnless(number > 0n, "piece 0");
        if (number <= this.#received) return;
        faultUnless(number === this.#received + 1n, `piece ${number} after ${this.#received}`);
        faultUnless(this.#last === null || number <= this.#last, `piece ${number} after the close at ${this.#last}`);
        faultUnless(fin || bytes.length === PIECE_BYTES, `a piece of ${bytes.length} bytes in the middle`);
        this.#held += bytes.length + PIECE_OVERHEAD;
        faultUnless(this.#held <= this.window, "more than the window");
        this.#parts.push(bytes);
        this.#received = number;
        if (!fin) return;
        const message = this.#parts.length === 1 ? bytes : concat(...this.#parts);
        faultUnless(message.length <= this.window / 2, `a message of ${message.length} bytes`);
        this.#whole.push({ message, last: number, pieces: this.#parts.length });
        this.#parts = [];
    }

    /** CLOSE: nothing follows piece `last`. @param {bigint} last */
    onClose(last) {
        faultUnless(last === this.#received, `a close at ${last} after ${this.#received}`);
        this.#last = last;
    }

    /** The other side sends nothing more, and the app has all of it. */
    get isClosed() {
        return this.#last !== null && this.#last === this.#taken;
    }

    /** The next whole message, which the app has with this; or null. */
    take() {
        const next = this.#whole.shift();
        if (!next) return null;
        const { message, last, pieces } = next;
        const cost = message.length + pieces * PIECE_OVERHEAD;
        this.#held -= cost;
        this.#taken = last;
        const { cost: owedCost, pieces: owedPieces, again } = this.#owed;
        this.#owed = { cost: owedCost + cost, pieces: owedPieces + pieces, again };
        return message;
    }

    /** @returns {DataRecord | null} */
    #pollData() {
        const first = this.#pieces[0];
        // Pieces not covered by a new connection's state may have been acknowledged on the old one meanwhile.
        if (first && this.#next < first.number) this.#next = first.number;
        const piece = first && this.#pieces[Number(this.#next - first.number)];
        if (!piece) return null;
        const { number, fin, bytes, cost } = piece;
        if (bytes === null) throw new Refused(FAULT, `piece ${number} was received and is wanted again`);
        if (number > this.#sent) {
            if (this.#inFlight + cost > this.#theirWindow) return null;
            this.#inFlight += cost;
            this.#sent = number;
        }
        this.#next = number + 1n;
        this.#owed = NOTHING_OWED;
        return { what: "DATA", number, ack: this.#taken, fin, bytes };
    }

    /** @returns {{ what: "ACK", ack: bigint } | null} */
    #pollAck() {
        const { cost, pieces, again } = this.#owed;
        if (!again && cost < this.window / 4 && pieces < ACK_PIECES) return null;
        this.#owed = NOTHING_OWED;
        return { what: "ACK", ack: this.#taken };
    }

    /** @returns {{ what: "CLOSE", last: bigint } | null} */
    #pollClose() {
        if (!this.#closing || this.#closeSaid || this.#next <= this.#numbered) return null;
        this.#closeSaid = true;
        return { what: "CLOSE", last: this.#numbered };
    }

    // A new process: nothing is sent again, and numbers start again both ways.
    #restart() {
        const dropped = this.#pieces.filter(({ fin }) => fin).length;
        this.#pieces = [];
        this.#numbered = this.#sent = this.#covered = 0n;
        this.#inFlight = this.#kept = 0;
        this.#received = this.#taken = 0n;
        this.#parts = [];
        this.#held = 0;
        this.#owed = NOTHING_OWED;
        this.#last = null;
        return dropped;
    }
}
