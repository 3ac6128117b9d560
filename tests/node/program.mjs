// Starts programs and reads what they print, line by line. pair.mjs calls it.

import { spawn } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import readline from "node:readline";
import { fileURLToPath } from "node:url";

// Longer than anything takes on a loaded machine: only a hang reaches it.
const GUARD_MS = 60_000;
const KEPT_LINES = 8;
const RAW_CHARS = 64 << 10;

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const BINARIES = process.env.RELAY_TEST_BINARIES ?? `${ROOT}target/debug`;

/** A child whose output lines are read in order, each once. */
export class Program {
    #child;
    #stream;
    #lines = [];
    #looked = [];
    #raw = "";
    #waiting = null;
    #ended = false;
    #panic = null;

    #last = new Map();

    constructor(command, args, stream = "stdout", env = {}) {
        const stdio = ["pipe", "inherit", "inherit"];
        stdio[stream === "stdout" ? 1 : 2] = "pipe";
        this.#child = spawn(command, args, { stdio, env: { ...process.env, ...UNSET, ...env } });
        this.#stream = this.#child[stream];
        this.#child.stdin.on("error", () => {});
        this.#stream.on("data", (chunk) => this.#wake(() => (this.#raw = (this.#raw + chunk).slice(-RAW_CHARS))));
        readline.createInterface({ input: this.#stream }).on("line", (line) => this.#onLine(line));
        this.exit = new Promise((resolve) => this.#child.on("close", resolve));
        noteUntil(this.exit, this.#child.pid);
        this.exit.then(() => this.#wake(() => (this.#ended = true)));
    }

    /** One of the two ends beside this file. */
    static end(name, ...args) {
        return new Program(process.execPath, [fileURLToPath(new URL(name, import.meta.url)), ...args]);
    }

    /** relayd on a port, or a free one: the program and its address. */
    static async relay(port = "0") {
        const path = `${BINARIES}/relayd`;
        if (!existsSync(path)) throw new Error(`${path} is not there: run \`cargo build -p relayd\` first`);
        const flags = ["--port", port, "--listen", "127.0.0.1", "--store", "memory", "--log-format", "json"];
        const relay = new Program(path, flags, "stderr");
        const address = await relay.find(listeningAddress);
        return { relay, url: `http://${address}` };
    }

    type(line) {
        this.#child.stdin.write(`${line}\n`);
    }

    /** Nothing more is typed. */
    endInput() {
        this.#child.stdin.end();
    }

    /** Waits until this was printed, also as a line that does not end yet. */
    async prints(text) {
        const guard = setTimeout(() => this.#wake(() => (this.#ended = true)), GUARD_MS);
        while (!this.#raw.includes(text)) {
            if (this.#ended) throw new Error(`it ended or never printed ${text}`);
            await new Promise((resolve) => (this.#waiting = resolve));
        }
        clearTimeout(guard);
    }

    /** Finds the next line for which `wanted` returns something true, and returns that. */
    async find(wanted) {
        const guard = setTimeout(() => this.#wake(() => (this.#ended = true)), GUARD_MS);
        try {
            for (;;) {
                while (this.#lines.length > 0) {
                    const line = this.#lines.shift();
                    this.#looked = [...this.#looked, line].slice(-KEPT_LINES);
                    const answer = wanted(line);
                    if (answer) return answer;
                }
                if (this.#ended) throw new Error(`it ended or said nothing more; last: ${this.#looked.join(" | ")}`);
                await new Promise((resolve) => (this.#waiting = resolve));
            }
        } finally {
            clearTimeout(guard);
        }
    }

    /** The rest of the next line that begins with this word; "" if the line is only the word. */
    async event(word) {
        const [rest] = await this.find((line) => (line === word ? [""] : afterWord(line, word)));
        return rest;
    }

    /** The text after this word where it was printed last, read or not. */
    last(word) {
        return this.#last.get(word);
    }

    /** Whether it ever printed this word. */
    hasSaid(word) {
        return this.#last.has(word);
    }

    kill() {
        this.#child.kill("SIGKILL");
        return this.exit;
    }

    /** Kills a program that should have run until now. Returns what was wrong with it, or null. */
    async killAlive() {
        const ended = this.#ended ? "it ended by itself" : null;
        await this.kill();
        return this.#panic ?? ended;
    }

    #onLine(line) {
        if (line.includes("panicked")) this.#panic ??= line;
        const [word] = line.split(" ", 1);
        this.#last.set(word, line.slice(word.length + 1));
        this.#wake(() => this.#lines.push(line));
    }

    #wake(change) {
        change();
        this.#waiting?.();
    }
}

// run-test.sh ends the programs that are noted there, if this runner crashes.
function noteUntil(exit, pid) {
    const folder = process.env.RELAY_TEST_PIDS;
    if (!folder) return;
    writeFileSync(`${folder}/${pid}`, "");
    exit.then(() => rmSync(`${folder}/${pid}`, { force: true }));
}

function afterWord(line, word) {
    return line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : null;
}

function listeningAddress(line) {
    if (!line.startsWith("{")) return null;
    const event = JSON.parse(line);
    const fields = event.fields ?? event;
    return fields.message === "listening" ? fields.addr : null;
}

// relayd also takes settings from these variables. Here only its flags count.
const UNSET = Object.fromEntries(
    ["PORT", "REDIS_URL", "PUBLIC_WS_URL", "SESSION_IDLE_SECS", "HEARTBEAT_INTERVAL_SECS", "MAX_MESSAGE_BYTES"]
        .concat(["ALLOWED_ORIGINS", "REGISTER_KEY", "RELAY_LOG"])
        .map((name) => [name, undefined]),
);
