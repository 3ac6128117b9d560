// How a code gets here that no camera opened: pasted, or scanned by the page itself.

import { Camera } from "../camera/camera.js";
import { button, el } from "../dom.js";
import { t } from "../texts/texts.js";

/** @typedef {import("../app.js").App} App */

/** @param {App} app @returns {import("../app.js").Shown} */
export function codeScreen(app) {
    const field = el("textarea", {
        id: "code",
        rows: 3,
        autocomplete: "off",
        autocapitalize: "off",
        autocorrect: "off",
        spellcheck: "false",
    });
    const note = el("p", { role: "alert" });
    const take = (/** @type {string} */ text) => text.trim() && void app.go({ name: "pair", text: text.trim() });
    const tell = (/** @type {string} */ text, /** @type {boolean} */ isBad) => {
        note.className = isBad ? "bad" : "";
        note.textContent = text;
    };
    const camera = new Camera(take, tell);
    const element = el(
        "div",
        { class: "sheet" },
        el("p", {}, t("code.intro")),
        navigator.mediaDevices && isSecureContext
            ? el("div", { class: "row-of" }, button(t("code.scan"), () => void camera.start()))
            : null,
        camera.element,
        note,
        el("form", { onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), take(field.value)) },
            el("label", { for: "code" }, t("code.paste")),
            field,
            el("div", { class: "row-of" }, el("button", { type: "submit", class: "main" }, t("code.go"))),
        ),
        el("p", { class: "soft" }, t("banner.served")),
    );
    return { element, title: t("code.title"), stop: () => camera.stop() };
}
