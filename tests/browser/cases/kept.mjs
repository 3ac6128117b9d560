// What the page has for its user stays, and a shell of the phone's own.

import assert from "node:assert/strict";

import { pair, untilRows } from "./steps.mjs";

/** The desk was told that its files are there, so a reload finds them, the small one and the large one. */
export async function received_files_survive_a_reload(all) {
    const { desk, phone } = all;
    await pair(all);
    const large = Buffer.from(Array.from({ length: 3_000_000 }, (_, at) => (at * 7919) >> 3));
    const { path: one } = await desk.put("large.bin", large);
    const { path: other } = await desk.put("small.txt", Buffer.from("small"));
    await phone.button("Files").click();
    await desk.open("send", ["send", one, other]);
    await phone.sees("the desk offers this");
    await phone.page.evaluate(() => delete globalThis.showSaveFilePicker);
    await phone.button("Save").click();
    assert.equal(await desk.ended("send"), 0);
    await phone.page.reload();
    await phone.sees("Connected and encrypted");
    if (!(await phone.button("Save to this phone").count())) await phone.button("Files").click();
    await phone.button("Save to this phone").nth(1).waitFor();
    await phone.page.evaluate(() => delete globalThis.showSaveFilePicker);
    const { readFileSync } = await import("node:fs");
    const contents = { "large.bin": large, "small.txt": Buffer.from("small") };
    for (const at of [0, 1]) {
        const downloading = phone.page.waitForEvent("download");
        await phone.button("Save to this phone").nth(at).click();
        const download = await downloading;
        const name = download.suggestedFilename();
        assert.ok(readFileSync(await download.path()).equals(contents[name]), name);
    }
    await phone.button("Dismiss").click();
    await phone.button("Save to this phone").first().waitFor({ state: "detached" });
}
