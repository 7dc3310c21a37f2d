// Screenshots of every page, at three widths and in both colour schemes: to be looked at, and for the documentation.

import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { confirm } from "./visits.mjs";
import { copyLog, DIST, serveFiles } from "./world.mjs";

const WIDTHS = [[360, true], [800, false], [1400, false], [1400, true]];

/** The pages of a log with witnesses, those of a witness and of a monitor, into a folder. */
export async function screenshots(tab, world, folder) {
  mkdirSync(folder, { recursive: true });
  // The pages as they are built, which are not always those in the program.
  await copyLog(world.url, world.path("shown"));
  const files = await serveFiles(world.path("shown"), DIST);
  await confirm(tab, files.url, world.policy, world.vkey);
  const monitor = await world.serve("monitor", "--log", world.log.url, "--log-vkey", world.vkey, "--policy", "policy.txt", "--state", "monitor", "--listen", "127.0.0.1:0");
  const pages = [
    [files.url, "Attributable", "front"], [`${files.url}explorer/streams.html`, "Prove complete", "streams"], [`${files.url}explorer/entry.html?q=7`, "Equals the signed root", "entry"],
    [`${files.url}explorer/audit.html`, "Audit again", "audit"], [`${files.url}explorer/compare.html`, "Cosigned", "compare"], [`${files.url}explorer/verify.html`, "Drop files here", "verify"],
    [`${world.witnesses[0]}/`, world.origin, "witness"], [`${monitor.url}/`, world.origin, "monitor"],
  ];
  await tab.send("Emulation.setScrollbarsHidden", { hidden: true });
  for (const [url, done, name] of pages) {
    await tab.send("Emulation.setDeviceMetricsOverride", { width: 360, height: 900, deviceScaleFactor: 1, mobile: false });
    await tab.go(url);
    await tab.sees(done);
    for (const [width, dark] of WIDTHS) await tab.screenshot(join(folder, `explorer-${name}-${width}${dark ? "-dark" : ""}.png`), width, { dark });
  }
  files.close();
}
