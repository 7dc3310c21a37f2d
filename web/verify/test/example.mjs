// The verdicts of the Rust code itself: the built example `verdicts` of `vouchlog-auditor`.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";

/** Cases that the example is given at once: it writes its verdicts when it has read them all. */
export const BATCH = 200;

/** The verdicts of the example on these cases. */
export function askExample(example, cases) {
  const input = cases.map((one) => `${JSON.stringify(one)}\n`).join("");
  const { status, stdout } = spawnSync(example, [], { input, encoding: "utf8", maxBuffer: 1 << 28, stdio: ["pipe", "pipe", "inherit"] });
  assert.equal(status, 0, "the example ended");
  return stdout.trimEnd().split("\n").map((verdict) => JSON.parse(verdict));
}
