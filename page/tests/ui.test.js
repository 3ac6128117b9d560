// What the screens decide, on a document of a few lines. Browsers draw them in tests/browser.

import assert from "node:assert/strict";
import test from "node:test";
import { Emitter } from "../events.js";
import { fakeDom } from "./fake_dom.js";
import { vectors } from "./vectors.js";

const page = fakeDom();
const { App } = await import("../ui/app.js");
const { screens } = await import("../ui/screens/screens.js");
const { watchLink } = await import("../ui/notices.js");
const later = () => new Promise((resolve) => setImmediate(resolve));
const [{ link: CODE }] = vectors("code-2.json").codes;

/** A link as the screens see it. */
function fakeLink(changes = {}) {
    const link = Object.assign(new Emitter(), {
        id: "a",
        state: { phase: "open" },
        desk: { name: "office", rights: ["view"], terminals: [] },
        files: { sets: [], isMoving: false, isLasting: true },
        clipboard: { clips: [], seen: (clip) => void (clip.state = "got") },
        notices: { watch() {}, confirmed: [], confirm: (id) => void link.notices.confirmed.push(id) },
        close: () => void (link.state = { phase: "stopped" }),
        ...changes,
    });
    return link;
}

function appOf(link) {
    const phone = { pairs: [], isLasting: true, link: async () => link, forgotten: [] };
    phone.pair = async () => link;
    phone.usedAt = async () => phone.used ?? null;
    phone.forget = async (id) => void phone.forgotten.push(id);
    phone.confirm = async (id) => void phone.pairs.forEach((pair) => pair.id === id && (pair.unconfirmed = null));
    const root = page.createElement("div");
    return { app: new App(root, phone), phone, root };
}

test("every file of a large set can be saved", async () => {
    const items = Array.from({ length: 250 }, (_, i) => ({ name: `${i}`, size: 1, moved: 1, state: "done", keptAs: "", reason: null, blob: new Blob(["x"]) }));
    const set = { state: "over", isOver: true, isMine: false, name: "many", bytes: 250, items };
    const { app } = appOf(fakeLink({ files: { sets: [set], isLasting: true } }));
    const { element } = await screens.files(app, { name: "files" });
    const saves = () => element.all.filter(({ tag, textContent }) => tag === "button" && textContent === "Save to this phone").length;
    const counts = [saves()];
    for (let more = element.button("Show more files"); more; more = element.button("Show more files")) {
        more.click();
        counts.push(saves());
    }
    assert.deepEqual(counts, [100, 200, 250]);
});

/** A pairing whose desk has said `state`. */
async function pairing(state) {
    const link = fakeLink({ state: { words: "a b c d e f", ...state } });
    const made = appOf(link);
    location.host = new URL((await (await import("../link/link.js")).readCode(CODE)).place.url).host;
    const shown = await screens.pair(made.app, { name: "pair", text: CODE });
    shown.element.submit();
    await later();
    return { ...made, link, shown };
}

test("going back before the words are compared leaves no pair", async () => {
    for (const phase of ["open", "asked", "retrying"]) {
        const { shown, phone, link } = await pairing({ phase });
        assert.ok(shown.element.button("The same words"));
        shown.stop();
        await later();
        assert.deepEqual([phone.forgotten, link.state.phase], [["a"], "stopped"], phase);
    }
    const left = await pairing({ phase: "asked" });
    left.shown.element.button("The same words").click();
    left.shown.stop();
    assert.deepEqual(left.phone.forgotten, []);
});

test("a page that is loaded again before the words were compared shows them again, whatever it was asked for", async () => {
    for (const answer of ["The same words", "Not the same"]) {
        // The desk has said yes and is away now.
        const { app, phone, root } = appOf(fakeLink({ state: { phase: "away", words: null } }));
        phone.pairs.push({ id: "a", unconfirmed: "a b c d e f", isWelcomed: true });
        await app.go({ name: "terminal", id: "a", terminal: "shell" });
        assert.ok(root.textContent.includes("abcdefYour desk said yes"), root.textContent);
        root.button(answer).click();
        await later();
        if (answer === "Not the same") assert.deepEqual(phone.forgotten, ["a"]);
        else assert.deepEqual([phone.pairs[0].unconfirmed, phone.forgotten, root.textContent.includes("Terminals")], [null, [], true]);
    }
});

test("a code that this phone used says so, and one that is over tells what is known of it", async () => {
    const { app, phone } = appOf(fakeLink());
    phone.used = Date.now();
    const used = await screens.pair(app, { name: "pair", text: CODE });
    assert.match(used.element.textContent, /This phone used this code already/);
    const { now } = Date;
    try {
        for (const [later, said] of [[0, /Nobody waits for this code/], [301_000, /older than five minutes/]]) {
            const { link, shown } = await pairing({ phase: "connecting" });
            Date.now = () => now() + later;
            link.state = { phase: "stopped", why: "code-gone" };
            link.emit({ type: "state" });
            assert.match(shown.element.textContent, said);
            Date.now = now;
        }
    } finally {
        Date.now = now;
    }
});

test("a phone that was removed is led to another code", async () => {
    for (const [why, isLed] of [["removed", true], ["session-gone", true], ["replaced", false]]) {
        const { app, root } = appOf(fakeLink({ state: { phase: "stopped", why } }));
        await app.go({ name: "desk", id: "a" });
        assert.equal(Boolean(root.button("Use another code")), isLed, why);
    }
});

test("notices are shown one after the other, and confirmed when they are seen", async () => {
    const link = fakeLink();
    const { app, root } = appOf(link);
    watchLink(app, link);
    const notice = (id) => link.emit({ type: "notice", notice: { id, title: "", text: `text ${id}`, target: { kind: "chat" } } });
    page.see(false);
    notice("1");
    notice("2");
    assert.deepEqual(link.notices.confirmed, []);
    page.see(true);
    assert.deepEqual(link.notices.confirmed, ["1"]);
    app.toast("saved");
    assert.ok(root.textContent.includes("text 1") && root.textContent.includes("saved"));
    root.button("Dismiss").click();
    assert.deepEqual(link.notices.confirmed, ["1", "2"]);
    assert.ok(!root.textContent.includes("text 1") && root.textContent.includes("text 2"));
});

test("a text for the clipboard is seen when the page is", async () => {
    const clip = { isMine: false, state: "new", text: "text" };
    const link = fakeLink();
    link.clipboard.clips.push(clip);
    page.see(false);
    const { stop } = await screens.clipboard(appOf(link).app, { name: "clipboard" });
    await new Promise((resolve) => setTimeout(resolve));
    assert.equal(clip.state, "new");
    page.see(true);
    await new Promise((resolve) => setTimeout(resolve));
    assert.equal(clip.state, "got");
    stop();
});

test("a phone with the right opens a shell, and another one is not offered it", async () => {
    const link = fakeLink();
    const { app } = appOf(link);
    const gone = [];
    app.go = (place) => gone.push(place);
    const { element } = await screens.desk(app, { name: "desk" });
    assert.equal(element.button("Open a shell"), null);
    link.desk.rights.push("shell");
    link.emit({ type: "desk" });
    element.button("Open a shell").click();
    assert.deepEqual(gone, [{ name: "terminal", id: "a", isShell: true }]);
});

test("of two ways at once the later one counts", async () => {
    const { app, root } = appOf(fakeLink());
    const made = {};
    const stopped = [];
    for (const name of ["chat", "files"]) {
        screens[name] = () => new Promise((resolve) => (made[name] = () => {
            const element = page.createElement("div");
            element.textContent = `this is ${name}`;
            resolve({ element, title: name, stop: () => stopped.push(name) });
        }));
    }
    const ways = [app.go({ name: "chat" }), app.go({ name: "files" })];
    made.chat();
    await ways[0];
    made.files();
    await ways[1];
    assert.ok(root.textContent.includes("this is files") && !root.textContent.includes("this is chat"));
    assert.deepEqual(stopped, ["chat"]);
});
