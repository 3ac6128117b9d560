// A world without time: a clock that a test moves, sockets that it plays, and a page that it hides.

import { ownCrypto } from "../crypto/own.js";
import { stillWorld } from "./still_world.js";

/** One connection, as the browser has it. */
class FakeSocket {
    protocol = "";
    bufferedAmount = 0;
    binaryType = "";
    sent = [];
    isClosed = false;

    constructor(url) {
        this.url = url;
    }

    send(data) {
        this.sent.push(data);
    }

    close() {
        this.isClosed = true;
    }

    open(protocol = "relay.raw.v1") {
        this.protocol = protocol;
        this.onopen?.({});
    }

    say(message) {
        this.onmessage?.({ data: message instanceof ArrayBuffer ? message : JSON.stringify(message) });
    }

    /** The relay accepts the hello. */
    accept(peer = false) {
        this.open();
        this.say({ type: "hello-ack", peer, hb: 30 });
    }

    end(code) {
        this.onclose?.({ code });
    }

    get heartbeats() {
        return this.sent.filter((data) => data === '{"type":"hb"}').length;
    }
}

export function fakeWorld(changes = {}) {
    const timers = new Set();
    const still = stillWorld();
    let time = 1_000;
    const world = {
        ...still,
        crypto: ownCrypto(),
        random: (length) => new Uint8Array(length).fill(0x80),
        now: () => time,
        date: () => 1_795_928_000_000 + time + world.slept,
        slept: 0,
        after: (ms, then) => {
            const timer = { at: time + ms, then };
            timers.add(timer);
            return () => timers.delete(timer);
        },
        sockets: [],
        openSocket: (url) => {
            const socket = new FakeSocket(url);
            world.sockets.push(socket);
            return socket;
        },
        get socket() {
            return world.sockets.at(-1);
        },
        /** Everything that is due at once. */
        settle: async () => {
            for (let turn = 0; turn < 20; turn++) await Promise.resolve();
        },
        see: async (sight) => {
            still.see(sight);
            await world.settle();
        },
        /** Time passes, timer by timer. */
        pass: async (ms) => {
            const end = time + ms;
            await world.settle();
            for (;;) {
                const due = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
                if (!due) break;
                timers.delete(due);
                time = Math.max(time, due.at);
                due.then();
                await world.settle();
            }
            time = end;
        },
        get timers() {
            return timers.size;
        },
        ...changes,
    };
    return world;
}
