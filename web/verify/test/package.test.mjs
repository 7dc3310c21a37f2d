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

test("the package with the audit has less than 40 kB, in one file, minified and gzipped, and 40 KiB with the vectors; without the audit less than 29.5 kB, and as it is shipped less than 59", () => {
  const folder = fileURLToPath(new URL("dist/", PACKAGE));
  const names = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".js")).sort();
  const sources = names.map((name) => read(`dist/${name}`));
  const size = (texts) => gzipSync(texts.join(""), { level: 9 }).length;
  const bundled = (...entries) => {
    const contents = entries.map((entry) => `export * from "./${entry}";`).join("");
    const { outputFiles } = buildSync({ stdin: { contents, resolveDir: folder }, bundle: true, minify: true, format: "esm", write: false });
    return size([outputFiles[0].text]);
  };
  const [minified, audit, whole] = [bundled("index.js"), bundled("index.js", "audit/audit.js"), bundled("index.js", "audit/audit.js", "vectors.js")];
  console.log(`# ${minified} bytes minified, ${audit} with the audit, ${whole} with vectors, ${size(sources)} as shipped`);
  assert.ok(names.length > 30);
  assert.ok(minified < 29_500, `${minified} bytes`);
  assert.ok(audit < 40_000, `${audit} bytes`);
  assert.ok(whole < 40 * 1024, `${whole} bytes`);
  assert.ok(size(sources) < 59_000, `${size(sources)} bytes`);
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

/** What the examples of the README print, each run by this command in the folder of the files. */
function examples(run) {
  const blocks = [...read("README.md").matchAll(/^```js\n(.*?)^```/gms)].map(([, code]) => code);
  assert.equal(blocks.length, 5);
  const cwd = fileURLToPath(new URL("test/files/", PACKAGE));
  const outputs = blocks.map((code) => {
    const [program, args, input] = run(code);
    return execFileSync(program, args, { cwd, input, encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } });
  });
  assert.match(outputs[0], /^presentation refund-8841 executed\n(format|not-included|mismatch) - /);
  assert.match(outputs[1], /^passed format the file \{ kind: ['"]presentation['"]/);
  assert.match(outputs[2], /\ntrue \[\]\n$/);
}

test("what the README shows runs", () => {
  examples((code) => [process.execPath, ["--no-warnings", "--input-type=module", "--eval", code]]);
});

test("and it runs in Deno, which lets it read files and nothing else", () => {
  // Deno looks up no package by its own name.
  const local = (code) => code.replace(/"@vouchlog\/verify(?:\/(audit))?"/g, (_, part) => JSON.stringify(String(new URL(part === undefined ? "dist/index.js" : "dist/audit/audit.js", PACKAGE))));
  const deno = fileURLToPath(new URL("node_modules/.bin/deno", PACKAGE));
  examples((code) => [deno, ["run", "--quiet", "--no-prompt", "--no-remote", "--allow-read", "-"], local(code)]);
});

test("files stay small enough to read", () => {
  const names = readdirSync(new URL("src/", PACKAGE), { recursive: true }).filter((name) => name.endsWith(".ts"));
  for (const name of names) assert.ok(read(`src/${name}`).split("\n").length <= 400, name);
});
