// A terminal's viewer: the shared vectors, damage, scrollback, and what a viewer does when its channel goes.

import assert from "node:assert/strict";
import test from "node:test";
import { hex, unhex } from "../bytes.js";
import { ScreenReceiver, viewerMessages, SHIFT, CTRL } from "../screen/messages.js";
import { rowText } from "../screen/screen.js";
import { ScrollbackLines } from "../screen/scrollback.js";
import { TerminalViewer } from "../screen/viewer.js";
import { Malformed } from "../screen/wire.js";
import { random, vectors } from "./vectors.js";

const { updates, desk, viewer } = vectors("terminal-1.json");

const color = (value) => (value === null ? "" : String(value));
const drawn = ({ runs }) =>
    runs.map(({ column, columns, text, style }) => ({
        column,
        columns,
        text,
        style: {
            text: color(style.text),
            background: color(style.background),
            attributes: style.attributes,
            underline: style.underline,
            underline_color: color(style.underlineColor),
            link: style.link ?? "",
        },
    }));

test("the updates draw what the vectors say", () => {
    const receiver = new ScreenReceiver();
    for (const step of updates) {
        for (const message of step.messages) receiver.receive(unhex(message));
        const { screen } = receiver;
        const { cursor, modes, history } = screen;
        assert.deepEqual([screen.columns, screen.rows.length, screen.title], [step.columns, step.rows, step.title], step.what);
        assert.deepEqual(screen.rows.map(drawn), step.drawn, step.what);
        const { row, column, shape, isBlinking, isVisible } = cursor;
        assert.deepEqual([row, column, shape, +isBlinking, +isVisible], step.cursor);
        assert.deepEqual([history.generation, history.end, history.lines], step.history);
        assert.deepEqual(Object.values(modes).map(Number), step.modes);
        assert.equal(screen.bells, step.bells);
    }
});

test("a row that moved is the same object, and the screen before stays as it was", () => {
    const receiver = new ScreenReceiver();
    receiver.receive(unhex(updates[0].messages[0]));
    receiver.receive(unhex(updates[1].messages[0]));
    const before = receiver.screen;
    const rows = before.rows.slice();
    receiver.receive(unhex(updates[2].messages[0]));
    assert.equal(receiver.screen.rows[0], rows[1]);
    assert.deepEqual(before.rows, rows);
});

test("a character beyond U+FFFF is one cell", () => {
    const receiver = new ScreenReceiver();
    const emoji = new TextEncoder().encode("👋a👋");
    // The whole screen of 6×1: size, cursor, modes, history, and one row with one run of wide characters.
    const head = [1, 1, 0, 0b1001_0111, 6, 1, 0, 0, 32, 0, 0, 0, 0, 0];
    receiver.receive(Uint8Array.from([...head, 0, 0, 1, 0, 2, 0, 0, (emoji.length << 3) | 1, ...emoji]));
    const [{ runs }] = receiver.screen.rows;
    assert.deepEqual([runs[0].text, runs[0].columns, rowText({ runs })], ["👋a👋", 6, "👋a👋"]);
});

test("what the desk says besides", () => {
    const received = desk.map(({ messages }) => new ScreenReceiver().receive(unhex(messages[0])));
    const [notice, scrollback, ...rest] = received;
    assert.deepEqual(notice, { what: "notice", title: "Build", text: "done" });
    const { request, generation, first, rows } = scrollback.answer;
    assert.deepEqual([request, generation, first, rows.map(rowText)], [7, 1, 299, ["old line"]]);
    assert.deepEqual(rest, [
        { what: "owner", owner: { owner: "desk", name: "", mayType: true } },
        { what: "owner", owner: { owner: "other", name: "Pixel", mayType: false } },
        { what: "ended", exit: { code: 0 } },
        { what: "ended", exit: { signal: 9 } },
    ]);
    assert.deepEqual(new ScreenReceiver().receive(Uint8Array.of(0x70, 1)), { what: "nothing" });
});

test("what a viewer says is what the vectors say", () => {
    const made = [
        viewerMessages.ack(300),
        viewerMessages.text("ls"),
        viewerMessages.key("c", CTRL),
        viewerMessages.key("F5", 0),
        viewerMessages.key("ArrowUp", SHIFT),
        viewerMessages.paste("a\nb"),
        viewerMessages.mouse(0, 4, SHIFT, 299, 1),
        viewerMessages.takeSize(40, 20),
        viewerMessages.giveBack(),
        viewerMessages.scrollback(7, 200, 100),
        viewerMessages.focus(true),
    ];
    assert.deepEqual(made.map((parts) => parts.map(hex)), viewer.map(({ messages }) => messages));
    for (const key of ["Shift", "F21", "F0", "", "MediaPlay"]) assert.equal(viewerMessages.key(key, 0), null, key);
    assert.deepEqual(viewerMessages.key("漢", 0), [Uint8Array.of(3, 0, 0, 0xe6, 0xbc, 0xa2)]);
});

test("long texts go in parts, which are joined", () => {
    const parts = viewerMessages.paste("x".repeat(40_000));
    assert.deepEqual(parts.map(({ length }) => length), [16_384, 16_384, 40_000 - 2 * 16_383 + 1]);
    assert.deepEqual(parts.map(([kind]) => kind), [0x84, 0x84, 4]);
    const receiver = new ScreenReceiver();
    const whole = unhex(updates[0].messages[0]);
    assert.equal(receiver.receive(Uint8Array.of(0x81, ...whole.slice(1, 20))).what, "nothing");
    assert.equal(receiver.receive(Uint8Array.of(1, ...whole.slice(20))).what, "updated");
    assert.equal(receiver.screen.title, "shell");
    receiver.receive(Uint8Array.of(0x81, 1));
    assert.throws(() => receiver.receive(Uint8Array.of(2, 1)), Malformed);
});

test("damaged messages are refused, and change nothing", () => {
    const rng = random(7);
    const all = [...updates.flatMap(({ messages }) => messages), ...desk.flatMap(({ messages }) => messages)].map(unhex);
    let refused = 0;
    for (let round = 0; round < 20_000; round++) {
        const receiver = new ScreenReceiver();
        if (rng.oneIn(2)) receiver.receive(all[0]);
        const before = receiver.screen;
        const message = rng.pick(all).slice();
        for (let left = rng.below(3); left >= 0; left--) message[rng.below(message.length)] = rng.below(256);
        try {
            receiver.receive(rng.oneIn(3) ? message.subarray(0, rng.below(message.length)) : message);
        } catch (error) {
            assert.ok(error instanceof Malformed, error.stack);
            assert.equal(receiver.screen, before);
            refused += 1;
        }
        const { screen } = receiver;
        assert.ok(screen.cursor.row < screen.rows.length && screen.cursor.column < screen.columns);
        for (const { runs } of screen.rows) for (const run of runs) assert.ok(run.column + run.columns <= screen.columns);
    }
    assert.ok(refused > 5_000, `${refused}`);
});

test("scrollback is asked for once, and dropped with its generation", () => {
    const lines = new ScrollbackLines();
    const screen = { history: { generation: 1, end: 500, lines: 400 } };
    lines.onScreen(screen);
    const { request, first, count } = lines.pollRequest(450, 20, screen);
    assert.deepEqual([first, count], [430, 40]);
    assert.equal(lines.pollRequest(450, 20, screen), null, "one at a time");
    const row = { runs: [], isWrapped: false };
    const rows = new Array(40).fill(row);
    assert.equal(lines.onAnswer({ request, generation: 1, first: 430, rows }, 450), true);
    assert.equal(lines.get(469), row);
    assert.equal(lines.pollRequest(450, 20, screen), null, "all of it is here");
    assert.deepEqual(lines.pollRequest(90, 20, screen).first, 100, "older ones are gone");
    lines.onScreen({ history: { generation: 2, end: 0, lines: 0 } });
    assert.equal(lines.get(469), undefined);
});

test("scrollback of more lines than one answer has goes on to its end", () => {
    const lines = new ScrollbackLines();
    const screen = { history: { generation: 1, end: 1000, lines: 1000 } };
    lines.onScreen(screen);
    const row = { runs: [], isWrapped: false };
    let rounds = 0;
    for (let asked = lines.pollRequest(400, 300, screen); asked; asked = lines.pollRequest(400, 300, screen)) {
        assert.ok((rounds += 1) < 10, "it asks for the same again");
        lines.onAnswer({ ...asked, generation: 1, rows: new Array(asked.count).fill(row) }, 400);
    }
    for (let number = 400; number < 700; number++) assert.equal(lines.get(number), row, `${number}`);
});

test("parts without bytes do not pile up", () => {
    const receiver = new ScreenReceiver();
    assert.throws(() => {
        for (let count = 0; count < 5_000; count++) receiver.receive(Uint8Array.of(0x81));
    }, Malformed);
});

/** A host whose channels a test plays. */
function fakeHost() {
    const host = { opened: [], timers: [], time: 0 };
    const channel = (kind, params) => {
        const made = { kind, params, sent: [], isAccepted: false, owner: null, consumed() {} };
        made.send = (bytes) => made.sent.push(hex(bytes)) > 0;
        made.end = () => (made.hasEnded = true);
        made.reset = (token) => (made.wasReset = token);
        made.tell = (event) => made.owner({ channel: made, ...event });
        host.opened.push(made);
        return made;
    };
    return Object.assign(host, {
        open: channel,
        pump() {},
        isOpen: () => true,
        now: () => host.time,
        date: () => 0,
        after: (ms, then) => {
            const timer = { ms, then };
            host.timers.push(timer);
            return () => host.timers.splice(host.timers.indexOf(timer), 1);
        },
    });
}

test("a viewer acknowledges what was drawn, and comes back with its size after a restart", () => {
    const host = fakeHost();
    const shown = new TerminalViewer(host, "build");
    shown.onReady(true);
    const [first] = host.opened;
    assert.deepEqual(first.params, { v: 1, name: "build" });
    first.isAccepted = true;
    first.tell({ type: "accepted", params: {} });
    assert.equal(shown.state, "open");
    first.tell({ type: "data", bytes: unhex(updates[0].messages[0]) });
    assert.deepEqual(first.sent, []);
    shown.drawn();
    shown.drawn();
    assert.deepEqual(first.sent, ["0101"]);
    shown.takeSize(40, 20);
    shown.onReady(false);
    assert.equal(shown.state, "waiting");
    assert.equal(shown.screen.title, "shell", "the last screen stays");
    shown.onReady(true);
    const [, second] = host.opened;
    second.isAccepted = true;
    second.tell({ type: "accepted", params: {} });
    assert.deepEqual(second.sent, ["062814"]);
});

test("what was typed while the desk was away arrives, and half a paste does not go on", () => {
    const host = fakeHost();
    const shown = new TerminalViewer(host, "build");
    shown.onReady(true);
    const accept = (channel) => {
        channel.isAccepted = true;
        channel.tell({ type: "accepted", params: {} });
    };
    accept(host.opened[0]);
    let credit = 1;
    const { send } = host.opened[0];
    host.opened[0].send = (bytes) => credit-- > 0 && send(bytes);
    assert.equal(shown.paste("x".repeat(20_000)), true);
    assert.equal(host.opened[0].sent.length, 1);
    shown.onReady(false);
    assert.deepEqual([shown.type("ls"), shown.key("Enter"), shown.mouse(0, 1, 0, 1, 1)], [true, true, true]);
    shown.onReady(true);
    accept(host.opened[1]);
    assert.deepEqual(host.opened[1].sent, [viewerMessages.text("ls"), viewerMessages.key("Enter", 0)].flat().map(hex));
});

test("a shell of the phone's own is found again by the name that the desk gave it", () => {
    const host = fakeHost();
    const shown = new TerminalViewer(host, "", { cols: 50, rows: 20 });
    shown.onReady(true);
    assert.deepEqual(host.opened[0].params, { v: 1, shell: true, cols: 50, rows: 20 });
    host.opened[0].tell({ type: "accepted", params: { name: "sh2" } });
    assert.equal(shown.name, "sh2");
    shown.onReady(false);
    shown.onReady(true);
    assert.deepEqual(host.opened[1].params, { v: 1, name: "sh2" });
    assert.equal(shown.paste("x".repeat((1 << 20) + 1)), false);
});

test("a terminal that its desk does not know yet is asked for again, for a while", () => {
    const host = fakeHost();
    const shown = new TerminalViewer(host, "build");
    shown.onReady(true);
    const refuse = () => host.opened.at(-1).tell({ type: "refused", reason: { token: "not-found", words: "" } });
    refuse();
    assert.equal(shown.state, "opening");
    host.timers.pop().then();
    host.time = 3_000;
    refuse();
    assert.equal(shown.state, "failed");
    assert.equal(shown.reason.token, "not-found");
});

test("damage costs the channel, and a new one brings the whole screen", () => {
    const host = fakeHost();
    const shown = new TerminalViewer(host, "build");
    shown.onReady(true);
    host.opened[0].tell({ type: "accepted", params: {} });
    host.opened[0].tell({ type: "data", bytes: Uint8Array.of(1, 0xff) });
    assert.equal(host.opened[0].wasReset, "malformed");
    assert.equal(host.opened.length, 2);
});
