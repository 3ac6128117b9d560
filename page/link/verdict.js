// What to do after a connection to the relay ended: see "Close codes" in docs/contract.md.

/**
 * `again`: with growing delays; `soon`: the node stops, so at once; `later`: after ten seconds or more;
 * `gone`: the relay does not know the session, or has ended it; `replaced`: another connection has the role;
 * `stop`.
 * @typedef {{ act: "again" | "soon" | "later" | "gone" | "replaced" | "stop", why: import("./link.js").Why }}
 *     Verdict
 */

/**
 * @param {number} code as a browser gives it: 1005 without a code, 1006 without a Close frame
 * @param {boolean} isOwn the newer connection is this very client's
 * @returns {Verdict}
 */
export function verdict(code, isOwn) {
    switch (code) {
        case 1000:
        case 1005:
        case 1006:
            return { act: "again", why: "closed" };
        case 1001:
            return { act: "soon", why: "relay-leaving" };
        case 1013:
            return { act: "again", why: "relay-full" };
        case 4408:
            return { act: "again", why: "silent" };
        case 4409:
            return isOwn ? { act: "again", why: "closed" } : { act: "replaced", why: "replaced" };
        case 4401:
        case 4410:
            return { act: "gone", why: "session-unknown" };
        case 4429:
            return { act: "later", why: "too-many" };
        case 1002:
        case 1007:
        case 1009:
        case 4400:
            return { act: "stop", why: "client-fault" };
        default:
            return { act: "later", why: "closed" };
    }
}

const FIRST_BOUND = 500;
const BOUND_MAX = 30_000;
const AT_ONCE_SPREAD = 300;
const PATIENT_MIN = 10_000;

/** How long to wait before the next connect: random between nothing and a bound that doubles. */
export class Backoff {
    #failures = 0;
    #random;

    /** @param {() => number} random from 0 to 1 */
    constructor(random) {
        this.#random = random;
    }

    /** The connection was stable, or the user asks: the next retry comes at once. */
    reset() {
        this.#failures = 0;
    }

    /** @param {boolean} isPatient the relay asked for at least ten seconds */
    next(isPatient) {
        const growing = FIRST_BOUND * 2 ** Math.min(this.#failures - 1, 16);
        const bound = this.#failures === 0 ? AT_ONCE_SPREAD : Math.min(growing, BOUND_MAX);
        this.#failures += 1;
        return Math.floor(bound * this.#random()) + (isPatient ? PATIENT_MIN : 0);
    }
}
