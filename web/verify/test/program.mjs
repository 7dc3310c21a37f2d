// The verdict of the program `vouchlog` on a case: it is run on the files, and its exit status and JSON are read.

import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { decodeBase64 } from "../dist/bytes.js";

function run(program, args) {
  return new Promise((resolve, reject) => {
    // Nothing of the caller's environment may stand in for an argument.
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"], env: { PATH: process.env.PATH ?? "" } });
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text) => { out += text; });
    child.on("error", reject).on("close", (status) => resolve({ status, out }));
  });
}

/** What each kind shows, as both sides can tell it. `ours` takes what `judge.mjs` gives, `theirs` the program's JSON. */
const SHOWN = {
  proof: { ours: (shows) => shows.slice(0, 2), theirs: ({ index, size }) => [index, size] },
  session: { ours: () => null, theirs: () => null },
  presentation: {
    ours: (o) => [o[0], o[1], o[5], o[6], o[8], o[9], o[10], o[11], o[12], o[14], o[13]?.[1] ?? null],
    theirs: (j) => [
      j.record, j.kind, j.evidence, j.digest, j.disclosed, j.index, j.size, j.gateway, j.gateway_enrolled, j.witnessed_until,
      j.gateway_revoked?.as_of ?? j.gateway_revoked?.index ?? null,
    ],
  },
  completeness: {
    ours: (o) => o,
    theirs: (j) => [j.size, j.root, j.cosigned_by, j.streams.map((s) => [
      s.stream, s.gateway_vkey, s.rotated_from ?? null, s.is_house, s.continues, s.first, s.signed, s.pending, s.heads, s.newest_head, s.closed,
      s.declared_losses.map(({ sequence, index }) => [sequence, index]),
    ])],
  },
  sample: { ours: () => null, theirs: () => null },
  evidence: { ours: ([verdict]) => verdict, theirs: ({ verdict }) => verdict },
  audit: {
    ours: ({ findings }) => findings,
    theirs: ({ findings }) => findings.map(({ kind, place, follows_from: cause, consequences }) => [
      kind, place.checkpoint ?? null, place.entry ?? null, place.tile ?? null, place.stream ?? null, cause ?? null, consequences,
    ]),
  },
};

/** Whether the program can be asked about a case. Its audit takes the time from the clock, so a case that names one is not for it. */
export const canAsk = ({ kind, now }) => kind in SHOWN && now === undefined;

/** Bytes of a full tile, and the most that the program reads of one. */
const FULL_TILE = 8192;

/** Our verdict in the form of {@link ask}. */
export function asAsked({ kind, objects }, { verdict, shows }) {
  if (verdict !== "holds") return { verdict: "refused" };
  const told = SHOWN[kind].ours(shows);
  return { verdict, shows: kind === "audit" ? told.map((finding) => asRead(finding, objects)) : told };
}

/** The program stops reading a tile that is longer than any may be, and reports that it is not served; we are handed all of it. */
function asRead([finding, checkpoint, entry, tile, ...rest], objects) {
  const isTooLong = finding === "truncated-tile" && (decodeBase64(objects[tile] ?? "")?.length ?? 0) > FULL_TILE;
  return [isTooLong ? "missing-tile" : finding, checkpoint, entry, tile, ...rest];
}

/** `{ verdict: "holds", shows }` or `{ verdict: "refused" }`. */
export async function ask(program, one) {
  const folder = await mkdtemp(join(tmpdir(), "vouchlog-case-"));
  try {
    return await asked(program, one, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function asked(program, one, folder) {
  const { kind, vkey, policy, gateways = [], objects = {}, bytes = "" } = one;
  const common = ["--log-vkey", vkey, "--json"];
  if (policy !== undefined) {
    await writeFile(join(folder, "policy"), policy);
    common.push("--policy", join(folder, "policy"));
  }
  if (kind === "audit") {
    const log = join(folder, "log");
    await mkdir(log);
    for (const [path, base64] of Object.entries(objects)) {
      await mkdir(dirname(join(log, path)), { recursive: true });
      await writeFile(join(log, path), decodeBase64(base64));
    }
    const { status, out } = await run(program, ["audit", "--log", log, ...common]);
    return status === 2 ? { verdict: "refused" } : { verdict: "holds", shows: SHOWN.audit.theirs(withoutAge(JSON.parse(out))) };
  }
  const file = join(folder, "file");
  await writeFile(file, decodeBase64(bytes));
  const flags = { sample: null, completeness: "--completeness", presentation: "--presentation", session: "--bundle", proof: "--proof", evidence: null }[kind];
  const args = ["verify", ...(flags ? [flags, file] : [file]), ...common];
  for (const gateway of gateways) args.push("--gateway-vkey", gateway);
  if (kind === "proof") {
    const extra = /^extra (.*)$/m.exec(Buffer.from(decodeBase64(bytes)).toString())?.[1] ?? "";
    await writeFile(join(folder, "entry"), decodeBase64(extra) ?? "");
    args.push("--entry", join(folder, "entry"));
  }
  const { status, out } = await run(program, args);
  const json = out === "" ? null : JSON.parse(out);
  // Status 1 is also that of a proven finding, and of a record that does not bear out what its gateway claims of it.
  const holds = status !== 2 && json !== null && !("finding" in json);
  return holds ? { verdict: "holds", shows: SHOWN[kind].theirs(json) } : { verdict: "refused" };
}

/** The cases are older than a day, so with a policy each has a checkpoint that is stale by its age. */
function withoutAge(report) {
  const kept = report.findings.filter(({ kind }) => kind !== "stale-checkpoint");
  const place = new Map(report.findings.map((finding, at) => [at, kept.indexOf(finding)]));
  const cause = (at) => (at === undefined ? undefined : place.get(at));
  return { findings: kept.map((finding) => ({ ...finding, follows_from: cause(finding.follows_from) })) };
}
