// The tunnel's vectors seen by other hands: the page's tunnel, written from docs/tunnel.md and the Noise
// specification, replays the files of client/vectors, with both of its backends of cryptography. Ends with
// `N passed, M failed`.

import { readFileSync } from "node:fs";
import { concat, hex, unhex } from "../../page/bytes.js";
import { chooseCrypto } from "../../page/crypto/crypto.js";
import { ownCrypto, ownKeyPair } from "../../page/crypto/own.js";
import { derive, readCodeWith } from "../../page/tunnel/code.js";
import * as handshake from "../../page/tunnel/handshake.js";
import { agree, HandshakeState, NoiseError, PROTOCOL } from "../../page/tunnel/noise.js";
import * as records from "../../page/tunnel/records.js";
import * as refused from "../../page/tunnel/refused.js";
import { WorkstationHandshake, writeRefusal } from "./desk_handshake.mjs";

const { DROPPED, FAULT, Refused } = refused;
const backends = [await chooseCrypto(), { ...(await chooseCrypto()), name: "mixed", keyPair: ownKeyPair }, ownCrypto()];
let crypto = backends[0];

let passed = 0;
let failed = 0;

async function check(name, body) {
    try {
        await body();
        passed += 1;
        console.log(`test ${crypto.name}::${name} ... ok`);
    } catch (error) {
        failed += 1;
        console.log(`test ${crypto.name}::${name} ... FAILED: ${error.stack}`);
    }
}

function same(got, expected) {
    const shown = (value) => (value instanceof Uint8Array ? hex(value) : value);
    if (shown(got) !== shown(expected)) throw new Error(`got ${shown(got)}, expected ${shown(expected)}`);
}

function vectors(name) {
    return JSON.parse(readFileSync(new URL(`../../client/vectors/${name}`, import.meta.url), "utf8"));
}

/** The reason of a refusal, or "none". Any other error is a bug of this program. */
async function refusal(call) {
    try {
        await call();
        return "none";
    } catch (error) {
        if (error instanceof Refused) return error.why;
        if (error instanceof NoiseError) return "noise";
        throw error;
    }
}

/**
 * Every message that differs from `message` in one bit, with the byte it is in. The second and third backend
 * differ in
 * their arithmetic only, so some of the bits are enough for them.
 */
function* flips(message) {
    for (let bit = 0; bit < 8 * message.length; bit += crypto === backends[0] ? 1 : 17) {
        const flipped = message.slice();
        flipped[bit >> 3] ^= 1 << (bit & 7);
        yield [flipped, bit >> 3];
    }
}

/** `open` refuses every flip of `message`, for the reason that `expected` gives for the byte's place. */
async function refusesFlips(message, open, expected) {
    for (const [flipped, at] of flips(message)) {
        const why = await refusal(() => open(flipped));
        if (why !== expected(at)) throw new Error(`a flip in byte ${at}: ${why}, expected ${expected(at)}`);
    }
}

/** `open` refuses `message` with a byte less or more at its end. */
async function refusesLengths(message, open, cut, longer) {
    same(await refusal(() => open(message.slice(0, -1))), cut);
    same(await refusal(() => open(concat(message, [0]))), longer);
}

async function noiseVector() {
    const vector = vectors("noise-nnpsk0.json");
    const side = async (initiator, ephemeral) =>
        HandshakeState.begin({
            crypto,
            initiator,
            prologue: unhex(vector.init_prologue),
            psk: await crypto.keep(unhex(vector.init_psks[0])),
            ephemeral: await crypto.keyPair(unhex(ephemeral)),
        });
    const initiator = () => side(true, vector.init_ephemeral);
    const responder = () => side(false, vector.resp_ephemeral);
    const messages = vector.messages.map(({ payload, ciphertext }) => [unhex(payload), unhex(ciphertext)]);
    const [[payload1, message1], [payload2, message2]] = messages;

    await check("noise::name", () => same(PROTOCOL, vector.protocol_name));
    const [left, right] = [await initiator(), await responder()];
    await check("noise::message_1_is_written", async () => same(await left.write(payload1), message1));
    await check("noise::message_1_is_read", async () => same(await right.read(message1), payload1));
    await check("noise::message_1_flipped_is_refused", () =>
        refusesFlips(message1, async (flipped) => (await responder()).read(flipped), () => "noise"));
    await check("noise::message_2_is_written", async () => same(await right.write(payload2), message2));
    await check("noise::message_2_is_read", async () => same(await left.read(message2), payload2));
    await check("noise::message_2_flipped_is_refused", () =>
        refusesFlips(
            message2,
            async (flipped) => {
                const other = await initiator();
                await other.write(payload1);
                await other.read(flipped);
            },
            () => "noise",
        ));
    for (const [name, state] of [["initiator", left], ["responder", right]]) {
        await check(`noise::handshake_hash_of_the_${name}`, () => same(state.hash, unhex(vector.handshake_hash)));
    }
    await noiseTransport(await left.split(), await right.split(), messages);
    await check("noise::a_shared_secret_of_zeros_is_refused", async () =>
        same(
            await refusal(async () => agree(await crypto.keyPair(unhex(vector.init_ephemeral)), new Uint8Array(32))),
            "noise",
        ));
}

// The messages after the handshake go on in turns, the initiator's first.
async function noiseTransport(left, right, messages) {
    const none = new Uint8Array(0);
    for (const [i, [payload, message]] of messages.entries()) {
        if (i < 2) continue;
        const [from, to] = i % 2 === 0 ? [left, right] : [right, left];
        const name = `noise::message_${i + 1}`;
        await check(`${name}_is_sealed`, async () => same(await from.sealing.seal(none, payload), message));
        await check(`${name}_flipped_is_refused`, () =>
            refusesFlips(message, (flipped) => to.opening.open(none, flipped), () => "noise"));
        await check(`${name}_is_opened`, async () => same(await to.opening.open(none, message), payload));
    }
}

/** One handshake and its records. Returns the records' fields. */
async function tunnelVector(prefix, vector) {
    const bytes = (name) => unhex(vector[name]);
    const [session, key, c] = ["session", "key", "c"].map(bytes);
    const named = await handshake.keyOf(crypto, key);
    const [h1, h2, payload, hash] = ["h1", "h2", "h2_payload", "handshake_hash"].map(bytes);
    const newPhone = async () => {
        const own = await crypto.keyPair(bytes("phone_ephemeral_private"));
        const phone = await handshake.PhoneHandshake.begin({ crypto, session, key: named, c, ephemeral: own });
        return { phone, said: await phone.h1() };
    };
    const ephemeral = await crypto.keyPair(bytes("workstation_ephemeral_private"));
    const newWorkstation = () => new WorkstationHandshake({ crypto, session, key: named, ephemeral });

    await check(`${prefix}::name`, () => same(PROTOCOL, vector.protocol_name));
    await check(`${prefix}::key_id`, async () => same(await handshake.keyId(crypto, key), bytes("key_id")));
    await check(`${prefix}::prologue`, () => same(handshake.prologue(session, bytes("key_id")), bytes("prologue")));

    const { phone, said } = await newPhone();
    const workstation = newWorkstation();
    await check(`${prefix}::h1_is_written`, () => same(said, h1));
    await check(`${prefix}::h1_is_opened`, async () => same(await workstation.openH1(h1), new Uint8Array(0)));
    await check(`${prefix}::h1_flipped_is_refused`, () =>
        refusesFlips(h1, answered(newPhone, newWorkstation, payload), h1Refusal));
    await check(`${prefix}::h1_cut_or_longer_is_refused`, () =>
        refusesLengths(h1, (other) => newWorkstation().openH1(other), DROPPED, DROPPED));

    const answer = await workstation.h2(payload);
    await check(`${prefix}::h2_payload_is_a_state_and_under_a_code_a_key`, () => {
        const state = records.readState(payload);
        same(h2.length, state.rest.length === 32 ? 129 : 97);
        same(concat(records.writeState(state), state.rest), payload);
    });
    await check(`${prefix}::h2_is_written`, () => same(answer.message, h2));
    const openH2 = async (message) => (await newPhone()).phone.openH2(message);
    await check(`${prefix}::h2_flipped_is_refused`, () => refusesFlips(h2, openH2, headOr(FAULT)));
    await check(`${prefix}::h2_cut_or_longer_is_refused`, () =>
        refusesLengths(h2, openH2, FAULT, FAULT));
    const opened = await phone.openH2(h2);
    await check(`${prefix}::h2_is_opened`, () => same(opened.payload, payload));

    const sides = { phone: opened.connection, workstation: answer.connection };
    for (const [name, connection] of Object.entries(sides)) {
        await check(`${prefix}::handshake_hash_of_the_${name}`, () => same(connection.hash, hash));
        await check(`${prefix}::words_of_the_${name}`, () => same(handshake.words(connection.hash), vector.words));
    }
    await check(`${prefix}::h1_of_another_key_is_refused`, async () => {
        const [other, own] = [await handshake.keyOf(crypto, hash), await crypto.keyPair()];
        const stranger = await handshake.PhoneHandshake.begin({ crypto, session, key: other, c, ephemeral: own });
        const said = await stranger.h1();
        same(await refusal(() => newWorkstation().openH1(said)), refused.UNKNOWN_KEY);
    });
    await tunnelRecords(prefix, sides, vector.records);
    const read = vector.records.map(({ plaintext }) => records.readRecord(unhex(plaintext)));
    await check(`${prefix}::hello_knows_the_workstation`, () =>
        same(read[0].state.known, records.readState(payload).epoch));
    return read;
}

async function pairingVector() {
    const read = await tunnelVector("tunnel", vectors("tunnel-1.json"));
    await check("tunnel::both_send_one_piece_and_the_second_acknowledges", () => {
        const pieces = read.filter(({ what }) => what === "DATA");
        same(pieces.map(({ number, ack, fin }) => `${number} ${ack} ${fin}`).join(), "1 0 true,1 1 true");
    });
}

async function pairVector() {
    const vector = vectors("tunnel-1-pair.json");
    const read = await tunnelVector("pair", vector);
    await check("pair::the_states_say_what_was_received", () => {
        const ofDesk = records.readState(unhex(vector.h2_payload));
        same(ofDesk.known, read[0].state.epoch);
        same(`${ofDesk.received} ${read[0].state.received}`, "258 772");
    });
    await check("pair::single_records_say_what_they_say", () => {
        const of = Object.fromEntries(read.map((record) => [record.what, record]));
        same(`${hex(of.WELCOME.session)} ${hex(of.WELCOME.token)}`, `${"52".repeat(16)} ${"77".repeat(16)}`);
        same(`${of.ACK.ack} ${of.CLOSE.last}`, "773 1029");
        same(of.PING.token, of.PONG.token);
    });
    const c = unhex(vector.c);
    same(vector.refusals.map(({ reason }) => reason).join(), "1,2,3,4,5,6");
    for (const { reason, message } of vector.refusals) {
        await check(`pair::refusal_${reason}`, async () => {
            const bytes = unhex(message);
            same(writeRefusal(c, reason), bytes);
            same(handshake.readRefusal(bytes, c), reason);
            await refusesLengths(bytes, (other) => handshake.readRefusal(other, c), DROPPED, DROPPED);
        });
    }
    await check("pair::a_refusal_of_another_handshake_or_reason_is_none", async () => {
        same(await refusal(() => handshake.readRefusal(writeRefusal(c.map((byte) => byte ^ 1), 1), c)), "dropped");
        same(await refusal(() => handshake.readRefusal(writeRefusal(c, 7), c)), "dropped");
    });
}

// A flip of `c` in H1 is met by the phone, to which the answer is stale; all others by the workstation.
function answered(newPhone, newWorkstation, payload) {
    return async (h1) => {
        const workstation = newWorkstation();
        await workstation.openH1(h1);
        await (await newPhone()).phone.openH2((await workstation.h2(payload)).message);
    };
}

function h1Refusal(at) {
    if (at < 5) return DROPPED;
    if (at === 5) return refused.OTHER_VERSION;
    return at < 14 ? refused.UNKNOWN_KEY : refused.DAMAGED;
}

// The type and `c` are in clear; the rest is under the tag.
function headOr(rest) {
    return (at) => (at < 5 ? DROPPED : rest);
}

async function tunnelRecords(prefix, sides, all) {
        for (const [i, record] of all.entries()) {
        const [plaintext, message] = [unhex(record.plaintext), unhex(record.message)];
        const from = sides[record.from];
        const to = sides[record.from === "phone" ? "workstation" : "phone"];
        const name = `${prefix}::record_${i + 1}_${record.what}_of_the_${record.from}`;
        await check(`${name}_is_understood`, () => {
            const fields = records.readRecord(plaintext);
            same(fields.what, record.what);
            same(records.writeRecord(fields), plaintext);
        });
        await check(`${name}_is_sealed`, async () => same(await from.seal(plaintext), message));
        await check(`${name}_flipped_is_refused`, () =>
            refusesFlips(message, (flipped) => to.open(flipped), headOr(FAULT)));
        // Without its last byte a record of one byte is no record.
        const cut = plaintext.length === 1 ? DROPPED : FAULT;
        await check(`${name}_cut_or_longer_is_refused`, () =>
            refusesLengths(message, (other) => to.open(other), cut, FAULT));
        await check(`${name}_sent_back_is_refused`, async () => same(await refusal(() => from.open(message)), FAULT));
        await check(`${name}_is_opened`, async () => same(await to.open(message), plaintext));
        await check(`${name}_repeated_is_refused`, async () => same(await refusal(() => to.open(message)), FAULT));
    }
}

/** The secrets of links of version 2, and what they mean. */
async function codeVector() {
    for (const [i, code] of vectors("code-2.json").codes.entries()) {
        const fields = await derive(crypto, unhex(code.secret));
        for (const name of ["session", "token", "key"]) {
            await check(`code::${name}_of_secret_${i + 1}`, () => same(hex(fields[name]), code[name]));
        }
        await check(`code::both_forms_of_secret_${i + 1}_mean_the_same`, async () => {
            const [link, json] = [await readCodeWith(crypto, code.link), await readCodeWith(crypto, code.json)];
            same(JSON.stringify(link), JSON.stringify(json));
            same(`${link.place.session} ${link.place.token} ${hex(link.key)}`, `${code.session} ${code.token} ${code.key}`);
            same(link.app, true);
        });
        await check(`code::link_${i + 1}_cut_or_longer_is_refused`, async () => {
            for (const text of [code.link.slice(0, -1), `${code.link}A`, code.link.replace("#2", "#1")]) {
                same(await readCodeWith(crypto, text).then(() => "read", () => "refused"), "refused");
            }
        });
    }
}

for (const backend of backends) {
    crypto = backend;
    for (const vector of [noiseVector, pairingVector, pairVector, codeVector]) {
        // What a check cannot catch, as a key that WebCrypto does not take, has failed all that would follow.
        await vector().catch((error) => check(vector.name, () => Promise.reject(error)));
    }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
