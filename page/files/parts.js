// Where received bytes go: a file is a row of chunks, each written whole. In the browser's private files
// (OPFS) they survive the page, so a file goes on where it stopped; in memory they do not, and all of them
// together may have so many bytes only.

/** @typedef {import("../bytes.js").Bytes} Bytes */

/**
 * A file that is being received, or that waits for its user. Nothing else has it until it is closed.
 * @typedef {object} Part
 * @property {string} name
 * @property {number} length the bytes that are there
 * @property {(bytes: Bytes) => Promise<void>} append fails if there is no room
 * @property {() => Promise<Blob>} blob
 * @property {() => void} close what is there stays for the next `open`
 * @property {() => Promise<void>} remove closes it, too
 */

/**
 * @typedef {object} Parts
 * @property {boolean} isLasting parts survive the page
 * @property {number} bytesMax of one file
 * @property {() => Promise<number>} room how many bytes more there may be
 * @property {(name: string) => Promise<Part>} open a part by its name, with what is there of it. Under
 *     another name where that part is open
 * @property {(isOver: (name: string, changedAt: number) => boolean) => Promise<void>} removeAll that are over
 * @property {Parts} [small] for files that need no part on a disk; else this
 */

/** Bytes of one chunk. */
export const CHUNK_BYTES = 2 << 20;
const MEMORY_BYTES_MAX = 96 << 20;
const FOLDER = "relay-received";

// The first of NAME, NAME-2, NAME-3 … that is not open.
/** @param {Set<string>} names @param {string} name */
function take(names, name) {
    let own = name;
    for (let count = 2; names.has(own); count++) own = `${name}-${count}`;
    names.add(own);
    return own;
}

/** @param {number} [bytesMax] of all of them @returns {Parts} */
export function memoryParts(bytesMax = MEMORY_BYTES_MAX) {
    /** @type {Map<string, Blob[]>} */
    const all = new Map();
    /** @type {Set<string>} */
    const names = new Set();
    let total = 0;
    const drop = (/** @type {string} */ name) => {
        for (const { size } of all.get(name) ?? []) total -= size;
        all.delete(name);
        names.delete(name);
    };
    // What was begun and left gives way.
    const makeRoom = (/** @type {number} */ bytes) => {
        const left = total + bytes > bytesMax ? [...all.keys()].filter((name) => !names.has(name)) : [];
        for (const name of left) if (total + bytes > bytesMax) drop(name);
        if (total + bytes > bytesMax) throw new DOMException("the page's memory is full", "QuotaExceededError");
        total += bytes;
    };
    return {
        isLasting: false,
        bytesMax,
        room: async () => bytesMax - total,
        async open(wanted) {
            const name = take(names, wanted);
            const chunks = all.get(name) ?? [];
            all.set(name, chunks);
            const part = {
                name,
                length: chunks.reduce((sum, { size }) => sum + size, 0),
                append: async (/** @type {Bytes} */ bytes) => {
                    makeRoom(bytes.length);
                    chunks.push(new Blob([bytes]));
                    part.length += bytes.length;
                },
                blob: async () => new Blob(chunks),
                close: () => void (chunks.length > 0 ? names.delete(name) : drop(name)),
                remove: async () => drop(name),
            };
            return part;
        },
        removeAll: async (isOver) => [...all.keys()].filter((name) => isOver(name, Infinity)).forEach(drop),
    };
}

/** Of all desks together. */
const memory = memoryParts();

/** The browser's own, or those in memory. @returns {Promise<Parts>} */
export async function openParts() {
    try {
        const root = await navigator.storage.getDirectory();
        const folder = await root.getDirectoryHandle(FOLDER, { create: true });
        // Some browsers have the folder and cannot write into it from a page.
        const probe = await folder.getFileHandle("probe", { create: true });
        await (await probe.createWritable()).close();
        return privateParts(folder);
    } catch {
        return memory;
    }
}

/** @param {FileSystemDirectoryHandle} folder @returns {Parts} */
function privateParts(folder) {
    /** @type {Set<string>} */
    const names = new Set();
    return {
        isLasting: true,
        bytesMax: Number.MAX_SAFE_INTEGER,
        async room() {
            const { quota = Infinity, usage = 0 } = await navigator.storage.estimate();
            return quota - usage;
        },
        small: memory,
        async open(wanted) {
            const name = take(names, wanted);
            const own = await folder.getDirectoryHandle(name, { create: true });
            const chunks = await chunksOf(own);
            const part = {
                name,
                length: chunks.reduce((sum, { size }) => sum + size, 0),
                append: async (/** @type {Bytes} */ bytes) => {
                    const file = await own.getFileHandle(String(chunks.length), { create: true });
                    const writable = await file.createWritable();
                    await writable.write(bytes);
                    await writable.close();
                    chunks.push(await file.getFile());
                    part.length += bytes.length;
                },
                // The browser reads them from its disk when the whole is used.
                blob: async () => new Blob(chunks),
                close: () => void names.delete(name),
                remove: () => folder.removeEntry(name, { recursive: true }).finally(() => names.delete(name)),
            };
            return part;
        },
        async removeAll(isOver) {
            for await (const part of folder.values()) {
                if (part.kind !== "directory") continue;
                const chunks = await chunksOf(/** @type {FileSystemDirectoryHandle} */ (part));
                const changedAt = chunks.at(-1)?.lastModified ?? Infinity;
                if (isOver(part.name, changedAt)) await folder.removeEntry(part.name, { recursive: true });
            }
        },
    };
}

/**
 * The chunks 0, 1, 2 … that are there, up to the first that is missing or was not written.
 * @param {FileSystemDirectoryHandle} folder
 */
async function chunksOf(folder) {
    /** @type {File[]} */
    const chunks = [];
    for (;;) {
        /** @type {FileSystemFileHandle | null} */
        const handle = await folder.getFileHandle(String(chunks.length)).catch(() => null);
        /** @type {File | undefined} */
        const file = await handle?.getFile();
        if (!file || file.size === 0) return chunks;
        chunks.push(file);
    }
}
