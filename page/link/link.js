// The entry module: what the screens use. A `Phone` has the kept pairs. A `Link` is one running pair: its
// state, what the desk offers, chat, terminals, files and notices. Texts for people are elsewhere: here are
// reason codes.
//
//     const phone = await Phone.open(await browserWorld());
//     const link = await phone.pair(await readCode(text), "Pixel");   // after a tap, never by loading
//     link.on(({ type }) => type === "state" && show(link.state));


export { Link } from "./running.js";
export { Phone } from "./phone.js";
export { browserWorld } from "./world.js";
export { CodeError, readCode } from "../tunnel/code.js";
export { harmless } from "../bytes.js";

/** @typedef {import("../app/hello.js").DeskInfo} DeskInfo `{ name, rights, terminals }` */
/** @typedef {import("../tunnel/code.js").Code} Code */

/**
 * What the screens show of a link. `since` and `retryAt` are milliseconds since 1970.
 * @typedef {object} LinkState
 * @property {Phase} phase
 * @property {number} since when this phase began. In "away": when the desk was last there, if it ever was
 * @property {Why | null} why why it is "retrying" or "stopped"
 * @property {number | null} retryAt in "retrying": when the next try is made
 * @property {string | null} words the six words of a first pairing, from "asked" until it is open
 */

/**
 * - `connecting`: on the way to the relay;
 * - `away`: the relay is reached, the desk is not there;
 * - `greeting`: the desk is there, the handshake runs;
 * - `asked`: the desk's user is being asked; show the words;
 * - `open`: connected and encrypted, up to the desk;
 * - `retrying`: the connection is lost, the next try is at `retryAt`;
 * - `hidden`: nothing is tried because nobody looks at the page;
 * - `elsewhere`: a newer tab of this browser has the pair; `take()` brings it back;
 * - `stopped`: over, for the reason in `why`.
 * @typedef {"connecting" | "away" | "greeting" | "asked" | "open" | "retrying" | "hidden" | "elsewhere" |
 *     "stopped"} Phase
 */

/**
 * Why it is retrying:
 * - `unreachable`: no connection to the relay; `no-answer`: the relay accepted one and said nothing;
 * - `relay-leaving`, `relay-full`, `too-many`: the relay said so; `closed`: it ended without a reason;
 * - `silent`: a heartbeat was not answered;
 * - `fault`: what came could not be opened or understood; `refused`: the desk, or the relay in its name,
 *   refused;
 * - `session-unknown`: the relay does not know this pair now, as after its restart.
 *
 * Why it is stopped:
 * - `code-used`, `code-expired`, `code-unknown`: the desk said so of the code;
 * - `denied`: the desk's user said no; `removed`: the desk's user ended the pair, and proved it;
 * - `code-gone`: the relay does not know the code's session: it was used or has expired, and the relay cannot
 *   tell which; `session-gone`: the relay deleted a pair's session, as for a phone that was removed while it was
 *   away;
 * - `replaced`: another device uses this pair; `other-version`: the desk speaks another version of the
 *   tunnel;
 * - `client-fault`: the relay calls this page's messages wrong; `not-kept`: the pair could not be stored;
 * - `left`: this end closed it.
 * @typedef {"unreachable" | "no-answer" | "relay-leaving" | "relay-full" | "too-many" | "closed" | "silent"
 *     | "fault" | "refused" | "session-unknown" | "code-used" | "code-expired" | "code-unknown" | "denied"
 *     | "removed" | "code-gone" | "session-gone" | "replaced" | "other-version" | "client-fault" | "not-kept" | "left"} Why
 */

/**
 * What a `Link` tells. Read the rest from it.
 * - `state`: `state`; `desk`: `desk`, and with it `isReady`; `chat`: `chat.lines`;
 * - `files`: `files.sets`, or one of them; `clipboard`: `clipboard.clips`;
 * - `notice`: show this one, then call `notices.confirm`. It comes after `notices.watch`; `push`: `notices.push`, what the desk says of the subscription.
 * @typedef {{ type: "state" | "desk" | "chat" | "clipboard" | "files" | "push" }
 *     | { type: "notice", notice: import("../notices/notices.js").Notice }} LinkEvent
 */
