// What drives an end of a tunnel for the tests: the connection to the relay and reconnecting, inputs one by
// one, and what the end tells as lines. The ends themselves are page/tunnel/phone.js and workstation.mjs.

import { createHash, randomBytes } from "node:crypto";
import { chooseCrypto } from "../../page/crypto/crypto.js";
import { FAULT, Refused } from "../../page/tunnel/refused.js";
import { RelayConnection, waitAfter } from "./relay.mjs";

const GROWING_MS_MIN = 500;
const GROWING_MS_MAX = 30_000;
const STEADY_MS = 10_000;
const SHOWN_BYTES_MAX = 64;

export const crypto = await chooseCrypto();

/**
 * Keeps an end connected. `start(end)` first: it needs what this offers as its `outside`. `say(line)` reports
 * what
 * happened. A role may have `onShut(ended)`, which is true if there is another place to go to.
 */
export class Driver {
    #role;
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
    #closing = false;
    #timer = null;

    constructor({ role, say }) {
        this.#role = role;
        this.say = say;
        this.outside = {
            crypto,
            random: (length) => new Uint8Array(randomBytes(length)),
            now: () => performance.now(),
            send: (bytes) => this.#connection?.send(bytes),
            mayWrite: () => true,
            tell: (event) => this.#onEvent(event),
        };
    }

    start(end) {
        this.end = end;
    }

    /** Stays connected until it is stopped. */
    async run() {
        let growing = GROWING_MS_MIN;
        while (!this.#stopped) {
            const began = performance.now();
            const { place } = this.end;
            const ended = await this.#visit(place);
            if (this.#stopped) return;
            if (performance.now() - began > STEADY_MS) growing = GROWING_MS_MIN;
            const hasty = this.#hasty;
            this.#hasty = false;
            if (hasty || place !== this.end.place) continue;
            const wait = waitAfter(ended, growing);
            if (wait === null) {
                const goesOn = async () => (await this.onShut(ended)) || this.stop(`stopped ${ended.code} ${ended.reason}`);
                await this.input(goesOn);
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
        this.end.isHeld = holding;
    }

    /** Drops the connection and reconnects. */
    cut() {
        this.#hasty = this.#connection !== null;
        this.#connection?.cut();
        this.#drop();
    }

    /** Ends for good. */
    stop(why) {
        this.#stopped = true;
        this.#connection?.close();
        this.#wake();
        clearTimeout(this.#timer);
        this.say(why);
    }

    /** What the app does with a message, besides reporting it. */
    onApp(_message) {}

    onShut(_ended) {
        return false;
    }

    /** An event of the end, for the role that wants more of it than a line. */
    onEvent(_event) {}

    #onEvent(event) {
        switch (event.what) {
            case "message":
                this.say(shown(event.message));
                return this.onApp(event.message);
            case "moved":
                this.#connection?.close();
                this.#connection = null;
                this.#wake();
                this.say(`moved ${event.place.session}`);
                break;
            case "refused":
                return this.stop(`refused ${event.reason}`);
            case "denied":
            case "removed":
                return this.stop(event.what);
            case "writable":
                return;
            case "asked":
                this.say("asked");
                break;
            default: {
                const detail = event.words ?? event.count ?? event.dropped ?? "";
                this.say(`${event.what} ${detail}`.trim());
            }
        }
        this.onEvent(event);
    }

    async #visit(place) {
        let connection = null;
        const mine = (step) => this.input(() => connection === this.#connection && step());
        try {
            connection = await RelayConnection.join(place, this.#role, { i: this.#instance, n: ++this.#visits }, {
                link: () => mine(() => this.end.onLink()),
                unlink: () => mine(() => this.#unlink()),
                message: (bytes) => mine(() => this.end.onMessage(bytes)),
            });
        } catch (error) {
            return { code: null, reason: error.message };
        }
        this.#connection = connection;
        // It moved to another session while this was on its way.
        if (this.#stopped || place !== this.end.place) connection.cut();
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
        if (!this.#stopped) this.#arm();
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
        this.say("unlinked");
        this.end.onUnlink();
    }

    async #drain() {
        await this.end.drain();
        if (!this.end.hasOpened || this.#stopped) return;
        for (const message of this.#outbox.splice(0)) {
            if (message.length > this.end.stream.limit) this.say(`too-large ${this.end.stream.limit}`);
            else this.end.stream.send(message);
        }
        if (this.#closing) this.end.stream.close();
        await this.end.drain();
    }

    #arm() {
        clearTimeout(this.#timer);
        const due = this.end.dueAt;
        if (due === null) return;
        this.#timer = setTimeout(() => this.input(() => this.end.onTimeout()), Math.max(0, due - performance.now()));
    }
}

/** `message <bytes> <sha256>`, and the text itself if it is short and can be shown. */
export function shown(message) {
    const line = `message ${message.length} ${createHash("sha256").update(message).digest("hex")}`;
    const text = Buffer.from(message).toString("utf8");
    const printable = message.length <= SHOWN_BYTES_MAX && !/[\p{C}\ufffd]/u.test(text);
    return printable && text !== "" ? `${line} ${text}` : line;
}
