// The life of a phone's session at the relay: when to connect, when to give a connection up, when to stop.
// Time, socket and the page's being seen come from the world.

import { hex } from "../bytes.js";
import { RelaySocket } from "./relay_socket.js";
import { Backoff, verdict } from "./verdict.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {import("./world.js").World} World
 * @typedef {import("../tunnel/code.js").Place} Place
 * @typedef {import("./link.js").Why} Why
 */

/**
 * @typedef {{ phase: "connecting" | "away" | "linked" | "hidden" } | { phase: "retrying", why: Why, retryAt:
 *     number }
 *     | { phase: "stopped", why: Why }} SessionStatus
 */

/**
 * @typedef {object} SessionHandlers
 * @property {(status: SessionStatus) => void} onStatus
 * @property {() => void} onLink
 * @property {() => void} onUnlink the peer has left, or the connection ended
 * @property {(bytes: Bytes) => void} onMessage
 * @property {() => Promise<void>} settled what came before is worked off
 * @property {() => boolean} moves the session is gone: true if there is another one, which `moveTo` names
 * @property {() => boolean} isPaired it was open before, so that the relay may have forgotten it
 * @property {() => boolean} mayReturn a phone that waits for its answer comes back after another one took its
 *     place
 */

const RETURNS = 3;
const RETURN_MS = 2_000;
const STABLE_MS = 10_000;
/** A page that was hidden for longer makes a new connection: the old one may be dead without a sign. */
const HIDDEN_MAX_MS = 20_000;
/** A heartbeat that is asked on return to sight must be answered in this time. */
const PROBE_MS = 1_500;
/** Younger connections are asked and not dropped: the relay refuses six takeovers in ten seconds. */
const YOUNG_MS = 5_000;
const TICK_MS = 1_000;
/** A tick that comes so late means that the device slept. */
const JUMP_MS = 20_000;

export class Session {
    #world;
    #place;
    #handlers;
    #instance;
    #attempts = 0;
    #backoff;
    /** @type {RelaySocket | null} */
    #socket = null;
    #isLinked = false;
    #acceptedAt = Infinity;
    #connectedAt = -Infinity;
    #returns = RETURNS;
    #isHidden;
    #hiddenAt = 0;
    // The page is left, or another tab has the pair.
    #isPaused = false;
    #isStopped = false;
    #stopRetry = () => {};
    #stopTick = () => {};
    #tickAt;
    #stopSight;

    /** @param {World} world @param {Place} place @param {SessionHandlers} handlers */
    constructor(world, place, handlers) {
        this.#world = world;
        this.#place = place;
        this.#handlers = handlers;
        this.#instance = hex(world.random(8));
        this.#backoff = new Backoff(() => new DataView(world.random(4).buffer).getUint32(0) / 2 ** 32);
        this.#isHidden = world.isHidden;
        this.#tickAt = world.date();
        this.#stopSight = world.onSight((sight) => this.#onSight(sight));
    }

    start() {
        this.#tick();
        this.#connect();
    }

    get isFull() {
        return this.#socket?.isFull ?? true;
    }

    /** @param {Bytes} bytes */
    send(bytes) {
        this.#socket?.send(bytes);
    }

    /** The tunnel gave a message, or learned that one was taken: the connection was of use, however short. */
    noteUse() {
        this.#backoff.reset();
    }

    /** The user does not want to wait. */
    retryNow() {
        if (this.#isStopped || this.#socket) return;
        this.#isPaused = false;
        this.#backoff.reset();
        this.#connect(true);
    }

    /**
     * What came is damaged, or refused: another connection may be better.
     * @param {"fault" | "refused"} why
     */
    drop(why) {
        this.#lose(why, why === "refused");
    }

    /** @param {Place} place */
    moveTo(place) {
        this.#place = place;
        if (this.#isStopped) return;
        this.#hangUp();
        if (!this.#isPaused) this.#connect();
    }

    /** Another tab has the pair, or the page is left: no connection until `resume` or a return to sight. */
    pause() {
        if (this.#isStopped) return;
        this.#isPaused = true;
        this.#hangUp();
        this.#handlers.onStatus({ phase: "hidden" });
    }

    resume() {
        this.#isPaused = false;
        if (!this.#socket) this.retryNow();
    }

    /** @param {Why} why */
    stop(why) {
        if (this.#isStopped) return;
        this.#isStopped = true;
        this.#hangUp();
        this.#stopTick();
        this.#stopSight();
        this.#handlers.onStatus({ phase: "stopped", why });
    }

    /** @param {boolean} [isAsked] the user asks for it, so somebody looks */
    #connect(isAsked = false) {
        this.#stopRetry();
        if (this.#isStopped || this.#isPaused || this.#socket) return;
        if (this.#isHidden && !isAsked) return this.#handlers.onStatus({ phase: "hidden" });
        this.#connectedAt = this.#world.now();
        this.#acceptedAt = Infinity;
        const socket = new RelaySocket(this.#world, {
            onHello: () => this.#hope(),
            onAccepted: (hasPeer) => this.#onAccepted(hasPeer),
            onLink: () => this.#setLinked(true),
            onUnlink: () => this.#setLinked(false),
            onMessage: (bytes) => this.#handlers.onMessage(bytes),
            onEnd: async (ended) => {
                // The last messages may say more than the end.
                await this.#handlers.settled();
                if (socket === this.#socket) this.#onEnd(ended);
            },
        });
        this.#socket = socket;
        this.#handlers.onStatus({ phase: "connecting" });
        socket.connect(this.#place, { i: this.#instance, n: ++this.#attempts });
    }

    // The desk is nearly always there, so its handshake begins without waiting for the relay's answer.
    #hope() {
        this.#isLinked = true;
        this.#handlers.onLink();
    }

    /** @param {boolean} hasPeer */
    #onAccepted(hasPeer) {
        this.#acceptedAt = this.#world.now();
        if (!hasPeer) return this.#setLinked(false);
        this.#handlers.onStatus({ phase: "linked" });
    }

    /** @param {boolean} isLinked */
    #setLinked(isLinked) {
        if (isLinked === this.#isLinked) return;
        this.#isLinked = isLinked;
        this.#handlers.onStatus({ phase: isLinked ? "linked" : "away" });
        if (isLinked) this.#handlers.onLink();
        else this.#handlers.onUnlink();
    }

    /** @param {import("./relay_socket.js").Ended} ended */
    #onEnd(ended) {
        if ("why" in ended) return this.#lose(ended.why, false);
        const { act, why } = verdict(ended.code, ended.isOwn);
        switch (act) {
            case "gone":
                return this.#onGone(ended.isDeleted);
            case "replaced":
                return this.#onReplaced();
            case "stop":
                return this.stop(why);
            case "soon":
                this.#backoff.reset();
                return this.#lose(why, false);
            default:
                return this.#lose(why, act === "later");
        }
    }

    /** @param {boolean} isDeleted */
    #onGone(isDeleted) {
        this.#hangUp();
        if (this.#handlers.moves()) return;
        // A pair that was open before ends only by a deletion: the desk registers a session that the relay
        // lost.
        if (!this.#handlers.isPaired()) return this.stop("code-gone");
        if (isDeleted) return this.stop("session-gone");
        this.#retry("session-unknown", this.#backoff.next(false));
    }

    #onReplaced() {
        if (!this.#handlers.mayReturn() || this.#returns === 0) return this.stop("replaced");
        this.#returns -= 1;
        this.#hangUp();
        this.#retry("closed", RETURN_MS);
    }

    /** @param {Why} why @param {boolean} isPatient */
    #lose(why, isPatient) {
        if (this.#isStopped) return;
        if (this.#world.now() - this.#acceptedAt >= STABLE_MS) this.#backoff.reset();
        this.#hangUp();
        this.#retry(why, this.#backoff.next(isPatient));
    }

    /** @param {Why} why @param {number} ms */
    #retry(why, ms) {
        this.#stopRetry();
        this.#stopRetry = this.#world.after(ms, () => this.#connect());
        this.#handlers.onStatus({ phase: "retrying", why, retryAt: this.#world.date() + ms });
    }

    #hangUp() {
        this.#stopRetry();
        this.#socket?.close();
        this.#socket = null;
        this.#acceptedAt = Infinity;
        if (!this.#isLinked) return;
        this.#isLinked = false;
        this.#handlers.onUnlink();
    }

    /** @param {import("./world.js").Sight} sight */
    #onSight(sight) {
        const now = this.#world.date();
        if (sight === "hidden" || sight === "gone") {
            if (!this.#isHidden) this.#hiddenAt = now;
            this.#isHidden = true;
            // The browser would keep a page with an open connection out of its back/forward cache.
            if (sight === "gone") this.#hangUp();
            return;
        }
        const wasHidden = this.#isHidden;
        if (sight === "shown") this.#isHidden = false;
        if (this.#isHidden) return;
        this.#check(wasHidden && (this.#world.losesSockets || now - this.#hiddenAt > HIDDEN_MAX_MS));
    }

    // The connection is in doubt, or surely of no use. A young one was made after what gave rise to the
    // doubt.
    /** @param {boolean} isUseless */
    #check(isUseless) {
        if (this.#isStopped || this.#isPaused) return;
        if (!this.#socket) {
            this.#backoff.reset();
            return this.#connect();
        }
        if (!isUseless || this.#world.now() - this.#connectedAt < YOUNG_MS) return this.#socket.probe(PROBE_MS);
        this.#hangUp();
        this.#backoff.reset();
        this.#connect();
    }

    // A clock that jumps shows a sleep of which nothing else tells.
    #tick() {
        const [last, now] = [this.#tickAt, this.#world.date()];
        this.#tickAt = now;
        this.#stopTick = this.#world.after(TICK_MS, () => this.#tick());
        if (now - last > JUMP_MS && !this.#isHidden) this.#check(true);
    }
}
