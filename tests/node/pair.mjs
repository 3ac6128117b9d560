// Both ends of the tunnel, phone.mjs and workstation.mjs, as programs through a real relayd. No sleeps: every
// step waits for a line. Ends with `N passed, M failed`; `node tests/node/pair.mjs WORD` runs the cases with
// WORD in their name.

import { shown } from "./end.mjs";
import { Program } from "./program.mjs";
import { bytesOf } from "./script.mjs";

const SIZE_MAX = 100_000;
const MESSAGES = 200;
// In all other cases, no end may report `fault`.
const FAULTY = "a_flipped_bit_is_a_fault_and_nothing_is_lost";
// The options for the workstation; the others are for the phone.
const WORKSTATIONS = ["--yes", "--stay", "--echo", "--code-ms"];

const cases = {
    async pairing_moves_to_a_new_session(begin) {
        const { phone, workstation, code } = await begin();
        const [ours, theirs] = [await phone.event("words"), await workstation.event("words")];
        same(ours, theirs);
        same(await workstation.event("asked"), "node");
        workstation.type("allow");
        const moved = await workstation.event("moved");
        same(await phone.event("moved"), moved);
        differ(moved, code.s);
        same(await workstation.event("retired"), code.s);
        await Promise.all([phone.event("open"), workstation.event("open")]);
        await both(phone, workstation, "the first word");
        // A photo of the code is useless now, also at the relay.
        const late = begin.phone(code);
        same((await late.event("stopped")).split(" ")[0], "4401");
        same(await late.exit, 1);
    },

    async a_link_pairs_too(begin) {
        const { workstation } = await begin.workstation("--yes");
        const phone = begin.phone(await workstation.event("link"));
        await Promise.all([phone.event("open"), workstation.event("open")]);
        await both(phone, workstation, "by a link");
    },

    async messages_arrive_once_and_in_order_through_cuts(begin) {
        const { phone, workstation } = await begin.open();
        for (let i = 0; i < MESSAGES; i++) {
            for (const end of [phone, workstation]) end.type(`send-bytes ${sizeOf(i)} ${i}`);
        }
        const receive = async (end, cutAt) => {
            for (let i = 0; i < MESSAGES; i++) {
                await expectMessage(end, sizeOf(i), i);
                for (const other of cutAt[i] ?? []) other.type("cut");
            }
        };
        await Promise.all([
            receive(phone, { 10: [phone], 60: [workstation], 110: [phone, workstation] }),
            receive(workstation, { 35: [workstation], 85: [phone], 150: [workstation] }),
        ]);
        // Nothing was repeated: this one follows the last message.
        await both(phone, workstation, "after all");
        await Promise.all([acknowledged(phone, MESSAGES + 1), acknowledged(workstation, MESSAGES + 1)]);
    },

    async messages_go_on_over_renewed_keys(begin) {
        const { phone, workstation } = await begin.open("--echo");
        for (let i = 0; i < 30; i++) {
            phone.type(`send-bytes ${sizeOf(i)} ${i}`);
            if (i % 10 === 5) phone.type("renew");
        }
        for (let i = 0; i < 30; i++) await expectMessage(phone, sizeOf(i), i);
    },

    async what_the_app_has_not_taken_is_not_acknowledged(begin) {
        const { phone, workstation } = await begin.open();
        phone.type("hold");
        for (let i = 0; i < 4; i++) workstation.type(`send-bytes 400000 ${i}`);
        // The phone's window, 1 MiB, is full. That does not delay the other direction.
        phone.type("send the other way");
        await expectText(workstation, "the other way");
        phone.type("cut");
        await Promise.all([phone.event("open"), workstation.event("open")]);
        await roundTrip(workstation);
        // The phone now has all that its window allows. What it sends acknowledges none of it.
        phone.type("send once more");
        await expectText(workstation, "once more");
        await roundTrip(workstation);
        same(workstation.hasSaid("acknowledged"), false);
        phone.type("take");
        for (let i = 0; i < 4; i++) await expectMessage(phone, 400_000, i);
        await acknowledged(workstation, 4);
    },

    async a_message_over_half_the_window_is_refused(begin) {
        const { phone, workstation } = await begin.open();
        workstation.type(`send-bytes ${(1 << 19) + 1} 1`);
        same(await workstation.event("too-large"), String(1 << 19));
        workstation.type(`send-bytes ${1 << 19} 1`);
        await expectMessage(phone, 1 << 19, 1);
    },

    async closing_leaves_the_other_direction_open(begin) {
        const { phone, workstation } = await begin.open();
        phone.type("send last words");
        phone.type("close");
        await expectText(workstation, "last words");
        await workstation.event("closed");
        workstation.type("send still here");
        await expectText(phone, "still here");
    },

    async a_flipped_bit_is_a_fault_and_nothing_is_lost(begin) {
        const { phone, workstation } = await begin.open("--flip");
        for (let i = 0; i < 20; i++) phone.type(`send-bytes ${sizeOf(i)} ${i}`);
        await workstation.event("fault");
        for (let i = 0; i < 20; i++) await expectMessage(workstation, sizeOf(i), i);
        await both(phone, workstation, "afterwards");
    },

    async a_used_code_is_refused(begin) {
        const { phone, code, workstation } = await begin.open("--stay");
        phone.type("quit");
        same(await phone.exit, 0);
        const second = begin.phone(code);
        same(await second.event("refused"), "2");
        same(await second.exit, 1);
        same(await workstation.event("answered"), "2");
    },

    async an_unknown_key_is_refused(begin) {
        const { phone, workstation } = await begin("--wrong-key");
        same(await phone.event("refused"), "1");
        same(await workstation.event("answered"), "1");
    },

    async an_end_that_waits_for_its_relay_can_be_stopped(begin) {
        // No program listens on the discard port.
        const code = { u: "ws://127.0.0.1:9/ws", s: "0".repeat(32), t: "0".repeat(32), k: "A".repeat(43) };
        const phone = begin.phone(code);
        phone.type("quit");
        await phone.event("bye");
        same(await phone.exit, 0);
    },

    async an_expired_code_is_refused(begin) {
        const { phone } = await begin("--code-ms=0");
        same(await phone.event("refused"), "3");
    },

    async the_user_may_say_no(begin) {
        const { phone, workstation } = await begin();
        await workstation.event("asked");
        workstation.type("deny");
        await phone.event("denied");
        same(await phone.exit, 1);
        const again = begin.phone(JSON.parse(phone.last("saved")));
        same(await again.event("refused"), "4");
    },

    async a_phone_may_come_back_while_the_user_thinks(begin) {
        const { phone, workstation } = await begin();
        await workstation.event("asked");
        phone.type("cut");
        await workstation.event("asked");
        workstation.type("allow");
        await Promise.all([phone.event("open"), workstation.event("open")]);
        await both(phone, workstation, "after a thought");
    },

    async a_phone_that_stored_its_key_comes_back_with_it(begin) {
        const { phone, workstation } = await begin("--yes", "--lose-hello");
        await Promise.all([phone.event("open"), workstation.event("open")]);
        await both(phone, workstation, "by the pair key");
    },

    async a_lost_settled_is_said_again(begin) {
        const { phone, workstation, code } = await begin("--yes", "--lose-settled", "--turn-ms=1000");
        const fresh = await phone.event("moved");
        // The workstation is not there, but still in the code's session, where it welcomes the phone again.
        await phone.find((line) => line === `moved ${code.s}`);
        await phone.find((line) => line === `moved ${fresh}`);
        same(await workstation.event("moved"), fresh);
        await Promise.all([phone.event("open"), workstation.event("open")]);
        await both(phone, workstation, "found");
    },

    async a_replayed_h1_harms_nobody(begin) {
        const { phone, workstation } = await begin.open("--replay-h1");
        // In the code's session, the code is used. In another session too, as the key is looked up first.
        same(await workstation.event("answered"), "2");
        await both(phone, workstation, "undisturbed");
    },

    async a_new_phone_process_is_a_new_life(begin) {
        const { phone, workstation } = await begin.open("--stay");
        phone.type("hold");
        workstation.type("send never taken");
        phone.type("send taken");
        await expectText(workstation, "taken");
        await phone.kill();
        const next = begin.phone(JSON.parse(phone.last("saved")));
        same(await workstation.event("restarted"), "1");
        await Promise.all([next.event("open"), workstation.event("open")]);
        await both(next, workstation, "anew");
    },

    async a_new_workstation_process_is_a_new_life(begin) {
        const { phone, workstation } = await begin.open("--stay");
        await both(phone, workstation, "before");
        await acknowledged(phone, 1);
        workstation.type("hold");
        phone.type("send never taken");
        await workstation.kill();
        const next = begin.started(Program.end("workstation.mjs", workstation.last("saved")));
        same(await phone.event("restarted"), "1");
        await Promise.all([phone.event("open"), next.event("open")]);
        await both(phone, next, "anew");
    },
};

/** Starts the programs of a case. All of them are ended after it. */
function beginner(url, programs) {
    const started = (program) => {
        programs.push(program);
        return program;
    };
    const workstation = async (...args) => {
        const program = started(Program.end("workstation.mjs", url, ...args));
        return { workstation: program, code: JSON.parse(await program.event("code")) };
    };
    const phone = (code, ...args) => {
        const given = typeof code === "string" ? code : JSON.stringify(code);
        return started(Program.end("phone.mjs", given, ...args));
    };
    const begin = async (...args) => {
        const isWorkstations = (arg) => WORKSTATIONS.includes(arg.split("=")[0]);
        const pair = await workstation(...args.filter(isWorkstations));
        return { ...pair, phone: phone(pair.code, ...args.filter((arg) => !isWorkstations(arg))) };
    };
    const open = async (...args) => {
        const pair = await begin("--yes", ...args);
        await Promise.all([pair.phone.event("open"), pair.workstation.event("open")]);
        return pair;
    };
    return Object.assign(begin, { workstation, phone, open, started });
}

function sizeOf(i) {
    return (i * 7919 * 13) % (SIZE_MAX + 1);
}

async function expectMessage(end, size, seed) {
    const message = bytesOf(size, seed);
    // Events may come in between, other messages may not.
    const line = await end.find((line) => line.startsWith("message ") && line);
    same(line, shown(message));
}

async function expectText(end, text) {
    const line = await end.find((line) => line.startsWith("message ") && line);
    same(line, shown(new TextEncoder().encode(text)));
}

/** What `end` sent before has arrived. */
async function roundTrip(end) {
    end.type("ping");
    await end.event("pong");
}

/** Waits until the other app has `count` messages of `end`, unless that was told already. */
async function acknowledged(end, count) {
    if (end.last("acknowledged") === String(count)) return;
    await end.find((line) => line === `acknowledged ${count}`);
}

async function both(phone, workstation, text) {
    phone.type(`send ${text}`);
    workstation.type(`send ${text}`);
    await Promise.all([expectText(workstation, text), expectText(phone, text)]);
}

function same(got, expected) {
    if (got !== expected) throw new Error(`got ${got}, expected ${expected}`);
}

function differ(left, right) {
    if (left === right) throw new Error(`both are ${left}`);
}

async function run(name, url) {
    const programs = [];
    const began = performance.now();
    try {
        await cases[name](beginner(url, programs));
        const faulty = programs.find((program) => program.hasSaid("fault"));
        if (faulty && name !== FAULTY) throw new Error(`an unexpected fault: ${faulty.last("fault")}`);
        console.log(`test pair::${name} ... ok (${Math.round(performance.now() - began)} ms)`);
        return true;
    } catch (error) {
        console.log(`test pair::${name} ... FAILED: ${error.stack}`);
        return false;
    } finally {
        await Promise.all(programs.map((program) => program.kill()));
    }
}

const { relay, url } = await Program.relay();
let passed = 0;
let failed = 0;
for (const name of Object.keys(cases).filter((name) => name.includes(process.argv[2] ?? ""))) {
    if (await run(name, url)) passed += 1;
    else failed += 1;
}
const wrong = await relay.killAlive();
if (wrong !== null) {
    failed += 1;
    console.log(`relayd: ${wrong}`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
