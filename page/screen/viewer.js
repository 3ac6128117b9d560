// One shared terminal as the page shows it: its channel is opened again after each restart of the desk, until
// its user leaves or its program ends.

import { Outbox } from "../app/host.js";
import { utf8 } from "../bytes.js";
import { Emitter } from "../events.js";
import { ScreenReceiver, viewerMessages } from "./messages.js";
import { ScrollbackLines } from "./scrollback.js";
import { Malformed } from "./wire.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {import("../app/channel.js").Channel} Channel
 * @typedef {import("../app/host.js").Host} Host
 * @typedef {import("./wire.js").Row} Row
 */

/**
 * What a viewer tells; read the rest from it.
 * - `screen`: `screen` is new. Draw it, best in the next animation frame, then call `drawn`;
 * - `state`: `state`, `exit` or `reason` changed; `owner`: who owns the size, and whether this phone may
 *   type;
 * - `lines`: lines of `line` came; `notice`: the program wants the user's attention; `bell`: it rang.
 * @typedef {{ type: "screen" | "state" | "owner" | "lines" | "bell" } | { type: "notice", title: string,
 *     text: string }} ViewerEvent
 */

/**
 * - `opening`: the desk has not answered; `open`: what is typed arrives; `waiting`: the desk is away, or
 *   starts again;
 * - `ended`: its program ended, see `exit`; `failed`: the desk refuses it, see `reason`; `closed`: its user
 *   left.
 * @typedef {"opening" | "open" | "waiting" | "ended" | "failed" | "closed"} ViewerState
 */

const VERSION = 1;
/** What was typed and pasted, and waits for the desk. */
const OUTBOX_BYTES_MAX = 2 << 20;
const TEXT_BYTES_MAX = 1 << 20;
/** How long a terminal may be unknown to its desk: one that was seen, and one that was not. */
const RETURN_WITHIN = 10_000;
const APPEAR_WITHIN = 3_000;
const RETRY_EVERY = 300;

/** @extends {Emitter<ViewerEvent>} */
export class TerminalViewer extends Emitter {
    #host;
    #receiver = new ScreenReceiver();
    #lines = new ScrollbackLines();
    #outbox = new Outbox(OUTBOX_BYTES_MAX);
    /** @type {Channel | null} */
    #channel = null;
    #received = 0;
    #drawn = 0;
    #hasScreen = false;
    /** @type {number | null} */
    #goneAt = null;
    #stopRetry = () => {};
    #seen = 0;
    #wanted = { first: 0, count: 0 };
    /** @type {{ columns: number, rows: number } | null} */
    #ownSize = null;
    #hasFocus = false;
    #bells = 0;
    /** @type {ViewerState} */
    state = "opening";
    /** Why it failed. @type {import("../app/control.js").Reason | null} */
    reason = null;
    /** How its program ended. @type {import("./messages.js").Exit} */
    exit = null;
    /** @type {import("./messages.js").SizeOwner} */
    owner = { owner: "nobody", name: "", mayType: true };

    // A new shell of this size is wanted, and the desk has not named its terminal yet.
    #shell;

    /** @param {Host} host @param {string} name @param {{ cols: number, rows: number } | null} [shell] */
    constructor(host, name, shell = null) {
        super();
        this.#host = host;
        /** By which the desk knows it; "" for a shell that it has not named yet. */
        this.name = name;
        this.#shell = shell;
    }

    /** The screen after the last update: 80×24 and blank before the first. */
    get screen() {
        return this.#receiver.screen;
    }

    /** True once the desk's screen was there. */
    get hasScreen() {
        return this.#hasScreen;
    }

    get isOver() {
        return this.state === "ended" || this.state === "failed" || this.state === "closed";
    }

    /** The newest screen is drawn. The desk sends the next one only after this. */
    drawn() {
        if (this.#drawn === this.#received) return;
        this.#drawn = this.#received;
        this.#say(viewerMessages.ack(this.#drawn));
    }

    /**
     * Text that was typed; a line feed is Enter. False if the desk has too much to take already.
     * @param {string} text
     */
    type(text) {
        return isShort(text) && this.#say(viewerMessages.text(text), true);
    }

    /**
     * A key by its name in `KeyboardEvent.key`, or a character, with SHIFT | ALT | CTRL | META. False for a
     * key that
     * terminals do not have.
     * @param {string} key
     * @param {number} [modifiers]
     */
    key(key, modifiers = 0) {
        const messages = viewerMessages.key(key, modifiers);
        return messages !== null && this.#say(messages, true);
    }

    /** False for more than 1 MiB, too. @param {string} text */
    paste(text) {
        return isShort(text) && this.#say(viewerMessages.paste(text), true);
    }

    /**
     * See `viewerMessages.mouse`.
     * @param {number} action
     * @param {number} button
     * @param {number} modifiers
     * @param {number} column
     * @param {number} row
     */
    mouse(action, button, modifiers, column, row) {
        return this.#say(viewerMessages.mouse(action, button, modifiers, column, row));
    }

    /**
     * This phone owns the size from now on: only by an act of its user.
     * @param {number} columns
     * @param {number} rows
     */
    takeSize(columns, rows) {
        this.#ownSize = { columns, rows };
        return this.#say(viewerMessages.takeSize(columns, rows));
    }

    giveBack() {
        this.#ownSize = null;
        return this.#say(viewerMessages.giveBack());
    }

    /** Whether its user looks at it. @param {boolean} hasFocus */
    focus(hasFocus) {
        if (hasFocus === this.#hasFocus) return;
        this.#hasFocus = hasFocus;
        this.#say(viewerMessages.focus(hasFocus));
    }

    /**
     * A line above the top by its number, below `screen.history.end`; undefined if it is not here.
     * @param {number} number
     */
    line(number) {
        return this.#lines.get(number);
    }

    /**
     * The user looks at these lines: what is missing is fetched, and `lines` told.
     * @param {number} first
     * @param {number} count
     */
    look(first, count) {
        this.#wanted = { first, count };
        this.#seen = first;
        this.#fetch();
    }

    /** Its user leaves. */
    close() {
        if (!this.isOver) this.#finish("closed");
        this.#stopRetry();
        this.#channel?.end();
        this.#channel = null;
        this.#host.pump();
    }

    /** For the link: the two ends are ready, or not any more. @param {boolean} isReady */
    onReady(isReady) {
        if (this.isOver) return;
        if (isReady) return this.#open();
        this.#channel = null;
        this.#setState(this.#hasScreen ? "waiting" : "opening");
    }

    #open() {
        this.#stopRetry();
        this.#receiver = new ScreenReceiver();
        this.#received = this.#drawn = 0;
        this.#lines.onReopened();
        this.#outbox.renew();
        const wanted = this.#shell ? { shell: true, ...this.#shell } : { name: this.name };
        this.#channel = this.#host.open("terminal", { v: VERSION, ...wanted });
        if (!this.#channel) return;
        this.#channel.owner = (event) => this.#onEvent(event);
        this.#host.pump();
    }

    /** @param {import("../app/end.js").AppEvent} event */
    #onEvent(event) {
        switch (event.type) {
            case "accepted":
                this.#onAccepted(event.params);
                this.#goneAt = null;
                this.#setState("open");
                if (this.#ownSize) this.takeSize(this.#ownSize.columns, this.#ownSize.rows);
                if (this.#hasFocus) this.#say(viewerMessages.focus(true));
                this.#outbox.flush(this.#channel);
                break;
            case "data":
                this.#onData(event.channel, event.bytes);
                event.channel.consumed(event.bytes.length);
                break;
            case "writable":
                this.#outbox.flush(this.#channel);
                break;
            case "refused":
                this.#onRefused(event.reason);
                break;
            case "reset":
                this.#channel = null;
                this.#fail(event.reason);
                break;
            case "ended":
                event.channel.end();
                this.#channel = null;
                if (!this.isOver) this.#fail({ token: "ended", words: "" });
        }
        this.#host.pump();
    }

    // The desk names the terminal of a new shell, so that it is found again.
    /** @param {import("../app/control.js").Params} params */
    #onAccepted({ name }) {
        if (!this.#shell || typeof name !== "string") return;
        this.name = name;
        this.#shell = null;
    }

    /**
     * A desk's agent that has just started does not know its terminals yet.
     * @param {import("../app/control.js").Reason} reason
     */
    #onRefused(reason) {
        this.#channel = null;
        this.#goneAt ??= this.#host.now();
        const within = this.#hasScreen ? RETURN_WITHIN : APPEAR_WITHIN;
        if (reason.token !== "not-found" || this.#host.now() >= this.#goneAt + within) return this.#fail(reason);
        this.#stopRetry = this.#host.after(RETRY_EVERY, () => this.#open());
        this.#setState(this.#hasScreen ? "waiting" : "opening");
    }

    /** @param {Channel} channel @param {Bytes} bytes */
    #onData(channel, bytes) {
        try {
            this.#onReceived(this.#receiver.receive(bytes));
        } catch (error) {
            if (!(error instanceof Malformed)) throw error;
            // A whole screen comes on the next channel.
            channel.reset("malformed", error.message);
            this.#open();
        }
    }

    /** @param {import("./messages.js").Received} received */
    #onReceived(received) {
        switch (received.what) {
            case "updated": {
                const bells = this.#hasScreen ? this.#bells : this.screen.bells;
                this.#received = received.seq;
                this.#hasScreen = true;
                this.#bells = this.screen.bells;
                this.#lines.onScreen(this.screen);
                this.emit({ type: "screen" });
                if (this.screen.bells > bells) this.emit({ type: "bell" });
                return;
            }
            case "scrollback":
                if (this.#lines.onAnswer(received.answer, this.#seen)) this.emit({ type: "lines" });
                return this.#fetch();
            case "owner":
                this.owner = received.owner;
                if (this.owner.owner !== "you") this.#ownSize = null;
                return this.emit({ type: "owner" });
            case "notice":
                return this.emit({ type: "notice", title: received.title, text: received.text });
            case "ended":
                this.exit = received.exit;
                return this.#finish("ended");
        }
    }

    #fetch() {
        const { first, count } = this.#wanted;
        const request = this.state === "open" ? this.#lines.pollRequest(first, count, this.screen) : null;
        if (request) this.#say(viewerMessages.scrollback(request.request, request.first, request.count));
    }

    /** @param {Bytes[]} messages @param {boolean} [isTyped] */
    #say(messages, isTyped = false) {
        if (this.isOver || !this.#outbox.push(messages, isTyped)) return false;
        this.#outbox.flush(this.#channel);
        this.#host.pump();
        return true;
    }

    /** @param {import("../app/control.js").Reason} reason */
    #fail(reason) {
        if (this.isOver) return;
        this.reason = reason;
        this.#finish("failed");
    }

    /** @param {ViewerState} state */
    #finish(state) {
        this.#stopRetry();
        this.#setState(state);
    }

    /** @param {ViewerState} state */
    #setState(state) {
        if (state === this.state) return;
        this.state = state;
        this.emit({ type: "state" });
    }
}

/** @param {string} text */
function isShort(text) {
    return utf8(text).length <= TEXT_BYTES_MAX;
}
