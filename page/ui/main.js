// The first module: takes what the address said, opens what is kept, and shows the first screen.

import { Phone, browserWorld } from "../link/link.js";
import { App, faultOf } from "./app.js";
import { fill } from "./dom.js";
import { watchNotices } from "./notices.js";
import { chooseLanguage } from "./texts/texts.js";
import { startWorker } from "./worker.js";

/** @typedef {import("./app.js").Place} Place */

/**
 * The screen that a fragment of the address means: a code, or what a notice leads to.
 * @param {string} fragment
 * @returns {Place | null}
 */
export function placeOf(fragment) {
    if (/^#[1-9]/.test(fragment)) return { name: "pair", text: `${location.origin}/p${fragment}` };
    const said = new URLSearchParams(fragment.slice(1));
    if (!said.has("notice")) return null;
    const id = said.get("desk") ?? undefined, terminal = said.get("terminal") ?? undefined;
    if (terminal) return { name: "terminal", id, terminal };
    return { name: said.has("chat") ? "chat" : "desk", id };
}

/** @param {App} app */
function followAddress(app) {
    addEventListener("hashchange", () => {
        const { hash } = location;
        if (!hash) return;
        history.replaceState(history.state, "", location.pathname);
        const place = placeOf(hash);
        if (place) void app.go(place);
    });
}

/**
 * The screen to begin with.
 * @param {Phone} phone
 * @param {string} fragment
 * @returns {Place}
 */
function firstPlace(phone, fragment) {
    const place = placeOf(fragment);
    const begun = phone.pairs.find(({ unconfirmed }) => unconfirmed !== null);
    if (begun && place?.name !== "pair") return { name: "pair", id: begun.id };
    const only = phone.pairs.length === 1 ? phone.pairs[0].id : undefined;
    if (place?.name === "pair") return place;
    if (place && (place.id || only)) return { id: only, ...place };
    return phone.pairs.length === 0 ? { name: "code" } : { name: "home" };
}

async function start() {
    const fragment = window.takeFragment?.() ?? "";
    const root = /** @type {HTMLElement} */ (document.getElementById("app"));
    await chooseLanguage();
    try {
        const phone = await Phone.open(await browserWorld());
        const app = new App(root, phone);
        const first = firstPlace(phone, fragment);
        await app.replace({ name: "home" });
        if (first.name !== "home") await app.go(first);
        else if (phone.pairs.length === 1) await app.go({ name: "desk", id: phone.pairs[0].id });
        followAddress(app);
        watchNotices();
        sessionStorage.removeItem("reloads");
    } catch (error) {
        fill(root, faultOf(error));
    }
    void startWorker();
}

void start();
