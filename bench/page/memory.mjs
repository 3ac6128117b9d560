// Memory of the phone's page in Chromium, while a terminal prints as many lines as in a busy hour.
//
//     RELAY_BROWSER_MODULES=DIR node bench/page/memory.mjs [LINES]
//
// An hour of a build that prints 50 lines a second has 180,000 lines. They are printed faster, in rounds.
// After each, what the page keeps is counted once its garbage is collected.

import { closeBrowser, Phone } from "../../tests/browser/browser.mjs";
import { pair, share, untilRows } from "../../tests/browser/cases/steps.mjs";
import { Desk } from "../../tests/browser/desk.mjs";
import { Relay } from "../../tests/browser/relay.mjs";

const LINES = Number(process.argv[2] ?? 180_000);
const ROUNDS = 12;

const relay = await Relay.start();
const desk = new Desk(relay), phone = await Phone.start("pixel");
try {
    await pair({ desk, phone });
    const each = Math.ceil(LINES / ROUNDS);
    const round = `i=0; while [ $i -lt ${each} ]; do i=$((i+1)); printf '\\033[3%dm%d of %s\\033[0m some text of a build\\n' $((i%8)) $i $x; [ $((i%500)) -ne 0 ] || sleep 0.02; done`;
    await share({ desk, phone }, ["sh", "-c", `echo ready; while read x; do ${round}; echo "done $x"; done`]);
    await untilRows(phone, "program", (rows) => rows[0] === "ready");
    const session = await phone.context.newCDPSession(phone.page);
    for (let at = 0; at <= ROUNDS; at++) {
        await session.send("HeapProfiler.collectGarbage");
        const { usedSize } = await session.send("Runtime.getHeapUsage");
        const { nodes, jsEventListeners } = await session.send("Memory.getDOMCounters");
        console.log(`after ${at * each} lines: ${(usedSize / 2 ** 20).toFixed(2)} MB of objects, ${nodes} nodes, ${jsEventListeners} listeners`);
        if (at === ROUNDS) break;
        await desk.type("run", `r${at}\r`);
        await desk.until("run", `done r${at}\\n`, { secs: 300 });
        await untilRows(phone, "end of a round", (rows) => rows.includes(`done r${at}`));
    }
} finally {
    await phone.stop();
    await desk.end();
    await relay.stop();
    await closeBrowser();
}
