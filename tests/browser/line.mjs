// The line between a phone and a relay: a TCP proxy that can be slow, and that can be cut.

import { connect, createServer } from "node:net";

import { Relay } from "./relay.mjs";

export class Line {
    /** How long each direction takes. */
    delayMs = 0;
    cuts = 0;
    carried = 0;
    #server;
    #pairs = new Set();
    #target = 0;
    /** Connections are cut when this much more has passed. */
    #cutAfter = Infinity;

    /** A relay whose phones come by this line, and the line. */
    static async toRelay(more = {}) {
        const line = new Line();
        line.#server = createServer((near) => line.#join(near)).listen(0, "127.0.0.1");
        await new Promise((resolve) => line.#server.once("listening", resolve));
        const { port } = line.#server.address();
        const env = { PUBLIC_WS_URL: `ws://localhost:${port}/ws`, ...more.env };
        const relay = await Relay.start({ ...more, env });
        line.#target = relay.port;
        relay.page = `http://localhost:${port}/p`;
        return { line, relay };
    }

    #join(near) {
        const far = connect(this.#target, "127.0.0.1");
        const pair = [near, far];
        this.#pairs.add(pair);
        for (const [from, to] of [pair, [far, near]]) {
            from.setNoDelay(true);
            from.on("data", (data) => this.#carry(data, to));
            from.on("error", () => {});
            from.on("end", () => setTimeout(() => to.end(), this.delayMs));
            from.on("close", () => this.#pairs.delete(pair) && setTimeout(() => to.destroy(), this.delayMs));
        }
    }

    #carry(data, to) {
        this.carried += data.length;
        this.#cutAfter -= data.length;
        if (this.#cutAfter <= 0) return this.cut();
        if (this.delayMs === 0) return to.write(data);
        setTimeout(() => to.write(data), this.delayMs);
    }

    /** Cuts every connection now: both ends see a reset, and what was on its way is lost. */
    cut() {
        this.#cutAfter = Infinity;
        this.cuts += 1;
        for (const socket of [...this.#pairs].flat()) socket.resetAndDestroy();
    }

    /** Cuts once `bytes` more have passed. */
    cutAfter(bytes) {
        this.#cutAfter = bytes;
    }

    async stop() {
        for (const socket of [...this.#pairs].flat()) socket.destroy();
        await new Promise((resolve) => this.#server.close(resolve));
    }
}
