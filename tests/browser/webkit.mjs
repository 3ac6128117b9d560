// The main path in WebKitGTK, driven over WebDriver by WebKitWebDriver. Needs a display, for example
// `xvfb-run -a`. Ends with `N passed, N failed`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";

import { GUARD_MS, PICTURES } from "./browser.mjs";
import { SHELL } from "./cases/steps.mjs";
import { Desk } from "./desk.mjs";
import { Relay } from "./relay.mjs";

const MINI_BROWSER = process.env.RELAY_MINI_BROWSER ?? "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser";

async function freePort() {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address();
    await new Promise((resolve) => server.close(resolve));
    return port;
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

/** A browser of WebKitGTK with one page. */
class WebKit {
    static async start() {
        const webkit = new WebKit();
        const port = await freePort();
        webkit.driver = spawn("WebKitWebDriver", [`--port=${port}`], { stdio: "ignore" });
        await answers(port);
        webkit.base = `http://127.0.0.1:${port}/session`;
        const options = { binary: MINI_BROWSER, args: ["--automation"] };
        const { sessionId } = await webkit.ask("POST", "", { capabilities: { alwaysMatch: { "webkitgtk:browserOptions": options } } });
        webkit.base += `/${sessionId}`;
        return webkit;
    }

    async ask(method, path, body) {
        const answer = await fetch(`${this.base}${path}`, { method, body: body && JSON.stringify(body), signal: AbortSignal.timeout(GUARD_MS) });
        const { value } = await answer.json();
        if (value?.error) throw new Error(`${path}: ${value.error}: ${value.message}`);
        return value;
    }

    open(url) {
        return this.ask("POST", "/url", { url });
    }

    /** Runs the text of a function in the page. */
    run(body, ...args) {
        return this.ask("POST", "/execute/sync", { script: body, args });
    }

    /** Waits until the body of a function gives something true. */
    async until(what, body, ...args) {
        const until = Date.now() + GUARD_MS;
        for (;;) {
            const found = await this.run(body, ...args);
            if (found) return found;
            if (Date.now() > until) throw new Error(`no ${what} on this page:\n${await this.run("return document.body.innerText")}`);
        }
    }

    sees(text) {
        return this.until(text, "return document.body.innerText.includes(arguments[0])", text);
    }

    async click(name) {
        await this.until(name, "const found = [...document.querySelectorAll('button')].find((b) => b.textContent.startsWith(arguments[0])); found?.click(); return !!found", name);
    }

    async picture(name) {
        writeFileSync(join(PICTURES, `${name}.png`), Buffer.from(await this.ask("GET", "/screenshot"), "base64"));
    }

    /** Types into an element as a person does. */
    async type(selector, text) {
        const found = await this.ask("POST", "/element", { using: "css selector", value: selector });
        await this.ask("POST", `/element/${Object.values(found)[0]}/value`, { text });
    }

    async stop() {
        await this.ask("DELETE", "").catch(() => {});
        this.driver.kill("SIGKILL");
    }
}

async function mainPath(page, relay, desk) {
    await page.open(await desk.showCode());
    await page.click("Pair");
    await desk.answer(true);
    await page.click("The same words");
    await page.sees("Connected and encrypted");
    assert.equal(await page.run("return location.href"), relay.page);
    await desk.open("run", ["run", "--name", "shell", "--", ...SHELL]);
    await page.click("shell");
    await page.sees("desk$");
    await page.type(".compose textarea", "echo gtk-$((6*7))");
    await page.click("Send");
    await desk.until("run", "gtk-42");
    await page.sees("gtk-42");
    await page.picture("terminal-webkit");
    await page.ask("POST", "/refresh", {});
    await page.click("shell");
    await page.sees("gtk-42");
}

const relay = await Relay.start(), desk = new Desk(relay);
let page = null, failed = 0;
try {
    page = await WebKit.start();
    await mainPath(page, relay, desk);
    console.log("ok      the main path in WebKitGTK");
} catch (error) {
    failed = 1;
    await page?.picture("failed-webkit").catch(() => {});
    console.log(`FAILED  the main path in WebKitGTK: ${error.stack}`);
} finally {
    await page?.stop();
    await desk.end();
    await relay.stop();
}
console.log(`${1 - failed} passed, ${failed} failed`);
process.exit(failed);
