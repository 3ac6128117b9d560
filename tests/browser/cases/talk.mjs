// Chat and files between the page and the desk.

import assert from "node:assert/strict";

import { pair } from "./steps.mjs";

export async function lines_of_chat_go_both_ways(all) {
    const { desk, phone } = all;
    await pair(all);
    await desk.open("chat", ["chat"]);
    await phone.button("Chat").click();
    await phone.page.getByLabel("Message").fill("hello desk, this is <b>the</b> phone");
    await phone.button("Send").click();
    await desk.until("chat", "hello desk, this is <b>the</b> phone");
    await phone.sees("delivered");
    await desk.type("chat", "hello <img src=x onerror=alert(1)> \u202eevil\r");
    await phone.sees("hello <img src=x onerror=alert(1)>");
    const line = await phone.page.locator(".said li:not(.mine) bdi").textContent();
    assert.ok(!/[\u202a-\u202e\u2066-\u2069]/.test(line), `what reorders text is shown as it is: ${line}`);
    await phone.picture("chat");
    assert.deepEqual(await phone.axe(), []);
}
