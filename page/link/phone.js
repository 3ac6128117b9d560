// The phone as a whole: its kept pairs, and their running links.

import { hex } from "../bytes.js";
import { Emitter } from "../events.js";
import { CodeError } from "../tunnel/code.js";
import { keyOf } from "../tunnel/handshake.js";
import { Link } from "./running.js";

/**
 * @typedef {import("../store/store.js").PairRecord} PairRecord
 * @typedef {import("../tunnel/code.js").Code} Code
 * @typedef {import("./world.js").World} World
 */

/**
 * A kept pair, as home lists it.
 * @typedef {object} PairInfo
 * @property {string} id
 * @property {string} desk the desk's name as it was last heard, or ""
 * @property {string} phone this phone's name
 * @property {string} relay the relay's host
 * @property {number} pairedAt milliseconds since 1970
 * @property {boolean} isWelcomed false while the desk's user has not said yes
 * @property {string | null} unconfirmed the six words that this phone's user has still to compare
 */

const NEVER_LET_IN = ["code-unknown", "code-used", "code-expired", "other-version", "code-gone"];
/** The value of the store with the codes that this browser has used, and how many it has. */
const USED = "used";
const USED_MAX = 8;

/** Tells `{ type: "pairs" }` when its pairs changed. @extends {Emitter<{ type: "pairs" }>} */
export class Phone extends Emitter {
    #world;
    /** @type {Map<string, PairRecord>} */
    #records = new Map();
    /** @type {Map<string, Link>} */
    #links = new Map();
    /** Links that wait for their lock. @type {Map<string, Promise<Link>>} */
    #starting = new Map();

    /** @param {World} world */
    static async open(world) {
        const phone = new Phone(world);
        for (const record of await world.store.pairs()) phone.#records.set(record.id, record);
        return phone;
    }

    /** @param {World} world */
    constructor(world) {
        super();
        this.#world = world;
    }

    /** "own": this page has no WebCrypto, so it came unencrypted. */
    get crypto() {
        return this.#world.crypto.name;
    }

    /** False if the pairs are lost with this page. */
    get isLasting() {
        return this.#world.store.isLasting;
    }

    /** The newest first. @returns {PairInfo[]} */
    get pairs() {
        const infos = [...this.#records.values()].map(({ id, desk, phone, pairedAt, saved, unconfirmed = null }) => {
            const relay = new URL(saved.place.url).host;
            return { id, desk, phone, relay, pairedAt, isWelcomed: saved.welcomed, unconfirmed };
        });
        return infos.sort((a, b) => b.pairedAt - a.pairedAt);
    }

    /**
     * Begins a pairing: only after a tap, as it uses the code up.
     * @param {Code} code
     * @param {string} name what the desk calls this phone, at most 64 bytes
     */
    async pair(code, name) {
        if (!code.app) throw new CodeError("other-app");
        const codeKey = await keyOf(this.#world.crypto, code.key);
        const link = await this.#start(hex(this.#world.random(8)), { place: code.place, codeKey }, name);
        const stop = link.on(() => {
            if (!link.state.words) return;
            stop();
            void this.#noteUse(codeKey.id).catch(console.error);
        });
        return link;
    }

    /**
     * When this browser has used a code up; null if it did not.
     * @param {Code} code
     */
    async usedAt(code) {
        const { id } = await keyOf(this.#world.crypto, code.key);
        return (await this.#used()).find((used) => used.id === hex(id))?.at ?? null;
    }

    /** @param {import("../bytes.js").Bytes} id of the code's key, which it does not reveal */
    async #noteUse(id) {
        const used = [...(await this.#used()), { id: hex(id), at: this.#world.date() }];
        await this.#world.store.put(USED, used.slice(-USED_MAX));
    }

    async #used() {
        return /** @type {{ id: string, at: number }[]} */ ((await this.#world.store.get(USED)) ?? []);
    }

    /** The running link of a kept pair, or a new one. @param {string} id */
    async link(id) {
        const running = this.#links.get(id);
        if (running && running.state.phase !== "stopped") return running;
        const record = this.#records.get(id);
        if (!record) throw new Error(`no pair ${id} is kept`);
        const starting = this.#starting.get(id) ?? this.#start(id, record.saved, record.phone);
        this.#starting.set(id, starting);
        return starting.finally(() => this.#starting.delete(id));
    }

    /** The user says that both screens show the same words. @param {string} id */
    confirm(id) {
        return this.#noteWords(id, null);
    }

    /** @param {string} id @param {string | null} words */
    async #noteWords(id, words) {
        const record = this.#records.get(id);
        if (!record || record.unconfirmed === words) return;
        record.unconfirmed = words;
        this.emit({ type: "pairs" });
        await this.#world.store.putPair(record);
    }

    /**
     * What this phone calls itself at a desk, from its next connection on.
     * @param {string} id
     * @param {string} name
     */
    async rename(id, name) {
        const record = this.#records.get(id);
        if (!record) return;
        record.phone = name;
        this.emit({ type: "pairs" });
        await this.#world.store.putPair(record);
    }

    /**
     * Ends the link and forgets the pair here. The desk keeps it until its user removes this phone.
     * @param {string} id
     */
    async forget(id) {
        const link = this.#links.get(id);
        link?.close();
        this.#links.delete(id);
        this.#records.delete(id);
        this.emit({ type: "pairs" });
        await this.#world.store.deletePair(id);
        await link?.files.forget();
        await this.#renewPush(id);
    }

    // A desk that is forgotten has the key of this page's push, so the subscription ends, and the others get
    // another one.
    /** @param {string} forgotten */
    async #renewPush(forgotten) {
        if (!(await this.#world.pusher(forgotten)?.forget())) return;
        for (const link of this.#links.values()) await link.notices.renew();
    }

    /**
     * @param {string} id
     * @param {import("../tunnel/phone.js").PhoneSettings["pair"]} pair
     * @param {string} name
     */
    async #start(id, pair, name) {
        const lock = await this.#world.lock(id);
        /** @type {Link} */
        const link = new Link({ world: this.#world, id, pair, name, store: (saved) => this.#store(link, saved) });
        this.#links.set(id, link);
        link.on(({ type }) => {
            if (type === "desk") this.#noteDesk(link);
            if (type === "state") this.#noteAsked(link);
            if (type === "state" && this.#isOver(link)) void this.forget(id);
        });
        this.#hold(link, lock);
        return link;
    }

    // The desk's user has proved that the pair is over, or never let this phone in. Nobody can prove that the
    // relay has told the truth about a pair that was open before, so that one is kept.
    /** @param {Link} link */
    #isOver({ id, state: { phase, why } }) {
        if (phase !== "stopped") return false;
        const isWelcomed = this.#records.get(id)?.saved.welcomed ?? true;
        return why === "denied" || why === "removed" || (!isWelcomed && NEVER_LET_IN.includes(why ?? ""));
    }

    /** @param {Link} link @param {import("./world.js").Lock} lock */
    #hold(link, lock) {
        lock.onLost(() => link.standAside());
        link.on(() => link.state.phase === "stopped" && lock.release());
    }

    // A page may be ended while its user looks at the desk: the next one shows the same words.
    /** @param {Link} link */
    #noteAsked({ id, state: { words } }) {
        const isOpen = typeof this.#records.get(id)?.unconfirmed === "string";
        if (words && isOpen) void this.#noteWords(id, words).catch(console.error);
    }

    /** @param {Link} link @param {import("../tunnel/phone.js").SavedPair} saved */
    async #store(link, saved) {
        const { id, name: phone } = link;
        const first = { desk: "", pairedAt: this.#world.date(), phone, unconfirmed: "" };
        const record = { ...first, ...this.#records.get(id), id, saved };
        this.#records.set(id, record);
        await this.#world.store.putPair(record);
        this.emit({ type: "pairs" });
    }

    /** @param {Link} link */
    async #noteDesk({ id, desk }) {
        const record = this.#records.get(id);
        if (!record || !desk || desk.name === record.desk) return;
        record.desk = desk.name;
        this.emit({ type: "pairs" });
        await this.#world.store.putPair(record);
    }
}
