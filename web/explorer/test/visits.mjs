// What tests of the pages do in any browser. A tab is one of browser.mjs or firefox.mjs: both have the same methods.

import assert from "node:assert/strict";

import { serveObjects } from "./world.mjs";
import { keys, soundLog } from "../../verify/test/log.mjs";

export const VKEY = keys.log.vkey;

/** Each page, and what it shows when it has done its work. */
export const PAGES = [["", "Attributable"], ["explorer/streams.html", "Prove complete"], ["explorer/entry.html?q=7", "Equals the signed root"], ["explorer/audit.html", "Audit again"], ["explorer/compare.html", "This log serves here"]];

export const fragment = (vkey = VKEY, policy = null) => `#vkey=${encodeURIComponent(vkey)}${policy === null ? "" : `&policy=${encodeURIComponent(policy)}`}`;

/** Opens a log with its key, and confirms the key as a reader does. */
export async function confirm(tab, url, policy = null, vkey = VKEY) {
  await tab.go(`${url}${fragment(vkey, policy)}`);
  await tab.sees("Not confirmed");
  await tab.until("document.getElementById('vkey').value !== ''");
  await tab.click("#key-form button[type=submit]");
  await tab.sees("Confirmed by you");
}

/** What a page shows as good. */
export const good = (tab) => tab.evaluate("[...document.querySelectorAll('.st.ok, .note.ok')].map(one => one.textContent)");

/** A log behind a server of files, closed after the test. */
export async function bucket(t, log, change = () => undefined) {
  const objects = log.served();
  change(objects);
  const served = await serveObjects(objects);
  t.after(() => served.close());
  return served;
}

/**
 * The audit of a log that is too long to be audited unasked: by a sample of hash tiles, and by all of them where the box is ticked. A wrong tile beside right
 * entries is found then. Where the log serves several bundles at once, the sample reads them that way, and the audit of every tile does not.
 */
export async function auditsEveryTile(t, tab) {
  const { log } = soundLog(20_500);
  const served = await bucket(t, log);
  const tiles = Math.floor(log.entries.length / 256);
  const asked = (pattern) => new Set(served.requests.filter((path) => pattern.test(path))).size;
  const [tilesRead, bundlesRead, several] = [() => asked(/^tile\/0\/[0-9]{3}$/), () => asked(/^tile\/entries\/[0-9]{3}$/), () => served.requests.filter((path) => path === "v1/bundles").length];
  const audited = async (everyTile) => {
    await tab.go(`${served.url}explorer/audit.html`);
    await tab.sees("Also read every hash tile");
    served.requests.length = 0;
    if (everyTile) await tab.click("#every-tile");
    await tab.click("#acts button");
    return tab.sees("Audit again");
  };
  const chosen = /Of ([0-9]+) hash tiles beside the entries, ([0-9]+) were compared, chosen at random/;
  await confirm(tab, served.url);
  for (const offers of [false, true]) {
    served.offersBundles = offers;
    const sampled = await audited(false);
    const [text, , compared] = chosen.exec(sampled) ?? [];
    assert.ok(text?.startsWith(`Of ${tiles} `) && Number(compared) === tilesRead() && tilesRead() < tiles, `${text}: ${tilesRead()}`);
    assert.equal(bundlesRead(), offers ? tilesRead() : tiles);
    assert.equal(sampled.includes("bundles of entries several at a time"), offers);
    assert.ok(offers ? several() >= 3 : several() <= 3, `${several()}`);
    const whole = await audited(true);
    assert.match(whole, /No findings\./);
    assert.doesNotMatch(whole, chosen);
    assert.deepEqual([tilesRead(), bundlesRead(), several()], [tiles, tiles, 0]);
  }
  const wrong = Uint8Array.from(served.objects.get("tile/0/050"));
  wrong[77] ^= 1;
  served.objects.set("tile/0/050", wrong);
  const text = await audited(true);
  assert.match(text, /tile-parent-mismatch/);
  assert.doesNotMatch(text, /No findings/);
  assert.deepEqual(tab.errors, []);
}
