// Why a message of the tunnel was not accepted.

export const UNKNOWN_KEY = 1;
export const CODE_USED = 2;
export const CODE_EXPIRED = 3;
export const DENIED = 4;
export const OTHER_VERSION = 5;
export const DAMAGED = 6;
export const DROPPED = "dropped";
export const FAULT = "fault";

/**
 * A refusal's reason, DROPPED (stale or foreign, ignored), or FAULT (the connection ends, never the tunnel).
 */
export class Refused extends Error {
    /**
     * @param {number | string} why
     * @param {number | string} [detail]
     */
    constructor(why, detail = why) {
        super(`refused: ${detail}`);
        this.why = why;
        /**
         * With FAULT: the reason for which the other end, or a relay in its name, refused a phone that it
         * knew.
         */
        this.refusal = 0;
    }
}

/**
 * @param {boolean} holds
 * @param {string} why
 */
export function faultUnless(holds, why) {
    if (!holds) throw new Refused(FAULT, why);
}
