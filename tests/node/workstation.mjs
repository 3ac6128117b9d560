// A workstation without packages: the other role of the page's tunnel, for tests.
//
//   node tests/node/workstation.mjs RELAY [--yes] [--stay] [--echo] [--flip] [--window=BYTES] [--code-ms=MS]
//       [--ask-ms=MS]
//
// RELAY is the relay's `http://host:port`, or what an earlier run said with `saved`. Commands and events are
// those of script.mjs, and besides:
//
//   allow, deny           commands: the user's answer; --yes says allow by itself
//   forget                command: ends the pair, tells a phone that is here, and ends
//   forgotten             event: it has ended the pair; the exit code is 1
//   code JSON             event: the pairing code
//   link URL              event: the same as a link
//   asked NAME            event: a phone wants in
//   answered REASON       event: a handshake was refused for the tunnel's reason, as a number
//   retired SESSION       event: the code's session is deleted
//
// --stay keeps the code's session instead of handing over a fresh one. --echo sends every message back.
// --code-ms is how long the code lives. --ask-ms is how long the question stays open, instead of a minute
// longer than the code.

import { randomBytes } from "node:crypto";
import { concat, equal } from "../../page/bytes.js";
import { TunnelEnd } from "../../page/tunnel/end.js";
import * as handshake from "../../page/tunnel/handshake.js";
import { readRecord, writeState } from "../../page/tunnel/records.js";
import * as refused from "../../page/tunnel/refused.js";
import { readH1, WorkstationHandshake, writeRefusal } from "./desk_handshake.mjs";
import { crypto, Driver } from "./end.mjs";
import { register, retire } from "./relay.mjs";
import { play, readArguments, say } from "./script.mjs";

const { FAULT, Refused } = refused;

const PENDING_MAX = 4;
const OFFERED_MAX = 8;
const CODE_MS = 300_000;
// A question that nobody has answered so long after the code's time is answered with no.
const ANSWER_GRACE_MS = 60_000;

class Workstation extends TunnelEnd {
    #driver;
    #options;
    #relay;
    // The code's key until a phone has proven it: { key, diesAt, used }; null without a code.
    #code = null;
    // Pair keys handed out under the code; the first that is proven voids the others.
    #offered = [];
    // Who has proven: { key, name, answer }, the answer being null until the user gave it.
    #pair = null;
    // A session to hand over, once there is one.
    #fresh = null;
    #pending = [];
    #opened = false;

    constructor({ place, relay, codeKey, pairKey, options }, driver) {
        super({ place, window: Number(options.window ?? 4 << 20), outside: driver.outside });
        this.#driver = driver;
        this.#options = options;
        this.#relay = relay;
        if (pairKey) this.#pair = { key: pairKey, name: "", answer: true };
        else this.#code = { key: codeKey, used: false, diesAt: performance.now() + lifeMs(options) };
    }

    get isOpen() {
        return this.live !== null && this.#opened;
    }

    async onLink() {}

    onUnlink() {
        super.onUnlink();
        this.#pending = [];
        this.#opened = false;
    }

    async transmit(record) {
        const { send } = this.outside;
        if (record.what === "DATA" && this.#options.flip) {
            this.#options.flip = false;
            this.outside.send = (bytes) => send(bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte)));
        }
        await super.transmit(record);
        this.outside.send = send;
    }

    async onMessage(bytes) {
        if (bytes[0] === handshake.H1) return this.#onH1(bytes);
        if (bytes[0] !== handshake.RECORD) return;
        const c = bytes.slice(1, 5);
        if (this.live && equal(this.live.c, c)) return this.#onRecord(await this.openRecord(bytes));
        const pending = this.#pending.find(({ connection }) => equal(connection.c, c));
        if (pending) await this.#onFirstRecord(pending, bytes);
    }

    /** The user's answer to `asked`. */
    async answer(yes) {
        if (this.#pair?.answer !== null) return;
        this.#pair.answer = yes;
        if (yes) {
            this.#save();
            if (!this.#options.stay) this.#fresh = await register(this.#relay);
        }
        if (this.live) await this.#tellAnswer();
    }

    /** Ends the pair: a sealed message tells the phone. A phone that is away finds its session deleted. */
    async forget() {
        if (this.live) await this.transmit({ what: "DENIED" });
        await retire(this.place);
        this.#driver.stop("forgotten");
    }

    async #onH1(bytes) {
        let h1;
        try {
            h1 = readH1(bytes);
            if (this.#knows(h1.c)) return;
            await this.#answerH1(bytes, h1);
        } catch (error) {
            if (!(error instanceof Refused) || typeof error.why !== "number") throw error;
            this.#refuse(bytes.slice(1, 5), error.why);
        }
    }

    #knows(c) {
        return [this.live, ...this.#pending.map(({ connection }) => connection)].some(
            (connection) => connection && equal(connection.c, c),
        );
    }

    async #answerH1(bytes, h1) {
        const key = await this.#keyOf(h1.keyId);
        const underCode = key === this.#code?.key;
        const session = fromHex(this.place.session);
        const ephemeral = await crypto.keyPair();
        const named = await handshake.keyOf(crypto, key);
        const noise = new WorkstationHandshake({ crypto, session, key: named, ephemeral });
        await noise.openH1(bytes);
        const offered = underCode ? [random(32)] : [];
        this.#offered = [...this.#offered, ...offered].slice(-OFFERED_MAX);
        const state = writeState(this.stream.state());
        const { message, connection } = await noise.h2(concat(state, ...offered));
        const pending = { connection, underCode, pairKey: offered[0] ?? key };
        this.#pending = [...this.#pending, pending].slice(-PENDING_MAX);
        this.outside.send(message);
    }

    /** The key of this id, or the reason to refuse it. */
    async #keyOf(id) {
        const isOf = async (key) => equal(id, await handshake.keyId(crypto, key));
        if (this.#pair && (await isOf(this.#pair.key))) {
            if (this.#pair.answer === false) throw new Refused(refused.DENIED);
            return this.#pair.key;
        }
        if (this.#isCodeDead()) this.#offered = [];
        for (const key of this.#offered) if (await isOf(key)) return key;
        if (!this.#code || !(await isOf(this.#code.key))) throw new Refused(refused.UNKNOWN_KEY);
        this.#mayUseCode();
        return this.#code.key;
    }

    #mayUseCode() {
        if (this.#code.used) throw new Refused(refused.CODE_USED);
        if (this.#isCodeDead()) throw new Refused(refused.CODE_EXPIRED);
    }

    // A code that was used in its time does not die.
    #isCodeDead() {
        return this.#code !== null && !this.#code.used && performance.now() >= this.#code.diesAt;
    }

    // Whoever sends it has the keys; it must be a HELLO. The newest confirmed connection wins.
    async #onFirstRecord(pending, bytes) {
        this.#pending = this.#pending.filter((other) => other !== pending);
        const plaintext = await this.#openFirst(pending, bytes);
        if (plaintext === null) return;
        const hello = readRecord(plaintext);
        if (hello.what !== "HELLO") throw new Refused(FAULT, `${hello.what} before HELLO`);
        try {
            this.#prove(pending, hello.name);
        } catch (error) {
            // A HELLO that came too late.
            if (typeof error.why !== "number") throw error;
            return this.#refuse(pending.connection.c, error.why);
        }
        this.#opened = false;
        this.live = pending.connection;
        this.meet(hello.state);
        if (this.#pair.answer !== null) return this.#tellAnswer();
        say(`words ${handshake.words(this.live.hash)}`);
        say(`asked ${this.#pair.name}`);
        if (this.#options.yes) await this.answer(true);
    }

    // A replayed H1 and a made-up record must not end a connection that stands.
    async #openFirst({ connection }, bytes) {
        try {
            return await connection.open(bytes);
        } catch (error) {
            if (error instanceof Refused && this.live) return null;
            throw error;
        }
    }

    // The first HELLO uses the code up, whatever the user says.
    #prove({ pairKey: key, underCode }, name) {
        const isPairs = this.#pair !== null && equal(this.#pair.key, key);
        if (isPairs && this.#pair.answer !== false) return;
        if (underCode) this.#mayUseCode();
        if (isPairs) throw new Refused(refused.DENIED);
        if (!this.#offered.some((other) => equal(other, key))) throw new Refused(refused.UNKNOWN_KEY);
        this.#mayUseCode();
        this.#code.used = true;
        this.#offered = [];
        this.#pair = { key, name: name.replace(/[\p{Cc}\p{Cf}]/gu, ""), answer: null };
        const rest = this.#code.diesAt + ANSWER_GRACE_MS - performance.now();
        setTimeout(() => this.#driver.input(() => this.answer(false)), Number(this.#options["ask-ms"] ?? rest));
    }

    async #tellAnswer() {
        if (!this.#pair.answer) return this.transmit({ what: "DENIED" });
        if (this.#fresh) {
            const { session, token } = this.#fresh;
            return this.transmit({ what: "WELCOME", session: fromHex(session), token: fromHex(token) });
        }
        await this.transmit({ what: "WELCOME" });
        this.#opened = true;
        say("open");
    }

    async #onRecord(record) {
        if (record.what === "SETTLED" && this.#fresh) return this.#move();
        return this.onCommonRecord(record);
    }

    async #move() {
        const old = this.place;
        const fresh = this.#fresh;
        this.#fresh = null;
        this.moveTo(fresh);
        this.#save();
        await retire(old);
        say(`retired ${old.session}`);
    }

    #refuse(c, reason) {
        this.outside.send(writeRefusal(c, reason));
        say(`answered ${reason}`);
    }

    #save() {
        const { url: u, session: s, token: t } = this.place;
        const p = Buffer.from(this.#pair.key).toString("base64url");
        say(`saved ${JSON.stringify({ u, s, t, p })}`);
    }
}

/** Shows a code for `place`, and returns its key. */
function newCode({ url, session, token }) {
    const key = random(32);
    const k = Buffer.from(key).toString("base64url");
    say(`code ${JSON.stringify({ u: url, s: session, t: token, k })}`);
    const digits = Buffer.concat([fromHex(session), fromHex(token), key]).toString("base64url");
    say(`link ${new URL("/p", url.replace(/^ws/, "http"))}#1${digits}`);
    return key;
}

function lifeMs(options) {
    return Number(options["code-ms"] ?? CODE_MS);
}

function random(length) {
    return new Uint8Array(randomBytes(length));
}

function fromHex(digits) {
    return new Uint8Array(Buffer.from(digits, "hex"));
}

class WorkstationDriver extends Driver {
    #echo;

    constructor(echo) {
        super({ role: "workstation", say });
        this.#echo = echo;
    }

    onApp(message) {
        if (this.#echo) this.submit(message);
    }
}

async function begin(given, options, driver) {
    if (given.startsWith("{")) {
        const { u, s, t, p } = JSON.parse(given);
        const pairKey = new Uint8Array(Buffer.from(p, "base64url"));
        return new Workstation({ place: { url: u, session: s, token: t }, pairKey, options }, driver);
    }
    const place = await register(given);
    return new Workstation({ place, relay: given, codeKey: newCode(place), options }, driver);
}

const { given, options } = readArguments();
const driver = new WorkstationDriver(options.echo);
const workstation = await begin(given[0], options, driver);
driver.start(workstation);
await play(driver, {
    allow: () => workstation.answer(true),
    deny: () => workstation.answer(false),
    forget: () => workstation.forget(),
});
