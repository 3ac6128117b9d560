// Notices: in the page while somebody looks at it, and by the service worker where nobody does.

import assert from "node:assert/strict";

import { pair, SHELL } from "./steps.mjs";

const PAYLOAD = {
    web_push: 8030,
    notification: {
        title: "build <b>",
        body: "done",
        tag: "n-1",
        navigate: "http://localhost/p#desk=x&notice=n-1&chat",
        data: { id: "n-1" },
    },
};

/** A push shows a notice by the service worker, and so does one that cannot be read: browsers punish silent ones. */
export async function a_push_shows_a_notice(all) {
    const { phone, relay } = all;
    await phone.context.grantPermissions(["notifications"], { origin: new URL(relay.page).origin });
    await pair(all);
    await phone.page.evaluate(() => navigator.serviceWorker.ready);
    const session = await phone.context.newCDPSession(phone.page);
    const registered = new Promise((resolve) => {
        session.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => registrations[0] && resolve(registrations[0]));
    });
    await session.send("ServiceWorker.enable");
    const { registrationId } = await registered;
    const push = (data) => session.send("ServiceWorker.deliverPushMessage", { origin: new URL(relay.page).origin, registrationId, data });
    await push(JSON.stringify(PAYLOAD));
    await push("garbage");
    const shown = await phone.page.waitForFunction(async () => {
        const registration = await navigator.serviceWorker.getRegistration("/p");
        const all = await registration.getNotifications();
        return all.length === 2 ? all.map(({ title, body, tag }) => [title, body, tag]) : null;
    });
    const notices = await shown.jsonValue();
    assert.deepEqual(notices.sort(), [["build <b>", "done", "n-1"], ["relay", "", "relay"]]);
    const noted = await phone.page.waitForFunction(async () => {
        const open = indexedDB.open("relay");
        await new Promise((resolve) => (open.onsuccess = resolve));
        const get = open.result.transaction("values").objectStore("values").get("shown");
        await new Promise((resolve) => (get.onsuccess = resolve));
        return get.result;
    });
    assert.deepEqual(await noted.jsonValue(), ["n-1"]);
}
a_push_shows_a_notice.devices = ["pixel"];

/** The address of a notice leads to its terminal. */
export async function a_notice_leads_to_its_terminal(all) {
    const { desk, phone, relay } = all;
    await pair(all);
    await desk.open("run", ["run", "--name", "shell", "--", ...SHELL]);
    await phone.sees("shell");
    await phone.page.goto("about:blank");
    await phone.page.goto(`${relay.page}#notice=n-1&terminal=shell`);
    await phone.sees("Terminal shell");
    assert.equal(phone.page.url(), relay.page);
    await phone.page.getByText("desk$").first().waitFor();
}
a_notice_leads_to_its_terminal.devices = ["pixel"];
