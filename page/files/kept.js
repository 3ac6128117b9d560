// Which files were received and wait for their user: the desk was told that they are here, so they are found
// again after the page was loaded again.

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {import("./parts.js").Part} Part
 * @typedef {import("./receiving.js").ReceivingSet} ReceivingSet
 */

/**
 * One file: in the part of that name, or, where parts do not survive the page, these bytes.
 * @typedef {{ key: string, set: string, params: { name: string, files: number, bytes: number }, name: string,
 *     size: number, part: string, bytes: Bytes | null }} Record
 */

const ALL = "received ";
let count = 0;

export class Kept {
    #store;
    #prefix;
    /** @type {WeakMap<ReceivingSet, string>} */
    #sets = new WeakMap();

    /** @param {import("../store/store.js").Store} store @param {string} pair */
    constructor(store, pair) {
        this.#store = store;
        this.#prefix = `${ALL}${pair} `;
    }

    /**
     * Notes a file that is done; gives the key that removes it.
     * @param {ReceivingSet} of
     * @param {import("./set.js").Item} item
     * @param {Part} part
     * @param {boolean} inMemory
     */
    async add(of, { name, size }, part, inMemory) {
        const set = this.#sets.get(of) ?? `${String(of.host.date()).padStart(16, "0")} ${String(++count).padStart(6, "0")}`;
        this.#sets.set(of, set);
        const key = `${this.#prefix}${set} ${String(++count).padStart(8, "0")}`;
        const bytes = inMemory ? new Uint8Array(await (await part.blob()).arrayBuffer()) : null;
        const params = { name: of.name, files: of.files, bytes: of.bytes };
        /** @type {Record} */
        const record = { key, set, params, name, size, part: part.name, bytes };
        await this.#store.put(key, record);
        return key;
    }

    /** @param {string} key */
    remove(key) {
        return this.#store.put(key, undefined);
    }

    /** Those of this pair, in their order. */
    async all() {
        return /** @type {Record[]} */ (await this.#store.list(this.#prefix));
    }

    /** The parts of every pair that wait for their user. */
    async parts() {
        const records = /** @type {Record[]} */ (await this.#store.list(ALL));
        return new Set(records.map(({ part }) => part));
    }
}
