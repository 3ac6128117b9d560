// What this phone was sending when its page was loaded again. A browser gives the files to one page only, so
// their user must choose them again; then the desk goes on with what it has.

import { FileSet } from "./set.js";

/**
 * @typedef {import("./sending.js").SendingSet} SendingSet
 * @typedef {{ key: string, name: string, files: number, bytes: number, names: { name: string, size: number }[] }}
 *     Record
 */

const ALL = "sending ";
/** Files of a set that are listed by name. */
const NAMES_MAX = 100;
let count = 0;

/** A set whose files are not here any more. */
export class LostSet extends FileSet {
    /** @param {import("../app/host.js").Host} host @param {Record} record */
    constructor(host, record) {
        super(host, { isMine: true, ...record });
        this.key = record.key;
        /** @type {import("./set.js").Item[]} */
        this.items = record.names.map(({ name, size }) => {
            return { name, size, moved: 0, state: "waiting", reason: null, keptAs: "", blob: null };
        });
        this.finish("failed", { token: "reloaded", words: "" });
    }
}

/** The sets of one pair that are being sent, as they are kept. */
export class Underway {
    #store;
    #prefix;

    /** @param {import("../store/store.js").Store} store @param {string} pair */
    constructor(store, pair) {
        this.#store = store;
        this.#prefix = `${ALL}${pair} `;
    }

    /** Until it is over. @param {SendingSet} set */
    async note(set) {
        const { name, files, bytes, host } = set;
        const key = `${this.#prefix}${String(host.date()).padStart(16, "0")} ${String(++count).padStart(6, "0")}`;
        const names = set.items.slice(0, NAMES_MAX).map((item) => ({ name: item.name, size: item.size }));
        const written = this.#store.put(key, { key, name, files, bytes, names });
        const stop = set.on(() => {
            if (!set.isOver) return;
            stop();
            void written.then(() => this.remove(key)).catch(console.warn);
        });
        await written;
    }

    /** @param {string} key */
    remove(key) {
        return this.#store.put(key, undefined);
    }

    /** In their order. */
    async all() {
        return /** @type {Record[]} */ (await this.#store.list(this.#prefix));
    }
}
