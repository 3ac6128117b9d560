// Both backends of cryptography against each other's results, node's own, and the edges of RFC 7748.

import assert from "node:assert/strict";
import nodeCrypto from "node:crypto";
import test from "node:test";
import { hex, unhex, utf8 } from "../bytes.js";
import { chooseCrypto } from "../crypto/crypto.js";
import { ownCrypto, ownKeyPair } from "../crypto/own.js";
import { Sha256, sha256 } from "../crypto/sha256.js";
import { x25519 } from "../crypto/x25519.js";
import { random } from "./vectors.js";

const SEED = Number(process.env.RELAY_PAGE_SEED ?? Date.now() & 0xffffff);
const rng = random(SEED);
const web = await chooseCrypto();
const own = ownCrypto();
const same = (got, expected) => assert.equal(hex(got), hex(expected), `seed ${SEED}`);

test("the backend is chosen by what the browser can do", async () => {
    assert.equal(web.name, "web");
    assert.equal((await chooseCrypto(null)).name, "own");
    const { subtle } = globalThis.crypto;
    const old = { generateKey: () => Promise.reject(new Error("no such algorithm")), digest: (...rest) => subtle.digest(...rest) };
    const mixed = await chooseCrypto(old);
    assert.equal(mixed.name, "mixed");
    same(await mixed.sha256(utf8("x")), sha256(utf8("x")));
    assert.equal(mixed.keyPair, ownKeyPair);
});

test("SHA-256 of every length up to 300, and in pieces", () => {
    for (let length = 0; length <= 300; length++) {
        const bytes = rng.bytes(length);
        const expected = nodeCrypto.createHash("sha256").update(bytes).digest();
        same(sha256(bytes), expected);
        const hash = new Sha256();
        for (let at = 0; at < length; ) {
            const end = Math.min(length, at + 1 + rng.below(100));
            hash.update(bytes.subarray(at, end));
            hash.digest();
            at = end;
        }
        same(hash.digest(), expected);
    }
});

test("HKDF with keys and salts of any length", async () => {
    for (let round = 0; round < 500; round++) {
        const [key, salt, info] = [rng.bytes(1 + rng.below(100)), rng.bytes(rng.below(100)), rng.bytes(rng.below(50))];
        const length = 1 + rng.below(200);
        const expected = new Uint8Array(nodeCrypto.hkdfSync("sha256", key, salt, info, length));
        same(await own.hkdf(await own.keep(key), salt, info, length), expected);
        same(await web.hkdf(await web.keep(key), salt, info, length), expected);
    }
});

test("a kept key of WebCrypto cannot be read out again", async () => {
    const key = await web.keep(rng.bytes(32));
    assert.equal(key.extractable, false);
    await assert.rejects(globalThis.crypto.subtle.exportKey("raw", key));
    await assert.rejects(own.hkdf(key, new Uint8Array(0), new Uint8Array(0), 32));
});

test("AES-256-GCM: thousands of random messages, and what was changed does not open", async () => {
    for (let round = 0; round < 2000; round++) {
        const [key, nonce, data, text] = [rng.bytes(32), rng.bytes(12), rng.bytes(rng.below(50)), rng.bytes(rng.below(200))];
        const cipher = nodeCrypto.createCipheriv("aes-256-gcm", key, nonce).setAAD(data);
        const expected = Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]);
        const aead = await own.aead(key);
        const sealed = await aead.seal(nonce, data, text);
        same(sealed, expected);
        same(await aead.open(nonce, data, sealed), text);
        const changed = sealed.slice();
        changed[rng.below(changed.length)] ^= 1 << rng.below(8);
        await assert.rejects(aead.open(nonce, data, changed));
        await assert.rejects(aead.open(nonce, data, sealed.subarray(0, rng.below(sealed.length))));
        if (data.length > 0) await assert.rejects(aead.open(nonce, data.subarray(1), sealed));
    }
});

test("AES-256-GCM: a whole piece of the tunnel", async () => {
    const [key, nonce, text] = [rng.bytes(32), rng.bytes(12), rng.bytes(32_790)];
    const [left, right] = [await own.aead(key), await web.aead(key)];
    const none = new Uint8Array(0);
    same(await left.seal(nonce, none, text), await right.seal(nonce, none, text));
});

test("X25519: random keys agree with node's, both ways", async () => {
    for (let round = 0; round < 60; round++) {
        const [a, b] = [rng.bytes(32), rng.bytes(32)];
        const [ours, theirs] = [await ownKeyPair(a), await web.keyPair(b)];
        same(ours.publicKey, (await web.keyPair(a)).publicKey);
        same(await ours.agree(theirs.publicKey), await theirs.agree(ours.publicKey));
        const made = await ownKeyPair();
        same(await made.agree(theirs.publicKey), await theirs.agree(made.publicKey));
    }
});

test("X25519: the vectors of RFC 7748", () => {
    const scalar = unhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
    const point = unhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
    same(x25519(scalar, point), unhex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"));
    let [k, u] = [unhex(`09${"00".repeat(31)}`), unhex(`09${"00".repeat(31)}`)];
    for (let round = 0; round < 1000; round++) [k, u] = [x25519(k, u), k];
    same(k, unhex("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"));
});

test("X25519: points that are not reduced, twisted or of small order, as node judges them", () => {
    const p = (1n << 255n) - 19n;
    const encode = (number) => Uint8Array.from({ length: 32 }, (_, i) => Number((number >> BigInt(8 * i)) & 255n));
    const spki = (point) => {
        const head = Buffer.from("302a300506032b656e032100", "hex");
        return nodeCrypto.createPublicKey({ key: Buffer.concat([head, point]), format: "der", type: "spki" });
    };
    const pkcs8 = (key) => {
        const head = Buffer.from("302e020100300506032b656e04220420", "hex");
        return nodeCrypto.createPrivateKey({ key: Buffer.concat([head, key]), format: "der", type: "pkcs8" });
    };
    const edges = [0n, 1n, 2n, p - 1n, p, p + 1n, p + 2n, p + 18n, (1n << 255n) - 1n, (1n << 256n) - 1n, 1n << 255n];
    edges.push(325606250916557431795983626356110631294008115727848805560023387167927233504n);
    edges.push(39382357235489614581723060781553021112529911719440698176882885853963445705823n);
    for (const point of [...edges.map(encode), ...Array.from({ length: 200 }, () => rng.bytes(32))]) {
        const key = rng.bytes(32);
        let expected = new Uint8Array(32);
        try {
            expected = nodeCrypto.diffieHellman({ privateKey: pkcs8(key), publicKey: spki(point) });
        } catch {
            // A point of small order: zeros, which the tunnel refuses.
        }
        same(x25519(key, point), expected);
    }
});

test("our own backend is fast enough for a phone", async () => {
    const aead = await own.aead(rng.bytes(32));
    const [nonce, none, piece] = [rng.bytes(12), new Uint8Array(0), rng.bytes(32_768)];
    for (let warm = 0; warm < 20; warm++) await aead.seal(nonce, none, piece);
    const began = performance.now();
    for (let round = 0; round < 100; round++) await aead.seal(nonce, none, piece);
    const rate = (100 * piece.length) / 1000 / (performance.now() - began);
    // 20 to 50 MB/s here. A machine that is busy with other things still passes.
    assert.ok(rate > 1, `${rate} MB/s`);
});
