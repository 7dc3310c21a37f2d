// Puts the screenshots of each page, which the tests take at three widths, side by side in one picture: `node test/sheets.mjs SHOTS OUT`, after
// `VOUCHLOG_SHOTS=SHOTS node --test test/*.test.mjs`.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { Browser, chromium } from "./browser.mjs";

/** Widths in pixels. The phone's is in dark colours. */
const SUFFIXES = ["360-dark", "800", "1400"];
/** How much smaller the pages are in the picture. */
const SCALE = 0.5;

const [, , shots, out] = process.argv;
const names = readdirSync(shots);
const pages = [...new Set(names.map((name) => /^(.+)-1400\.png$/.exec(name)?.[1]).filter((page) => page !== undefined))];
mkdirSync(out, { recursive: true });
const browser = new Browser(chromium());
try {
  const tab = await browser.tab();
  for (const page of pages) {
    const files = SUFFIXES.map((suffix) => join(shots, [`${page}-${suffix}.png`, `${page}-${suffix.split("-")[0]}.png`].map((name) => (names.includes(name) ? name : null)).find((name) => name !== null)));
    // The width of a PNG stands in its first chunk.
    const widths = files.map((file) => readFileSync(file).readUInt32BE(16) * SCALE);
    const gap = 16;
    const images = files.map((file, at) => `<img src="${pathToFileURL(file)}" width="${widths[at]}">`).join("");
    writeFileSync(join(shots, "sheet.html"), `<!doctype html><style>body { margin: 0; padding: ${gap}px; display: flex; gap: ${gap}px; align-items: start; background: #d5d9de; }</style>${images}`);
    await tab.go(pathToFileURL(join(shots, "sheet.html")).href);
    await tab.until("[...document.images].length === 3 && [...document.images].every((image) => image.complete && image.naturalWidth > 0)");
    await tab.screenshot(join(out, `${page}-widths.png`), Math.ceil(widths.reduce((sum, width) => sum + width, 0)) + 4 * gap, { height: 600 });
  }
} finally {
  await browser.close();
}
