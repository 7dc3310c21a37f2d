// People sign in to the console at an identity provider, in Chromium. Started by tests/it/evidence/served/console/provider.rs, which runs
// the console and the provider (tests/oidc/idp.mjs); ends with an error at the first thing that is not as it must be.

import assert from "node:assert/strict";

import { Browser, chromium } from "../../web/explorer/test/browser.mjs";
import { walk } from "./walk.mjs";

const { CONSOLE_URL: url, PROVIDER_URL: provider } = process.env;
const browser = new Browser(chromium());
const BEGUN = "vouchlog-begun";
const VISIT = "vouchlog";
const LEFT = "vouchlog-left";

/** A browser of a person of their own: no cookie of another. */
async function person() {
  const tab = await browser.tab({ context: await browser.context() });
  return { tab, ...walk(tab) };
}

const cookies = async ({ tab }) => (await tab.send("Network.getCookies", { urls: [`${url}/console/x`] })).cookies;
const cookie = async (who, name) => (await cookies(who)).find((one) => one.name === name && one.value !== "");

/** Chooses the provider on the console's page, and signs in there. */
async function signIn(who, name) {
  const { tab, follow, fill } = who;
  await follow("a[href^='/console/sign-in/at/']");
  await tab.until("document.querySelector('input[name=login]') !== null", "the provider's form");
  assert.equal(await tab.evaluate("location.origin"), provider, "the browser is sent to the provider");
  await fill("input[name=login]", name);
  await fill("input[name=password]", "any");
  await follow("button[type=submit]");
  await tab.until("document.querySelector('input[name=prompt][value=consent]') !== null", "the provider's question");
  await tab.click("button[type=submit]");
}

/** Signs out of the console, and answers the provider, which asks whether it is to end its own session. */
async function signOut(who, answer) {
  const { tab, follow } = who;
  await follow("form[action='/console/sign-out'] button");
  await tab.until("document.getElementById('op.logoutForm') !== null", "the provider's question");
  assert.equal(await tab.evaluate("location.origin"), provider, "the browser is sent to the provider");
  const asked = new URL(await tab.evaluate("location.href")).searchParams;
  assert.deepEqual([asked.get("client_id"), asked.get("post_logout_redirect_uri"), asked.get("state").length], ["console", `${url}/console/sign-out/return`, 43]);
  assert.equal(await cookie(who, VISIT), undefined, "the visit is over before the browser leaves");
  await tab.click(answer === "yes" ? "button[name=logout]" : "button:not([name])");
  await tab.until("location.pathname === '/console/sign-out/return'", "the way back");
  await tab.sees("Signed out of the console");
  assert.equal(await cookie(who, LEFT), undefined, "what was begun is forgotten");
}

/** Keeps the way back from being taken, and returns its URL. */
async function caught({ tab }, walking) {
  const back = new Promise((resolve) => {
    const listener = ({ sessionId, method, params }) => {
      if (sessionId !== tab.session || method !== "Fetch.requestPaused") return;
      browser.listeners.delete(listener);
      void tab.send("Fetch.failRequest", { requestId: params.requestId, errorReason: "Aborted" }).then(() => resolve(params.request.url));
    };
    browser.listeners.add(listener);
  });
  await tab.send("Fetch.enable", { patterns: [{ urlPattern: "*/console/sign-in/return*" }] });
  await walking();
  const found = await back;
  await tab.send("Fetch.disable");
  return found;
}

/** Nobody was signed in. */
async function refused(who, words) {
  await who.tab.sees(words);
  assert.equal(await cookie(who, VISIT), undefined, `no visit: ${words}`);
  await who.tab.go(`${url}/console/sessions`);
  await who.tab.sees("Sign in with Example ID");
}

let who = await person();
try {
  await who.tab.go(`${url}/console/sessions`);
  await who.tab.sees("Sign in with Example ID");
  await who.inspect("sign-in-provider");

  // Signed in, with what the group may do and nothing else, by a name that can go on record.
  await signIn(who, "ada");
  await who.tab.until("location.pathname === '/console/sessions'", "the console");
  const page = await who.tab.sees("Sessions");
  assert.match(page, /auditors\/ada/, page);
  assert.match(page, /default: read-metadata, review/, page);
  assert.equal(await who.tab.evaluate("document.querySelector('nav a[href=\"/console/erase\"]')"), null, "no page that takes another role");
  const visit = await cookie(who, VISIT);
  assert.deepEqual([visit.httpOnly, visit.sameSite], [true, "Strict"]);
  assert.equal(await cookie(who, BEGUN), undefined, "what was begun is forgotten");
  assert.equal(await who.tab.evaluate("document.referrer"), "");

  // Signing out ends the visit: its cookie is worth nothing, wherever it is.
  await signOut(who, "no");
  await who.inspect("signed-out");
  await who.tab.send("Network.setCookie", { url: `${url}/`, name: VISIT, value: visit.value });
  await who.tab.go(`${url}/console/findings`);
  await who.tab.sees("Sign in with Example ID");

  // The provider still knows the person; the page that was asked for is the one that is opened.
  await who.follow("a[href^='/console/sign-in/at/']");
  await who.tab.until("document.querySelector('input[name=prompt][value=consent]') !== null", "the provider's question, and no form");
  await who.tab.click("button[type=submit]");
  await who.tab.until("location.pathname === '/console/findings'", "the page that was asked for");

  // Signed out there as well, the person has to show again who they are. An answer that no sign-out of this browser asked for shows nothing.
  await signOut(who, "yes");
  await who.tab.go(`${url}/console/sign-out/return?state=x`);
  await who.tab.sees("Sign in with Example ID");
  await signIn(who, "ada");
  await who.tab.until("location.pathname === '/console/sessions'", "the console");

  // An answer that somebody took on its way is worth nothing in another browser, nor is one that another person is made to bring.
  who = await person();
  await who.tab.go(`${url}/console/sign-in`);
  await who.tab.sees("Sign in with Example ID");
  const stolen = await caught(who, () => signIn(who, "ada"));
  const begun = await cookie(who, BEGUN);
  assert.equal(begun.sameSite, "Lax");
  const victim = await person();
  await victim.tab.go(stolen);
  await refused(victim, "not begun in this browser");
  // Not even while that browser is signing in itself: its state is another.
  const own = await caught(victim, () => signIn(victim, "ada"));
  assert.notEqual(own, stolen);
  await victim.tab.go(stolen);
  await refused(victim, "not of the sign-in that this browser began");
  // In its own browser it is taken, and once.
  await who.tab.go(stolen);
  await who.tab.until("location.pathname === '/console/sessions'", "the console");
  await signOut(who, "no");
  await who.tab.send("Network.setCookie", { url: `${url}/`, name: BEGUN, value: begun.value });
  await who.tab.go(stolen);
  await refused(who, "was used before");

  for (const [name, words] of [["eve", "neither you nor a group of yours"], ["wrong-nonce", "not of the sign-in that this browser began"],
    ["wrong-audience", "for another audience"]]) {
    who = await person();
    await who.tab.go(`${url}/console/sign-in`);
    await who.tab.sees("Sign in with Example ID");
    await signIn(who, name);
    await refused(who, words);
  }
  // The provider still knows this person, and does not ask again.
  await who.follow("a[href^='/console/sign-in/at/']");
  await who.tab.sees("for another audience");
  await who.inspect("sign-in-refused");
  assert.deepEqual(who.tab.errors.filter((error) => !error.includes("favicon")), [], "nothing was refused by the policy");
} catch (error) {
  console.error(`at ${await who.tab.evaluate("location.href").catch(() => "?")}\n${(await who.text().catch(() => "")).slice(0, 3000)}`);
  throw error;
} finally {
  await browser.close();
}
