// A running tunnel of a phone: the session at the relay and the tunnel in it. Inputs are handled one by one,
// each completely, as cryptography in a browser answers later.

import * as refused from "../tunnel/refused.js";
import { PhoneTunnel } from "../tunnel/phone.js";
import { Session } from "./session.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {import("../tunnel/end.js").TunnelEvent} TunnelEvent
 * @typedef {import("../tunnel/phone.js").SavedPair} SavedPair
 * @typedef {import("./link.js").LinkState} LinkState
 * @typedef {import("./link.js").Phase} Phase
 * @typedef {import("./link.js").Why} Why
 * @typedef {import("./session.js").SessionStatus} SessionStatus
 * @typedef {import("./world.js").World} World
 */

/**
 * @typedef {object} EngineSettings
 * @property {World} world
 * @property {import("../tunnel/phone.js").PhoneSettings["pair"]} pair
 * @property {string} name this phone's
 * @property {(saved: SavedPair) => Promise<void>} store
 * @property {(event: TunnelEvent) => void} onEvent
 * @property {() => void} onState
 */

const MESSAGE_COST = 64;
const WAITING_MAX = 8 << 20;
/** While the socket is full, it is looked at again after this. */
const FULL_MS = 20;
/** @type {Record<number, Why>} */
const REFUSALS = {
    [refused.UNKNOWN_KEY]: "code-unknown",
    [refused.CODE_USED]: "code-used",
    [refused.CODE_EXPIRED]: "code-expired",
    [refused.DENIED]: "denied",
    [refused.OTHER_VERSION]: "other-version",
};

export class Engine {
    #world;
    #settings;
    #session;
    #tunnel;
    #inputs = Promise.resolve();
    #isKicked = false;
    // What came and is not handled: bytes, and a cost for each message.
    #waiting = 0;
    #stopTimer = () => {};
    #isPaired;
    // When the desk was last there.
    /** @type {number | null} */
    #metAt = null;
    /** @type {LinkState} */
    state;

    /** @param {EngineSettings} settings */
    constructor(settings) {
        const { world, pair, name } = settings;
        this.#world = world;
        this.#settings = settings;
        this.#isPaired = "key" in pair && pair.welcomed;
        this.state = { phase: "connecting", since: world.date(), why: null, retryAt: null, words: null };
        this.#session = new Session(world, pair.place, {
            onStatus: (status) => this.#onStatus(status),
            onLink: () => this.#input(() => this.#tunnel.onLink()),
            onUnlink: () => this.#input(() => this.#tunnel.onUnlink()),
            onMessage: (bytes) => this.#onMessage(bytes),
            settled: () => this.#inputs,
            moves: () => this.#tunnel.onSessionGone(),
            isPaired: () => this.#isPaired,
            mayReturn: () => this.#tunnel.isWaitingForAnswer,
        });
        const outside = {
            crypto: world.crypto,
            random: world.random,
            now: world.now,
            send: (/** @type {Bytes} */ bytes) => this.#session.send(bytes),
            mayWrite: () => !this.#session.isFull,
            tell: (/** @type {TunnelEvent} */ event) => this.#onEvent(event),
        };
        this.#tunnel = new PhoneTunnel({ pair, name, outside, store: (saved) => this.#store(saved) });
    }

    start() {
        this.#session.start();
    }

    get session() {
        return this.#session;
    }

    /** True if at least half of what may be under way is free. */
    get isHalfFree() {
        return this.#tunnel.hasOpened && this.#tunnel.stream.isHalfFree;
    }

    /** Takes a message for the other app; null if it did. @param {Bytes} message */
    trySend(message) {
        const error = this.#tunnel.trySend(message);
        if (!error) this.#kick();
        return error;
    }

    // Something waits to be sent: once for all that is said in this turn.
    #kick() {
        if (this.#isKicked) return;
        this.#isKicked = true;
        this.#input(() => {
            this.#isKicked = false;
        });
    }

    // No honest desk has more than its window under way. What comes faster than it is opened ends the
    // connection.
    /** @param {Bytes} bytes */
    #onMessage(bytes) {
        const cost = bytes.length + MESSAGE_COST;
        this.#waiting += cost;
        if (this.#waiting > WAITING_MAX) {
            this.#waiting -= cost;
            return this.#session.drop("fault");
        }
        this.#input(() => {
            this.#waiting -= cost;
            return this.#tunnel.onMessage(bytes);
        });
    }

    /** @param {() => void | Promise<void>} step */
    #input(step) {
        this.#inputs = this.#inputs.then(() => this.#take(step));
    }

    /** @param {() => void | Promise<void>} step */
    async #take(step) {
        if (this.state.phase === "stopped") return;
        try {
            await step();
            await this.#tunnel.drain();
        } catch (error) {
            this.#onError(error);
        }
        this.#arm();
    }

    /** @param {unknown} error */
    #onError(error) {
        if (!(error instanceof refused.Refused)) {
            // A fault of this page. Another connection is better than a page that stands still.
            console.error(error);
            return this.#session.drop("fault");
        }
        // DROPPED (stale or foreign) changes nothing.
        if (error.why === refused.FAULT) this.#session.drop(error.refusal ? "refused" : "fault");
    }

    #arm() {
        this.#stopTimer();
        const due = this.#tunnel.dueAt;
        const full = this.#tunnel.isOpen && this.#session.isFull ? FULL_MS : Infinity;
        const ms = Math.min(full, due === null ? Infinity : Math.max(0, due - this.#world.now()));
        if (ms === Infinity || this.state.phase === "stopped") return;
        this.#stopTimer = this.#world.after(ms, () => this.#input(() => this.#tunnel.onTimeout()));
    }

    /** @param {SavedPair} saved */
    async #store(saved) {
        try {
            await this.#settings.store(saved);
        } catch (error) {
            console.error(error);
            this.#session.stop("not-kept");
        }
        this.#isPaired ||= saved.welcomed;
    }

    /** @param {TunnelEvent} event */
    #onEvent(event) {
        switch (event.what) {
            case "asked":
                this.#setState({ phase: "asked", words: event.words });
                break;
            case "open":
                this.#setState({ phase: "open", words: null });
                break;
            case "message":
            case "acknowledged":
                this.#session.noteUse();
                break;
            case "moved":
                this.#session.moveTo(event.place);
                break;
            case "refused":
                this.#session.stop(REFUSALS[event.reason] ?? "code-unknown");
                break;
            case "denied":
            case "removed":
                this.#session.stop(event.what);
        }
        this.#settings.onEvent(event);
    }

    /** @param {SessionStatus} status */
    #onStatus(status) {
        const phase = status.phase === "linked" ? "greeting" : status.phase;
        const why = "why" in status ? status.why : null;
        this.#setState({ phase, why, retryAt: "retryAt" in status ? status.retryAt : null });
    }

    /** @param {Partial<LinkState> & { phase: Phase }} change */
    #setState(change) {
        if (this.state.phase === "stopped") return;
        const now = this.#world.date();
        if (this.state.phase === "open") this.#metAt = now;
        const since = change.phase === "away" ? (this.#metAt ?? now) : now;
        this.state = { ...this.state, why: null, retryAt: null, since, ...change };
        if (change.phase === "stopped") this.#stopTimer();
        this.#settings.onState();
    }

    /** Another tab has the pair. */
    standAside() {
        this.#session.pause();
        this.#setState({ phase: "elsewhere" });
    }
}
