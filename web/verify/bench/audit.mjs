// How many entries a second an audit walks through, on one core, from memory. `npm run bench -- [entries]`.

import { auditLog } from "../dist/audit/audit.js";
import { Trust } from "../dist/index.js";
import { useVectors } from "../dist/vectors.js";
import { keys, TestLog } from "../test/log.mjs";

if (!useVectors()) console.log("without vectors");
const size = Number(process.argv[2] ?? 1_000_000);
const log = new TestLog();
log.genesis();
log.enrol(keys.gateway);
const streams = Array.from({ length: 16 }, () => log.open(keys.gateway));
while (log.entries.length < size) {
  log.now += 1;
  const at = log.entries.length;
  log.state(streams[at % 16]);
  // A head of each stream every two seconds of the log's time: 16 in 2,000 entries.
  if (at % 2_000 < 16) log.head(streams[at % 16]);
}
streams.forEach((stream) => log.head(stream));
const reader = log.reader();
const trust = new Trust({ logVkey: keys.log.vkey });
const begun = process.cpuUsage();
const start = performance.now();
const report = await auditLog(reader, trust);
const seconds = (performance.now() - start) / 1000;
const { user, system } = process.cpuUsage(begun);
if (!report.isClean || report.entries !== log.entries.length) throw new Error("the audit of a sound log found something");
const rate = Math.round(report.entries / seconds);
console.log(`${report.entries} entries in ${seconds.toFixed(2)} s (${((user + system) / 1e6).toFixed(2)} s of CPU): ${rate} entries/s`);
