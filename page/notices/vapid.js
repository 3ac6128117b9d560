// The key with which the desks sign for this page at the browser's push service (VAPID, RFC 8292). The phone
// makes it and gives it to each of its desks, because a browser has one subscription with one key.

import { fromBase64url, toBase64url } from "../bytes.js";

/** @typedef {{ public: string, private: string }} VapidKey in base64url: a point of P-256, and its scalar */

const NAME = "vapid";
const P256 = { name: "ECDSA", namedCurve: "P-256" };

/**
 * The page's key, made if there is none.
 * @param {import("../store/store.js").Store} store
 * @returns {Promise<VapidKey>}
 */
export async function vapidKey(store) {
    const kept = /** @type {VapidKey | undefined} */ (await store.get(NAME));
    if (kept) return kept;
    const pair = await crypto.subtle.generateKey(P256, true, ["sign"]);
    const point = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    const { d } = await crypto.subtle.exportKey("jwk", pair.privateKey);
    const made = { public: toBase64url(point), private: String(d) };
    await store.put(NAME, made);
    return made;
}

/** Forgets it: a desk that was forgotten has it. @param {import("../store/store.js").Store} store */
export async function forgetVapidKey(store) {
    await store.put(NAME, undefined);
}

/**
 * The browser's subscription under the page's key; null if the user has not allowed it.
 * @param {PushManager} push
 * @param {VapidKey} key
 * @param {boolean} mayAsk after a tap only
 */
export async function subscription(push, key, mayAsk) {
    const own = fromBase64url(key.public);
    const there = await push.getSubscription();
    const theirs = there?.options.applicationServerKey;
    if (there && theirs && toBase64url(new Uint8Array(theirs)) === key.public) return there;
    if (!mayAsk && !there) return null;
    // Of another key: it is of no use to the desks.
    await there?.unsubscribe();
    return push.subscribe({ userVisibleOnly: true, applicationServerKey: own });
}
