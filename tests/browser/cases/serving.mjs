// How the page comes: what it weighs, how often the line is crossed, and two builds behind one balancer.

import assert from "node:assert/strict";
import { createServer } from "node:http";

import { Phone } from "../browser.mjs";
import { pair } from "./steps.mjs";

/** Two round trips to the first picture: the shell, and the one file of code. */
export async function the_first_picture_needs_few_round_trips({ phone, relay }) {
    await phone.page.goto(relay.page);
    await phone.sees("Run “workstation pair” on");
    const loaded = await phone.page.evaluate(() =>
        performance.getEntriesByType("resource").map(({ name, initiatorType, encodedBodySize }) => [new URL(name).pathname, initiatorType, encodedBodySize]),
    );
    const scripts = loaded.filter(([path]) => path.endsWith("page.js"));
    assert.equal(scripts.length, 1, JSON.stringify(loaded));
    const shell = await phone.page.evaluate(() => performance.getEntriesByType("navigation")[0].encodedBodySize);
    const painted = await phone.page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
    console.log(`        shell ${shell} bytes, code ${scripts[0][2]} bytes, first paint after ${Math.round(painted)} ms`);
    assert.ok(shell + scripts[0][2] < 60_000);
    // The first picture needs the shell alone, so it comes without the code.
    await phone.page.route("**/page.js", () => {});
    await phone.page.goto("about:blank");
    await phone.page.goto(relay.page, { waitUntil: "commit" });
    await phone.page.locator("h1").waitFor();
}
the_first_picture_needs_few_round_trips.devices = ["pixel"];

/** What the relay's log and its memory of requests say of a pairing's secret: nothing. */
export async function the_server_learns_nothing_of_the_secret(all) {
    const { phone, relay } = all;
    const address = await pair(all);
    const secret = address.split("#2")[1];
    for (let at = 0; at + 8 <= secret.length; at++) {
        assert.ok(!relay.log.includes(secret.slice(at, at + 8)), "a part of the secret is in the log");
    }
    assert.ok(!phone.requests.some((url) => url.includes(secret)), "the secret went out in an address");
    const kept = await phone.page.evaluate(() => JSON.stringify([history.state, location.href, Object.entries(sessionStorage), Object.entries(localStorage)]));
    assert.ok(!kept.includes(secret), kept);
}
the_server_learns_nothing_of_the_secret.devices = ["pixel"];

/** Every second request goes to a node that has another build. */
export async function two_builds_behind_one_balancer_load({ phone, relay }) {
    const balancer = await Balancer.start(relay);
    try {
        for (let time = 0; time < 5; time++) {
            await phone.context.clearCookies();
            const other = await Phone.start("pixel");
            await other.page.goto(`http://localhost:${balancer.port}/p`);
            await other.sees("Run “workstation pair” on");
            assert.deepEqual(other.complaints, []);
            await other.stop();
        }
        assert.ok(balancer.turnedAway > 0, "no request met the other build");
    } finally {
        balancer.stop();
    }
}
two_builds_behind_one_balancer_load.devices = ["pixel"];

/** A node whose shell is of a build that nobody has: after a few tries the page comes from the other node. */
class Balancer {
    turnedAway = 0;
    #count = 0;

    static async start(relay) {
        const balancer = new Balancer();
        balancer.relay = relay;
        balancer.server = createServer((request, response) => void balancer.#pass(request, response));
        balancer.server.listen(0, "127.0.0.1");
        await new Promise((resolve) => balancer.server.once("listening", resolve));
        balancer.port = balancer.server.address().port;
        return balancer;
    }

    /** To the relay as it is; every second time, to one whose build has another name. */
    async #pass(request, response) {
        const isOther = this.#count++ % 2 === 0;
        const asked = isOther ? request.url.replace(/^\/p\/([0-9a-f]{16})\//, (_, build) => `/p/${flip(build)}/`) : request.url;
        const answer = await fetch(`${this.relay.url}${asked}`, { redirect: "manual", headers: { "accept-encoding": "identity" } });
        if (answer.status === 307) this.turnedAway += 1;
        let body = Buffer.from(await answer.arrayBuffer());
        const headers = Object.fromEntries([...answer.headers].filter(([name]) => !["content-length", "transfer-encoding", "connection"].includes(name)));
        if (headers.location) headers.location = headers.location.replace(/^\/p\/([0-9a-f]{16})\//, (_, build) => `/p/${flip(build)}/`);
        if (isOther && request.url === "/p") body = Buffer.from(body.toString().replace(/\/p\/([0-9a-f]{16})\//g, (_, build) => `/p/${flip(build)}/`));
        response.writeHead(answer.status, headers);
        response.end(body);
    }

    stop() {
        this.server.closeAllConnections();
        this.server.close();
    }
}

/** Another build's name, and back. */
function flip(build) {
    return [...build].map((digit) => (15 - parseInt(digit, 16)).toString(16)).join("");
}

/** How soon it can be used on a slow phone, and by how many requests. */
export async function a_slow_phone_can_use_it_soon({ phone, relay }) {
    const session = await phone.context.newCDPSession(phone.page);
    await session.send("Emulation.setCPUThrottlingRate", { rate: 4 });
    const began = performance.now();
    await phone.page.goto(relay.page, { waitUntil: "commit" });
    await phone.button("Go on").waitFor();
    console.log(`        usable after ${Math.round(performance.now() - began)} ms at a quarter of the speed`);
    const own = phone.requests.filter((url) => url.startsWith(new URL(relay.page).origin)).map((url) => new URL(url).pathname);
    console.log(`        requests: ${own.map((path) => path.replace(/[0-9a-f]{16}/, "<build>")).join(" ")}`);
    assert.ok(own.filter((path) => path.endsWith(".js")).length <= 2, `${own}`);
}
a_slow_phone_can_use_it_soon.devices = ["pixel"];
