// The phone's camera, for a page that was not opened by it.

import { el } from "../dom.js";
import { t } from "../texts/texts.js";

/** Enough for a code that fills a third of the picture, and quick to search. */
const PICTURE_MAX = 720;

/**
 * What finds the text of a code in a video, or null: the browser's own, or ours where it has none.
 * @returns {Promise<(video: HTMLVideoElement) => Promise<string | null>>}
 */
async function reader() {
    const { BarcodeDetector } = /** @type {any} */ (window);
    const formats = (await BarcodeDetector?.getSupportedFormats().catch(() => [])) ?? [];
    if (formats.includes("qr_code")) {
        const detector = new BarcodeDetector({ formats: ["qr_code"] });
        return async (video) => (await detector.detect(video))[0]?.rawValue ?? null;
    }
    const { scan } = await import("./scan.js");
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d", { willReadFrequently: true });
    return async (video) => {
        const { videoWidth, videoHeight } = video;
        const share = Math.min(1, PICTURE_MAX / Math.max(videoWidth, videoHeight, 1));
        const [width, height] = [videoWidth, videoHeight].map((side) => Math.floor(side * share));
        if (!context || width === 0 || height === 0) return null;
        Object.assign(canvas, { width, height });
        context.drawImage(video, 0, 0, width, height);
        return scan(context.getImageData(0, 0, width, height));
    };
}

/** The phone's camera, which looks for a code twice a second. */
export class Camera {
    /** @type {MediaStream | null} */
    #stream = null;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    #timer;
    #video = el("video", { playsinline: true, muted: true, hidden: true, "aria-label": t("code.scanning") });
    element = this.#video;

    /**
     * @param {(text: string) => void} found
     * @param {(text: string, isBad: boolean) => void} tell
     */
    constructor(found, tell) {
        this.found = found;
        this.tell = tell;
    }

    async start() {
        try {
            const read = await reader();
            this.#stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
            this.#video.srcObject = this.#stream;
            this.#video.hidden = false;
            await this.#video.play();
            this.tell(t("code.scanning"), false);
            this.#timer = setInterval(() => void this.#look(read), 500);
        } catch {
            this.stop();
            this.tell(t("code.no-camera"), true);
        }
    }

    /** @param {(video: HTMLVideoElement) => Promise<string | null>} read */
    async #look(read) {
        const text = await read(this.#video).catch(() => null);
        if (!this.#stream || !text) return;
        this.stop();
        this.found(text);
    }

    stop() {
        clearInterval(this.#timer);
        for (const track of this.#stream?.getTracks() ?? []) track.stop();
        this.#stream = null;
        this.#video.hidden = true;
    }
}
