// How fast the audit in a tab is, and how soon the front page of a large log shows something. `node bench/speed.mjs [entries] [paint]`;
// 10,000,000 by default. With `paint` nothing is audited.
//
// The log is written as files into a temporary folder (about 90 bytes an entry): statements of 16 streams, a head of each after 2,000 entries. A server in
// this process serves it: as files, and then several bundles in one response, too, as a log does. Where `taskset` is there, the browser and the Rust auditor
// have one core, another than this process.
// `VOUCHLOG_PROGRAM` adds the Rust auditor, over the same files and from the same server. `VOUCHLOG_LOG=DIR` keeps the files there, and uses those that it finds.
// `VOUCHLOG_URL=URL VOUCHLOG_VKEY=VKEY` measures a log that is served by another process instead.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { Browser, chromium } from "../test/browser.mjs";
import { DIST, serveFiles } from "../test/world.mjs";
import { batch } from "../dist/explorer/verify/audit/batch.js";
import { RightEdge, tileRoot } from "../dist/explorer/verify/audit/edge.js";
import { encodeBase64 } from "../dist/explorer/verify/bytes.js";
import { formatTilePath, partialTiles, readFrames } from "../dist/explorer/verify/tile.js";
import { keys, ORIGIN, TestLog } from "../../verify/test/log.mjs";

/** Entries that are written as they come: as many as a disk holds. */
class WrittenEntries {
  constructor(folder) {
    this.folder = folder;
    this.length = 0;
    this.open = [];
    this.edge = new RightEdge();
  }

  push(entry) {
    this.length++;
    this.open.push(entry);
    if (this.open.length === 256) this.flush();
  }

  flush() {
    const bundle = Buffer.concat(this.open.flatMap((entry) => [Buffer.from([entry.length >> 8, entry.length & 255]), entry]));
    const [index, width] = [BigInt(Math.floor((this.length - 1) / 256)), this.open.length];
    const leaves = batch().leaves(bundle, readFrames(bundle, width)).slice();
    this.write(formatTilePath({ level: "entries", index, width }), bundle);
    this.open = [];
    if (width < 256) return this.edge.setLeaves(leaves);
    this.write(formatTilePath({ level: 0, index, width }), leaves);
    this.edge.pushTile(tileRoot(leaves), (level, place, hashes) => this.write(formatTilePath({ level, index: BigInt(place), width: 256 }), hashes));
  }

  finish() {
    if (this.open.length > 0) this.flush();
    for (const tile of partialTiles(BigInt(this.length))) this.write(formatTilePath(tile), this.edge.level(tile.level));
    writeFileSync(join(this.folder, "checkpoint"), keys.log.note(`${ORIGIN}\n${this.length}\n${encodeBase64(this.edge.root())}\n`));
  }

  write(path, bytes) {
    const file = join(this.folder, path);
    if (path.endsWith("/000") || path.includes(".p/") || !existsSync(dirname(file))) mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  }
}

function makeLog(folder, size) {
  const log = new TestLog();
  log.entries = new WrittenEntries(folder);
  log.genesis();
  log.enrol(keys.gateway);
  const streams = Array.from({ length: 16 }, () => log.open(keys.gateway));
  while (log.entries.length < size - streams.length) {
    const at = log.entries.length;
    log.now += 1;
    log.state(streams[at % 16]);
    if (at % 2_000 < 16) log.head(streams[at % 16]);
  }
  streams.forEach((stream) => log.head(stream));
  log.entries.finish();
}

/** A process with its CPU time so far; undefined if it has ended. */
function ticksOf(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
    return { pid: Number(pid), parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]), command: readFileSync(`/proc/${pid}/cmdline`, "utf8") };
  } catch {
    return undefined;
  }
}

/** The browser's processes: that one and all below it, with the CPU time of each in ticks. */
function processes(pid) {
  const all = readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name)).map(ticksOf).filter((one) => one !== undefined);
  const below = (one) => [one, ...all.filter(({ parent }) => parent === one.pid).flatMap(below)];
  return all.filter((one) => one.pid === pid).flatMap(below);
}

/** CPU seconds of each kind of the browser's processes so far, and of all together. */
function cpu(pid) {
  const kinds = { all: 0 };
  for (const { command, ticks } of processes(pid)) {
    const kind = /utility-sub-type=([a-z]+)/.exec(command)?.[1] ?? /--type=([a-z-]+)/.exec(command)?.[1] ?? "browser";
    kinds[kind] = (kinds[kind] ?? 0) + ticks / 100;
    kinds.all += ticks / 100;
  }
  return kinds;
}

/** Runs the Rust auditor, and prints how long it took and how much CPU. */
async function auditInRust(program, where, vkey, entries, words) {
  const command = [program, "audit", "--log", where, "--log-vkey", vkey];
  const [first, ...rest] = canPin ? ["taskset", "-c", "1", ...command] : command;
  const from = Date.now();
  const child = spawn(first, rest, { stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  let used = 0;
  const watch = setInterval(() => { used = ticksOf(child.pid)?.ticks / 100 || used; }, 50);
  const status = await ended;
  clearInterval(watch);
  const seconds = (Date.now() - from) / 1000;
  console.log(`Rust, ${words}: ${seconds.toFixed(1)} s, ${Math.round(entries / seconds)} entries a second; ${used.toFixed(1)} s of CPU, ${Math.round(entries / used)} entries/s of CPU (status ${status})`);
}

/** Whether processes can be given one core of several. */
const canPin = cpus().length > 1 && (() => {
  try {
    execFileSync("taskset", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();
const pin = (pid, core) => execFileSync("taskset", ["-a", "-p", "-c", `${core}`, `${pid}`], { stdio: "ignore" });

async function audit(tab, browser, url, size, everyTile, words) {
  await tab.go(`${url}explorer/audit.html`);
  await tab.sees("Audit the log");
  if (canPin) processes(browser.child.pid).forEach(({ pid }) => pin(pid, 1));
  const before = cpu(browser.child.pid);
  await tab.evaluate(`document.getElementById("every-tile").checked = ${everyTile}`);
  await tab.click("#acts button");
  const isDone = () => tab.evaluate("document.getElementById('acts').textContent === 'Audit again'");
  while (!(await isDone())) await new Promise((resolve) => setTimeout(resolve, 250));
  const after = cpu(browser.child.pid);
  const spent = Object.entries(after).map(([kind, seconds]) => [kind, seconds - (before[kind] ?? 0)]);
  const used = after.all - before.all;
  const text = await tab.text();
  const rate = /[0-9.]+ s, [0-9,\u202f]+ entries a second/.exec(text)?.[0] ?? text;
  if (!text.includes("No findings")) throw new Error(text);
  console.log(`audit in the tab, ${words}, ${everyTile ? "every tile" : "a sample of tiles"}: ${rate}; ${used.toFixed(1)} s of CPU in all processes of the browser, ${Math.round(size / used)} entries/s of CPU`);
  console.log(`  ${spent.filter(([kind, seconds]) => kind !== "all" && seconds >= 0.1).map(([kind, seconds]) => `${kind} ${seconds.toFixed(1)} s`).join(", ")}`);
}

/** The log as files in a folder that a server in this process serves. */
async function servedHere(folder, size) {
  const begun = Date.now();
  if (!existsSync(join(folder, "checkpoint"))) {
    makeLog(folder, size);
    console.log(`made ${size} entries in ${((Date.now() - begun) / 1000).toFixed(0)} s`);
  }
  return serveFiles(folder, DIST);
}

async function paint(tab, url, vkey, entries) {
  await tab.go(`${url}#vkey=${encodeURIComponent(vkey)}`);
  await tab.sees("Signed by the log");
  await tab.sees("were read, each with its inclusion proof");
  const paints = await tab.evaluate("performance.getEntriesByType('paint').map(({ name, startTime }) => `${name} ${startTime.toFixed(0)} ms`).join(', ')");
  console.log(`front page of ${entries} entries: ${paints}`);
  await tab.go(url);
  const start = Date.now();
  await tab.sees("Signed by the log");
  console.log(`checkpoint verified ${Date.now() - start} ms after the second visit began`);
}

const size = Number(process.argv[2] ?? 10_000_000);
const isAudited = process.argv[3] !== "paint";
const { VOUCHLOG_LOG: kept, VOUCHLOG_PROGRAM: program, VOUCHLOG_URL: elsewhere, VOUCHLOG_VKEY: vkey = keys.log.vkey } = process.env;
const folder = kept ?? mkdtempSync(join(tmpdir(), "vouchlog-speed-"));
let files;
let browser;
try {
  if (elsewhere === undefined) files = await servedHere(folder, size);
  const url = elsewhere ?? files.url;
  const entries = Number((await (await fetch(new URL("checkpoint", url))).text()).split("\n")[1]);
  if (canPin) pin(process.pid, 0);
  console.log(canPin ? "one core for each auditor" : "the auditors have all cores");
  browser = new Browser(chromium());
  const tab = await browser.tab({ context: await browser.context() });
  await paint(tab, url, vkey, entries);
  for (const offersBundles of isAudited ? [true, false] : []) {
    if (files !== undefined) files.offersBundles = offersBundles;
    else if (!offersBundles) break;
    const words = offersBundles ? "several bundles in one response" : "files";
    await audit(tab, browser, url, entries, false, words);
    if (!offersBundles || files === undefined) await audit(tab, browser, url, entries, true, "each object by its path");
  }
  if (isAudited && program !== undefined) {
    if (files !== undefined) await auditInRust(program, folder, vkey, entries, "the same files");
    await auditInRust(program, url, vkey, entries, "over HTTP from the same server");
  }
} finally {
  await browser?.close();
  files?.close();
  if (kept === undefined) rmSync(folder, { recursive: true, force: true });
}
