// What is behind the `#` of a code's link stays with the phone: not in the relay's log, and not in Redis.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:net";

import { readCode } from "../../../page/tunnel/code.js";
import { Desk } from "../desk.mjs";
import { Relay } from "../relay.mjs";
import { pair, share, untilRows } from "./steps.mjs";

async function freePort() {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address();
    await new Promise((resolve) => server.close(resolve));
    return port;
}

/** A Redis of this case, and every command that it gets. */
class Redis {
    seen = "";
    #children = [];

    static async start() {
        const redis = new Redis();
        redis.port = await freePort();
        const args = ["--port", String(redis.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        await redis.#spawn("redis-server", args, "Ready to accept connections");
        await redis.#spawn("redis-cli", ["-p", String(redis.port), "MONITOR"], "OK", (data) => (redis.seen += data));
        return redis;
    }

    /** Starts a program, and waits until it says so. */
    #spawn(program, args, ready, each = () => {}) {
        const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
        this.#children.push(child);
        return new Promise((resolve, reject) => {
            let said = "";
            child.once("exit", () => reject(new Error(`${program} ended: ${said}`)));
            child.stdout.on("data", (data) => {
                each(data);
                if (said.includes(ready)) return;
                said += data;
                if (said.includes(ready)) resolve();
            });
        });
    }

    /** The answer to a command. */
    ask(...args) {
        const child = spawn("redis-cli", ["-p", String(this.port), ...args], { stdio: ["ignore", "pipe", "inherit"] });
        let text = "";
        child.stdout.on("data", (data) => (text += data));
        return new Promise((resolve) => child.once("close", () => resolve(text)));
    }

    /** Every key with its value. */
    async dump() {
        const keys = (await this.ask("--scan")).split("\n").filter(Boolean);
        const values = [];
        for (const key of keys) {
            const type = (await this.ask("TYPE", key)).trim();
            const read = { string: ["GET"], hash: ["HGETALL"], set: ["SMEMBERS"], list: ["LRANGE"], zset: ["ZRANGE"] }[type];
            assert.ok(read, `a key of type ${type}`);
            const range = ["list", "zset"].includes(type) ? ["0", "-1"] : [];
            values.push(`${key} ${await this.ask(...read, key, ...range)}`);
        }
        return values.join("\n");
    }

    async stop() {
        for (const child of this.#children.reverse()) {
            const gone = new Promise((resolve) => child.removeAllListeners("exit").once("exit", resolve));
            child.kill("SIGKILL");
            await gone;
        }
    }
}

export async function nothing_of_a_codes_secret_reaches_the_relay_or_redis({ phone }) {
    const redis = await Redis.start();
    const relay = await Relay.start({ args: ["--store", "redis"], env: { REDIS_URL: `redis://127.0.0.1:${redis.port}` } });
    const desk = new Desk(relay);
    try {
        const address = await desk.showCode();
        const atCode = await redis.dump();
        await desk.type("pair", "\x03");
        await desk.ended("pair");
        const paired = await pair({ desk, phone });
        await share({ desk, phone });
        await untilRows(phone, "prompt", (rows) => rows[0] === "desk$");
        const places = { "the log": relay.log, "what Redis was told": redis.seen, "Redis with a code": atCode, "Redis with a pair": await redis.dump() };
        for (const [place, text] of Object.entries(places)) {
            assert.ok(text.length > 100, `${place} is empty: ${text}`);
            for (const code of [address, paired]) hasNothingOf(code.split("#2")[1], place, text);
        }
        const { place } = await readCode(address);
        assert.ok(atCode.includes(place.session), `not even the code's session is in Redis: ${atCode}`);
        assert.ok(redis.seen.includes(place.session), "not even the code's session was told to Redis");
    } finally {
        await desk.end();
        await relay.stop();
        await redis.stop();
    }
}
nothing_of_a_codes_secret_reaches_the_relay_or_redis.devices = ["pixel"];

/** Neither as it is in the link, nor as bytes in hex, nor a part of it. */
function hasNothingOf(secret, place, text) {
    assert.equal(secret.length, 32);
    const hex = Buffer.from(secret, "base64url").toString("hex");
    const quoted = secret.slice(0, 8);
    for (const form of [secret, quoted, secret.slice(-8), hex, hex.slice(0, 12), hex.slice(-12)]) {
        assert.ok(!text.toLowerCase().includes(form.toLowerCase()), `${form} of the code is in ${place}`);
    }
}
