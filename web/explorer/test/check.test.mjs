// Goal: the page that checks files, opened from disk without a network, and as a court file, never says "verified" of a file that the package refuses,
// nor by keys that its reader did not give.
// Method: Chromium, and Firefox where puppeteer-core is installed, drive the built page; the files are those of the real program.
//
// Chromium is needed. axe-core and puppeteer-core are looked for in `VOUCHLOG_PAGES`, or where tests/pages is installed. A test whose tool is missing says so.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import { Browser, chromium } from "./browser.mjs";
import { needsFirefox, startFirefox } from "./firefox.mjs";
import * as v from "../../verify/dist/index.js";
import { keys, soundLog } from "../../verify/test/log.mjs";
import { MlDsaKey } from "../../verify/test/ml_dsa.mjs";
import { BOTH_WITNESSES, LOG_VKEY, MUTATED, mutations } from "../../verify/test/mutate.mjs";
import { bytesOf, FILES, outcome, seed, TestKey, textOf } from "../../verify/test/support.mjs";

const PAGE = fileURLToPath(new URL("../dist/explorer/verify.html", import.meta.url));
const TOOLS = process.env.VOUCHLOG_PAGES ?? fileURLToPath(new URL("../../../tests/pages", import.meta.url));
const AXE = join(TOOLS, "node_modules/axe-core/axe.min.js");
const SHOTS = process.env.VOUCHLOG_SHOTS;
const LONG = process.env.VOUCHLOG_LONG_TESTS === "1";
const MUTATIONS = Number(process.env.VOUCHLOG_MUTATIONS ?? (LONG ? 10_000 : 40));
/** Files that the page checks at once. */
const AT_ONCE = 20;
const found = chromium();
const needsBrowser = found === null ? { skip: "no Chromium" } : {};
const needsAxe = found === null || !existsSync(AXE) ? { skip: "no Chromium, or axe-core is not installed (tests/pages)" } : {};

let browser;
const folder = mkdtempSync(join(tmpdir(), "vouchlog-check-"));
before(() => {
  if (found !== null) browser = new Browser(found);
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true });
});

/** A tab without a network. */
async function offline(url) {
  const tab = await browser.tab({ context: await browser.context() });
  await tab.send("Network.enable");
  await tab.send("Network.emulateNetworkConditions", { offline: true, latency: 0, downloadThroughput: 0, uploadThroughput: 0 });
  await tab.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-reduced-motion", value: "reduce" }] });
  await tab.go(url);
  await tab.sees("This page loads nothing");
  return tab;
}

const set = (id, value) => `document.getElementById(${JSON.stringify(id)}).value = ${JSON.stringify(value)};`;
const useKeys = (vkey, policy, gateways = "") =>
  `${set("vkey", vkey)} ${set("policy", policy)} ${set("gateways", gateways)} document.querySelector('#key-form button').click();`;

/** Drops files as a person does, named and with these bytes. */
const drop = (files) => `{
  const data = new DataTransfer();
  for (const [name, base64] of ${JSON.stringify(files.map(({ name, bytes }) => [name, Buffer.from(bytes).toString("base64")]))}) {
    data.items.add(new File([Uint8Array.from(atob(base64), (one) => one.charCodeAt(0))], name));
  }
  document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}`;

/** What the page says of each file: name, words and class of its status. */
const RESULTS = `[...document.querySelectorAll('.result')].map((one) => {
  const pill = one.querySelector('.sec-h .st');
  return [one.querySelector('h2').textContent, pill.textContent, pill.className];
})`;

async function check(tab, files) {
  await tab.evaluate(drop(files));
  const names = JSON.stringify(files.map(({ name }) => name));
  await tab.until(`JSON.stringify(${RESULTS}.slice(0, ${files.length}).map(([name]) => name)) === ${JSON.stringify(names)} && ${RESULTS}.every(([, words]) => words !== '')`);
  return (await tab.evaluate(RESULTS)).slice(0, files.length);
}

/** A page with the keys of the test's log. */
async function ready(policy = BOTH_WITNESSES, vkey = LOG_VKEY, url = pathToFileURL(PAGE).href) {
  const tab = await offline(url);
  await tab.evaluate(useKeys(vkey, policy));
  return tab;
}

const isGood = ([, , classes]) => classes.split(" ").includes("ok");

test("the page runs the one script that its policy names, and may load and send nothing", () => {
  const html = readFileSync(PAGE, "utf8");
  const [, script] = /<script>([^]*)<\/script>\n<\/body>\n<\/html>\n$/.exec(html);
  const [, style] = /<style>([^]*?)<\/style>/.exec(html);
  const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  assert.ok(html.includes(`content="default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; base-uri 'none'; form-action 'none'"`));
  assert.equal(html.match(/<script/g).length, 1);
});

test("from disk and without a network each kind of file is verified, with every check", needsBrowser, async () => {
  const tab = await ready();
  const files = MUTATED.filter(({ name }) => !name.startsWith("receipt"));
  const results = await check(tab, files);
  for (const [place, { name, kind }] of files.entries()) {
    const [shown, words] = results[place];
    assert.equal(shown, name);
    // What an auditor observed proves nothing, and is not shown as verified.
    assert.equal(words, kind === "evidence" ? "Observed, not provable" : "Verified");
    const checks = await tab.evaluate(`[...document.querySelectorAll('.result')[${place}].querySelectorAll('.checks li')].map((one) => one.className)`);
    assert.equal(checks.length, v.CHECKS[kind].length, name);
    assert.ok(checks.every((state) => state === ""), name);
    const limits = await tab.evaluate(`[...document.querySelectorAll('.result')[${place}].querySelectorAll('.limits h3')].map((one) => one.textContent)`);
    assert.deepEqual(limits, ["What this shows", "What this does not show"], name);
  }
  assert.deepEqual(tab.errors, []);
});

test("a checkpoint with an ML-DSA-44 cosignature is verified, and none with a bit changed", needsBrowser, async () => {
  const witness = new MlDsaKey("pq.example.com", 30);
  const { log } = soundLog(20);
  const tab = await ready(`witness pq ${witness.vkey}\nquorum pq\n`, keys.log.vkey);
  const sound = Buffer.from(log.checkpoint(undefined, { witness }));
  // In the signature, not in its base64 padding.
  const place = sound.lastIndexOf("pq.example.com ") + 900;
  const broken = Buffer.from(sound);
  broken[place] = broken[place] === 65 ? 66 : 65;
  const results = await check(tab, [{ name: "sound", bytes: sound }, { name: "broken", bytes: broken }]);
  assert.deepEqual(results.map(([, words]) => words), ["Verified", "Does not verify"]);
});

test("nothing is checked without a key, and nothing holds by another", needsBrowser, async () => {
  const tab = await offline(pathToFileURL(PAGE).href);
  const files = MUTATED.filter(({ name }) => !name.startsWith("receipt"));
  assert.ok((await check(tab, files)).every(([, words, classes]) => words === "Not checked" && !classes.includes("ok")));
  const stranger = new TestKey(LOG_VKEY.split("+")[0], 1, seed(9)).vkey;
  await tab.evaluate(useKeys(stranger, BOTH_WITNESSES));
  await tab.sees("Does not verify");
  assert.ok((await tab.evaluate(RESULTS)).every(([, words]) => words === "Does not verify"));
  await tab.evaluate(useKeys("nonsense", ""));
  await tab.sees("These cannot be used");
  assert.ok((await tab.evaluate(RESULTS)).every((one) => !isGood(one)));
});

test("without a policy the page says that no witness was asked for", needsBrowser, async () => {
  const tab = await ready("");
  await check(tab, MUTATED.filter(({ kind }) => kind === "presentation"));
  const [[, words, classes]] = await tab.evaluate(RESULTS);
  assert.deepEqual([words, classes.includes("warn")], ["Verified, signed by the log only", true]);
  assert.match(await tab.text(), /You entered no policy, so no witness was asked for/);
});

test("a file that holds because nothing is in it is not shown as verified", needsBrowser, async () => {
  const tab = await ready();
  const empty = (name, member) => ({ name, bytes: Buffer.from(JSON.stringify({ ...JSON.parse(textOf(name, FILES)), [member]: [] })) });
  const files = [empty("session.json", "records"), empty("streams.completeness.json", "streams"), empty("sample.json", "entries")];
  assert.deepEqual((await check(tab, files)).map(([, words]) => words), files.map(() => "Shows nothing"));
});

test("a field that was changed is named, and the rest of the file is not shown", needsBrowser, async () => {
  const tab = await ready();
  const presented = JSON.parse(textOf("presentation.json", FILES));
  const forged = Buffer.from(JSON.stringify(["c2FsdA", "outcome", { state: "<img src=x onerror=alert(1)>" }])).toString("base64url");
  const bytes = Buffer.from(JSON.stringify({ ...presented, sd_jwt: `${presented.sd_jwt}${forged}~` }));
  const [[, words]] = await check(tab, [{ name: "</h2><script>alert(1)</script>", bytes }]);
  assert.equal(words, "Does not verify");
  const section = await tab.evaluate("document.querySelector('.result').innerText");
  assert.match(section, /field "outcome" is not in the signed statement/);
  assert.match(section, /Not checked/);
  assert.doesNotMatch(section, /u-20931/);
  assert.equal(await tab.evaluate("document.querySelectorAll('.result script, .result img').length"), 0);
  assert.deepEqual(tab.errors, []);
});

for (const file of MUTATED) {
  test(`the page judges ${MUTATIONS} mutations of ${file.name} as the package does`, needsBrowser, async () => {
    const tab = await ready(file.policy);
    const trust = new v.Trust({ logVkey: LOG_VKEY, policy: file.policy });
    let [batch, judged, refused] = [[{ name: "untouched", bytes: file.bytes }], 0, 0];
    const judge = async () => {
      const results = await check(tab, batch);
      for (const [at, { name, bytes, mutation }] of batch.entries()) {
        const holds = (await outcome(() => v.verifyFile(bytes, trust))) === null;
        assert.equal(results[at][1] !== "Does not verify", holds, `${file.name}: ${name}`);
        // What a signature or a hash covers is never accepted.
        if (holds && mutation !== undefined) assert.ok(mutation.place.isUncovered, `${file.name}: ${mutation.place.where}`);
        assert.ok(holds || results[at][2].includes("bad"), name);
        judged++;
        refused += holds ? 0 : 1;
      }
      batch = [];
    };
    for (const mutation of mutations(file, MUTATIONS)) {
      batch.push({ name: `byte ${mutation.at}, number ${judged + batch.length}`, bytes: mutation.mutated, mutation });
      if (batch.length >= AT_ONCE) await judge();
    }
    if (batch.length > 0) await judge();
    assert.equal(judged, MUTATIONS + 1);
    console.log(`# ${file.name}: the page refused ${refused} of ${MUTATIONS}`);
  });
}

/** A court file as the program writes it: the page, and data behind it. */
function courtFile(change = (data) => data) {
  const html = readFileSync(PAGE);
  const text = (name) => textOf(name, FILES);
  const data = change({
    format: "vouchlog/v1 court", title: "Session sess-4c19", made: "2026-11-27 09:14:20 UTC", basis: "case 17 </script><!-- <script>alert(1)</script>",
    log_vkey: LOG_VKEY, policy: BOTH_WITNESSES, gateway_vkeys: "",
    files: [{ name: "session.json", text: text("session.json") }, { name: "streams.completeness.json", text: text("streams.completeness.json") }],
    rules: [{ code: "R26", title: "DENIED_BUT_EXECUTED", text: "a policy denied the action" }],
    verifier: { bytes: html.length, sha256: createHash("sha256").update(html).digest("hex"), proof: null },
  });
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  return Buffer.concat([html, Buffer.from(`<script type="application/json" id="vouchlog-court">${json}</script>\n`)]);
}

function written(name, bytes) {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return pathToFileURL(path).href;
}

test("a court file checks itself by the keys in it, says so, and by the reader's own once they are confirmed", needsBrowser, async () => {
  const tab = await offline(written("court.html", courtFile()));
  await tab.sees("Holds by the keys in this file");
  const before = await tab.evaluate(RESULTS);
  assert.equal(before.length, 2);
  assert.ok(before.every((one) => !isGood(one)), JSON.stringify(before));
  assert.deepEqual(await tab.evaluate("[...document.querySelectorAll('.st.ok, .pill.ok, h3.ok')].map((one) => one.textContent)"), [], "nothing is good by the keys in the file");
  const text = await tab.text();
  for (const words of ["given by the maker of this file: compare with your own source", "head -c", "Its digest is not in the log", "DENIED_BUT_EXECUTED", "case 17 </script>"]) {
    assert.ok(text.includes(words), words);
  }
  await tab.click("#key-form button");
  await tab.until(`${RESULTS}.every(([, words]) => words === 'Verified')`);
  const other = new TestKey(LOG_VKEY.split("+")[0], 1, seed(9)).vkey;
  await tab.evaluate(useKeys(other, BOTH_WITNESSES));
  await tab.until(`${RESULTS}.every(([, words]) => words === 'Does not verify')`);
  assert.deepEqual(tab.errors, []);
});

test("the page shows whether the log has the digest that a court file claims of its program", needsBrowser, async () => {
  // The receipt's entry stands in for that of the program: its digest is the claimed one here.
  const proof = textOf("receipt.tlog-proof", FILES);
  const policy = textOf("policy.txt", FILES);
  const { entry } = await v.verifyProofFile(proof, new v.Trust({ logVkey: LOG_VKEY, policy }));
  const claim = (sha256) => (data) => ({ ...data, policy, verifier: { ...data.verifier, sha256, proof } });
  const right = await offline(written("right.html", courtFile(claim(entry.digest))));
  await right.sees(`The claimed digest is entry ${v.parseProofFile(proof).index} of the log, by the keys in this file`);
  const wrong = await offline(written("wrong.html", courtFile(claim("00".repeat(32)))));
  await wrong.sees("The log does not have the claimed digest");
});

test("a court file that is damaged verifies nothing", needsBrowser, async () => {
  const whole = courtFile();
  const at = whole.lastIndexOf('{"format":"vouchlog/v1 court') + 2;
  const damaged = { "format.html": Buffer.from(whole), "cut.html": whole.subarray(0, whole.length - 400) };
  damaged["format.html"][at] ^= 1;
  for (const [name, bytes] of Object.entries(damaged)) {
    const tab = await offline(written(name, bytes));
    await tab.sees("What this file carries is damaged");
    assert.deepEqual(await tab.evaluate(RESULTS), [], name);
  }
  // One byte of the program: the browser does not run it.
  const program = Buffer.from(whole);
  program[program.indexOf("quorum")] ^= 1;
  const tab = await offline(written("program.html", program));
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(await tab.evaluate("document.querySelectorAll('.result').length"), 0);
});

test("axe-core finds nothing serious, and nothing is wider than the screen", needsAxe, async () => {
  const axe = readFileSync(AXE, "utf8");
  const forged = MUTATED.find(({ kind }) => kind === "presentation");
  const broken = forged.bytes.slice();
  broken[200] ^= 1;
  for (const [name, open] of [["check-file", () => ready()], ["court-file", () => offline(written("court.html", courtFile((data) => ({ ...data, basis: "case 17" }))))]]) {
    for (const [width, dark] of [[360, true], [800, false], [1400, false]]) {
      const tab = await open();
      if (name === "check-file") await check(tab, [...MUTATED.filter(({ name }) => !name.startsWith("receipt")), { name: "altered.json", bytes: broken }]);
      else await tab.sees("Holds by the keys");
      await tab.send("Emulation.setDeviceMetricsOverride", { width, height: 900, deviceScaleFactor: 1, mobile: false });
      await tab.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }, { name: "prefers-reduced-motion", value: "reduce" }] });
      assert.ok(await tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), `${name} at ${width}`);
      await tab.evaluate(axe);
      const violations = await tab.evaluate("axe.run().then(({ violations }) => violations.map(({ id, impact, nodes }) => [id, impact, nodes[0].html]))");
      assert.deepEqual(violations.filter(([, impact]) => ["serious", "critical"].includes(impact)), [], `${name} at ${width}`);
      if (SHOTS !== undefined) {
        mkdirSync(SHOTS, { recursive: true });
        await tab.screenshot(join(SHOTS, `${name}-${width}.png`), width, { dark, full: false, height: 1600 });
      }
    }
  }
});

test("Firefox verifies the same files and the court file from disk", needsFirefox, async () => {
  const firefox = await startFirefox();
  try {
    const page = await firefox.newPage();
    const results = async (count) => {
      await page.waitForFunction(`document.querySelectorAll('.result').length === ${count}`);
      return page.evaluate(RESULTS);
    };
    await page.goto(pathToFileURL(PAGE).href);
    await page.evaluate(useKeys(LOG_VKEY, BOTH_WITNESSES));
    const files = MUTATED.filter(({ name }) => !name.startsWith("receipt"));
    const broken = bytesOf("sample.json", FILES);
    broken[300] ^= 1;
    await page.evaluate(drop([...files, { name: "broken.json", bytes: broken }]));
    const words = (await results(files.length + 1)).map(([, words]) => words);
    assert.deepEqual(words, [...files.map(({ kind }) => (kind === "evidence" ? "Observed, not provable" : "Verified")), "Does not verify"]);
    await page.goto(written("firefox.html", courtFile()));
    assert.ok((await results(2)).every(([, words]) => words === "Holds by the keys in this file"));
  } finally {
    await firefox.close();
  }
});
