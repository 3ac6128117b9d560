// The running link of the desk that a screen is of.

import { watchLink } from "../notices.js";

/**
 * @param {import("../app.js").App} app
 * @param {import("../app.js").Place} place
 */
export async function openLink(app, place) {
    const id = place.id ?? app.phone.pairs[0]?.id;
    const link = await app.phone.link(String(id));
    watchLink(app, link);
    return link;
}
