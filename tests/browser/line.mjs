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
    /** Connections are cut each time that so much has passed. */
    #cutEach = Infinity;
    #left = Infinity;

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
            from.on("data", (data) => this.#carry(data, from, to));
            from.on("error", () => {});
            from.on("end", () => setTimeout(() => to.end(), this.delayMs));
            from.on("close", () => this.#pairs.delete(pair) && setTimeout(() => to.destroy(), this.delayMs));
        }
    }

    #carry(data, from, to) {
        this.carried += data.length;
        this.#left -= data.length;
        if (this.#left <= 0) return this.cut();
        if (this.delayMs > 0) return setTimeout(() => to.write(data), this.delayMs);
        if (to.write(data)) return;
        from.pause();
        to.once("drain", () => from.resume());
    }

    /** Cuts every connection now: both ends see a reset, and what was on its way is lost. */
    cut() {
        this.#left = this.#cutEach;
        this.cuts += 1;
        for (const socket of [...this.#pairs].flat()) socket.resetAndDestroy();
    }

    /** Cuts each time that `bytes` more have passed. */
    cutEach(bytes) {
        this.#cutEach = this.#left = bytes;
    }

    async stop() {
        for (const socket of [...this.#pairs].flat()) socket.destroy();
        await new Promise((resolve) => this.#server.close(resolve));
    }
}
