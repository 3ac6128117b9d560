// The common part of both ends of a tunnel: the connection to the relay and reconnecting, inputs one by one,
// records out and messages in. The handshakes are in phone.mjs and workstation.mjs.

import { createHash, randomBytes } from "node:crypto";
import { RelayConnection, waitAfter } from "./relay.mjs";
import { Stream } from "./stream.mjs";
import { FAULT, readRecord, Refused, writeRecord } from "./tunnel.mjs";

const ACK_MS = 200;
const GROWING_MS_MIN = 500;
const GROWING_MS_MAX = 30_000;
const STEADY_MS = 10_000;
const SHOWN_BYTES_MAX = 64;

/**
 * One end. A role overrides `onLink`, `onUnlink`, `onMessage(bytes)`, `isOpen`, and where it needs to `onShut`.
 * `say(line)` reports what happened; `flips` damages the first DATA record.
 */
export class End {
    // The records' keys of the newest confirmed handshake.
    live = null;
    #role;
    #window;
    #instance = randomBytes(8).toString("hex");
    #visits = 0;
    #connection = null;
    // Whether this end closed the connection itself, so that waiting is useless.
    #hasty = false;
    #stopped = false;
    // Ends the wait before the next try, if there is no reason to wait.
    #wake = () => {};
    #inputs = Promise.resolve();
    #outbox = [];
    // Whether the tunnel was open in this session. From then on messages are accepted without a connection,
    // too.
    #hasOpened = false;
    #closing = false;
    #holding = false;
    #closedTold = false;
    #ackTimer = null;
    #acknowledged = 0;
    #flips;

    constructor({ role, place, window, flips, say }) {
        this.#role = role;
        this.#window = window;
        this.#flips = flips;
        this.place = place;
        this.say = say;
        this.stream = new Stream(window);
    }

    /** Stays connected until it is stopped. */
    async run() {
        let growing = GROWING_MS_MIN;
        while (!this.#stopped) {
            const began = performance.now();
            const place = this.place;
            const ended = await this.#visit(place);
            if (this.#stopped) return;
            if (performance.now() - began > STEADY_MS) growing = GROWING_MS_MIN;
            const hasty = this.#hasty;
            this.#hasty = false;
            if (hasty || place !== this.place) continue;
            const wait = waitAfter(ended, growing);
            if (wait === null) {
                await this.input(async () => (await this.onShut(ended)) || this.stop(`stopped ${ended.code} ${ended.reason}`));
                continue;
            }
            growing = Math.min(2 * growing, GROWING_MS_MAX);
            await new Promise((resolve) => {
                this.#wake = resolve;
                setTimeout(resolve, wait);
            });
        }
    }

    /** Handles one input completely before the next. After each, all output is drained. */
    input(step) {
        // Any other error is a bug of this program, and ends it.
        this.#inputs = this.#inputs.then(() => this.#take(step));
        return this.#inputs;
    }

    /** Takes a message of the app, which waits until the tunnel is open for the first time. */
    submit(message) {
        this.#outbox.push(message);
    }

    /** The app sends nothing more. */
    close() {
        this.#closing = true;
    }

    /** Whether the app leaves messages where they are. */
    hold(holding) {
        this.#holding = holding;
    }

    /** Drops the connection and reconnects. */
    cut() {
        this.#hasty = this.#connection !== null;
        this.#connection?.cut();
        this.#drop();
    }

    /** Continues in another session, with a new epoch. */
    moveTo(place) {
        this.place = place;
        this.stream = new Stream(this.#window);
        this.#hasOpened = false;
        this.#connection?.close();
        this.#drop();
        this.#wake();
        this.say(`moved ${place.session}`);
    }

    /** Ends for good. */
    stop(why) {
        this.#stopped = true;
        this.#connection?.close();
        this.#wake();
        clearTimeout(this.#ackTimer);
        this.say(why);
    }

    send(bytes) {
        this.#connection?.send(bytes);
    }

    async sendRecord(record) {
        const sealed = await this.live.seal(writeRecord(record));
        if (record.what === "DATA" && this.#flips) {
            this.#flips = false;
            sealed[sealed.length - 1] ^= 1;
        }
        this.send(sealed);
    }

    /** Resumes with the other end's state. */
    meet(state) {
        const dropped = this.stream.meet(state);
        if (dropped === null) return;
        this.#closedTold = false;
        // Before it was open, nothing was accepted that could be lost.
        if (!this.#hasOpened) return;
        this.say(`restarted ${dropped}`);
    }

    /** A record of the live connection, as plaintext fields. */
    async openRecord(bytes) {
        return readRecord(await this.live.open(bytes));
    }

    /** Takes a record that both roles may send: PING and PONG behind HELLO, the others while the tunnel is open. */
    async onCommonRecord(record) {
        const { what } = record;
        if (!this.isOpen && what !== "PING" && what !== "PONG") throw new Refused(FAULT, `${what} before WELCOME`);
        switch (what) {
            case "DATA":
                return this.stream.accept(record);
            case "ACK":
                return this.stream.acknowledge(record.ack);
            case "PING":
                return this.sendRecord({ what: "PONG", token: record.token });
            case "PONG":
                return this.say("pong");
            case "CLOSE":
                return this.stream.onClose(record.last);
            default:
                throw new Refused(FAULT, `${what} out of place`);
        }
    }

    /** What the app does with a message, besides reporting it. */
    onApp(_message) {}

    /** The relay closed for good. True if there is another place to go to. */
    onShut(_ended) {
        return false;
    }

    async #visit(place) {
        let connection = null;
        const mine = (step) => this.input(() => connection === this.#connection && step());
        try {
            connection = await RelayConnection.join(place, this.#role, { i: this.#instance, n: ++this.#visits }, {
                link: () => mine(() => this.onLink()),
                unlink: () => mine(() => this.#unlink()),
                message: (bytes) => mine(() => this.onMessage(bytes)),
            });
        } catch (error) {
            return { code: null, reason: error.message };
        }
        this.#connection = connection;
        // It moved to another session while this was on its way.
        if (this.#stopped || place !== this.place) connection.cut();
        const ended = await connection.ended;
        await mine(() => this.#drop());
        return ended;
    }

    async #take(step) {
        if (this.#stopped) return;
        try {
            await step();
            await this.#drain();
        } catch (error) {
            if (!(error instanceof Refused)) throw error;
            // DROPPED (stale or foreign) changes nothing.
            if (error.why === FAULT) this.#fault(error.message);
        }
    }

    // Ends the connection, never the tunnel.
    #fault(why) {
        this.say(`fault ${why}`);
        this.#connection?.cut();
        this.#drop();
    }

    #drop() {
        this.#connection = null;
        this.#unlink();
    }

    #unlink() {
        this.live = null;
        this.onUnlink();
    }

    async #drain() {
        this.#deliver();
        this.#hasOpened ||= this.isOpen;
        if (!this.#hasOpened || this.#stopped) return;
        for (const message of this.#outbox.splice(0)) {
            if (message.length > this.stream.limit) this.say(`too-large ${this.stream.limit}`);
            else this.stream.send(message);
        }
        if (this.#closing) this.stream.close();
        if (!this.isOpen) return;
        for (let record = this.stream.pollRecord(); record; record = this.stream.pollRecord()) {
            await this.sendRecord(record);
        }
        if (this.stream.acknowledged !== this.#acknowledged) {
            this.#acknowledged = this.stream.acknowledged;
            this.say(`acknowledged ${this.#acknowledged}`);
        }
        if (this.stream.owesAck) {
            this.#ackTimer ??= setTimeout(() => {
                this.#ackTimer = null;
                this.input(() => this.stream.hurryAck());
            }, ACK_MS);
        }
    }

    #deliver() {
        if (this.#holding) return;
        for (let message = this.stream.take(); message; message = this.stream.take()) {
            this.say(shown(message));
            this.onApp(message);
        }
        if (this.stream.isClosed && !this.#closedTold) {
            this.#closedTold = true;
            this.say("closed");
        }
    }
}

/** `message <bytes> <sha256>`, and the text itself if it is short and can be shown. */
export function shown(message) {
    const line = `message ${message.length} ${createHash("sha256").update(message).digest("hex")}`;
    const text = Buffer.from(message).toString("utf8");
    const printable = message.length <= SHOWN_BYTES_MAX && !/[\p{C}\ufffd]/u.test(text);
    return printable && text !== "" ? `${line} ${text}` : line;
}
