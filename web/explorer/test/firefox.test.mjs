// Goal: the pages work in Firefox as they do in Chromium: a sound log is shown as such, and so is each way in which a log is not.
// Method: Debian's Firefox; logs in memory on a server of files, and the real program where `VOUCHLOG_PROGRAM` names it.
//
// Firefox and puppeteer-core are needed (see firefox.mjs). A test whose tool is missing says so.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { firefoxTab, hasFirefox, needsFirefox, startFirefox } from "./firefox.mjs";
import { auditsEveryTile, bucket, confirm, fragment, good, PAGES } from "./visits.mjs";
import { copyLog, serveFiles, World } from "./world.mjs";
import { POLICY, soundLog, TestLog } from "../../verify/test/log.mjs";
import { utf8 } from "../../verify/test/support.mjs";

const PROGRAM = process.env.VOUCHLOG_PROGRAM;
const needsProgram = !hasFirefox ? needsFirefox : PROGRAM === undefined ? { skip: "VOUCHLOG_PROGRAM is not set" } : {};

let firefox;
before(async () => {
  if (hasFirefox) firefox = await startFirefox();
});
after(() => firefox?.close());

test("Firefox: a sound log is good once its key is confirmed, and not before", needsFirefox, async (t) => {
  const served = await bucket(t, soundLog().log, (objects) => objects.set("explorer/policy.txt", utf8(POLICY)));
  const tab = await firefoxTab(firefox);
  for (const isConfirmed of [false, true]) {
    if (isConfirmed) await confirm(tab, served.url, POLICY);
    else await tab.go(`${served.url}${fragment()}`);
    for (const [page, done] of PAGES) {
      await tab.go(served.url + page);
      await tab.sees(done);
      assert.equal((await good(tab)).includes("Confirmed by you"), isConfirmed, page);
      if (!isConfirmed) assert.deepEqual(await good(tab), [], page);
    }
  }
  await tab.go(`${served.url}explorer/streams.html`);
  await tab.sees("Prove complete");
  await tab.click(".q-col button");
  await tab.sees("Save completeness file");
  assert.deepEqual(tab.errors, []);
});

test("Firefox: a fork, a gap, an altered entry, a pruned and a stale log are shown as such", needsFirefox, async (t) => {
  const { log, streams } = soundLog(600);
  const served = await bucket(t, log);
  const tab = await firefoxTab(firefox);
  await confirm(tab, served.url, POLICY);
  const audited = async () => {
    await tab.go(`${served.url}explorer/audit.html`);
    return tab.sees("Audit again");
  };
  assert.match(await audited(), /stale-checkpoint/);
  served.objects.delete("tile/entries/000");
  assert.match(await audited(), /missing-bundle/);
  served.objects = log.served();
  const bundle = Uint8Array.from(served.objects.get("tile/entries/001"));
  bundle[100] ^= 1;
  served.objects.set("tile/entries/001", bundle);
  assert.match(await audited(), /altered-entry/);
  log.state(streams[1], 2, 9_999);
  served.objects = log.served();
  assert.match(await audited(), /stream-gap/);
  const fork = soundLog(598).log;
  for (let at = 0; at < 9; at++) fork.state([...fork.streams.keys()][1]);
  served.objects = fork.served();
  await tab.go(served.url);
  await tab.sees("This log shows two histories");
  assert.match(await audited(), /inconsistent-heads|split-view/);
  assert.deepEqual(tab.errors, []);
});

test("Firefox: a long log is audited by a sample of hash tiles, and by every tile if the reader ticks the box", needsFirefox, async (t) => auditsEveryTile(t, await firefoxTab(firefox)));

test("Firefox: a log of opaque bytes that was pruned is shown as pruned", needsFirefox, async (t) => {
  const log = new TestLog();
  for (let at = 0; at < 600; at++) log.push(utf8(`entry ${at}`));
  const served = await bucket(t, log, (objects) => objects.delete("tile/entries/000"));
  const tab = await firefoxTab(firefox);
  await confirm(tab, served.url);
  await tab.go(`${served.url}explorer/audit.html`);
  assert.match(await tab.sees("Audit again"), /the log looks pruned[\s\S]*missing-bundle/);
});

test("Firefox: a live log with witnesses, and the same as files", needsProgram, async (t) => {
  const world = await new World(PROGRAM).start();
  t.after(() => world.stop());
  world.run("explore", "--write", "bucket", "--log-vkey", world.vkey, "--policy", "policy.txt");
  await copyLog(world.url, world.path("bucket"));
  const files = await serveFiles(world.path("bucket"));
  t.after(() => files.close());
  for (const url of [world.url, files.url]) {
    const tab = await firefoxTab(firefox);
    await confirm(tab, url, world.policy, world.vkey);
    assert.match(await tab.sees("Attributable"), /2 of 2 cosigned[\s\S]*Quorum met/);
    for (const [page, done] of PAGES) {
      await tab.go(url + page);
      await tab.sees(done);
    }
    await tab.go(`${url}explorer/audit.html`);
    assert.match(await tab.sees("Audit again"), /No findings\.[\s\S]*2 of 2/);
    assert.deepEqual(tab.errors, []);
  }
});
