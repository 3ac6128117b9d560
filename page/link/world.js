// What a link needs of its surroundings, and the browser's. Tests have another one.

import { chooseCrypto, randomBytes } from "../crypto/crypto.js";
import { browserPusher } from "../notices/pusher.js";
import { openStore } from "../store/store.js";

/**
 * What of a `WebSocket` is used.
 * @typedef {object} Socket
 * @property {string} protocol
 * @property {number} bufferedAmount
 * @property {string} binaryType
 * @property {((event: any) => void) | null} onopen
 * @property {((event: { data: any }) => void) | null} onmessage
 * @property {((event: { code: number }) => void) | null} onclose
 * @property {((event: any) => void) | null} onerror
 * @property {(data: any) => void} send
 * @property {(code?: number) => void} close
 */

/**
 * The page's being seen:
 * - `shown`: it came back into sight, from another tab, from the back/forward cache, or out of a freeze;
 * - `hidden`: nobody looks at it; `gone`: it is left, and may come back as it was;
 * - `online`: the device has another network.
 * @typedef {"shown" | "hidden" | "gone" | "online"} Sight
 */

/**
 * @typedef {object} World
 * @property {import("../crypto/crypto.js").Crypto} crypto
 * @property {(length: number) => import("../bytes.js").Bytes} random
 * @property {() => number} now milliseconds that only rise; they may stand still in a sleep
 * @property {() => number} date milliseconds since 1970
 * @property {(ms: number, then: () => void) => () => void} after calls `then` later, unless what it returns
 *     is called
 * @property {(url: string, protocol: string) => Socket} openSocket may throw
 * @property {import("../store/store.js").Store} store
 * @property {(name: string) => Promise<Lock>} lock takes it, also from another tab that has it
 * @property {import("../files/parts.js").Parts | null} parts where received files go; null is the browser's
 *     own place
 * @property {(id: string) => import("../notices/notices.js").Pusher | null} pusher for the pair with this id
 * @property {boolean} isHidden the page at first
 * @property {boolean} losesSockets sockets die in the background without a word, as on iOS
 * @property {(listener: (sight: Sight) => void) => () => void} onSight
 */

/**
 * @typedef {{ onLost: (listener: () => void) => void, release: () => void }} Lock `onLost`: another tab has
 *     taken it
 */

/** @returns {Promise<World>} */
export async function browserWorld() {
    const store = await openStore();
    return {
        crypto: await chooseCrypto(),
        random: randomBytes,
        now: () => performance.now(),
        date: () => Date.now(),
        after: (ms, then) => {
            const timer = setTimeout(then, ms);
            return () => clearTimeout(timer);
        },
        openSocket: (url, protocol) => /** @type {any} */ (new WebSocket(url, protocol)),
        store,
        parts: null,
        pusher: (id) => browserPusher(store, id),
        lock: navigator.locks ? webLock : async () => ({ onLost: () => {}, release: () => {} }),
        isHidden: document.hidden,
        losesSockets: isIos(),
        onSight,
    };
}

/** @param {string} name @returns {Promise<Lock>} */
function webLock(name) {
    return new Promise((resolve) => {
        let release = () => {};
        const held = new Promise((done) => (release = () => done(undefined)));
        let lost = () => {};
        const taken = navigator.locks.request(`relay ${name}`, { steal: true }, () => {
            resolve({ onLost: (listener) => (lost = listener), release });
            return held;
        });
        // Rejected when another tab steals it.
        taken.catch(() => lost());
    });
}

/** @param {(sight: Sight) => void} listener */
function onSight(listener) {
    const ended = new AbortController();
    const { signal } = ended;
    document.addEventListener("visibilitychange", () => listener(document.hidden ? "hidden" : "shown"), { signal });
    document.addEventListener("resume", () => document.hidden || listener("shown"), { signal });
    addEventListener("pageshow", ({ persisted }) => persisted && listener("shown"), { signal });
    addEventListener("pagehide", () => listener("gone"), { signal });
    addEventListener("online", () => listener("online"), { signal });
    return () => ended.abort();
}

// An iPad says that it is a Mac, which has no touch screen.
function isIos() {
    const { userAgent, maxTouchPoints } = navigator;
    return /iP(hone|ad|od)/.test(userAgent) || (/Macintosh/.test(userAgent) && maxTouchPoints > 1);
}
