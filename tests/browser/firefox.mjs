// The main path in Firefox, as its makers ship it, driven over WebDriver BiDi.
// Ends with `N passed, N failed`.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";

import { PICTURES } from "./browser.mjs";
import { SHELL } from "./cases/steps.mjs";
import { Desk } from "./desk.mjs";
import { Relay } from "./relay.mjs";

const require = createRequire(join(process.env.RELAY_BROWSER_MODULES ?? process.cwd(), "package.json"));
const puppeteer = require("puppeteer-core");

/** Waits until the page shows a text. */
function sees(page, text) {
    return page.waitForFunction((wanted) => document.body.innerText.includes(wanted), { timeout: 60_000 }, text);
}

async function click(page, name) {
    await page.waitForFunction((wanted) => [...document.querySelectorAll("button")].some((b) => b.textContent.startsWith(wanted)), { timeout: 60_000 }, name);
    await page.evaluate((wanted) => [...document.querySelectorAll("button")].find((b) => b.textContent.startsWith(wanted)).click(), name);
}

async function main_path(page, relay, desk) {
    const complaints = [];
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(await desk.showCode());
    await click(page, "Pair");
    await desk.answer(true);
    await click(page, "The same words");
    await sees(page, "Connected and encrypted");
    assert.equal(page.url(), relay.page);
    await desk.open("run", ["run", "--name", "shell", "--", ...SHELL]);
    await click(page, "shell");
    await sees(page, "desk$");
    await page.type(".compose textarea", "echo fire-$((6*7))");
    await click(page, "Send");
    await desk.until("run", "fire-42");
    await sees(page, "fire-42");
    await page.screenshot({ path: join(PICTURES, "terminal-firefox.png") });
    await page.reload();
    await click(page, "shell");
    await sees(page, "fire-42");
    assert.deepEqual(complaints.filter((text) => !/WebSocket|can’t establish/.test(text)), []);
}

const relay = await Relay.start(), desk = new Desk(relay);
const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: process.env.RELAY_FIREFOX ?? "/usr/bin/firefox-esr",
    headless: true,
    extraPrefsFirefox: { "intl.accept_languages": "en-US" },
});
let failed = 0;
try {
    await main_path(await browser.newPage(), relay, desk);
    console.log("ok      the main path in Firefox");
} catch (error) {
    failed = 1;
    console.log(`FAILED  the main path in Firefox: ${error.stack}`);
} finally {
    await browser.close();
    await desk.end();
    await relay.stop();
}
console.log(`${1 - failed} passed, ${failed} failed`);
process.exit(failed);
