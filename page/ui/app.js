// The frame around every screen: title, banner, state of the link, and the way back.

import { button, el, fill, harmless, outside } from "./dom.js";
import { screens } from "./screens/screens.js";
import { t } from "./texts/texts.js";
import { followViewport } from "./viewport.js";
import { stateText, whyText } from "./words.js";

/** @typedef {import("../link/link.js").Link} Link */
/** @typedef {import("../link/link.js").Phone} Phone */

/**
 * One screen that is shown.
 * @typedef {object} Shown
 * @property {HTMLElement} element
 * @property {string} title
 * @property {Link} [link] whose state is shown above it
 * @property {boolean} [isFixed] it fills the window and scrolls within itself
 * @property {() => void} [stop] called when it goes
 */

/** @typedef {{ name: keyof typeof screens, id?: string, terminal?: string, text?: string, isShell?: boolean }} Place */

/** Only another code helps. */
const OVER = ["removed", "session-gone"];
/** Notices that wait to be seen; the desk hears of none that finds no room. */
const NOTICES_MAX = 64;

export class App {
    /** @type {Shown | null} */
    #shown = null;
    /** @type {(() => void)[]} */
    #ends = [];
    #title = el("h1", { tabindex: "-1" });
    #back = button("‹", () => history.back(), { "aria-label": t("back") });
    #banner = el("section", { class: "banner", "aria-label": t("banner.label"), hidden: true });
    #state = el("section", { class: "state", "aria-label": t("state.label"), hidden: true });
    #live = el("p", { class: "sr", role: "status" });
    #main = el("main");
    /** @type {HTMLElement} */
    #root;
    #toasts = el("div", { class: "toasts" });
    /** The line about what the user did. @type {HTMLElement | null} */
    #line = null;
    /** The notice that is shown. @type {HTMLElement | null} */
    #notice = null;
    /** Notices that wait for their turn. @type {(() => HTMLElement)[]} */
    #notices = [];
    #shows = 0;
    #said = "";

    /**
     * @param {HTMLElement} root
     * @param {Phone} phone
     */
    constructor(root, phone) {
        this.phone = phone;
        this.#root = root;
        fill(root, el("header", {}, this.#back, this.#title), this.#banner, this.#state, this.#live, this.#main, this.#toasts);
        this.#warn();
        addEventListener("popstate", ({ state }) => void this.#show(state ?? { name: "home" }));
        document.addEventListener("visibilitychange", () => this.#nextNotice());
        setInterval(() => this.#showState(), 1000);
    }

    #warn() {
        fill(
            this.#banner,
            !isSecureContext && el("p", {}, t("banner.insecure")),
            !isSecureContext && el("p", { class: "more" }, t("banner.insecure.more")),
            !this.phone.isLasting && el("p", {}, t("banner.not-kept")),
        );
        this.#banner.hidden = this.#banner.childElementCount === 0;
    }

    /**
     * Goes to a screen, from where the way back leads here.
     * @param {Place} place
     */
    go(place) {
        history.pushState(place, "");
        return this.#show(place);
    }

    /**
     * Shows a screen in place of this one.
     * @param {Place} place
     */
    replace(place) {
        history.replaceState(place, "");
        return this.#show(place);
    }

    /** @param {Place} place */
    async #show(place) {
        this.#stop();
        // A pair counts when its words were compared.
        const isBegun = this.phone.pairs.some(({ id, unconfirmed }) => id === place.id && unconfirmed !== null);
        if (isBegun) place = { name: "pair", id: place.id };
        const make = screens[place.name] ?? screens.home;
        fill(this.#main, el("p", { class: "sheet soft" }, t("desk.loading")));
        this.#back.hidden = place.name === "home";
        // Of several at once the last one counts, whichever is made first.
        const own = ++this.#shows;
        try {
            const shown = await make(this, place);
            if (this.#shows !== own) return shown.stop?.();
            this.#begin(shown);
        } catch (error) {
            if (this.#shows === own) this.fail(error);
        }
    }

    /** @param {Shown} shown */
    #begin(shown) {
        this.#shown = shown;
        fill(this.#title, shown.title);
        document.title = `${shown.title} · ${t("title")}`;
        fill(this.#main, shown.element);
        this.#root.classList.toggle("fixed", shown.isFixed ?? false);
        if (shown.isFixed) this.#ends.push(followViewport(this.#root));
        if (shown.link) this.#ends.push(shown.link.on((event) => event.type === "state" && this.#showState()));
        this.#showState();
        this.#title.focus({ preventScroll: true });
    }

    #stop() {
        for (const end of this.#ends.splice(0)) end();
        this.#shown?.stop?.();
        this.#shown = null;
    }

    #showState() {
        const link = this.#shown?.link;
        this.#state.hidden = !link;
        if (!link) return;
        const { state } = link, why = whyText(state), text = stateText(state);
        this.#state.classList.toggle("is-open", state.phase === "open");
        const said = `${text} ${why}`;
        if (said === this.#said) return;
        this.#said = said;
        const isBad = state.phase === "stopped";
        fill(
            this.#state,
            el("p", { class: state.phase === "open" ? "good" : isBad ? "bad" : "" }, text, why ? ` ${why}` : ""),
            state.phase === "retrying" && button(t("desk.retry"), () => link.retryNow()),
            OVER.includes(state.why ?? "") && button(t("pair.again"), () => void this.go({ name: "code" }), { class: "main" }),
            // The other tab's process is newer for the desk, so this one begins again with what is kept.
            state.phase === "elsewhere" && button(t("desk.take"), () => location.reload(), { class: "main" }),
        );
        // The seconds until the next try are not read aloud each time.
        this.say(state.phase === "retrying" ? `${t("state.retrying-now")} ${why}` : said);
    }

    /**
     * Has a screen reader say this.
     * @param {string} text
     */
    say(text) {
        if (this.#live.textContent !== text) this.#live.textContent = text;
    }

    /**
     * Shows a line above the screen for a while, with something to do. With `onSeen` it is a notice, which waits
     * until the one before is gone and the page is in sight.
     * @param {string} text
     * @param {{ text: string, act: () => void }} [action]
     * @param {() => void} [onSeen]
     */
    toast(text, action, onSeen) {
        if (!onSeen) {
            this.#line?.remove();
            this.#line = this.#toast(text, action, () => {});
            return;
        }
        if (this.#notices.length >= NOTICES_MAX) return;
        this.#notices.push(() => {
            onSeen();
            return this.#toast(text, action, () => {
                this.#notice = null;
                this.#nextNotice();
            });
        });
        this.#nextNotice();
    }

    #nextNotice() {
        if (this.#notice || document.hidden) return;
        this.#notice = this.#notices.shift()?.() ?? null;
    }

    /**
     * @param {string} text
     * @param {{ text: string, act: () => void } | undefined} action
     * @param {() => void} onClosed
     */
    #toast(text, action, onClosed) {
        let isOpen = true;
        const close = () => {
            if (isOpen) toast.remove();
            if (isOpen) onClosed();
            isOpen = false;
        };
        const toast = el(
            "section",
            { class: "toast", "aria-label": t("notice.label") },
            el("span", { class: "grow" }, outside(text, 400)),
            action && button(action.text, () => (close(), action.act())),
            button(t("notice.dismiss"), close),
        );
        this.#toasts.append(toast);
        this.say(harmless(text, 400));
        if (!action) setTimeout(close, 6000);
        return toast;
    }

    /**
     * What cannot be mended here: says so.
     * @param {unknown} error
     */
    fail(error) {
        console.error(error);
        fill(this.#main, faultOf(error));
        this.#back.hidden = false;
        this.#shown = null;
    }
}

/**
 * The screen of a fault.
 * @param {unknown} error
 */
export function faultOf(error) {
    const name = error instanceof Error ? error.name : "";
    const isStorage = ["InvalidStateError", "SecurityError", "QuotaExceededError", "UnknownError"].includes(name);
    const words = harmless(error instanceof Error ? error.message : error, 200);
    return el(
        "div",
        { class: "sheet" },
        el("h2", {}, t("fault.title")),
        el("p", { class: "bad", role: "alert" }, isStorage ? t("fault.storage") : t("fault.unknown", { words })),
        button(t("fault.reload"), () => location.reload(), { class: "main" }),
    );
}
