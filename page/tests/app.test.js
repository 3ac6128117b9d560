// The app protocol: the shared vectors, faults, chat and pace.

import assert from "node:assert/strict";
import test from "node:test";
import { harmless, hex, textOf, unhex, utf8 } from "../bytes.js";
import { Conversation, parseChat } from "../app/chat.js";
import { parse, writeControl } from "../app/control.js";
import { AppEnd } from "../app/end.js";
import { Pace } from "../app/pace.js";
import { vectors } from "./vectors.js";

const { conversation, answers, chat } = vectors("app-1.json");
const hello = (device, name) => ({ version: 1, features: [], device, name, hidden: false });
const DESK = {
    name: "desk",
    rights: ["chat", "files", "view", "type"],
    terminals: [{ name: "build", title: "make", cols: 80, rows: 24, viewOnly: true }],
};

/** Everything that an end has to say. */
function said(end, now = 0) {
    const all = [];
    for (let message = end.pollMessage(now); message; message = end.pollMessage(now)) all.push(message);
    return all;
}

function events(end) {
    const all = [];
    for (let event = end.pollEvent(); event; event = end.pollEvent()) all.push(event);
    return all;
}

const readable = (message) => (message[0] === 1 ? hex(message) : JSON.parse(textOf(message)));
const bytesOf = (text) => (text.startsWith("{") ? utf8(text) : unhex(text));

test("each message of the conversation is read, and written the same", () => {
    for (const { what, text, hex: digits } of conversation) {
        const bytes = text ? utf8(text) : unhex(digits);
        const read = parse(bytes);
        assert.equal(read.t, what);
        if (text) assert.deepEqual(readable(writeControl(read)), JSON.parse(text), what);
    }
});

test("the answers of a desk to faults", () => {
    for (const { what, heard, said: expected } of answers) {
        const desk = new AppEnd({ isDesk: true, hello: hello("workstation", "desk"), nonce: "" });
        desk.setDesk(DESK);
        desk.onOpen();
        desk.onMessage(utf8('{"t":"hello","v":1,"id":"first"}'), 0);
        said(desk);
        const answer = [];
        for (const message of heard) {
            desk.onMessage(bytesOf(message), 0);
            for (const event of events(desk)) if (event.type === "opened") event.channel.accept();
            answer.push(...said(desk).map(readable));
        }
        assert.deepEqual(answer, expected.map((text) => (text.startsWith("{") ? JSON.parse(text) : text)), what);
    }
});

test("a phone ignores the desk's answer to an older hello, and what a desk says before its own", () => {
    const phone = new AppEnd({ hello: hello("phone", "Pixel"), nonce: "n" });
    phone.onOpen();
    const [{ id: first }] = said(phone).map(readable);
    phone.onRestart();
    const [{ id: second }] = said(phone).map(readable);
    assert.notEqual(first, second);
    const answer = (re) => phone.onMessage(utf8(JSON.stringify({ t: "hello", v: 1, re })), 0);
    answer(first);
    phone.onMessage(utf8('{"t":"desk","rights":[]}'), 0);
    assert.deepEqual([phone.isReady, events(phone), phone.ignored], [false, [], { faults: 0, unknown: 0, early: 2 }]);
    answer(second);
    assert.deepEqual([phone.isReady, events(phone).map(({ type }) => type)], [true, ["ready"]]);
    answer(second);
    assert.deepEqual(events(phone), []);
});

test("a desk's offer is made short and harmless, or is a fault", () => {
    const phone = new AppEnd({ hello: hello("phone", "Pixel"), nonce: "n" });
    phone.onOpen();
    const [{ id }] = said(phone).map(readable);
    phone.onMessage(utf8(JSON.stringify({ t: "hello", v: 1, re: id })), 0);
    events(phone);
    const hear = (desk) => {
        phone.onMessage(utf8(JSON.stringify({ t: "desk", ...desk })), 0);
        return events(phone).map(({ desk }) => desk);
    };
    for (const bad of [{}, { rights: 5 }, { rights: [], terminals: [null] }, { rights: [], terminals: [{ name: 7 }] }]) {
        assert.deepEqual(hear(bad), [], JSON.stringify(bad));
    }
    assert.equal(phone.ignored.faults, 4);
    const terminals = new Array(40).fill({ name: "\u202e".repeat(20), title: "t".repeat(150), cols: 1e9, rows: "x", viewOnly: 1 });
    const [{ name, rights, terminals: shown }] = hear({ name: "a\nb", rights: ["shell", "fly", "chat", 5], terminals });
    assert.deepEqual([name, rights, shown.length], ["a\\nb", ["chat", "shell"], 32]);
    assert.ok(shown[0].name.length <= 64 && !shown[0].name.includes("\u202e"));
    assert.deepEqual([shown[0].title.length, shown[0].rows, shown[0].viewOnly], [128, 0, false]);
});

test("a channel that is gone takes nothing any more", () => {
    const phone = new AppEnd({ hello: hello("phone", "Pixel"), nonce: "n" });
    phone.onOpen();
    const open = () => {
        const [{ id }] = said(phone).map(readable);
        phone.onMessage(utf8(JSON.stringify({ t: "hello", v: 1, re: id })), 0);
        const channel = phone.open("chat");
        said(phone);
        phone.onMessage(utf8('{"t":"accept","ch":1,"credit":65536}'), 0);
        assert.equal(channel.send(utf8("x")), true);
        return channel;
    };
    const reset = open();
    phone.onMessage(utf8('{"t":"reset","ch":1,"reason":"cancelled"}'), 0);
    assert.deepEqual([reset.isGone, reset.send(utf8("x")), reset.end(), said(phone).length], [true, false, false, 0]);
    phone.onRestart();
    const restarted = open();
    phone.onRestart();
    assert.deepEqual([restarted.isGone, restarted.send(utf8("x")), phone.open("chat")], [true, false, null]);
    restarted.reset("cancelled");
    assert.deepEqual(said(phone).map(readable).map(({ t }) => t), ["hello"]);
});

test("chat payloads are read and shown harmlessly", () => {
    for (const { payload, shown } of chat) {
        const part = parseChat(utf8(payload));
        if (shown === undefined) assert.equal(part.got, "p-1");
        else assert.equal(harmless(part.message.text), shown);
    }
    for (const bad of ["", "{}", "[]", "null", '{"id":"","at":1,"text":""}', '{"id":"1","text":""}', "[".repeat(1 << 15)]) {
        assert.throws(() => parseChat(utf8(bad)), bad.slice(0, 40));
    }
});

test("what was not confirmed is said again on a new channel, and told once", () => {
    const [desk, phone] = [new Conversation("d"), new Conversation("p")];
    const pass = (from, to) => {
        const news = [];
        for (let part = from.nextPart; part; part = from.nextPart) {
            from.partSent();
            news.push(to.onData(part));
        }
        return news.filter(Boolean).map((one) => one.message?.text ?? one.delivered);
    };
    desk.say("one", 1);
    assert.deepEqual(pass(desk, phone), ["one"]);
    desk.say("two", 2);
    // The channel is gone, with the confirmation of the first and the second itself.
    desk.partSent();
    phone.partSent();
    desk.reopened();
    assert.deepEqual(pass(desk, phone), ["two"]);
    assert.deepEqual(pass(phone, desk), ["d-1", "d-2"]);
    assert.equal(desk.nextPart, null);
    for (let i = 0; i < 200; i++) assert.notEqual(desk.say("x", 0), "too-many");
    assert.equal(desk.say("x", 0), "too-many");
    assert.equal(phone.say("x".repeat(8193), 0), "too-long");
});

test("bulk is paced: more while nothing waits, less when it does", () => {
    const pace = new Pace();
    let [now, line] = [0, []];
    // A line of 1 Mbit/s and 50 ms each way.
    let freeAt = 0;
    let most = 0;
    for (; now < 60_000; now++) {
        while (line.length > 0 && line[0].backAt <= now) pace.onReturn(line.shift().cost, now);
        while (pace.admit(pace.messageLength + 64, now)) {
            const cost = pace.messageLength + 64;
            freeAt = Math.max(freeAt, now) + cost / 125;
            line.push({ cost, backAt: freeAt + 100 });
        }
        if (now > 20_000) most = Math.max(most, freeAt - now);
    }
    // What is typed waits for at most this long behind it.
    assert.ok(most < 250, `${most} ms wait in front of the line`);
    assert.ok(freeAt > 55_000, "the line is used");
});
