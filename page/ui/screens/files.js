// Files both ways.

import { el } from "../dom.js";
import { t } from "../texts/texts.js";
import { openLink } from "./open.js";

/**
 * @param {import("../app.js").App} app
 * @param {import("../app.js").Place} place
 * @returns {Promise<import("../app.js").Shown>}
 */
export async function filesScreen(app, place) {
    const link = await openLink(app, place);
    return { element: el("div", { class: "sheet" }, el("p", {}, t("files.no-right"))), title: t("files.title"), link };
}
