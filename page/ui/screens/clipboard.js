// Texts for the clipboard at either end, each by an explicit act there and a tap here.

import { button, el, fill, outside } from "../dom.js";
import { t, tOf } from "../texts/texts.js";
import { openLink } from "./open.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {import("../../link/link.js").Link} Link */
/** @typedef {Link["clipboard"]["clips"][number]} Clip */

/** Characters of a text that are shown. What is copied is the whole text. */
const SHOWN_MAX = 2000;

/**
 * @param {App} app
 * @param {import("../app.js").Place} place
 * @returns {Promise<import("../app.js").Shown>}
 */
export async function clipboardScreen(app, place) {
    const link = await openLink(app, place);
    const list = el("ul", { class: "plain cards" });
    const field = el("textarea", { id: "clip", rows: 3 });
    const show = () => {
        // Later, as a text tells of itself before all of it is in its place.
        setTimeout(() => document.hidden || link.clipboard.clips.forEach((clip) => link.clipboard.seen(clip)));
        fill(list, ...[...link.clipboard.clips].reverse().map((clip) => card(app, link, clip)));
    };
    const send = (/** @type {Event} */ event) => {
        event.preventDefault();
        if (!field.value) return;
        if (link.clipboard.send(field.value) !== null) return app.toast(t("chat.too-long"));
        field.value = "";
        show();
    };
    show();
    const element = el(
        "div",
        { class: "sheet" },
        el(
            "form",
            { onsubmit: send },
            el("label", { for: "clip" }, t("clip.text")),
            field,
            el("div", { class: "row-of" }, el("button", { type: "submit", class: "main" }, t("clip.send"))),
        ),
        el("p", { class: "soft" }, t("clip.how")),
        list,
    );
    const end = link.on((event) => event.type === "clipboard" && show());
    document.addEventListener("visibilitychange", show);
    const stop = () => {
        end();
        document.removeEventListener("visibilitychange", show);
    };
    return { element, title: t("clip.title"), link, stop };
}

/** @param {App} app @param {Link} link @param {Clip} clip */
function card(app, link, clip) {
    const copy = async () => {
        // Without TLS browsers have no clipboard for pages: the text can be selected.
        await navigator.clipboard?.writeText(clip.text).catch(() => {});
        app.toast(t(navigator.clipboard ? "clip.copied" : "clip.select"));
    };
    return el(
        "li",
        { class: "card" },
        el("div", { class: "soft" }, clip.isMine ? t("files.sent") : t("files.received"), clip.isMine ? `, ${tOf(`clip.${clip.state}`, "clip.waiting")}` : ""),
        el("div", { class: "text" }, outside(clip.text, SHOWN_MAX, "\n\t")),
        el(
            "div",
            { class: "row-of" },
            !clip.isMine && button(t("clip.copy"), () => void copy(), { class: "main" }),
            button(t("notice.dismiss"), () => link.clipboard.drop(clip)),
        ),
    );
}
