// Builds dist/, which a log serves as it is: pages, style sheet, modules, and the verifier of ../verify. Nothing is bundled or minified, but for the page
// that checks files: it is one file, so that it works from disk.
// `--check` compares with what is committed. The compiler is the one of ../verify: run `npm ci` there first.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { createRequire } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const verify = join(here, "..", "verify");
const crates = join(here, "..", "..", "crates");
const tsc = join(verify, "node_modules", ".bin", "tsc");
const table = join(crates, "vouchlog-server", "src", "explorer", "files.rs");

const read = (...path) => readFileSync(join(...path), "utf8");

/** The pages: their file, what the navigation calls them, and the hosts that a page may ask besides its own. */
const PAGES = [
  { name: "index", title: "Overview", asks: "https: http:" },
  { name: "streams", title: "Streams", asks: "" },
  { name: "entry", title: "Entries", asks: "" },
  { name: "audit", title: "Audit", asks: "https: http:" },
  { name: "compare", title: "Compare", asks: "https: http:" },
  { name: "verify", title: "Check a file", asks: "" },
].filter(({ name }) => isWhole(name) || readdirSync(join(here, "pages")).includes(`${name}.html`));

/** A page that is one file: it works from disk, and is the program inside a court file. */
function isWhole(name) {
  return name === "verify";
}

/** The front page lies at the log's root; everything else in the folder `explorer`. */
const isFront = (name) => name === "index";
const file = (name) => (isFront(name) ? "index.html" : join("explorer", `${name}.html`));

function link(from, to) {
  if (isFront(to)) return isFront(from) ? "./" : "../";
  return isFront(from) ? `explorer/${to}.html` : `${to}.html`;
}

/** SPEC: a page runs the scripts beside it and applies the style beside it. What it may ask is the log and, where its reader names them, others. */
const policy = (asks) =>
  `default-src 'none'; script-src 'self'; style-src 'self'; worker-src 'self'; connect-src ${`'self' ${asks}`.trim()}; base-uri 'none'; form-action 'self'`;

/** The modules that one imports, itself and theirs included: named in the page, they are fetched at once and not one after the other. */
function imported(folder, name, seen = new Set()) {
  if (seen.has(name)) return seen;
  seen.add(name);
  for (const [, path] of read(folder, name).matchAll(/(?:from|import) "(\.[^"]+)"/g)) imported(folder, join(dirname(name), path), seen);
  return seen;
}

function page({ name, title, asks }, folder) {
  const navigation = PAGES.map((other) =>
    `<a href="${link(name, other.name)}"${other.name === name ? ' aria-current="page"' : ""}>${other.title}</a>`).join("");
  const values = {
    title, name, navigation, policy: policy(asks), front: link(name, "index"), log: isFront(name) ? "./" : "../",
    assets: isFront(name) ? "explorer/" : "",
    preload: [...imported(folder, `${name}.js`)].slice(1).map((module) => `<link rel="modulepreload" href="${isFront(name) ? "explorer/" : ""}${module}">`).join("\n"), sprite: read(here, "src", "sprite.svg").trim(), main: read(here, "pages", `${name}.html`).trim(),
  };
  return read(here, "src", "frame.html").replace(/\{\{([a-z]+)\}\}/g, (whole, key) => values[key] ?? whole);
}

function build(out) {
  const folder = join(out, "explorer");
  mkdirSync(folder, { recursive: true });
  execFileSync(tsc, ["-p", here, "--outDir", folder, "--removeComments"], { stdio: "inherit" });
  for (const name of files(folder)) {
    const path = join(folder, name);
    writeFileSync(path, read(path).replace(/"@vouchlog\/verify"/g, '"./verify/index.js"').replace(/"@vouchlog\/verify\/audit"/g, '"./verify/audit/audit.js"').replace(/"@vouchlog\/verify\/vectors"/g, '"./verify/vectors.js"').replace(/"@vouchlog\/ml-dsa"/g, `"./${ML_DSA}"`));
  }
  writeFileSync(join(folder, ML_DSA), mlDsa());
  cpSync(join(verify, "dist"), join(folder, "verify"), { recursive: true, filter: (source) => !source.endsWith(".d.ts") });
  writeFileSync(join(folder, "style.css"), read(crates, "vouchlog-pages", "src", "style.css") + read(here, "src", "explorer.css"));
  for (const one of PAGES) writeFileSync(join(out, file(one.name)), isWhole(one.name) ? whole() : page(one, folder));
}

function files(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .sort();
}

/** The module that verifies ML-DSA-44: that of @noble/post-quantum with what it imports, in one file with its licences. Pages load it when a policy asks for it. */
const ML_DSA = "noble-ml-dsa.js";

/** Where the module comes from. */
const noble = join(verify, "node_modules", "@noble");

function mlDsa() {
  const { outputFiles } = bundle({ stdin: { contents: 'export { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";', resolveDir: verify }, format: "esm" });
  return outputFiles[0].text;
}

/** The notices that a copy of the module has to carry. */
function licences() {
  const holder = /^Copyright .*$/m;
  const texts = ["post-quantum", "hashes", "curves"].map((name) => read(noble, name, "LICENSE").trim().replace(/[\u201c\u201d]/g, '"'));
  const [body, ...others] = new Set(texts.map((text) => text.replace(holder, "HOLDERS")));
  if (others.length > 0 || /\*\/|[^ -~\n]/.test(body)) throw new Error("the licences of @noble differ, or cannot stand in a comment");
  const holders = new Set(texts.map((text) => holder.exec(text)[0]));
  return `/*!\n@noble/post-quantum, @noble/hashes, @noble/curves\n\n${body.replace("HOLDERS", [...holders].join("\n"))}\n*/`;
}

function bundle(options) {
  const { buildSync } = createRequire(join(verify, "package.json"))("esbuild");
  return buildSync({ bundle: true, target: "es2022", charset: "ascii", write: false, legalComments: "none", banner: { js: licences() }, absWorkingDir: here, ...options });
}

/** SPEC: what runs in the page is the one script whose hash its policy names. Nothing is loaded, and nothing is sent. */
function whole() {
  execFileSync(tsc, ["-p", join(here, "check")], { stdio: "inherit" });
  const { outputFiles } = bundle({
    entryPoints: [join(here, "check", "main.ts")], format: "iife",
    alias: { "@vouchlog/verify/audit": join(verify, "dist", "audit", "audit.js"), "@vouchlog/verify/vectors": join(verify, "dist", "vectors.js"), "@vouchlog/verify": join(verify, "dist", "index.js"), "@vouchlog/ml-dsa": join(noble, "post-quantum", "ml-dsa.js") },
  });
  // One line that begins a comment or ends the script would end the page's program early.
  const script = outputFiles[0].text;
  const style = read(crates, "vouchlog-pages", "src", "style.css") + read(here, "src", "explorer.css") + read(here, "check", "check.css");
  if (/<\/script|<!--/i.test(script) || /<\/style/i.test(style)) throw new Error("the program or the style would end its element");
  const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  const policy = `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; base-uri 'none'; form-action 'none'`;
  const values = { policy, style, script, sprite: read(here, "src", "sprite.svg").trim() };
  return read(here, "check", "page.html").replace(/\{\{([a-z]+)\}\}/g, (_, key) => values[key]);
}

/** The files as a table that the server and the program embed. */
function rust(out) {
  const rows = files(out).map((name) => `    ("${name}", include_bytes!("../../../../web/explorer/dist/${name}")),\n`);
  return `//! The explorer's files as they are embedded. Written by web/explorer/build.mjs.\n\n/// Each file by its path below the log's root.\n#[rustfmt::skip]\npub(super) const FILES: &[(&str, &[u8])] = &[\n${rows.join("")}];\n`;
}

const dist = join(here, "dist");
if (process.argv.includes("--check")) {
  const out = mkdtempSync(join(tmpdir(), "vouchlog-explorer-"));
  try {
    build(out);
    const stale = [...new Set([...files(out), ...files(dist)])].filter((name) => {
      try {
        return read(out, name) !== read(dist, name);
      } catch {
        return true;
      }
    });
    if (rust(dist) !== read(table)) stale.push(relative(here, table));
    if (stale.length > 0) {
      console.error(`dist/ is not what src/ builds: ${stale.join(", ")}. Run \`npm run build\` and commit it.`);
      process.exitCode = 1;
    }
  } finally {
    rmSync(out, { recursive: true });
  }
} else {
  const out = mkdtempSync(join(tmpdir(), "vouchlog-explorer-"));
  build(out);
  // What is there stays until everything compiles.
  rmSync(dist, { recursive: true, force: true });
  cpSync(out, dist, { recursive: true });
  rmSync(out, { recursive: true });
  mkdirSync(dirname(table), { recursive: true });
  writeFileSync(table, rust(dist));
}
