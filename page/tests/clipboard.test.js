// Texts for the clipboard, both ways.

import assert from "node:assert/strict";
import test from "node:test";
import { Clipboard } from "../clipboard/clipboard.js";
import { utf8 } from "../bytes.js";
import { twoEnds } from "./two_ends.js";

/** A phone's and a desk's clipboard. */
async function joined() {
    const boards = [];
    const ends = twoEnds((channel, params) => boards[channel.number % 2].take(channel, params));
    boards.push(...ends.hosts.map((host) => new Clipboard(host, () => {})));
    await ends.until(() => ends.ends.every(({ isReady }) => isReady));
    for (const board of boards) board.onReady(true);
    return { ...ends, phone: boards[0], desk: boards[1] };
}

test("a text is got when its reader has seen it, whatever its length", async () => {
    const { phone, desk, until } = await joined();
    for (const text of ["", "grüße 👋", "x".repeat(1 << 20)]) {
        assert.equal(phone.send(text), null);
        await until(() => desk.clips.at(-1)?.text === text && desk.clips.at(-1).state === "new");
        const sent = phone.clips.at(-1);
        assert.equal(sent.state, "moving");
        desk.seen(desk.clips.at(-1));
        await until(() => sent.state === "got");
    }
    assert.equal(phone.send("x".repeat((1 << 20) + 1)), "too-long");
});

test("a text that was not got goes again when the other process is new", async () => {
    const { phone, desk, until } = await joined();
    desk.send("once");
    await until(() => phone.clips[0]?.state === "new");
    desk.onReady(false);
    assert.equal(desk.clips[0].state, "waiting");
    desk.onReady(true);
    await until(() => phone.clips.length === 2);
    phone.seen(phone.clips[1]);
    await until(() => desk.clips[0].state === "got");
});

test("wrong lengths, bytes that are not text and too many at a time", async () => {
    const { ends, hosts, phone, until } = await joined();
    const play = async (bytes, payload) => {
        const channel = ends[1].open("clipboard", { v: 1, bytes });
        let reason = null;
        channel.owner = (event) => {
            if (event.type === "accepted" && payload) channel.send(payload);
            if (event.type === "accepted") channel.end();
            reason ??= event.reason?.token ?? null;
        };
        hosts[1].pump();
        await until(() => reason !== null);
        return reason;
    };
    assert.equal(await play(3, utf8("four")), "protocol");
    assert.equal(await play(5, utf8("four")), "protocol");
    assert.equal(await play(2, Uint8Array.of(0xff, 0xfe)), "malformed");
    assert.equal(await play((1 << 20) + 1), "too-long");
    assert.equal(await play("many"), "malformed");
    assert.deepEqual(phone.clips, []);
    const started = Array.from({ length: 5 }, () => ends[1].open("clipboard", { v: 1, bytes: 5 }));
    hosts[1].pump();
    await until(() => started[4].isGone);
    assert.deepEqual(started.map(({ isAccepted }) => isAccepted), [true, true, true, true, false]);
});

test("the list is bounded, and a text can be dropped on its way", async () => {
    const { phone, desk, until } = await joined();
    for (let count = 0; count < 30; count++) phone.send(`${count}`);
    assert.equal(phone.clips.length, 20);
    const { length } = desk.clips;
    phone.drop(phone.clips[19]);
    assert.equal(phone.clips.length, 19);
    await until(() => desk.clips.length >= length);
});
