// Runs the page's tests, and those whose file has WORD in its name: `node page/tests/run.mjs [WORD]`. Ends
// with `N passed, N failed`. `node --test page/` does the same in node's own words.

import { readdirSync } from "node:fs";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));
const word = process.argv[2] ?? "";
const files = readdirSync(folder).filter((name) => name.endsWith(".test.js") && name.includes(word));
const counts = { pass: 0, fail: 0 };
const stream = run({ files: files.map((name) => folder + name) });
// A file counts as a test, too.
const isOne = ({ nesting, name }) => nesting > 0 || !name.endsWith(".test.js");
stream.on("test:pass", (data) => isOne(data) && (counts.pass += 1));
stream.on("test:fail", () => (counts.fail += 1));
stream.on("end", () => {
    console.log(`${counts.pass} passed, ${counts.fail} failed`);
    process.exitCode = counts.fail > 0 || counts.pass === 0 ? 1 : 0;
});
stream.compose(new spec()).pipe(process.stdout);
