// What a phone says when a code, a relay or the page itself has come to its end.

import assert from "node:assert/strict";
import { availableParallelism, loadavg } from "node:os";

import { browser } from "../browser.mjs";
import { readCode } from "../../../page/tunnel/code.js";
import { pair, share, untilRows, untilSame } from "./steps.mjs";

/** Opens a code's address and taps. */
async function tap(phone, address) {
    await phone.page.goto(address);
    await phone.button("Pair").click();
}

export async function an_expired_code_says_so({ desk, phone }) {
    await desk.open("pair", ["pair", "--pair-secs", "1"]);
    await desk.until("pair", "waiting for a phone");
    const address = await desk.code("pair");
    await desk.until("pair", "show a new code\\? \\[y/n\\]");
    await desk.type("pair", "n\r");
    await tap(phone, address);
    await phone.sees("Nobody waits for this code any more. A code works once, and for five minutes.");
    await phone.picture("over");
    // A page that was opened long ago knows why.
    await phone.page.goto("about:blank");
    await phone.page.goto(address);
    await phone.button("Pair").waitFor();
    await phone.page.evaluate(() => {
        const { now } = Date;
        Date.now = () => now() + 301_000;
    });
    await phone.button("Pair").click();
    await phone.sees("This code is older than five minutes. Show a new one: run “workstation pair” at your desk.");
    await phone.picture("expired");
    assert.deepEqual(await phone.axe(), []);
    await phone.button("Use another code").click();
    await phone.sees("Run “workstation pair” on");
}
an_expired_code_says_so.devices = ["pixel"];

export async function a_code_with_a_wrong_key_says_so({ desk, phone, relay }) {
    const { place, key } = await readCode(await desk.showCode());
    key[0] ^= 1;
    const { url: u, session: s, token: t } = place;
    const code = { u, s, t, k: Buffer.from(key).toString("base64url"), a: 1 };
    await phone.page.goto(relay.page);
    await phone.page.getByLabel("Link or text of a code").fill(JSON.stringify(code));
    await phone.button("Go on").click();
    await phone.button("Pair").click();
    await phone.sees("The desk does not know this code. Is it a code of another desk? Show a new one.");
    await phone.picture("wrong-key");
    assert.deepEqual(await phone.axe(), []);
}
a_code_with_a_wrong_key_says_so.devices = ["pixel"];

export async function a_relay_that_is_gone_says_so({ desk, phone, relay }) {
    const address = await desk.showCode();
    await phone.page.goto(address);
    await phone.button("Pair").waitFor();
    await relay.stop();
    await phone.button("Pair").click();
    await phone.sees("The relay cannot be reached. Check this phone's network; the page keeps trying.");
    await phone.picture("relay-gone");
    assert.deepEqual(await phone.axe(), []);
}
a_relay_that_is_gone_says_so.devices = ["pixel"];

/** Longer than the relay waits for a silent phone's answer. */
const FROZEN_MS = 60_000;
/** As many times longer as other programs leave this one waiting for a processor. */
const wholeMs = () => 2_000 * Math.max(1, loadavg()[0] / availableParallelism());

/** The processes that run pages. The browser's own command to freeze a page does not stop its timers. */
async function renderers() {
    const session = await (await browser()).newBrowserCDPSession();
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    await session.detach();
    return processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
}

/** A real freeze, as phones do it to pages out of sight: no timer runs and nothing is read. */
export async function a_frozen_page_returns_whole(all) {
    const { desk, phone } = all;
    await pair(all);
    await share(all, ["sh", "-c", "echo ready; while read x; do echo \"got $x\"; done"]);
    await untilRows(phone, "program", (rows) => rows[0] === "ready");
    await phone.page.evaluate(() => {
        globalThis.gapMs = 0;
        let last = performance.now();
        setInterval(() => {
            globalThis.gapMs = Math.max(globalThis.gapMs, performance.now() - last);
            last = performance.now();
        }, 50);
    });
    const stopped = await renderers();
    for (const id of stopped) process.kill(id, "SIGSTOP");
    const frozenAt = Date.now();
    await desk.type("run", "while it slept\r");
    await desk.until("run", "got while it slept");
    await new Promise((resolve) => setTimeout(resolve, FROZEN_MS - (Date.now() - frozenAt)));
    const began = performance.now();
    for (const id of stopped) process.kill(id, "SIGCONT");
    await untilRows(phone, "what came meanwhile", (rows) => rows.some((row) => row === "got while it slept"));
    await untilSame(all);
    const took = Math.round(performance.now() - began);
    console.log(`        whole ${took} ms after a freeze of ${FROZEN_MS / 1000} s`);
    await phone.page.getByRole("textbox", { name: "Text for the terminal" }).fill("and awake");
    await phone.button("Send").click();
    await untilRows(phone, "an answer", (rows) => rows.some((row) => row === "got and awake"));
    await phone.picture("thawed");
    const gapMs = await phone.page.evaluate(() => globalThis.gapMs);
    assert.ok(gapMs > FROZEN_MS / 2, `its timers stood still for ${gapMs} ms only`);
    assert.ok(took < wholeMs(), `${took} ms`);
}
a_frozen_page_returns_whole.devices = ["pixel"];
