// Notices: the shared vectors, each shown once, and the subscription.

import assert from "node:assert/strict";
import test from "node:test";
import { fromBase64url, textOf, utf8 } from "../bytes.js";
import { Notices } from "../notices/notices.js";
import { browserPusher } from "../notices/pusher.js";
import { subscription, vapidKey } from "../notices/vapid.js";
import { memoryStore } from "../store/store.js";
import { vectors } from "./vectors.js";

const { desk, phone, conversation, refused } = vectors("notice-1.json");
const wanted = JSON.parse(phone.find(({ what }) => what === "subscribe").message);

/** The phone's end on a channel that a test plays. */
function phoneEnd({ isHidden = false, wasShown = [], isSubscribed = false, isSeen = true } = {}) {
    const { t: _, ...keys } = wanted;
    const pusher = {
        subscribe: async (mayAsk) => (mayAsk || isSubscribed ? ((isSubscribed = true), keys) : null),
        unsubscribe: async () => void (isSubscribed = false),
    };
    const made = { said: [], told: [], wasReset: null };
    const open = () => {
        made.channel = { send: (bytes) => made.said.push(JSON.parse(textOf(bytes))) > 0, consumed() {}, end() {} };
        made.channel.reset = (token) => (made.wasReset = token);
        return made.channel;
    };
    made.notices = new Notices({ open, pump() {} }, {
        pusher,
        isHidden,
        wasShown: async () => wasShown,
        onNotice: (notice) => {
            made.told.push(notice);
            if (isSeen) made.notices.confirm(notice.id);
        },
        onChange: () => made.told.push(made.notices.push.state),
    });
    made.notices.watch();
    made.begin = () => {
        made.notices.onReady(true);
        made.channel.owner({ type: "accepted", channel: made.channel });
        return settled();
    };
    made.hear = (message) => {
        made.channel.owner({ type: "data", channel: made.channel, bytes: utf8(message) });
        return settled();
    };
    return made;
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("each message of the desk is understood", async () => {
    const end = phoneEnd();
    await end.begin();
    for (const { message } of desk) await end.hear(message);
    const [first, second, third, ...states] = end.told;
    assert.deepEqual(first.target, { kind: "terminal", name: "build" });
    assert.deepEqual([second.target, second.urgency], [{ kind: "chat" }, "low"]);
    assert.deepEqual([third.target, third.title], [null, ""]);
    assert.deepEqual(states, ["on", "off", "gone", "refused"]);
    assert.equal(end.wasReset, null);
    assert.deepEqual(end.said[0], JSON.parse(phone[0].message));
});

test("the conversation of the vectors", async () => {
    const end = phoneEnd();
    const expected = [];
    await end.begin();
    for (const { from, message } of conversation) {
        if (from === "line") await end.begin();
        else if (from === "desk") await end.hear(message);
        else expected.push(JSON.parse(message));
        if (from === "phone" && expected.length === 1) await end.notices.subscribe();
    }
    assert.deepEqual(end.said.filter(({ t }) => t === "subscribe"), expected.filter(({ t }) => t === "subscribe"));
    assert.deepEqual(end.said.filter(({ t }) => t === "shown"), [{ t: "shown", id: "d-1" }]);
});

test("what is not a notice resets the channel", async () => {
    for (const message of refused) {
        const end = phoneEnd();
        await end.begin();
        await end.hear(message);
        assert.equal(end.wasReset, "malformed", message.slice(0, 80));
    }
    const end = phoneEnd();
    await end.begin();
    await end.hear('{"t":"later"}');
    assert.equal(end.wasReset, null);
});

test("a notice is shown once, and confirmed again", async () => {
    const end = phoneEnd({ wasShown: ["d-2"] });
    await end.begin();
    const [first, second] = desk.map(({ message }) => message);
    for (const message of [first, first, second]) await end.hear(message);
    assert.deepEqual(end.told.map(({ id }) => id), ["d-1"], "the second was shown by Web Push");
    assert.deepEqual(end.said, ["d-1", "d-1", "d-2"].map((id) => ({ t: "shown", id })));
});

test("a hidden page shows a notice when somebody can see it", async () => {
    const end = phoneEnd({ isHidden: true });
    await end.begin();
    await end.hear(desk[0].message);
    assert.deepEqual([end.told, end.said], [[], []]);
    end.notices.setHidden(false);
    await settled();
    assert.deepEqual([end.told.length, end.said.length], [1, 1]);
});

test("a subscription is said after a tap, on every channel, and not after it was taken back", async () => {
    const end = phoneEnd();
    await end.begin();
    assert.equal(end.said.length, 0);
    assert.equal(await end.notices.subscribe(), true);
    await end.begin();
    assert.deepEqual(end.said, [wanted, wanted]);
    await end.notices.unsubscribe();
    await end.begin();
    assert.deepEqual(end.said.slice(2), [{ t: "unsubscribe" }]);
});

test("the page has one VAPID key, and renews a subscription that has another", async () => {
    const store = memoryStore();
    const key = await vapidKey(store);
    assert.deepEqual(await vapidKey(store), key);
    assert.deepEqual([fromBase64url(key.public).length, fromBase64url(key.private).length], [65, 32]);
    const push = { subscribed: null, ended: 0 };
    push.getSubscription = async () => push.subscribed;
    push.subscribe = async (options) => (push.subscribed = { options, unsubscribe: async () => (push.ended += 1) });
    assert.equal(await subscription(push, key, false), null);
    const made = await subscription(push, key, true);
    assert.equal(await subscription(push, key, false), made);
    const other = await vapidKey(memoryStore());
    assert.notEqual(await subscription(push, other, false), made);
    assert.equal(push.ended, 1);
});

test("a notice is confirmed when its user sees it, and waits for somebody who shows it", async () => {
    const end = phoneEnd({ isSeen: false });
    await end.begin();
    for (const message of [desk[0].message, desk[0].message]) await end.hear(message);
    assert.deepEqual([end.told.map(({ id }) => id), end.said], [["d-1"], []]);
    end.notices.confirm("d-1");
    await end.hear(desk[0].message);
    assert.deepEqual([end.told.length, end.said.length], [1, 2]);
    const told = [];
    const made = {};
    const channel = { send() {}, consumed() {} };
    made.notices = new Notices({ open: () => channel, pump() {} }, { pusher: null, wasShown: async () => [], onNotice: (notice) => told.push(notice) });
    made.notices.onReady(true);
    channel.owner({ type: "data", channel, bytes: utf8(desk[0].message) });
    await settled();
    assert.equal(told.length, 0);
    made.notices.watch();
    await settled();
    assert.equal(told.length, 1);
});

/** A browser with push, as far as the page uses it. */
function fakeBrowser() {
    const browser = { current: null, tags: [] };
    const manager = {
        getSubscription: async () => browser.current,
        subscribe: async (options) => {
            const endpoint = `https://push.example/${Math.random()}`;
            const unsubscribe = async () => void (browser.current = null);
            return (browser.current = { options, endpoint, getKey: () => new ArrayBuffer(2), unsubscribe });
        },
    };
    const registration = { pushManager: manager, getNotifications: async () => browser.tags.map((tag) => ({ tag })) };
    const globals = {
        navigator: { serviceWorker: { getRegistration: async () => registration } },
        Notification: { permission: "granted", requestPermission: async () => "granted" },
        PushManager: class {},
        location: { origin: "https://relay.example" },
    };
    for (const [name, value] of Object.entries(globals)) Object.defineProperty(globalThis, name, { value, configurable: true });
    return browser;
}

test("notices are on and off for each desk, and the subscription goes with the last", async () => {
    const browser = fakeBrowser();
    const store = memoryStore();
    const [a, b] = ["a", "b"].map((id) => browserPusher(store, id));
    assert.ok(await a.subscribe(true));
    assert.deepEqual([await a.isOn(), await b.isOn()], [true, false]);
    assert.ok(await b.subscribe(true));
    await a.unsubscribe();
    assert.deepEqual([await a.isOn(), await b.isOn(), browser.current === null], [false, true, false]);
    await b.unsubscribe();
    assert.deepEqual([await b.isOn(), browser.current], [false, null]);
});

test("a desk that is forgotten cannot reach the page", async () => {
    const browser = fakeBrowser();
    const store = memoryStore();
    const [a, b] = ["a", "b"].map((id) => browserPusher(store, id));
    const before = await a.subscribe(true);
    await b.subscribe(true);
    assert.equal(await a.forget(), true);
    assert.equal(browser.current, null);
    const after = await b.subscribe(false);
    assert.ok(after.endpoint !== before.endpoint && after.public !== before.public);
    assert.equal(await a.forget(), false);
});

test("a notice that the system shows by itself is known", async () => {
    fakeBrowser().tags.push("d-7");
    assert.deepEqual(await browserPusher(memoryStore(), "a").shown(), ["d-7"]);
});
