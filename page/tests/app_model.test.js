// Hundreds of seeded conversations of two ends of the app protocol over a line that breaks.

import assert from "node:assert/strict";
import test from "node:test";
import { hex, textOf, utf8 } from "../bytes.js";
import { AppEnd } from "../app/end.js";
import { random } from "./vectors.js";

const hello = (device, name) => ({ version: 1, features: [], device, name, hidden: false });
const DESK = { name: "desk", rights: ["chat", "files", "view", "type"], terminals: [] };

/** What an end tells its app. */
function events(end) {
    const all = [];
    for (let event = end.pollEvent(); event; event = end.pollEvent()) all.push(event);
    return all;
}

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
