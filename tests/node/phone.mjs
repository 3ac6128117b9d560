// A whole phone without packages, written from docs/tunnel.md and docs/contract.md alone.
//
//   node tests/node/phone.mjs CODE [--name=NAME] [--window=BYTES] [--flip] [--wrong-key] [--replay-h1]
//       [--lose-hello] [--lose-settled] [--turn-ms=MS]
//
// CODE is a pairing code as JSON or as a link, or what an earlier run said with `saved`. Commands and events
// are those of script.mjs, and besides:
//
//   renew                 command: a new handshake beside the live connection
//   asked                 event: the workstation has our HELLO and may be asking its user
//   displaced             event: another phone took this one's place before it had its answer; it comes back
//   refused REASON        event: the tunnel's reason, as a number; the exit code is 1
//   denied                event: the workstation's user said no; the exit code is 1
//   removed               event: the workstation's user ended the pair; the exit code is 1
//
// To misbehave on purpose: --wrong-key uses a key that nobody knows; --replay-h1 sends the first H1 once more
// when it is open in its last session; --lose-hello cuts in place of the first HELLO; --lose-settled leaves
// the first SETTLED out. --turn-ms is how long it waits for the workstation to leave, and looks for it in
// each session, instead of 10 s.

import { randomBytes } from "node:crypto";
import { readCode } from "./code.mjs";
import { End } from "./end.mjs";
import { play, readArguments, say } from "./script.mjs";
import * as tunnel from "./tunnel.mjs";
import { FAULT, Refused } from "./tunnel.mjs";

const ANSWER_MS = 5_000;
const TRIES = 3;
const LEAVE_MS = 10_000;
// How often, and after how long, a phone that waits for its answer comes back after another one took its
// place.
const RETURNS = 3;
const RETURN_MS = 2_000;
const KEY_LEN = 32;
const REPLACED = 4409;

class Phone extends End {
    #name;
    #misuse;
    #turnMs;
    #codeKey;
    #pairKey;
    // The sessions in which the workstation may be, the current one first. Two, while it is not known whether
    // it moved.
    #places;
    #fresh = null;
    // The code's session: from the WELCOME with a fresh session, until the workstation was met there or said
    // that it stays.
    #former = null;
    // A handshake without its H2: { noise, underCode }.
    #handshake = null;
    #tries = 0;
    // Whether this process was welcomed once, and whether the last HELLO was.
    #welcomed = false;
    // Whether this process or an earlier one was welcomed. Then no unproven refusal stops it.
    #everWelcomed;
    #awaitsWelcome = false;
    #isAsked = false;
    #returns = RETURNS;
    #answerTimer = null;
    #leaveTimer = null;
    #seekTimer = null;
    #firstH1 = null;

    constructor({ code, name, window, turnMs, misuse }) {
        super({ role: "phone", place: code.place, window, flips: misuse.flip, say });
        this.#name = name;
        this.#misuse = misuse;
        this.#turnMs = turnMs;
        this.#codeKey = code.codeKey;
        this.#pairKey = code.pairKey;
        this.#everWelcomed = code.welcomed;
        this.#places = [code.place];
    }

    get isOpen() {
        return this.live !== null && this.#welcomed && this.place !== this.#former;
    }

    async onLink() {
        this.#tries = 0;
        // The peer is here. Connecting may have taken most of this session's turn.
        this.#seek();
        await this.#sendH1();
    }

    onUnlink() {
        clearTimeout(this.#answerTimer);
        this.#handshake = null;
        this.#awaitsWelcome = false;
        this.say("unlinked");
        if (this.#fresh) this.#leave();
        else this.#seek();
    }

    async onMessage(bytes) {
        switch (bytes[0]) {
            case tunnel.H2:
                return this.#onH2(bytes);
            case tunnel.RECORD:
                if (this.live) await this.#onRecord(await this.openRecord(bytes));
                return;
            case tunnel.REFUSAL:
                return this.#onRefusal(bytes);
        }
    }

    // The workstation is not in a deleted session. A phone that was displaced while it waits for its answer
    // returns.
    async onShut({ code }) {
        if (code === REPLACED && this.#isAsked && !this.#everWelcomed && this.#returns > 0) {
            this.#returns -= 1;
            this.say("displaced");
            await new Promise((resolve) => setTimeout(resolve, RETURN_MS));
            return true;
        }
        if (this.#places.length < 2) return false;
        this.#places.shift();
        this.moveTo(this.#places[0]);
        return true;
    }

    /** A new handshake beside the live connection, for fresh keys. */
    async renew() {
        this.#tries = 0;
        if (this.isOpen) await this.#sendH1();
    }

    async #sendH1() {
        if (this.#tries === TRIES) throw new Refused(FAULT, `no answer to ${TRIES} handshakes`);
        this.#tries += 1;
        const underCode = this.#pairKey === null;
        const key = this.#misuse["wrong-key"] ? bytes(KEY_LEN) : (this.#pairKey ?? this.#codeKey);
        const session = unhex(this.place.session);
        const noise = await tunnel.Phone.begin({ session, key, c: bytes(4), ephemeral: bytes(32) });
        const h1 = await noise.h1();
        this.#firstH1 ??= h1;
        this.#handshake = { noise, underCode };
        this.send(h1);
        this.#expectAnswer(() => this.#sendH1());
    }

    #expectAnswer(otherwise) {
        clearTimeout(this.#answerTimer);
        const timer = setTimeout(() => this.input(() => timer === this.#answerTimer && otherwise()), ANSWER_MS);
        this.#answerTimer = timer;
    }

    #stopExpecting() {
        clearTimeout(this.#answerTimer);
        this.#answerTimer = null;
    }

    async #onH2(message) {
        if (!this.#handshake) return;
        const { noise, underCode } = this.#handshake;
        const { payload, connection } = await noise.openH2(message);
        const { rest, ...state } = tunnel.readState(payload);
        const hasKey = rest.length > 0;
        if (hasKey !== underCode) throw new Refused(FAULT, hasKey ? "a pair key without a code" : "no pair key");
        this.#stopExpecting();
        this.meet(state);
        if (underCode) {
            this.#pairKey = rest;
            this.#save();
        }
        if (this.#misuse["lose-hello"]) {
            this.#misuse["lose-hello"] = false;
            return this.cut();
        }
        clearTimeout(this.#seekTimer);
        this.live = connection;
        this.#handshake = null;
        if (!this.#welcomed) this.say(`words ${tunnel.words(connection.hash)}`);
        this.#awaitsWelcome = true;
        await this.sendRecord({ what: "HELLO", state: this.stream.state(), name: this.#name });
        // A phone that was never welcomed may have to wait for a user.
        this.#isAsked = true;
        if (!this.#welcomed) return this.say("asked");
        this.#expectAnswer(() => {
            throw new Refused(FAULT, "no answer to HELLO");
        });
        if (this.isOpen) this.#stay();
    }

    async #onRecord(record) {
        const { what } = record;
        if (what === "WELCOME" && (this.#awaitsWelcome || this.isOpen)) return this.#onWelcome(record);
        if (what === "DENIED") return this.stop(this.#everWelcomed ? "removed" : "denied");
        return this.onCommonRecord(record);
    }

    async #onWelcome({ session, token }) {
        this.#stopExpecting();
        this.#awaitsWelcome = false;
        this.#tries = 0;
        if (session && this.isOpen) throw new Refused(FAULT, "WELCOME with a session in an open tunnel");
        this.#welcomed = true;
        const isFirst = !this.#everWelcomed;
        this.#everWelcomed = true;
        if (session) return this.#settle({ url: this.place.url, session: hex(session), token: hex(token) });
        this.#stay();
        if (isFirst) this.#save();
        this.say("open");
        if (this.#misuse["replay-h1"]) this.send(this.#firstH1);
        this.#misuse["replay-h1"] = false;
    }

    // The workstation is here, so do not look for it elsewhere.
    #stay() {
        this.#former = null;
        this.#places = [this.place];
    }

    // The workstation should leave first. If it does not, this end does.
    async #settle(fresh) {
        this.#fresh = fresh;
        this.#former = this.place;
        this.#save(fresh);
        if (!this.#misuse["lose-settled"]) await this.sendRecord({ what: "SETTLED" });
        this.#misuse["lose-settled"] = false;
        this.#leaveTimer = setTimeout(() => this.input(() => this.#fresh && this.#leave()), this.#turnMs);
    }

    #leave() {
        clearTimeout(this.#leaveTimer);
        this.#places = [this.#fresh, this.place];
        this.#fresh = null;
        this.moveTo(this.#places[0]);
        this.#seek();
    }

    // If SETTLED was lost, the workstation is still in the code's session. Look for it in both, in turn.
    #seek() {
        clearTimeout(this.#seekTimer);
        if (this.#places.length < 2) return;
        const timer = setTimeout(() => this.input(() => timer === this.#seekTimer && this.#turn()), this.#turnMs);
        this.#seekTimer = timer;
    }

    #turn() {
        if (this.live || this.#places.length < 2) return;
        this.#places.reverse();
        this.moveTo(this.#places[0]);
        this.#seek();
    }

    #onRefusal(message) {
        const waiting = this.#handshake?.noise ?? (this.#everWelcomed ? null : this.live);
        if (!waiting) return;
        const reason = tunnel.readRefusal(message, waiting.c);
        const beside = this.live !== null && waiting !== this.live;
        if (beside || this.#everWelcomed || reason === tunnel.DAMAGED) throw new Refused(FAULT, `refused for ${reason}`);
        this.stop(`refused ${reason}`);
    }

    #save(place = this.place) {
        const p = Buffer.from(this.#pairKey).toString("base64url");
        const welcomed = this.#everWelcomed;
        this.say(`saved ${JSON.stringify({ u: place.url, s: place.session, t: place.token, p, welcomed })}`);
    }
}

function bytes(length) {
    return new Uint8Array(randomBytes(length));
}

function hex(bytes) {
    return Buffer.from(bytes).toString("hex");
}

function unhex(digits) {
    return new Uint8Array(Buffer.from(digits, "hex"));
}

const { given, options } = readArguments();
const phone = new Phone({
    code: await readCode(given[0]),
    name: options.name ?? "node",
    window: Number(options.window ?? 1 << 20),
    turnMs: Number(options["turn-ms"] ?? LEAVE_MS),
    misuse: options,
});
await play(phone, { renew: () => phone.renew() });
