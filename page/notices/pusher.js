// The browser's push for this page and one desk: asked for by a tap only, and renewed without one.

import { toBase64url } from "../bytes.js";
import { forgetVapidKey, subscription, vapidKey } from "./vapid.js";

/** @typedef {import("../store/store.js").Store} Store */

/**
 * Null where the browser has no push for this page: in an insecure context, in another app's window, and on
 * iOS
 * outside the home screen.
 * @param {Store} store
 * @param {string} id the pair's
 * @returns {import("./notices.js").Pusher | null}
 */
export function browserPusher(store, id) {
    if (!("PushManager" in globalThis) || !("Notification" in globalThis) || !navigator.serviceWorker) return null;
    const flag = `push ${id}`;
    const end = async () => {
        const registration = await navigator.serviceWorker.getRegistration("/p");
        await (await registration?.pushManager.getSubscription())?.unsubscribe();
    };
    return {
        isOn: async () => Notification.permission === "granted" && Boolean(await store.get(flag)),
        async subscribe(mayAsk) {
            // First of all, as browsers allow the question only directly after a tap.
            const permission = mayAsk ? await Notification.requestPermission() : Notification.permission;
            if (permission !== "granted" || (!mayAsk && !(await store.get(flag)))) return null;
            const registration = await navigator.serviceWorker.getRegistration("/p");
            if (!registration) return null;
            const key = await vapidKey(store);
            const made = await subscription(registration.pushManager, key, mayAsk || Boolean(await store.get(flag)));
            if (!made) return null;
            await store.put(flag, true);
            const bytes = (/** @type {PushEncryptionKeyName} */ name) =>
                toBase64url(new Uint8Array(made.getKey(name) ?? new ArrayBuffer(0)));
            const page = `${location.origin}/p#desk=${id}`;
            return { endpoint: made.endpoint, p256dh: bytes("p256dh"), auth: bytes("auth"), ...key, page };
        },
        async unsubscribe() {
            await store.put(flag, undefined);
            if ((await store.list("push ")).length === 0) await end();
        },
        async forget() {
            if (!(await store.get(flag))) return false;
            await store.put(flag, undefined);
            await forgetVapidKey(store);
            await end();
            return true;
        },
        async shown() {
            const registration = await navigator.serviceWorker.getRegistration("/p");
            return ((await registration?.getNotifications?.()) ?? []).map(({ tag }) => tag);
        },
    };
}
