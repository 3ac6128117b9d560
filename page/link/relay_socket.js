// One connection to the relay, after docs/contract.md: the hello, heartbeats, notices, raw mode. It ends
// once, with a close code or because it is silent.

import { hex, utf8 } from "../bytes.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {import("./world.js").World} World
 * @typedef {import("../tunnel/code.js").Place} Place
 */

/**
 * @typedef {object} Handlers
 * @property {() => void} onHello the hello is out. What is sent now is handled after it: the peer may be there
 * @property {(hasPeer: boolean) => void} onAccepted the relay has answered the hello
 * @property {() => void} onLink
 * @property {() => void} onUnlink the peer has left, or was not there
 * @property {(bytes: Bytes) => void} onMessage
 * @property {(ended: Ended) => void} onEnd
 */

/**
 * @typedef {{ code: number, isOwn: boolean, isDeleted: boolean } | { why: "unreachable" | "no-answer" |
 *     "silent" }} Ended
 */

const RAW = "relay.raw.v1";
const CONNECT_MS = 6_000;
const HELLO_MS = 10_000;
/**
 * A browser does not tell a page of the relay's pings, so unanswered heartbeats are all that it can judge by.
 */
const UNANSWERED_MS = 15_000;
/** No message came for this long since something was sent: a heartbeat asks. */
const ASK_AFTER_MS = 3_000;
const HEARTBEAT = '{"type":"hb"}';

export class RelaySocket {
    #world;
    #handlers;
    /** @type {import("./world.js").Socket | null} */
    #socket = null;
    #isAccepted = false;
    /** Also before the relay's answer: then what is sent is lost if the peer is not there. */
    #isLinked = false;
    #hasEnded = false;
    #isOwn = false;
    #isDeleted = false;
    #heartbeatMs = 30_000;
    #heartbeatAt = Infinity;
    /** Something was sent and no message came since. */
    #unansweredSince = Infinity;
    /** The time by which an answer to a heartbeat must be there. */
    #answerBy = Infinity;
    #stopTimer = () => {};

    /** @param {World} world @param {Handlers} handlers */
    constructor(world, handlers) {
        this.#world = world;
        this.#handlers = handlers;
    }

    /**
     * @param {Place} place
     * @param {{ i: string, n: number }} claim which instance of this page, and which try of it
     */
    async connect(place, claim) {
        this.#answerBy = this.#world.now() + CONNECT_MS;
        this.#arm();
        const digest = await this.#world.crypto.sha256(utf8(place.session));
        if (this.#hasEnded) return;
        const url = new URL(place.url);
        url.searchParams.set("a", hex(digest.subarray(0, 4)));
        try {
            this.#socket = this.#world.openSocket(url.href, RAW);
        } catch {
            return this.#end({ why: "unreachable" });
        }
        const socket = this.#socket;
        socket.binaryType = "arraybuffer";
        socket.onopen = () => this.#onOpen(socket, place, claim);
        socket.onmessage = ({ data }) => this.#onData(data);
        // An error is followed by a close.
        socket.onclose = ({ code }) => {
            if (!this.#isAccepted && code === 1006) return this.#end({ why: "unreachable" });
            this.#end({ code, isOwn: this.#isOwn, isDeleted: this.#isDeleted });
        };
    }

    /** True while nothing should be written: what was sent waits in the browser. */
    get isFull() {
        return (this.#socket?.bufferedAmount ?? 0) > 128 << 10;
    }

    /** @param {Bytes} bytes */
    send(bytes) {
        if (!this.#isLinked || !this.#socket) return;
        this.#socket.send(bytes);
        if (!this.#isAccepted) return;
        this.#unansweredSince = Math.min(this.#unansweredSince, this.#world.now());
        this.#arm();
    }

    /** Asks the relay for a sign of life within `ms`. */
    /** @param {number} ms */
    probe(ms) {
        if (this.#isAccepted) this.#ask(ms);
    }

    /** Leaves; nothing is told any more. A dead socket of a phone may not even react to this. */
    close() {
        this.#hasEnded = true;
        this.#stopTimer();
        const socket = this.#socket;
        this.#socket = null;
        if (!socket) return;
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.close(1000);
    }

    /**
     * @param {import("./world.js").Socket} socket
     * @param {Place} place
     * @param {{ i: string, n: number }} claim
     */
    #onOpen(socket, { session: s, token: t }, claim) {
        if (socket.protocol !== RAW) return this.#end({ why: "no-answer" });
        this.#answerBy = this.#world.now() + HELLO_MS;
        socket.send(JSON.stringify({ type: "hello", s, t, r: "phone", v: 2, ...claim }));
        this.#arm();
        this.#isLinked = true;
        this.#handlers.onHello();
    }

    /** @param {unknown} data */
    #onData(data) {
        if (this.#isAccepted) this.#answerBy = this.#unansweredSince = Infinity;
        if (typeof data === "string") return this.#onText(data);
        if (this.#isLinked) this.#handlers.onMessage(new Uint8Array(/** @type {ArrayBuffer} */ (data)));
    }

    /** @param {string} text */
    #onText(text) {
        const said = parsed(text);
        switch (said.type) {
            case "hello-ack":
                return this.#onAccepted(said);
            case "peer-joined":
                return this.#onJoined(Number(said.missed) > 0);
            case "peer-left":
                return this.#setLinked(false);
            case "session-killed":
                this.#isDeleted = said.reason === "deleted";
                return;
            case "replaced":
                this.#isOwn = said.same === true;
                return;
            case "error":
                // This delayed connection is the older one: the newer goes on.
                if (said.code === "replaced") this.#isOwn = true;
        }
    }

    /** @param {Record<string, unknown>} said */
    #onAccepted({ hb, peer }) {
        if (this.#isAccepted) return;
        this.#isAccepted = true;
        this.#answerBy = this.#unansweredSince = Infinity;
        this.#heartbeatMs = Number.isInteger(hb) ? Math.min(Math.max(Number(hb), 1), 86_400) * 1000 : 30_000;
        this.#heartbeatAt = this.#world.now() + this.#heartbeatMs;
        this.#isLinked = peer === true;
        this.#handlers.onAccepted(this.#isLinked);
        this.#arm();
    }

    // The peer may have come after what was sent with the hello.
    /** @param {boolean} hasMissed */
    #onJoined(hasMissed) {
        if (hasMissed) this.#setLinked(false);
        this.#setLinked(true);
    }

    /** @param {boolean} isLinked */
    #setLinked(isLinked) {
        if (isLinked === this.#isLinked || !this.#isAccepted) return;
        this.#isLinked = isLinked;
        if (isLinked) this.#handlers.onLink();
        else this.#handlers.onUnlink();
    }

    /** @param {number} ms */
    #ask(ms) {
        const now = this.#world.now();
        this.#socket?.send(HEARTBEAT);
        this.#heartbeatAt = now + this.#heartbeatMs;
        this.#unansweredSince = Infinity;
        this.#answerBy = Math.min(this.#answerBy, now + ms);
        this.#arm();
    }

    #arm() {
        this.#stopTimer();
        if (this.#hasEnded) return;
        const due = Math.min(this.#answerBy, this.#heartbeatAt, this.#unansweredSince + ASK_AFTER_MS);
        if (due < Infinity) this.#stopTimer = this.#world.after(Math.max(0, due - this.#world.now()), () => this.#onTimer());
    }

    #onTimer() {
        const now = this.#world.now();
        if (now >= this.#answerBy) {
            return this.#end({ why: this.#isAccepted ? "silent" : this.#socket?.protocol ? "no-answer" : "unreachable" });
        }
        if (now >= this.#heartbeatAt || now >= this.#unansweredSince + ASK_AFTER_MS) return this.#ask(UNANSWERED_MS);
        this.#arm();
    }

    /** @param {Ended} ended */
    #end(ended) {
        if (this.#hasEnded) return;
        this.close();
        this.#handlers.onEnd(ended);
    }
}

/** @param {string} text @returns {Record<string, unknown>} */
function parsed(text) {
    try {
        return Object(JSON.parse(text));
    } catch {
        return {};
    }
}
