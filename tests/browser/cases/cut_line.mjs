// Long files over a line that is cut again and again, and a page that is loaded again in the middle.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Desk } from "../desk.mjs";
import { Line } from "../line.mjs";
import { pair } from "./steps.mjs";

const SIZE = 50_000_000;
/** The line is cut each time that this much has passed. */
const CUT_AFTER = 9_000_000;

const hash = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** A relay behind a line, a desk, and a folder for what is sent. */
async function onALine(phone, run) {
    const { line, relay } = await Line.toRelay();
    const desk = new Desk(relay);
    const folder = mkdtempSync(join(tmpdir(), "relay-long-"));
    try {
        await pair({ desk, phone });
        await run({ desk, line, folder });
    } finally {
        await desk.end();
        await line.stop();
        await relay.stop();
        rmSync(folder, { recursive: true });
    }
}

const moved = (phone) => phone.page.evaluate(() => document.querySelector("progress")?.value ?? 0);

/** Waits until a set is over, or has come so far. */
async function untilMoved(phone, bytes) {
    await phone.page.waitForFunction((wanted) => (document.querySelector("progress")?.value ?? 0) >= wanted, bytes, { timeout: 120_000 });
}

export async function a_long_file_of_the_phone_survives_cuts({ phone }) {
    await onALine(phone, async ({ desk, line, folder }) => {
        const bytes = randomBytes(SIZE);
        writeFileSync(join(folder, "long.bin"), bytes);
        const opened = await desk.open("receive", ["receive", "files"]);
        await phone.button("Files").click();
        line.cutEach(CUT_AFTER);
        const began = performance.now();
        await phone.page.setInputFiles("#pick", join(folder, "long.bin"));
        await untilMoved(phone, SIZE);
        await phone.page.locator(".card .good").waitFor({ timeout: 120_000 });
        console.log(`        50 MB to the desk with ${line.cuts} cuts: ${Math.round(performance.now() - began)} ms`);
        const names = readdirSync(join(opened.folder, "files")).filter((name) => !name.startsWith("."));
        assert.deepEqual(names, ["long.bin"]);
        assert.equal(hash(readFileSync(join(opened.folder, "files", "long.bin"))), hash(bytes));
        assert.ok(line.cuts >= 4, `${line.cuts} cuts`);
    });
}
a_long_file_of_the_phone_survives_cuts.devices = ["pixel"];

/** A browser gives a file to one page only: its user chooses it again, and the desk goes on. */
export async function a_long_file_of_the_phone_survives_a_reload({ phone }) {
    await onALine(phone, async ({ desk, line, folder }) => {
        const bytes = randomBytes(SIZE), path = join(folder, "long.bin");
        writeFileSync(path, bytes);
        const opened = await desk.open("receive", ["receive", "files"]);
        await phone.button("Files").click();
        line.cutEach(CUT_AFTER);
        await phone.page.setInputFiles("#pick", path);
        await untilMoved(phone, SIZE / 2);
        const before = await moved(phone);
        await phone.page.reload();
        if (!(await phone.page.locator("#pick").count())) await phone.button("Files").click();
        await phone.sees("choose the same files again");
        await phone.picture("upload-reloaded");
        assert.deepEqual(await phone.axe(), []);
        await phone.page.setInputFiles("#pick", path);
        await untilMoved(phone, 1);
        const after = await moved(phone);
        await phone.page.locator(".card .good").waitFor({ timeout: 120_000 });
        console.log(`        50 MB to the desk with ${line.cuts} cuts: loaded again at ${before}, went on at ${after}`);
        assert.equal(await phone.page.getByText("choose the same files again").count(), 0);
        assert.equal(hash(readFileSync(join(opened.folder, "files", "long.bin"))), hash(bytes));
        assert.ok(after > SIZE / 4, "it began again");
    });
}
a_long_file_of_the_phone_survives_a_reload.devices = ["pixel"];

export async function a_long_file_of_the_desk_survives_cuts_and_a_reload({ phone }) {
    await onALine(phone, async ({ desk, line, folder }) => {
        const bytes = randomBytes(SIZE);
        writeFileSync(join(folder, "long.bin"), bytes);
        await desk.open("keep", ["receive", "files"]);
        await desk.open("send", ["send", join(folder, "long.bin")]);
        await phone.button("Files").click();
        line.cutEach(CUT_AFTER);
        const began = performance.now();
        await phone.button("Save").click();
        await untilMoved(phone, SIZE / 2);
        const before = await moved(phone);
        await phone.page.reload();
        await phone.button("Files").click();
        await phone.button("Save").click();
        await untilMoved(phone, 1);
        const after = await moved(phone);
        await untilMoved(phone, SIZE);
        await phone.page.evaluate(() => delete globalThis.showSaveFilePicker);
        await phone.button("Save to this phone").waitFor({ timeout: 120_000 });
        console.log(`        50 MB of the desk with ${line.cuts} cuts: ${Math.round(performance.now() - began)} ms; loaded again at ${before}, went on at ${after}`);
        const downloading = phone.page.waitForEvent("download");
        await phone.button("Save to this phone").click();
        assert.equal(hash(readFileSync(await (await downloading).path())), hash(bytes));
        assert.equal(await desk.ended("send"), 0);
        assert.ok(line.cuts >= 4, `${line.cuts} cuts`);
        assert.ok(after > SIZE / 4, "it began anew");
    });
}
a_long_file_of_the_desk_survives_cuts_and_a_reload.devices = ["pixel"];
