// All sets of files of one desk, the newest last.

import { Kept } from "./kept.js";
import { LostSet, Underway } from "./lost.js";
import { memoryParts, openParts } from "./parts.js";
import { ReceivingSet } from "./receiving.js";
import { SendingSet } from "./sending.js";

/**
 * @typedef {import("./set.js").FileSet} FileSet
 * @typedef {import("./parts.js").Parts} Parts
 */

const NOTE_MS = 30;
/** A part of a file that nobody has added to for so long is removed. */
const PART_MS = 7 * 24 * 3_600_000;
/** Sets that are over and shown, beside those with files of which this may be the only place. */
const OVER_MAX = 20;
/** Sets that wait for the user, or move. */
const OPEN_MAX = 8;

export class Transfers {
    #host;
    #pair;
    #changed;
    /** @type {Parts | null} */
    #parts;
    #kept;
    #underway;
    /** @type {Promise<Parts> | null} */
    #opening = null;
    #isReady = false;
    #isNoted = false;
    /**
     * What is sent, received, or asked. Each tells of its own changes at once.
     * @type {(SendingSet | ReceivingSet | LostSet)[]}
     */
    sets = [];

    /**
     * @param {import("../app/host.js").Host} host
     * @param {string} pair a name for what belongs to this desk
     * @param {() => void} changed
     * @param {Parts | null} [parts] else the browser's
     * @param {import("../store/store.js").Store | null} [store] without one a reload forgets what came
     */
    constructor(host, pair, changed, parts = null, store = null) {
        this.#host = host;
        this.#pair = pair;
        this.#changed = changed;
        this.#parts = parts;
        this.#kept = store?.isLasting ? new Kept(store, pair) : null;
        this.#underway = store?.isLasting ? new Underway(store, pair) : null;
        /** What came before the page was loaded is in `sets`. */
        this.restored = this.#restore().catch((error) => console.warn("received files are not found:", error));
    }

    /** True while anything moves: keep the screen awake. */
    get isMoving() {
        return this.sets.some(({ state }) => state === "moving");
    }

    /**
     * True if a received file goes on after the page was left, and may be long. Known once a file was
     * received.
     */
    get isLasting() {
        return this.#parts?.isLasting ?? null;
    }

    /** The user chose files to send; null if too many sets are under way. @param {File[]} files */
    send(files) {
        if (files.length === 0 || this.#isFull) return null;
        const set = this.#add(new SendingSet(this.#host, files));
        // The same once more, after the page was loaded again.
        for (const lost of this.sets) if (lost instanceof LostSet && isSame(lost, set)) void this.dismiss(lost);
        void this.#underway?.note(set).catch((error) => console.warn("not noted:", error));
        if (this.#isReady) set.open();
        return set;
    }

    /** Takes a set that is over off the list. @param {SendingSet | ReceivingSet | LostSet} set */
    async dismiss(set) {
        if (!set.isOver) return;
        this.sets = this.sets.filter((other) => other !== set);
        if (set instanceof ReceivingSet) for (const item of set.items) await set.release(item);
        if (set instanceof LostSet) await this.#underway?.remove(set.key);
        this.#changed();
    }

    /** The desk is forgotten, and what is here of its files. */
    async forget() {
        await (await this.#open()).removeAll((name) => name.startsWith(`${this.#pair}-`));
        for (const { key } of (await this.#kept?.all()) ?? []) await this.#kept?.remove(key);
        for (const { key } of (await this.#underway?.all()) ?? []) await this.#underway?.remove(key);
    }

    #open() {
        return (this.#opening ??= this.#openOnce());
    }

    async #openOnce() {
        const parts = (this.#parts ??= typeof navigator === "object" && navigator.storage ? await openParts() : memoryParts());
        const kept = (await this.#kept?.parts()) ?? new Set();
        const old = this.#host.date() - PART_MS;
        await parts
            .removeAll((name, changedAt) => changedAt < old && !kept.has(name))
            .catch((error) => console.warn("old parts stay:", error));
        return parts;
    }

    async #restore() {
        for (const record of (await this.#underway?.all()) ?? []) this.#add(new LostSet(this.#host, record));
        /** @type {Map<string, ReceivingSet>} */
        const sets = new Map();
        for (const record of (await this.#kept?.all()) ?? []) {
            const parts = await this.#open();
            const part = await (record.bytes ? (parts.small ?? parts) : parts).open(record.part);
            if (record.bytes && part.length === 0) await part.append(record.bytes);
            if (part.length !== record.size) {
                // The browser has removed it.
                await this.#kept?.remove(record.key);
                await part.remove();
                continue;
            }
            const { params } = record;
            const set = sets.get(record.set) ?? new ReceivingSet(this.#host, { ...this.#place(parts), channel: null, params });
            await set.restore(record, part);
            if (!sets.has(record.set)) this.#add(set);
            sets.set(record.set, set);
        }
        this.#changed();
    }

    /** @param {Parts} parts */
    #place(parts) {
        return { parts, pair: this.#pair, kept: this.#kept };
    }

    /** For the link: the two ends are ready, or not any more. @param {boolean} isReady */
    onReady(isReady) {
        this.#isReady = isReady;
        for (const set of this.sets) {
            if (!isReady) set.onLost();
            else if (set instanceof SendingSet) set.open();
        }
        // What was only asked goes with its channel.
        this.sets = this.sets.filter((set) => set.state !== "asked" || set.channel);
        this.#changed();
    }

    /**
     * For the link: the desk sends a set.
     * @param {import("../app/channel.js").Channel} channel
     * @param {Record<string, unknown>} params
     */
    async take(channel, params) {
        await this.restored;
        const parts = await this.#open();
        if (channel.isGone) return;
        if (this.#isFull) return channel.refuse("too-many");
        const before = this.sets.find((set) => set instanceof ReceivingSet && set.state === "waiting" && isSame(set, params));
        if (before instanceof ReceivingSet) return before.resume(channel);
        this.#add(new ReceivingSet(this.#host, { ...this.#place(parts), channel, params }));
    }

    get #isFull() {
        return this.sets.filter(({ isOver }) => !isOver).length >= OPEN_MAX;
    }

    /**
     * @template {SendingSet | ReceivingSet | LostSet} S
     * @param {S} set
     */
    #add(set) {
        this.sets.push(set);
        const over = this.sets.filter((old) => old.isOver && !("hasFiles" in old && old.hasFiles));
        for (const old of over.slice(0, Math.max(0, over.length - OVER_MAX))) void this.dismiss(old);
        set.on(() => this.#note());
        this.#changed();
        return set;
    }

    // Progress comes with each message: it is told now and then.
    #note() {
        if (this.#isNoted) return;
        this.#isNoted = true;
        this.#host.after(NOTE_MS, () => {
            this.#isNoted = false;
            this.#changed();
        });
    }
}

/** @param {FileSet} set @param {{ name?: unknown, files?: unknown, bytes?: unknown }} params */
function isSame({ name, files, bytes }, params) {
    return name === params.name && files === params.files && bytes === params.bytes;
}
