// Typing beside a file, on a slow line in time that a test moves: a key's echo is quick, and the file keeps
// the line.

import assert from "node:assert/strict";
import test from "node:test";
import { AppEnd } from "../app/end.js";

const HELLO = { version: 1, features: [], device: "", name: "", hidden: false };
/** Bytes around each message: the tunnel's record, the WebSocket's frame, TCP and IP. */
const AROUND = 100;

/** One direction of the line. */
class Line {
    #freeAt = 0;
    #under = [];
    bytes = 0;

    constructor(bytesPerMs, delay) {
        Object.assign(this, { bytesPerMs, delay });
    }

    send(message, now) {
        this.#freeAt = Math.max(this.#freeAt, now) + (message.length + AROUND) / this.bytesPerMs;
        this.bytes += message.length;
        this.#under.push({ at: this.#freeAt + this.delay, message });
    }

    arrived(now) {
        const count = this.#under.findIndex(({ at }) => at > now);
        return this.#under.splice(0, count < 0 ? this.#under.length : count).map(({ message }) => message);
    }
}

/** A file from the phone, and a key each 150 ms, for a minute. */
function typeBesideAFile(bytesPerMs, delay) {
    const ends = [false, true].map((isDesk) => new AppEnd({ isDesk, hello: HELLO, nonce: "n" }));
    const lines = [new Line(bytesPerMs, delay), new Line(bytesPerMs, delay)];
    ends[1].setDesk({ name: "", rights: ["files", "view", "type"], terminals: [] });
    for (const end of ends) end.onOpen();
    let [file, keys, fileBytes] = [null, null, 0];
    const typed = [];
    const times = [];
    for (let now = 0; now < 60_000; now++) {
        for (const at of [0, 1]) {
            for (const message of lines[1 - at].arrived(now)) ends[at].onMessage(message.slice(), now);
            for (let event = ends[at].pollEvent(); event; event = ends[at].pollEvent()) {
                if (event.type === "opened") event.channel.accept();
                if (event.type !== "data") continue;
                event.channel.consumed(event.bytes.length);
                if (event.channel.kind === "file") fileBytes += event.bytes.length;
                else if (at === 1) event.channel.send(event.bytes.slice());
                else times.push(now - typed.shift());
            }
        }
        if (ends[0].isReady && !file) [file, keys] = [ends[0].open("file"), ends[0].open("terminal")];
        // As the sender of files does: as many messages as the channel takes.
        while (file?.isAccepted && file.send(new Uint8Array(file.messageLength)));
        if (keys?.isAccepted && now % 150 === 0 && keys.send(new Uint8Array(1))) typed.push(now);
        for (const at of [0, 1]) {
            for (let message = ends[at].pollMessage(now); message; message = ends[at].pollMessage(now)) lines[at].send(message, now);
        }
    }
    times.sort((a, b) => a - b);
    return { p95: times[Math.floor(times.length * 0.95)], share: fileBytes / (60_000 * bytesPerMs), count: times.length };
}

test("a key is quick beside a file, on slow lines and fast ones", () => {
    for (const [bytesPerMs, delay, most] of [
        // 1 Mbit/s and 100 ms both ways together.
        [125, 50, 300],
        [125, 10, 300],
        [1_250, 50, 300],
    ]) {
        const { p95, share, count } = typeBesideAFile(bytesPerMs, delay);
        assert.ok(count > 100 && p95 < most, `${p95} ms at ${bytesPerMs} bytes a millisecond, ${count} keys`);
        assert.ok(share > 0.85, `${share} of a line of ${bytesPerMs} bytes a millisecond`);
    }
});
