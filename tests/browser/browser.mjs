// Chromium as a phone or as a desktop, and what its pages complain about.

import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MODULES = process.env.RELAY_BROWSER_MODULES ?? process.cwd();
const require = createRequire(join(MODULES, "package.json"));
const { chromium, devices } = require("playwright-core");
const AXE = require.resolve("axe-core/axe.min.js");

export const PICTURES = process.env.RELAY_BROWSER_PICTURES ?? join(tmpdir(), "relay-pictures");
mkdirSync(PICTURES, { recursive: true });

export const GUARD_MS = Number(process.env.RELAY_BROWSER_GUARD_MS ?? 60_000);

/** The kinds of device that a case is played on. */
export const DEVICES = {
    pixel: { ...devices["Pixel 7"], locale: "en-US" },
    desktop: { viewport: { width: 1280, height: 800 }, locale: "en-US" },
};

let launched = null;

function launch(more = []) {
    return chromium.launch({
        executablePath: process.env.RELAY_CHROMIUM ?? "/usr/bin/chromium",
        // A name of the network, which is no secure context.
        args: ["--no-sandbox", "--disable-dev-shm-usage", "--host-resolver-rules=MAP insecure.test 127.0.0.1", ...more],
    });
}

export async function browser() {
    launched ??= await launch();
    return launched;
}

export async function closeBrowser() {
    await launched?.close();
}

/** A phone: a browser's profile of its own. */
export class Phone {
    complaints = [];
    requests = [];

    /** A phone whose camera sees this film: a browser of its own. */
    static async withCamera(device, film) {
        const of = await launch(["--use-fake-device-for-media-stream", `--use-file-for-fake-video-capture=${film}`]);
        return Phone.start(device, { permissions: ["camera"] }, of);
    }

    static async start(device, options = {}, of = null) {
        const phone = new Phone();
        phone.device = device;
        phone.own = of;
        phone.context = await (of ?? (await browser())).newContext({ ...DEVICES[device], ...options });
        phone.context.setDefaultTimeout(GUARD_MS);
        await phone.context.addInitScript(() => {
            addEventListener("securitypolicyviolation", (event) => {
                console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
            });
        });
        phone.page = await phone.newPage();
        return phone;
    }

    async newPage() {
        const page = await this.context.newPage();
        page.on("console", (message) => {
            // A browser says by itself that a connection failed, and what it leaves out without TLS.
            const isOfNetwork = /WebSocket connection|Failed to load resource|ERR_|Cross-Origin-Opener-Policy header has been ignored/.test(message.text());
            if (message.type() === "error" && !isOfNetwork) this.complaints.push(message.text());
        });
        page.on("pageerror", (error) => this.complaints.push(String(error.stack ?? error)));
        page.on("request", (request) => this.requests.push(request.url()));
        return page;
    }

    button(name) {
        return this.page.getByRole("button", { name, exact: true });
    }

    /** Waits for text on the page. */
    async sees(text) {
        await this.page.getByText(text).first().waitFor({ state: "visible" });
    }

    async picture(name) {
        await this.page.screenshot({ path: join(PICTURES, `${name}-${this.device}.png`) });
    }

    /** What axe-core finds. */
    async axe() {
        // The page's own policy lets no foreign script in, so it is put in by the debugger.
        await this.page.evaluate(require("node:fs").readFileSync(AXE, "utf8"));
        const found = await this.page.evaluate(async () => {
            const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
            return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, any }) => html.slice(0, 120) + " " + (any[0]?.message ?? "")).join(" | ")}`);
        });
        return found;
    }

    /** The text of the terminal's rows, as a person copies it. */
    rows() {
        return this.page.evaluate(() =>
            [...document.querySelectorAll(".rows > div:last-child > div:not(.cursor)")].map((row) => row.textContent.trimEnd()),
        );
    }

    async stop() {
        await this.context.close();
        await this.own?.close();
    }
}
