// A push service for Firefox, as its makers' service speaks to it. The browser holds a WebSocket and
// registers channels. A sender posts to a channel's address, and the browser gets the encrypted body.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.RELAY_BROWSER_MODULES ?? process.cwd(), "package.json"));
const { WebSocketServer } = require("ws");

export class PushService {
    /** What was posted: headers and length. The body is for the browser alone. */
    posted = [];
    /** How the browser received each: 100 is delivered to a service worker, 101 not decrypted. */
    acks = [];
    #server;
    #browser = null;
    /** Posted while no browser was connected. */
    #waiting = [];

    static async start() {
        const service = new PushService();
        service.#server = createServer((request, response) => service.#take(request, response)).listen(0, "127.0.0.1");
        await new Promise((resolve) => service.#server.once("listening", resolve));
        const { port } = service.#server.address();
        service.url = `http://127.0.0.1:${port}`;
        service.socket = `ws://127.0.0.1:${port}/`;
        new WebSocketServer({ server: service.#server }).on("connection", (browser) => {
            browser.on("message", (data) => service.#hear(browser, JSON.parse(data)));
        });
        return service;
    }

    /** The preferences of a Firefox that uses it. */
    get preferences() {
        return {
            "dom.push.serverURL": this.socket,
            "dom.push.connection.enabled": true,
            "dom.push.testing.allowInsecureServerURL": true,
            "dom.push.testing.ignorePermission": true,
            "permissions.default.desktop-notification": 1,
            // No desktop is there to show notices: the browser draws them itself.
            "alerts.useSystemBackend": false,
        };
    }

    #hear(browser, said) {
        const { messageType, channelID } = said;
        const answer = (more) => browser.send(JSON.stringify({ messageType, status: 200, ...more }));
        switch (messageType) {
            case "hello":
                this.#browser = browser;
                answer({ uaid: said.uaid || randomUUID().replaceAll("-", ""), use_webpush: true, broadcasts: {} });
                for (const message of this.#waiting.splice(0)) browser.send(message);
                return;
            case "register":
                return answer({ channelID, pushEndpoint: `${this.url}/push/${channelID}` });
            case "unregister":
                return answer({ channelID });
            case "ack":
                this.acks.push(...said.updates.map(({ code }) => code));
        }
    }

    async #take(request, response) {
        const parts = [];
        for await (const part of request) parts.push(part);
        const body = Buffer.concat(parts), { headers } = request;
        this.posted.push({ headers, length: body.length, at: Date.now() });
        const message = JSON.stringify({
            messageType: "notification",
            channelID: request.url.split("/").at(-1),
            version: randomUUID(),
            data: body.toString("base64url"),
            headers: { encoding: headers["content-encoding"] },
        });
        if (this.#browser?.readyState === 1) this.#browser.send(message);
        else this.#waiting.push(message);
        response.writeHead(201).end();
    }

    async stop() {
        this.#server.closeAllConnections();
        await new Promise((resolve) => this.#server.close(resolve));
    }
}
