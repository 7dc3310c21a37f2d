// Finding an entry by what a reader knows of it.

import { decodeEntry, VerifyError, type Prover } from "@vouchlog/verify";
import { readUrl } from "./log.js";

/** What a reader typed. */
export type Query =
  | { readonly by: "index"; readonly index: bigint }
  | { readonly by: "digest"; readonly digest: string }
  | { readonly by: "place"; readonly stream: number; readonly sequence: number };

/** Reads a query; null if it is none. Groups of digits may be parted by commas or spaces. */
export function parseQuery(text: string): Query | null {
  const plain = text.trim();
  const number = (digits: string): number | null => {
    const value = /^[0-9]{1,15}$/.test(digits) ? Number(digits) : null;
    return value !== null && Number.isSafeInteger(value) ? value : null;
  };
  if (/^[0-9a-f]{64}$/i.test(plain)) return { by: "digest", digest: plain.toLowerCase() };
  const [first, second, ...more] = plain.split("/").map((part) => number(part.replace(/[, \u202f]/g, "")));
  if (first === undefined || first === null || more.length > 0) return null;
  if (second === undefined) return { by: "index", index: BigInt(first) };
  return second === null ? null : { by: "place", stream: first, sequence: second };
}

/** Longest answer of a log to a question for an index. */
const MAX_ANSWER = 1 << 20;
/** Bundles that are read in search of an entry before the reader is asked. */
export const SEARCHED_BUNDLES = 4096;

/**
 * Asks the log for the index. Its answer is a hint: the caller proves the entry and compares it. Null if the log has no such service, as a
 * file server, or knows no such entry.
 */
async function ask(root: URL, query: Query): Promise<bigint | null> {
  const parameters = query.by === "digest" ? `digest=${query.digest}` : query.by === "place" ? `stream=${query.stream}&sequence=${query.sequence}` : "";
  try {
    const bytes = await readUrl(new URL(`v1/inclusion?${parameters}`, root), MAX_ANSWER);
    if (bytes === null) return null;
    const answer = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    const index = answer["index"];
    return typeof index === "number" && Number.isSafeInteger(index) && index >= 0 ? BigInt(index) : typeof index === "string" && /^[0-9]{1,19}$/.test(index) ? BigInt(index) : null;
  } catch {
    return null;
  }
}

/** Whether an entry is the one that is looked for. */
export function fits(bytes: Uint8Array, query: Query): boolean {
  if (query.by === "index") return true;
  try {
    const entry = decodeEntry(bytes);
    if (!entry.isStatement) return false;
    return query.by === "digest" ? entry.digest === query.digest : entry.stream === query.stream && entry.sequence === query.sequence;
  } catch (error) {
    if (error instanceof VerifyError) return false;
    throw error;
  }
}

/** What a search came to. `searched` are the entries that were looked at; those that were not may hold what was looked for. */
export type FoundIndex = { readonly index: bigint } | { readonly index: null; readonly searched: bigint };

/** Finds the index of an entry: the log is asked first; where it has no answer, the newest bundles are searched. */
export async function find(root: URL, prover: Prover, query: Query, onProgress: (searched: number) => void): Promise<FoundIndex> {
  if (query.by === "index") return { index: query.index };
  const hint = await ask(root, query);
  const { size } = prover.head;
  if (hint !== null && hint < size && fits((await prover.entry(hint)).bytes, query)) return { index: hint };
  let searched = 0n;
  for (let bundle = (size + 255n) / 256n - 1n, read = 0; bundle >= 0n && read < SEARCHED_BUNDLES; bundle--, read++) {
    const entries = await prover.bundle(bundle);
    const place = entries.findIndex((bytes) => fits(bytes, query));
    if (place >= 0) return { index: bundle * 256n + BigInt(place) };
    searched += BigInt(entries.length);
    onProgress(Number(searched));
  }
  return { index: null, searched };
}
