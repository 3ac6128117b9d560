// The browser's private files (OPFS) in memory, as far as the page uses them. A new page finds them again.

const notFound = () => new DOMException("it is not there", "NotFoundError");

/** @returns {any} what is used of `navigator.storage`, and what a test does to it */
export function fakeDisk() {
    let aged = 0;
    const root = folder("");
    function folder(name) {
        const entries = new Map();
        const open = (key, create, make) => {
            if (!entries.has(key) && !create) throw notFound();
            if (!entries.has(key)) entries.set(key, make(key));
            return entries.get(key);
        };
        return {
            kind: "directory",
            name,
            entries,
            getDirectoryHandle: async (key, { create = false } = {}) => open(key, create, folder),
            getFileHandle: async (key, { create = false } = {}) => open(key, create, file),
            removeEntry: async (key) => {
                if (!entries.delete(key)) throw notFound();
            },
            async *values() {
                yield* [...entries.values()];
            },
        };
    }
    function file(name) {
        let content = new Blob([]), changedAt = 0;
        return {
            kind: "file",
            name,
            // A copy, as a file that is written again later leaves a blob of before unreadable.
            getFile: async () => Object.assign(content.slice(), { lastModified: changedAt - aged }),
            createWritable: async () => {
                let bytes = [];
                return {
                    write: async (more) => void bytes.push(more.slice()),
                    close: async () => {
                        content = new Blob(bytes);
                        changedAt = Date.now() + aged;
                    },
                };
            },
        };
    }
    return {
        getDirectory: async () => root,
        /** Time passes for all that is here. */
        age: (ms) => (aged += ms),
        folders: (name) => [...(root.entries.get(name)?.entries.values() ?? [])].filter(({ kind }) => kind === "directory").map((own) => own.name),
    };
}
