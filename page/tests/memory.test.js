// What a page keeps does not grow with time: an hour of a busy terminal, a long chat, and many channels.

import assert from "node:assert/strict";
import test from "node:test";
import v8 from "node:v8";
import vm from "node:vm";
import { AppEnd } from "../app/end.js";
import { Conversation } from "../app/chat.js";
import { ScreenReceiver } from "../screen/messages.js";
import { ScrollbackLines } from "../screen/scrollback.js";
import { unhex } from "../bytes.js";
import { Stream } from "../tunnel/stream.js";
import { vectors } from "./vectors.js";

v8.setFlagsFromString("--expose_gc");
const collect = vm.runInNewContext("gc");

/** How many bytes more there are after `work(rounds)` than after a tenth of it. */
function growth(work, rounds) {
    work(rounds / 10);
    collect();
    const before = process.memoryUsage().heapUsed;
    work(rounds);
    collect();
    return process.memoryUsage().heapUsed - before;
}

const { updates } = vectors("terminal-1.json");
const number = (value) => {
    const bytes = [];
    for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
    return [...bytes, value];
};

test("an hour of a busy terminal", () => {
    const receiver = new ScreenReceiver();
    const lines = new ScrollbackLines();
    receiver.receive(unhex(updates[0].messages[0]));
    // Behind its kind, its number and the one that it is based on.
    const rest = unhex(updates[1].messages[0]).slice(3);
    let last = 1;
    const row = { runs: [], isWrapped: false };
    const work = (rounds) => {
        for (let round = 0; round < rounds; round++, last++) {
            receiver.receive(Uint8Array.from([1, ...number(last + 1), ...number(last), ...rest]));
            const screen = { history: { generation: 0, end: last * 4, lines: last * 4 } };
            lines.onScreen(screen);
            const asked = lines.pollRequest(last * 4 - 20, 20, screen);
            if (asked) lines.onAnswer({ ...asked, generation: 0, rows: new Array(asked.count).fill(row) }, last * 4);
        }
    };
    // 30 a second.
    const grown = growth(work, 108_000);
    assert.ok(grown < 1_000_000, `${grown} bytes`);
});

test("channels that come and go, a chat, and a tunnel's pieces", () => {
    const ends = [false, true].map((isDesk) => new AppEnd({ isDesk, hello: { version: 1, features: [], device: "", name: "", hidden: false }, nonce: "n" }));
    const pass = () => {
        for (const at of [0, 1, 0, 1]) {
            for (let message = ends[at].pollMessage(0); message; message = ends[at].pollMessage(0)) ends[1 - at].onMessage(message, 0);
            for (let event = ends[1 - at].pollEvent(); event; event = ends[1 - at].pollEvent()) {
                if (event.type === "opened") event.channel.accept();
                if (event.type === "data") event.channel.consumed(event.bytes.length);
                if (event.type === "ended") event.channel.end();
            }
        }
    };
    ends[1].setDesk({ name: "", rights: ["chat"], terminals: [] });
    for (const end of ends) end.onOpen();
    pass();
    const [here, there] = [new Conversation("p"), new Conversation("d")];
    const streams = [1, 2].map((epoch) => new Stream(1 << 20, new Uint8Array(16).fill(epoch)));
    streams[0].meet(streams[1].state());
    streams[1].meet(streams[0].state());
    const work = (rounds) => {
        for (let round = 0; round < rounds; round++) {
            const channel = ends[0].open("chat");
            pass();
            channel.send(new Uint8Array(10));
            channel.end();
            pass();
            here.say("text", 0);
            for (const [from, to] of [[here, there], [there, here]]) {
                for (let part = from.nextPart; part; part = from.nextPart) {
                    from.partSent();
                    to.onData(part);
                }
            }
            streams[0].send(new Uint8Array(100));
            for (let record = streams[0].pollRecord(); record; record = streams[0].pollRecord()) streams[1].accept(record);
            while (streams[1].take());
            streams[1].hurryAck();
            streams[0].acknowledge(streams[1].pollRecord().ack);
        }
    };
    const grown = growth(work, 20_000);
    assert.ok(grown < 1_000_000, `${grown} bytes`);
});
