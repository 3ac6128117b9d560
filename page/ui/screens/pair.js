// Pairing: a tap, six words, the desk's yes, and the user's own.

import { CodeError, readCode } from "../../link/link.js";
import { button, el, fill, outside } from "../dom.js";
import { t, time } from "../texts/texts.js";
import { stateText, whyText } from "../words.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {import("../../link/link.js").Link} Link */
/** @typedef {import("../../link/link.js").Code} Code */

/**
 * @param {App} app
 * @param {import("../app.js").Place} place
 * @returns {Promise<import("../app.js").Shown>}
 */
export async function pairScreen(app, place) {
    // A code is used up by pairing, so neither a reload nor the way back leads to it again.
    history.replaceState({ name: "code" }, "");
    const element = el("div", { class: "sheet" });
    const shown = { element, title: t("pair.title") };
    const begun = app.phone.pairs.find(({ id, unconfirmed }) => id === place.id && unconfirmed !== null);
    if (begun && !place.text) {
        const pairing = new Pairing(app, element, null);
        await pairing.resume(begun.id, begun.unconfirmed);
        return { ...shown, stop: () => pairing.stop() };
    }
    const code = await codeOf(place.text ?? "");
    if (typeof code === "string") return refused(app, shown, code);
    const usedAt = await app.phone.usedAt(code);
    if (usedAt) return refused(app, shown, t("pair.used", { time: time(usedAt) }), true);
    const pairing = new Pairing(app, element, code);
    pairing.ask();
    return { ...shown, stop: () => pairing.stop() };
}

/**
 * The code in a text, or the sentence why there is none.
 * @param {string} text
 * @returns {Promise<Code | string>}
 */
async function codeOf(text) {
    try {
        const code = await readCode(text);
        const { host } = new URL(code.place.url);
        if (host !== location.host) return t("code.other-relay", { relay: host });
        return code.app ? code : t("code.plain");
    } catch (error) {
        if (!(error instanceof CodeError)) throw error;
        const known = { "not-a-code": t("code.not"), "other-version": t("why.other-version") };
        return error.why in known ? known[/** @type {keyof typeof known} */ (error.why)] : t("code.plain");
    }
}

/**
 * @param {App} app
 * @param {import("../app.js").Shown} shown
 * @param {string} why
 * @param {boolean} [isUsed]
 */
function refused(app, shown, why, isUsed = false) {
    fill(shown.element, el("p", { class: "bad", role: "alert" }, why), again(app, isUsed));
    return shown;
}

/** @param {App} app @param {boolean} [isUsed] the phone used this code, so its desk is paired */
function again(app, isUsed = false) {
    return el(
        "div",
        { class: "row-of" },
        isUsed && app.phone.pairs.length > 0 && button(t("home.title"), () => void app.replace({ name: "home" }), { class: "main" }),
        button(t("pair.again"), () => void app.replace({ name: "code" }), isUsed ? {} : { class: "main" }),
    );
}

/** What this phone may be called. The user changes it. */
function usualName() {
    const agent = navigator.userAgent;
    const model = /Android [^;)]*; ([^;)]{1,40}?)(?: Build|[;)])/.exec(agent)?.[1];
    const known = ["iPhone", "iPad", "Android", "Windows", "Macintosh", "Linux"].find((name) => agent.includes(name));
    return model && model.length > 2 ? model : (known ?? "Phone");
}

const isApple = () => /iPhone|iPad/.test(navigator.userAgent) && !matchMedia("(display-mode: standalone)").matches;

/** How long a code is valid at most, unless its desk was told otherwise. */
const CODE_MS = 300_000;

class Pairing {
    /** @type {Link | null} */
    #link = null;
    /** @type {(() => void) | null} */
    #end = null;
    #hasConfirmed = false;
    #isOver = false;
    /** @type {string | null} */
    #words = null;
    #readAt = Date.now();

    /**
     * @param {App} app
     * @param {HTMLElement} element
     * @param {Code | null} code null: it was used by the page that stood here before
     */
    constructor(app, element, code) {
        this.app = app;
        this.element = element;
        this.code = code;
    }

    /**
     * The page was loaded again before its user had compared the words.
     * @param {string} id
     * @param {string | null} words
     */
    async resume(id, words) {
        this.#words = words || null;
        this.#follow(await this.app.phone.link(id));
    }

    /** Nothing is said to the relay before this is answered by a tap. */
    ask() {
        const { code } = this;
        if (!code) return;
        const name = el("input", { id: "name", maxlength: 40, autocomplete: "off", value: usualName() });
        const begin = (/** @type {Event} */ event) => {
            event.preventDefault();
            void this.#begin(code, name.value.trim() || usualName());
        };
        fill(
            this.element,
            el("p", {}, t("pair.intro", { relay: new URL(code.place.url).host })),
            isApple() && el("p", { class: "soft" }, t("pair.ios")),
            !isSecureContext && el("p", { class: "bad" }, t("pair.insecure")),
            el(
                "form",
                { onsubmit: begin },
                el("label", { for: "name" }, t("pair.name")),
                name,
                el(
                    "div",
                    { class: "row-of" },
                    el("button", { type: "submit", class: "main" }, t(isSecureContext ? "pair.go" : "pair.insecure.go")),
                ),
            ),
            el("p", { class: "soft" }, t("banner.served")),
        );
    }

    /** @param {Code} code @param {string} name */
    async #begin(code, name) {
        fill(this.element, el("p", {}, t("state.connecting")));
        try {
            this.#link = await this.app.phone.pair(code, name);
        } catch (error) {
            return this.app.fail(error);
        }
        if (this.#isOver) return this.#leave();
        this.#follow(this.#link);
    }

    /** @param {Link} link */
    #follow(link) {
        this.#link = link;
        this.#end = link.on((event) => event.type === "state" && this.#show());
        this.#show();
    }

    #show() {
        const link = this.#link;
        if (!link || this.#isOver) return;
        const { state } = link;
        this.#words = state.words ?? this.#words;
        const words = this.#words;
        if (state.phase === "stopped") {
            // The relay does not say why a code is over. Its age may.
            const isOld = state.why === "code-gone" && Date.now() - this.#readAt > CODE_MS;
            return this.#stopped(isOld ? t("why.code-expired") : whyText(state));
        }
        // Also where the desk has gone since: an agent ends with its last command.
        const isWelcomed = state.phase === "open" || this.app.phone.pairs.some(({ id, isWelcomed }) => id === link.id && isWelcomed);
        if (isWelcomed && this.#hasConfirmed) return this.#done();
        const line = isWelcomed ? t("pair.said-yes") : words ? t("pair.waiting") : stateText(state);
        this.app.say(line);
        fill(
            this.element,
            words && el("p", {}, t("pair.words")),
            words && wordList(words),
            el("p", { class: isWelcomed ? "good" : "" }, line, " ", whyText(state)),
            words && !this.#hasConfirmed && this.#question(),
        );
    }

    #question() {
        const same = () => {
            this.#hasConfirmed = true;
            if (this.#link) this.app.phone.confirm(this.#link.id).catch(console.error);
            this.#show();
        };
        return el(
            "div",
            { class: "row-of" },
            button(t("pair.same"), same, { class: "main" }),
            button(t("pair.differ"), () => void this.#differ()),
        );
    }

    async #differ() {
        this.#isOver = true;
        await this.#leave();
        this.#stopped(t("pair.differed"));
    }

    /** @param {string} why */
    #stopped(why) {
        this.#isOver = true;
        this.app.say(why);
        fill(this.element, el("p", { class: "bad" }, why), again(this.app));
    }

    #done() {
        this.#isOver = true;
        void this.app.replace({ name: "desk", id: this.#link?.id });
    }

    stop() {
        this.#end?.();
        if (this.#isOver) return;
        this.#isOver = true;
        void this.#leave();
    }

    // Without the user's word that the words are the same there is no pair, also after the desk's yes.
    async #leave() {
        const link = this.#link;
        link?.close();
        if (link && !this.#hasConfirmed) await this.app.phone.forget(link.id);
    }
}

/** @param {string} words */
function wordList(words) {
    return el("ol", { class: "words" }, ...words.split(/\s+/).map((word) => el("li", {}, outside(word, 20))));
}
