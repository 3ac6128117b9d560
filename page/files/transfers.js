// All sets of files of one desk, the newest last.

import { memoryParts, openParts } from "./parts.js";
import { ReceivingSet } from "./receiving.js";
import { SendingSet } from "./sending.js";

/**
 * @typedef {import("./set.js").FileSet} FileSet
 * @typedef {import("./parts.js").Parts} Parts
 */

const NOTE_MS = 30;
/** Sets that are over and shown. */
const OVER_MAX = 20;
/** Sets that wait for the user, or move. */
const OPEN_MAX = 8;

export class Transfers {
    #host;
    #pair;
    #changed;
    /** @type {Parts | null} */
    #parts;
    #isReady = false;
    #isNoted = false;
    /**
     * What is sent, received, or asked. Each tells of its own changes at once.
     * @type {(SendingSet | ReceivingSet)[]}
     */
    sets = [];

    /**
     * @param {import("../app/host.js").Host} host
     * @param {string} pair a name for what belongs to this desk
     * @param {() => void} changed
     * @param {Parts | null} [parts] else the browser's
     */
    constructor(host, pair, changed, parts = null) {
        this.#host = host;
        this.#pair = pair;
        this.#changed = changed;
        this.#parts = parts;
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
        if (this.#isReady) set.open();
        return set;
    }

    /** Takes a set that is over off the list. @param {SendingSet | ReceivingSet} set */
    async dismiss(set) {
        if (!set.isOver) return;
        this.sets = this.sets.filter((other) => other !== set);
        if (set instanceof ReceivingSet) for (const item of set.items) await set.release(item);
        this.#changed();
    }

    /** The desk is forgotten, and what is here of its files. */
    async forget() {
        this.#parts ??= await anyParts();
        await this.#parts.removeAll(`${this.#pair}-`);
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
        if (this.#isFull) return channel.refuse("too-many");
        this.#parts ??= await anyParts();
        if (channel.isGone) return;
        const parts = this.#parts;
        const before = this.sets.find((set) => set instanceof ReceivingSet && set.state === "waiting" && isSame(set, params));
        if (before instanceof ReceivingSet) return before.resume(channel);
        this.#add(new ReceivingSet(this.#host, { parts, pair: this.#pair, channel, params }));
    }

    get #isFull() {
        return this.sets.filter(({ isOver }) => !isOver).length >= OPEN_MAX;
    }

    /**
     * @template {SendingSet | ReceivingSet} S
     * @param {S} set
     */
    #add(set) {
        this.sets.push(set);
        const over = this.sets.filter(({ isOver }) => isOver);
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

/** @param {FileSet} set @param {Record<string, unknown>} params */
function isSame({ name, files, bytes }, params) {
    return name === params.name && files === params.files && bytes === params.bytes;
}

/** @returns {Promise<Parts>} */
async function anyParts() {
    return typeof navigator === "object" && navigator.storage ? openParts() : memoryParts();
}
