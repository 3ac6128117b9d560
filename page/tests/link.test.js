// A phone and its links without a desk: pairs that are kept, a second tab, and what a link says of itself.

import assert from "node:assert/strict";
import test from "node:test";
import { Phone, readCode } from "../link/link.js";
import { hex, unhex } from "../bytes.js";
import { AppEnd } from "../app/end.js";
import * as handshake from "../tunnel/handshake.js";
import { readRecord, writeRecord, writeState } from "../tunnel/records.js";
import { Stream } from "../tunnel/stream.js";
import { WorkstationHandshake, writeRefusal } from "../../tests/node/desk_handshake.mjs";
import { fakeWorld } from "./fake_world.js";
import { vectors } from "./vectors.js";

const [{ link: CODE, session: SESSION, key: KEY }] = vectors("code-2.json").codes;
const later = () => new Promise((resolve) => setImmediate(resolve));

/** Waits for cryptography of the page that answers later. */
async function until(world, holds) {
    for (let turn = 0; !holds(); turn++) {
        assert.ok(turn < 2000, "waited too long");
        await later();
        await world.settle();
    }
}

/** A desk of a few lines, on the other end of a fake socket. */
class Desk {
    #connection = null;
    stream = new Stream(4 << 20, new Uint8Array(16).fill(7));
    pairKey = new Uint8Array(32).fill(9);
    end = new AppEnd({ isDesk: true, hello: { version: 1, features: [], device: "workstation", name: "office", hidden: false }, nonce: "" });

    constructor(world) {
        this.world = world;
        this.end.setDesk({ name: "office", rights: ["chat", "view", "type"], terminals: [] });
    }

    /** Answers H1 and HELLO. */
    async meet(socket, isUnderCode) {
        const { world } = this;
        await until(world, () => socket.sent.some((data) => data[0] === handshake.H1));
        const h1 = socket.sent.findLast((data) => data[0] === handshake.H1);
        const key = await handshake.keyOf(world.crypto, isUnderCode ? unhex(KEY) : this.pairKey);
        const ephemeral = await world.crypto.keyPair();
        const noise = new WorkstationHandshake({ crypto: world.crypto, session: unhex(SESSION), key, ephemeral });
        await noise.openH1(h1);
        const state = writeState(this.stream.state());
        const { message, connection } = await noise.h2(isUnderCode ? Uint8Array.from([...state, ...this.pairKey]) : state);
        this.#connection = connection;
        const seen = socket.sent.length;
        socket.say(message.buffer);
        await until(world, () => socket.sent.length > seen);
        const hello = readRecord(await connection.open(socket.sent[seen]));
        assert.equal(hello.what, "HELLO");
        this.stream.meet(hello.state);
        this.socket = socket;
        return { words: handshake.words(connection.hash), name: hello.name };
    }

    async say(record) {
        this.socket.say((await this.#connection.seal(writeRecord(record))).buffer);
    }

    async welcome() {
        this.seen = this.socket.sent.length;
        await this.say({ what: "WELCOME" });
        this.end.onOpen();
    }

    /** Reads what came, and answers. */
    async work() {
        for (; this.seen < this.socket.sent.length; this.seen++) {
            const data = this.socket.sent[this.seen];
            if (data[0] !== handshake.RECORD) continue;
            const record = readRecord(await this.#connection.open(data));
            if (record.what === "DATA") this.stream.accept(record);
            if (record.what === "ACK") this.stream.acknowledge(record.ack);
        }
        for (let message = this.stream.take(); message; message = this.stream.take()) this.end.onMessage(message, 0);
        for (let event = this.end.pollEvent(); event; event = this.end.pollEvent()) {
            if (event.type === "opened") event.channel.accept();
        }
        for (let message = this.end.pollMessage(0); message; message = this.end.pollMessage(0)) this.stream.send(message);
        for (let record = this.stream.pollRecord(); record; record = this.stream.pollRecord()) await this.say(record);
    }
}

async function pairing(changes = {}) {
    const world = fakeWorld(changes);
    const phone = await Phone.open(world);
    const link = await phone.pair(await readCode(CODE), "Pixel");
    await world.settle();
    world.socket.accept(true);
    const desk = new Desk(world);
    const met = await desk.meet(world.socket, true);
    return { world, phone, link, desk, met };
}

async function paired(changes) {
    const made = await pairing(changes);
    const { world, link, desk } = made;
    await desk.welcome();
    for (let round = 0; round < 2000 && !link.desk; round++) {
        await later();
        await world.settle();
        await desk.work();
    }
    assert.equal(link.desk?.name, "office");
    return made;
}

test("a pairing shows the words, is kept, and opens", async () => {
    const { world, phone, link, desk, met } = await pairing();
    assert.equal(met.name, "Pixel");
    await until(world, () => link.state.phase === "asked");
    assert.equal(link.state.words, met.words);
    assert.deepEqual(phone.pairs.map(({ isWelcomed, phone: name, relay }) => [isWelcomed, name, relay]), [[false, "Pixel", "relay.example.org"]]);
    await desk.welcome();
    await until(world, () => link.state.phase === "open");
    assert.equal(phone.pairs[0].isWelcomed, true);
    assert.equal(link.state.words, null);
});

test("the words wait for the user over a reload, until they were compared", async () => {
    const { world, phone, link, desk, met } = await pairing();
    await until(world, () => link.state.phase === "asked");
    await desk.welcome();
    await until(world, () => link.state.phase === "open");
    link.close();
    const again = await Phone.open(world);
    assert.deepEqual([again.pairs[0].unconfirmed, again.pairs[0].isWelcomed], [met.words, true]);
    await again.confirm(link.id);
    assert.equal((await Phone.open(world)).pairs[0].unconfirmed, null);
    assert.equal(phone.pairs.length, 1);
});

test("a browser remembers the codes that it used, and not their secrets", async () => {
    const { world, phone, link } = await pairing();
    const code = await readCode(CODE);
    await until(world, () => link.state.phase === "asked");
    assert.equal(await phone.usedAt(code), world.date());
    await phone.forget(link.id);
    assert.equal(await (await Phone.open(world)).usedAt(code), world.date());
    assert.equal(await phone.usedAt({ ...code, key: new Uint8Array(32) }), null);
    assert.ok(!JSON.stringify(await world.store.get("used")).includes(hex(code.key).slice(0, 8)));
});

test("a code of an app of its own is not used up", async () => {
    const phone = await Phone.open(fakeWorld());
    const code = { ...(await readCode(CODE)), app: false };
    await assert.rejects(phone.pair(code, "Pixel"), { why: "other-app" });
});

test("a refusal of the code ends the pairing with its reason, and nothing is kept", async () => {
    for (const [reason, why] of [[1, "code-unknown"], [2, "code-used"], [3, "code-expired"], [4, "denied"], [5, "other-version"]]) {
        const world = fakeWorld();
        const phone = await Phone.open(world);
        const link = await phone.pair(await readCode(CODE), "Pixel");
        await world.settle();
        world.socket.accept(true);
        await until(world, () => world.socket.sent.some((data) => data[0] === handshake.H1));
        const [h1] = world.socket.sent.filter((data) => data[0] === handshake.H1);
        world.socket.say(writeRefusal(h1.slice(1, 5), reason).buffer);
        await until(world, () => link.state.phase === "stopped");
        assert.equal(link.state.why, why);
        assert.deepEqual(await world.store.pairs(), []);
    }
});

test("a page that was loaded again while the desk's user was asked goes on, or is told that it is over", async () => {
    for (const isRefused of [true, false]) {
        const { world, phone, link } = await pairing();
        await until(world, () => link.state.phase === "asked");
        link.close();
        const again = await Phone.open(world);
        assert.equal(again.pairs[0].isWelcomed, false);
        const next = await again.link(phone.pairs[0].id);
        await world.settle();
        world.socket.accept(true);
        if (isRefused) {
            await until(world, () => world.socket.sent.some((data) => data[0] === handshake.H1));
            const h1 = world.socket.sent.find((data) => data[0] === handshake.H1);
            world.socket.say(writeRefusal(h1.slice(1, 5), 1).buffer);
            await until(world, () => again.pairs.length === 0);
            assert.deepEqual([next.state.why, await world.store.pairs()], ["code-unknown", []]);
        } else {
            const desk = new Desk(world);
            const { words } = await desk.meet(world.socket, false);
            await until(world, () => next.state.phase === "asked");
            assert.equal(next.state.words, words);
            await desk.welcome();
            await until(world, () => next.state.phase === "open");
        }
    }
});

test("a session that the relay calls deleted stops a pair and forgets nothing", async () => {
    const { world, phone, link } = await paired();
    world.socket.say({ type: "session-killed", reason: "deleted" });
    world.socket.end(4410);
    await until(world, () => link.state.phase === "stopped");
    assert.deepEqual([link.state.why, phone.pairs.length], ["session-gone", 1]);
});

test("a no at the desk forgets the key, and a proven end later forgets the pair", async () => {
    for (const isEarly of [true, false]) {
        const { world, phone, link, desk } = isEarly ? await pairing() : await paired();
        await desk.say({ what: "DENIED" });
        await until(world, () => link.state.phase === "stopped");
        assert.equal(link.state.why, isEarly ? "denied" : "removed");
        await until(world, () => phone.pairs.length === 0);
        assert.deepEqual(await world.store.pairs(), []);
    }
});

test("a store that fails stops the pairing, and says so", async () => {
    const world = fakeWorld();
    world.store.putPair = () => Promise.reject(new Error("full"));
    const phone = await Phone.open(world);
    const link = await phone.pair(await readCode(CODE), "Pixel");
    await world.settle();
    world.socket.accept(true);
    const error = console.error;
    console.error = () => {};
    await new Desk(world).meet(world.socket, true).catch(() => {});
    console.error = error;
    assert.deepEqual([link.state.phase, link.state.why], ["stopped", "not-kept"]);
});

test("a kept pair goes on under its own key, with one link", async () => {
    const { world, phone, link } = await paired();
    link.close();
    const again = await Phone.open(world);
    const [next, other] = await Promise.all([1, 2].map(() => again.link(phone.pairs[0].id)));
    assert.equal(other, next);
    assert.equal(await again.link(next.id), next, "one link for each pair");
    await world.settle();
    world.socket.accept(true);
    const desk = new Desk(world);
    await desk.meet(world.socket, false);
    // The app's hello does not wait for WELCOME.
    await until(world, () => world.socket.sent.filter((data) => data[0] === handshake.RECORD).length === 2);
    assert.equal(next.state.phase, "greeting");
    await desk.welcome();
    await until(world, () => next.state.phase === "open");
});

test("a refusal of a known phone is not believed: it tries again after ten seconds", async () => {
    const { world, phone, link } = await paired();
    link.close();
    const next = await (await Phone.open(world)).link(phone.pairs[0].id);
    await world.settle();
    world.socket.accept(true);
    await until(world, () => world.socket.sent.some((data) => data[0] === handshake.H1));
    const h1 = world.socket.sent.find((data) => data[0] === handshake.H1);
    world.socket.say(writeRefusal(h1.slice(1, 5), 1).buffer);
    await until(world, () => next.state.phase === "retrying");
    assert.equal(next.state.why, "refused");
    assert.ok(next.state.retryAt >= world.date() + 10_000);
    assert.equal((await world.store.pairs()).length, 1);
});

test("the newer tab takes the pair", async () => {
    const lost = [];
    const lock = async () => ({ onLost: (listener) => lost.push(listener), release: () => {} });
    const { world, link } = await paired({ lock });
    lost[0]();
    assert.equal(link.state.phase, "elsewhere");
    assert.equal(world.socket.isClosed, true);
    await world.pass(60_000);
    assert.equal(world.sockets.length, 1);
});

test("a damaged record costs the connection and nothing else", async () => {
    const { world, link } = await paired();
    const before = world.sockets.length;
    world.socket.say(Uint8Array.from([handshake.RECORD, ...new Uint8Array(4).fill(0x80), ...new Uint8Array(40)]).buffer);
    await until(world, () => link.state.phase === "retrying");
    assert.equal(link.state.why, "fault");
    await world.pass(31_000);
    assert.ok(world.sockets.length > before);
});

test("a relay that floods the page costs the connection, not the memory", async () => {
    const { world, link } = await paired();
    const junk = new Uint8Array(30_000).fill(0xee).buffer;
    for (let count = 0; count < 400; count++) world.socket.onmessage?.({ data: junk });
    assert.deepEqual([link.state.phase, link.state.why], ["retrying", "fault"]);
});

test("a long name is cut for the tunnel", async () => {
    const world = fakeWorld();
    const phone = await Phone.open(world);
    await phone.pair(await readCode(CODE), "ü".repeat(50));
    await world.settle();
    world.socket.accept(true);
    assert.equal((await new Desk(world).meet(world.socket, true)).name, "ü".repeat(32));
});

test("forgetting deletes what is kept", async () => {
    const { world, phone, link } = await paired();
    link.files.send([Object.assign(new Blob(["x"]), { name: "x", lastModified: 1 })]);
    await phone.rename(link.id, "old phone");
    assert.equal(phone.pairs[0].phone, "old phone");
    await phone.forget(link.id);
    assert.deepEqual([phone.pairs, await world.store.pairs()], [[], []]);
    assert.equal(link.state.phase, "stopped");
    await world.pass(100);
    assert.equal(world.timers, 0, "nothing is left behind");
    await assert.rejects(phone.link(link.id));
});

test("a pipe is refused as a kind that the page has not, so no desk waits for it", async () => {
    const { world, desk } = await paired();
    desk.end.setDesk({ name: "office", rights: ["files"], terminals: [] });
    const channel = desk.end.open("pipe", { v: 1 });
    let reason = null;
    const { pollEvent } = desk.end;
    desk.end.pollEvent = () => {
        const event = pollEvent.call(desk.end);
        if (event?.channel === channel) reason = event.reason;
        return event;
    };
    for (let round = 0; round < 2000 && !reason; round++) {
        await desk.work();
        await later();
        await world.settle();
    }
    assert.equal(reason?.token, "kind");
});

test("forgetting a desk that has a subscription ends that, and the other desks get the next one", async () => {
    const renewed = [];
    const pusher = (id) => ({ isOn: async () => true, forget: async () => id !== "none", subscribe: async () => void renewed.push(id), shown: async () => [] });
    let count = 0x80;
    const random = (length) => new Uint8Array(length).fill(count++);
    const { world, phone, link } = await paired({ pusher, random });
    const other = await phone.pair(await readCode(CODE), "second");
    await world.settle();
    renewed.length = 0;
    await phone.forget(link.id);
    assert.deepEqual(renewed, [other.id]);
});

test("nothing of a secret is in what a link shows", async () => {
    const { world, phone, link, desk } = await paired();
    const shown = JSON.stringify([phone.pairs, link.state, link.desk, link.chat.lines]);
    for (const secret of [KEY, hex(desk.pairKey), SESSION]) assert.ok(!shown.includes(secret));
    void world;
});
