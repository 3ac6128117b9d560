// The page's surroundings in node, as page/link/world.js has the browser's: a WebSocket over websocket.mjs,
// and a sight that a test changes.

import { randomBytes } from "node:crypto";
import { chooseCrypto } from "../../page/crypto/crypto.js";
import { stillWorld } from "../../page/tests/still_world.js";
import { WebSocket } from "./websocket.mjs";

/** The part of a browser's `WebSocket` that the page uses. */
class PageSocket {
    protocol = "";
    bufferedAmount = 0;
    binaryType = "";
    onopen = null;
    onmessage = null;
    onclose = null;
    onerror = null;
    #socket = null;
    #isClosed = false;

    constructor(url, protocol) {
        this.#connect(url, protocol);
    }

    send(data) {
        if (typeof data === "string") this.#socket?.sendText(data);
        else this.#socket?.sendBinary(data);
    }

    close(code) {
        this.#isClosed = true;
        this.#socket?.close(code);
    }

    /** As a line that is cut. */
    cut() {
        this.#socket?.cut();
    }

    async #connect(url, protocol) {
        try {
            this.#socket = await WebSocket.connect(url, protocol, {
                text: (text) => this.onmessage?.({ data: text }),
                binary: (bytes) => this.onmessage?.({ data: bytes.buffer }),
                end: ({ code }) => this.onclose?.({ code: code ?? 1006 }),
            });
        } catch {
            return this.onclose?.({ code: 1006 });
        }
        if (this.#isClosed) return this.#socket.close();
        this.protocol = protocol;
        this.onopen?.({});
    }
}

/** A world; `changes` replaces parts of it. `world.see(sight)` changes its sight, `world.socket` is the newest one. */
export async function pageWorld(changes = {}) {
    const world = {
        ...stillWorld(),
        crypto: await chooseCrypto(),
        random: (length) => new Uint8Array(randomBytes(length)),
        now: () => performance.now(),
        date: () => Date.now(),
        after: (ms, then) => {
            const timer = setTimeout(then, ms);
            return () => clearTimeout(timer);
        },
        openSocket: (url, protocol) => (world.socket = new PageSocket(url, protocol)),
        socket: null,
        ...changes,
    };
    return world;
}

/** Waits until `found()` gives something true, looking again after each event of `emitters`. */
export function until(what, found, ...emitters) {
    return new Promise((resolve, reject) => {
        const stops = [];
        const guard = setTimeout(() => finish(reject, new Error(`waited too long for ${what}`)), GUARD_MS);
        const finish = (settle, value) => {
            clearTimeout(guard);
            stops.forEach((stop) => stop());
            settle(value);
        };
        const look = () => {
            const value = found();
            if (value) finish(resolve, value);
        };
        stops.push(...emitters.map((emitter) => emitter.on(look)));
        look();
    });
}

// Longer than anything takes on a loaded machine: only a hang reaches it.
const GUARD_MS = 60_000;
