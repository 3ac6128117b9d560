// One end of the app protocol, after docs/app.md: messages of the tunnel in and out, events for the app. It
// sees no socket, timer or clock: `now` is given, in milliseconds. After each call, drain `pollEvent` and
// `pollMessage`.

import { Channels } from "./channels.js";
import { parse, writeControl } from "./control.js";
import { Damage } from "./damage.js";
import { equalDesk, Greeting } from "./greeting.js";
import { hear } from "./heard.js";
import { RIGHTS } from "./kinds.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {import("./channel.js").Channel} Channel
 * @typedef {import("./control.js").Params} Params
 * @typedef {import("./control.js").Reason} Reason
 * @typedef {import("./hello.js").DeskInfo} DeskInfo
 * @typedef {import("./hello.js").Hello} Hello
 */

/**
 * - `ready`: both ends have said hello, channels can be opened; `restarted`: the other end begins again, and
 *   all
 *   channels are gone, until `ready`;
 * - `desk`: what the desk offers now; `hidden`: the phone's page was hidden or came back;
 * - `opened`: answer with `accept` or `refuse`; `data`: call `consumed` when the app is done with it;
 * - `writable`: the message that was too much would be accepted now;
 * - `ended`: nothing more comes; the channel is gone when this end has said `end` too;
 * - `refused`, `reset`: the channel is gone.
 * @typedef {{ type: "ready", peer: Hello } | { type: "restarted" } | { type: "desk", desk: DeskInfo }
 *     | { type: "hidden", hidden: boolean } | ChannelEvent} AppEvent
 * @typedef {{ type: "opened" | "accepted", channel: Channel, params: Params }
 *     | { type: "refused" | "reset", channel: Channel, reason: Reason }
 *         | { type: "data", channel: Channel, bytes: Bytes } | { type: "writable" | "ended", channel: Channel
 *     }} ChannelEvent
 */

export class AppEnd {
    #isDesk;
    #greeting;
    #channels;
    /** @type {AppEvent[]} */
    #events = [];
    /** Messages that led to nothing: against the protocol, of a later version, before hello. */
    ignored = { faults: 0, unknown: 0, early: 0 };

    /**
     * @param {{ isDesk?: boolean, hello: Hello, nonce: string }} made `nonce` is random at a phone
     */
    constructor({ isDesk = false, hello, nonce }) {
        this.#isDesk = isDesk;
        this.#greeting = new Greeting(isDesk, hello, nonce);
        this.#channels = new Channels(isDesk);
    }

    get isReady() {
        return this.#greeting.isReady;
    }

    /** The tunnel is open: the first time in this process, or again. */
    onOpen() {
        this.#greeting.onOpen();
    }

    /** The other end's process is new. */
    onRestart() {
        if (this.#greeting.onRestart()) this.#restart();
    }

    /** A message came through the tunnel. @param {Bytes} message @param {number} now */
    onMessage(message, now) {
        let said;
        try {
            said = parse(message);
        } catch (error) {
            if (!(error instanceof Damage)) throw error;
            this.ignored.faults += 1;
            return;
        }
        if (!said) this.ignored.unknown += 1;
        else if (said.t === "hello") this.#onHello(said.hello, said.id, said.re);
        else if (!this.isReady) this.ignored.early += 1;
        else if (said.t === "desk") this.#onOther(!this.#isDesk, { type: "desk", desk: said.desk });
        else if (said.t === "hidden") this.#onOther(this.#isDesk, { type: "hidden", hidden: said.hidden });
        else {
            // A desk may do everything: the phone's app says no by itself.
            const rights = this.#isDesk ? this.#greeting.desk.rights : RIGHTS;
            const { event, isFault } = hear(this.#channels, said, rights, now);
            if (isFault) this.ignored.faults += 1;
            if (event) this.#events.push(event);
        }
    }

    /**
     * Opens a channel; null if the two are not ready or as many are open as may be.
     * @param {string} kind
     * @param {Params} [params]
     */
    open(kind, params = {}) {
        return this.isReady ? this.#channels.open(kind, params) : null;
    }

    /** Phone: whether its page is hidden. The desk is told, if it changed. @param {boolean} hidden */
    setHidden(hidden) {
        this.#greeting.setHidden(hidden);
    }

    /**
     * Desk: what it offers to the phone. Channels that it has no right to any more are reset.
     * @param {DeskInfo} desk
     */
    setDesk(desk) {
        if (equalDesk(desk, this.#greeting.desk)) return;
        this.#greeting.setDesk(desk);
        const reason = { token: "rights", words: "this phone may not do that any more at this desk" };
        for (const channel of this.#channels.withoutRight(desk.rights)) {
            channel.reset(reason.token, reason.words);
            this.#events.push({ type: "reset", channel, reason });
        }
    }

    pollEvent() {
        return this.#events.shift() ?? null;
    }

    /** The next message for the tunnel: control, then interactive channels, then bulk. @param {number} now */
    pollMessage(now) {
        return this.pollInteractive(now) ?? this.pollBulk(now);
    }

    /** @param {number} now @returns {Bytes | null} */
    pollInteractive(now) {
        const control = this.#greeting.pollControl();
        if (control) return writeControl(control);
        return this.#channels.pollControl() ?? this.#channels.pollData(false, now);
    }

    /**
     * Only where `pollInteractive` has nothing. Bulk is paced: there may be more later.
     * @param {number} now
     */
    pollBulk(now) {
        return this.#channels.pollData(true, now);
    }

    /** @param {Hello} peer @param {string | undefined} id @param {string | undefined} re */
    #onHello(peer, id, re) {
        const greeted = this.#greeting.onHello(id, re);
        if (greeted === "stale") {
            this.ignored.early += 1;
            return;
        }
        if (greeted === "again") this.#restart();
        this.#events.push({ type: "ready", peer });
    }

    #restart() {
        this.#channels.restart();
        this.#events.push({ type: "restarted" });
    }

    /** A message that only one role receives. @param {boolean} isMine @param {AppEvent} event */
    #onOther(isMine, event) {
        if (isMine) this.#events.push(event);
        else this.ignored.faults += 1;
    }
}
