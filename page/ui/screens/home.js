// The desks that are paired with this phone.

import { button, el, fill, outside } from "../dom.js";
import { date, t } from "../texts/texts.js";

/** @typedef {import("../app.js").App} App */

/** @param {App} app @returns {import("../app.js").Shown} */
export function homeScreen(app) {
    const list = el("ul", { class: "plain cards" });
    const show = () => {
        const cards = app.phone.pairs.map((pair) =>
            el(
                "li",
                {},
                el(
                    "button",
                    { type: "button", class: "card", onclick: () => void app.go({ name: "desk", id: pair.id }) },
                    el("span", { class: "name" }, pair.desk ? outside(pair.desk, 64) : t("desk.unnamed")),
                    el("span", { class: "soft" }, t("home.paired", { date: date(pair.pairedAt), relay: pair.relay })),
                ),
            ),
        );
        fill(list, ...(cards.length ? cards : [el("li", { class: "soft" }, t("home.none"))]));
    };
    show();
    const element = el(
        "div",
        { class: "sheet" },
        list,
        el("div", { class: "row-of" }, button(t("home.add"), () => void app.go({ name: "code" }), { class: "main" })),
        el("p", { class: "soft" }, t("banner.served")),
    );
    return { element, title: t("home.title"), stop: app.phone.on(show) };
}
