// Typing on a phone. Its keyboard changes words that are there already, so text is written in a field and
// sent whole; or, where a program wants each key, typed directly.

import { button, el } from "../dom.js";
import { t } from "../texts/texts.js";

/** @typedef {import("../../screen/viewer.js").TerminalViewer} TerminalViewer */
/** @typedef {import("./keys.js").KeyBar} KeyBar */

const PLAIN = { autocomplete: "off", autocapitalize: "off", autocorrect: "off", spellcheck: "false" };

/** A field whose text goes out whole. */
export class Compose {
    #viewer;
    #bar;
    #field = el("textarea", { rows: 1, "aria-label": t("terminal.compose"), enterkeyhint: "send", ...PLAIN });
    #raw = el("input", { type: "password", class: "raw", "aria-label": t("terminal.raw.field"), hidden: true, ...PLAIN });
    #mode = button(t("terminal.raw"), () => this.#toggle(), { "aria-pressed": "false" });

    /**
     * @param {TerminalViewer} viewer
     * @param {KeyBar} bar
     */
    constructor(viewer, bar) {
        this.#viewer = viewer;
        this.#bar = bar;
        this.#field.addEventListener("keydown", (event) => this.#onKey(event));
        this.#field.addEventListener("beforeinput", (event) => this.#onSticky(event));
        this.#field.addEventListener("input", () => this.#grow());
        this.#listenRaw();
        this.element = el(
            "div",
            { class: "compose" },
            this.#field,
            this.#raw,
            button(t("terminal.send-no-enter"), () => this.send(false)),
            button(t("terminal.send"), () => this.send(true), { class: "main" }),
        );
        this.mode = this.#mode;
    }

    focus() {
        (this.#raw.hidden ? this.#field : this.#raw).focus();
    }

    /**
     * Sends the text. One line is typed, as a person would; several are pasted, so that the program does not act
     * on the first before the last is there.
     * @param {boolean} withEnter
     */
    send(withEnter) {
        const text = this.#field.value;
        const isTaken = text === "" || (text.includes("\n") ? this.#viewer.paste(text) : this.#viewer.type(text));
        if (!isTaken) return;
        if (withEnter) this.#viewer.key("Enter");
        this.#field.value = "";
        this.#grow();
        this.focus();
    }

    /** @param {KeyboardEvent} event */
    #onKey(event) {
        if (event.key !== "Enter" || event.isComposing || event.shiftKey) return;
        event.preventDefault();
        this.send(true);
    }

    /** A key after Ctrl or Alt of the bar is not text. @param {InputEvent} event */
    #onSticky(event) {
        if (!this.#bar.hasSticky || event.inputType !== "insertText" || event.isComposing) return;
        if (!event.data || [...event.data].length !== 1) return;
        event.preventDefault();
        this.#bar.press(event.data);
    }

    #grow() {
        this.#field.rows = Math.min(5, this.#field.value.split("\n").length);
    }

    #toggle() {
        const isRaw = this.#raw.hidden;
        this.#raw.hidden = !isRaw;
        this.#field.hidden = isRaw;
        for (const other of this.element.querySelectorAll("button")) other.hidden = isRaw;
        this.element.hidden = false;
        this.#mode.setAttribute("aria-pressed", String(isRaw));
        this.focus();
    }

    /** The field is always empty but for one character, which a keyboard may delete. */
    #listenRaw() {
        const raw = this.#raw;
        const reset = () => (raw.value = SENTINEL);
        raw.addEventListener("focus", reset);
        raw.addEventListener("beforeinput", (event) => {
            if (event.inputType === "insertCompositionText") return;
            event.preventDefault();
            this.#onInput(event);
        });
        raw.addEventListener("compositionend", (event) => {
            if (event.data) this.#type(event.data);
            reset();
        });
        raw.addEventListener("keydown", (event) => {
            const isNamed = event.key.length > 1 && !["Unidentified", "Process", "Dead", "Backspace", "Enter"].includes(event.key);
            if (!event.isComposing && isNamed && this.#viewer.key(event.key)) event.preventDefault();
        });
    }

    /** @param {InputEvent} event */
    #onInput({ inputType, data, dataTransfer }) {
        if (inputType.startsWith("delete")) this.#viewer.key("Backspace");
        else if (inputType === "insertLineBreak" || inputType === "insertParagraph") this.#viewer.key("Enter");
        else if (inputType === "insertFromPaste") this.#viewer.paste(dataTransfer?.getData("text/plain") ?? data ?? "");
        else if (data) this.#type(data);
    }

    /** @param {string} text */
    #type(text) {
        if (this.#bar.hasSticky && [...text].length === 1) this.#bar.press(text);
        else this.#viewer.type(text);
    }
}

const SENTINEL = "\u200b";
