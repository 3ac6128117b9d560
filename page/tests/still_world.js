// What the worlds of tests have in common: nothing is kept longer than the world, no other tab has a pair,
// and a test says when the page is seen.

import { memoryParts } from "../files/parts.js";
import { memoryStore } from "../store/store.js";

/** Everything of a world but its clock, its sockets, its cryptography and its random source. */
export function stillWorld() {
    const listeners = new Set();
    return {
        store: memoryStore(),
        parts: memoryParts(),
        pusher: () => null,
        lock: async () => ({ onLost: () => {}, release: () => {} }),
        isHidden: false,
        losesSockets: false,
        onSight: (listener) => {
            listeners.add(listener);
            return () => listeners.delete(listener);
        },
        /** The page is hidden, shown, left, or has another network. */
        see: (sight) => [...listeners].forEach((listener) => listener(sight)),
    };
}
