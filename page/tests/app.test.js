// The app protocol: the shared vectors, chat, and hundreds of seeded conversations of two ends over a line
// that breaks.

import assert from "node:assert/strict";
import test from "node:test";
import { harmless, hex, textOf, unhex, utf8 } from "../bytes.js";
import { Conversation, parseChat } from "../app/chat.js";
import { parse, writeControl } from "../app/control.js";
import { AppEnd } from "../app/end.js";
import { Pace } from "../app/pace.js";
import { random, vectors } from "./vectors.js";

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

/** One end with an app that acts at random, and judges what comes. */
class Side {
    constructor(isDesk, rng, world) {
        Object.assign(this, { isDesk, rng, world, channels: new Map() });
        this.renew();
    }

    renew() {
        const { isDesk, rng } = this;
        this.end = new AppEnd({ isDesk, hello: hello(isDesk ? "workstation" : "phone", "model"), nonce: hex(rng.bytes(8)) });
        if (isDesk) this.end.setDesk(DESK);
        this.channels.clear();
        this.hasOpened = false;
        this.held = null;
    }

    work() {
        for (const event of events(this.end)) this.take(event);
        assert.equal(this.end.ignored.faults, 0, "an honest end made a mistake");
    }

    take(event) {
        const { channel } = event;
        const known = this.channels.get(channel);
        switch (event.type) {
            case "restarted":
                return this.channels.clear();
            case "opened":
                return void this.know(channel, event.params.c);
            case "accepted":
                known.isAccepted = true;
                return;
            case "data": {
                const [number, place] = JSON.parse(textOf(event.bytes)).n;
                assert.equal(number, known.number, "a message of another channel");
                assert.equal(place, known.arrived++, "lost, doubled or out of order");
                known.unread.push(event.bytes.length);
                this.world.counts.data += 1;
                return;
            }
            case "ended":
                known.peerEnded = true;
                this.world.counts.ended += 1;
                return;
            case "refused":
            case "reset":
                assert.ok(this.channels.delete(channel));
        }
    }

    know(channel, number) {
        this.channels.set(channel, { number, sent: 0, arrived: 0, unread: [], isAccepted: false, hasEnded: false });
    }

    act() {
        const { rng } = this;
        const some = [...this.channels.keys()];
        const channel = some.length > 0 ? rng.pick(some) : null;
        const known = channel && this.channels.get(channel);
        switch (rng.below(12)) {
            case 0: {
                const number = ++this.world.number;
                const made = this.end.open(rng.pick(["chat", "file", "terminal", "notice"]), { c: number });
                if (made) this.know(made, number);
                return;
            }
            case 1:
                if (!this.isDesk) return this.end.setHidden(rng.oneIn(2));
                return this.end.setDesk({ ...DESK, rights: rng.oneIn(4) ? ["chat", "view"] : DESK.rights });
            case 2:
                for (const [asked, { isAccepted }] of this.channels) {
                    if (isAccepted || (asked.number % 2 === 0) === this.isDesk) continue;
                    if (rng.oneIn(4)) {
                        asked.refuse("unavailable");
                        this.channels.delete(asked);
                    } else if (asked.accept()) {
                        this.channels.get(asked).isAccepted = true;
                    }
                }
                return;
            case 3:
                if (known && rng.oneIn(3) && channel.end()) known.hasEnded = true;
                return;
            case 4:
                if (!known || !rng.oneIn(6)) return;
                channel.reset("cancelled");
                this.channels.delete(channel);
                return;
            case 5:
            case 6:
            case 7:
                if (known) this.consume(channel, known, rng.below(known.unread.length + 1));
                return;
            default:
                for (let left = known ? rng.below(8) : 0; left >= 0 && known; left--) this.send(channel, known);
        }
    }

    send(channel, known) {
        const text = JSON.stringify({ n: [known.number, known.sent] });
        const padding = " ".repeat(this.rng.pick([0, 100, 4000, 32_000]));
        if (channel.send(utf8(text + padding))) known.sent += 1;
        else this.world.counts.full += 1;
    }

    consume(channel, known, count) {
        channel.consumed(known.unread.splice(0, count).reduce((sum, length) => sum + length, 0));
    }
}

/** Two ends over a tunnel: in order and once in one life of both; a restart loses what was under way. */
class World {
    constructor(seed) {
        this.rng = random(seed);
        this.number = 0;
        this.counts = { data: 0, ended: 0, full: 0 };
        this.sides = [new Side(false, this.rng, this), new Side(true, this.rng, this)];
        this.lines = [[], []];
        this.isLinked = false;
        this.isNew = [true, true];
        this.now = 0;
    }

    step() {
        const { rng } = this;
        this.now += rng.below(20);
        const at = rng.below(2);
        switch (rng.below(14)) {
            case 0:
                if (rng.oneIn(8)) this.restart(at);
                return;
            case 1:
                this.isLinked = rng.oneIn(3) ? false : this.link();
                return;
            case 2:
            case 3:
            case 4:
            case 5:
                return this.write(at);
            case 6:
            case 7:
            case 8:
                return this.read(at);
            default:
                this.sides[at].act();
                this.sides[at].work();
        }
    }

    restart(at) {
        this.isLinked = false;
        this.sides[at].renew();
        // What it had not read is lost, and what it had written may still arrive.
        this.lines[at] = [];
        this.isNew[at] = true;
    }

    link() {
        for (const at of [0, 1]) {
            const [side, other] = [this.sides[at], this.sides[1 - at]];
            if (this.isNew[1 - at] && side.hasOpened) {
                this.lines[1 - at] = [];
                this.read(at, true);
                side.held = null;
                side.end.onRestart();
                side.work();
            }
            void other;
        }
        this.isNew = [false, false];
        for (const side of this.sides) {
            side.hasOpened = true;
            side.end.onOpen();
            side.work();
        }
        return true;
    }

    write(at) {
        const side = this.sides[at];
        if (!side.hasOpened || this.lines[1 - at].length > 40) return;
        const message = side.end.pollMessage(this.now);
        if (message) this.lines[1 - at].push(message);
    }

    read(at, all = false) {
        if (!this.isLinked && !all) return;
        const line = this.lines[at];
        for (let left = all ? line.length : Math.min(line.length, 1 + this.rng.below(5)); left > 0; left--) {
            this.sides[at].end.onMessage(line.shift(), this.now);
        }
        this.sides[at].work();
    }

    /** Everything is read and answered: each channel is the same at both ends, and takes a message again. */
    settle() {
        this.link();
        this.isLinked = true;
        for (let round = 0; round < 400; round++) {
            this.now += 50;
            for (const at of [0, 1]) {
                for (let left = 60; left > 0; left--) this.write(at);
                this.read(at, true);
                for (const [channel, known] of this.sides[at].channels) this.sides[at].consume(channel, known, known.unread.length);
            }
        }
        const live = this.sides.map(({ channels }) =>
            [...channels].filter(([, known]) => !(known.hasEnded && known.peerEnded)).map(([, { number }]) => number).sort());
        assert.deepEqual(live[0], live[1]);
        const [phone, desk] = this.sides.map(({ channels }) => new Map([...channels].map(([, known]) => [known.number, known])));
        for (const [number, known] of phone) {
            const other = desk.get(number);
            if (other) assert.deepEqual([known.sent, other.sent], [other.arrived, known.arrived], `of channel ${number}`);
        }
        for (const { channels } of this.sides) {
            for (const [channel, known] of channels) {
                if (known.isAccepted && !known.hasEnded) assert.ok(channel.send(new Uint8Array(32_763)), "all credit came back");
            }
        }
    }
}

test("channels keep their promises over breaks and restarts", () => {
    const first = Number(process.env.RELAY_PAGE_SEED ?? 1);
    const count = process.env.RELAY_PAGE_SEED ? 1 : Number(process.env.RELAY_PAGE_SEEDS ?? 150);
    const sum = { data: 0, ended: 0, full: 0 };
    for (let seed = first; seed < first + count; seed++) {
        const world = new World(seed);
        try {
            for (let step = 0; step < 1500; step++) world.step();
            world.settle();
        } catch (error) {
            error.message = `RELAY_PAGE_SEED=${seed}: ${error.message}`;
            throw error;
        }
        for (const name of Object.keys(sum)) sum[name] += world.counts[name];
    }
    if (count > 100) for (const [name, number] of Object.entries(sum)) assert.ok(number > 100, `${name}: ${number}`);
});
