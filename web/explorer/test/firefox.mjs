// Debian's Firefox, driven by puppeteer-core over WebDriver BiDi: tabs with the methods of those in browser.mjs.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const TOOLS = process.env.VOUCHLOG_PAGES ?? fileURLToPath(new URL("../../../tests/pages", import.meta.url));
const FIREFOX = process.env.VOUCHLOG_FIREFOX ?? "/usr/bin/firefox-esr";

export const hasFirefox = existsSync(FIREFOX) && existsSync(join(TOOLS, "node_modules/puppeteer-core"));

/** For tests that need it. */
export const needsFirefox = hasFirefox ? {} : { skip: "no Firefox, or puppeteer-core is not installed (tests/pages)" };

/** Starts a Firefox. */
export async function startFirefox() {
  const { default: puppeteer } = await import(createRequire(join(TOOLS, "package.json")).resolve("puppeteer-core"));
  return puppeteer.launch({ browser: "firefox", executablePath: FIREFOX, headless: true });
}

/** A tab with storage of its own. */
export async function firefoxTab(firefox) {
  const context = await firefox.createBrowserContext();
  return new FirefoxTab(await context.newPage());
}

class FirefoxTab {
  constructor(page) {
    this.page = page;
    /** What the page threw. */
    this.errors = [];
    // Firefox asks for an icon that no page names, and the pages' policy forbids it to.
    page.on("pageerror", (error) => /favicon\.ico/.test(error.message) || this.errors.push(`${error.stack ?? error}`));
  }

  async go(url) {
    // Another fragment alone loads nothing.
    await this.page.goto("about:blank");
    await this.page.goto(url, { waitUntil: "domcontentloaded" });
  }

  evaluate(expression) {
    return this.page.evaluate(expression);
  }

  /** Waits until an expression is true; the deadline is there so that a failing test ends. */
  async until(expression, what = expression) {
    for (let tries = 0; tries < 2_400; tries++) {
      if (await this.evaluate(expression).catch(() => false)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`never happened: ${what}\n${await this.text().catch(() => "")}\n${this.errors.join("\n")}`);
  }

  text() {
    return this.evaluate("document.body.innerText");
  }

  async sees(words) {
    await this.until(`document.body !== null && document.body.innerText.includes(${JSON.stringify(words)})`, words);
    return this.text();
  }

  click(selector) {
    return this.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);
  }
}
