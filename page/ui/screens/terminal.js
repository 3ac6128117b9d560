// One shared terminal: its screen, the keys, and a field to type in.

import { button, el, fill, harmless } from "../dom.js";
import { t } from "../texts/texts.js";
import { Compose } from "../terminal/compose.js";
import { KeyBar, listenToKeyboard } from "../terminal/keys.js";
import { listenToMouse } from "../terminal/mouse.js";
import { roomIn, Rows } from "../terminal/rows.js";
import { openLink } from "./open.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {import("../../screen/viewer.js").TerminalViewer} TerminalViewer */

/**
 * @param {App} app
 * @param {import("../app.js").Place} place
 * @returns {Promise<import("../app.js").Shown>}
 */
export async function terminalScreen(app, place) {
    const link = await openLink(app, place);
    const name = String(place.terminal ?? "");
    const viewer = place.isShell ? link.openShell(...shellSize()) : link.openTerminal(name);
    // So that the way back, or a reload, leads to this shell and not to another one.
    const endNaming = viewer.on(() => {
        if (!place.isShell || !viewer.name) return;
        endNaming();
        history.replaceState({ name: "terminal", id: link.id, terminal: viewer.name }, "");
    });
    const screen = new TerminalScreen(app, viewer);
    return {
        element: screen.element,
        title: place.isShell ? t("desk.shell") : t("terminal.title", { name: harmless(name, 64) }),
        link,
        isFixed: true,
        stop: () => screen.stop(),
    };
}

/** The columns and rows of a shell of this phone's own: what can be read here, beside keys and the field. */
/** @returns {[number, number]} */
function shellSize() {
    const { columns, rows } = roomIn(innerWidth, innerHeight - 230, 0.6);
    return [Math.min(200, Math.max(20, columns)), Math.max(8, rows)];
}

class TerminalScreen {
    #app;
    #viewer;
    #rows;
    #bar;
    #compose;
    #note = el("div", { class: "overlay", role: "status", hidden: true });
    #newest = button(t("terminal.latest"), () => this.#rows.toNewest());
    #size = button("", () => this.#toggleSize());
    #end;

    /**
     * @param {App} app
     * @param {TerminalViewer} viewer
     */
    constructor(app, viewer) {
        this.#app = app;
        this.#viewer = viewer;
        const label = t("terminal.screen", { name: harmless(viewer.name, 64) });
        this.#rows = new Rows(viewer, { "aria-label": label });
        this.#bar = new KeyBar(viewer, () => void this.#paste());
        this.#compose = new Compose(viewer, this.#bar);
        listenToKeyboard(this.#rows.element, viewer, () => this.#compose.focus());
        listenToMouse(this.#rows, viewer);
        this.element = el(
            "div",
            { class: "term" },
            this.#tools(),
            this.#rows.element,
            this.#note,
            this.#bar.element,
            this.#compose.element,
        );
        this.#end = viewer.on((event) => this.#onEvent(event));
        this.#showState();
        viewer.focus(true);
    }

    #tools() {
        return el(
            "div",
            { class: "tools", role: "toolbar", "aria-label": t("terminal.title", { name: "" }) },
            button("−", () => this.#rows.zoom(1 / 1.15), { "aria-label": t("terminal.smaller") }),
            button("+", () => this.#rows.zoom(1.15), { "aria-label": t("terminal.larger") }),
            button("↔", () => this.#rows.zoom(0), { "aria-label": t("terminal.fit") }),
            this.#compose.mode,
            this.#size,
            this.#newest,
        );
    }

    /** @param {import("../../screen/viewer.js").ViewerEvent} event */
    #onEvent(event) {
        if (event.type === "screen" || event.type === "lines") this.#rows.plan();
        else if (event.type === "bell") navigator.vibrate?.(60);
        else if (event.type === "notice") this.#app.toast([event.title, event.text].filter(Boolean).join(": "));
        else this.#showState();
    }

    #showState() {
        const { owner, isOver } = this.#viewer;
        const text = this.#stateText();
        if (this.#note.textContent !== text) fill(this.#note, text);
        this.#note.hidden = !text;
        const canType = owner.mayType && !isOver;
        this.#bar.element.hidden = !canType;
        this.#compose.element.hidden = !canType;
        this.#size.hidden = isOver;
        this.#size.textContent = t(owner.owner === "you" ? "terminal.give-size" : "terminal.take-size");
        this.#rows.plan();
    }

    #stateText() {
        const { state, exit, reason, owner, hasScreen } = this.#viewer;
        if (state === "failed") {
            if (reason?.token === "not-found" || reason?.token === "ended") return t("terminal.gone");
            return t("terminal.refused", { words: harmless(reason?.words || reason?.token, 200) });
        }
        if (state === "ended") {
            if (exit && "code" in exit) return t("terminal.ended", { code: exit.code });
            return exit ? t("terminal.signal", { code: exit.signal }) : t("terminal.over");
        }
        if (state !== "open") return t(hasScreen ? "terminal.lost" : "desk.loading");
        return owner.mayType ? "" : t("terminal.view-only");
    }

    #toggleSize() {
        if (this.#viewer.owner.owner === "you") return void this.#viewer.giveBack();
        const { columns, rows } = this.#rows.room();
        this.#viewer.takeSize(columns, rows);
    }

    async #paste() {
        try {
            const text = await navigator.clipboard.readText();
            if (text) this.#viewer.paste(text);
        } catch {
            this.#app.toast(t("terminal.paste-failed"));
            this.#compose.focus();
        }
    }

    stop() {
        this.#end();
        this.#rows.stop();
        this.#viewer.close();
    }
}
