// Counts the round trips on a phone's leg, from what the browser's debugger sees: requests, and frames of
// WebSockets.

/** What the page said and heard on a slow line, with times. */
export class Turns {
    #events = [];
    #urls = new Map();

    /** Listens to a page from now on. */
    static async of(phone) {
        const turns = new Turns();
        const session = await phone.context.newCDPSession(phone.page);
        turns.#listen(session);
        await session.send("Network.enable");
        return turns;
    }

    #listen(session) {
        session.on("Network.requestWillBeSent", ({ requestId, request, timestamp }) => {
            if (!request.url.startsWith("http")) return;
            this.#urls.set(requestId, new URL(request.url).pathname.replace(/[0-9a-f]{16}/, "BUILD"));
            this.#note("out", `GET ${this.#urls.get(requestId)}`, timestamp);
        });
        session.on("Network.responseReceived", ({ requestId, timestamp }) => {
            if (this.#urls.has(requestId)) this.#note("in", `the answer to GET ${this.#urls.get(requestId)}`, timestamp);
        });
        session.on("Network.webSocketWillSendHandshakeRequest", ({ timestamp }) => this.#note("out", "a WebSocket's GET", timestamp));
        session.on("Network.webSocketHandshakeResponseReceived", ({ timestamp }) => this.#note("in", "its upgrade", timestamp));
        session.on("Network.webSocketFrameSent", ({ response, timestamp }) => this.#note("out", frame(response), timestamp));
        session.on("Network.webSocketFrameReceived", ({ response, timestamp }) => this.#note("in", frame(response), timestamp));
    }

    #note(way, what, secs) {
        this.#events.push({ way, what, at: secs * 1000 });
    }

    /** All that was seen, in order. */
    get events() {
        return this.#events.sort((one, other) => one.at - other.at);
    }

    /**
     * The round trips that the last event had to wait for, one after the other. Each answer waited for the
     * last message that was out one round trip before it; that one waited for the answer before it. What
     * answers a request is known by its name, however late a busy machine notes the request.
     */
    chain(roundTripMs) {
        const { events } = this;
        const chain = [];
        let answer = events.findLast(({ way }) => way === "in");
        while (answer) {
            const known = { "its upgrade": "a WebSocket's GET" }[answer.what] ?? /^the answer to (.*)/.exec(answer.what)?.[1];
            const latest = answer.at - (known ? 0 : 0.97 * roundTripMs);
            const asked = events.findLast(({ way, what, at }) => way === "out" && at <= latest && (!known || what === known));
            if (!asked) break;
            chain.unshift({ asked: asked.what, answer: answer.what, ms: Math.round(answer.at - asked.at) });
            // The handshake of TCP, which this proxy answers at once.
            const isFirst = asked.what === "GET /p";
            if (isFirst || asked.what === "a WebSocket's GET") chain.unshift({ asked: "a connection", answer: "accepted", ms: 0 });
            answer = events.findLast(({ way, at }) => way === "in" && at <= asked.at);
        }
        return chain;
    }
}

function frame({ opcode, payloadData }) {
    if (opcode === 1) return JSON.parse(payloadData).type;
    return `${Buffer.from(payloadData, "base64").length} bytes`;
}
