// Goal: in a real browser the pages show what is wrong with a log as such, and never say "yes" by a key that nobody confirmed.
// Method: Chromium, driven over its protocol; logs in memory on a server of files, and the real program where `VOUCHLOG_PROGRAM` names it.
//
// Chromium is needed; axe-core is looked for in `VOUCHLOG_PAGES`, or where tests/pages is installed. A test whose tool is missing says so.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { after, before } from "node:test";

import { Browser, chromium } from "./browser.mjs";
import { screenshots } from "./shots.mjs";
import { auditsEveryTile, bucket, confirm, fragment, good, PAGES, VKEY } from "./visits.mjs";
import { copyLog, serveFiles, World } from "./world.mjs";
import { keys, POLICY, soundLog, TestLog } from "../../verify/test/log.mjs";
import { MlDsaKey } from "../../verify/test/ml_dsa.mjs";
import { TestKey, seed, utf8 } from "../../verify/test/support.mjs";

const PROGRAM = process.env.VOUCHLOG_PROGRAM;
const SHOTS = process.env.VOUCHLOG_SHOTS;
const AXE = join(process.env.VOUCHLOG_PAGES ?? fileURLToPath(new URL("../../../tests/pages", import.meta.url)), "node_modules/axe-core/axe.min.js");
const found = chromium();
const needsBrowser = found === null ? { skip: "no Chromium" } : {};
const needsAxe = found === null || !existsSync(AXE) ? { skip: "no Chromium, or axe-core is not installed (tests/pages)" } : {};
const needsProgram = found === null || PROGRAM === undefined ? { skip: "no Chromium, or VOUCHLOG_PROGRAM is not set" } : {};

let browser;
before(() => {
  if (SHOTS) mkdirSync(SHOTS, { recursive: true });
  if (found !== null) browser = new Browser(found);
});
after(() => browser?.close());

/** A tab with storage of its own. */
async function fresh() {
  return browser.tab({ context: await browser.context() });
}

test("no page says anything good by a key that nobody confirmed", needsBrowser, async (t) => {
  const served = await bucket(t, soundLog().log, (objects) => {
    objects.set("explorer/log.vkey", utf8(VKEY));
    objects.set("explorer/policy.txt", utf8(POLICY));
  });
  const tab = await fresh();
  for (const [page, done] of PAGES) {
    await tab.go(served.url + page);
    const text = await tab.sees(done);
    assert.match(text, /Key taken from the log itself: not verified/, page);
    assert.deepEqual(await good(tab), [], page);
  }
  await confirm(tab, served.url);
  for (const [page, done] of PAGES) {
    await tab.go(served.url + page);
    await tab.sees(done);
    assert.ok((await good(tab)).includes("Confirmed by you"), page);
  }
  assert.deepEqual(tab.errors, []);
});

test("without a key nothing is checked", needsBrowser, async (t) => {
  const served = await bucket(t, soundLog().log);
  const tab = await fresh();
  await tab.go(served.url);
  assert.match(await tab.sees("No key is known for this log."), /Nothing is checked without it/);
  assert.ok(!served.requests.includes("checkpoint"));
  await tab.evaluate("document.getElementById('vkey').value = 'nonsense'");
  await tab.click("#key-form button[type=submit]");
  await tab.sees("This cannot be used");
});

test("another key, by a link or by the server, is an alarm and replaces nothing", needsBrowser, async (t) => {
  const served = await bucket(t, soundLog().log);
  const tab = await fresh();
  await confirm(tab, served.url);
  const other = new TestKey(keys.log.name, 1, seed(77)).vkey;
  await tab.go(`${served.url}${fragment(other)}`);
  await tab.sees("Two keys claim to be this log's");
  await tab.go(served.url);
  assert.doesNotMatch(await tab.sees("Confirmed by you"), /Two keys/);
  served.objects.set("explorer/log.vkey", utf8(other));
  await tab.go(served.url);
  assert.match(await tab.sees("Two keys claim to be this log's"), /taken from the log itself/);
});

test("a checkpoint by another key does not verify", needsBrowser, async (t) => {
  const { log } = soundLog();
  const served = await bucket(t, log, (objects) => objects.set("checkpoint", utf8(log.checkpoint(undefined, { by: new TestKey(keys.log.name, 1, seed(77)) }))));
  const tab = await fresh();
  await tab.go(`${served.url}${fragment()}`);
  await tab.sees("The checkpoint does not verify");
  assert.deepEqual(await good(tab), []);
});

test("a log that grew is consistent, and one that forked or shrank is an alarm at every visit", needsBrowser, async (t) => {
  const { log, streams } = soundLog(600);
  const fork = soundLog(598).log;
  const served = await bucket(t, log);
  const tab = await fresh();
  await confirm(tab, served.url);
  await tab.sees("Unchanged");
  log.state(streams[1]);
  served.objects = log.served();
  await tab.go(served.url);
  await tab.sees("The tree that you saw is contained in today's log");
  for (let at = 0; at < 5; at++) fork.state([...fork.streams.keys()][1]);
  served.objects = fork.served();
  for (let visit = 0; visit < 2; visit++) {
    await tab.go(served.url);
    assert.match(await tab.sees("This log shows two histories"), /split-view|inconsistent-heads/);
  }
  await tab.go(`${served.url}explorer/audit.html`);
  assert.match(await tab.sees("Audit again"), /inconsistent-heads|split-view/);
  // Another history that is shorter: its hashes prove nothing about the longer one.
  served.objects = soundLog(100).log.served();
  await tab.go(served.url);
  await tab.sees("This log became smaller");
  const shrunk = new TestLog();
  shrunk.entries = log.entries.slice(0, 300);
  served.objects = new Map([...log.served(), ...shrunk.served()]);
  await tab.go(served.url);
  assert.match(await tab.sees("This log became smaller"), /shrunken-log/);
  await tab.go(`${served.url}explorer/audit.html`);
  assert.match(await tab.sees("Audit again"), /shrunken-log/);
});

test("a gap is red in its lane, named by the audit, and keeps a stream from being proven", needsBrowser, async (t) => {
  const { log, streams } = soundLog(100);
  log.state(streams[1], 2, 999);
  const served = await bucket(t, log);
  const tab = await fresh();
  await confirm(tab, served.url);
  await tab.go(`${served.url}explorer/streams.html`);
  assert.match(await tab.sees("stream-gap"), /has sequence number 999 where/);
  assert.equal(await tab.evaluate("document.querySelectorAll('.lanes .v-bad').length"), 1);
  await tab.click(`#stream-${streams[1]} button`);
  await tab.sees("The stream is not shown to be complete");
  await tab.click(`#stream-${streams[0]} button`);
  const text = await tab.sees("Save completeness file");
  assert.match(text, /Statements 0 to 49 follow one another/);
  await tab.go(`${served.url}explorer/audit.html`);
  assert.match(await tab.sees("Audit again"), /Critical[\s\S]*stream-gap · R60/);
  if (SHOTS) await tab.screenshot(join(SHOTS, "explorer-audit-gap.png"), 800);
});

test("an altered entry, and a pruned one, are told apart", needsBrowser, async (t) => {
  const { log } = soundLog(600);
  const served = await bucket(t, log, (objects) => {
    const bundle = Uint8Array.from(objects.get("tile/entries/000"));
    bundle[bundle.length - 1] ^= 1;
    objects.set("tile/entries/000", bundle);
  });
  const tab = await fresh();
  await confirm(tab, served.url);
  await tab.go(`${served.url}explorer/entry.html?q=255`);
  await tab.sees("Entry 255 does not verify");
  assert.doesNotMatch(await tab.text(), /Included/);
  await tab.go(`${served.url}explorer/audit.html`);
  assert.match(await tab.sees("Audit again"), /altered-entry/);
  served.objects.delete("tile/entries/000");
  await tab.go(`${served.url}explorer/entry.html?q=255`);
  await tab.sees("Entry 255 could not be read");
  await tab.go(`${served.url}explorer/audit.html`);
  const text = await tab.sees("Audit again");
  assert.match(text, /missing-bundle/);
  assert.doesNotMatch(text, /No findings/);
});

test("a log of opaque bytes that was pruned is shown as pruned", needsBrowser, async (t) => {
  const log = new TestLog();
  for (let at = 0; at < 600; at++) log.push(utf8(`entry ${at}`));
  const served = await bucket(t, log, (objects) => objects.delete("tile/entries/000"));
  const tab = await fresh();
  await confirm(tab, served.url);
  await tab.go(`${served.url}explorer/audit.html`);
  assert.match(await tab.sees("Audit again"), /the log looks pruned[\s\S]*missing-bundle/);
});

test("a long log is audited by a sample of hash tiles, and by every tile if the reader ticks the box", needsBrowser, async (t) => auditsEveryTile(t, await fresh()));

test("an old checkpoint is stale, and one without its quorum is not witnessed", needsBrowser, async (t) => {
  const { log } = soundLog();
  const served = await bucket(t, log);
  const tab = await fresh();
  await confirm(tab, served.url, POLICY);
  await tab.sees("Quorum met");
  await tab.go(`${served.url}explorer/audit.html`);
  assert.match(await tab.sees("Audit again"), /stale-checkpoint/);
  served.objects.set("checkpoint", utf8(log.checkpoint(undefined, { witness: null })));
  await tab.go(served.url);
  await tab.sees("No quorum");
  const text = await tab.evaluate("document.getElementById('facts').innerText");
  assert.doesNotMatch(text, /Quorum met/);
  served.objects.set("checkpoint", utf8(log.checkpoint(undefined, { witness: new TestKey(keys.witness.name, 4, seed(78)) })));
  await tab.go(`${served.url}explorer/audit.html`);
  assert.match(await tab.sees("Audit again"), /missing-quorum/);
});

test("ML-DSA-44 cosignatures are verified, and their module is loaded only for a policy that names such a key", needsBrowser, async (t) => {
  const { log } = soundLog();
  const [witness, other] = [new MlDsaKey("pq.example.com", 30), new MlDsaKey("pq.example.com", 31)];
  const served = await bucket(t, log, (objects) => objects.set("checkpoint", utf8(log.checkpoint(undefined, { witness }))));
  const policy = `witness pq ${witness.vkey}\nquorum pq\n`;
  const isLoaded = () => served.requests.some((path) => path.includes("ml-dsa"));
  const plain = await fresh();
  await confirm(plain, served.url, POLICY);
  await plain.sees("No quorum");
  assert.ok(!isLoaded());
  const tab = await fresh();
  await confirm(tab, served.url, policy);
  assert.match(await tab.sees("Quorum met"), /1 of 1 cosigned/);
  assert.ok(isLoaded());
  await tab.go(`${served.url}explorer/audit.html`);
  assert.match(await tab.sees("Audit again"), /No findings\./);
  await tab.go(`${served.url}explorer/entry.html?q=7`);
  await tab.sees("Equals the signed root");
  await tab.go(`${served.url}explorer/compare.html`);
  await tab.sees("This log serves here");
  // A signature by another key in its name and id, and none at all.
  const forged = log.checkpoint(undefined, { witness: { sign: (text) => Object.assign(other, { id: witness.id }).sign(text) } });
  served.objects.set("checkpoint", utf8(forged));
  await tab.go(served.url);
  assert.doesNotMatch(await tab.sees("Forged cosignature"), /Quorum met/);
  await tab.go(`${served.url}explorer/audit.html`);
  assert.match(await tab.sees("Audit again"), /forged-cosignature/);
  assert.deepEqual(tab.errors, []);
});

test("without its module nothing is checked by a policy with an ML-DSA-44 key", needsBrowser, async (t) => {
  const witness = new MlDsaKey("pq.example.com", 30);
  const { log } = soundLog();
  const served = await bucket(t, log, (objects) => {
    objects.set("checkpoint", utf8(log.checkpoint(undefined, { witness })));
    objects.set("explorer/noble-ml-dsa.js", utf8("export {};"));
  });
  const tab = await fresh();
  await tab.go(`${served.url}${fragment(VKEY, `witness pq ${witness.vkey}\nquorum pq\n`)}`);
  assert.match(await tab.sees("cannot be used"), /ML-DSA-44/);
  assert.deepEqual(await good(tab), []);
});

test("a log that cannot be read is no finding", needsBrowser, async (t) => {
  const served = await bucket(t, soundLog().log);
  const tab = await fresh();
  await confirm(tab, served.url);
  served.objects.delete("checkpoint");
  await tab.go(served.url);
  assert.match(await tab.sees("The log serves no checkpoint"), /missing-checkpoint/);
  assert.deepEqual(await tab.evaluate("[...document.querySelectorAll('#facts .st')].length"), 0);
});

test("what a log says is text and never markup", needsBrowser, async (t) => {
  const log = new TestLog();
  log.genesis();
  const hostile = new TestKey("<img/src=x/onerror=alert(1)>", 1, seed(50));
  log.enrol(hostile);
  const stream = log.open(hostile);
  log.state(stream);
  log.head(stream);
  const served = await bucket(t, log);
  const tab = await fresh();
  await confirm(tab, served.url);
  for (const [page, done] of [["", "<img/src"], ["explorer/streams.html", "<img/src"], ["explorer/entry.html?q=1", "<img/src"], ["explorer/audit.html", "Audit again"], ["explorer/entry.html?q=%3Cscript%3Ealert(1)%3C/script%3E", "neither an index"]]) {
    await tab.go(served.url + page);
    await tab.sees(done);
    assert.equal(await tab.evaluate("document.querySelectorAll('img, main script').length"), 0, page);
  }
  assert.deepEqual(tab.errors, []);
});

test("a second address and a checkpoint are compared, and a fork is proven", needsBrowser, async (t) => {
  const { log, streams } = soundLog(600);
  const served = await bucket(t, log);
  const older = new TestLog();
  older.entries = log.entries.slice(0, 300);
  const mirror = await bucket(t, older);
  const fork = await bucket(t, soundLog(500).log);
  const stranger = await bucket(t, soundLog().log, (objects) => objects.set("checkpoint", utf8(log.checkpoint(undefined, { by: new TestKey(keys.log.name, 1, seed(77)) }))));
  const tab = await fresh();
  await confirm(tab, served.url);
  await tab.go(`${served.url}explorer/compare.html`);
  await tab.sees("This log serves here");
  const compare = async (url, words) => {
    await tab.evaluate(`document.getElementById('second-result').textContent = ''; document.getElementById('url').value = ${JSON.stringify(url)}; document.querySelector('#second button').click()`);
    await tab.until(`document.getElementById('second-result').innerText.includes(${JSON.stringify(words)})`, words);
  };
  await compare(mirror.url, "Consistent");
  await compare(served.url, "The same head");
  await compare(fork.url, "Another history");
  await compare(stranger.url, "Not comparable");
  await compare(`${served.url}nothing/`, "There is no checkpoint");
  log.state(streams[1]);
  await tab.evaluate(`document.getElementById('checkpoint').value = ${JSON.stringify(log.checkpoint())}; document.querySelector('#paste button').click()`);
  await tab.until("document.getElementById('paste-result').innerText.includes('Not determined')");
});

test("without JavaScript the pages say what cannot be checked", needsBrowser, async (t) => {
  const served = await bucket(t, soundLog().log);
  const tab = await fresh();
  await tab.send("Emulation.setScriptExecutionDisabled", { value: true });
  for (const [page] of PAGES) {
    await tab.go(served.url + page);
    await tab.until("document.readyState === 'complete' && document.getElementById('main') !== null");
    assert.match(await tab.text(), /JavaScript is off/, page);
  }
});

test("without JavaScript a running log shows its checkpoint and its entries, as its own word", needsProgram, async (t) => {
  const world = await new World(PROGRAM).start();
  t.after(() => world.stop());
  const tab = await fresh();
  await tab.send("Emulation.setScriptExecutionDisabled", { value: true });
  await tab.go(world.url);
  assert.match(await tab.sees("What the server reports"), /JavaScript is off[\s\S]*Entries at the newest checkpoint\s+1[0-9][\s\S]*Verified\s+No\./);
  const find = (name) => tab.evaluate(`document.querySelector('form.nojs input').value = ${JSON.stringify(name)}; document.querySelector('form.nojs').submit()`);
  await find("0");
  assert.match(await tab.sees("Signed note"), /Kind\s+genesis[\s\S]*vouchlog\/v1 genesis/);
  const { entry } = await (await fetch(`${world.url}v1/inclusion?index=6`)).json();
  const digest = Buffer.from(entry, "base64").subarray(22).toString("hex");
  await find(digest);
  assert.match(await tab.sees("Sequence number"), new RegExp(`Index\\s+6 of a tree[\\s\\S]*${digest}[\\s\\S]*Verified\\s+No\\.`));
  await tab.evaluate("[...document.querySelectorAll('.nojs a')].find((one) => one.textContent === 'The entry after').click()");
  await tab.until("document.body.innerText.includes('7 of a tree')");
  // What scripts fill is hidden, and so is the report from those who have scripts.
  assert.equal(await tab.evaluate("[...document.querySelectorAll('.needs-js')].filter((one) => one.checkVisibility()).length"), 0);
  await tab.send("Emulation.setScrollbarsHidden", { hidden: true });
  for (const width of [360, 1024, 1600]) {
    await tab.send("Emulation.setDeviceMetricsOverride", { width, height: 900, deviceScaleFactor: 1, mobile: false });
    assert.ok(await tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), `${width}`);
    if (SHOTS) await tab.screenshot(join(SHOTS, `no-script-entry-${width}.png`), width, {});
  }
  const scripted = await fresh();
  await scripted.go(`${world.url}explorer/entry.html?q=6`);
  await scripted.sees("Equals the signed root");
  assert.equal(await scripted.evaluate("[...document.querySelectorAll('.nojs')].filter((one) => one.checkVisibility()).length"), 0);
});

test("without JavaScript a running log lists its gateways, streams and witnesses, as its own word", needsProgram, async (t) => {
  const world = await new World(PROGRAM).start();
  t.after(() => world.stop());
  const tab = await fresh();
  await tab.send("Emulation.setScriptExecutionDisabled", { value: true });
  await tab.send("Emulation.setScrollbarsHidden", { hidden: true });
  const shows = {
    streams: /cannot check the streams[\s\S]*Verified\s+No\.[\s\S]*support\.example\.com[\s\S]*enrolled by entry \d[\s\S]*(Open|Closed by its gateway)/,
    compare: /cannot compare[\s\S]*Newest checkpoint[\s\S]*\u2014 [\s\S]*Verified\s+No\.[\s\S]*vouchlog audit --log URL[\s\S]*The head of \d+ entries[\s\S]*The head of \d+ entries/,
    audit: /audits nothing[\s\S]*Entries to read\s+1[0-9][\s\S]*Verified\s+Nothing\.[\s\S]*vouchlog audit --log URL/,
  };
  for (const [page, words] of Object.entries(shows)) {
    await tab.go(`${world.url}explorer/${page}.html`);
    assert.match(await tab.sees("What the server reports"), words, page);
    // What scripts fill is hidden.
    assert.equal(await tab.evaluate("[...document.querySelectorAll('.needs-js')].filter((one) => one.checkVisibility()).length"), 0, page);
    for (const width of [360, 1024, 1600]) {
      await tab.send("Emulation.setDeviceMetricsOverride", { width, height: 900, deviceScaleFactor: 1, mobile: false });
      assert.ok(await tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), `${page} at ${width}`);
      if (SHOTS) await tab.screenshot(join(SHOTS, `no-script-${page}-${width}.png`), width, {});
    }
  }
  // The entry that opened a stream is a link away.
  await tab.go(`${world.url}explorer/streams.html`);
  await tab.sees("What the server reports");
  await tab.evaluate("document.querySelector('.nojs tbody a').click()");
  assert.match(await tab.sees("Signed note"), /Kind\s+stream-opened/);
  // Those who have scripts see nothing of it.
  const scripted = await fresh();
  for (const page of Object.keys(shows)) {
    await scripted.go(`${world.url}explorer/${page}.html`);
    await scripted.until("document.readyState === 'complete'");
    assert.equal(await scripted.evaluate("[...document.querySelectorAll('.nojs')].filter((one) => one.checkVisibility()).length"), 0, page);
  }
});

test("axe-core finds nothing serious without JavaScript, in both colour schemes", { skip: needsProgram.skip ?? needsAxe.skip ?? false }, async (t) => {
  const axe = readFileSync(AXE, "utf8");
  const world = await new World(PROGRAM).start();
  t.after(() => world.stop());
  const tab = await fresh();
  for (const page of ["index.html", "explorer/entry.html?q=6", "explorer/streams.html", "explorer/compare.html", "explorer/audit.html"]) {
    await tab.send("Emulation.setScriptExecutionDisabled", { value: true });
    await tab.go(world.url + page);
    await tab.sees("What the server reports");
    // axe-core is a script: it runs once the page stands, and the page keeps the style of those without.
    await tab.send("Emulation.setScriptExecutionDisabled", { value: false });
    await tab.evaluate("for (const rule of document.styleSheets[0].cssRules) if (rule.media?.mediaText.includes('scripting')) rule.media.mediaText = 'all'");
    assert.ok(await tab.evaluate("document.querySelector('div.nojs h2').checkVisibility()"), page);
    for (const [scheme, width] of [["light", 1024], ["dark", 360]]) {
      await tab.send("Emulation.setDeviceMetricsOverride", { width, height: 900, deviceScaleFactor: 1, mobile: false });
      await tab.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
      await tab.evaluate(axe);
      const { violations } = await tab.evaluate("axe.run(document, { resultTypes: ['violations'] })");
      const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      assert.deepEqual(grave.map(({ id, nodes }) => `${id}: ${nodes[0].html} ${nodes[0].failureSummary}`), [], `${page}, ${scheme}`);
    }
  }
});

test("axe-core finds nothing serious, in both colour schemes", needsAxe, async (t) => {
  const axe = readFileSync(AXE, "utf8");
  const { log, streams } = soundLog();
  log.state(streams[1], 2, 999);
  const served = await bucket(t, log);
  const tab = await fresh();
  await tab.go(served.url);
  await tab.sees("No key is known");
  const check = async (page, scheme) => {
    await tab.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    await tab.evaluate(axe);
    const { violations } = await tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true); axe.run(document, { resultTypes: ['violations'] })");
    const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    assert.deepEqual(grave.map(({ id, nodes }) => `${id}: ${nodes[0].html} ${nodes[0].failureSummary}`), [], `${page}, ${scheme}`);
  };
  await check("no key", "light");
  await confirm(tab, served.url, POLICY);
  for (const [page, done] of PAGES) {
    await tab.go(served.url + page);
    await tab.sees(done);
    for (const scheme of ["light", "dark"]) await check(page, scheme);
  }
});

test("no page is wider than the screen, on a phone, a tablet and a desk", needsBrowser, async (t) => {
  const { log, streams } = soundLog();
  log.state(streams[1], 2, 999);
  const served = await bucket(t, log);
  const tab = await fresh();
  await confirm(tab, served.url, POLICY);
  for (const [page, done] of [...PAGES, ["explorer/verify.html", "Drop files here"]]) {
    for (const width of [360, 800, 1400]) {
      await tab.send("Emulation.setDeviceMetricsOverride", { width, height: 900, deviceScaleFactor: 1, mobile: false });
      await tab.go(served.url + page);
      await tab.sees(done);
      assert.ok(await tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), `${page} at ${width}`);
    }
  }
});

test("a live log with witnesses serves its own pages, which check it and extend at the next visit", needsProgram, async (t) => {
  const world = await new World(PROGRAM).start();
  t.after(() => world.stop());
  await browser.send("Browser.setDownloadBehavior", { behavior: "deny" });
  const tab = await fresh();
  // The log offers its key and its policy. Neither counts before it is confirmed.
  await tab.go(world.url);
  assert.match(await tab.sees("Attributable"), /Key taken from the log itself: not verified[\s\S]*2 of 2/);
  assert.deepEqual(await good(tab), []);
  await tab.until("document.getElementById('vkey').value !== ''");
  await tab.click("#key-form button[type=submit]");
  await tab.sees("Confirmed by you");
  assert.match(await tab.sees("Attributable"), /2 of 2 cosigned[\s\S]*Quorum met[\s\S]*Cosigned this checkpoint/);
  world.submit("support.example.com", 3);
  await tab.go(world.url);
  await tab.sees("The tree that you saw is contained in today's log");
  await tab.go(`${world.url}explorer/compare.html`);
  await tab.until("document.querySelectorAll('#witnesses tbody .st.ok').length === 2");
  const entries = await (await fetch(`${world.url}v1/inclusion?index=6`)).json();
  const digest = Buffer.from(entries.entry, "base64").subarray(22).toString("hex");
  await tab.go(`${world.url}explorer/entry.html?q=${digest}`);
  await tab.sees("Equals the signed root");
  await tab.go(`${world.url}explorer/audit.html`);
  assert.match(await tab.sees("Audit again"), /No findings\.[\s\S]*2 of 2/);
  await tab.go(`${world.url}explorer/streams.html`);
  await tab.sees("Prove complete");
  await tab.evaluate("window.saved = []; const make = URL.createObjectURL; URL.createObjectURL = (blob) => { saved.push(blob.text()); return make.call(URL, blob); }; document.querySelector('.q-col button').click()");
  await tab.sees("Save completeness file");
  await tab.evaluate("[...document.querySelectorAll('button')].find(one => one.textContent === 'Save completeness file').click()");
  writeFileSync(world.path("stream.completeness.json"), await tab.evaluate("saved[0]"));
  assert.match(world.run("verify", "stream.completeness.json", "--log-vkey", world.vkey, "--policy", "policy.txt"), /verified/i);
  assert.deepEqual(tab.errors, []);
  if (SHOTS) await screenshots(tab, world, SHOTS);
});

test("`explore` shows a log elsewhere, and writes the pages for a server of files", needsProgram, async (t) => {
  const world = await new World(PROGRAM).start();
  t.after(() => world.stop());
  const shown = await world.serve("explore", "--log", world.log.url, "--log-vkey", world.vkey, "--policy", "policy.txt", "--listen", "127.0.0.1:0");
  const tab = await fresh();
  await tab.go(shown.link);
  assert.match(await tab.sees("Attributable"), /Key brought by the link that you followed: not confirmed/);
  const { entry } = await (await fetch(`${world.url}v1/inclusion?index=6`)).json();
  const digest = Buffer.from(entry, "base64").subarray(22).toString("hex");
  assert.deepEqual(await (await fetch(`${shown.url}/v1/inclusion?digest=${digest}`)).json(), { index: 6 });
  await tab.go(`${shown.url}/explorer/entry.html?q=${digest}`);
  await tab.sees("Equals the signed root");
  world.run("explore", "--write", "bucket", "--log-vkey", world.vkey, "--policy", "policy.txt");
  await copyLog(world.url, world.path("bucket"));
  const files = await serveFiles(world.path("bucket"));
  t.after(() => files.close());
  await tab.go(files.url);
  assert.match(await tab.sees("Attributable"), /Key taken from the log itself: not verified/);
  assert.deepEqual(await good(tab), []);
  await tab.go(`${files.url}explorer/streams.html`);
  await tab.sees("Prove complete");
});
