// What a link's state is called, and what to do next.

import { t, time, tOf } from "./texts/texts.js";

/** @typedef {import("../link/link.js").LinkState} LinkState */

/**
 * The state in one sentence.
 * @param {LinkState} state
 * @param {number} [now]
 */
export function stateText(state, now = Date.now()) {
    switch (state.phase) {
        case "away":
            return state.since ? t("state.away", { time: time(state.since) }) : t("state.away-unknown");
        case "retrying": {
            const seconds = state.retryAt ? Math.ceil((state.retryAt - now) / 1000) : 0;
            return seconds > 0 ? t("state.retrying", { seconds }) : t("state.retrying-now");
        }
        default:
            return tOf(`state.${state.phase}`, "state.connecting");
    }
}

/**
 * Why it is so, and the next step; "" where there is nothing to say.
 * @param {LinkState} state
 */
export function whyText(state) {
    const isSaid = state.why && (state.phase === "retrying" || state.phase === "stopped" || state.phase === "connecting");
    return isSaid ? tOf(`why.${state.why}`, "why.fault") : "";
}
