// One row as elements. Each cell has the width that the desk gave it, so nothing is measured here.

import { el } from "../dom.js";
import { applyStyle } from "./colors.js";

/** @typedef {import("../../screen/wire.js").Row} Row */
/** @typedef {import("../../screen/wire.js").Run} Run */

/** Characters that every monospace font has, in cells of one column. */
const SURE = /^[\u0020-\u007e\u00a0-\u00ac\u00ae-\u00ff]*$/;

/**
 * Shows a row in an element. Blank cells before and between runs are spaces, so that copied text is right.
 * @param {HTMLElement} element
 * @param {Row} row
 */
export function drawRow(element, row) {
    /** @type {Node[]} */
    const nodes = [];
    let column = 0;
    for (const run of row.runs) {
        if (run.column > column) nodes.push(document.createTextNode(" ".repeat(run.column - column)));
        nodes.push(...nodesOf(run));
        column = run.column + run.columns;
    }
    element.replaceChildren(...nodes);
}

/** @param {Run} run @returns {Node[]} */
function nodesOf(run) {
    const content = contentOf(run);
    if (run.style.key === "" && !run.style.link) return content;
    const element = elementOf(run.style.link);
    applyStyle(element, run.style);
    element.append(...content);
    return [element];
}

/** @param {Run} run @returns {Node[]} */
function contentOf(run) {
    const kind = run.isOneCell ? (run.columns === 2 ? "w2" : "w1") : run.cellColumns === 2 ? "w2" : "w1";
    if (run.isOneCell) return [el("span", { class: kind }, run.text)];
    if (run.cellColumns === 1 && SURE.test(run.text)) return [document.createTextNode(run.text)];
    return [...run.text].map((cell) =>
        kind === "w1" && SURE.test(cell) ? document.createTextNode(cell) : el("span", { class: kind }, cell),
    );
}

/** A link leads where its program says: only to the web, and without a word of where it came from. @param {string | null} link */
function elementOf(link) {
    if (!link || !/^https?:\/\//i.test(link)) return el("span");
    return el("a", { href: link, target: "_blank", rel: "noopener noreferrer", tabindex: "-1" });
}
