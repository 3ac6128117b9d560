// A client of the relay, after docs/contract.md: sessions over HTTP, and one connection in raw mode with its
// hello, heartbeats and notices. It does not know the tunnel; end.mjs calls it.

import { WebSocket } from "./websocket.mjs";

const RAW = "relay.raw.v1";

/** A new session: where it is, its id and its token. `base` is the relay's `http://host:port`. */
export async function register(base) {
    const answer = await fetch(new URL("/api/register", base), { method: "POST" });
    if (!answer.ok) throw new Error(`register: ${answer.status} ${await answer.text()}`);
    const { sessionId, token } = await answer.json();
    // The address that this program uses, which is known to work. The relay's own name may be for other
    // clients.
    return { url: `${base.replace(/^http/, "ws").replace(/\/$/, "")}/ws`, session: sessionId, token };
}

/** Deletes a session for both ends. */
export async function retire({ url, session, token }) {
    const base = url.replace(/^ws/, "http");
    const headers = { Authorization: `Bearer ${token}` };
    const answer = await fetch(new URL(`/api/session/${session}`, base), { method: "DELETE", headers });
    // 404: it expired meanwhile.
    if (answer.status !== 204 && answer.status !== 404) throw new Error(`delete: ${answer.status}`);
}

/**
 * One connection that said hello. `on` has `link()` at peer-joined, `unlink()` at peer-left, `message(bytes)`
 * for each
 * binary message; `ended` is a promise of `{ code, reason, same }`. `claim` is `i` and `n` of the hello.
 */
export class RelayConnection {
    #socket;
    #heartbeat = null;
    #same = false;
    #on;

    static async join(place, role, claim, on) {
        const connection = new RelayConnection();
        connection.#on = on;
        let end;
        connection.ended = new Promise((resolve) => (end = resolve));
        connection.#socket = await WebSocket.connect(place.url, RAW, {
            text: (text) => connection.#onText(JSON.parse(text)),
            binary: (bytes) => on.message(bytes),
            end: (how) => {
                clearInterval(connection.#heartbeat);
                end({ ...how, same: connection.#same });
            },
        });
        const hello = { type: "hello", s: place.session, t: place.token, r: role, v: 2, ...claim };
        connection.#socket.sendText(JSON.stringify(hello));
        return connection;
    }

    send(bytes) {
        this.#socket.sendBinary(bytes);
    }

    /** Leaves with a Close. */
    close() {
        this.#socket.close();
    }

    /** Ends without a Close. */
    cut() {
        this.#socket.cut();
    }

    #onText(said) {
        switch (said.type) {
            case "hello-ack":
                this.#heartbeat = setInterval(() => this.#socket.sendText('{"type":"hb"}'), said.hb * 1000);
                return;
            case "peer-joined":
                return this.#on.link();
            case "peer-left":
                return this.#on.unlink();
            case "replaced":
                this.#same = said.same;
                return;
            // Everything else shows in the close code, or is a text frame, which the tunnel does not use.
        }
    }
}

/** What docs/contract.md says to do after a close code: milliseconds to wait, or null to stop. */
export function waitAfter({ code, same }, growing) {
    if ([1002, 1007, 1009, 4400, 4401, 4410].includes(code) || (code === 4409 && !same)) return null;
    if (code === 1001) return Math.random() * 300;
    if ([null, 1000, 1013, 4408, 4409].includes(code)) return Math.random() * growing;
    return 10_000;
}
