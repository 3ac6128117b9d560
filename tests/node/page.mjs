// The page's link against the real workstation, through a real relayd. No sleeps: every step waits for an
// event. Ends with `N passed, M failed`; `node tests/node/page.mjs WORD` runs the cases with WORD in their
// name.

import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Phone } from "../../page/link/phone.js";
import { rowText } from "../../page/screen/screen.js";
import { ownCrypto } from "../../page/crypto/own.js";
import { readCode } from "../../page/tunnel/code.js";
import { pageWorld, until } from "./page_world.mjs";
import { BINARIES, Program } from "./program.mjs";

const cases = {
    async a_link_pairs_and_both_chat(desk) {
        const { phone, link } = await desk.pair();
        const chat = desk.start("chat", "--json");
        chat.type("from the desk");
        await until("the desk's words", () => link.chat.lines.some(({ text }) => text === "from the desk"), link);
        same(link.chat.say("from the phone"), null);
        await chat.find((line) => line.includes("from the phone"));
        await until("the receipt", () => link.chat.lines.some(({ isMine, state }) => isMine && state === "delivered"), link);
        same(phone.pairs.length, 1);
        same(phone.pairs[0].isWelcomed, true);
        await until("the desk's name", () => phone.pairs[0].desk !== "", phone);
    },

    async a_page_without_webcrypto_pairs_too(desk) {
        const { phone, link } = await desk.pair({ crypto: ownCrypto() });
        same(phone.crypto, "own");
        same(link.chat.say("hello"), null);
    },

    async the_words_are_the_same_on_both_screens(desk) {
        const program = desk.atTerminal(`pair --no-qr --public-url ${desk.address}`);
        const { link } = await desk.begin(await program.find(linkIn));
        const words = await until("the words", () => link.state.words, link);
        same(link.state.phase, "asked");
        await program.prints(words);
        await program.prints("[y/n]");
        program.type("y\r");
        await until("an open link", () => link.state.phase === "open", link);
        same(link.state.words, null);
    },

    async a_no_at_the_desk_is_the_end(desk) {
        const program = desk.atTerminal(`pair --no-qr --public-url ${desk.address}`);
        const { link, phone } = await desk.begin(await program.find(linkIn));
        await program.prints("[y/n]");
        program.type("n\r");
        await until("the end", () => link.state.phase === "stopped", link);
        same(link.state.why, "denied");
        same(phone.pairs.length, 0);
    },

    async a_terminal_is_shown_and_typed_into(desk) {
        const { link } = await desk.pair();
        desk.terminal("shell", "sh -i");
        const viewer = await desk.view(link, "shell");
        viewer.type("echo a$((2+3))b\n");
        await until("the answer", () => textOf(viewer).includes("a5b"), viewer);
        same(viewer.key("c", 4), true);
        // The shell drops what it has read when it is interrupted.
        await until("the interrupt", () => /\^C\n\S/.test(textOf(viewer)), viewer);
        viewer.paste("echo p$((3+4))q");
        same(viewer.key("Enter"), true);
        await until("the pasted answer", () => textOf(viewer).includes("p7q"), viewer);
        viewer.takeSize(50, 12);
        await until("the size", () => viewer.screen.columns === 50 && viewer.screen.rows.length === 12, viewer);
        viewer.type("seq 100\n");
        await until("history", () => viewer.screen.history.lines > 50 && textOf(viewer).includes("100"), viewer);
        viewer.look(viewer.screen.history.end - 20, 20);
        await until("a line above", () => viewer.line(viewer.screen.history.end - 5), viewer);
        viewer.type("exit 3\n");
        await until("the end", () => viewer.state === "ended", viewer);
        same(JSON.stringify(viewer.exit), '{"code":3}');
    },

    async a_cut_line_is_made_again_and_nothing_is_lost(desk) {
        const { link, world } = await desk.pair();
        desk.terminal("shell", "sh -i");
        const viewer = await desk.view(link, "shell");
        for (let round = 0; round < 4; round++) {
            world.socket.cut();
            viewer.type(`echo round$((${round}+10))\n`);
            await until("the answer", () => textOf(viewer).includes(`round${round + 10}`), viewer);
        }
    },

    async files_of_the_desk_arrive_through_cuts(desk) {
        const { link, world } = await desk.pair();
        const contents = { "large.bin": randomBytes(12_000_000), "small.txt": Buffer.from("grüße"), "empty": Buffer.alloc(0) };
        const names = Object.keys(contents);
        for (const name of names) writeFileSync(`${desk.folder}/${name}`, contents[name]);
        const send = desk.start("send", ...names.map((name) => `${desk.folder}/${name}`));
        await until("the question", () => link.files.sets[0]?.state === "asked", link);
        const [set] = link.files.sets;
        set.accept();
        for (const moved of [2_000_000, 6_000_000]) {
            await until("progress", () => set.moved > moved, set);
            world.socket.cut();
        }
        await until("the end", () => set.isOver, set);
        same(set.state, "over");
        same(await send.exit, 0);
        for (const { name, blob } of set.items) same(hashOf(await blob.arrayBuffer()), hashOf(contents[name]));
        same(set.items.length, names.length);
    },

    async files_of_the_phone_arrive_through_cuts(desk) {
        const { link, world } = await desk.pair();
        mkdirSync(`${desk.folder}/in`);
        const receive = desk.start("receive", "--once", `${desk.folder}/in`);
        const contents = { "large.bin": randomBytes(12_000_000), "small.txt": Buffer.from("grüße"), "empty": Buffer.alloc(0) };
        const files = Object.entries(contents).map(([name, bytes]) => fileOf(name, bytes));
        // The desk has nobody who takes files until the command has told it so.
        const sent = async () => {
            const set = link.files.send(files);
            await until("an answer", () => set.isOver || set.state === "moving", set);
            return set.state === "failed" && set.reason.token === "unavailable" ? sent() : set;
        };
        const set = await sent();
        for (const moved of [2_000_000, 6_000_000]) {
            await until("progress", () => set.moved > moved, set);
            world.socket.cut();
        }
        await until("the end", () => set.isOver, set);
        same(set.state, "over");
        same(set.items.map(({ state }) => state).join(), "done,done,done");
        same(await receive.exit, 0);
        for (const name of Object.keys(contents)) {
            same(hashOf(readFileSync(`${desk.folder}/in/${name}`)), hashOf(contents[name]));
        }
    },

    async a_text_goes_from_clipboard_to_clipboard(desk) {
        const { link } = await desk.pair();
        const text = `grüße 👋\n${"x".repeat(100_000)}`;
        const clip = desk.start("clip");
        clip.type(text);
        clip.endInput();
        await until("the text", () => link.clipboard.clips[0]?.state === "new", link);
        const [shown] = link.clipboard.clips;
        same(shown.text.trimEnd(), text);
        link.clipboard.seen(shown);
        same(await clip.exit, 0);
        const get = desk.start("clip", "--get", "--json");
        // The desk has nobody who takes a text until the command has told it so.
        const sent = async () => {
            same(link.clipboard.send("from the phone"), null);
            const own = link.clipboard.clips.at(-1);
            await until("an answer", () => own.state === "got" || own.state === "failed", link);
            return own.reason?.token === "unavailable" ? sent() : own;
        };
        same((await sent()).state, "got");
        await get.find((line) => line.includes("from the phone"));
        same(await get.exit, 0);
    },

    async a_notice_is_shown_once(desk) {
        const { link } = await desk.pair();
        const notices = [];
        link.on(({ type, notice }) => {
            if (type !== "notice") return;
            notices.push(notice);
            link.notices.confirm(notice.id);
        });
        link.notices.watch();
        const notify = desk.start("notify", "--title", "make", "--urgent", "the build is done");
        await until("the notice", () => notices.length > 0, link);
        same(await notify.exit, 0);
        same(notices.map(({ title, text, urgency }) => `${title}: ${text} (${urgency})`).join(), "make: the build is done (high)");
    },

    async a_file_goes_on_after_the_page_was_loaded_again(desk) {
        const { link, world, phone } = await desk.pair();
        const content = randomBytes(16_000_000);
        writeFileSync(`${desk.folder}/film`, content);
        const send = desk.start("send", `${desk.folder}/film`);
        await until("the question", () => link.files.sets[0]?.state === "asked", link);
        const [begun] = link.files.sets;
        begun.accept();
        await until("progress", () => begun.moved > 4_000_000, begun);
        link.close();
        const next = await (await Phone.open(world)).link(phone.pairs[0].id);
        await until("the question again", () => next.files.sets[0]?.state === "asked", next);
        const [set] = next.files.sets;
        let least = Infinity;
        set.on(() => (least = Math.min(least, set.moved || Infinity)));
        set.accept();
        await until("the end", () => set.isOver, set);
        same(hashOf(await set.items[0].blob.arrayBuffer()), hashOf(content));
        if (least < 4_000_000) throw new Error(`it began again at ${least}`);
        same(await send.exit, 0);
    },

    async a_new_page_goes_on_with_the_pair(desk) {
        const { world, link, phone } = await desk.pair();
        link.close();
        same(link.state.phase, "stopped");
        const again = await Phone.open(world);
        same(again.pairs.length, 1);
        const next = await again.link(phone.pairs[0].id);
        await until("ready", () => next.isReady && next.desk, next);
        same(next.state.phase, "open");
        const [{ saved }] = await world.store.pairs();
        // What is stored cannot be read out again.
        same(saved.key.secret.extractable, false);
    },

    async a_phone_that_is_revoked_forgets_the_pair(desk) {
        const { link, phone } = await desk.pair();
        await desk.run("revoke", "page");
        await until("the end", () => link.state.phase === "stopped", link);
        same(link.state.why, "removed");
        same(phone.pairs.length, 0);
    },

    async a_used_code_says_so(desk) {
        const { code } = await desk.pair();
        const { link } = await desk.begin(code);
        await until("the end", () => link.state.phase === "stopped", link);
        // The code's session is deleted by then, or the desk says it itself.
        same(["code-used", "code-gone"].includes(link.state.why), true);
    },

    async a_relay_that_starts_again_is_found(desk) {
        const { link } = await desk.pair();
        await desk.restartRelay();
        await until("the loss", () => link.state.phase !== "open", link);
        link.retryNow();
        await until("the return", () => link.state.phase === "open", link);
        same(link.chat.say("back"), null);
        await until("delivery", () => link.chat.lines.some(({ state }) => state === "sent"), link);
    },

    async a_page_that_comes_back_into_sight_is_open_in_two_seconds(desk) {
        const { link, world } = await desk.pair({ losesSockets: true }, (world) => {
            const { date, now } = world;
            // An hour later by the clock.
            world.skip = 0;
            world.date = () => date() + world.skip;
            world.now = () => now() + world.skip;
        });
        const old = world.socket;
        world.see("hidden");
        world.skip = 3_600_000;
        const began = performance.now();
        world.see("shown");
        await until("a new connection", () => world.socket !== old && link.state.phase === "open", link);
        const took = performance.now() - began;
        if (took > 2_000) throw new Error(`it took ${took} ms`);
    },
};

/** A desk of its own: folders, a relay, an agent. */
class Desk {
    static async start() {
        const desk = new Desk();
        // Short: it is part of a socket's path.
        desk.folder = mkdtempSync("/tmp/rn");
        for (const name of ["run", "state"]) mkdirSync(`${desk.folder}/${name}`, { mode: 0o700 });
        desk.programs = [];
        const { relay, url } = await Program.relay();
        Object.assign(desk, { relay, url });
        desk.env = {
            HOME: desk.folder,
            XDG_RUNTIME_DIR: `${desk.folder}/run`,
            XDG_STATE_HOME: `${desk.folder}/state`,
            RELAY_SERVER: url,
        };
        return desk;
    }

    start(...args) {
        return this.#started(new Program(`${BINARIES}/workstation`, args, "stdout", this.env));
    }

    /** A shared terminal in a window of its own. */
    terminal(name, command) {
        return this.atTerminal(`run --name ${name} -- ${command}`);
    }

    /** A command in a terminal of 200 columns, so that no line of it is broken. */
    atTerminal(command) {
        const line = `stty cols 200 rows 50; exec ${BINARIES}/workstation ${command}`;
        return this.#started(new Program("script", ["-qfec", line, "/dev/null"], "stdout", this.env));
    }

    get address() {
        return `${this.url.replace(/^http/, "ws")}/ws`;
    }

    async run(...args) {
        const program = this.start(...args);
        const code = await program.exit;
        if (code !== 0) throw new Error(`workstation ${args.join(" ")}: ${code}`);
    }

    async code() {
        const program = this.start("pair", "--yes", "--json", "--public-url", this.address);
        return program.find(linkIn);
    }

    async begin(code, changes = {}, change = () => {}) {
        const world = await pageWorld(changes);
        change(world);
        const phone = await Phone.open(world);
        const link = await phone.pair(await readCode(code), "page");
        return { world, phone, link };
    }

    async pair(changes, change) {
        const code = await this.code();
        const begun = await this.begin(code, changes, change);
        const { link } = begun;
        await until("an open link", () => link.state.phase === "open" && link.isReady && link.desk, link);
        return { code, ...begun };
    }

    async view(link, name) {
        const isThere = () => link.desk.terminals.some((terminal) => terminal.name === name);
        await until("the terminal", isThere, link);
        const viewer = link.openTerminal(name);
        viewer.on(({ type }) => type === "screen" && viewer.drawn());
        await until("its screen", () => viewer.hasScreen && textOf(viewer) !== "", viewer);
        return viewer;
    }

    async restartRelay() {
        await this.relay.kill();
        const { relay } = await Program.relay(new URL(this.url).port);
        this.relay = relay;
    }

    async end() {
        await Promise.all([...this.programs, this.relay].map((program) => program.kill()));
        // The agent and the terminals' processes are not this program's children.
        const kill = (pid) => {
            try {
                process.kill(pid, "SIGKILL");
            } catch (error) {
                // It has ended since it was listed.
                if (error.code !== "ESRCH") throw error;
            }
        };
        for (let left = this.#processes(); left.length > 0; left = this.#processes()) {
            left.forEach(kill);
            await new Promise((resolve) => setImmediate(resolve));
        }
        rmSync(this.folder, { recursive: true, force: true });
    }

    /** All processes of this desk, by its folder in their environment. */
    #processes() {
        const mine = `XDG_RUNTIME_DIR=${this.folder}/run\0`;
        return readdirSync("/proc").filter((pid) => {
            try {
                return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, "latin1").includes(mine);
            } catch {
                return false;
            }
        });
    }

    #started(program) {
        this.programs.push(program);
        return program;
    }
}

function hashOf(bytes) {
    return createHash("sha256").update(new Uint8Array(bytes)).digest("hex");
}

function fileOf(name, bytes) {
    return Object.assign(new Blob([bytes]), { name, lastModified: 1_795_928_829_000 });
}

function linkIn(line) {
    return /https?:\/\/[^"\s]+#2[\w-]{32}/.exec(line)?.[0];
}

function textOf(viewer) {
    return viewer.screen.rows.map(rowText).join("\n").trim();
}

function same(got, expected) {
    if (got !== expected) throw new Error(`got ${got}, expected ${expected}`);
}

async function run(name) {
    const desk = await Desk.start();
    const began = performance.now();
    try {
        await cases[name](desk);
        console.log(`test page::${name} ... ok (${Math.round(performance.now() - began)} ms)`);
        return true;
    } catch (error) {
        console.log(`test page::${name} ... FAILED: ${error.stack}`);
        return false;
    } finally {
        await desk.end();
    }
}

let passed = 0;
let failed = 0;
for (const name of Object.keys(cases).filter((name) => name.includes(process.argv[2] ?? ""))) {
    if (await run(name)) passed += 1;
    else failed += 1;
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
