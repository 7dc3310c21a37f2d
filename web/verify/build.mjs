// Compiles src/ to dist/: JavaScript without comments, declarations with them. `--check` compares with what is committed.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const tsc = join(here, "node_modules", ".bin", "tsc");

function compile(out) {
  const run = (...args) => execFileSync(tsc, ["-p", here, "--outDir", out, ...args], { stdio: "inherit" });
  run("--removeComments");
  run("--declaration", "--emitDeclarationOnly");
}

function contents(folder) {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(names.map((entry) => {
    const path = join(entry.parentPath, entry.name);
    return [path.slice(folder.length), readFileSync(path, "utf8")];
  }).sort());
}

const dist = join(here, "dist");
if (process.argv.includes("--check")) {
  const out = mkdtempSync(join(tmpdir(), "vouchlog-verify-"));
  try {
    compile(out);
    const [built, committed] = [contents(out), contents(dist)];
    const stale = [...new Set([...built.keys(), ...committed.keys()])].filter((name) => built.get(name) !== committed.get(name));
    if (stale.length > 0) {
      console.error(`dist/ is not what src/ compiles to: ${stale.join(", ")}. Run \`npm run build\` and commit it.`);
      process.exitCode = 1;
    }
  } finally {
    rmSync(out, { recursive: true });
  }
} else {
  rmSync(dist, { recursive: true, force: true });
  compile(dist);
}
