// Notices of one desk, after docs/app-notices.md: each is shown once, here or by Web Push.

import { cut, harmless, utf8 } from "../bytes.js";
import { parseObject } from "../app/control.js";
import { Damage } from "../app/damage.js";

/**
 * `title` may be empty. Texts are harmless to show.
 * @typedef {object} Notice
 * @property {string} id
 * @property {number} at milliseconds since 1970
 * @property {string} title
 * @property {string} text
 * @property {"low" | "normal" | "high"} urgency
 * @property {{ kind: "chat" } | { kind: "terminal", name: string } | null} target what a tap opens
 */

/**
 * @typedef {{ state: "on" | "off" | "gone" | "refused" | "unknown", words: string }} PushState what the desk
 *     says of it
 */

/**
 * The browser's push for this page; null where it has none.
 * @typedef {object} Pusher
 * @property {(mayAsk: boolean) => Promise<{ endpoint: string, p256dh: string, auth: string, public: string,
 *     private: string, page: string } | null>} subscribe null if the user has not allowed it for this desk
 * @property {() => Promise<boolean>} isOn this desk reaches the page by it
 * @property {() => Promise<void>} unsubscribe this desk; the browser with the last one
 * @property {() => Promise<boolean>} forget this desk, which can reach the page no more. False if it could not
 * @property {() => Promise<string[]>} shown the ids of notices that the system shows now
 */

const VERSION = 1;
const SEEN_MAX = 256;

export class Notices {
    #host;
    #pusher;
    #changed;
    /** @type {import("../app/channel.js").Channel | null} */
    #channel = null;
    /** @type {string[]} */
    #shown = [];
    /** Given to `onNotice`, and shown or waiting there. @type {string[]} */
    #told = [];
    /** Came while nobody looked. @type {Notice[]} */
    #waiting = [];
    #isHidden;
    #isWatched = false;
    #wasShown;
    /** @type {PushState} */
    push = { state: "unknown", words: "" };

    /**
     * @param {import("../app/host.js").Host} host
     * @param {{ pusher: Pusher | null, isHidden: boolean, wasShown: () => Promise<string[]>,
     *         onNotice: (notice: Notice) => void, onChange: () => void }} rest `wasShown` gives the ids that
     *     were shown while the page was closed. `onNotice`: show it, then call `confirm`
     */
    constructor(host, { pusher, isHidden, wasShown, onNotice, onChange }) {
        this.#host = host;
        this.#pusher = pusher;
        this.#isHidden = isHidden;
        this.#wasShown = wasShown;
        this.#changed = onChange;
        this.onNotice = onNotice;
    }

    /** True if this browser can be reached while the page is closed. On iOS: only from the home screen. */
    get canPush() {
        return this.#pusher !== null;
    }

    /**
     * After a tap: asks the user, then gives the desk the subscription. False if the user does not want it.
     */
    async subscribe() {
        const subscription = await this.#pusher?.subscribe(true);
        if (!subscription) return false;
        this.#say({ t: "subscribe", ...subscription });
        return true;
    }

    /** True if this desk reaches the page while it is closed. */
    async isPushOn() {
        return (await this.#pusher?.isOn()) ?? false;
    }

    /** This desk does not reach the page by Web Push any more. */
    async unsubscribe() {
        await this.#pusher?.unsubscribe();
        this.#say({ t: "unsubscribe" });
    }

    /** The page's key has changed: the desk gets the new subscription, if it had one. */
    async renew() {
        try {
            const subscription = await this.#pusher?.subscribe(false);
            if (subscription) this.#say({ t: "subscribe", ...subscription });
        } catch (error) {
            console.warn("no subscription to the browser's push service", error);
        }
    }

    /** For the link: the two ends are ready, or not any more. @param {boolean} isReady */
    onReady(isReady) {
        this.#channel = isReady ? this.#host.open("notice", { v: VERSION }) : null;
        if (this.#channel) this.#channel.owner = (event) => this.#onEvent(event);
    }

    /** From now on `onNotice` is listened to. */
    watch() {
        this.#isWatched = true;
        void this.#showWaiting();
    }

    /** The user sees it: the desk is told. @param {string} id */
    confirm(id) {
        if (!this.#shown.includes(id)) this.#shown.push(id);
        this.#shown.splice(0, this.#shown.length - SEEN_MAX);
        this.#say({ t: "shown", id });
    }

    /** For the link: whether somebody sees the page. @param {boolean} isHidden */
    setHidden(isHidden) {
        this.#isHidden = isHidden;
        void this.#showWaiting();
    }

    /** @param {import("../app/end.js").AppEvent} event */
    #onEvent(event) {
        switch (event.type) {
            case "accepted":
                // Browsers drop and replace subscriptions without a word, so the desk hears of it on every
                // channel.
                void this.renew();
                break;
            case "data":
                event.channel.consumed(event.bytes.length);
                this.#onData(event.channel, event.bytes);
                break;
            case "ended":
                event.channel.end();
                this.#channel = null;
                break;
            case "refused":
            case "reset":
                this.#channel = null;
        }
        this.#host.pump();
    }

    /** @param {import("../app/channel.js").Channel} channel @param {import("../bytes.js").Bytes} bytes */
    #onData(channel, bytes) {
        try {
            const members = parseObject(bytes);
            if (members.t === "push") this.#onPush(members);
            else if (members.t === "notice") this.#onNotice(noticeOf(members));
            else if (typeof members.t !== "string") throw new Damage("t");
        } catch (error) {
            if (!(error instanceof Damage)) throw error;
            channel.reset("malformed", "not a notice");
        }
    }

    /** @param {Record<string, unknown>} members */
    #onPush({ state, words }) {
        const known = /** @type {const} */ (["on", "off", "gone", "refused"]).find((word) => word === state);
        this.push = { state: known ?? "unknown", words: cut(harmless(String(words ?? "")), 200) };
        if (known === "gone") void this.renew();
        this.#changed();
    }

    /** @param {Notice} notice */
    #onNotice(notice) {
        if (!this.#waiting.some(({ id }) => id === notice.id)) this.#waiting.push(notice);
        this.#waiting.splice(0, Math.max(0, this.#waiting.length - SEEN_MAX));
        void this.#showWaiting();
    }

    async #showWaiting() {
        if (this.#isHidden || !this.#isWatched) return;
        const before = await this.#wasShown();
        for (const notice of this.#waiting.splice(0)) {
            const { id } = notice;
            if (this.#shown.includes(id) || before.includes(id)) this.confirm(id);
            else if (!this.#told.includes(id)) {
                this.#told.push(id);
                this.#told.splice(0, this.#told.length - SEEN_MAX);
                this.onNotice(notice);
            }
        }
    }

    /** @param {object} message */
    #say(message) {
        this.#channel?.send(utf8(JSON.stringify(message)));
        this.#host.pump();
    }
}

/** @param {Record<string, unknown>} members @returns {Notice} */
function noticeOf({ id, at, title, text, urgency, target }) {
    const isText = (/** @type {unknown} */ value, /** @type {number} */ least, /** @type {number} */ most) =>
        typeof value === "string" && value.length >= least && utf8(value).length <= most;
    const isWhole = isText(id, 1, 64) && isText(text, 1, 1024) && Number.isSafeInteger(at) && Number(at) >= 0;
    if (!isWhole || !isText(title ?? "", 0, 128)) throw new Damage("notice");
    return {
        id: String(id),
        at: Number(at),
        title: harmless(String(title ?? "")),
        text: harmless(String(text)),
        urgency: urgency === "low" || urgency === "high" ? urgency : "normal",
        target: targetOf(target),
    };
}

/** @param {unknown} value @returns {Notice["target"]} */
function targetOf(value) {
    const { kind, name } = Object(value);
    if (kind === "chat") return { kind };
    const isName = typeof name === "string" && name !== "" && utf8(name).length <= 64;
    return kind === "terminal" && isName ? { kind, name } : null;
}
