// A hostile desk: anything that it may say leads to an answer of the protocol, never to an exception, and
// what a page keeps of it stays bounded.

import assert from "node:assert/strict";
import test from "node:test";
import { AppEnd } from "../app/end.js";
import { ChatRoom } from "../app/chat_room.js";
import { Clipboard } from "../clipboard/clipboard.js";
import { memoryParts } from "../files/parts.js";
import { Transfers } from "../files/transfers.js";
import { Notices } from "../notices/notices.js";
import { TerminalViewer } from "../screen/viewer.js";
import { readRecord } from "../tunnel/records.js";
import { Refused } from "../tunnel/refused.js";
import { concat, unhex, utf8 } from "../bytes.js";
import { random, vectors } from "./vectors.js";

const FIRST = Number(process.env.RELAY_PAGE_SEED ?? 1);
const COUNT = process.env.RELAY_PAGE_SEED ? 1 : Number(process.env.RELAY_PAGE_SEEDS ?? 300);

const app = vectors("app-1.json");
const PAYLOADS = [
    ...app.chat.map(({ payload }) => utf8(payload)),
    ...vectors("notice-1.json").desk.map(({ message }) => utf8(message)),
    ...vectors("terminal-1.json").updates.flatMap(({ messages }) => messages.map(unhex)),
    ...vectors("terminal-1.json").desk.flatMap(({ messages }) => messages.map(unhex)),
    ...vectors("file-1.json").records.map(({ hex }) => unhex(hex)),
];
const SCREEN = unhex(vectors("terminal-1.json").updates[0].messages[0]);
const VALUES = [0, 1, 2, 3, 4, -1, 1.5, 2 ** 32, 2 ** 53, "", "chat", "file", "terminal", "notice", "clipboard", "pipe"];
VALUES.push("<img src=x onerror=alert(1)>", "\u202e\u200bx", "x".repeat(9_000), null, true, [], {}, [[[]]], { v: 1, bytes: 5 });
VALUES.push({ v: 1, files: 2 ** 60, bytes: -5, name: { toString: "no" } }, { name: "sh" }, 65_536, 4 << 20, 1e308);
VALUES.push([null], [1, {}], [{ name: 5 }], [{ name: "t", cols: "x" }], { kind: "terminal", name: 7 }, undefined);
const TYPES = ["hello", "desk", "hidden", "open", "accept", "refuse", "credit", "end", "reset", "later", "", "__proto__"];
const MEMBERS = ["v", "id", "re", "ch", "kind", "credit", "n", "p", "reason", "words", "rights", "terminals", "name", "hidden"];

/** What a notice or a chat message may look like. */
function words(rng) {
    const made = { t: rng.pick(["notice", "push", "got", 5]), id: `${rng.below(40)}`, at: 5, text: "text", title: "t" };
    if (rng.oneIn(2)) delete made.t;
    for (let left = rng.below(3); left > 0; left--) {
        made[rng.pick(["id", "at", "text", "title", "urgency", "target", "got", "state", "words", "t"])] = rng.pick(VALUES);
    }
    return utf8(JSON.stringify(made));
}

/** A message of a desk that knows the protocol and does not keep to it. */
function message(rng, open) {
    const ch = rng.oneIn(2) && open.length > 0 ? rng.pick(open) : rng.pick([0, 1, 2, 3, 4, 5, 6, 7, 9, 2 ** 31]);
    if (rng.oneIn(2)) {
        const payload = rng.oneIn(8) ? SCREEN.slice() : rng.oneIn(2) ? words(rng) : rng.pick(PAYLOADS).slice();
        if (payload.length > 0 && rng.oneIn(2)) payload[rng.below(payload.length)] = rng.below(256);
        return concat([1, ch >>> 24, (ch >>> 16) & 255, (ch >>> 8) & 255, ch & 255], payload);
    }
    if (rng.oneIn(20)) return rng.bytes(rng.below(40));
    const made = { t: rng.pick(TYPES), ch };
    for (let left = rng.below(5); left > 0; left--) made[rng.pick(MEMBERS)] = rng.pick(VALUES);
    if (rng.oneIn(2)) Object.assign(made, { t: "open", ch: 2 * (1 + rng.below(30)), credit: 65_536, kind: rng.pick(VALUES) });
    if (rng.oneIn(4)) Object.assign(made, { t: "accept", ch: 2 * rng.below(5) + 1, credit: 65_536 });
    const text = JSON.stringify(made);
    return utf8(rng.oneIn(10) ? text.slice(0, rng.below(text.length)) : text);
}

test("whatever a desk says, the page goes on", async () => {
    let opened = 0;
    const sum = { chat: 0, notices: 0, files: 0, screens: 0 };
    for (let seed = FIRST; seed < FIRST + COUNT; seed++) {
        const rng = random(seed);
        const end = new AppEnd({ hello: { version: 1, features: [], device: "browser", name: "", hidden: false }, nonce: "n" });
        let timers = 0;
        const host = {
            open: (kind, params) => end.open(kind, params),
            pump() {},
            isOpen: () => true,
            now: () => 0,
            date: () => 0,
            after: () => (timers++, () => {}),
        };
        const chat = new ChatRoom(host, rng.bytes(16), () => {});
        const clipboard = new Clipboard(host, () => {});
        const files = new Transfers(host, "p", () => {}, memoryParts());
        const told = [];
        const rest = { pusher: null, isHidden: false, wasShown: async () => [], onNotice: (notice) => told.push(notice), onChange() {} };
        const notices = new Notices(host, rest);
        notices.watch();
        const viewer = new TerminalViewer(host, "build");
        const open = [];
        const kinds = [chat, clipboard, files, notices, viewer];
        const greet = () => {
            const { id } = JSON.parse(new TextDecoder().decode(end.pollMessage(0)));
            end.onMessage(utf8(JSON.stringify({ t: "hello", v: 1, re: id })), 0);
            end.onMessage(utf8('{"t":"desk","rights":["chat","view"]}'), 0);
        };
        const restart = () => {
            while (end.pollMessage(0));
            end.onRestart();
            greet();
        };
        end.onOpen();
        greet();
        for (let round = 0; round < 300; round++) {
            end.onMessage(message(rng, open.slice(-4)), round);
            for (let event = end.pollEvent(); event; event = end.pollEvent()) {
                if (event.type === "ready" || event.type === "restarted") for (const kind of kinds) kind.onReady(event.type === "ready");
                else if (event.type === "opened") {
                    opened += 1;
                    if (event.channel.kind === "chat") chat.take(event.channel);
                    else if (event.channel.kind === "clipboard") clipboard.take(event.channel, event.params);
                    else if (event.channel.kind === "file") await files.take(event.channel, event.params);
                    else event.channel.refuse("unavailable");
                } else event.channel?.owner?.(event);
            }
            if (rng.oneIn(10)) files.sets.filter(({ state }) => state === "asked").forEach((set) => set.accept());
            if (rng.oneIn(10)) clipboard.clips.forEach((clip) => clipboard.seen(clip));
            if (rng.oneIn(10)) viewer.type("x");
            if (rng.oneIn(60)) restart();
            for (let said = end.pollMessage(round); said; said = end.pollMessage(round)) {
                const { t, ch } = said[0] === 1 ? {} : JSON.parse(new TextDecoder().decode(said));
                if (t !== "open" || rng.oneIn(5)) continue;
                open.push(ch);
                end.onMessage(utf8(`{"t":"accept","ch":${ch},"credit":65536}`), round);
            }
        }
        await new Promise((resolve) => setImmediate(resolve));
        sum.chat += chat.lines.length;
        sum.notices += told.length;
        sum.files += files.sets.length;
        sum.screens += Number(viewer.hasScreen);
        assert.ok(chat.lines.length <= 400 && clipboard.clips.length <= 20 && files.sets.length <= 28, `seed ${seed}`);
        for (const { text, title } of told) assert.ok(!/[\u202e\u200b\u0000-\u001f]/u.test(text + title), `seed ${seed}`);
    }
    // What is tried must also get through, now and then.
    if (COUNT > 100) for (const [name, number] of Object.entries(sum)) assert.ok(number > 20, `${name}: ${number}`);
    assert.ok(opened > COUNT, `${opened} channels were opened`);
});

test("whatever bytes a record has, it is a record or refused", () => {
    const rng = random(FIRST);
    for (let round = 0; round < 20_000; round++) {
        const bytes = concat([rng.below(11)], rng.bytes(rng.below(120)));
        try {
            assert.ok(readRecord(bytes).what);
        } catch (error) {
            assert.ok(error instanceof Refused, error.stack);
        }
    }
});
