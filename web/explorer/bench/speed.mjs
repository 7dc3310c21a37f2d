// How fast the audit in a tab is, and how soon the front page of a large log shows something. `node bench/speed.mjs [entries]`; 10,000,000 by default.
//
// The log has opaque entries and is written as files into a temporary folder (about 90 bytes an entry), then served by a server of files in this process.
// `VOUCHLOG_PROGRAM` adds the Rust auditor, over the same files.

import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { Browser, chromium } from "../test/browser.mjs";
import { DIST, serveFiles } from "../test/world.mjs";
import { formatTilePath } from "../dist/explorer/verify/tile.js";
import { tileRoot } from "../dist/explorer/verify/audit/edge.js";
import { encodeBase64 } from "../dist/explorer/verify/bytes.js";
import { CompactRange } from "../dist/explorer/verify/merkle.js";
import { sha256Into } from "../dist/explorer/verify/sha256.js";
import { keys, ORIGIN } from "../../verify/test/log.mjs";

const ENTRY = 54;

function write(folder, path, bytes) {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  const handle = openSync(file, "w");
  writeSync(handle, bytes);
  closeSync(handle);
}

/** Writes a log of opaque entries. */
function makeLog(folder, size) {
  const range = CompactRange.empty();
  const levels = [];
  const flush = (level, index, hashes) => write(folder, formatTilePath({ level, index: BigInt(index), width: hashes.length / 32 }), hashes);
  const push = (level, root) => {
    levels[level] ??= { index: 0, hashes: [] };
    const held = levels[level];
    held.hashes.push(root);
    if (held.hashes.length < 256) return;
    const tile = Buffer.concat(held.hashes);
    flush(level, held.index++, tile);
    held.hashes = [];
    push(level + 1, tileRoot(tile));
  };
  const entry = new Uint8Array(ENTRY).fill(0x0f);
  const view = new DataView(entry.buffer);
  for (let first = 0; first < size; first += 256) {
    const width = Math.min(256, size - first);
    const bundle = Buffer.alloc(width * (2 + ENTRY));
    for (let at = 0; at < width; at++) {
      view.setUint32(46, first + at);
      bundle.writeUInt16BE(ENTRY, at * (2 + ENTRY));
      bundle.set(entry, at * (2 + ENTRY) + 2);
      const leaf = new Uint8Array(32);
      sha256Into(leaf, 0, 0x00, entry, 0, ENTRY);
      range.push(leaf);
      push(0, leaf);
    }
    write(folder, formatTilePath({ level: "entries", index: BigInt(first / 256), width }), bundle);
  }
  levels.forEach(({ index, hashes }, level) => {
    if (hashes.length > 0) flush(level, index, Buffer.concat(hashes));
  });
  writeFileSync(join(folder, "checkpoint"), keys.log.note(`${ORIGIN}\n${size}\n${encodeBase64(range.root())}\n`));
}

/** CPU seconds of the browser so far, over all its processes. */
function cpu(pid) {
  const stats = readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name)).flatMap((name) => {
    try {
      const fields = readFileSync(`/proc/${name}/stat`, "utf8").split(") ")[1].split(" ");
      return [{ pid: Number(name), parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) }];
    } catch {
      return [];
    }
  });
  const of = (one) => one.ticks + stats.filter(({ parent }) => parent === one.pid).reduce((sum, child) => sum + of(child), 0);
  return stats.filter((one) => one.pid === pid).reduce((sum, one) => sum + of(one), 0) / 100;
}

const size = Number(process.argv[2] ?? 10_000_000);
const folder = mkdtempSync(join(tmpdir(), "vouchlog-speed-"));
let files;
let browser;
try {
  const begun = Date.now();
  makeLog(folder, size);
  console.log(`made ${size} entries in ${((Date.now() - begun) / 1000).toFixed(0)} s`);
  files = await serveFiles(folder, DIST);
  browser = new Browser(chromium());
  const tab = await browser.tab();
  await tab.go(`${files.url}#vkey=${encodeURIComponent(keys.log.vkey)}`);
  await tab.sees("Signed by the log");
  await tab.sees("were read, each with its inclusion proof");
  const paint = await tab.evaluate("performance.getEntriesByType('paint').map(({ name, startTime }) => `${name} ${startTime.toFixed(0)} ms`).join(', ')");
  console.log(`front page: ${paint}`);
  await tab.go(files.url);
  const start = Date.now();
  await tab.sees("Signed by the log");
  console.log(`checkpoint verified ${Date.now() - start} ms after the second visit began`);
  await tab.go(`${files.url}explorer/audit.html`);
  await tab.sees("Audit the log");
  const before = cpu(browser.child.pid);
  await tab.click("#acts button");
  while (!(await tab.text()).includes("Audit again")) await new Promise((resolve) => setTimeout(resolve, 200));
  const used = cpu(browser.child.pid) - before;
  console.log(`audit in the tab: ${used.toFixed(2)} s of CPU in all processes of the browser, ${Math.round(size / used)} entries per second of CPU`);
  console.log(/[0-9.]+ s, [0-9,]+ entries a second/.exec(await tab.text())?.[0] ?? (await tab.text()));
  if (process.env.VOUCHLOG_PROGRAM) {
    const from = Date.now();
    execFileSync(process.env.VOUCHLOG_PROGRAM, ["audit", "--log", folder, "--log-vkey", keys.log.vkey], { stdio: "ignore" });
    const seconds = (Date.now() - from) / 1000;
    console.log(`Rust: ${seconds.toFixed(1)} s, ${Math.round(size / seconds)} entries/s`);
  }
} finally {
  await browser?.close();
  files?.close();
  rmSync(folder, { recursive: true, force: true });
}
