// Making a completeness file of a stream from what the log serves, and checking it as anyone else would.

import { decodeEntry, encodeBase64, encodeHex, openEnrolment, openGenesis, Operators, refuse, verifyCompletenessFile, VerifyError, type Completeness, type ProvenRun } from "@vouchlog/verify";
import type { Opened } from "./page.js";
import type { Surveyed } from "./survey.js";

/** Entries between a stream's opening and its last entry that a page reads; for a longer stream use `vouchlog prove-complete`. */
export const MAX_SPAN = 1 << 18;
/** Pieces of a stream between entries of others. */
const MAX_RUNS = 1 << 14;

/** A completeness file that the verifier accepted. */
export interface CompleteFile { readonly shown: Completeness; readonly file: string }

/** A run as the file spells it. */
const spelled = ({ first, entries, left, right }: ProvenRun): unknown =>
  ({ first: Number(first), entries: entries.map(encodeBase64), left: left.map(encodeHex), right: right.map(encodeHex) });

/** Makes and checks the file. Throws a `VerifyError` if the log does not serve, or does not bear out, that the stream is complete. */
export async function proveComplete(opened: Opened, survey: Surveyed, stream: number, onProgress: (words: string) => void): Promise<CompleteFile> {
  const { prover, known, signed } = opened;
  const seen = survey.streams.find(({ id }) => id === stream) ?? refuse("no-entry", `stream ${stream} was not read`);
  const one = async (index: number): Promise<ProvenRun> => prover.run(BigInt(index), [(await prover.entry(BigInt(index))).bytes]);
  const [genesis, opening] = [await one(0), await one(stream)];
  const operators = await Promise.all(survey.operators.map(one));
  const enrolment = await one(await enrolmentOf(opened, survey, stream));
  const runs = await runsOf(opened, stream, seen.last.index, onProgress);
  const value = {
    format: "vouchlog/v1 completeness", origin: known.trust.origin, from: 0, to: Number(signed.head.size), checkpoint: signed.note.note,
    genesis: spelled(genesis), ...(operators.length === 0 ? {} : { operators: operators.map(spelled) }),
    streams: [{ enrolment: spelled(enrolment), opening: spelled(opening), entries: runs.map(spelled) }],
  };
  const file = `${JSON.stringify(value)}\n`;
  onProgress("Checking the file");
  return { shown: await verifyCompletenessFile(new TextEncoder().encode(file), known.trust), file };
}

/** The enrolment of the key that opened a stream: the newest before it that the operator signed. */
async function enrolmentOf({ prover, known }: Opened, survey: Surveyed, stream: number): Promise<number> {
  const { trust } = known;
  const read = async (index: number): Promise<{ note: string }> => {
    const entry = decodeEntry((await prover.entry(BigInt(index))).bytes);
    return "note" in entry ? entry : refuse("entry", `entry ${index} carries no note`);
  };
  const gateway = (await read(stream)).note.split("\n").find((line) => line.startsWith("gateway "))?.slice("gateway ".length);
  const operators = new Operators((await openGenesis((await read(0)).note, [trust.log], trust.crypto)).operator);
  for (const index of survey.operators) await operators.take(BigInt(index), (await read(index)).note, trust.origin, trust.crypto);
  const candidates = survey.enrolments.filter(({ index, vkey }) => index < stream && vkey === gateway).reverse();
  for (const { index } of candidates) {
    try {
      await openEnrolment((await read(index)).note, trust.origin, operators.at(BigInt(index)), trust.crypto);
      return index;
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error;
    }
  }
  return refuse("note", `no enrolment of the gateway of stream ${stream} was found`);
}

/** The entries of a stream, in runs side by side. The prover checks that each run is the tree's. */
async function runsOf({ prover, signed }: Opened, stream: number, last: number, onProgress: (words: string) => void): Promise<ProvenRun[]> {
  if (last - stream > MAX_SPAN) refuse("too-large", `the stream spans more than ${MAX_SPAN} entries: use \`vouchlog prove-complete\``);
  const runs: ProvenRun[] = [];
  let held: { first: number; entries: Uint8Array[] } | null = null;
  const flush = async (): Promise<void> => {
    if (held === null) return;
    if (runs.length >= MAX_RUNS) refuse("too-large", `the stream is in more than ${MAX_RUNS} pieces: use \`vouchlog prove-complete\``);
    runs.push(await prover.run(BigInt(held.first), held.entries));
    held = null;
  };
  const end = Math.min(last + 1, Number(signed.head.size));
  for (let bundle = Math.floor((stream + 1) / 256); bundle * 256 < end; bundle++) {
    onProgress(`Reading entry ${bundle * 256}`);
    const entries = await prover.bundle(BigInt(bundle));
    for (const [place, bytes] of entries.entries()) {
      const index = bundle * 256 + place;
      if (index <= stream || index >= end || !belongs(bytes, stream)) {
        await flush();
        continue;
      }
      held ??= { first: index, entries: [] };
      (held as { entries: Uint8Array[] }).entries.push(bytes);
    }
  }
  await flush();
  return runs;
}

function belongs(bytes: Uint8Array, stream: number): boolean {
  try {
    const entry = decodeEntry(bytes);
    return "stream" in entry && entry.stream === stream;
  } catch (error) {
    if (error instanceof VerifyError) return false;
    throw error;
  }
}
