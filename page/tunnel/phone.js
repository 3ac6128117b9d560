// The phone's role in the tunnel: it begins every handshake, proves the code's key, keeps the pair's, and
// follows the workstation into the fresh session. See "Phases of an end" in docs/tunnel.md.

import { cut, hex, unhex } from "../bytes.js";
import { TunnelEnd } from "./end.js";
import * as handshake from "./handshake.js";
import { readState } from "./records.js";
import { DAMAGED, FAULT, Refused } from "./refused.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {import("./code.js").Place} Place
 * @typedef {import("./handshake.js").Key} Key
 * @typedef {import("./end.js").Outside} Outside
 */

/**
 * A pair as it is kept. `other` is the code's session, while the workstation may still be there.
 * @typedef {{ place: Place, other: Place | null, key: Key, welcomed: boolean }} SavedPair
 */

/**
 * @typedef {object} PhoneSettings
 * @property {{ place: Place, codeKey: Key } | SavedPair} pair a code's, or one that was kept
 * @property {string} name what the phone calls itself
 * @property {Outside} outside
 * @property {(saved: SavedPair) => Promise<void>} store keeps it; nothing is said before that is done
 * @property {number} [window]
 * @property {number} [turnMs]
 */

const WINDOW = 1 << 20;
const NAME_BYTES_MAX = 64;
const ANSWER_MS = 5_000;
const TRIES = 3;
const TURN_MS = 10_000;
const RENEW_RECORDS = 2 ** 20;
const RENEW_MS = 24 * 3_600_000;

export class PhoneTunnel extends TunnelEnd {
    #name;
    #store;
    #turnMs;
    /** @type {Key | null} */
    #codeKey = null;
    /** @type {Key | null} */
    #pairKey = null;
    // The sessions in which the workstation may be, the current one first. Two, while it is not known if it
    // moved.
    /** @type {Place[]} */
    #places;
    /** @type {Place | null} */
    #fresh = null;
    // The code's session: from the WELCOME with a fresh session, until the workstation was met there or here.
    /** @type {Place | null} */
    #former = null;
    // A handshake without its H2.
    /** @type {{ noise: handshake.PhoneHandshake, underCode: boolean } | null} */
    #pending = null;
    #tries = 0;
    // Whether this process was welcomed once.
    #welcomed = false;
    // Whether this process or an earlier one was welcomed. Then no unproven refusal stops it.
    #everWelcomed = false;
    #awaitsWelcome = false;
    #isAsked = false;
    /** @type {{ at: number, isHello: boolean } | null} */
    #answer = null;
    /** @type {number | null} */
    #leaveAt = null;
    /** @type {number | null} */
    #turnAt = null;
    #renewAt = Infinity;

    /** @param {PhoneSettings} settings */
    constructor({ pair, name, outside, store, window = WINDOW, turnMs = TURN_MS }) {
        super({ place: pair.place, window, outside });
        this.#name = cut(name, NAME_BYTES_MAX);
        this.#store = store;
        this.#turnMs = turnMs;
        this.#places = [pair.place];
        if ("codeKey" in pair) {
            this.#codeKey = pair.codeKey;
            return;
        }
        this.#pairKey = pair.key;
        this.#everWelcomed = pair.welcomed;
        this.#former = pair.other;
        if (pair.other) this.#places.push(pair.other);
        this.#seek();
    }

    get isOpen() {
        return this.live !== null && this.#welcomed && this.place !== this.#former;
    }

    /** True while the workstation's user has not answered: a phone that is displaced then comes back. */
    get isWaitingForAnswer() {
        return this.#isAsked && !this.#everWelcomed;
    }

    get dueAt() {
        const renewAt = this.isOpen && !this.#pending ? this.#renewAt : null;
        const times = [super.dueAt, this.#answer?.at, this.#leaveAt, this.#turnAt, renewAt];
        const due = Math.min(...times.map((at) => at ?? Infinity));
        return due === Infinity ? null : due;
    }

    async onTimeout() {
        await super.onTimeout();
        const now = this.outside.now();
        if (this.#leaveAt !== null && now >= this.#leaveAt) return this.#leave();
        if (this.#turnAt !== null && now >= this.#turnAt) return this.#turn();
        if (this.#answer && now >= this.#answer.at) {
            if (this.#answer.isHello) throw new Refused(FAULT, "no answer to HELLO");
            return this.#sendH1();
        }
        if (now >= this.#renewAt) await this.renew();
    }

    async onLink() {
        this.#tries = 0;
        // The peer is here. Connecting may have taken most of this session's turn.
        this.#seek();
        await this.#sendH1();
    }

    onUnlink() {
        super.onUnlink();
        this.#answer = null;
        this.#pending = null;
        this.#awaitsWelcome = false;
        if (this.#fresh) this.#leave();
        else this.#seek();
    }

    /** @param {Bytes} bytes */
    async onMessage(bytes) {
        switch (bytes[0]) {
            case handshake.H2:
                return this.#onH2(bytes);
            case handshake.RECORD:
                if (this.live) await this.#onRecord(bytes);
                return;
            case handshake.REFUSAL:
                return this.#onRefusal(bytes);
        }
    }

    /** The session is gone at the relay. True if there is another one, to which it has moved. */
    onSessionGone() {
        if (this.#places.length < 2) return false;
        this.#places.shift();
        this.moveTo(this.#places[0]);
        return true;
    }

    /** A new handshake beside the live connection, for fresh keys. */
    async renew() {
        this.#tries = 0;
        this.#renewAt = Infinity;
        if (this.isOpen) await this.#sendH1();
    }

    async #sendH1() {
        if (this.#tries === TRIES) throw new Refused(FAULT, `no answer to ${TRIES} handshakes`);
        this.#tries += 1;
        const { crypto, random, now } = this.outside;
        const key = this.#pairKey ?? this.#codeKey;
        if (!key) throw new Error("a phone without a key");
        const [session, c, ephemeral] = [unhex(this.place.session), random(4), await crypto.keyPair()];
        const noise = await handshake.PhoneHandshake.begin({ crypto, session, key, c, ephemeral });
        this.#pending = { noise, underCode: this.#pairKey === null };
        this.outside.send(await noise.h1());
        this.#answer = { at: now() + ANSWER_MS, isHello: false };
    }

    /** @param {Bytes} message */
    async #onH2(message) {
        if (!this.#pending) return;
        const { noise, underCode } = this.#pending;
        const { payload, connection } = await noise.openH2(message);
        const { rest, ...state } = readState(payload);
        const hasKey = rest.length > 0;
        if (hasKey !== underCode) throw new Refused(FAULT, hasKey ? "a pair key without a code" : "no pair key");
        this.#answer = null;
        this.#turnAt = null;
        this.meet(state);
        if (underCode) {
            this.#pairKey = await handshake.keyOf(this.outside.crypto, rest);
            await this.#save();
        }
        await this.#sayHello(connection);
    }

    /** @param {handshake.Connection} connection */
    async #sayHello(connection) {
        this.live = connection;
        this.#pending = null;
        this.#renewAt = this.outside.now() + RENEW_MS;
        const words = handshake.words(connection.hash);
        if (!this.#welcomed) this.outside.tell({ what: "words", words });
        this.#awaitsWelcome = true;
        await this.transmit({ what: "HELLO", state: this.stream.state(), name: this.#name });
        // A phone that was never welcomed may have to wait for a user.
        this.#isAsked = true;
        if (this.#everWelcomed) this.#answer = { at: this.outside.now() + ANSWER_MS, isHello: true };
        if (!this.#welcomed && !this.#everWelcomed) return this.outside.tell({ what: "asked", words });
        // A workstation that knows this phone takes its messages directly.
        this.#welcomed = true;
        if (!this.isOpen) return;
        await this.#stay();
        this.outside.tell({ what: "writable" });
    }

    /** @param {Bytes} bytes */
    async #onRecord(bytes) {
        const record = await this.openRecord(bytes);
        const { what } = record;
        if (what === "WELCOME" && (this.#awaitsWelcome || this.isOpen)) return this.#onWelcome(record);
        if (what === "DENIED") return this.outside.tell({ what: this.#everWelcomed ? "removed" : "denied" });
        await this.onCommonRecord(record);
        if (this.live && this.live.records >= RENEW_RECORDS && !this.#pending) await this.renew();
    }

    /** @param {{ session?: Bytes, token?: Bytes }} record */
    async #onWelcome({ session, token }) {
        const wasOpen = this.isOpen && !this.#awaitsWelcome;
        this.#answer = null;
        this.#awaitsWelcome = false;
        this.#tries = 0;
        if (session && this.isOpen) throw new Refused(FAULT, "WELCOME with a session in an open tunnel");
        this.#welcomed = true;
        const isFirst = !this.#everWelcomed;
        this.#everWelcomed = true;
        if (session && token) return this.#settle({ ...this.place, session: hex(session), token: hex(token) });
        await this.#stay();
        if (isFirst) await this.#save();
        if (!wasOpen) this.outside.tell({ what: "open" });
    }

    // The workstation is here, so do not look for it elsewhere.
    async #stay() {
        const wasSearching = this.#former !== null || this.#places.length > 1;
        this.#former = null;
        this.#places = [this.place];
        this.#turnAt = null;
        if (wasSearching) await this.#save();
    }

    // The workstation should leave first. If it does not, this end does.
    /** @param {Place} fresh */
    async #settle(fresh) {
        this.#fresh = fresh;
        this.#former = this.place;
        await this.#save(fresh, this.place);
        await this.transmit({ what: "SETTLED" });
        this.#leaveAt = this.outside.now() + this.#turnMs;
    }

    #leave() {
        if (!this.#fresh) return;
        this.#leaveAt = null;
        this.#places = [this.#fresh, this.place];
        this.#fresh = null;
        this.moveTo(this.#places[0]);
        this.#seek();
    }

    // If SETTLED was lost, the workstation is still in the code's session. Look for it in both, in turn.
    #seek() {
        this.#turnAt = this.#places.length < 2 ? null : this.outside.now() + this.#turnMs;
    }

    #turn() {
        this.#turnAt = null;
        if (this.live || this.#places.length < 2) return;
        this.#places.reverse();
        this.moveTo(this.#places[0]);
        this.#seek();
    }

    /** @param {Bytes} message */
    #onRefusal(message) {
        const waiting = this.#pending?.noise ?? (this.#everWelcomed ? null : this.live);
        if (!waiting) return;
        const reason = handshake.readRefusal(message, waiting.c);
        const beside = this.live !== null && waiting !== this.live;
        const fault = new Refused(FAULT, `refused for ${reason}`);
        // The damage may be over on a new connection.
        if (beside || reason === DAMAGED) throw fault;
        if (this.#everWelcomed) throw Object.assign(fault, { refusal: reason });
        this.outside.tell({ what: "refused", reason });
    }

    /** @param {Place} [place] @param {Place | null} [other] */
    async #save(place = this.place, other = null) {
        const key = this.#pairKey;
        if (key) await this.#store({ place, other, key, welcomed: this.#everWelcomed });
    }
}
