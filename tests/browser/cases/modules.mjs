// The page's modules that only a browser can try: what is kept in IndexedDB and in private files, and the
// lock of a pair.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

const PAGE = fileURLToPath(new URL("../../../page/", import.meta.url));

/** Serves the modules as they are, and an empty page at `/`. */
async function serveModules() {
    const server = createServer(async (request, response) => {
        const path = new URL(request.url, "http://localhost").pathname;
        const isModule = /^\/[a-z0-9_/]+\.js$/.test(path);
        const body = isModule ? await readFile(PAGE + path.slice(1)).catch(() => null) : "<!doctype html><title>modules</title>";
        response.writeHead(body === null ? 404 : 200, { "Content-Type": isModule ? "text/javascript" : "text/html" });
        response.end(body ?? "");
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

async function withModules({ phone }, work) {
    const { url, close } = await serveModules();
    try {
        await phone.page.goto(url);
        await work(phone.page, url);
    } finally {
        close();
    }
}

export async function a_pair_is_kept_with_a_key_that_cannot_be_read_out(all) {
    await withModules(all, async (page) => {
        const kept = await page.evaluate(async () => {
            const { browserWorld } = await import("/link/world.js");
            const { keyOf } = await import("/tunnel/handshake.js");
            const { crypto: web, store } = await browserWorld();
            const key = await keyOf(web, new Uint8Array(32).fill(7));
            const place = { url: "wss://relay.example.org/ws", session: "00", token: "11" };
            const saved = { place, other: null, key, welcomed: true };
            await store.putPair({ id: "a", phone: "Pixel", desk: "office", pairedAt: 5, saved });
            await store.put("value", [1, 2]);
            return { isLasting: store.isLasting, crypto: web.name };
        });
        assert.deepEqual(kept, { isLasting: true, crypto: "web" });
        await page.reload();
        const found = await page.evaluate(async () => {
            const { browserWorld } = await import("/link/world.js");
            const { crypto: web, store } = await browserWorld();
            const [{ id, saved }] = await store.pairs();
            const { secret } = saved.key;
            const same = new Uint8Array(32).fill(7);
            const [one, other] = await Promise.all(
                [secret, await web.keep(same)].map((key) => web.hkdf(key, new Uint8Array(32), new Uint8Array(0), 96)),
            );
            const read = await crypto.subtle.exportKey("raw", secret).then(() => "read", () => "refused");
            await store.deletePair("a");
            const left = (await store.pairs()).length;
            return { id, read, same: one.join() === other.join(), value: await store.get("value"), left };
        });
        assert.deepEqual(found, { id: "a", read: "refused", same: true, value: [1, 2], left: 0 });
    });
}

export async function parts_of_a_file_survive_a_reload(all) {
    await withModules(all, async (page) => {
        const begun = await page.evaluate(async () => {
            const { openParts } = await import("/files/parts.js");
            const parts = await openParts();
            const part = await parts.open("p-1");
            await part.append(new Uint8Array(2 << 20).fill(1));
            await part.append(new Uint8Array(100).fill(2));
            return { isLasting: parts.isLasting, length: part.length };
        });
        assert.deepEqual(begun, { isLasting: true, length: (2 << 20) + 100 });
        await page.reload();
        const found = await page.evaluate(async () => {
            const { openParts } = await import("/files/parts.js");
            const parts = await openParts();
            const part = await parts.open("p-1");
            const before = part.length;
            await part.append(new Uint8Array(3).fill(3));
            const blob = await part.blob();
            const last = new Uint8Array(await blob.slice(-4).arrayBuffer());
            await part.remove();
            for (const [name, length] of [["p-2", 5], ["q-2", 6]]) {
                const begun = await parts.open(name);
                await begun.append(new Uint8Array(length));
                begun.close();
            }
            await parts.removeAll((name) => name.startsWith("p-"));
            const lengths = [];
            for (const name of ["p-2", "q-2"]) lengths.push((await parts.open(name)).length);
            if (lengths.join() !== "0,6") throw new Error(`left: ${lengths}`);
            return { before, size: blob.size, last: [...last], after: (await parts.open("p-1")).length };
        });
        assert.deepEqual(found, { before: (2 << 20) + 100, size: (2 << 20) + 103, last: [2, 3, 3, 3], after: 0 });
    });
}

export async function the_newer_tab_has_the_lock(all) {
    await withModules(all, async (page, url) => {
        const take = async () => {
            const { browserWorld } = await import("/link/world.js");
            const lock = await (await browserWorld()).lock("a");
            window.isLost = new Promise((resolve) => lock.onLost(() => resolve(true)));
            window.lock = lock;
        };
        await page.evaluate(take);
        const newer = await all.phone.newPage();
        await newer.goto(url);
        await newer.evaluate(take);
        assert.equal(await page.evaluate(() => window.isLost), true);
        // The older one takes it back.
        await page.evaluate(take);
        assert.equal(await newer.evaluate(() => window.isLost), true);
        await newer.close();
    });
}
