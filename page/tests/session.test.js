// The life of a phone's connection: connects, heartbeats, closes, and a page that is hidden, shown, left and
// asleep.

import assert from "node:assert/strict";
import test from "node:test";
import { Session } from "../link/session.js";
import { Backoff, verdict } from "../link/verdict.js";
import { fakeWorld } from "./fake_world.js";

const PLACE = { url: "wss://relay.example.org/ws", session: "3f4ffe2e903d2b0a2734e470a987e39b", token: "ab".repeat(16) };

async function session(changes = {}, handlers = {}) {
    const world = fakeWorld(changes);
    const made = { world, statuses: [], links: 0, unlinks: 0, messages: [] };
    made.session = new Session(world, PLACE, {
        onStatus: (status) => made.statuses.push(status),
        onLink: () => (made.links += 1),
        onUnlink: () => (made.unlinks += 1),
        onMessage: (bytes) => made.messages.push(bytes),
        settled: async () => {},
        moves: () => false,
        isPaired: () => true,
        mayReturn: () => false,
        ...handlers,
    });
    made.status = () => made.statuses.at(-1);
    made.session.start();
    await world.settle();
    return made;
}

/** A session with a link that is older than what a young one may do. */
async function linked(changes, handlers) {
    const made = await session(changes, handlers);
    made.world.socket.accept(true);
    assert.equal(made.status().phase, "linked");
    await made.world.pass(12_000);
    return made;
}

test("the address and the hello are the contract's", async () => {
    const { world } = await session();
    const { socket } = world;
    assert.equal(socket.url, "wss://relay.example.org/ws?a=d5bff8bf");
    socket.open();
    const { i, n, ...hello } = JSON.parse(socket.sent[0]);
    assert.deepEqual(hello, { type: "hello", s: PLACE.session, t: PLACE.token, r: "phone", v: 2 });
    assert.match(i, /^[0-9a-f]{16}$/);
    assert.equal(n, 1);
});

test("a desk that comes and goes", async () => {
    const made = await session();
    made.world.socket.accept(false);
    assert.equal(made.status().phase, "away");
    made.session.send(Uint8Array.of(1));
    assert.equal(made.world.socket.sent.length, 1, "nobody is there");
    made.world.socket.say({ type: "peer-joined", role: "workstation" });
    made.world.socket.say({ type: "peer-joined", role: "workstation" });
    made.world.socket.say(Uint8Array.of(7).buffer);
    made.world.socket.say({ type: "peer-left", role: "workstation" });
    assert.deepEqual([made.links, made.unlinks, made.status().phase], [2, 2, "away"]);
    assert.deepEqual(made.messages, [Uint8Array.of(7)]);
});

test("the handshake does not wait for the answer to the hello", async () => {
    const made = await session();
    const { socket } = made.world;
    socket.open();
    assert.deepEqual([made.links, made.status().phase], [1, "connecting"]);
    made.session.send(Uint8Array.of(1));
    assert.deepEqual(socket.sent[1], Uint8Array.of(1));
    socket.say({ type: "hello-ack", peer: true, hb: 30 });
    socket.say({ type: "peer-joined", role: "workstation" });
    assert.deepEqual([made.links, made.unlinks, made.status().phase], [1, 0, "linked"]);
});

test("what the relay dropped because the desk was not there yet is said again", async () => {
    const made = await session();
    made.world.socket.accept(true);
    made.world.socket.say({ type: "peer-joined", role: "workstation", missed: 1 });
    assert.deepEqual([made.links, made.unlinks, made.status().phase], [2, 1, "linked"]);
});

test("heartbeats keep the pace of the relay, and an unanswered one ends the connection", async () => {
    const { world, status, statuses } = await linked();
    await world.pass(18_500);
    assert.equal(world.socket.heartbeats, 1);
    world.socket.say({ type: "hb-ack" });
    await world.pass(30_000);
    assert.equal(world.socket.heartbeats, 2);
    await world.pass(14_000);
    assert.equal(status().phase, "linked");
    await world.pass(1_000);
    assert.equal(statuses.findLast(({ phase }) => phase === "retrying").why, "silent");
    assert.equal(world.sockets[0].isClosed, true);
});

test("what was sent and not answered is asked about after three seconds", async () => {
    const { world, session } = await linked();
    session.send(Uint8Array.of(1));
    await world.pass(2_900);
    assert.equal(world.socket.heartbeats, 0);
    await world.pass(200);
    assert.equal(world.socket.heartbeats, 1);
});

test("a connect or a hello without an answer is given up", async () => {
    const made = await session();
    await made.world.pass(6_100);
    assert.deepEqual([made.status().phase, made.status().why], ["retrying", "unreachable"]);
    made.session.retryNow();
    await made.world.settle();
    made.world.socket.open();
    await made.world.pass(10_100);
    assert.equal(made.statuses.findLast(({ phase }) => phase === "retrying").why, "no-answer");
});

test("a server that is not a relay is not talked to", async () => {
    const { world, status } = await session();
    world.socket.open("");
    await world.settle();
    assert.deepEqual([world.socket.sent, status().why], [[], "no-answer"]);
});

test("delays grow to thirty seconds, and start again after a connection that lasted", () => {
    const backoff = new Backoff(() => 0.9999);
    const delays = Array.from({ length: 9 }, () => backoff.next(false));
    assert.deepEqual(delays, [299, 499, 999, 1999, 3999, 7999, 15998, 29997, 29997]);
    backoff.reset();
    assert.equal(backoff.next(true), 10_299);
});

test("a short connection begins the delays again only if it was of use", async () => {
    for (const [isOfUse, last] of [[true, 150], [false, 2007]]) {
        const made = await session();
        let delay = 0;
        for (let count = 0; count < 5; count++) {
            made.world.socket.accept(true);
            if (isOfUse) made.session.noteUse();
            made.world.socket.end(1006);
            await made.world.settle();
            delay = made.status().retryAt - made.world.date();
            await made.world.pass(delay + 1);
        }
        assert.equal(delay, last);
    }
});

test("each close code has its consequence", async () => {
    const paired = { isPaired: () => true };
    const cases = [
        [1000, "retrying", "closed"],
        [1001, "retrying", "relay-leaving"],
        [1006, "retrying", "closed"],
        [1013, "retrying", "relay-full"],
        [1002, "stopped", "client-fault"],
        [4400, "stopped", "client-fault"],
        [4408, "retrying", "silent"],
        [4409, "stopped", "replaced"],
        [4401, "retrying", "session-unknown"],
        [4410, "retrying", "session-unknown"],
        [4429, "retrying", "too-many"],
        [4999, "retrying", "closed"],
    ];
    for (const [code, phase, why] of cases) {
        const { world, status } = await linked({}, paired);
        world.socket.end(code);
        await world.settle();
        assert.deepEqual([status().phase, status().why], [phase, why], `${code}`);
        if (code === 4429) assert.ok(status().retryAt >= world.date() + 10_000);
        if (code === 1001) assert.ok(status().retryAt <= world.date() + 300);
    }
    assert.equal(verdict(4409, true).act, "again");
});

test("a deleted session is the end, and so is an unknown one of a code", async () => {
    const deleted = await linked();
    deleted.world.socket.say({ type: "session-killed", reason: "deleted" });
    deleted.world.socket.end(4410);
    await deleted.world.settle();
    assert.deepEqual([deleted.status().phase, deleted.status().why], ["stopped", "session-gone"]);
    assert.equal(deleted.world.timers, 0, "nothing is left behind");
    const unknown = await session({}, { isPaired: () => false });
    unknown.world.socket.open();
    unknown.world.socket.end(4401);
    await unknown.world.settle();
    assert.equal(unknown.status().why, "code-gone");
});

test("a phone that waits for its answer comes back three times", async () => {
    const { world, status } = await session({}, { mayReturn: () => true });
    for (let round = 0; round < 4; round++) {
        world.socket.accept(true);
        world.socket.end(4409);
        await world.settle();
        if (round < 3) assert.equal(status().phase, "retrying");
        await world.pass(2_100);
    }
    assert.deepEqual([status().phase, world.sockets.length], ["stopped", 4]);
});

test("back in sight after twenty seconds: a new connection at once", async () => {
    const { world, status } = await linked();
    await world.see("hidden");
    await world.pass(21_000);
    assert.equal(world.sockets.length, 1, "a hidden page keeps what it has");
    await world.see("shown");
    assert.deepEqual([world.sockets.length, world.sockets[0].isClosed, status().phase], [2, true, "connecting"]);
});

test("back in sight after less: the connection is asked, and has 1.5 s", async () => {
    const { world, status } = await linked();
    const [first] = world.sockets;
    await world.see("hidden");
    await world.pass(5_000);
    await world.see("shown");
    assert.deepEqual([world.sockets.length, first.heartbeats], [1, 1]);
    first.say({ type: "hb-ack" });
    await world.pass(3_000);
    assert.equal(status().phase, "linked");
    await world.see("hidden");
    await world.see("shown");
    await world.pass(2_000);
    assert.deepEqual([world.sockets.length, first.isClosed], [2, true], "within two seconds there is another one");
});

test("where sockets die without a word, each return makes a new connection, but a young one is asked", async () => {
    const { world } = await linked({ losesSockets: true });
    for (let flip = 0; flip < 20; flip++) {
        await world.see("hidden");
        await world.pass(250);
        await world.see("shown");
        world.socket.accept(true);
        await world.pass(250);
    }
    // The relay refuses six takeovers in ten seconds.
    assert.ok(world.sockets.length >= 2 && world.sockets.length <= 4, `${world.sockets.length}`);
});

test("a page that is left closes its connection, and one that comes back has another", async () => {
    const { world, status } = await linked();
    await world.see("hidden");
    await world.see("gone");
    assert.equal(world.sockets[0].isClosed, true);
    await world.pass(60_000);
    assert.equal(world.sockets.length, 1);
    await world.see("shown");
    world.socket.accept(true);
    assert.deepEqual([world.sockets.length, status().phase], [2, "linked"]);
});

test("nothing is tried while nobody looks", async () => {
    const { world, status } = await linked();
    await world.see("hidden");
    world.socket.end(1006);
    await world.pass(120_000);
    assert.deepEqual([world.sockets.length, status().phase], [1, "hidden"]);
    await world.see("shown");
    assert.equal(world.sockets.length, 2);
});

test("a clock that jumps is a sleep", async () => {
    const { world } = await linked();
    world.slept += 3_600_000;
    await world.pass(1_100);
    assert.equal(world.sockets.length, 2);
});

test("another network: the connection is asked", async () => {
    const { world } = await linked();
    await world.see("online");
    assert.equal(world.socket.heartbeats, 1);
});

test("another tab has the pair, until this one takes it back", async () => {
    const { world, session, status } = await linked();
    session.pause();
    assert.equal(world.socket.isClosed, true);
    await world.see("hidden");
    await world.pass(30_000);
    await world.see("shown");
    assert.deepEqual([world.sockets.length, status().phase], [1, "hidden"]);
    session.resume();
    await world.settle();
    assert.equal(world.sockets.length, 2);
});

test("an end that was worked off late does not end the next connection", async () => {
    let go = () => {};
    const { world, session, status } = await linked({}, { settled: () => new Promise((resolve) => (go = resolve)) });
    world.socket.end(4410);
    session.moveTo({ ...PLACE, token: "cd".repeat(16) });
    await world.settle();
    world.socket.accept(true);
    go();
    await world.settle();
    assert.deepEqual([status().phase, world.sockets.length], ["linked", 2]);
});

test("a full socket says so, and messages go on after that", async () => {
    const { world, session } = await linked();
    assert.equal(session.isFull, false);
    world.socket.bufferedAmount = 200_000;
    assert.equal(session.isFull, true);
});
