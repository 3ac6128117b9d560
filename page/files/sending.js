// Files that this phone sends: slices of what the user chose, read as the line takes them.

import { equal, utf8 } from "../bytes.js";
import { Sha256, sha256 } from "../crypto/sha256.js";
import { DATA_HEAD_MAX, INLINE_BYTES_MAX, Malformed, OFFERS_MAX, readReceiver, writeSender, expect } from "./records.js";
import { FileSet } from "./set.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {import("./set.js").Item} Item
 * @typedef {{ file: File, item: Item, number: number, isOffered: boolean, accepted: { offset: number, hash:
 *     Bytes | null }
 *     | null, isEnded: boolean }} Outgoing
 */

/** Read at once from a file. */
const READ_BYTES = 256 << 10;
const VERSION = 1;

export class SendingSet extends FileSet {
    /** Those that are not settled. @type {Outgoing[]} */
    #left;
    #next = 0;
    #isBusy = false;
    #hasTotal = false;
    /** @type {(() => void) | null} */
    #wake = null;

    /** @param {import("../app/host.js").Host} host @param {File[]} files */
    constructor(host, files) {
        const bytes = files.reduce((sum, { size }) => sum + size, 0);
        super(host, { isMine: true, name: files[0]?.name ?? "", files: files.length, bytes });
        this.#left = files.map((file) => {
            /** @type {Item} */
            const item = { name: file.name, size: file.size, moved: 0, state: "waiting", reason: null, keptAs: "", blob: null };
            return { file, item, number: -1, isOffered: false, accepted: null, isEnded: false };
        });
        this.items = this.#left.map(({ item }) => item);
    }

    /** The two ends are ready: also again, after either process began again. */
    open() {
        if (this.isOver) return;
        const { files, bytes, name } = this;
        this.#next = 0;
        this.#hasTotal = false;
        for (const outgoing of this.#left) Object.assign(outgoing, { isOffered: false, accepted: null, isEnded: false });
        const channel = this.host.open("file", { v: VERSION, files, bytes, name });
        if (channel) this.use(channel);
        this.host.pump();
    }

    onAccepted() {
        this.#work();
    }

    onWritable() {
        this.#wake?.();
    }

    onLost() {
        super.onLost();
        this.#wake?.();
    }

    onOver() {
        this.#wake?.();
    }

    /** @param {Bytes} message */
    onMessage(message) {
        this.channel?.consumed(message.length);
        try {
            for (const record of readReceiver(message)) this.#onRecord(record);
        } catch (error) {
            if (!(error instanceof Malformed)) throw error;
            this.finish("failed", { token: "malformed", words: error.message });
        }
        this.host.pump();
        this.#work();
    }

    /** @param {import("./records.js").ReceiverRecord} record */
    #onRecord(record) {
        if (record.what === "taken") return this.finish("over", null);
        if (record.what === "wait") return;
        expect(record.file < this.#next, "an answer about a file that was not offered");
        const outgoing = this.#left.find(({ number, isOffered }) => isOffered && number === record.file);
        if (!outgoing) return;
        const { item } = outgoing;
        switch (record.what) {
            case "accept":
                expect(!outgoing.accepted && record.offset <= item.size, "an offset");
                outgoing.accepted = record;
                item.state = "moving";
                item.moved = record.offset;
                break;
            case "written":
                item.moved = Math.min(record.bytes, item.size);
                break;
            case "done":
                Object.assign(item, { state: "done", moved: item.size, keptAs: record.name });
                this.#settle(outgoing);
                break;
            case "failed":
                Object.assign(item, { state: "failed", reason: record.reason });
                this.#settle(outgoing);
        }
        this.emit({});
    }

    /** @param {Outgoing} outgoing */
    #settle(outgoing) {
        this.#left = this.#left.filter((other) => other !== outgoing);
    }

    // One loop at a time: offers, then the data of the first accepted file.
    async #work() {
        if (this.#isBusy) return;
        this.#isBusy = true;
        try {
            for (let channel = this.channel; channel?.isAccepted; channel = this.channel) {
                await this.#offer(channel);
                const next = this.#left.find(({ accepted, isEnded }) => accepted && !isEnded);
                if (!next || channel !== this.channel) break;
                await this.#send(channel, next);
            }
        } finally {
            this.#isBusy = false;
        }
    }

    /** @param {import("../app/channel.js").Channel} channel */
    async #offer(channel) {
        for (const outgoing of this.#left) {
            const open = this.#left.filter(({ isOffered, file }) => isOffered && file.size > INLINE_BYTES_MAX).length;
            if (outgoing.isOffered) continue;
            const isInline = outgoing.file.size <= INLINE_BYTES_MAX;
            if (open >= OFFERS_MAX && !isInline) return;
            outgoing.number = this.#next++;
            outgoing.isOffered = true;
            await this.#say(channel, await offerOf(outgoing, isInline));
            if (isInline) await this.#send(channel, outgoing);
            if (channel !== this.channel) return;
        }
        if (this.#hasTotal) return;
        this.#hasTotal = true;
        await this.#say(channel, writeSender({ what: "total", files: this.#next }));
    }

    /** @param {import("../app/channel.js").Channel} channel @param {Outgoing} outgoing */
    async #send(channel, outgoing) {
        const { file, number, accepted } = outgoing;
        outgoing.isEnded = true;
        try {
            const hash = new Sha256();
            let at = await this.#prefix(channel, outgoing, hash, accepted?.offset ?? 0);
            while (at < file.size) {
                const bytes = await read(file, at, Math.min(file.size, at + READ_BYTES));
                hash.update(bytes);
                if (!(await this.#sendBytes(channel, outgoing, bytes))) return;
                at += bytes.length;
            }
            await this.#say(channel, writeSender({ what: "end", file: number, hash: hash.digest() }));
        } catch (error) {
            // The file is gone or was changed, or the page was suspended for too long.
            const reason = { token: "read", words: error instanceof Error ? error.message : "" };
            Object.assign(outgoing.item, { state: "failed", reason });
            this.#settle(outgoing);
            await this.#say(channel, writeSender({ what: "fail", file: number, reason }));
            this.emit({});
        }
    }

    /**
     * Compares what the receiver has with the file. Gives where the data begins.
     * @param {import("../app/channel.js").Channel} channel
     * @param {Outgoing} outgoing
     * @param {Sha256} hash
     * @param {number} offset
     */
    async #prefix(channel, { file, number, accepted }, hash, offset) {
        if (offset === 0 || !accepted?.hash) return 0;
        const of = new Sha256();
        for (let at = 0; at < offset; at += READ_BYTES) {
            of.update(await read(file, at, Math.min(offset, at + READ_BYTES)));
        }
        if (!equal(of.digest(), accepted.hash)) {
            await this.#say(channel, writeSender({ what: "again", file: number }));
            return 0;
        }
        hash.become(of);
        return offset;
    }

    /**
     * False if the set or the file is over.
     * @param {import("../app/channel.js").Channel} channel
     * @param {Outgoing} outgoing
     * @param {Bytes} bytes
     */
    async #sendBytes(channel, outgoing, bytes) {
        for (let at = 0; at < bytes.length; ) {
            if (!this.#left.includes(outgoing)) return false;
            const part = bytes.subarray(at, at + channel.messageLength - DATA_HEAD_MAX);
            at += part.length;
            if (!(await this.#say(channel, writeSender({ what: "data", file: outgoing.number, bytes: part })))) return false;
        }
        return true;
    }

    /**
     * Sends as soon as the channel takes it; false if it is gone.
     * @param {import("../app/channel.js").Channel} channel
     * @param {Bytes} message
     */
    async #say(channel, message) {
        while (channel === this.channel) {
            if (channel.send(message)) {
                this.host.pump();
                return true;
            }
            await new Promise((resolve) => (this.#wake = () => resolve(undefined)));
            this.#wake = null;
        }
        return false;
    }
}

/** @param {Outgoing} outgoing @param {boolean} isInline */
async function offerOf({ file, number }, isInline) {
    const { name, size, lastModified } = file;
    const time = Math.max(0, Math.floor(lastModified));
    // The same for the same file in the same state, also after a reload.
    const id = sha256(utf8(JSON.stringify([name, size, time]))).slice(0, 16);
    const relative = /** @type {any} */ (file).webkitRelativePath || name;
    return writeSender({ what: "offer", file: number, offer: { id, name: relative, size, time, isInline } });
}

/** @param {Blob} file @param {number} from @param {number} to */
async function read(file, from, to) {
    const bytes = new Uint8Array(await file.slice(from, to).arrayBuffer());
    if (bytes.length !== to - from) throw new Error("it became shorter");
    return bytes;
}
