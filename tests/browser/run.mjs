// The page in real browsers, with a real relay and a real desk. Ends with `N passed, N failed`.
//
//     node tests/browser/run.mjs [PART OF A NAME]

import assert from "node:assert/strict";

import { closeBrowser, Phone } from "./browser.mjs";
import { Desk } from "./desk.mjs";
import { Relay } from "./relay.mjs";
import * as pairing from "./cases/pairing.mjs";
import * as terminal from "./cases/terminal.mjs";
import * as life from "./cases/life.mjs";
import * as talk from "./cases/talk.mjs";
import * as notices from "./cases/notices.mjs";
import * as serving from "./cases/serving.mjs";
import * as modules from "./cases/modules.mjs";
import * as kept from "./cases/kept.mjs";
import * as looks from "./cases/looks.mjs";
import * as first_line from "./cases/first_line.mjs";
import * as wrong from "./cases/wrong.mjs";
import * as cut_line from "./cases/cut_line.mjs";
import * as secret from "./cases/secret.mjs";

const cases = Object.entries({ ...pairing, ...terminal, ...life, ...talk, ...notices, ...serving, ...modules, ...first_line, ...wrong, ...cut_line, ...secret, ...kept, ...looks });

/** One case on one kind of device: with a relay, a desk and a phone of its own. */
async function play(run, device) {
    const relay = await Relay.start();
    const desk = new Desk(relay);
    const phone = await Phone.start(device);
    try {
        await run({ relay, desk, phone, device });
        assert.deepEqual(phone.complaints, [], "the page complains");
    } catch (error) {
        await phone.picture(`failed-${run.name}`).catch(() => {});
        throw error;
    } finally {
        await phone.stop();
        await desk.end();
        await relay.stop();
    }
}

async function main() {
    const wanted = process.argv[2] ?? "";
    let passed = 0, failed = 0;
    for (const [name, run] of cases) {
        for (const device of run.devices ?? ["pixel", "desktop"]) {
            const title = `${name} (${device})`;
            if (!title.includes(wanted)) continue;
            const began = performance.now();
            try {
                await play(run, device);
                passed += 1;
                console.log(`ok      ${title}, ${Math.round(performance.now() - began)} ms`);
            } catch (error) {
                failed += 1;
                console.log(`FAILED  ${title}: ${error.stack ?? error}`);
            }
        }
    }
    await closeBrowser();
    console.log(`${passed} passed, ${failed} failed`);
    process.exit(failed || passed === 0 ? 1 : 0);
}

await main();
