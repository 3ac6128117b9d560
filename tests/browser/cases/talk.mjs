// Chat and files between the page and the desk.

import assert from "node:assert/strict";

import { pair } from "./steps.mjs";

export async function lines_of_chat_go_both_ways(all) {
    const { desk, phone } = all;
    await pair(all);
    await desk.open("chat", ["chat"]);
    await phone.button("Chat").click();
    await phone.page.getByLabel("Message").fill("hello desk, this is <b>the</b> phone");
    await phone.button("Send").click();
    await desk.until("chat", "hello desk, this is <b>the</b> phone");
    await phone.sees("delivered");
    await desk.type("chat", "hello <img src=x onerror=alert(1)> \u202eevil\r");
    await phone.sees("hello <img src=x onerror=alert(1)>");
    const line = await phone.page.locator(".said li:not(.mine) bdi").textContent();
    assert.ok(!/[\u202a-\u202e\u2066-\u2069]/.test(line), `what reorders text is shown as it is: ${line}`);
    await phone.picture("chat");
    assert.deepEqual(await phone.axe(), []);
}

/** A file of the desk's, and one of the phone's. */
export async function files_go_both_ways(all) {
    const { desk, phone } = all;
    await pair(all);
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7919) >> 3));
    const { folder } = await desk.open("receive", ["receive", "files"]);
    await phone.button("Files").click();
    await phone.page.setInputFiles("#pick", { name: "from <i>phone.bin", mimeType: "application/octet-stream", buffer: bytes });
    await phone.sees("done");
    const { readdirSync, readFileSync } = await import("node:fs");
    const [name] = readdirSync(`${folder}/files`).filter((entry) => !entry.startsWith("."));
    assert.ok(readFileSync(`${folder}/files/${name}`).equals(bytes), name);
    await phone.picture("files");
    assert.deepEqual(await phone.axe(), []);
    const { path } = await desk.put("tale of two.bin", bytes);
    await desk.open("send", ["send", path]);
    await phone.sees("the desk offers this");
    await phone.picture("offer");
    await phone.page.evaluate(() => delete globalThis.showSaveFilePicker);
    await phone.button("Save").click();
    await phone.button("Save to this phone").waitFor();
    const downloading = phone.page.waitForEvent("download");
    await phone.button("Save to this phone").click();
    const download = await downloading;
    assert.equal(download.suggestedFilename(), "tale of two.bin");
    assert.ok(readFileSync(await download.path()).equals(bytes), "the bytes");
    assert.equal(await desk.ended("send"), 0);
}

const HOSTILE = "<img src=x onerror=alert(1)>\u202e\u2066&lt;b&gt;";

/** Names, titles and a screen full of markup, marks that reorder text, and long values. */
export async function a_hostile_desk_breaks_nothing(all) {
    const { desk, phone } = all;
    await pair(all);
    const shown = `printf '\\033]0;${HOSTILE}\\007'; printf '%s' '${HOSTILE}'; printf '\\033]8;;javascript:alert(1)\\033\\\\link\\033]8;;\\033\\\\'; printf 'x%.0s' $(seq 900); read x`;
    await desk.open("run", ["run", "--name", "evil", "--", "sh", "-c", shown]);
    await phone.page.getByRole("button", { name: "evil" }).waitFor();
    await phone.page.getByText("onerror").first().waitFor();
    await phone.picture("hostile-desk");
    await phone.page.getByRole("button", { name: "evil" }).click();
    await phone.page.getByText("onerror").first().waitFor();
    await phone.picture("hostile-terminal");
    const found = await phone.page.evaluate(() => ({
        images: document.images.length,
        scripts: [...document.querySelectorAll("a")].filter(({ href }) => !/^https?:/.test(href)).length,
        wide: document.documentElement.scrollWidth > innerWidth,
    }));
    assert.deepEqual(found, { images: 0, scripts: 0, wide: false });
}

/** A long file, while the page is loaded again in the middle. What is there stays, where the browser can keep it. */
export async function a_file_of_the_desk_survives_a_reload(all) {
    const { desk, phone } = all;
    await pair(all);
    const bytes = Buffer.alloc(12_000_000);
    for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE((at * 2654435761) >>> 0, at);
    const window = "send";
    await desk.open("keep", ["receive", "files"]);
    const { path } = await desk.put("long.bin", bytes);
    await desk.open(window, ["send", path]);
    await phone.button("Files").click();
    await phone.button("Save").click();
    await phone.page.waitForFunction(() => (document.querySelector("progress")?.value ?? 0) > 4_000_000);
    await phone.page.reload();
    await phone.button("Files").click();
    await phone.button("Save").click();
    const began = await phone.page.waitForFunction(() => document.querySelector("progress")?.value || null);
    console.log(`        after the reload it began at ${await began.jsonValue()} bytes`);
    assert.ok((await began.jsonValue()) > 1_000_000, "it began anew");
    await phone.page.evaluate(() => delete globalThis.showSaveFilePicker);
    const downloading = phone.page.waitForEvent("download");
    await phone.button("Save to this phone").click();
    const { readFileSync } = await import("node:fs");
    assert.ok(readFileSync(await (await downloading).path()).equals(bytes), "the bytes");
    assert.equal(await desk.ended(window), 0);
}
a_file_of_the_desk_survives_a_reload.devices = ["pixel"];

export async function texts_for_the_clipboard_go_both_ways(all) {
    const { desk, phone } = all;
    await pair(all);
    await desk.open("keep", ["chat"]);
    await phone.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await phone.button("Clipboard").click();
    await desk.open("get", ["clip", "--get"]);
    await phone.page.getByLabel("Text for your desk").fill("for the <desk>");
    await phone.button("Send").click();
    await desk.until("get", "for the <desk>");
    await desk.shell("printf 'for the <phone>' | workstation clip");
    await phone.sees("for the <phone>");
    await phone.picture("clipboard");
    assert.deepEqual(await phone.axe(), []);
    await phone.button("Copy").click();
    await phone.sees("Copied.");
    assert.equal(await phone.page.evaluate(() => navigator.clipboard.readText()), "for the <phone>");
}
texts_for_the_clipboard_go_both_ways.devices = ["pixel"];
