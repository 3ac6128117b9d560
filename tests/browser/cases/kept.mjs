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

/** A phone opens a shell where its desk allows that, and the shell is the phone's own. */
export async function a_phone_with_the_right_opens_a_shell(all) {
    const { desk, phone } = all;
    await pair(all);
    await phone.sees("No terminal is shared now");
    assert.equal(await phone.button("Open a shell").count(), 0);
    const { status, out } = await desk.run("rights", "Pixel 7", "+shell");
    assert.equal(status, 0, out);
    await desk.open("serve", ["serve", "--shell"]);
    await desk.until("serve", "serving: ");
    await phone.button("Open a shell").click();
    await phone.page.getByRole("textbox", { name: "Text for the terminal" }).fill("echo mine-$((6*7))");
    await phone.button("Send").click();
    await untilRows(phone, "answer", (rows) => rows.some((row) => row.trim() === "mine-42"));
    await phone.picture("shell");
    assert.deepEqual(await phone.axe(), []);
    await phone.page.getByRole("textbox", { name: "Text for the terminal" }).fill("exit 3");
    await phone.button("Send").click();
    await phone.sees("The program ended with code 3");
}
a_phone_with_the_right_opens_a_shell.devices = ["pixel"];
