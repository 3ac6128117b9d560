// Files: records, a set from one end to the other, resuming, and what goes wrong with them.

import assert from "node:assert/strict";
import test from "node:test";
import { equal, hex, unhex, utf8 } from "../bytes.js";
import { sha256 } from "../crypto/sha256.js";
import { memoryParts } from "../files/parts.js";
import { Malformed, readReceiver, readSender, writeReceiver, writeSender } from "../files/records.js";
import { ReceivingSet } from "../files/receiving.js";
import { SendingSet } from "../files/sending.js";
import { Transfers } from "../files/transfers.js";
import { memoryStore } from "../store/store.js";
import { fakeDisk } from "./fake_disk.js";
import { twoEnds } from "./two_ends.js";
import { random, vectors } from "./vectors.js";

const rng = random(11);

function file(name, bytes, lastModified = 1_795_928_829_000) {
    const made = new Blob([bytes]);
    return Object.assign(made, { name, lastModified });
}

/** A phone that receives what a desk sends, accepted at once. */
async function joined(parts = memoryParts()) {
    let set = null;
    const ends = twoEnds((channel, params) => {
        set = new ReceivingSet(ends.hosts[0], { parts, pair: "p", channel, params });
        set.accept();
    });
    await ends.until(() => ends.ends.every(({ isReady }) => isReady));
    return { ...ends, received: () => set };
}

async function bytesOf(blob) {
    return new Uint8Array(await blob.arrayBuffer());
}

test("records are read as they are written", () => {
    const id = rng.bytes(16);
    const hash = rng.bytes(32);
    const sender = [
        { what: "offer", file: 300, offer: { id, name: "a/grüß.txt", size: 2 ** 53 - 1, time: 1_795_928_829_000, isInline: false } },
        { what: "data", file: 300, bytes: utf8("text") },
        { what: "hole", file: 1, length: 70_000 },
        { what: "end", file: 1, hash },
        { what: "again", file: 0 },
        { what: "fail", file: 2, reason: { token: "read", words: "no" } },
        { what: "total", files: 3 },
        { what: "wait" },
    ];
    const whole = sender.map(writeSender).flatMap((bytes) => [...bytes]);
    assert.deepEqual(readSender(Uint8Array.from(whole)), sender);
    const receiver = [
        { what: "accept", file: 1, offset: 5_000_000_000, hash },
        { what: "accept", file: 1, offset: 0, hash: null },
        { what: "written", file: 1, bytes: 12 },
        { what: "done", file: 1, name: "a (1).txt" },
        { what: "failed", file: 2, reason: { token: "no-space", words: "" } },
        { what: "taken", done: 1, failed: 1, bytes: 2 ** 40 },
        { what: "wait" },
    ];
    for (const record of receiver) assert.deepEqual(readReceiver(writeReceiver(record)), [record]);
});

test("later versions are ignored, and damage is refused", () => {
    assert.deepEqual(readSender(Uint8Array.of(0x60, 2, 1, 2, 8, 1, 9)), [{ what: "wait" }]);
    for (const bad of [[2, 9, 1], [4, 1, 0], [1], [3, 6, 0, 255, 255, 255, 255, 15]]) {
        assert.throws(() => readSender(Uint8Array.from(bad)), Malformed);
    }
});

const vector = vectors("file-1.json");
const channelOf = (said) => ({
    isAccepted: true,
    state: "accepted",
    accept: () => true,
    send: (bytes) => said.push(hex(bytes)) > 0,
    consumed() {},
    end() {},
    reset: (token) => said.push(token),
});

/**
 * A set that is received on a channel which the test plays; `hear` resolves when the message was worked off.
 */
function alone(parts = memoryParts()) {
    const said = [];
    const host = { pump() {}, now: () => 0, isOpen: () => true, after: () => () => {} };
    const set = new ReceivingSet(host, { parts, pair: "p", channel: channelOf(said), params: {} });
    set.accept();
    const hear = async (digits) => {
        set.onMessage(unhex(digits));
        for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    };
    return { set, said, hear };
}

test("the records of the vectors are read, and written the same", () => {
    for (const { from, what, hex: digits } of vector.records) {
        const [read, write] = from === "sender" ? [readSender, writeSender] : [readReceiver, writeReceiver];
        const [record, ...more] = read(unhex(digits));
        assert.deepEqual([record.what, more.length], [what.split(/[ ,]/)[0].toLowerCase(), 0]);
        // A page sends no mode, and knows no hash before it has read the file.
        if (!what.includes("with mode and hash")) assert.equal(hex(write(record)), digits, what);
    }
});

test("the conversation of the vectors", async () => {
    const parts = memoryParts();
    const bytes = (from, to) => Uint8Array.from({ length: to - from }, (_, i) => (from + i) & 255);
    const { offer } = readSender(unhex(vector.conversation[0].hex)).findLast(({ what }) => what === "offer");
    const part = await parts.open(`p-${hex(offer.id)}-${offer.size}-${offer.time}`);
    await part.append(bytes(0, 16_384));
    part.close();
    const { set, said, hear } = alone(parts);
    for (const { from, what, hex: digits } of vector.conversation) {
        if (from === "sender") await hear(digits);
        else assert.equal(said.splice(0).join(""), digits, what);
    }
    assert.ok(equal(await bytesOf(set.items[1].blob), bytes(0, 16_400)));
});

test("the faults of the vectors", async () => {
    for (const { what, hex: digits, answer } of vector.faults) {
        const parts = memoryParts();
        const { said, hear } = alone(parts);
        const id = utf8("0123456789abcdef");
        const part = await parts.open(`p-${hex(id)}-20000-0`);
        await part.append(new Uint8Array(5));
        part.close();
        const offers = [["a", 20_000, false], ["b", 2, true]].map(([name, size, isInline], i) =>
            hex(writeSender({ what: "offer", file: i, offer: { id, name, size, time: 0, isInline } })));
        await hear(offers.join(""));
        said.splice(0);
        await hear(digits);
        assert.equal(said.includes("malformed") ? "malformed" : "ignored", answer, what);
    }
});

test("small and large files arrive whole, in one set", async () => {
    const { hosts, until, received } = await joined();
    const sizes = [0, 1, 16_384, 16_385, 100_000, 5_000_000];
    const contents = sizes.map((size) => rng.bytes(size));
    const set = new SendingSet(hosts[1], contents.map((bytes, i) => file(`file ${i}`, bytes)));
    set.open();
    await until(() => set.isOver);
    assert.equal(set.state, "over");
    await until(() => received().state === "over");
    assert.deepEqual(set.items.map(({ state, moved }) => [state, moved]), sizes.map((size) => ["done", size]));
    const items = received().items;
    assert.equal(items.length, sizes.length);
    for (const [i, item] of items.entries()) {
        const at = Number(item.name.split(" ")[1]);
        assert.ok(equal(await bytesOf(item.blob), contents[at]), `file ${at}, place ${i}`);
    }
});

test("hundreds of small files arrive", async () => {
    const { hosts, until, received } = await joined();
    const set = new SendingSet(hosts[1], Array.from({ length: 300 }, (_, i) => file(`${i}`, utf8(`content ${i}`))));
    set.open();
    await until(() => set.isOver && received().isOver);
    assert.deepEqual([set.state, received().items.filter(({ state }) => state === "done").length], ["over", 300]);
});

test("a file goes on behind what is there of it", async () => {
    const { open, ...rest } = memoryParts();
    let isClosed = false;
    const parts = {
        ...rest,
        open: async (name) => {
            const part = await open(name);
            return Object.assign(part, { close: ((close) => () => (close(), (isClosed = true)))(part.close) });
        },
    };
    const bytes = rng.bytes(7_000_000);
    const source = file("film", bytes);
    const first = await joined(parts);
    const broken = new SendingSet(first.hosts[1], [source]);
    broken.open();
    await first.until(() => broken.items[0].moved > 3_000_000);
    broken.onLost();
    first.received().onLost();
    await first.until(() => isClosed);
    const second = await joined(parts);
    const set = new SendingSet(second.hosts[1], [source]);
    let least = Infinity;
    set.on(() => (least = Math.min(least, set.items[0].moved || Infinity)));
    set.open();
    await second.until(() => set.isOver && second.received().isOver);
    assert.equal(set.state, "over");
    assert.ok(least >= 3_000_000, `it began at ${least}`);
    assert.ok(equal(await bytesOf(second.received().items[0].blob), bytes));
});

test("a file with another beginning begins again", async () => {
    const parts = memoryParts();
    const bytes = rng.bytes(5_000_000);
    const id = sha256(utf8(JSON.stringify(["film", bytes.length, 5]))).slice(0, 16);
    const part = await parts.open(`p-${hex(id)}-${bytes.length}-5`);
    await part.append(rng.bytes(2_000_000));
    part.close();
    const { hosts, until, received } = await joined(parts);
    const set = new SendingSet(hosts[1], [file("film", bytes, 5)]);
    set.open();
    await until(() => set.isOver && received().isOver);
    assert.ok(equal(await bytesOf(received().items[0].blob), bytes));
});

test("a file that cannot be read any more fails alone", async () => {
    const { hosts, until, received } = await joined();
    const gone = { name: "gone", size: 50_000, lastModified: 1, slice: () => ({ arrayBuffer: () => Promise.reject(new Error("gone")) }) };
    const shrank = Object.assign(file("shrank", rng.bytes(40_000)), {});
    Object.defineProperty(shrank, "size", { value: 50_000 });
    const set = new SendingSet(hosts[1], [gone, shrank, file("good", utf8("good"))]);
    set.open();
    await until(() => set.isOver && received().isOver);
    assert.deepEqual(set.items.map(({ state }) => state), ["failed", "failed", "done"]);
    assert.deepEqual(set.items.map(({ reason }) => reason?.token), ["read", "read", undefined]);
});

test("no room, or a file that is too long, is said with its reason", async () => {
    const full = memoryParts();
    const open = full.open.bind(full);
    full.open = async (name) => ({ ...(await open(name)), append: () => Promise.reject(new DOMException("full", "QuotaExceededError")) });
    const small = { ...memoryParts(), bytesMax: 1_000 };
    for (const [parts, token] of [[full, "quota"], [small, "too-large"]]) {
        const { hosts, until } = await joined(parts);
        const set = new SendingSet(hosts[1], [file("film", rng.bytes(3_000_000))]);
        set.open();
        await until(() => set.isOver);
        assert.equal(set.items[0].reason.token, token);
    }
});

test("a wrong hash is not kept", async () => {
    const { hosts, until, received, ends } = await joined();
    const channel = ends[1].open("file", { v: 1 });
    channel.owner = () => {};
    hosts[1].pump();
    await until(() => channel.isAccepted);
    const offer = { id: rng.bytes(16), name: "a", size: 3, time: 0, isInline: true };
    for (const record of [
        { what: "offer", file: 0, offer },
        { what: "data", file: 0, bytes: utf8("abc") },
        { what: "end", file: 0, hash: rng.bytes(32) },
    ]) {
        channel.send(writeSender(record));
    }
    await until(() => received()?.items[0]?.state === "failed");
    assert.deepEqual([received().items[0].reason.token, received().items[0].blob], ["hash", null]);
});

test("what the rules do not allow resets the channel", async () => {
    const offer = { id: rng.bytes(16), name: "a", size: 3, time: 0, isInline: true };
    const wrong = [
        [{ what: "offer", file: 1, offer }],
        [{ what: "data", file: 0, bytes: utf8("a") }],
        [{ what: "offer", file: 0, offer }, { what: "data", file: 0, bytes: utf8("abcd") }],
        [{ what: "offer", file: 0, offer }, { what: "end", file: 0, hash: rng.bytes(32) }],
        [{ what: "total", files: 2 }],
        [{ what: "offer", file: 0, offer: { ...offer, isInline: false } }, { what: "again", file: 0 }],
    ];
    for (const records of wrong) {
        const { hosts, until, ends } = await joined();
        const channel = ends[1].open("file", { v: 1 });
        let reason = null;
        channel.owner = (event) => (reason ??= event.reason ?? null);
        hosts[1].pump();
        await until(() => channel.isAccepted);
        for (const record of records) channel.send(writeSender(record));
        await until(() => reason !== null);
        assert.equal(reason.token, "malformed", JSON.stringify(records[0].what));
    }
});

test("the user is asked, may refuse and may cancel; the list is bounded", async () => {
    let transfers = null;
    const ends = twoEnds((channel, params) => void transfers.take(channel, params));
    transfers = new Transfers(ends.hosts[0], "p", () => {}, memoryParts());
    await ends.until(() => ends.ends.every(({ isReady }) => isReady));
    transfers.onReady(true);
    const refused = new SendingSet(ends.hosts[1], [file("a", utf8("a"))]);
    refused.open();
    await ends.until(() => transfers.sets.length === 1);
    const [asked] = transfers.sets;
    assert.deepEqual([asked.state, asked.name, asked.files, asked.bytes], ["asked", "a", 1, 1]);
    asked.cancel();
    await ends.until(() => refused.isOver);
    assert.equal(refused.state, "cancelled");
    const cut = new SendingSet(ends.hosts[1], [file("b", rng.bytes(9_000_000))]);
    cut.open();
    await ends.until(() => transfers.sets.length === 2);
    transfers.sets[1].accept();
    await ends.until(() => transfers.sets[1].moved > 0);
    assert.equal(transfers.isMoving, true);
    cut.cancel();
    await ends.until(() => transfers.sets[1].state === "cancelled");
    await transfers.dismiss(asked);
    assert.equal(transfers.sets.length, 1);
    for (let i = 0; i < 8; i++) assert.notEqual(transfers.send([file(`${i}`, utf8("x"))]), null);
    assert.equal(transfers.send([file("more", utf8("x"))]), null);
});

/** What a phone and a desk have of each other; `load` is the page loaded again, on the same disk. */
async function phoneAndDesk(disk = fakeDisk()) {
    Object.defineProperty(globalThis, "navigator", { value: { storage: disk }, configurable: true });
    const made = { disk, store: { ...memoryStore(), isLasting: true } };
    const ends = twoEnds((channel, params) => void made.transfers.take(channel, params));
    made.load = async () => {
        made.transfers = new Transfers(ends.hosts[0], "p", () => {}, null, made.store);
        await made.transfers.restored;
    };
    await ends.until(() => ends.ends.every(({ isReady }) => isReady));
    await made.load();
    made.send = async (...files) => {
        const set = new SendingSet(ends.hosts[1], files);
        const before = made.transfers.sets.length;
        set.open();
        await ends.until(() => made.transfers.sets.length > before);
        made.transfers.sets.at(-1).accept();
        return set;
    };
    made.give = async (...files) => {
        const set = await made.send(...files);
        await ends.until(() => set.isOver && made.transfers.sets.every(({ isOver }) => isOver));
        return made.transfers.sets.at(-1);
    };
    return { ...made, until: ends.until, load: made.load, sets: () => made.transfers.sets, transfers: () => made.transfers };
}

test("files that the desk was told are here are here after the page is loaded again", async () => {
    const phone = await phoneAndDesk();
    const contents = [0, 5, 40_000, 3_000_000].map((size) => rng.bytes(size));
    await phone.give(...contents.map((bytes, i) => file(`${i}`, bytes)));
    await phone.give(file("other", utf8("other")));
    await phone.load();
    const [set, other] = phone.sets();
    assert.deepEqual([set.state, set.name, set.files, other.items.length], ["over", "0", 4, 1]);
    for (const item of set.items) assert.ok(equal(await bytesOf(item.blob), contents[item.name]), item.name);
    for (const shown of phone.sets().slice()) await phone.transfers().dismiss(shown);
    await phone.load();
    assert.deepEqual([phone.sets(), await phone.store.list(""), phone.disk.folders("relay-received")], [[], [], []]);
});

test("a file that waits for its user outlasts the days of a part", async () => {
    const phone = await phoneAndDesk();
    await phone.give(file("film", rng.bytes(50_000)));
    phone.disk.age(30 * 24 * 3_600_000);
    const cut = await phone.send(file("left", rng.bytes(9_000_000)));
    await phone.until(() => cut.moved > 0);
    cut.cancel();
    await phone.until(() => phone.sets()[1].isOver);
    assert.equal(phone.disk.folders("relay-received").length, 2);
    phone.disk.age(30 * 24 * 3_600_000);
    await phone.load();
    assert.equal(phone.sets()[0].items[0].blob.size, 50_000);
    assert.equal(phone.disk.folders("relay-received").length, 1);
    await phone.transfers().forget();
    assert.deepEqual([await phone.store.list(""), phone.disk.folders("relay-received")], [[], []]);
});

test("the same file twice is two files", async () => {
    const phone = await phoneAndDesk();
    const bytes = rng.bytes(50_000);
    const [first, second] = [await phone.give(file("film", bytes)), await phone.give(file("film", bytes))];
    await phone.transfers().dismiss(first);
    await phone.load();
    assert.deepEqual([second.items[0].blob.size, phone.sets().length], [50_000, 1]);
    assert.ok(equal(await bytesOf(phone.sets()[0].items[0].blob), bytes));
    const long = rng.bytes(6_000_000);
    const sets = [await phone.send(file("long", long)), await phone.send(file("long", long))];
    await phone.until(() => sets.every(({ isOver }) => isOver) && phone.sets().every(({ isOver }) => isOver));
    for (const { items } of phone.sets().slice(-2)) assert.ok(equal(await bytesOf(items[0].blob), long));
});

test("no number of later sets takes a file away that is not saved", async () => {
    const phone = await phoneAndDesk();
    for (let i = 0; i < 22; i++) await phone.give(file(`${i}`, utf8("x")));
    assert.deepEqual([phone.sets().length, phone.sets()[0].items[0].blob?.size], [22, 1]);
});

test("what is received into memory is bounded in sum, and what was left gives way", async () => {
    const parts = memoryParts(10_000);
    const [first, second] = [await parts.open("a"), await parts.open("b")];
    await first.append(rng.bytes(6_000));
    await assert.rejects(second.append(rng.bytes(6_000)), { name: "QuotaExceededError" });
    first.close();
    await second.append(rng.bytes(6_000));
    assert.equal((await parts.open("a")).length, 0);
    await second.remove();
    await (await parts.open("c")).append(rng.bytes(10_000));
});

test("a desk that ends the channel before all is taken did not take it", async () => {
    const ends = twoEnds((channel) => {
        channel.owner = () => {};
        channel.accept({ v: 1 });
        channel.end();
        ends.pump();
    });
    await ends.until(() => ends.ends.every(({ isReady }) => isReady));
    const set = new SendingSet(ends.hosts[0], [file("film", rng.bytes(50_000))]);
    set.open();
    await ends.until(() => set.isOver);
    assert.deepEqual([set.state, set.reason?.token], ["failed", "ended"]);
});

test("what was being sent when the page was loaded again asks for its files, until they are chosen or dismissed", async () => {
    const ends = await joined();
    const store = { ...memoryStore(), isLasting: true };
    const reload = async () => {
        const transfers = new Transfers(ends.hosts[0], "p", () => {}, memoryParts(), store);
        await transfers.restored;
        return transfers;
    };
    const seen = ({ sets }) => sets.map(({ isMine, name, files, bytes, state, reason }) => [isMine, name, files, bytes, state, reason?.token]);
    const names = ["one.bin", "two.bin"];
    const chosen = () => names.map((name) => file(name, rng.bytes(10)));
    (await reload()).send(chosen());
    const again = await reload();
    assert.deepEqual(seen(again), [[true, "one.bin", 2, 20, "failed", "reloaded"]]);
    assert.deepEqual(again.sets[0].items.map(({ name, size, state }) => [name, size, state]), names.map((name) => [name, 10, "waiting"]));
    const set = again.send(chosen());
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(again.sets, [set]);
    set.cancel();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([seen(await reload()), await store.list("sending")], [[], []]);
    (await reload()).send(chosen());
    const third = await reload();
    await third.dismiss(third.sets[0]);
    (await reload()).send(chosen());
    await third.forget();
    assert.deepEqual(seen(await reload()), []);
});

test("what fits is known before the user answers", async () => {
    let set = null;
    const ends = twoEnds((channel, params) => {
        set = new ReceivingSet(ends.hosts[0], { parts: memoryParts(1_000), pair: "p", channel, params });
    });
    await ends.until(() => ends.ends.every(({ isReady }) => isReady));
    new SendingSet(ends.hosts[1], [file("large.bin", rng.bytes(5_000))]).open();
    await ends.until(() => set?.room);
    assert.deepEqual([set.state, set.room, set.bytes], ["asked", 1_000, 5_000]);
});
