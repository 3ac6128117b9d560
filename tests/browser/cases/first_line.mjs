// From the scan of a code to the first line of a terminal: how long it takes, and how often a phone waits.

import assert from "node:assert/strict";

import { Desk } from "../desk.mjs";
import { Line } from "../line.mjs";
import { Turns } from "../turns.mjs";
import { SHELL, untilRows } from "./steps.mjs";

/** docs/page.md lists them, each with its reason. */
const TRIPS_MAX = 13;
/** Long beside what a loaded machine needs for a step. */
const ONE_WAY_MS = 400;

/** The main path with a terminal that is shared already. Gives how long it took from the code's opening. */
async function firstLine({ desk, phone }) {
    await desk.open("run", ["run", "--name", "shell", "--", ...SHELL]);
    const address = await desk.showCode();
    const began = performance.now();
    await phone.page.goto(address);
    await phone.button("Pair").click();
    await desk.until("pair", "\\[y/n\\]");
    await desk.type("pair", "y\r");
    await phone.sees("Your desk said yes");
    await phone.button("The same words").click();
    await phone.page.getByRole("button", { name: "shell" }).click();
    await untilRows(phone, "prompt", (rows) => rows[0]?.startsWith("desk$"));
    return Math.round(performance.now() - began);
}

export async function from_the_scan_to_the_first_line(all) {
    console.log(`        from the scan to the first line: ${await firstLine(all)} ms`);
}

/** What a phone in a far network waits for, on a line so slow that nothing else counts. */
export async function the_first_line_needs_few_round_trips({ phone }) {
    const { line, relay } = await Line.toRelay();
    const desk = new Desk(relay);
    try {
        line.delayMs = ONE_WAY_MS;
        const turns = await Turns.of(phone);
        const took = await firstLine({ desk, phone });
        const chain = turns.chain(2 * ONE_WAY_MS);
        for (const { asked, answer, ms } of chain) console.log(`        ${asked} -> ${answer}, ${ms} ms`);
        if (process.env.RELAY_BROWSER_EVENTS) {
            for (const { way, what, at } of turns.events) console.log(`        ${Math.round(at - turns.events[0].at)} ${way} ${what}`);
        }
        console.log(`        ${chain.length} round trips, ${took} ms with ${2 * ONE_WAY_MS} ms for each`);
        assert.ok(chain.length <= TRIPS_MAX, `${chain.length} round trips`);
    } finally {
        await desk.end();
        await line.stop();
        await relay.stop();
    }
}
the_first_line_needs_few_round_trips.devices = ["pixel"];
