// Lines of text between this phone and the desk.

import { el, fill, outside } from "../dom.js";
import { t, time, tOf } from "../texts/texts.js";
import { openLink } from "./open.js";

/** @typedef {import("../app.js").App} App */

/** What a screen shows at most. */
const LINES_MAX = 400;

/**
 * @param {App} app
 * @param {import("../app.js").Place} place
 * @returns {Promise<import("../app.js").Shown>}
 */
export async function chatScreen(app, place) {
    const link = await openLink(app, place);
    const lines = el("ul", { class: "plain" });
    const list = el("div", { class: "said", role: "log", tabindex: "0", "aria-label": t("chat.title") }, lines);
    const note = el("p", { class: "bad", role: "alert" });
    const field = el("textarea", { rows: 1, "aria-label": t("chat.say"), enterkeyhint: "send" });
    const show = () => {
        const isAtEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 40;
        const said = link.chat.lines.slice(-LINES_MAX).map(lineOf);
        fill(lines, ...(said.length ? said : [el("li", { class: "soft" }, t("chat.none"))]));
        if (isAtEnd) list.scrollTop = list.scrollHeight;
    };
    const send = () => {
        const text = field.value.trim();
        if (!text) return;
        const why = link.chat.say(text);
        note.textContent = why === null ? "" : whyOf(why);
        if (why === null) field.value = "";
        list.scrollTop = list.scrollHeight;
        field.focus();
    };
    field.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        send();
    });
    const element = el(
        "div",
        { class: "talk" },
        list,
        note,
        el(
            "form",
            { class: "compose", onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), send()) },
            field,
            el("button", { type: "submit", class: "main" }, t("chat.send")),
        ),
    );
    show();
    queueMicrotask(() => (list.scrollTop = list.scrollHeight));
    return { element, title: t("chat.title"), link, isFixed: true, stop: link.on((event) => event.type === "chat" && show()) };
}

/** @param {import("../../app/chat_room.js").ChatLine} line */
function lineOf({ isMine, at, text, state }) {
    const said = isMine ? `${t("chat.you")}, ${time(at)}, ${tOf(`chat.${state}`, "chat.waiting")}` : time(at);
    return el("li", { class: isMine ? "mine" : "" }, outside(text, 8192, "\n\t"), el("small", {}, said));
}

/** @param {string} why */
function whyOf(why) {
    if (why === "too-long") return t("chat.too-long");
    if (why === "too-many") return t("chat.full");
    return t("chat.failed", { reason: why });
}
