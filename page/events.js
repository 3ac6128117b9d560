// Listeners of one object.

/**
 * Tells its listeners what happened. A listener that fails is reported and stops no other one.
 * @template E
 */
export class Emitter {
    /** @type {Set<(event: E) => void>} */
    #listeners = new Set();

    /**
     * Calls `listener` with every event from now on. Call what this returns to stop it.
     * @param {(event: E) => void} listener
     * @returns {() => void}
     */
    on(listener) {
        this.#listeners.add(listener);
        return () => {
            this.#listeners.delete(listener);
        };
    }

    /** @param {E} event */
    emit(event) {
        for (const listener of [...this.#listeners]) {
            try {
                listener(event);
            } catch (error) {
                console.error(error);
            }
        }
    }
}
