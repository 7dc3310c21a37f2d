// The walk of an investigator through the console of a vault, in Chromium. Started by tests/it/evidence/served/console/walk.rs, which
// runs the server; ends with an error at the first thing that is not as it must be.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";

import { Browser, chromium } from "../../web/explorer/test/browser.mjs";
import { walk } from "./walk.mjs";

const { CONSOLE_URL: url, CONSOLE_TOKEN: token, CONSOLE_PERSON: person, CONSOLE_DOWNLOADS: downloads } = process.env;
const browser = new Browser(chromium());
const tab = await browser.tab();
await browser.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: downloads });

const { text, fill, follow, inspect } = walk(tab);

/** How many sheets of A4 a page prints to. */
async function sheets() {
  const { data } = await tab.send("Page.printToPDF", { preferCSSPageSize: true });
  return Buffer.from(data, "base64").toString("latin1").split(/\/Type \/Page[^s]/).length - 1;
}

try {
  await tab.go(`${url}/console/sessions`);
  await tab.sees("Sign in");
  await inspect("sign-in");
  assert.equal(await tab.evaluate("document.activeElement.id"), "token", "one can type at once");
  await fill("#token", token);
  await follow("form button", "Sessions");
  await inspect("sessions");

  await fill("#f-initiator", person);
  await follow("form[role=search] button", "sess-story");
  // The search is saved under a name, and found again.
  await fill("#search-name", "refund inquiry");
  await follow("form[action='/console/searches'] button", "Saved searches");
  await inspect("saved-search");
  await tab.go(`${url}/console/sessions`);
  await tab.sees("Saved searches");
  await follow(".saved a", "Clear");
  assert.equal(await tab.evaluate("document.querySelector('#f-initiator').value"), person);
  await follow("tbody a", "Six questions");
  // The critical finding is the first thing below the heading.
  const order = await tab.evaluate("[...document.querySelectorAll('main > *')].map(one => one.className || one.tagName).slice(0, 6)");
  assert.match(order.join(" "), /head (chips plain )?alarm near/, order.join(" "));
  assert.match(await text(), /R26/);
  await inspect("session");
  assert.ok((await sheets()) <= 9, "a session of three records prints on few sheets");

  const alarm = await tab.evaluate("document.querySelector('.alarm a').getAttribute('href')");
  assert.equal(await tab.evaluate(`document.querySelector(${JSON.stringify(alarm)}) !== null`), true, "the alarm leads to the finding");
  assert.equal(await tab.evaluate("document.querySelectorAll('#credential circle.mk').length > 0"), true, "uses are drawn");
  const session = await tab.evaluate("location.pathname");
  await tab.evaluate("[...document.querySelectorAll('a.chip')].find(one => one.innerText.startsWith('Credential')).id = 'credential-link'");
  await follow("#credential-link", "All its sessions");
  await inspect("credential");
  await tab.go(url + session);
  await tab.sees("Timeline");
  // A case for it, with what the investigation finds.
  await follow("a[href$='/case']", "Open a case");
  await inspect("case-of-session");
  await fill("#case", "INC-2231");
  await fill("#reason", "refund of order 8841");
  await follow("form button[type=submit].main-act", "What was done");
  await fill("#note", "asked the payments team for the ledger");
  await follow("button[value=note]", "asked the payments team");
  await inspect("case");
  await follow("nav a[href='/console/cases']", "INC-2231");
  await inspect("cases");
  await tab.go(url + session);
  await tab.sees("Case INC-2231");
  await inspect("session-with-case");
  const record = await tab.evaluate("[...document.querySelectorAll('a[href^=\"/console/record/\"]')].map(one => one.getAttribute('href'))[2]");
  await follow(`a[href=${JSON.stringify(record)}]`, "Who read it");
  await inspect("record");

  await follow("a[href$='/disclose']", "What the recipient can answer");
  await tab.evaluate("document.querySelectorAll('input[name=field]').forEach(one => { one.checked = ['/credential/id', '/policy/0', '/outcome/state'].includes(one.value); })");
  await fill("#recipient", "auditor.example");
  await fill("#basis", "case 17");
  await follow("button[value=preview]", "3 of");
  await inspect("disclose");
  await tab.click("button[value=give]");
  for (let tries = 0; tries < 600 && !existsSync(join(downloads, "presentation.json")); tries++) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(existsSync(join(downloads, "presentation.json")), "the disclosure was downloaded");

  await follow("nav a[href='/console/disclosures']", "auditor.example");
  await inspect("disclosures");
  await follow("nav a[href='/console/identities']", "Who and what acted");
  await inspect("identities");
  await follow("tbody a", "All its sessions");
  await inspect("identity");
  await follow("nav a[href='/console/sources']", "refund-gateway");
  await inspect("sources");
  await follow("nav a[href='/console/findings']", "R26");
  await inspect("findings");
  await tab.evaluate("[...document.querySelectorAll('.queue details')].find(one => one.innerText.includes('R26')).open = true");
  await tab.evaluate("(form => { form.querySelector('input[value=Explained]').click(); form.querySelector('input[name=reason]').value = 'INC-2231'; })([...document.querySelectorAll('.queue details[open] form')][0])");
  await follow(".queue details[open] form button", "Decision recorded");

  await follow("nav a[href='/console/holds']", "In force");
  await fill("#name", "INC-2231");
  await fill("#reason", "litigation");
  await fill("#value", person);
  await follow("form[action='/console/holds'] button", "Hold placed");
  await follow("nav a[href='/console/holds']", "INC-2231");
  await inspect("holds");

  const plan = async () => {
    await follow("nav a[href='/console/erase']", "Erasure");
    await fill("#value", person);
    await follow("form[action='/console/erase'] button", "What would be erased");
  };
  const confirm = async (words) => {
    await fill("#basis", "GDPR Art. 17(1)(a)");
    await tab.click("input[name=person]");
    await follow("form[action^='/console/erase/'] button", words);
  };
  await plan();
  await tab.sees("Must stay: 3 records");
  await inspect("erase-refused");
  await confirm("Nothing was erased");

  await follow("nav a[href='/console/holds']", "INC-2231");
  await tab.click("summary.hold");
  await fill("form[action='/console/holds/lift'] input[name=reason]", "settled");
  await follow("form[action='/console/holds/lift'] button", "Hold lifted");
  await plan();
  await tab.sees("Would be erased: 3 records");
  await inspect("erase-plan");
  await confirm("Letter to the person");
  await inspect("erased");
  await follow("a[href$='letter.html']", "3 records were erased");
  await tab.evaluate("history.back()");
  await tab.sees("Letter to the person");

  await follow("nav a[href='/console/duties']", "Duties");
  await inspect("duties");
  await follow("form[action='/console/sign-out'] button", "Sign in");
  assert.deepEqual(tab.errors.filter((error) => !error.includes("favicon")), [], "nothing was refused by the policy");
} catch (error) {
  console.error(`at ${await tab.evaluate("location.pathname").catch(() => "?")}\n${(await text().catch(() => "")).slice(0, 3000)}`);
  throw error;
} finally {
  await browser.close();
}
