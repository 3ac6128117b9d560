// From a code on the desk's screen to a paired phone, and every way in which that fails.

import assert from "node:assert/strict";

import { Phone } from "../browser.mjs";
import { pair, SHELL, share, untilRows } from "./steps.mjs";

/** The main path: scan, tap, yes, the terminal's first line. */
export async function a_code_leads_to_the_terminal({ relay, desk, phone }) {
    const address = await desk.showCode();
    assert.match(address, new RegExp(`^http://localhost:${relay.port}/p#2[\\w-]{32}$`));
    await phone.page.goto(address);
    await phone.button("Pair").waitFor();
    const seen = phone.page.url();
    assert.equal(seen, relay.page, "the secret left the address bar");
    assert.ok(!phone.requests.some((url) => url.startsWith("ws")), "nothing is said before a tap");
    await phone.picture("pair");
    assert.deepEqual(await phone.axe(), []);
    await phone.button("Pair").click();
    await desk.until("pair", "\\[y/n\\]");
    await phone.sees("Compare these six words");
    const words = await phone.page.locator(".words li").allTextContents();
    assert.equal(words.length, 6);
    const shown = (await desk.screen("pair")).join(" ").replace(/\s+/g, " ");
    assert.ok(shown.includes(words.join(" ")), `${words} at the desk: ${shown}`);
    await phone.picture("words");
    assert.deepEqual(await phone.axe(), []);
    const began = performance.now();
    await desk.answer(true);
    await phone.button("The same words").click();
    await phone.sees("Connected and encrypted");
    await phone.picture("desk");
    assert.deepEqual(await phone.axe(), []);
    await share({ desk, phone });
    await untilRows(phone, "prompt", (rows) => rows.some((row) => row.startsWith("desk$")));
    console.log(`        from the yes to the prompt of a new terminal: ${Math.round(performance.now() - began)} ms`);
    await phone.picture("terminal");
    assert.deepEqual(await phone.axe(), []);
    const secret = address.split("#2")[1];
    assert.ok(!relay.log.includes(secret) && !relay.log.includes(secret.slice(0, 12)), "the secret is in the log");
}

export async function the_desk_says_no({ desk, phone }) {
    await phone.page.goto(await desk.showCode());
    await phone.button("Pair").click();
    await desk.until("pair", "\\[y/n\\]");
    await desk.type("pair", "n\r");
    await phone.sees("Your desk said no");
    await phone.picture("denied");
}
the_desk_says_no.devices = ["pixel"];

export async function the_words_differ({ desk, phone }) {
    await phone.page.goto(await desk.showCode());
    await phone.button("Pair").click();
    await desk.until("pair", "\\[y/n\\]");
    await phone.button("Not the same").click();
    await phone.sees("somebody may sit in the middle");
    await phone.page.reload();
    await phone.sees("Run “workstation pair” on");
}
the_words_differ.devices = ["pixel"];

/** The page was opened from the home screen, so it reads the code itself: where the browser cannot, with its own. */
export async function the_page_scans_the_code_itself({ desk, relay }) {
    await desk.open("pair", ["pair"]);
    await desk.until("pair", "waiting for a phone");
    const phone = await Phone.withCamera("pixel", await desk.film("pair"));
    try {
        await phone.page.goto(relay.page);
        const hasReader = await phone.page.evaluate(async () => Boolean(await globalThis.BarcodeDetector?.getSupportedFormats().then(({ length }) => length)));
        console.log(`        this browser ${hasReader ? "reads codes by itself" : "has no reader for codes"}`);
        await phone.button("Scan with the camera").click();
        await phone.page.locator("video").waitFor({ state: "visible" });
        await phone.picture("scanning");
        await phone.button("Pair").click();
        assert.equal(await desk.answer(true), 0);
        await phone.button("The same words").click();
        await phone.sees("Connected and encrypted");
        assert.deepEqual(phone.complaints, []);
    } finally {
        await phone.stop();
    }
}
the_page_scans_the_code_itself.devices = ["pixel"];

/** The phone ended the page while its user looked at the desk. A pair counts when the words were compared. */
export async function a_reload_shows_the_words_again({ desk, phone, relay }) {
    await phone.page.goto(await desk.showCode());
    await phone.button("Pair").click();
    await desk.answer(true);
    await phone.sees("Your desk said yes");
    // The desk stays as long as something is shared.
    await desk.open("run", ["run", "--name", "shell", "--", ...SHELL]);
    const words = await phone.page.locator(".words li").allTextContents();
    await phone.page.goto("about:blank");
    await phone.page.goto(`${relay.page}#notice=n-1&chat`);
    await phone.sees("Your desk said yes");
    assert.deepEqual(await phone.page.locator(".words li").allTextContents(), words);
    await phone.picture("words-again");
    assert.deepEqual(await phone.axe(), []);
    await phone.button("The same words").click();
    await phone.sees("Connected and encrypted");
    await phone.page.reload();
    await phone.sees("Terminals");
}
a_reload_shows_the_words_again.devices = ["pixel"];

export async function a_used_code_is_told_from_a_damaged_one({ desk, phone }) {
    const address = await pair({ desk, phone });
    await phone.page.goto("about:blank");
    await phone.page.goto(address);
    await phone.sees("This phone used this code already");
    await phone.picture("used");
    await phone.button("Use another code").click();
    await phone.page.getByLabel("Link or text of a code").fill("https://example.org/nothing");
    await phone.button("Go on").click();
    await phone.sees("This is not a code");
    await phone.button("Use another code").click();
    await phone.page.getByLabel("Link or text of a code").fill(address.replace("localhost", "127.0.0.1"));
    await phone.button("Go on").click();
    await phone.sees("This code is of another relay");
    await phone.picture("other-relay");
    assert.deepEqual(await phone.axe(), []);
}
a_used_code_is_told_from_a_damaged_one.devices = ["pixel"];

/** Two phones read one code: the second is refused by the desk, and the question about the first one stays. */
export async function a_code_that_another_phone_uses_says_so({ desk, phone }) {
    const address = await desk.showCode();
    await phone.page.goto(address);
    await phone.button("Pair").click();
    await desk.until("pair", "\\[y/n\\]");
    const other = await Phone.start("pixel");
    try {
        await other.page.goto(address);
        await other.button("Pair").click();
        await other.sees("This code was used already. Show a new one: run “workstation pair” at your desk.");
        await other.picture("used-by-another");
        assert.deepEqual(await other.axe(), []);
        assert.deepEqual(other.complaints, []);
    } finally {
        await other.stop();
    }
    await phone.button("The same words").click();
    assert.equal(await desk.answer(true), 0);
    await phone.sees("Connected and encrypted");
}
a_code_that_another_phone_uses_says_so.devices = ["pixel"];

/** By an address of the network and without TLS: the page says so, and goes on after a tap. */
export async function an_insecure_page_says_so({ desk, phone, relay }) {
    const address = (await desk.showCode()).replace("localhost", "insecure.test");
    await phone.page.goto(address);
    await phone.sees("This page itself came unencrypted");
    await phone.picture("insecure");
    assert.deepEqual(await phone.axe(), []);
    await phone.button("Pair anyway").click();
    await desk.answer(true);
    await phone.button("The same words").click();
    await phone.sees("Connected and encrypted");
    await phone.sees("This page itself came unencrypted");
    void relay;
}
an_insecure_page_says_so.devices = ["pixel"];
