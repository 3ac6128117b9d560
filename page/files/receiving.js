// Files that the desk sends: into parts, compared with the sender's hash, and handed over as blobs.

import { concat, equal, hex } from "../bytes.js";
import { Sha256 } from "../crypto/sha256.js";
import { CHUNK_BYTES } from "./parts.js";
import { expect, Malformed, OFFERS_MAX, readSender, UNSETTLED_MAX, writeReceiver } from "./records.js";
import { FileSet } from "./set.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {import("./parts.js").Part} Part
 * @typedef {import("./parts.js").Parts} Parts
 * @typedef {import("./records.js").Offer} Offer
 * @typedef {import("./set.js").Item} Item
 */

/**
 * A file that is not settled. `part` is null for an inline one, whose bytes wait in memory; `mayRestart`
 * until the first data behind a prefix that was here.
 * @typedef {{ offer: Offer, item: Item, part: Part | null, hash: Sha256, waiting: Bytes[], waitingBytes:
 *     number,
 *     at: number, mayRestart: boolean }} Incoming
 */

const VERSION = 1;
/** Where no data came for so long, what waits is told as written. */
const TOLD_EVERY = 200;

export class ReceivingSet extends FileSet {
    #parts;
    #pair;
    #kept;
    /** @type {Map<number, Incoming>} */
    #files = new Map();
    #next = 0;
    /** @type {number | null} */
    #total = null;
    #taken = { done: 0, failed: 0, bytes: 0 };
    #work = Promise.resolve();
    #toldAt = 0;
    /**
     * How many bytes this browser has room for, before the user answers; null where it does not say.
     * @type {number | null}
     */
    room = null;

    /**
     * @param {import("../app/host.js").Host} host
     * @param {{ parts: Parts, pair: string, channel: import("../app/channel.js").Channel | null, params:
     *     Record<string, unknown>, kept?: import("./kept.js").Kept | null }} asked without a channel: it came
     *     before the page was loaded
     */
    constructor(host, { parts, pair, channel, params, kept = null }) {
        const count = (/** @type {unknown} */ value) => (Number.isSafeInteger(value) ? Math.max(0, Number(value)) : 0);
        const name = typeof params.name === "string" ? params.name.slice(0, 1024) : "";
        super(host, { isMine: false, name, files: count(params.files), bytes: count(params.bytes) });
        this.#parts = parts;
        this.#pair = pair;
        this.#kept = kept;
        this.change(channel ? "asked" : "over");
        if (!channel) return;
        this.use(channel);
        const tell = (/** @type {number} */ room) => {
            this.room = room;
            this.emit({});
        };
        // A browser that does not say has its limits all the same.
        parts.room().then(tell, () => {});
    }

    /** True while a file is here that its user may not have elsewhere. */
    get hasFiles() {
        return this.items.some(({ blob }) => blob);
    }

    /** A file that came before the page was loaded. @param {import("./kept.js").Record} record @param {Part} part */
    async restore({ key, name, size }, part) {
        const blob = await part.blob();
        /** @type {Item} */
        const item = { name, size, moved: size, state: "done", reason: null, keptAs: name, blob };
        this.items.push(item);
        this.#places.set(item, { part, key });
    }

    /** The user wants them. */
    accept() {
        if (this.state !== "asked") return;
        if (!this.channel?.accept({ v: VERSION })) return this.finish("failed", { token: "cancelled", words: "" });
        this.change("moving");
        this.host.pump();
    }

    /** The desk began again and sends the same again. @param {import("../app/channel.js").Channel} channel */
    resume(channel) {
        this.#letGo();
        this.#next = 0;
        this.#total = null;
        this.#taken = { done: 0, failed: 0, bytes: 0 };
        const done = this.items.filter(({ state }) => state === "done");
        this.items.splice(0, this.items.length, ...done);
        this.change("asked");
        this.use(channel);
        this.accept();
    }

    /** The user has the file elsewhere, or does not want it: its place is free again. @param {Item} item */
    async release(item) {
        item.blob = null;
        const place = this.#places.get(item);
        this.#places.delete(item);
        if (place?.key) await this.#kept?.remove(place.key);
        await place?.part.remove();
        this.emit({});
    }

    /** Where the files are that are done. @type {Map<Item, { part: Part, key: string | null }>} */
    #places = new Map();

    /** @param {Bytes} message */
    onMessage(message) {
        const channel = this.channel;
        // One message after the other: a disk that is slow holds up the sender, by the credit that is not
        // returned.
        this.#work = this.#work.then(async () => {
            try {
                for (const record of readSender(message)) {
                    if (channel !== this.channel) return;
                    await this.#onRecord(record);
                }
                this.#tellTaken();
            } catch (error) {
                const words = error instanceof Error ? error.message : "";
                if (!(error instanceof Malformed)) console.error(error);
                this.finish("failed", { token: "malformed", words });
            }
            channel?.consumed(message.length);
            this.host.pump();
        });
    }

    onLost() {
        super.onLost();
        this.#letGo();
    }

    onOver() {
        this.#letGo();
    }

    // What is there of files that are not done stays for the next time, after what is being written.
    #letGo() {
        const files = [...this.#files.values()];
        this.#files.clear();
        this.#work = this.#work.then(() => files.forEach(({ part }) => part?.close()));
    }

    /** @param {import("./records.js").SenderRecord} record */
    async #onRecord(record) {
        if (record.what === "wait") return;
        if (record.what === "total") {
            expect(this.#total === null && record.files === this.#next, "another total than was offered");
            this.#total = record.files;
            return;
        }
        if (record.what === "offer") return this.#onOffer(record.file, record.offer);
        expect(record.file < this.#next, "a file that was not offered");
        const file = this.#files.get(record.file);
        if (!file) return;
        switch (record.what) {
            case "data":
                return this.#onBytes(record.file, file, record.bytes);
            case "hole":
                return this.#onBytes(record.file, file, new Uint8Array(record.length));
            case "end":
                expect(file.at === file.offer.size, "an end before all data");
                return this.#onEnd(record.file, file, record.hash);
            case "again":
                expect(file.mayRestart, "a file that begins again");
                return this.#begin(file, true);
            case "fail":
                this.#settle(record.file, file, record.reason);
        }
    }

    /** @param {number} number @param {Offer} offer */
    async #onOffer(number, offer) {
        const waiting = [...this.#files.values()].filter(({ offer: { isInline } }) => !isInline).length;
        expect(number === this.#next && this.#total === null, "an offer out of order");
        expect(this.#files.size < UNSETTLED_MAX && (offer.isInline || waiting < OFFERS_MAX), "too many offers");
        this.#next += 1;
        /** @type {Item} */
        const item = { name: offer.name, size: offer.size, moved: 0, state: "moving", reason: null, keptAs: "", blob: null };
        this.items.push(item);
        /** @type {Incoming} */
        const file = { offer, item, part: null, hash: new Sha256(), waiting: [], waitingBytes: 0, at: 0, mayRestart: false };
        this.#files.set(number, file);
        this.emit({});
        if (offer.isInline) return;
        if (offer.size > this.#parts.bytesMax) return this.#fail(number, file, { token: "too-large", words: "" });
        try {
            await this.#begin(file, false);
        } catch (error) {
            return this.#fail(number, file, reasonOf(error));
        }
        const hash = file.at > 0 ? file.hash.digest() : null;
        this.#say(writeReceiver({ what: "accept", file: number, offset: file.at, hash }));
    }

    /**
     * Opens the part, and hashes what is there of it; or empties it.
     * @param {Incoming} file
     * @param {boolean} isNew
     */
    async #begin(file, isNew) {
        const { id, size, time } = file.offer;
        const name = `${this.#pair}-${hex(id)}-${size}-${time}`;
        file.part ??= await this.#parts.open(name);
        if (isNew || file.part.length > size) {
            await file.part.remove();
            file.part = await this.#parts.open(name);
        }
        file.hash = new Sha256();
        file.at = file.part.length;
        file.mayRestart = file.at > 0;
        file.item.moved = file.at;
        const blob = await file.part.blob();
        for (let at = 0; at < file.at; at += CHUNK_BYTES) {
            file.hash.update(new Uint8Array(await blob.slice(at, at + CHUNK_BYTES).arrayBuffer()));
        }
    }

    /** @param {number} number @param {Incoming} file @param {Bytes} bytes */
    async #onBytes(number, file, bytes) {
        expect(file.offer.isInline || file.part !== null, "data before it was accepted");
        expect(bytes.length <= file.offer.size - file.at, "more data than the file has");
        file.at += bytes.length;
        file.mayRestart = false;
        file.hash.update(bytes);
        file.waiting.push(bytes);
        file.waitingBytes += bytes.length;
        if (!file.part) return;
        try {
            if (file.waitingBytes >= CHUNK_BYTES) await this.#write(file);
        } catch (error) {
            return this.#fail(number, file, reasonOf(error));
        }
        if (this.host.now() - this.#toldAt < TOLD_EVERY || file.item.moved === file.part.length) return;
        this.#toldAt = this.host.now();
        file.item.moved = file.part.length;
        this.#say(writeReceiver({ what: "written", file: number, bytes: file.item.moved }));
        this.emit({});
    }

    /** @param {Incoming} file */
    async #write(file) {
        const bytes = concat(...file.waiting);
        file.waiting = [];
        file.waitingBytes = 0;
        await file.part?.append(bytes);
    }

    /** @param {number} number @param {Incoming} file @param {Bytes} hash */
    async #onEnd(number, file, hash) {
        const { item, part } = file;
        try {
            if (!equal(file.hash.digest(), hash)) {
                await part?.remove();
                return this.#fail(number, file, { token: "hash", words: "" });
            }
            await this.#finishFile(file);
            // The channel went meanwhile, and the desk asks again.
            if (this.#files.get(number) !== file) return this.#undo(file);
        } catch (error) {
            await this.#undo(file);
            return this.#fail(number, file, reasonOf(error));
        }
        item.moved = item.size;
        item.keptAs = item.name;
        this.#settle(number, file, null);
        this.#say(writeReceiver({ what: "done", file: number, name: item.name }));
    }

    // The desk may forget a file after "done", so a reload must find it.
    /** @param {Incoming} file */
    async #finishFile(file) {
        const { offer, item } = file;
        if (!file.part) {
            file.part = await (this.#parts.small ?? this.#parts).open(`${this.#pair}-${hex(offer.id)}`);
        }
        if (file.waitingBytes > 0) await this.#write(file);
        const { part } = file;
        const blob = await part.blob();
        const key = (await this.#kept?.add(this, item, part, offer.isInline || !this.#parts.isLasting)) ?? null;
        item.blob = blob;
        this.#places.set(item, { part, key });
    }

    /** @param {Incoming} file */
    async #undo({ offer, item, part }) {
        const key = this.#places.get(item)?.key;
        this.#places.delete(item);
        item.blob = null;
        if (key) await this.#kept?.remove(key);
        if (offer.isInline) await part?.remove();
    }

    /** @param {number} number @param {Incoming} file @param {import("./set.js").Reason} reason */
    #fail(number, file, reason) {
        this.#settle(number, file, reason);
        this.#say(writeReceiver({ what: "failed", file: number, reason }));
    }

    /** @param {number} number @param {Incoming} file @param {import("./set.js").Reason | null} reason */
    #settle(number, { item, part }, reason) {
        this.#files.delete(number);
        if (reason) part?.close();
        item.state = reason ? "failed" : "done";
        item.reason = reason;
        if (reason) this.#taken.failed += 1;
        else this.#taken.done += 1;
        if (!reason) this.#taken.bytes += item.size;
        this.emit({});
    }

    // The sender ends the channel when it has heard this.
    #tellTaken() {
        if (this.#total === null || this.#files.size > 0) return;
        this.#total = null;
        this.#say(writeReceiver({ what: "taken", ...this.#taken }));
    }

    // Answers are short, and the sender reads them: where there is no credit for one, it is at fault.
    /** @param {Bytes} record */
    #say(record) {
        if (this.channel?.isAccepted && !this.channel.send(record)) throw new Malformed("answers are not read");
    }
}

/** @param {unknown} error */
function reasonOf(error) {
    const isQuota = error instanceof DOMException && error.name === "QuotaExceededError";
    return { token: isQuota ? "quota" : "write", words: error instanceof Error ? error.message : "" };
}
