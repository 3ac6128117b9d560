// A phone and a desk of the app protocol, joined directly: what one says reaches the other, some of it later.

import { AppEnd } from "../app/end.js";

/**
 * Both hosts, as the kinds see a link. `onOpened(channel, params)` is called at the end that did not open it.
 */
export function twoEnds(onOpened) {
    const started = performance.now();
    const now = () => performance.now() - started;
    const hello = (device) => ({ version: 1, features: [], device, name: device, hidden: false });
    const ends = [false, true].map((isDesk) => new AppEnd({ isDesk, hello: hello(isDesk ? "workstation" : "phone"), nonce: "n" }));
    ends[1].setDesk({ name: "desk", rights: ["chat", "files", "view", "type"], terminals: [] });
    let isScheduled = false;
    const work = () => {
        isScheduled = false;
        for (const at of [0, 1]) {
            const [end, other] = [ends[at], ends[1 - at]];
            for (let event = end.pollEvent(); event; event = end.pollEvent()) {
                if (event.type === "opened") onOpened(event.channel, event.params);
                else event.channel?.owner?.(event);
            }
            for (let message = end.pollMessage(now()); message; message = end.pollMessage(now())) {
                other.onMessage(message.slice(), now());
                pump();
            }
        }
    };
    const pump = () => {
        if (isScheduled) return;
        isScheduled = true;
        setImmediate(work);
    };
    const hosts = ends.map((end) => ({
        open: (kind, params) => end.open(kind, params),
        pump,
        isOpen: () => true,
        now,
        date: () => Date.now(),
        after: (ms, then) => {
            const timer = setTimeout(then, ms);
            timer.unref();
            return () => clearTimeout(timer);
        },
    }));
    for (const end of ends) end.onOpen();
    pump();
    const until = async (holds) => {
        while (!holds()) {
            pump();
            await new Promise((resolve) => setImmediate(resolve));
        }
    };
    return { ends, hosts, pump, until };
}
