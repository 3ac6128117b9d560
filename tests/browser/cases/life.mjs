// What happens to a page on a phone: it is loaded again, opened twice, and loses its network and its relay.

import assert from "node:assert/strict";

import { pair, SHELL, share, untilRows, untilSame } from "./steps.mjs";

export async function a_reload_resumes_the_pair(all) {
    const { phone } = all;
    await pair(all);
    await share(all);
    await untilRows(phone, "prompt", (rows) => rows[0] === "desk$");
    const began = performance.now();
    await phone.page.reload();
    await phone.page.getByRole("button", { name: "shell" }).click();
    await untilSame(all);
    console.log(`        from the reload to the same screen: ${Math.round(performance.now() - began)} ms`);
    const kept = await phone.page.evaluate(async () => {
        const open = indexedDB.open("relay");
        await new Promise((resolve) => (open.onsuccess = resolve));
        const all = open.result.transaction("pairs").objectStore("pairs").getAll();
        await new Promise((resolve) => (all.onsuccess = resolve));
        const keys = [];
        const visit = (value) => {
            if (value instanceof CryptoKey) keys.push(value.extractable);
            else if (value && typeof value === "object" && !ArrayBuffer.isView(value)) Object.values(value).forEach(visit);
        };
        visit(all.result);
        return keys;
    });
    assert.ok(kept.length > 0 && kept.every((extractable) => !extractable), `${kept}`);
}

export async function a_second_tab_takes_over_and_the_first_says_so(all) {
    const { desk, phone } = all;
    await pair(all);
    // The desk stays as long as something is shared.
    await desk.open("run", ["run", "--name", "shell", "--", ...SHELL]);
    await phone.sees("shell");
    const first = phone.page;
    phone.page = await phone.newPage();
    await phone.page.goto(first.url());
    await phone.sees("Connected and encrypted");
    await first.getByText("A newer tab of this browser has this desk").first().waitFor();
    phone.page = first;
    await phone.picture("elsewhere");
    await phone.button("Use it in this tab").click();
    await phone.sees("Connected and encrypted");
}
a_second_tab_takes_over_and_the_first_says_so.devices = ["pixel"];

export async function the_relay_goes_and_comes_back(all) {
    const { phone, relay } = all;
    await pair(all);
    await share(all);
    await untilRows(phone, "prompt", (rows) => rows[0] === "desk$");
    await relay.stop();
    await phone.sees("Reconnecting");
    await phone.picture("reconnecting");
    assert.deepEqual(await phone.axe(), []);
}
the_relay_goes_and_comes_back.devices = ["pixel"];

export async function the_shell_is_there_without_a_network(all) {
    const { desk, phone } = all;
    await pair(all);
    await desk.open("run", ["run", "--name", "shell", "--", ...SHELL]);
    await phone.sees("shell");
    await phone.page.evaluate(() => navigator.serviceWorker.ready);
    await phone.page.waitForFunction(async () => (await caches.keys()).length > 0);
    await phone.context.setOffline(true);
    await phone.page.reload();
    await phone.sees("Reconnecting");
    await phone.picture("offline");
    await phone.context.setOffline(false);
    await phone.sees("Connected and encrypted");
}
the_shell_is_there_without_a_network.devices = ["pixel"];

export async function a_forgotten_desk_is_gone_and_a_removed_phone_is_told(all) {
    const { desk, phone } = all;
    await pair(all);
    await phone.button("This phone").click();
    await phone.picture("device");
    assert.deepEqual(await phone.axe(), []);
    await phone.button("Forget this desk").click();
    await phone.button("Forget it").click();
    await phone.sees("Run “workstation pair” on");
    const listed = await desk.run("devices");
    assert.match(listed.out, /Pixel 7/);
}
a_forgotten_desk_is_gone_and_a_removed_phone_is_told.devices = ["pixel"];

export async function a_removed_phone_is_told(all) {
    const { desk, phone } = all;
    await pair(all);
    const listed = await desk.run("revoke", "Pixel 7");
    assert.equal(listed.status, 0, listed.out);
    await phone.sees("Your desk ended this pair");
    await phone.picture("removed");
    assert.deepEqual(await phone.axe(), []);
    await phone.button("Use another code").click();
    await phone.sees("Run “workstation pair” on");
}
a_removed_phone_is_told.devices = ["pixel"];
