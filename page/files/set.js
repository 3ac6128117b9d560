// What sending and receiving share: one set of files as the screens show it, and its channel.

import { Emitter } from "../events.js";

/**
 * @typedef {import("../app/channel.js").Channel} Channel
 * @typedef {import("../app/control.js").Reason} Reason
 * @typedef {import("../app/host.js").Host} Host
 * @typedef {import("../bytes.js").Bytes} Bytes
 */

/**
 * One file of a set. `moved` counts bytes that the receiving app has written. Show `name` by `harmless`.
 * @typedef {object} Item
 * @property {string} name
 * @property {number} size
 * @property {number} moved
 * @property {"waiting" | "moving" | "done" | "failed"} state
 * @property {Reason | null} reason why it failed
 * @property {string} keptAs sent: the name at the desk
 * @property {Blob | null} blob received: the whole file, until `release`
 */

/**
 * - `asked`: the desk sends, and the user has not answered; `moving`;
 * - `waiting`: the desk is away or starts again; it goes on by itself;
 * - `over`: every file is done or failed; `cancelled`; `failed`: the set as a whole, see `reason`.
 * @typedef {"asked" | "moving" | "waiting" | "over" | "cancelled" | "failed"} SetState
 */

const WAIT_EVERY = 30_000;
const SILENCE_MAX = 300_000;

/** Tells `{}` when anything of it changed. @extends {Emitter<{}>} */
export class FileSet extends Emitter {
    /** @type {Channel | null} */
    channel = null;
    /** @type {Item[]} */
    items = [];
    /** @type {SetState} */
    state = "waiting";
    /** @type {Reason | null} */
    reason = null;
    #stopWaiting = () => {};
    #heardAt = 0;

    /** @param {Host} host @param {{ isMine: boolean, name: string, files: number, bytes: number }} about */
    constructor(host, { isMine, name, files, bytes }) {
        super();
        this.host = host;
        /** True if this phone sends it. */
        this.isMine = isMine;
        this.name = name;
        this.files = files;
        this.bytes = bytes;
    }

    get moved() {
        return this.items.reduce((sum, { moved }) => sum + moved, 0);
    }

    get isOver() {
        return this.state === "over" || this.state === "cancelled" || this.state === "failed";
    }

    /** The user does not want it. What the desk has of it stays there. */
    cancel() {
        if (!this.isOver) this.finish("cancelled", null);
    }

    /** @param {Channel} channel */
    use(channel) {
        this.channel = channel;
        this.#heardAt = this.host.now();
        channel.owner = (event) => this.#onEvent(event);
        this.#wait();
    }

    /** A record of the other end. @param {Bytes} _message @returns {Promise<void> | void} */
    onMessage(_message) {}

    onAccepted() {}

    onWritable() {}

    /** The channel went with a process of the other end: it goes on with another one. */
    onLost() {
        this.channel = null;
        this.#stopWaiting();
        if (!this.isOver && this.state !== "asked") this.change("waiting");
    }

    /** @returns {Bytes} */
    waitRecord() {
        return Uint8Array.of(8, 0);
    }

    /** @param {SetState} state */
    change(state) {
        this.state = state;
        this.emit({});
    }

    /** @param {"over" | "cancelled" | "failed"} state @param {Reason | null} reason */
    finish(state, reason) {
        if (this.isOver) return;
        this.#stopWaiting();
        const channel = this.channel;
        this.channel = null;
        if (state === "over") channel?.end();
        else if (channel?.state === "asked") channel.refuse("cancelled");
        else channel?.reset(reason?.token ?? "cancelled", reason?.words);
        this.reason = reason;
        this.change(state);
        this.onOver();
        this.host.pump();
    }

    onOver() {}

    /** @param {import("../app/end.js").AppEvent} event */
    #onEvent(event) {
        if (!("channel" in event) || event.channel !== this.channel) return;
        switch (event.type) {
            case "accepted":
                this.change("moving");
                return this.onAccepted();
            case "data":
                this.#heardAt = this.host.now();
                return void this.onMessage(event.bytes);
            case "writable":
                return this.onWritable();
            case "refused":
            case "reset":
                this.channel = null;
                return this.finish(event.reason.token === "cancelled" ? "cancelled" : "failed", event.reason);
            case "ended": {
                const isEarly = this.items.some(({ state }) => state === "waiting" || state === "moving");
                if (isEarly) return this.finish("failed", { token: "ended", words: "" });
                this.finish("over", null);
            }
        }
    }

    // An end that has nothing to say says so; one that hears nothing for long, while the two are connected,
    // gives up.
    #wait() {
        this.#stopWaiting();
        this.#stopWaiting = this.host.after(WAIT_EVERY, () => {
            if (!this.host.isOpen()) this.#heardAt = this.host.now();
            if (this.host.now() - this.#heardAt > SILENCE_MAX) {
                return this.finish("failed", { token: "silent", words: "" });
            }
            this.channel?.send(this.waitRecord());
            this.host.pump();
            this.#wait();
        });
    }
}
