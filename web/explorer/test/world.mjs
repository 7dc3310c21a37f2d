// A log with two witnesses and two gateways, by the real program, and servers of files. Everything listens on loopback.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, extname, join, normalize, sep } from "node:path";
import { fileURLToPath } from "node:url";

import { formatTilePath } from "../dist/explorer/verify/tile.js";

export const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".txt": "text/plain" };

/** What a log answers that serves several bundles at once, made of its files; undefined if that is not what was asked for, or its first bundle is not there. */
function several(url, read) {
  const { pathname, searchParams } = new URL(url, "http://x");
  if (pathname !== "/v1/bundles") return undefined;
  const [bundles, first, count] = [[], Number(searchParams.get("first")), Number(searchParams.get("count"))];
  for (let at = first; at < first + count; at++) {
    const bundle = read(formatTilePath({ level: "entries", index: BigInt(at), width: 256 }));
    if (bundle === undefined) break;
    bundles.push(bundle);
  }
  return bundles.length === 0 ? undefined : Buffer.concat(bundles);
}

/** A file, if there is one. */
function fileAt(path) {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** Serves files, as a bucket does; `folders` are tried in order. With `offersBundles` the server is more than one of files: it serves several bundles at once, as a log does. */
export function serveFiles(...folders) {
  const served = { offersBundles: false };
  const server = createServer((request, response) => {
    const bundles = served.offersBundles ? several(request.url, (path) => fileAt(join(folders[0], path))) : undefined;
    if (bundles !== undefined) {
      response.writeHead(200, { "content-type": "application/octet-stream", "content-length": bundles.length, "cache-control": "no-store" });
      return response.end(bundles);
    }
    let path = normalize(decodeURIComponent(new URL(request.url, "http://x").pathname));
    if (path.endsWith(sep)) path += "index.html";
    for (const folder of folders) {
      const file = join(folder, path);
      try {
        if (!statSync(file).isFile()) continue;
        const bytes = readFileSync(file);
        response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream", "content-length": bytes.length });
        return response.end(bytes);
      } catch {
        continue;
      }
    }
    response.writeHead(404).end();
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(Object.assign(served, { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() }))));
}

/** Serves the pages beside objects of a log in memory, which a test may exchange: a bucket, which may offer what `serveFiles` may. */
export function serveObjects(objects) {
  const bucket = { objects, requests: [], offersBundles: false };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://x");
    const path = normalize(decodeURIComponent(pathname)).slice(1);
    bucket.requests.push(path);
    const name = path === "" ? "index.html" : path;
    let bytes = bucket.offersBundles ? several(request.url, (one) => bucket.objects.get(one)) : undefined;
    bytes ??= bucket.objects.get(path);
    try {
      bytes ??= readFileSync(join(DIST, name));
    } catch {
      return response.writeHead(404).end();
    }
    response.writeHead(200, { "content-type": TYPES[extname(name)] ?? "application/octet-stream", "access-control-allow-origin": "*", "cache-control": "no-store" });
    return response.end(bytes);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(Object.assign(bucket, { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() }))));
}

/** Copies what a log serves into a folder: what a bucket would hold. */
export async function copyLog(url, folder) {
  const get = async (path) => {
    const response = await fetch(new URL(path, url));
    return response.ok ? Buffer.from(await response.arrayBuffer()) : null;
  };
  const write = (path, bytes) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  };
  const checkpoint = await get("checkpoint");
  write("checkpoint", checkpoint);
  const size = Number(checkpoint.toString().split("\n")[1]);
  const name = (index) => index.toString().padStart(3, "0");
  for (let level = 0, hashes = size; hashes > 0; level++, hashes = Math.floor(hashes / 256)) {
    for (let index = 0; index * 256 < hashes; index++) {
      const width = Math.min(256, hashes - index * 256);
      const paths = level === 0 ? [`tile/0/${name(index)}`, `tile/entries/${name(index)}`] : [`tile/${level}/${name(index)}`];
      for (const path of paths) {
        const served = width === 256 ? path : `${path}.p/${width}`;
        write(served, await get(served));
      }
    }
  }
  return size;
}

/** A server that does not end in order within so many milliseconds is killed. */
const PATIENCE = 20_000;

/** Ends a server; resolves once it has ended. */
async function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
  await exit;
  clearTimeout(late);
}

export class World {
  constructor(program) {
    this.program = program;
    this.folder = mkdtempSync(join(tmpdir(), "vouchlog-explorer-"));
    this.running = [];
    this.submitted = 0;
  }

  path(...names) {
    return join(this.folder, ...names);
  }

  run(...args) {
    return execFileSync(this.program, args, { cwd: this.folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], env: { ...process.env, VOUCHLOG_TRACE: "error" } }).trim();
  }

  /** Starts a server and waits for its address. */
  async serve(...args) {
    const child = spawn(this.program, [...args, "--json"], { cwd: this.folder, stdio: ["ignore", "pipe", "ignore"] });
    this.running.push(child);
    const line = await new Promise((resolve, reject) => {
      let text = "";
      child.stdout.on("data", (data) => {
        text += data;
        if (text.includes("\n")) resolve(text.split("\n")[0]);
      });
      child.on("exit", (code) => reject(new Error(`${args[0]} ended with ${code}`)));
    });
    return { ...JSON.parse(line), child };
  }

  keygen(kind, name, out) {
    return this.run("keygen", "--kind", kind, "--name", name, "--out", out);
  }

  /** A log with witnesses, where two gateways have recorded and submitted. */
  async start() {
    try {
      return await this.build();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async build() {
    this.vkey = this.keygen("log", "log.example.com/ai", "log.key");
    this.gateways = ["refunds.example.com", "support.example.com"].map((name) => this.keygen("gateway", name, `${name}.key`));
    let policy = "";
    this.origin = "log.example.com/ai";
    this.witnesses = [];
    for (const name of ["a", "b"]) {
      const vkey = this.keygen("witness", `witness-${name}.example.com`, `witness-${name}.key`);
      const { url } = await this.serve("witness", "--data", `witness-${name}`, "--key", `witness-${name}.key`, "--log-vkey", this.vkey, "--listen", "127.0.0.1:0");
      this.witnesses.push(url);
      policy += `witness ${name} ${vkey} ${url}\n`;
    }
    this.policy = `${policy}group both all a b\nquorum both\n`;
    writeFileSync(this.path("policy.txt"), this.policy);
    this.log = await this.serve("serve", "--data", "log", "--origin", "log.example.com/ai", "--key", "log.key", "--policy", "policy.txt",
      ...this.gateways.flatMap((vkey) => ["--gateway", vkey]), "--listen", "127.0.0.1:0", "--stream-head-interval", "1s");
    this.url = `${this.log.url}/`;
    this.record(3);
    this.submit("support.example.com", 5);
    // Genesis, two gateways, a stream of each, what they stated, heads and a closing: the log is idle then. The witnesses follow a moment later.
    await this.published(16);
    return this;
  }

  /** Waits until the published checkpoint, which witnesses have cosigned, has so many entries. */
  async published(size) {
    for (let waited = 0; waited < 60_000; waited += 50) {
      const checkpoint = await (await fetch(new URL("checkpoint", this.url))).text();
      if (Number(checkpoint.split("\n")[1]) >= size) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`no checkpoint of ${size} entries was published`);
  }

  /** Records of a gateway, through a vault. */
  record(count) {
    const readme = readFileSync(join(ROOT, "README.md"), "utf8");
    const record = readme.split("cat > refund.json <<'JSON'\n")[1].split("\nJSON\n")[0];
    for (let number = 1; number <= count; number++) {
      const text = record.replace("refund-8841", `refund-884${number}`).replace('"session_sequence": 2', `"session_sequence": ${number}`);
      writeFileSync(this.path("record.json"), text);
      this.run("record", "--vault", "vault", "--log", this.log.url, "--log-vkey", this.vkey, "--gateway-key", "refunds.example.com.key", "record.json");
    }
  }

  submit(gateway, count) {
    const files = Array.from({ length: count }, (_, at) => {
      const name = `call-${this.submitted++}.txt`;
      writeFileSync(this.path(name), `call ${at}\n`);
      return name;
    });
    this.run("submit", "--log", this.log.url, "--log-vkey", this.vkey, "--gateway-key", `${gateway}.key`, "--state", `state-${gateway}`, "--receipts", "receipts", ...files);
  }

  /** Ends the servers, and removes their files once they write no more. */
  async stop() {
    await Promise.all(this.running.map(ended));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
