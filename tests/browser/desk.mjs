// The desk of a case: windows of `workstation` on pseudo-terminals, in a process of Python.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const SERVER = fileURLToPath(new URL("desk_server.py", import.meta.url));
const PYTHON = process.env.RELAY_BROWSER_PYTHON ?? fileURLToPath(new URL("../.venv/bin/python", import.meta.url));

export class Desk {
    #child;
    #waiting = new Map();
    #ids = 0;

    constructor(relay) {
        this.#child = spawn(PYTHON, [SERVER, relay.url], { stdio: ["pipe", "pipe", "inherit"] });
        createInterface({ input: this.#child.stdout }).on("line", (line) => {
            const answer = JSON.parse(line);
            const { resolve, reject } = this.#waiting.get(answer.id);
            this.#waiting.delete(answer.id);
            if (answer.error) reject(new Error(answer.error));
            else resolve(answer);
        });
    }

    #ask(request) {
        const id = ++this.#ids;
        this.#child.stdin.write(`${JSON.stringify({ id, ...request })}\n`);
        return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    }

    /** A window with a command of `workstation`. */
    open(window, args, more = {}) {
        return this.#ask({ do: "open", window, args, ...more });
    }

    /** Waits until a window's text matches. */
    until(window, pattern, more = {}) {
        return this.#ask({ do: "until", window, pattern, ...more });
    }

    /** Waits for a window's program to end; gives its exit code. */
    async ended(window) {
        return (await this.#ask({ do: "until", window, ended: true })).status;
    }

    type(window, keys) {
        return this.#ask({ do: "type", window, keys });
    }

    resize(window, columns, rows) {
        return this.#ask({ do: "resize", window, columns, rows });
    }

    async screen(window) {
        return (await this.#ask({ do: "screen", window })).lines;
    }

    /** All that a window's program wrote. */
    async raw(window) {
        return (await this.#ask({ do: "raw", window })).text;
    }

    /** The text of the code in a window, read from its picture by an independent reader. */
    async code(window) {
        return (await this.#ask({ do: "code", window })).text;
    }

    /** A film of a window with a code, for a browser's false camera; gives its path. */
    async film(window) {
        return (await this.#ask({ do: "film", window })).path;
    }

    /** A line of a shell. */
    shell(command) {
        return this.#ask({ do: "shell", command });
    }

    /** A file at the desk. */
    put(name, bytes) {
        return this.#ask({ do: "put", name, base64_bytes: bytes.toString("base64") });
    }

    run(...args) {
        return this.#ask({ do: "run", args });
    }

    /** Shows a code, and gives its text. */
    async showCode(window = "pair", args = []) {
        await this.open(window, ["pair", ...args]);
        await this.until(window, "waiting for a phone");
        return this.code(window);
    }

    /** Answers the question of a pairing. */
    async answer(yes, window = "pair") {
        await this.until(window, "\\[y/n\\]");
        await this.type(window, yes ? "y\r" : "n\r");
        return this.ended(window);
    }

    async end() {
        const gone = new Promise((resolve) => this.#child.once("exit", resolve));
        this.#child.stdin.end();
        await gone;
    }
}
