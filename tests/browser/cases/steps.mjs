// What several cases do.

import assert from "node:assert/strict";

/** A shell whose prompt is known. */
export const SHELL = ["env", "PS1=desk$ ", "sh", "-i"];

/** Opens a code's address and pairs. */
export async function pair({ desk, phone }) {
    const address = await desk.showCode();
    await phone.page.goto(address);
    await phone.button("Pair").click();
    assert.equal(await desk.answer(true), 0);
    await phone.button("The same words").click();
    await phone.sees("Connected and encrypted");
    return address;
}

/** Shares a program and opens it on the phone. */
export async function share({ desk, phone }, command = SHELL, name = "shell", size = {}) {
    await desk.open("run", ["run", "--name", name, "--", ...command], size);
    await phone.page.getByRole("button", { name }).click();
}

/** Waits until the phone's rows satisfy `is`. */
export async function untilRows(phone, what, is) {
    const until = Date.now() + 30_000;
    for (;;) {
        const rows = await phone.rows();
        if (is(rows)) return rows;
        if (Date.now() > until) throw new Error(`no ${what} in these rows:\n${rows.join("\n")}`);
        await phone.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    }
}

/** Waits until the phone's rows are the desk's. */
export async function untilSame({ desk, phone }, window = "run") {
    let lines = [];
    const until = Date.now() + 30_000;
    for (;;) {
        lines = await desk.screen(window);
        const rows = await phone.rows();
        if (lines.length === rows.length && lines.every((line, at) => line === rows[at])) return rows;
        if (Date.now() > until) assert.deepEqual(rows, lines);
        await phone.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    }
}
