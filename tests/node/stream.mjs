// Messages as numbered pieces, after "Messages" in docs/tunnel.md: what is kept until it is acknowledged,
// what is accepted, when an acknowledgement is due. No socket, clock or key; end.mjs calls it.

import { randomBytes } from "node:crypto";
import { concat } from "./noise.mjs";
import { FAULT, Refused } from "./tunnel.mjs";

const PIECE_BYTES = 32_768;
const PIECE_OVERHEAD = 64;
const ACK_PIECES = 64;
const WINDOW_MIN = 128 << 10;
const WINDOW_MAX = 16 << 20;
const NOBODY = new Uint8Array(16);

/** One end's messages in one session, both directions. A new process in a session uses a new one. */
export class Stream {
    // Own pieces without an acknowledgement, in order and without gaps: acked < number.
    #pieces = [];
    #numbered = 0n;
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
    #parts = [];
    #whole = [];
    // 0 <= held <= window: what all of these count.
    #held = 0;
    #taken = 0n;
    #owed = { cost: 0, pieces: 0, again: false };
    #last = null;

    /** Own messages that the other app has taken. */
    acknowledged = 0;

    constructor(window) {
        this.window = window;
        this.epoch = new Uint8Array(randomBytes(16));
    }

    /** The resume state, as HELLO and H2 carry it. */
    state() {
        return { epoch: this.epoch, known: this.#known, received: this.#received, window: this.window };
    }

    /**
     * Resumes on a new connection with the other side's state. Returns how many own messages died with its old process:
     * null if it is the process that we knew.
     */
    meet({ epoch, known, received, window }) {
        faultUnless(!same(epoch, NOBODY), "an epoch of zeros");
        faultUnless(window >= WINDOW_MIN && window <= WINDOW_MAX, `a window of ${window}`);
        let dropped = null;
        if (!same(epoch, this.#known)) {
            // Messages of two processes together could be twice the window, so the new one must wait.
            faultUnless(this.#whole.length === 0, "messages of the former process are not taken");
            if (!same(this.#known, NOBODY)) dropped = this.#restart();
            this.#known = epoch;
            this.#theirWindow = window;
        }
        faultUnless(window === this.#theirWindow, "another window in the same epoch");
        // What it received in another epoch says nothing about these pieces.
        const covered = same(known, this.epoch) ? received : 0n;
        faultUnless(covered >= this.#covered && covered <= this.#sent, `received ${covered} of ${this.#sent}`);
        this.#covered = covered;
        for (const piece of this.#pieces) {
            // The bytes are dropped. They still count, as the other app has not taken them.
            if (piece.number <= covered) piece.bytes = null;
        }
        this.#next = covered + 1n;
        this.#owed.again = this.#taken > 0n;
        this.#closeSaid = false;
        return dropped;
    }

    /** The most bytes of a message: 0 until the other side was met. */
    get limit() {
        return Math.floor(this.#theirWindow / 2);
    }

    /** Takes a message of at most `limit` bytes. */
    send(message) {
        for (let at = 0; at === 0 || at < message.length; at += PIECE_BYTES) {
            const bytes = message.slice(at, at + PIECE_BYTES);
            const fin = at + PIECE_BYTES >= message.length;
            this.#pieces.push({ number: ++this.#numbered, fin, bytes, cost: bytes.length + PIECE_OVERHEAD });
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
        this.#owed.again = this.owesAck;
    }

    acknowledge(ack) {
        faultUnless(ack <= this.#sent, `an acknowledgement of ${ack}, sent are ${this.#sent}`);
        if (ack > this.#covered) this.#covered = ack;
        while (this.#pieces.length > 0 && this.#pieces[0].number <= ack) {
            const piece = this.#pieces.shift();
            this.#inFlight -= piece.cost;
            if (piece.fin) this.acknowledged += 1;
        }
    }

    /** A DATA record: takes its acknowledgement, and its piece unless it is there already. */
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
        const message = concat(...this.#parts);
        faultUnless(message.length <= this.window / 2, `a message of ${message.length} bytes`);
        this.#whole.push({ message, last: number, pieces: this.#parts.length });
        this.#parts = [];
    }

    /** CLOSE: nothing follows piece `last`. */
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
        if (this.#whole.length === 0) return null;
        const { message, last, pieces } = this.#whole.shift();
        const cost = message.length + pieces * PIECE_OVERHEAD;
        this.#held -= cost;
        this.#taken = last;
        this.#owed.cost += cost;
        this.#owed.pieces += pieces;
        return message;
    }

    #pollData() {
        const first = this.#pieces[0];
        // Pieces not covered by a new connection's state may have been acknowledged on the old one meanwhile.
        if (first && this.#next < first.number) this.#next = first.number;
        const piece = first && this.#pieces[Number(this.#next - first.number)];
        if (!piece) return null;
        faultUnless(piece.bytes !== null, `piece ${piece.number} was received and is wanted again`);
        if (piece.number > this.#sent) {
            if (this.#inFlight + piece.cost > this.#theirWindow) return null;
            this.#inFlight += piece.cost;
            this.#sent = piece.number;
        }
        this.#next = piece.number + 1n;
        this.#owed = { cost: 0, pieces: 0, again: false };
        return { what: "DATA", number: piece.number, ack: this.#taken, fin: piece.fin, bytes: piece.bytes };
    }

    #pollAck() {
        const { cost, pieces, again } = this.#owed;
        if (!again && cost < this.window / 4 && pieces < ACK_PIECES) return null;
        this.#owed = { cost: 0, pieces: 0, again: false };
        return { what: "ACK", ack: this.#taken };
    }

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
        this.#inFlight = 0;
        this.#received = this.#taken = 0n;
        this.#parts = [];
        this.#held = 0;
        this.#owed = { cost: 0, pieces: 0, again: false };
        this.#last = null;
        return dropped;
    }
}

function faultUnless(holds, why) {
    if (!holds) throw new Refused(FAULT, why);
}

function same(left, right) {
    return left.every((byte, i) => byte === right[i]);
}
