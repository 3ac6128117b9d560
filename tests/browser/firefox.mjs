// The main path, and a notice by Web Push, in Firefox as its makers ship it, driven over WebDriver BiDi.
// Ends with `N passed, N failed`.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";

import { PICTURES } from "./browser.mjs";
import { SHELL } from "./cases/steps.mjs";
import { Desk } from "./desk.mjs";
import { PushService } from "./push_service.mjs";
import { Relay } from "./relay.mjs";
import { relayBehindTls } from "./tls_front.mjs";

const require = createRequire(join(process.env.RELAY_BROWSER_MODULES ?? process.cwd(), "package.json"));
const puppeteer = require("puppeteer-core");
const GUARD_MS = 60_000;

/** Waits until the page shows a text. */
function sees(page, text) {
    return page.waitForFunction((wanted) => document.body.innerText.includes(wanted), { timeout: GUARD_MS }, text);
}

async function click(page, name) {
    await page.waitForFunction((wanted) => [...document.querySelectorAll("button")].some((b) => b.textContent.startsWith(wanted)), { timeout: GUARD_MS }, name);
    await page.evaluate((wanted) => [...document.querySelectorAll("button")].find((b) => b.textContent.startsWith(wanted)).click(), name);
}

async function pair(page, desk) {
    await page.goto(await desk.showCode());
    await click(page, "Pair");
    await desk.answer(true);
    await click(page, "The same words");
    await sees(page, "Connected and encrypted");
}

async function inFirefox(preferences, run) {
    const browser = await puppeteer.launch({
        browser: "firefox",
        executablePath: process.env.RELAY_FIREFOX ?? "/usr/bin/firefox-esr",
        headless: true,
        acceptInsecureCerts: true,
        extraPrefsFirefox: { "intl.accept_languages": "en-US", ...preferences },
    });
    try {
        await run(browser);
    } finally {
        await browser.close();
    }
}

async function the_main_path() {
    const relay = await Relay.start(), desk = new Desk(relay);
    try {
        await inFirefox({}, async (browser) => main_path(await browser.newPage(), relay, desk));
    } finally {
        await desk.end();
        await relay.stop();
    }
}

async function main_path(page, relay, desk) {
    const complaints = [];
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    await pair(page, desk);
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

/** The desk encrypts and posts it; the browser opens it, and the page's service worker shows it. */
async function a_notice_by_web_push_to_a_closed_page() {
    const { relay, stop } = await relayBehindTls();
    const service = await PushService.start(), desk = new Desk(relay);
    try {
        await inFirefox(service.preferences, async (browser) => pushed(browser, { relay, desk, service }));
    } finally {
        await desk.end();
        await service.stop();
        await stop();
    }
}

async function pushed(browser, { relay, desk, service }) {
    const setUp = await desk.run("setup", relay.url, "--push-service", service.url);
    assert.equal(setUp.status, 0, setUp.out);
    const page = await browser.newPage();
    await pair(page, desk);
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => true));
    await click(page, "This phone");
    await click(page, "Turn on");
    await sees(page, "Turn off");
    const elsewhere = await browser.newPage();
    await page.close();
    const { status, out } = await desk.run("notify", "--title", "make <b>", "--wait", "30", "the build is \u202e\"done\"");
    assert.equal(status, 3, `a push service has it: ${out}`);
    const [{ headers, length }] = service.posted;
    assert.deepEqual([headers["content-encoding"], length], ["aes128gcm", 86 + 3072 + 1 + 16]);
    assert.match(headers.authorization, /^vapid t=/);
    await elsewhere.goto(relay.page);
    const shown = await elsewhere.waitForFunction(async () => {
        const registration = await navigator.serviceWorker.getRegistration("/p");
        const [notice] = (await registration?.getNotifications()) ?? [];
        return notice && JSON.stringify([notice.title, notice.body, notice.data.navigate]);
    }, { timeout: GUARD_MS });
    const [title, body, navigate] = JSON.parse(await shown.jsonValue());
    assert.deepEqual([title, body], ["make <b>", 'the build is \\u{202e}"done"']);
    assert.ok(navigate.startsWith(`${relay.page}#desk=`), navigate);
    assert.deepEqual(service.acks, [100]);
    console.log(`        a notice of ${length} bytes, encrypted by the desk, shown by the service worker`);
}

let passed = 0, failed = 0;
for (const run of [the_main_path, a_notice_by_web_push_to_a_closed_page]) {
    if (!run.name.includes(process.argv[2] ?? "")) continue;
    try {
        await run();
        passed += 1;
        console.log(`ok      ${run.name} (Firefox)`);
    } catch (error) {
        failed += 1;
        console.log(`FAILED  ${run.name} (Firefox): ${error.stack}`);
    }
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
