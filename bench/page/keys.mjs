// From a key to the screen, in Chromium: the phone's page beside WeTTY (xterm.js), in one run.
//
//     RELAY_BROWSER_MODULES=DIR WETTY=DIR/node_modules/wetty/build/main.js node bench/page/keys.mjs [KEYS]
//
// A terminal echoes each key. The time runs from the browser's key event until the new character is in its
// row, or drawn by xterm.js for WeTTY. Without WETTY only the page is measured.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { closeBrowser, Phone } from "../../tests/browser/browser.mjs";
import { pair, share, untilRows } from "../../tests/browser/cases/steps.mjs";
import { Desk } from "../../tests/browser/desk.mjs";
import { Relay } from "../../tests/browser/relay.mjs";

const KEYS = Number(process.argv[2] ?? 300);
const WETTY_PORT = 3999;
/** A terminal whose kernel echoes. */
const ECHO = ["sh", "-c", "echo ready; exec cat >/dev/null"];

/** In the page: counts how long each key takes until `changed` is called. */
function stopwatch() {
    const watch = (globalThis.watch = { times: [], keyAt: null });
    addEventListener("keydown", (event) => (watch.keyAt = event.timeStamp), { capture: true });
    watch.changed = () => {
        if (watch.keyAt === null) return;
        watch.times.push(performance.now() - watch.keyAt);
        watch.keyAt = null;
    };
}

/** Types, each key after the one before is on the screen. */
async function type(page) {
    for (let at = 0; at < KEYS; at++) {
        await page.keyboard.press("abcdefghij"[at % 10]);
        await page.waitForFunction((count) => globalThis.watch.times.length >= count, at + 1, { polling: 10, timeout: 10_000 });
        // The keys of a person have no beat in common with the screen.
        await page.waitForTimeout(20 + Math.random() * 30);
    }
    return page.evaluate(() => globalThis.watch.times);
}

async function ours() {
    const relay = await Relay.start();
    const desk = new Desk(relay), phone = await Phone.start("desktop");
    try {
        await pair({ desk, phone });
        await share({ desk, phone }, ECHO, "echo");
        await untilRows(phone, "program", (rows) => rows[0] === "ready");
        await phone.page.locator(".screen").click();
        await phone.page.evaluate(stopwatch);
        await phone.page.evaluate(() => {
            const observer = new MutationObserver(() => globalThis.watch.changed());
            observer.observe(document.querySelector(".rows > div:last-child"), { childList: true, subtree: true, characterData: true });
        });
        return await type(phone.page);
    } finally {
        await phone.stop();
        await desk.end();
        await relay.stop();
    }
}

/** Waits until a port answers. */
function answers(port) {
    return new Promise((resolve) => {
        const attempt = () => {
            const socket = connect(port, "127.0.0.1");
            socket.once("connect", () => (socket.destroy(), resolve()));
            socket.once("error", () => setTimeout(attempt, 50));
        };
        attempt();
    });
}

async function wetty() {
    // WeTTY takes the name of a program, without arguments.
    const folder = mkdtempSync(join(tmpdir(), "keys-")), program = join(folder, "echo");
    writeFileSync(program, `#!/bin/sh\n${ECHO[2]}\n`, { mode: 0o755 });
    const args = [process.env.WETTY, "--port", String(WETTY_PORT), "--host", "127.0.0.1", "--command", program];
    const child = spawn(process.execPath, args, { stdio: "ignore" });
    const phone = await Phone.start("desktop");
    try {
        await answers(WETTY_PORT);
        await phone.page.goto(`http://127.0.0.1:${WETTY_PORT}/`);
        await phone.page.waitForFunction(() => globalThis.wetty_term?.buffer.active.getLine(1)?.translateToString().includes("ready"), null, { timeout: 15_000 });
        await phone.page.locator(".xterm-screen").click();
        await phone.page.evaluate(stopwatch);
        await phone.page.evaluate(() => globalThis.wetty_term.onRender(() => globalThis.watch.changed()));
        return await type(phone.page);
    } finally {
        await phone.stop();
        child.kill("SIGKILL");
        rmSync(folder, { recursive: true });
    }
}

function report(name, times) {
    const sorted = [...times].sort((one, other) => one - other);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))].toFixed(1);
    console.log(`${name}: ${times.length} keys, p50 ${at(0.5)} ms, p95 ${at(0.95)} ms`);
}

report("the page", await ours());
if (process.env.WETTY) report("WeTTY", await wetty());
await closeBrowser();
