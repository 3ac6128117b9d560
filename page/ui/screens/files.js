// Files both ways: what moves, what the desk offers, and what came.

import { LostSet } from "../../files/lost.js";
import { button, el, fill, harmless, outside } from "../dom.js";
import { save } from "../save.js";
import { size, t, tOf } from "../texts/texts.js";
import { openLink } from "./open.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {import("../../files/transfers.js").Transfers} Transfers */
/** @typedef {Transfers["sets"][number]} FileSet */
/** @typedef {import("../../files/set.js").Item} Item */

/** Files of a set that are listed at first, and more by each tap. */
const ITEMS_STEP = 100;

/**
 * @param {App} app
 * @param {import("../app.js").Place} place
 * @returns {Promise<import("../app.js").Shown>}
 */
export async function filesScreen(app, place) {
    const link = await openLink(app, place);
    const list = el("ul", { class: "plain cards" });
    const note = el("p", { class: "soft" });
    /** @type {WeakMap<FileSet, SetCard>} */
    const cards = new WeakMap();
    const show = () => {
        const { files, desk } = link;
        const shown = [...files.sets].reverse().map((set) => {
            const card = cards.get(set) ?? new SetCard(app, files, set);
            cards.set(set, card);
            card.show();
            return card.element;
        });
        const isSame = shown.length === list.children.length && shown.every((card, at) => card === list.children[at]);
        if (!isSame) fill(list, ...shown);
        const mayNot = desk && !desk.rights.includes("files");
        note.textContent = mayNot
            ? t("files.no-right")
            : files.sets.length === 0
              ? t("files.none")
              : files.isLasting === false
                ? t("files.starts-over")
                : "";
    };
    const pick = el("input", { type: "file", multiple: true, id: "pick", class: "sr" });
    pick.addEventListener("change", () => {
        if (!link.files.send([...(pick.files ?? [])])) app.toast(t("files.too-many"));
        pick.value = "";
    });
    show();
    const element = el(
        "div",
        { class: "sheet" },
        el("div", { class: "row-of" }, pick, el("label", { for: "pick", class: "button" }, t("files.choose"))),
        note,
        list,
    );
    const stop = link.on((event) => (event.type === "files" || event.type === "desk") && show());
    return { element, title: t("files.title"), link, stop };
}

/** One set of files. What changes often is changed in place, so that the focus stays. */
class SetCard {
    #app;
    #files;
    #set;
    #shown = "";
    #most = ITEMS_STEP;
    /** @type {{ item: Item, bar: HTMLProgressElement, text: HTMLElement }[]} */
    #bars = [];
    element = el("li", { class: "card" });

    /**
     * @param {App} app
     * @param {Transfers} files
     * @param {FileSet} set
     */
    constructor(app, files, set) {
        this.#app = app;
        this.#files = files;
        this.#set = set;
    }

    show() {
        const { state, items } = this.#set;
        const form = [state, "room" in this.#set && this.#set.room, items.length > this.#most, ...items.slice(0, this.#most).map((item) => item.state + item.keptAs + Boolean(item.blob))].join();
        if (form !== this.#shown) {
            this.#shown = form;
            this.#build();
        }
        for (const { item, bar, text } of this.#bars) {
            bar.max = Math.max(1, item.size);
            bar.value = item.size === 0 && item.state === "done" ? 1 : item.moved;
            text.textContent = t("files.progress", { done: size(item.moved), size: size(item.size) });
        }
    }

    #build() {
        const set = this.#set;
        const words = harmless(set.reason?.words || set.reason?.token, 200);
        const state = set instanceof LostSet ? "reloaded" : set.state;
        this.#bars = [];
        fill(
            this.element,
            el("div", { class: "name" }, outside(set.name, 128)),
            el(
                "div",
                { class: "soft" },
                t(set.isMine ? "files.sent" : "files.received"),
                ", ",
                size(set.bytes),
                ", ",
                tOf(`files.set.${state}`, "files.set.waiting", { words }),
            ),
            el("ul", { class: "plain" }, ...set.items.slice(0, this.#most).map((item) => this.#item(item))),
            set.items.length > this.#most && button(t("files.more"), () => this.#showMore()),
            this.#room(),
            this.#buttons(),
        );
    }

    /** What fits is said before anything moves. */
    #room() {
        const set = this.#set;
        if (!("room" in set) || set.room === null || set.state !== "asked") return null;
        const fits = set.bytes <= set.room;
        return el("div", { class: fits ? "soft" : "bad" }, t(fits ? "files.room" : "files.no-room", { size: size(set.room) }));
    }

    #showMore() {
        this.#most += ITEMS_STEP;
        this.show();
    }

    #buttons() {
        const set = this.#set;
        const accept = "accept" in set && set.state === "asked" ? set : null;
        return el(
            "div",
            { class: "row-of" },
            accept && button(t("files.accept"), () => void accept.accept(), { class: "main" }),
            !set.isOver && button(t("cancel"), () => set.cancel()),
            set.isOver && button(t("notice.dismiss"), () => void this.#files.dismiss(set)),
        );
    }

    /** @param {Item} item */
    #item(item) {
        const name = harmless(item.name, 128);
        const bar = el("progress", { "aria-label": name });
        const text = el("span", { class: "soft" });
        this.#bars.push({ item, bar, text });
        const words = harmless(item.reason?.words || item.reason?.token, 200);
        const { blob } = item;
        return el(
            "li",
            {},
            el("div", {}, outside(item.keptAs || item.name, 128)),
            bar,
            text,
            item.state === "failed" && el("div", { class: "bad" }, t("files.state.failed", { words })),
            item.state === "done" && el("div", { class: "good" }, t("files.state.done")),
            blob && button(t("files.export"), () => void this.#save(blob, name)),
        );
    }

    /** @param {Blob} blob @param {string} name */
    async #save(blob, name) {
        try {
            await save(blob, name);
        } catch (error) {
            this.#app.toast(t("files.state.failed", { words: harmless(error instanceof Error ? error.message : error, 200) }));
        }
    }
}
