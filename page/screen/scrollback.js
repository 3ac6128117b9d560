// Lines above the top of the screen, fetched by their numbers: which are here, and what must be asked for.

import { SCROLLBACK_ROWS_MAX } from "./messages.js";

/**
 * @typedef {import("./wire.js").Row} Row
 * @typedef {import("./screen.js").Screen} Screen
 */

/** Lines that are kept; those far from what is seen are dropped. */
const LINES_MAX = 4 * SCROLLBACK_ROWS_MAX;

export class ScrollbackLines {
    /** @type {Map<number, Row>} */
    #lines = new Map();
    #generation = 0;
    // The request that is not answered.
    #asked = 0;
    #requests = 0;

    /** The screen changed. @param {Screen} screen */
    onScreen({ history }) {
        if (history.generation !== this.#generation) {
            this.#generation = history.generation;
            this.#lines.clear();
            this.#asked = 0;
        }
    }

    /** A request was lost with its channel. */
    onReopened() {
        this.#asked = 0;
    }

    /**
     * Lines came. True if they are new to what is kept.
     * @param {import("./messages.js").Scrollback} answer
     * @param {number} seen the line that the user looks at
     */
    onAnswer({ request, generation, first, rows }, seen) {
        if (request !== this.#asked) return false;
        this.#asked = 0;
        if (generation !== this.#generation) return false;
        rows.forEach((row, i) => this.#lines.set(first + i, row));
        if (this.#lines.size > LINES_MAX) {
            const farthest = [...this.#lines.keys()].sort((a, b) => Math.abs(b - seen) - Math.abs(a - seen));
            for (const number of farthest.slice(0, this.#lines.size - LINES_MAX)) this.#lines.delete(number);
        }
        return rows.length > 0;
    }

    /** A line by its number; undefined if it is not here. @param {number} number */
    get(number) {
        return this.#lines.get(number);
    }

    /**
     * What must be fetched for `count` lines from `first` to be seen; one request at a time.
     * @param {number} first
     * @param {number} count
     * @param {Screen} screen
     */
    pollRequest(first, count, { history }) {
        if (this.#asked) return null;
        const oldest = Math.max(0, history.end - history.lines);
        const end = Math.min(history.end, first + count);
        let missing = Math.max(first, oldest);
        while (missing < end && this.#lines.has(missing)) missing += 1;
        if (missing >= end) return null;
        // A page more in the direction in which people go.
        const from = Math.max(oldest, missing - Math.min(count, SCROLLBACK_ROWS_MAX / 2));
        this.#requests = (this.#requests % 0xffff_ffff) + 1;
        this.#asked = this.#requests;
        return { request: this.#asked, first: from, count: Math.min(end - from, SCROLLBACK_ROWS_MAX) };
    }
}
