// Who says hello when: see "Hello" in docs/app.md. The phone's hello has an id which differs each time, and
// only the answer that names it counts.

/**
 * @typedef {import("./control.js").Control} Control
 * @typedef {import("./hello.js").DeskInfo} DeskInfo
 * @typedef {import("./hello.js").Hello} Hello
 */

/** The hello of one end, and how far the two have come with it. */
export class Greeting {
    #isDesk;
    #hello;
    #nonce;
    #count = 0;
    /** @type {"unopened" | "waiting" | "ready"} */
    #phase = "unopened";
    /** The id of the phone's last hello. @type {string | undefined} */
    #id;
    /** Hello, until it is sent. @type {Control | null} */
    #due = null;
    // The desk's offer, or the phone's being hidden, has changed since it was told.
    #changed = false;
    /** @type {DeskInfo} */
    desk = { name: "", rights: [], terminals: [] };

    /** @param {boolean} isDesk @param {Hello} hello @param {string} nonce */
    constructor(isDesk, hello, nonce) {
        this.#isDesk = isDesk;
        this.#hello = hello;
        this.#nonce = nonce;
    }

    get isReady() {
        return this.#phase === "ready";
    }

    onOpen() {
        if (this.#phase === "unopened") this.#begin();
    }

    /** True if the two had said hello. */
    onRestart() {
        const wasReady = this.isReady;
        if (this.#phase !== "unopened") this.#begin();
        return wasReady;
    }

    /**
     * @param {string | undefined} id
     * @param {string | undefined} re
     * @returns {"stale" | "first" | "again"}
     */
    onHello(id, re) {
        if (!this.#isDesk) {
            if (this.#phase !== "waiting" || this.#id !== re) return "stale";
            this.#phase = "ready";
            return "first";
        }
        if (this.#phase === "unopened") return "stale";
        const greeted = this.isReady ? "again" : "first";
        this.#due = { t: "hello", hello: this.#hello, re: id };
        this.#phase = "ready";
        this.#changed = true;
        return greeted;
    }

    /** @param {DeskInfo} desk */
    setDesk(desk) {
        this.#changed ||= this.isReady;
        this.desk = desk;
    }

    /** @param {boolean} hidden */
    setHidden(hidden) {
        this.#changed ||= this.isReady && hidden !== this.#hello.hidden;
        this.#hello = { ...this.#hello, hidden };
        if (this.#due?.t === "hello") this.#due = { ...this.#due, hello: this.#hello };
    }

    /** The next message about the two ends. @returns {Control | null} */
    pollControl() {
        const due = this.#due;
        this.#due = null;
        if (due || !this.#changed) return due;
        this.#changed = false;
        return this.#isDesk ? { t: "desk", desk: this.desk } : { t: "hidden", hidden: this.#hello.hidden };
    }

    #begin() {
        this.#changed = false;
        this.#due = null;
        this.#phase = "waiting";
        if (this.#isDesk) return;
        this.#id = `${this.#nonce}-${++this.#count}`;
        this.#due = { t: "hello", hello: this.#hello, id: this.#id };
    }
}

/** @param {DeskInfo} left @param {DeskInfo} right */
export function equalDesk(left, right) {
    return JSON.stringify(left) === JSON.stringify(right);
}
