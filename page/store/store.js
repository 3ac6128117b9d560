// Where pairs are kept between two loads of the page: IndexedDB, or memory where the browser gives none. A
// pair's key is stored as a key that cannot be read out again where the browser has such keys.

/**
 * @typedef {object} PairRecord
 * @property {string} id
 * @property {import("../tunnel/phone.js").SavedPair} saved
 * @property {string} phone this phone's name
 * @property {string} desk the desk's name as it was last heard
 * @property {number} pairedAt
 * @property {string | null} [unconfirmed] the six words, or "" before they were known, until the user has said
 *     that they are the same on both screens
 */

/**
 * @typedef {object} Store
 * @property {boolean} isLasting false if what is kept is lost with the page
 * @property {() => Promise<PairRecord[]>} pairs
 * @property {(record: PairRecord) => Promise<void>} putPair
 * @property {(id: string) => Promise<void>} deletePair
 * @property {(name: string) => Promise<unknown>} get a value of this page, or undefined
 * @property {(prefix: string) => Promise<unknown[]>} list values whose names begin so, in their names' order
 * @property {(name: string, value: unknown) => Promise<void>} put undefined deletes it
 */

const NAME = "relay";
const PAIRS = "pairs";
const VALUES = "values";
/** IndexedDB may hang, as in a WebKit that has just woken. */
const DEADLINE_MS = 5_000;

/** @returns {Store} */
export function memoryStore() {
    /** @type {Map<string, PairRecord>} */
    const pairs = new Map();
    /** @type {Map<string, unknown>} */
    const values = new Map();
    return {
        isLasting: false,
        pairs: async () => [...pairs.values()],
        putPair: async (record) => void pairs.set(record.id, record),
        deletePair: async (id) => void pairs.delete(id),
        get: async (name) => values.get(name),
        list: async (prefix) =>
            [...values.keys()].filter((name) => name.startsWith(prefix)).sort().map((name) => values.get(name)),
        put: async (name, value) => void (value === undefined ? values.delete(name) : values.set(name, value)),
    };
}

/** The browser's, or one in memory if it has none or refuses it. @returns {Promise<Store>} */
export async function openStore() {
    try {
        return indexedDbStore(await inTime(open()));
    } catch (error) {
        console.warn("nothing can be kept", error);
        return memoryStore();
    }
}

/** @returns {Promise<IDBDatabase>} */
function open() {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
        request.result.createObjectStore(PAIRS, { keyPath: "id" });
        request.result.createObjectStore(VALUES);
    };
    return done(request);
}

/** @param {IDBDatabase} database @returns {Store} */
function indexedDbStore(database) {
    /**
     * @template T
     * @param {string} name
     * @param {IDBTransactionMode} mode
     * @param {(store: IDBObjectStore) => IDBRequest<T>} act
     */
    const run = (name, mode, act) => {
        const transaction = database.transaction(name, mode);
        const request = act(transaction.objectStore(name));
        // What was written is there after the transaction, not after the request.
        const written = new Promise((resolve, reject) => {
            transaction.oncomplete = () => resolve(undefined);
            transaction.onabort = transaction.onerror = () => reject(transaction.error);
        });
        return inTime(Promise.all([done(request), written]).then(([result]) => result));
    };
    return {
        isLasting: true,
        pairs: () => run(PAIRS, "readonly", (store) => store.getAll()),
        putPair: async (record) => void (await run(PAIRS, "readwrite", (store) => store.put(record))),
        deletePair: (id) => run(PAIRS, "readwrite", (store) => store.delete(id)),
        get: (name) => run(VALUES, "readonly", (store) => store.get(name)),
        list: (prefix) =>
            run(VALUES, "readonly", (store) => store.getAll(IDBKeyRange.bound(prefix, `${prefix}\uffff`))),
        put: async (name, value) => {
            if (value === undefined) await run(VALUES, "readwrite", (store) => store.delete(name));
            else await run(VALUES, "readwrite", (store) => store.put(value, name));
        },
    };
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function done(request) {
    return new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
}

/**
 * @template T
 * @param {Promise<T>} work
 * @returns {Promise<T>}
 */
function inTime(work) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no answer in ${DEADLINE_MS} ms`)), DEADLINE_MS);
        work.then(resolve, reject).finally(() => clearTimeout(timer));
    });
}
