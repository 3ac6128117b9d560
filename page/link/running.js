// One running pair: what a screen holds of a desk. Chat, terminals and the other kinds hang on it.

import { AppEnd } from "../app/end.js";
import { ChatRoom } from "../app/chat_room.js";
import { VERSION } from "../app/hello.js";
import { hex } from "../bytes.js";
import { Clipboard } from "../clipboard/clipboard.js";
import { Emitter } from "../events.js";
import { Transfers } from "../files/transfers.js";
import { Notices } from "../notices/notices.js";
import { TerminalViewer } from "../screen/viewer.js";
import { Engine } from "./engine.js";

/**
 * @typedef {import("../app/channel.js").Channel} Channel
 * @typedef {import("../app/hello.js").DeskInfo} DeskInfo
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {import("./link.js").LinkEvent} LinkEvent
 * @typedef {import("./link.js").LinkState} LinkState
 * @typedef {import("./link.js").Why} Why
 * @typedef {import("./world.js").World} World
 */

/** The value of the store in which the service worker keeps the ids of the notices that it has shown. */
const SHOWN = "shown";

/** @extends {Emitter<LinkEvent>} */
export class Link extends Emitter {
    #world;
    #engine;
    #end;
    // Taken from the end and not accepted by the tunnel yet.
    /** @type {Bytes | null} */
    #held = null;
    #isPumping = false;
    #hasDesk = false;
    /** @type {Set<TerminalViewer>} */
    #viewers = new Set();
    #stopSight = () => {};
    /** What the desk offers; null until it has said hello in this process. @type {DeskInfo | null} */
    desk = null;

    /**
     * @param {{ world: World, id: string, pair: import("../tunnel/phone.js").PhoneSettings["pair"], name:
     *     string,
     *     store: (saved: import("../tunnel/phone.js").SavedPair) => Promise<void> }} settings
     */
    constructor({ world, id, pair, name, store }) {
        super();
        this.#world = world;
        this.id = id;
        this.name = name;
        const hello = { version: VERSION, features: [], device: "browser", name, hidden: world.isHidden };
        this.#end = new AppEnd({ hello, nonce: hex(world.random(8)) });
        const { now, date, after } = world;
        /** @type {import("../app/host.js").Host} */
        const host = {
            open: (kind, p) => this.#end.open(kind, p),
            pump: () => this.#pump(),
            isOpen: () => this.state.phase === "open",
            now,
            date,
            after,
        };
        this.host = host;
        this.chat = new ChatRoom(host, world.random(16), () => this.emit({ type: "chat" }));
        this.clipboard = new Clipboard(host, () => this.emit({ type: "clipboard" }));
        this.files = new Transfers(host, id, () => this.emit({ type: "files" }), world.parts, world.store);
        this.notices = new Notices(host, {
            pusher: world.pusher(id),
            isHidden: world.isHidden,
            wasShown: async () => [
                .../** @type {string[]} */ ((await world.store.get(SHOWN)) ?? []),
                ...((await world.pusher(id)?.shown()) ?? []),
            ],
            onNotice: (notice) => this.emit({ type: "notice", notice }),
            onChange: () => this.emit({ type: "push" }),
        });
        this.#engine = new Engine({
            world,
            pair,
            name,
            store,
            onEvent: (event) => this.#onTunnel(event),
            onState: () => this.#onState(),
        });
        this.#stopSight = world.onSight((sight) => this.#onSight(sight));
        this.#engine.start();
    }

    /** @returns {LinkState} */
    get state() {
        return this.#engine.state;
    }

    /** True while both ends can open channels. */
    get isReady() {
        return this.#end.isReady;
    }

    /**
     * Shows one of the desk's terminals. It comes back by itself after breaks, until it is closed.
     * @param {string} name
     */
    openTerminal(name) {
        return this.#show(new TerminalViewer(this.host, name));
    }

    /**
     * Opens a shell of this phone's own, where it has that right.
     * @param {number} cols
     * @param {number} rows
     */
    openShell(cols, rows) {
        return this.#show(new TerminalViewer(this.host, "", { cols, rows }));
    }

    /** @param {TerminalViewer} viewer */
    #show(viewer) {
        this.#viewers.add(viewer);
        viewer.on(() => viewer.isOver && this.#viewers.delete(viewer));
        if (this.isReady) viewer.onReady(true);
        return viewer;
    }

    /** The user does not want to wait for the next try. */
    retryNow() {
        this.#engine.session.retryNow();
    }

    /** Leaves the desk. The pair is kept. */
    close() {
        this.#stop("left");
    }

    /** Another tab has the pair now. Its process is newer for the desk, so only a reload takes the pair back. */
    standAside() {
        this.#engine.standAside();
    }

    /** @param {Why} why */
    #stop(why) {
        this.#engine.session.stop(why);
    }

    #onState() {
        if (this.state.phase === "stopped") {
            this.#stopSight();
            this.#onReady(false);
        }
        this.emit({ type: "state" });
    }

    /** @param {import("./world.js").Sight} sight */
    #onSight(sight) {
        if (sight === "online") return;
        this.#end.setHidden(sight !== "shown");
        this.notices.setHidden(sight !== "shown");
        this.#pump();
    }

    /** @param {import("../tunnel/end.js").TunnelEvent} event */
    #onTunnel(event) {
        switch (event.what) {
            case "message":
                this.#end.onMessage(event.message, this.#world.now());
                break;
            case "writable":
            case "open":
                this.#end.onOpen();
                break;
            case "restarted":
                // It was for the old process.
                this.#held = null;
                this.#end.onRestart();
                break;
            case "moved":
                // A new epoch of this end: the desk meets a new process.
                this.#held = null;
        }
        this.#pump();
    }

    // The end's events to their owners, and its messages to the tunnel as far as that takes them.
    #pump() {
        if (this.#isPumping) return;
        this.#isPumping = true;
        try {
            for (let event = this.#end.pollEvent(); event; event = this.#end.pollEvent()) this.#onApp(event);
            for (let message = this.#next(); message; message = this.#next()) {
                if (!this.#engine.trySend(message)) continue;
                this.#held = message;
                break;
            }
        } finally {
            this.#isPumping = false;
        }
    }

    // Bulk takes at most half of what the tunnel keeps, so there is room for what is typed meanwhile.
    #next() {
        const held = this.#held;
        this.#held = null;
        if (held) return held;
        const now = this.#world.now();
        return this.#end.pollInteractive(now) ?? (this.#engine.isHalfFree ? this.#end.pollBulk(now) : null);
    }

    /** @param {import("../app/end.js").AppEvent} event */
    #onApp(event) {
        switch (event.type) {
            case "ready":
                return this.#onReady(true);
            case "restarted":
                return this.#onReady(false);
            case "desk":
                return this.#onDesk(event.desk);
            case "hidden":
                return;
            case "opened":
                return this.#onOpened(event.channel, event.params);
            default:
                return this.#onChannel(event);
        }
    }

    // A fault of this page in one channel costs that channel, and not the others.
    /** @param {import("../app/end.js").ChannelEvent} event */
    #onChannel(event) {
        try {
            event.channel.owner?.(event);
        } catch (error) {
            console.error(error);
            event.channel.reset("other", "this page has a fault");
        }
    }

    /** @param {boolean} isReady */
    #onReady(isReady) {
        this.#hasDesk = false;
        this.chat.onReady(isReady);
        this.clipboard.onReady(isReady);
        this.files.onReady(isReady);
        for (const viewer of this.#viewers) viewer.onReady(isReady);
        if (!isReady) this.notices.onReady(false);
        if (!isReady) this.emit({ type: "desk" });
    }

    /** @param {DeskInfo} desk */
    #onDesk(desk) {
        this.desk = desk;
        // The page of the kind says that its channel comes after the first of these.
        if (!this.#hasDesk) this.notices.onReady(true);
        this.#hasDesk = true;
        this.emit({ type: "desk" });
    }

    /** @param {Channel} channel @param {Record<string, unknown>} params */
    #onOpened(channel, params) {
        if (channel.kind === "chat") return this.chat.take(channel);
        if (channel.kind === "clipboard") return this.clipboard.take(channel, params);
        if (channel.kind === "file") return void this.files.take(channel, params);
        // Not "unavailable": that would say that waiting helps.
        channel.refuse("kind", "this page has nothing of this kind");
    }
}
