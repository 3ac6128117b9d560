// Notices of every running link, shown in the page while somebody looks at it.

import { t } from "./texts/texts.js";
import { keepAwakeFor } from "./wake_lock.js";

/** @typedef {import("./app.js").App} App */
/** @typedef {import("../link/link.js").Link} Link */

/** @type {WeakSet<Link>} */
const watched = new WeakSet();

/**
 * Shows the notices of a link from now on.
 * @param {App} app
 * @param {Link} link
 */
export function watchLink(app, link) {
    if (watched.has(link)) return;
    watched.add(link);
    keepAwakeFor(link);
    link.on((event) => {
        // Behind the screen of the clipboard, if that is open.
        if (event.type === "clipboard") setTimeout(() => tellOfClip(app, link), 100);
        if (event.type !== "notice") return;
        const { notice } = event;
        const target = notice.target;
        const place =
            target?.kind === "terminal"
                ? /** @type {const} */ ({ name: "terminal", id: link.id, terminal: target.name })
                : target?.kind === "chat"
                  ? /** @type {const} */ ({ name: "chat", id: link.id })
                  : null;
        const action = place ? { text: t("notice.open"), act: () => void app.go(place) } : undefined;
        app.toast([notice.title, notice.text].filter(Boolean).join(": "), action, () => link.notices.confirm(notice.id));
    });
    link.notices.watch();
}

/** @param {App} app @param {Link} link */
function tellOfClip(app, link) {
    if (!link.clipboard.clips.some(({ state }) => state === "new")) return;
    app.toast(t("clip.came"), { text: t("notice.open"), act: () => void app.go({ name: "clipboard", id: link.id }) });
}

/**
 * Goes where a tap on a notice of the system leads, while the page is open.
 */
export function watchNotices() {
    navigator.serviceWorker?.addEventListener("message", ({ data }) => {
        if (typeof data?.fragment === "string") location.hash = data.fragment;
    });
}
