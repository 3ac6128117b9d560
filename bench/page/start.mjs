// How soon the phone's page can be used on a slow phone: Chromium as a Pixel, its processor slowed down four
// times.
//
//     RELAY_BROWSER_MODULES=DIR node bench/page/start.mjs [ROUNDS] [SLOWER]
//
// For each round a profile that has never seen the page. It ends when "Pair" takes taps: the script ran, the
// backend of cryptography is chosen, IndexedDB is open. Then a reload by a phone that has the page's files.

import { closeBrowser, Phone } from "../../tests/browser/browser.mjs";
import { Desk } from "../../tests/browser/desk.mjs";
import { Relay } from "../../tests/browser/relay.mjs";

const ROUNDS = Number(process.argv[2] ?? 7);
const SLOWER = Number(process.argv[3] ?? 4);

/** Loads the code's page; gives the times in ms since the navigation, and what it fetched. */
async function load(phone, session, go) {
    const fetched = new Map();
    session.on("Network.responseReceived", ({ requestId, response }) => fetched.set(requestId, { path: new URL(response.url).pathname, bytes: 0 }));
    session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => fetched.has(requestId) && (fetched.get(requestId).bytes = encodedDataLength));
    await go();
    await phone.button("Pair").waitFor();
    const times = await phone.page.evaluate(() => ({ paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN, ready: globalThis.readyAt }));
    const all = [...fetched.values()].filter(({ path }) => path !== "/p/sw.js");
    session.removeAllListeners("Network.responseReceived");
    session.removeAllListeners("Network.loadingFinished");
    return { ...times, requests: all.length, bytes: all.reduce((sum, { bytes }) => sum + bytes, 0) };
}

async function round(relay, address) {
    const phone = await Phone.start("pixel");
    try {
        // The page's own clock says when the button is there: what the test asks takes time itself.
        await phone.context.addInitScript(() => {
            const look = new MutationObserver(() => {
                if (!document.querySelector("form button.main")) return;
                look.disconnect();
                globalThis.readyAt = performance.now();
            });
            look.observe(document, { childList: true, subtree: true });
        });
        const session = await phone.context.newCDPSession(phone.page);
        await session.send("Network.enable");
        await session.send("Emulation.setCPUThrottlingRate", { rate: SLOWER });
        const first = await load(phone, session, () => phone.page.goto(address));
        await phone.page.goto("about:blank");
        const again = await load(phone, session, () => phone.page.goto(address));
        return { first, again };
    } finally {
        await phone.stop();
    }
}

function report(name, loads) {
    const spread = (key) => {
        const sorted = loads.map((load) => load[key]).sort((one, other) => one - other).map(Math.round);
        return `${sorted[Math.floor(sorted.length / 2)]} ms (${sorted[0]}–${sorted.at(-1)})`;
    };
    const { requests, bytes } = loads[0];
    console.log(`${name}: first paint ${spread("paint")}, ready ${spread("ready")}; ${requests} requests, ${(bytes / 1000).toFixed(1)} kB`);
}

const relay = await Relay.start(), desk = new Desk(relay);
try {
    const address = await desk.showCode();
    const rounds = [];
    for (let at = 0; at < ROUNDS; at++) rounds.push(await round(relay, address));
    console.log(`${ROUNDS} rounds, processor slowed down ${SLOWER} times`);
    report("for the first time", rounds.map(({ first }) => first));
    report("once more", rounds.map(({ again }) => again));
} finally {
    await desk.end();
    await relay.stop();
    await closeBrowser();
}
