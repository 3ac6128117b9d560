// This phone at one desk: its name, notices, and forgetting the desk.

import { button, el, fill, harmless, outside } from "../dom.js";
import { date, t } from "../texts/texts.js";
import { openLink } from "./open.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {import("../../link/link.js").Link} Link */

/**
 * @param {App} app
 * @param {import("../app.js").Place} place
 * @returns {Promise<import("../app.js").Shown>}
 */
export async function deviceScreen(app, place) {
    const link = await openLink(app, place);
    const pair = app.phone.pairs.find(({ id }) => id === link.id);
    const element = el(
        "div",
        { class: "sheet" },
        nameForm(app, link, pair?.phone ?? ""),
        notices(link),
        el("h2", {}, t("device.forget")),
        forgetting(app, link, pair),
        el("p", { class: "soft" }, pair && t("home.paired", { date: date(pair.pairedAt), relay: pair.relay })),
        el("p", { class: "soft" }, t("device.keys")),
        el("p", { class: "soft" }, t("banner.served")),
    );
    return { element, title: t("device.title"), link };
}

/** @param {App} app @param {Link} link @param {string} before */
function nameForm(app, link, before) {
    const name = el("input", { id: "name", maxlength: 40, autocomplete: "off", value: before });
    const save = async (/** @type {Event} */ event) => {
        event.preventDefault();
        if (!name.value.trim()) return;
        await app.phone.rename(link.id, name.value.trim());
        app.toast(t("device.saved"));
    };
    return el(
        "form",
        { onsubmit: save },
        el("label", { for: "name" }, t("device.name")),
        name,
        el("div", { class: "row-of" }, el("button", { type: "submit" }, t("device.save"))),
    );
}

/** Notices are asked for by a tap only. @param {Link} link */
function notices(link) {
    const box = el("div");
    const show = async (/** @type {string} */ failed = "") => {
        const heading = el("h2", {}, t("device.notices"));
        if (!("Notification" in window) || !("PushManager" in window) || !isSecureContext) {
            const isApple = /iPhone|iPad/.test(navigator.userAgent);
            return fill(box, heading, el("p", { class: "soft" }, t(isApple ? "device.notices.install" : "device.notices.none")));
        }
        if (Notification.permission === "denied") {
            return fill(box, heading, el("p", { class: "bad" }, t("device.notices.denied")));
        }
        const isOn = await link.notices.isPushOn();
        fill(
            box,
            heading,
            failed && el("p", { class: "bad", role: "alert" }, failed),
            button(t(isOn ? "device.notices.off" : "device.notices.on"), () => void change(isOn), { "aria-pressed": String(isOn) }),
        );
    };
    const change = async (/** @type {boolean} */ isOn) => {
        try {
            await (isOn ? link.notices.unsubscribe() : link.notices.subscribe());
            await show();
        } catch (error) {
            const words = harmless(error instanceof Error ? error.message : error, 200);
            await show(t("device.notices.failed", { words }));
        }
    };
    void show();
    return box;
}

/**
 * @param {App} app
 * @param {Link} link
 * @param {import("../../link/phone.js").PairInfo | undefined} pair
 */
function forgetting(app, link, pair) {
    const box = el("div");
    const forget = async () => {
        link.close();
        await app.phone.forget(link.id);
        void app.replace(app.phone.pairs.length ? { name: "home" } : { name: "code" });
    };
    const ask = () => {
        const desk = harmless(pair?.desk || t("desk.unnamed"), 64), phone = harmless(pair?.phone, 64);
        fill(
            box,
            el("p", {}, outside(t("device.forget.sure", { desk, phone }), 400)),
            el(
                "div",
                { class: "row-of" },
                button(t("device.forget.yes"), () => void forget(), { class: "main" }),
                button(t("cancel"), begin),
            ),
        );
    };
    const begin = () => fill(box, button(t("device.forget"), ask));
    begin();
    return box;
}
