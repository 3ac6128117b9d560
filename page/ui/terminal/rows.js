// The screen and its history as rows of text, which can be selected, zoomed and read aloud.

import { el } from "../dom.js";
import { drawRow } from "./row.js";

/** @typedef {import("../../screen/viewer.js").TerminalViewer} TerminalViewer */
/** @typedef {import("../../screen/wire.js").Row} Row */

const LINE = 1.25;
/** Lines that are asked for at once. */
const LOOK_MAX = 120;
const FONT_MIN = 6, FONT_MAX = 40;

/** The font size that the user chose for this page; null fits the width. @type {number | null} */
let chosenSize = null;

/**
 * How many columns and rows of a readable size there is room for.
 * @param {number} width
 * @param {number} height
 * @param {number} perSize the width of a column for a font size of 1
 */
export function roomIn(width, height, perSize) {
    const size = chosenSize ?? 14;
    const columns = Math.floor((width - 2) / (size * perSize)), rows = Math.floor(height / (size * LINE));
    return { columns: Math.min(1000, Math.max(2, columns)), rows: Math.min(300, Math.max(1, rows)) };
}

export class Rows {
    #viewer;
    #history = el("div");
    #live = el("div");
    #cursor = el("div", { class: "cursor", "aria-hidden": "true" });
    #rows = el("div", { class: "rows" }, this.#history, el("div"));
    /** @type {{ element: HTMLElement, row: Row | null }[]} */
    #drawn = [];
    /** @type {Map<number, HTMLElement>} */
    #lines = new Map();
    #oldest = 0;
    #isStuck = true;
    #frame = 0;
    #size = 14;
    #perSize = 0.6;
    #columns = 0;
    #placedAt = 0;

    /**
     * @param {TerminalViewer} viewer
     * @param {Record<string, unknown>} attributes of the part that scrolls
     */
    constructor(viewer, attributes) {
        this.#viewer = viewer;
        this.#live.style.setProperty("position", "relative");
        this.#history.style.setProperty("position", "relative");
        this.#rows.replaceChildren(this.#history, this.#live);
        this.element = el("div", { class: "screen", tabindex: "0", role: "region", ...attributes }, this.#rows);
        this.element.addEventListener("scroll", () => this.#onScroll(), { passive: true });
        this.resized = new ResizeObserver(() => this.fit());
        this.resized.observe(this.element);
    }

    /** The height of a row in pixels. */
    get #height() {
        return this.#size * LINE;
    }

    /** Draws in the next frame what has changed. */
    plan() {
        this.#frame ||= requestAnimationFrame(() => {
            this.#frame = 0;
            this.#draw();
            this.#viewer.drawn();
        });
    }

    #draw() {
        const { screen } = this.#viewer;
        if (screen.columns !== this.#columns) {
            this.#columns = screen.columns;
            this.fit();
        }
        while (this.#drawn.length > screen.rows.length) this.#drawn.pop()?.element.remove();
        while (this.#drawn.length < screen.rows.length) {
            const element = el("div");
            this.#live.append(element);
            this.#drawn.push({ element, row: null });
        }
        screen.rows.forEach((row, at) => {
            const drawn = this.#drawn[at];
            if (drawn.row === row) return;
            drawRow(drawn.element, row);
            drawn.row = row;
        });
        this.#drawCursor();
        this.#drawHistory();
        this.#follow();
    }

    #drawCursor() {
        const { row, column, shape, isBlinking, isVisible } = this.#viewer.screen.cursor;
        const cursor = this.#cursor;
        cursor.className = `cursor ${["", "under", "bar"][shape] ?? ""} ${isBlinking ? "blink" : ""}`;
        cursor.hidden = !isVisible;
        cursor.style.setProperty("left", `${column}ch`);
        cursor.style.setProperty("top", `${row * LINE}em`);
        if (!cursor.isConnected) this.#live.prepend(cursor);
    }

    /** Lines above the top, of which only those are elements that are near what is seen. */
    #drawHistory() {
        const { history } = this.#viewer.screen;
        const oldest = history.end - history.lines;
        if (!this.#isStuck && oldest !== this.#oldest) {
            this.element.scrollTop -= (oldest - this.#oldest) * this.#height;
        }
        this.#oldest = oldest;
        this.#history.style.setProperty("height", `${history.lines * LINE}em`);
        const perPage = Math.ceil(this.element.clientHeight / this.#height) || 1;
        const first = oldest + Math.floor(this.element.scrollTop / this.#height);
        const from = Math.max(oldest, first - perPage), to = Math.min(history.end, first + 2 * perPage);
        for (const [number, element] of this.#lines) {
            if (number >= from && number < to) continue;
            element.remove();
            this.#lines.delete(number);
        }
        if (this.#isStuck) return;
        for (let number = from; number < to; number++) this.#drawLine(number);
        // What is seen; the pages around it come along.
        if (first < history.end) this.#viewer.look(Math.max(oldest, first), Math.min(perPage, LOOK_MAX));
    }

    /** @param {number} number */
    #drawLine(number) {
        const row = this.#viewer.line(number);
        let element = this.#lines.get(number);
        if (!row || element) {
            element?.style.setProperty("top", `${(number - this.#oldest) * LINE}em`);
            return;
        }
        element = el("div");
        element.style.setProperty("position", "absolute");
        element.style.setProperty("top", `${(number - this.#oldest) * LINE}em`);
        drawRow(element, row);
        this.#lines.set(number, element);
        this.#history.append(element);
    }

    /** Lines came, or numbers lost their meaning. */
    onLines() {
        this.plan();
    }

    #onScroll() {
        const { scrollTop } = this.element;
        // The page's own placing also scrolls.
        if (Math.abs(scrollTop - this.#placedAt) < 2) return;
        this.#isStuck = scrollTop >= this.#place() - this.#height;
        this.plan();
    }

    /** Where it scrolls to so that the newest line is seen, and the cursor. */
    #place() {
        const { clientHeight, scrollHeight } = this.element;
        const top = this.#viewer.screen.history.lines * this.#height;
        const cursor = top + this.#viewer.screen.cursor.row * this.#height;
        return Math.max(0, Math.min(Math.max(top, scrollHeight - clientHeight), cursor));
    }

    #follow() {
        if (!this.#isStuck) return;
        this.element.scrollTop = this.#place();
        this.#placedAt = this.element.scrollTop;
    }

    /** Goes to the newest line. */
    toNewest() {
        this.#isStuck = true;
        this.plan();
    }

    get isAtNewest() {
        return this.#isStuck;
    }

    /** Chooses the font size again, by the width or as the user wants it. */
    fit() {
        const width = this.element.clientWidth;
        // A screen that is lower than its window stands at the top, and its history above that.
        this.#live.style.setProperty("min-height", `${this.element.clientHeight}px`);
        if (!width || !this.#columns) return;
        const fitting = Math.floor(((width - 2) / this.#columns / this.#ratio()) * 10) / 10;
        this.#size = Math.min(FONT_MAX, Math.max(FONT_MIN, chosenSize ?? Math.min(fitting, 18)));
        this.#rows.style.setProperty("font-size", `${this.#size}px`);
        this.plan();
    }

    /** The width of a column for a font size of 1. */
    #ratio() {
        const probe = el("span", { "aria-hidden": "true" }, "0".repeat(100));
        probe.style.setProperty("position", "absolute");
        this.#rows.style.setProperty("font-size", "100px");
        this.#live.append(probe);
        this.#perSize = probe.getBoundingClientRect().width / 10_000 || 0.6;
        probe.remove();
        return this.#perSize;
    }

    /** @param {number} factor larger or smaller; 0 fits the width */
    zoom(factor) {
        chosenSize = factor === 0 ? null : Math.min(FONT_MAX, Math.max(FONT_MIN, this.#size * factor));
        this.fit();
    }

    /** How many columns and rows of a readable size there is room for. */
    room() {
        return roomIn(this.element.clientWidth, this.element.clientHeight, this.#perSize);
    }

    /**
     * The cell of the screen at a place of the window; null above the screen.
     * @param {number} x
     * @param {number} y
     */
    cellAt(x, y) {
        const { left, top } = this.#live.getBoundingClientRect();
        const column = Math.floor((x - left) / (this.#size * this.#perSize)), row = Math.floor((y - top) / this.#height);
        const { screen } = this.#viewer;
        const isInside = row >= 0 && row < screen.rows.length && column >= 0 && column < screen.columns;
        return isInside ? { column, row } : null;
    }

    stop() {
        cancelAnimationFrame(this.#frame);
        this.resized.disconnect();
    }
}
