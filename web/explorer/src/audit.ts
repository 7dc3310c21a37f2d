// Audit in the tab: the whole log, in a worker, with the findings of `vouchlog audit`.

import { encodeHex, TILE_WIDTH, type AnnouncedPruning, type AuditReport, type Finding, type Place } from "@vouchlog/verify";
import { audit, tilesFor, type Audited, type Running, type TilesCompared } from "./auditing.js";
import { alarm, announce, at, digest, fact, h, icon, note, put, status, type Child, type Tone } from "./dom.js";
import { saveButton } from "./files.js";
import { isContradicted, open, type Opened } from "./page.js";
import { remember } from "./trust.js";
import { askWitness } from "./witnesses.js";
import { count, grouped, moment } from "./words.js";

/** Bytes that an entry costs to read, and its hash in a tile, for an estimate. */
const BYTES_PER_ENTRY = 56n;
const BYTES_PER_HASH = 32n;

async function main(): Promise<void> {
  const opened = await open();
  if (opened === null) return;
  const { size } = opened.signed.head;
  if (tilesFor(opened) === "all") return run(opened, "all");
  const button = h("button", { class: "btn main-act", type: "button" }, "Audit the log");
  const everyTile = h("input", { id: "every-tile", type: "checkbox" });
  button.addEventListener("click", () => void run(opened, everyTile.checked ? "all" : "sample"));
  put(at("acts"), button);
  const megabytes = (bytes: bigint): string => `${grouped((size * bytes) / 1_000_000n + 1n)} MB`;
  put(at("result"), h("div", { class: "panel pad stack" },
    h("p", {}, `The log has ${count(size, "entry", "entries")}. The audit reads all of them: about ${megabytes(BYTES_PER_ENTRY)}.`),
    h("p", {}, everyTile, " ", h("label", { for: "every-tile" }, `Also read every hash tile, and each bundle of entries by its path: ${megabytes(BYTES_PER_HASH)} more, in many more requests`)),
    h("p", { class: "s soft" }, "Each entry must lead to the signed root either way. The tiles hold the hashes of the entries, for those who prove single ones. Unless you ask for all, one in 16 is compared, chosen at random: a wrong one that was not chosen goes unnoticed.")));
}

async function run(opened: Opened, tiles: TilesCompared): Promise<void> {
  at("progress").hidden = false;
  put(at("result"));
  tell("Asking the witnesses");
  const witnesses = opened.known.trust.policy?.witnesses ?? [];
  const answers = await Promise.all(witnesses.map((witness) => askWitness(witness, opened.known.trust)));
  const witnessed = answers.flatMap((answer) => (answer.state === "head" ? [answer.signed.note.note] : []));
  const running = audit(opened, witnessed, tiles, progress);
  put(at("acts"), stopButton(running));
  try {
    const audited = await running.done;
    show(opened, audited, { asked: witnesses.length, answered: witnessed.length });
  } catch (error) {
    put(at("result"), note("warn", h("b", {}, "The audit did not finish."), ` ${error instanceof Error ? error.message : ""}. Nothing follows from that about the log.`));
  }
  at("progress").hidden = true;
  const again = h("button", { class: "btn", type: "button" }, "Audit again");
  again.addEventListener("click", () => location.reload());
  put(at("acts"), again);
}

function stopButton(running: Running): HTMLElement {
  const stop = h("button", { class: "btn", type: "button" }, "Stop");
  stop.addEventListener("click", () => running.stop());
  return stop;
}

function tell(words: string): void {
  put(at("progress-words"), words);
}

function progress(done: number, total: number): void {
  (at("bar") as HTMLProgressElement).value = total === 0 ? 1 : done / total;
  tell(`${grouped(done)} of ${count(total, "entry", "entries")} checked`);
}

interface Asked { readonly asked: number; readonly answered: number }

const SEVERITY: Readonly<Record<Finding["severity"], { tone: Tone; words: string }>> = {
  critical: { tone: "bad", words: "Critical" }, serious: { tone: "bad", words: "Serious" }, warning: { tone: "warn", words: "Warning" },
};

function show(opened: Opened, audited: Audited, asked: Asked): void {
  const { report } = audited;
  const rate = audited.millis > 0 ? Math.round(report.entries / (audited.millis / 1000)) : 0;
  keepSummary(opened, report);
  put(at("result"), verdict(opened, report),
    h("div", { class: "grid g3 sec-t" },
      panel("Entries read", grouped(report.entries), report.entries < 10_000 ? "Each was read once." : `${(audited.millis / 1000).toFixed(1)} s, ${grouped(rate)} entries a second`),
      panel("Statements", grouped(report.statements), report.isVouchlog ? `${count(report.streams.length, "stream")}, ${count(report.gateways, "gateway")}` : "The entries are opaque bytes: only the tree was checked."),
      panel("Witnesses asked", `${asked.answered} of ${asked.asked}`, asked.asked === 0 ? "No policy names witnesses. A log that shows others another tree goes unnoticed." : "What they cosigned last was compared with the log.")),
    checkpointPanel(opened, report), limits(opened, report, asked),
    h("div", { class: "acts sec-t" }, saveButton("Save the report", `audit-${opened.signed.head.size}.json`, reportJson(opened, report)),
      opened.before === null ? null : saveButton("Save the checkpoint kept here", "checkpoint-kept.txt", opened.before), saveButton("Save the checkpoint served", "checkpoint-served.txt", opened.signed.note.note)));
  announce(report.isClean ? "The audit has finished without findings" : `The audit has ${count(report.findings.length, "finding")}`);
}

const panel = (name: string, value: string, text: string): HTMLElement =>
  h("div", { class: "panel pad fact" }, h("h2", { class: "k" }, name), h("p", { class: "v" }, value), h("p", {}, text));

function verdict(opened: Opened, report: AuditReport): Child {
  const { known } = opened;
  if (report.isClean) {
    const isWhole = BigInt(report.entries) === opened.signed.head.size;
    if (report.pruning !== null && report.unchecked > 0) return note("warn", h("b", {}, "No findings, but not every entry was checked."), unchecked(report, report.pruning));
    if (!isWhole) return note("warn", "The audit has no findings, but did not read every entry.");
    return known.isConfirmed && !isContradicted(opened)
      ? note("ok", h("b", {}, "No findings."), " Every entry is in the tree that the log signed, and the entries keep the rules of the log.", tilesNote(report))
      : note("warn", h("b", {}, "No findings, by an unconfirmed key."), tilesNote(report), " The log is consistent with the key above. Whether that is the log's key, this page cannot know.");
  }
  const total = [...report.counts.values()].reduce((sum, one) => sum + one, 0);
  const list = h("ol", {}, report.findings.map((finding, place) => findingItem(finding, place)));
  const hidden = total - report.findings.length;
  const more = hidden > 0 ? h("p", { class: "s sec-t" }, `${count(hidden, "further finding")} of the same kinds: at most 16 of each are listed.`) : null;
  const isGrave = report.findings.some(({ severity }) => severity !== "warning");
  const title = `${count(total, "finding")}${known.isConfirmed ? "" : ", by an unconfirmed key"}`;
  const pruned = prunedNote(report);
  if (isGrave) return [alarm(title, pruned, list, more)];
  return h("div", { class: "panel pad", id: "findings" }, h("h2", {}, title), list, more);
}

/** What was left out of the audit. */
function tilesNote({ comparedTiles, readTogether, entries }: AuditReport): string {
  const tiles = Math.floor(entries / TILE_WIDTH);
  const together = readTogether === 0 ? "" : ` The server sent ${count(readTogether, "bundle")} of entries several at a time: the files of these bundles were not read.`;
  return comparedTiles >= tiles ? "" : ` Of ${grouped(tiles)} hash tiles beside the entries, ${grouped(comparedTiles)} were compared, chosen at random.${together}`;
}

/** What the log gave up, as it announced. */
function unchecked(report: AuditReport, { minimum, entry, reason }: AnnouncedPruning): string {
  return ` ${count(report.unchecked, "entry", "entries")} below the minimum index ${grouped(minimum)} ${report.unchecked === 1 ? "is" : "are"} pruned: only the hashes are known to be those of the signed tree. Entry ${grouped(entry)} announces it: “${reason}”.`;
}

/** A log may drop old entries and keep their hashes, and announce nothing. That is said, and it stays a finding: what was dropped cannot be checked. */
function prunedNote({ counts, findings }: AuditReport): Child {
  const missing = counts.get("missing-bundle") ?? 0;
  const isOnlyMissing = missing > 0 && findings.every(({ kind }) => kind === "missing-bundle");
  return isOnlyMissing ? h("p", { class: "sec-t" }, `${count(missing, "bundle")} of entries ${missing === 1 ? "is" : "are"} not served, and nothing else is wrong: the log looks pruned. The hashes of these entries are those of the signed tree; what they say was not checked.`) : null;
}

function findingItem({ kind, rule, severity, place, words, followsFrom, consequences }: Finding, number: number): HTMLElement {
  const { tone, words: grade } = SEVERITY[severity];
  const follows = followsFrom === null ? "" : ` It follows from finding ${followsFrom + 1}.`;
  const explains = consequences === 0 ? "" : ` It explains ${count(consequences, "further irregularity", "further irregularities")}.`;
  return h("li", { id: `finding-${number + 1}` }, status(tone, grade),
    h("div", {}, h("p", {}, `${capital(words)}.`), h("p", { class: "then" }, placeWords(place), follows, explains)), h("span", { class: "code" }, `${kind} · ${rule}`));
}

const capital = (words: string): string => words.slice(0, 1).toUpperCase() + words.slice(1);

function placeWords({ checkpoint, entry, tile, stream }: Place): Child {
  const parts: Child[] = [];
  if (checkpoint !== undefined) parts.push(`Checkpoint of ${count(checkpoint, "entry", "entries")}. `);
  if (stream !== undefined) parts.push("Stream ", h("a", { href: `streams.html#stream-${stream}` }, grouped(stream)), ". ");
  if (entry !== undefined) parts.push("Entry ", h("a", { href: `entry.html?q=${entry}` }, grouped(entry)), ". ");
  if (tile !== undefined) parts.push(h("code", {}, tile), ". ");
  return parts;
}

function checkpointPanel({ known }: Opened, { checkpoint, cosigned, retired, predecessor, findings }: AuditReport): Child {
  if (checkpoint === null) return null;
  const { policy } = known.trust;
  const quorum: Child = policy === null ? status("unk", "No policy: not checked") : policy.isQuorumNone ? status("unk", "The policy asks for none")
    : cosigned?.quorum === true ? known.affirm("Met") : status("bad", "Not met");
  const isStale = findings.some(({ kind }) => kind === "stale-checkpoint");
  return h("div", { class: "panel sec-t" }, h("header", {}, h("h2", {}, "Checkpoint")), h("div", { class: "pad" }, h("dl", { class: "kv" },
    fact("Size", grouped(checkpoint.head.size)), fact("Root", digest(encodeHex(checkpoint.head.root), "the root hash")), fact("Signed by the log", known.affirm("Yes")),
    fact("Quorum", quorum), fact("Cosigned by", cosigned === null || cosigned.by.length === 0 ? "no witness of the policy" : cosigned.by.join(", ")),
    cosigned?.newest == null ? null : fact("Newest cosignature", moment(Number(cosigned.newest) * 1000), isStale ? [" ", status("warn", "Stale")] : null),
    retired === null ? null : fact("Read only", "The log ended with its last entry."),
    predecessor === null ? null : fact("Continues", predecessor))));
}

function limits(opened: Opened, report: AuditReport, { answered }: Asked): HTMLElement {
  const isSound = report.isClean && opened.known.isConfirmed && !isContradicted(opened);
  const shown = [
    isSound ? "Every entry that the log served is in the tree under the checkpoint above." : "What is listed above. It can be repeated by anyone with the same key.",
    isSound && report.isVouchlog ? "The statements of each stream follow one another and lead to what its gateway signed." : null,
    isSound && opened.visit.comparison !== null ? "The log still contains what this browser saw before." : null,
    isSound && answered > 0 ? `It contains what ${count(answered, "witness", "witnesses")} cosigned last.` : null,
  ];
  const not = [
    "Whether records are true, or whether a record shows a violation: a sound log may hold bad records.",
    "Whether gateways recorded everything that they did. A gateway that never states something leaves no gap.",
    answered === 0 ? "Whether others are shown the same log." : null,
    opened.known.isConfirmed ? null : "Whether the key is the log's.",
  ];
  const list = (items: readonly (string | null)[]): HTMLElement => h("ul", {}, items.filter((item): item is string => item !== null).map((item) => h("li", {}, item)));
  return h("div", { class: "panel pad limits sec-t" }, h("div", {}, h("h3", {}, icon("info"), "What this shows"), list(shown)), h("div", {}, h("h3", { class: "mute" }, icon("none"), "What this does not show"), list(not)));
}

function reportJson({ known }: Opened, report: AuditReport): string {
  const { origin, checkpoint, isClean, findings, counts, entries, comparedTiles, readTogether, statements, gateways, streams } = report;
  const value = {
    format: "vouchlog explorer audit", origin, log_vkey: known.kept.vkey, key_confirmed: known.isConfirmed, policy: known.kept.policy, at: new Date().toISOString(),
    size: checkpoint?.head.size ?? null, root: checkpoint === null ? null : encodeHex(checkpoint.head.root), checkpoint: checkpoint?.note.note ?? null,
    is_clean: isClean, findings, counts: Object.fromEntries(counts), entries, compared_tiles: comparedTiles, read_together: readTogether, statements, gateways, streams,
  };
  return `${JSON.stringify(value, (_, one: unknown) => (typeof one === "bigint" ? Number(one) : one), 2)}\n`;
}

/** What the front page shows of this browser's last audit. */
function keepSummary({ root, known, signed }: Opened, report: AuditReport): void {
  const { size } = report.checkpoint?.head ?? signed.head;
  const total = [...report.counts.values()].reduce((sum, one) => sum + one, 0);
  remember(root, `audit:${known.fingerprint}`, JSON.stringify({ size: size.toString(), findings: total, statements: report.statements, streams: report.streams.length, gateways: report.gateways, at: Date.now() }));
}

await main();
