// Where received bytes go: a file is a row of chunks, each written whole. In the browser's private files
// (OPFS) they survive the page, so a file goes on where it stopped; in memory they do not, and a file may
// have so many bytes only.

/** @typedef {import("../bytes.js").Bytes} Bytes */

/**
 * A file that is being received.
 * @typedef {object} Part
 * @property {number} length the bytes that are there
 * @property {(bytes: Bytes) => Promise<void>} append fails if there is no room
 * @property {() => Promise<Blob>} blob
 * @property {() => Promise<void>} remove
 */

/**
 * @typedef {object} Parts
 * @property {boolean} isLasting parts survive the page
 * @property {number} bytesMax of one file
 * @property {(name: string) => Promise<Part>} open a part by its name, with what is there of it
 * @property {(prefix: string) => Promise<void>} removeAll parts whose names begin so
 */

/** Bytes of one chunk. */
export const CHUNK_BYTES = 2 << 20;
const MEMORY_BYTES_MAX = 96 << 20;
const FOLDER = "relay-received";
/** A part that nobody has added to for so long is removed. */
const KEPT_MS = 7 * 24 * 3_600_000;

/** @returns {Parts} */
export function memoryParts() {
    /** @type {Map<string, Blob[]>} */
    const all = new Map();
    return {
        isLasting: false,
        bytesMax: MEMORY_BYTES_MAX,
        async open(name) {
            const chunks = all.get(name) ?? [];
            all.set(name, chunks);
            const part = {
                length: chunks.reduce((sum, { size }) => sum + size, 0),
                append: async (/** @type {Bytes} */ bytes) => {
                    chunks.push(new Blob([bytes]));
                    part.length += bytes.length;
                },
                blob: async () => new Blob(chunks),
                remove: async () => void all.delete(name),
            };
            return part;
        },
        removeAll: async (prefix) => {
            for (const name of [...all.keys()].filter((name) => name.startsWith(prefix))) all.delete(name);
        },
    };
}

/** The browser's own, or those in memory. @returns {Promise<Parts>} */
export async function openParts() {
    try {
        const root = await navigator.storage.getDirectory();
        const folder = await root.getDirectoryHandle(FOLDER, { create: true });
        // Some browsers have the folder and cannot write into it from a page.
        const probe = await folder.getFileHandle("probe", { create: true });
        await (await probe.createWritable()).close();
        const isOld = async (/** @type {FileSystemDirectoryHandle} */ part) =>
            ((await chunksOf(part)).at(-1)?.lastModified ?? Infinity) < Date.now() - KEPT_MS;
        await removeParts(folder, isOld).catch((error) => console.warn("old parts stay:", error));
        return privateParts(folder);
    } catch {
        return memoryParts();
    }
}

/** @param {FileSystemDirectoryHandle} folder @returns {Parts} */
function privateParts(folder) {
    return {
        isLasting: true,
        bytesMax: Number.MAX_SAFE_INTEGER,
        async open(name) {
            const own = await folder.getDirectoryHandle(name, { create: true });
            const chunks = await chunksOf(own);
            const part = {
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
                remove: () => folder.removeEntry(name, { recursive: true }),
            };
            return part;
        },
        removeAll: (prefix) => removeParts(folder, async ({ name }) => name.startsWith(prefix)),
    };
}

/**
 * @param {FileSystemDirectoryHandle} folder
 * @param {(part: FileSystemDirectoryHandle) => Promise<boolean>} isOver
 */
async function removeParts(folder, isOver) {
    for await (const part of folder.values()) {
        if (part.kind !== "directory" || !(await isOver(/** @type {FileSystemDirectoryHandle} */ (part)))) continue;
        await folder.removeEntry(part.name, { recursive: true });
    }
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
