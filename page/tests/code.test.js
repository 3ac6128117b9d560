// Pairing codes as people paste them.

import assert from "node:assert/strict";
import test from "node:test";
import { readCode } from "../tunnel/code.js";
import { vectors } from "./vectors.js";

const [{ link, json, session }] = vectors("code-2.json").codes;

test("a code is read in each form, also with blanks and broken lines", async () => {
    const wrapped = `  ${link.slice(0, 20)}\n${link.slice(20)}\r\n`;
    for (const text of [link, json, wrapped, ` ${json.slice(0, 9)}\n${json.slice(9)} `]) {
        const code = await readCode(text);
        assert.equal(code.place.session, session);
        assert.equal(code.app, true);
        assert.equal(code.key.length, 32);
    }
});

test("a code without app protocol says so", async () => {
    const bare = JSON.parse(json);
    delete bare.a;
    assert.equal((await readCode(JSON.stringify(bare))).app, false);
    assert.equal((await readCode(`https://relay.example.org/p#1${"A".repeat(86)}`)).app, false);
});

test("what is not a code is refused, each for its reason", async () => {
    const plain = JSON.stringify({ ...JSON.parse(json), k: undefined });
    const cases = [
        ["", "not-a-code"],
        ["hello", "not-a-code"],
        ["{", "not-a-code"],
        ["null", "not-a-code"],
        ["{}", "not-a-code"],
        [link.slice(0, -1), "not-a-code"],
        [`${link}A`, "not-a-code"],
        [link.replace("/p#", "/q#"), "not-a-code"],
        [link.replace(/^https?/, "ftp"), "not-a-code"],
        [link.replace("#2", "#3"), "other-version"],
        [json.replace('"k":"', '"k":"x'), "not-a-code"],
        [json.replace(/"u":"[^"]*"/, '"u":"javascript:alert(1)"'), "not-a-code"],
        [plain, "no-key"],
    ];
    for (const [text, why] of cases) await assert.rejects(readCode(text), { why }, text);
});
