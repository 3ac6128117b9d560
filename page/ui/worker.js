// The service worker: registered from the one address that it has.

/** The only text that this page turns into an address of code. */
const WORKER = "/p/sw.js";

/** @returns {string} */
function trustedAddress() {
    const { trustedTypes } = window;
    if (!trustedTypes) return WORKER;
    const policy = trustedTypes.createPolicy("relay", {
        createScriptURL: (/** @type {string} */ address) => {
            if (address !== WORKER) throw new TypeError(`${address} is no code of this page`);
            return address;
        },
    });
    return /** @type {string} */ (/** @type {unknown} */ (policy.createScriptURL(WORKER)));
}

/** Starts it where there are service workers. Without one the page works, but neither offline nor with notices. */
export async function startWorker() {
    if (!navigator.serviceWorker) return;
    try {
        await navigator.serviceWorker.register(trustedAddress(), { scope: "/p", updateViaCache: "none" });
    } catch (error) {
        console.info("no service worker:", error);
    }
}
