// Keys: the bar above the phone's keyboard, and keyboards of their own.

import { ALT, CTRL, META, SHIFT } from "../../screen/messages.js";
import { button, el } from "../dom.js";
import { t } from "../texts/texts.js";

/** @typedef {import("../../screen/viewer.js").TerminalViewer} TerminalViewer */

const BAR = /** @type {const} */ ([
    ["key.escape", "Escape", "Esc"],
    ["key.tab", "Tab", "Tab"],
    ["key.left", "ArrowLeft", "←"],
    ["key.up", "ArrowUp", "↑"],
    ["key.down", "ArrowDown", "↓"],
    ["key.right", "ArrowRight", "→"],
    ["key.enter", "Enter", "⏎"],
]);

/** The bar. Ctrl and Alt stay pressed until the next key. */
export class KeyBar {
    #viewer;
    #ctrl;
    #alt;

    /**
     * @param {TerminalViewer} viewer
     * @param {() => void} paste
     */
    constructor(viewer, paste) {
        this.#viewer = viewer;
        this.#ctrl = this.#sticky("key.ctrl");
        this.#alt = this.#sticky("key.alt");
        const keys = BAR.map(([name, key, sign]) => button(sign, () => this.press(key), { "aria-label": t(name) }));
        keys.splice(2, 0, this.#ctrl, this.#alt);
        keys.push(button(t("terminal.paste"), paste));
        // A button must not take the focus, or the phone's keyboard goes away.
        const keep = (/** @type {Event} */ event) => event.preventDefault();
        this.element = el("div", { class: "keys", role: "toolbar", "aria-label": t("terminal.keys"), onmousedown: keep }, ...keys);
    }

    /** @param {"key.ctrl" | "key.alt"} name */
    #sticky(name) {
        const sticky = button(t(name), () => {
            sticky.setAttribute("aria-pressed", String(sticky.getAttribute("aria-pressed") !== "true"));
        }, { "aria-pressed": "false" });
        return sticky;
    }

    /** True if Ctrl or Alt waits for a key. */
    get hasSticky() {
        return [this.#ctrl, this.#alt].some((key) => key.getAttribute("aria-pressed") === "true");
    }

    /**
     * Sends a key with what is pressed in the bar, and releases that.
     * @param {string} key
     */
    press(key) {
        const bit = (/** @type {HTMLElement} */ of, /** @type {number} */ value) => {
            const isPressed = of.getAttribute("aria-pressed") === "true";
            of.setAttribute("aria-pressed", "false");
            return isPressed ? value : 0;
        };
        this.#viewer.key(key, bit(this.#ctrl, CTRL) | bit(this.#alt, ALT));
    }
}

/**
 * Sends what a keyboard of its own says while the screen has the focus.
 * @param {HTMLElement} screen
 * @param {TerminalViewer} viewer
 * @param {() => void} leave where the focus goes with Ctrl+F6
 */
export function listenToKeyboard(screen, viewer, leave) {
    screen.addEventListener("keydown", (event) => {
        if (event.isComposing || event.key === "Unidentified" || event.key === "Dead") return;
        if (event.key === "F6" && event.ctrlKey) return leave();
        const isAltGraph = event.getModifierState("AltGraph");
        const isCharacter = [...event.key].length === 1;
        // Copying and pasting stay the browser's.
        const letter = event.key.toLowerCase();
        const copies = letter === "c" && (event.shiftKey || !getSelection()?.isCollapsed);
        if ((event.ctrlKey || event.metaKey) && (copies || (letter === "v" && (event.shiftKey || event.metaKey)))) return;
        if (event.metaKey) return;
        const isTyped = isCharacter && (isAltGraph || (!event.ctrlKey && !event.altKey));
        const modifiers =
            (event.shiftKey && !isCharacter ? SHIFT : 0) |
            (event.altKey && !isAltGraph ? ALT : 0) |
            (event.ctrlKey && !isAltGraph ? CTRL : 0) |
            (event.metaKey ? META : 0);
        if (isTyped ? viewer.type(event.key) : viewer.key(event.key, modifiers)) event.preventDefault();
    });
    screen.addEventListener("paste", (event) => {
        const text = event.clipboardData?.getData("text/plain");
        if (text) viewer.paste(text);
        event.preventDefault();
    });
}
