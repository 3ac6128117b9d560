// Keeps the screen on while a file moves. Browsers take the lock away when the page is hidden.

/** @type {WakeLockSentinel | null} */
let lock = null;
let isWanted = false;

/**
 * Keeps the screen on while files of this link move, whatever screen is shown.
 * @param {import("../link/link.js").Link} link
 */
export function keepAwakeFor(link) {
    link.on((event) => event.type === "files" && keepAwake(link.files.isMoving));
}

/** @param {boolean} moves */
function keepAwake(moves) {
    if (moves === isWanted) return;
    isWanted = moves;
    void apply();
}

async function apply() {
    if (!isWanted) {
        const held = lock;
        lock = null;
        await held?.release().catch(() => {});
        return;
    }
    if (lock || document.visibilityState !== "visible" || !navigator.wakeLock) return;
    try {
        lock = await navigator.wakeLock.request("screen");
        lock.addEventListener("release", () => {
            lock = null;
        });
        if (!isWanted) await apply();
    } catch {
        // A phone that saves its battery refuses. The file moves all the same.
    }
}

document.addEventListener("visibilitychange", () => {
    if (isWanted) void apply();
});
