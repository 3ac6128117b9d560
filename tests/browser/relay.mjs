// A relay of a case, on a port of its own.

import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

const BINARIES = process.env.RELAY_TEST_BINARIES ?? fileURLToPath(new URL("../../target/debug", import.meta.url));

async function freePort() {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address();
    await new Promise((resolve) => server.close(resolve));
    return port;
}

export class Relay {
    log = "";

    /** Starts one that phones reach at `host`. */
    static async start({ host = "localhost", args = [], env = {}, port } = {}) {
        const relay = new Relay();
        relay.port = port ?? (await freePort());
        relay.url = `http://127.0.0.1:${relay.port}`;
        relay.page = `http://${host}:${relay.port}/p`;
        const all = ["--listen", "0.0.0.0", "--port", String(relay.port), "--log", "trace", ...args];
        if (!args.includes("--store") && !env.REDIS_URL) all.push("--store", "memory");
        const child = spawn(`${BINARIES}/relayd`, all, {
            env: { ...process.env, PUBLIC_WS_URL: `ws://${host}:${relay.port}/ws`, ...env },
            stdio: ["ignore", "pipe", "pipe"],
        });
        relay.child = child;
        for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (relay.log += data));
        while (!relay.log.includes("listening")) {
            if (child.exitCode !== null) throw new Error(`relayd ended: ${relay.log}`);
            await new Promise((resolve) => child.stderr.once("data", resolve));
        }
        return relay;
    }

    async stop() {
        if (this.child.exitCode !== null || this.child.signalCode !== null) return;
        const gone = new Promise((resolve) => this.child.once("exit", resolve));
        this.child.kill("SIGKILL");
        await gone;
    }
}
