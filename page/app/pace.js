// How much of a bulk channel is under way: enough to keep the line busy, and little enough that what is typed
// does not wait long behind it. See "Order" in docs/app.md. Times are milliseconds.

import { CREDIT_MAX, PAYLOAD_BYTES_MAX } from "./kinds.js";

/** With less waiting than this in front of the line, more is sent; with more than the second, less. */
const WAIT_LOW = 40;
const WAIT_HIGH = 80;
/** The shortest time is measured again after this. */
const SHORTEST_FOR = 10_000;
const LIMIT_START = 16 << 10;
const LIMIT_MIN = 8 << 10;
const MESSAGE_MIN = 2 << 10;

/** The pace of one bulk channel. */
export class Pace {
    // When each message was sent, and its cost; the oldest first.
    /** @type {{ at: number, cost: number }[]} */
    #underWay = [];
    // The sum of their costs.
    #cost = 0;
    #limit = LIMIT_START;
    // The limit held something back since it was last changed.
    #isTight = false;
    // The limit has been too high once: from then on it grows slowly.
    #hasMet = false;
    /** @type {{ took: number, at: number } | null} */
    #shortest = null;
    // One message goes alone.
    #isMeasuring = false;
    // The limit is not lowered before: what was sent under the old one is still under way.
    #loweredUntil = 0;

    /** A message of this cost waits. Gives whether it goes now. @param {number} cost @param {number} now */
    admit(cost, now) {
        if (this.#shortest && now - this.#shortest.at >= SHORTEST_FOR) this.#isMeasuring = true;
        const fits = this.#cost + cost <= this.#limit && !this.#isMeasuring;
        if (!fits && this.#underWay.length > 0) {
            if (!this.#isMeasuring) this.#isTight = true;
            return false;
        }
        this.#underWay.push({ at: now, cost });
        this.#cost += cost;
        return true;
    }

    /**
     * The other app is done with messages of this cost together.
     * @param {number} returned
     * @param {number} now
     */
    onReturn(returned, now) {
        let left = returned;
        let newest = null;
        for (let first = this.#underWay[0]; first && first.cost <= left; first = this.#underWay[0]) {
            this.#underWay.shift();
            left -= first.cost;
            this.#cost -= first.cost;
            newest = first.at;
        }
        if (newest !== null) this.#judge(returned, Math.max(0, now - newest), now);
    }

    /** A good length for the next message: about a quarter of what is under way. */
    get messageLength() {
        return Math.min(Math.max(this.#limit >> 2, MESSAGE_MIN), PAYLOAD_BYTES_MAX);
    }

    /** @param {number} returned @param {number} took @param {number} now */
    #judge(returned, took, now) {
        const isAlone = this.#isMeasuring && this.#underWay.length === 0;
        if (!this.#shortest || took <= this.#shortest.took || isAlone) this.#shortest = { took, at: now };
        if (isAlone) this.#isMeasuring = false;
        const waited = took - this.#shortest.took;
        if (waited > WAIT_HIGH) {
            this.#lower(took, now);
        } else if (waited < WAIT_LOW && this.#isTight) {
            this.#isTight = false;
            this.#limit = Math.min(this.#limit + (this.#hasMet ? returned >> 3 : returned), CREDIT_MAX);
        }
    }

    /** @param {number} took @param {number} now */
    #lower(took, now) {
        this.#hasMet = true;
        if (now < this.#loweredUntil) return;
        this.#limit = Math.max((this.#limit >> 2) * 3, LIMIT_MIN);
        this.#loweredUntil = now + took;
    }
}
