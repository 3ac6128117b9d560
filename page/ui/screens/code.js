// How a code gets here that no camera opened: pasted, or scanned by the page itself.

import { button, el } from "../dom.js";
import { t } from "../texts/texts.js";

/** @typedef {import("../app.js").App} App */

/** @param {App} app @returns {import("../app.js").Shown} */
export function codeScreen(app) {
    const field = el("textarea", {
        id: "code",
        rows: 3,
        autocomplete: "off",
        autocapitalize: "off",
        autocorrect: "off",
        spellcheck: "false",
    });
    const note = el("p", { class: "bad", role: "alert" });
    const take = (/** @type {string} */ text) => text.trim() && void app.go({ name: "pair", text: text.trim() });
    const camera = new Camera(take, (text) => (note.textContent = text));
    const element = el(
        "div",
        { class: "sheet" },
        el("p", {}, t("code.intro")),
        "BarcodeDetector" in window && isSecureContext
            ? el("div", { class: "row-of" }, button(t("code.scan"), () => void camera.start()))
            : null,
        camera.element,
        el("form", { onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), take(field.value)) },
            el("label", { for: "code" }, t("code.paste")),
            field,
            el("div", { class: "row-of" }, el("button", { type: "submit", class: "main" }, t("code.go"))),
        ),
        note,
        el("p", { class: "soft" }, t("banner.served")),
    );
    return { element, title: t("code.title"), stop: () => camera.stop() };
}

/** The phone's camera, which looks for a code twice a second. */
class Camera {
    /** @type {MediaStream | null} */
    #stream = null;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    #timer;
    #video = el("video", { playsinline: true, muted: true, hidden: true, "aria-label": t("code.scanning") });
    element = this.#video;

    /**
     * @param {(text: string) => void} found
     * @param {(text: string) => void} tell
     */
    constructor(found, tell) {
        this.found = found;
        this.tell = tell;
    }

    async start() {
        try {
            const detector = new /** @type {any} */ (window).BarcodeDetector({ formats: ["qr_code"] });
            this.#stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
            this.#video.srcObject = this.#stream;
            this.#video.hidden = false;
            await this.#video.play();
            this.tell(t("code.scanning"));
            this.#timer = setInterval(() => void this.#look(detector), 500);
        } catch {
            this.stop();
            this.tell(t("code.no-camera"));
        }
    }

    /** @param {any} detector */
    async #look(detector) {
        const codes = await detector.detect(this.#video).catch(() => []);
        if (!this.#stream || !codes[0]?.rawValue) return;
        this.stop();
        this.found(codes[0].rawValue);
    }

    stop() {
        clearInterval(this.#timer);
        for (const track of this.#stream?.getTracks() ?? []) track.stop();
        this.#stream = null;
        this.#video.hidden = true;
    }
}
