// What walks through pages of the console share: filling in, following, and looking at a page. `AXE` names axe-core's file;
// `VOUCHLOG_SHOTS=DIR` keeps pictures.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const axe = readFileSync(process.env.AXE, "utf8");
const shots = process.env.VOUCHLOG_SHOTS;

/** Someone who walks in a tab. */
export function walk(tab) {
  const text = () => tab.text();
  const fill = (selector, value) => tab.evaluate(`document.querySelector(${JSON.stringify(selector)}).value = ${JSON.stringify(value)}`);

  /** Opens what a click leads to, and waits until it is there. */
  async function follow(selector, words) {
    await tab.evaluate("window.left = true");
    await tab.click(selector);
    await tab.until("document.readyState === 'complete' && window.left === undefined", `the page after ${selector}`);
    if (words !== undefined) await tab.sees(words);
  }

  /** What every page must have, in both colour schemes and at three widths. */
  async function inspect(name) {
    const headings = await tab.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(one => Number(one.tagName[1]))");
    assert.equal(headings.filter((level) => level === 1).length, 1, `${name}: one h1`);
    assert.ok(headings.every((level, at) => at === 0 || level <= headings[at - 1] + 1), `${name}: no level of headings is skipped: ${headings}`);
    const first = await tab.evaluate("document.querySelector('a').className");
    assert.equal(first, "skip", `${name}: the first link skips to the content`);
    assert.equal(await tab.evaluate("document.scripts.length"), 0, `${name}: no script`);
    for (const dark of [false, true]) {
      await tab.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }] });
      const found = await tab.evaluate(`${axe}; axe.run(document, { resultTypes: ["violations"] }).then(found => found.violations
        .filter(one => ["serious", "critical"].includes(one.impact)).map(one => one.id + ": " + one.nodes.map(node => node.html.slice(0, 200) + node.failureSummary).join("; ")))`);
      assert.deepEqual(found, [], `${name}, ${dark ? "dark" : "light"}`);
    }
    for (const width of [360, 1024, 1600]) {
      await tab.send("Emulation.setDeviceMetricsOverride", { width, height: 900, deviceScaleFactor: 1, mobile: false });
      const wide = await tab.evaluate("document.documentElement.scrollWidth");
      const beyond = await tab.evaluate(`[...document.querySelectorAll("body *")].filter(one => one.getBoundingClientRect().right > innerWidth + 1)
        .map(one => one.tagName + "." + one.getAttribute("class") + " " + Math.round(one.getBoundingClientRect().width)).slice(0, 12).join(", ")`);
      assert.ok(wide <= width, `${name} is ${wide} px wide on ${width} px: ${beyond}`);
      if (shots === undefined) continue;
      mkdirSync(shots, { recursive: true });
      await tab.screenshot(join(shots, `${name}-${width}.png`), width);
      if (width === 1024) await tab.screenshot(join(shots, `${name}-${width}-dark.png`), width, { dark: true });
    }
  }

  return { text, fill, follow, inspect };
}
