// The package as a user gets it: its size, its files, its README.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { buildSync } from "esbuild";

const PACKAGE = new URL("../", import.meta.url);
const read = (path) => readFileSync(new URL(path, PACKAGE), "utf8");

test("all of its JavaScript has less than 40 kB, in one file, minified and gzipped; as it is shipped, less than 60", () => {
  const folder = fileURLToPath(new URL("dist/", PACKAGE));
  const names = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".js")).sort();
  const sources = names.map((name) => read(`dist/${name}`));
  const size = (texts) => gzipSync(texts.join(""), { level: 9 }).length;
  const { outputFiles } = buildSync({ entryPoints: [join(folder, "index.js")], bundle: true, minify: true, format: "esm", write: false });
  const minified = size([outputFiles[0].text]);
  console.log(`# ${minified} bytes minified, ${size(sources)} as shipped`);
  assert.ok(names.length > 30);
  assert.ok(minified < 40_000, `${minified} bytes`);
  assert.ok(size(sources) < 60_000, `${size(sources)} bytes`);
});

test("it has no dependency, and every import is of a file that is there", () => {
  const { dependencies, exports, license, type } = JSON.parse(read("package.json"));
  assert.deepEqual([dependencies, license, type], [undefined, "Apache-2.0 OR MIT", "module"]);
  assert.ok(read(exports["."].types).length > 0);
  const names = readdirSync(new URL("dist/", PACKAGE), { recursive: true }).filter((name) => name.endsWith(".js"));
  for (const name of names) {
    for (const [, from] of read(`dist/${name}`).matchAll(/from "([^"]+)"/g)) {
      assert.match(from, /^\.\.?\/.*\.js$/, `${name} imports ${from}`);
      read(new URL(from, new URL(`dist/${name}`, PACKAGE)));
    }
  }
});

test("what the README shows runs", () => {
  const blocks = [...read("README.md").matchAll(/^```js\n(.*?)^```/gms)].map(([, code]) => code);
  assert.equal(blocks.length, 5);
  const outputs = blocks.map((code) => execFileSync(process.execPath, ["--no-warnings", "--input-type=module", "--eval", code], {
    cwd: fileURLToPath(new URL("test/files/", PACKAGE)), encoding: "utf8",
  }));
  assert.match(outputs[0], /^presentation refund-8841 executed\n(format|not-included|mismatch) - /);
  assert.match(outputs[1], /^passed format the file \{ kind: 'presentation'/);
  assert.match(outputs[2], /\ntrue \[\]\n$/);
});

test("files stay small enough to read", () => {
  const names = readdirSync(new URL("src/", PACKAGE), { recursive: true }).filter((name) => name.endsWith(".ts"));
  for (const name of names) assert.ok(read(`src/${name}`).split("\n").length <= 400, name);
});
