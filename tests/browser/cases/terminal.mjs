// A shared terminal: what is seen equals the desk's screen, and what is typed arrives.

import assert from "node:assert/strict";

import { pair, SHELL, share, untilRows, untilSame } from "./steps.mjs";

const field = (phone) => phone.page.getByRole("textbox", { name: "Text for the terminal" });

async function typed(phone, text) {
    await field(phone).fill(text);
    await phone.button("Send").click();
}

export async function lines_and_keys_of_a_phone_arrive(all) {
    const { desk, phone } = all;
    await pair(all);
    await share(all);
    await untilRows(phone, "prompt", (rows) => rows[0] === "desk$");
    await typed(phone, "echo one-$((1+1))-three");
    await desk.until("run", "one-2-three");
    await untilSame(all);
    // Several lines are pasted. A shell without bracketed paste runs each.
    await typed(phone, "echo multi-a\necho multi-b");
    await desk.until("run", "multi-b\\n");
    await field(phone).fill("sleep 1000");
    await field(phone).press("Enter");
    await desk.until("run", "sleep 1000");
    await phone.button("Ctrl").click();
    await field(phone).pressSequentially("c");
    await desk.until("run", "\\^C");
    await typed(phone, "cat -v");
    await phone.button("Left").click();
    await phone.button("Esc").click();
    await phone.button("Tab").click();
    await phone.button("Enter").click();
    await desk.until("run", "\\^\\[\\[D\\^\\[");
    await untilSame(all);
}

export async function a_keyboard_of_its_own_types_into_the_screen(all) {
    const { desk, phone } = all;
    await pair(all);
    await share(all, ["sh", "-c", "stty raw -echo; echo ready; cat -v"]);
    await untilRows(phone, "program", (rows) => rows.some((row) => row.includes("ready")));
    await phone.page.locator(".screen").click();
    await phone.page.keyboard.type("a~");
    await phone.page.keyboard.press("ArrowUp");
    await phone.page.keyboard.press("Control+a");
    await phone.page.keyboard.press("Alt+x");
    await phone.page.keyboard.press("F5");
    await phone.page.keyboard.press("Shift+Tab");
    await desk.until("run", "a~\\^\\[\\[A\\^A\\^\\[x\\^\\[\\[15~\\^\\[\\[Z");
    await untilSame(all);
}
a_keyboard_of_its_own_types_into_the_screen.devices = ["desktop"];

/** 200 characters, some of them by composition as keyboards of phones do it, directly into the terminal. */
export async function composed_text_arrives_as_typed(all) {
    const { desk, phone } = all;
    await pair(all);
    await share(all, ["sh", "-c", "stty -echo; echo ready; cat"]);
    await untilRows(phone, "program", (rows) => rows[0] === "ready");
    await phone.button("Type directly").click();
    const session = await phone.context.newCDPSession(phone.page);
    const words = Array.from({ length: 40 }, (_, at) => `w${at}x`.padEnd(4, "y"));
    let sent = "";
    for (const [at, word] of words.entries()) {
        if (at % 2) {
            for (let length = 1; length <= word.length; length++) {
                await session.send("Input.imeSetComposition", { text: word.slice(0, length), selectionStart: length, selectionEnd: length });
            }
            await session.send("Input.insertText", { text: word });
        } else {
            for (const char of word) await session.send("Input.insertText", { text: char });
        }
        await session.send("Input.insertText", { text: " " });
        sent += `${word} `;
    }
    assert.ok(sent.length >= 200, `${sent.length}`);
    await session.send("Input.insertText", { text: "oops" });
    for (let n = 0; n < 4; n++) await phone.page.keyboard.press("Backspace");
    await phone.page.keyboard.press("Enter");
    await desk.until("run", "w39x");
    const text = (await desk.screen("run")).slice(1).join("");
    assert.equal(text.replace(/\s/g, ""), sent.replace(/\s/g, ""));
}
composed_text_arrives_as_typed.devices = ["pixel"];

const EMOJI = "漢字 👩‍👩‍👧‍👦 é e\u0301 🇩🇪 ▓▒░ ┌─┐ العربية";

export async function wide_and_composed_text_stands_where_the_desk_has_it(all) {
    const { phone } = all;
    await pair(all);
    await share(all, ["sh", "-c", `printf '%s|\\n' '漢字' '👍👍' 'e\u0301' '▓▒░' '┌──┐' 'ab'; printf '\\033[1;31mred\\033[0m \\033[7mreverse\\033[0m \\033[4:3munder\\033[0m ${EMOJI}\\n'; read x`]);
    await untilRows(phone, "text", (rows) => rows.some((row) => row.includes("reverse")));
    await phone.picture("emoji");
    // The bar behind each text stands in the column that its width says.
    const columns = await phone.page.evaluate(() => {
        const rows = [...document.querySelectorAll(".rows > div:last-child > div:not(.cursor)")];
        const probe = document.createElement("span");
        probe.textContent = "0".repeat(50);
        rows[0].append(probe);
        const cell = probe.getBoundingClientRect().width / 50;
        probe.remove();
        return rows.slice(0, 6).map((row) => {
            const range = document.createRange();
            const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
            let bar = null;
            for (let node = walker.nextNode(); node; node = walker.nextNode()) {
                const at = node.textContent.indexOf("|");
                if (at >= 0) bar = { node, at };
            }
            range.setStart(bar.node, bar.at);
            range.setEnd(bar.node, bar.at + 1);
            return (range.getBoundingClientRect().left - row.getBoundingClientRect().left) / cell;
        });
    });
    assert.deepEqual(columns.map((column) => Math.round(column * 10) / 10), [4, 4, 1, 3, 4, 2]);
}

export async function full_screen_programs_look_as_at_the_desk(all) {
    const { desk, phone } = all;
    await pair(all);
    await share(all, SHELL);
    await untilRows(phone, "prompt", (rows) => rows[0] === "desk$");
    await typed(phone, "htop -d 50");
    await untilRows(phone, "htop", (rows) => rows.some((row) => row.includes("F10")));
    await phone.picture("htop");
    await phone.page.locator(".screen").click();
    await phone.page.keyboard.press("q");
    await untilRows(phone, "prompt", (rows) => !rows.some((row) => row.includes("F10")));
    await typed(phone, "vim -u NONE -c 'set noswapfile ruler' notes.txt");
    await untilRows(phone, "vim", (rows) => rows.some((row) => row.startsWith("~")));
    await field(phone).fill("ihello from the phone");
    await phone.button("Type", { exact: true }).click();
    await phone.button("Esc").click();
    await desk.until("run", "hello from the phone");
    await untilSame(all);
    await phone.picture("vim");
    await typed(phone, ":wq");
    await untilRows(phone, "prompt", (rows) => rows.at(-1) === "" || rows.some((row) => row.startsWith("desk$")));
}

export async function a_flood_and_a_resize_end_with_the_same_screen(all) {
    const { desk, phone } = all;
    await pair(all);
    await share(all, ["sh", "-c", "read x; seq 1 20000; echo flooded; read x"]);
    await untilRows(phone, "screen", (rows) => rows.length === 24);
    await typed(phone, "go");
    await untilRows(phone, "end of the flood", (rows) => rows.some((row) => row === "flooded"));
    await untilSame(all);
    await desk.resize("run", 100, 30);
    // The taller screen shows lines that had scrolled off.
    const taller = await untilRows(phone, "new size", (rows) => rows.length === 30);
    const numbers = taller.slice(0, taller.indexOf("flooded")).map(Number);
    assert.ok(numbers.length > 20 && numbers.at(-1) === 20_000, `${taller}`);
    assert.ok(numbers.every((number, at) => at === 0 || number === numbers[at - 1] + 1), `${numbers}`);
    // Lines above the top, fetched as the user scrolls.
    await phone.page.locator(".screen").evaluate((screen) => (screen.scrollTop -= 2000));
    await phone.page.waitForFunction(() => document.querySelectorAll(".rows > div:first-child > div").length > 10);
    const line = await phone.page.locator(".rows > div:first-child > div").first().textContent();
    assert.match(line, /^\d{3,5}$/);
    await phone.picture("scrollback");
    await phone.button("To the newest line").click();
    await untilRows(phone, "the screen again", (rows) => rows.includes("flooded"));
    await typed(phone, "");
    await phone.sees("The program ended with code 0");
}
