// One desk: what it offers, and how it is reached.

import { el, fill, harmless, outside } from "../dom.js";
import { t } from "../texts/texts.js";
import { openLink } from "./open.js";

/** @typedef {import("../app.js").App} App */

/**
 * @param {App} app
 * @param {import("../app.js").Place} place
 * @returns {Promise<import("../app.js").Shown>}
 */
export async function deskScreen(app, place) {
    const link = await openLink(app, place);
    const { id } = link;
    const element = el("div", { class: "sheet" });
    const card = (/** @type {import("../app.js").Place} */ to, /** @type {import("../dom.js").Child[]} */ ...children) =>
        el("li", {}, el("button", { type: "button", class: "card", onclick: () => void app.go(to) }, ...children));
    const show = () => {
        const { desk } = link;
        const rights = desk?.rights ?? [];
        const terminals = (desk?.terminals ?? []).slice(0, 32).map((terminal) =>
            card(
                { name: "terminal", id, terminal: terminal.name },
                el("span", { class: "name" }, outside(terminal.name, 64)),
                el("span", { class: "soft" }, outside(terminal.title, 128)),
                el("span", { class: "soft" }, sizeText(terminal)),
            ),
        );
        const none = rights.includes("view") ? t("desk.no-terminals") : t("desk.no-view");
        fill(
            element,
            el("h2", {}, t("desk.terminals")),
            el("ul", { class: "plain cards" }, ...terminals),
            rights.includes("shell") &&
                el("button", { type: "button", onclick: () => void app.go({ name: "terminal", id, isShell: true }) }, t("desk.shell")),
            desk && terminals.length === 0 && el("p", { class: "soft" }, none),
            el(
                "ul",
                { class: "plain cards" },
                card({ name: "chat", id }, el("span", { class: "name" }, t("desk.chat"))),
                card({ name: "clipboard", id }, el("span", { class: "name" }, t("clip.title"))),
                card({ name: "files", id }, el("span", { class: "name" }, t("desk.files"))),
                card({ name: "device", id }, el("span", { class: "name" }, t("desk.device"))),
            ),
        );
    };
    show();
    const name = app.phone.pairs.find((pair) => pair.id === id)?.desk;
    const stop = link.on((event) => ["desk", "restarted"].includes(event.type) && show());
    return { element, title: harmless(link.desk?.name || name || t("desk.unnamed"), 64), link, stop };
}

/** @param {{ cols: number, rows: number, viewOnly: boolean }} terminal */
function sizeText({ cols, rows, viewOnly }) {
    const size = t("desk.size", { cols, rows });
    return viewOnly ? `${size}, ${t("desk.view-only")}` : size;
}
