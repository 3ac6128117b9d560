// The phone of the page (page/tunnel/phone.js) as a program without packages.
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

import { fromBase64url, toBase64url } from "../../page/bytes.js";
import { readCodeWith } from "../../page/tunnel/code.js";
import { H1, keyOf } from "../../page/tunnel/handshake.js";
import { PhoneTunnel } from "../../page/tunnel/phone.js";
import { crypto, Driver } from "./end.mjs";
import { play, readArguments, say } from "./script.mjs";

const LEAVE_MS = 10_000;
// How often, and after how long, a phone that waits for its answer comes back after another one took its
// place.
const RETURNS = 3;
const RETURN_MS = 2_000;
const REPLACED = 4409;

/** A phone that can misbehave. */
class Phone extends PhoneTunnel {
    #misuse;
    #cut;

    constructor(settings, misuse, cut) {
        super(settings);
        this.#misuse = misuse;
        this.#cut = cut;
    }

    async transmit(record) {
        const { what } = record;
        if (what === "HELLO" && this.#uses("lose-hello")) return this.#cut();
        if (what === "SETTLED" && this.#uses("lose-settled")) return;
        const { send } = this.outside;
        if (what !== "DATA" || !this.#uses("flip")) return super.transmit(record);
        const flips = (bytes) => {
            bytes[bytes.length - 1] ^= 1;
            send(bytes);
        };
        this.outside.send = flips;
        await super.transmit(record);
        this.outside.send = send;
    }

    // Once.
    #uses(name) {
        const is = Boolean(this.#misuse[name]);
        this.#misuse[name] = false;
        return is;
    }
}

class PhoneDriver extends Driver {
    #returns = RETURNS;
    #replays;
    #firstH1 = null;

    constructor(misuse) {
        super({ role: "phone", say });
        this.#replays = misuse["replay-h1"];
        const { send } = this.outside;
        this.outside.send = (bytes) => {
            if (bytes[0] === H1) this.#firstH1 ??= bytes;
            send(bytes);
        };
    }

    onEvent({ what }) {
        if (what !== "open" || !this.#replays) return;
        this.#replays = false;
        this.outside.send(this.#firstH1);
    }

    // The workstation is not in a deleted session. A phone that was displaced while it waits for its answer
    // returns.
    async onShut({ code }) {
        if (code === REPLACED && this.end.isWaitingForAnswer && this.#returns > 0) {
            this.#returns -= 1;
            this.say("displaced");
            await new Promise((resolve) => setTimeout(resolve, RETURN_MS));
            return true;
        }
        return this.end.onSessionGone();
    }
}

/** A code, or what an earlier run saved. */
async function readGiven(text, misuse) {
    const wrong = () => crypto && globalThis.crypto.getRandomValues(new Uint8Array(32));
    const saved = text.startsWith("{") ? JSON.parse(text) : {};
    if (saved.p) {
        const { u: url, s: session, t: token, welcomed = false } = saved;
        pairKey = misuse["wrong-key"] ? wrong() : fromBase64url(saved.p);
        return { place: { url, session, token }, other: null, key: await keyOf(crypto, pairKey), welcomed };
    }
    const { place, key } = await readCodeWith(crypto, text);
    return { place, codeKey: await keyOf(crypto, misuse["wrong-key"] ? wrong() : key) };
}

// WebCrypto gives a pair key out only as it comes, so this program looks at what is kept.
let pairKey = null;
const keep = crypto.keep;
crypto.keep = (bytes) => {
    pairKey = bytes;
    return keep(bytes);
};

async function store({ place, welcomed }) {
    const { url: u, session: s, token: t } = place;
    say(`saved ${JSON.stringify({ u, s, t, p: toBase64url(pairKey), welcomed })}`);
}

const { given, options } = readArguments();
const driver = new PhoneDriver(options);
const settings = {
    pair: await readGiven(given[0], options),
    name: options.name ?? "node",
    outside: driver.outside,
    store,
    window: Number(options.window ?? 1 << 20),
    turnMs: Number(options["turn-ms"] ?? LEAVE_MS),
};
driver.start(new Phone(settings, options, () => driver.cut()));
await play(driver, { renew: () => driver.end.renew() });
