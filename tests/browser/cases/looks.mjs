// Every screen as somebody sees it: in both languages, light and dark, and with everything twice as large.

import assert from "node:assert/strict";

import { DEVICES, Phone } from "../browser.mjs";
import { de } from "../../../page/ui/texts/de.js";
import { en } from "../../../page/ui/texts/en.js";
import { SHELL } from "./steps.mjs";

const { viewport, deviceScaleFactor } = DEVICES.pixel;
/** As a browser does it: fewer units of width, each of more points. */
const half = { width: Math.floor(viewport.width / 2), height: Math.floor(viewport.height / 2) };
const TWICE = { viewport: half, screen: half, deviceScaleFactor: deviceScaleFactor * 2 };

/** Looks at what is shown: nothing for axe-core to find, nothing wider than the window. */
async function look(phone, name) {
    await phone.picture(name);
    assert.deepEqual(await phone.axe(), [], name);
    const over = await phone.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(over <= 0, `${name} is ${over} units wider than the window`);
}

/** Goes through the screens as a new user does. */
async function visit({ relay, desk }, texts, options, kind) {
    const phone = await Phone.start("pixel", options);
    try {
        const { page } = phone, button = (name) => phone.button(texts[name]);
        await page.goto(relay.page);
        await button("code.go").waitFor();
        await look(phone, `${kind}-1-code`);
        await page.goto(await desk.showCode());
        await button("pair.go").waitFor();
        await look(phone, `${kind}-2-pair`);
        await button("pair.go").click();
        await desk.until("pair", "\\[y/n\\]");
        await button("pair.same").waitFor();
        await look(phone, `${kind}-3-words`);
        await desk.answer(true);
        await button("pair.same").click();
        await desk.open("run", ["run", "--name", "shell", "--", ...SHELL]);
        await page.getByRole("button", { name: "shell" }).waitFor();
        await look(phone, `${kind}-4-desk`);
        await page.getByRole("button", { name: "shell" }).click();
        await page.getByText("desk$").first().waitFor();
        await look(phone, `${kind}-5-terminal`);
        for (const [at, name] of ["desk.chat", "clip.title", "desk.files", "desk.device"].entries()) {
            await page.goBack();
            await button(name).click();
            await page.getByRole("heading", { level: 1, name: texts[name] }).waitFor();
            await look(phone, `${kind}-${6 + at}-${name.split(".")[1]}`);
        }
        await button("device.forget").click();
        await look(phone, `${kind}-a-forget`);
        await page.goBack();
        await page.goBack();
        await page.getByRole("heading", { level: 1, name: texts["home.title"] }).waitFor();
        await look(phone, `${kind}-b-home`);
        assert.equal(await page.evaluate(() => document.documentElement.lang), texts.language);
        assert.deepEqual(phone.complaints, []);
    } finally {
        await phone.stop();
    }
}

export async function every_screen_in_german_and_dark(all) {
    await visit(all, de, { locale: "de-DE", colorScheme: "dark" }, "german-dark");
}
every_screen_in_german_and_dark.devices = ["pixel"];

export async function every_screen_twice_as_large(all) {
    await visit(all, en, TWICE, "twice");
}
every_screen_twice_as_large.devices = ["pixel"];

export async function every_screen_in_german_twice_as_large(all) {
    await visit(all, de, { ...TWICE, locale: "de-DE" }, "german-twice");
}
every_screen_in_german_twice_as_large.devices = ["pixel"];
