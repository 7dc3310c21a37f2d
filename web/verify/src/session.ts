// Session bundles: a presentation of each of a session's records (docs/statements.md). Each is verified by itself; nothing else in
// the file is trusted.

import { keepClass, refuse } from "./errors.js";
import { anything, format, list, listOrNone, optional, parseWithin, readMembers, string, u64, type JsonValue, type Parsed, type Reader } from "./json.js";
import { presented, verifyPresented, type Presentation, type VerifiedPresentation } from "./presentation.js";
import { SharedProofs } from "./shared_proofs.js";
import type { Trust } from "./trust.js";

/** The `format` of a session bundle. */
export const SESSION_FORMAT = "vouchlog/v1 session";
/** Longest bundle, in bytes. */
export const MAX_SESSION_BYTES = 64 << 20;
const MAX_PRESENTATIONS = 10_000;

/** A bundle as read; nothing in it is verified. */
export interface SessionBundle {
  readonly origin: string;
  readonly session: string;
  /** The fields that the sender chose, for people. */
  readonly disclosed: readonly string[];
  /** How many records there are according to the sender, the seal not counted. */
  readonly known: bigint;
  readonly records: readonly Packed[];
  readonly seal: Packed | null;
  readonly erasures: readonly Packed[];
}

/** What a bundle shows. */
export interface VerifiedSession {
  readonly session: string;
  readonly known: bigint;
  readonly records: readonly VerifiedPresentation[];
  readonly seal: VerifiedPresentation | null;
  readonly erasures: readonly VerifiedPresentation[];
  /** What rests on the sender's word, or was not checked, in words. */
  readonly notes: readonly string[];
}

/** The bundle that a JSON text is. */
export function sessionOfJson(parsed: Parsed | undefined): SessionBundle {
  const { records, seal, erasures, parts, ...read } = readMembers(parsed, "the bundle", {
    format: format(SESSION_FORMAT), origin: string, session: string, disclosed: list(string), known: u64, parts: list(string),
    records: list(anything), seal: optional(anything), erasures: listOrNone(anything),
  });
  if (records.length + erasures.length + (seal === null ? 0 : 1) > MAX_PRESENTATIONS) {
    refuse("too-large", `the bundle has more than ${MAX_PRESENTATIONS} presentations`);
  }
  const unpack = (one: Parsed): Packed => readPacked(one, read.origin, parts);
  return { ...read, records: records.map(unpack), seal: seal === null ? null : unpack(seal), erasures: erasures.map(unpack) };
}

/** A presentation that names a part which is not in the bundle: refused when its turn to be verified comes, as what is wrong before it comes first. */
const MISSING_PART = "missing part";
type Packed = Presentation | typeof MISSING_PART;

/** A presentation with numbers of parts in place of proofs. */
function readPacked(value: Parsed, origin: string, parts: readonly string[]): Packed {
  let isWhole = true;
  const part: Reader<string> = (number, no) => {
    const found = parts[Number(u64(number, no))];
    isWhole &&= found !== undefined;
    return found ?? "";
  };
  const presentation = { origin, ...readMembers(value, "a presentation of the bundle", presented(part)) };
  return isWhole ? presentation : MISSING_PART;
}

/** Verifies every presentation of a bundle, and that they are of one session. */
export async function verifySession(bundle: SessionBundle, trust: Trust): Promise<VerifiedSession> {
  const proofs = new SharedProofs(trust);
  const verify = async (one: Packed, what: string, fits: (kind: string) => boolean): Promise<VerifiedPresentation> => {
    if (one === MISSING_PART) refuse("format", "a part is not in the bundle");
    const verified = await keepClass(what, () => verifyPresented(one, proofs, what));
    const { kind } = verified.entry;
    return fits(kind) ? verified : trust.check("session", what, () => refuse("entry", `${what} is a statement of kind ${kind}`));
  };
  const records: VerifiedPresentation[] = [];
  for (const [place, one] of bundle.records.entries()) {
    const isRecord = (kind: string): boolean => !["session-seal", "erasure", "opaque"].includes(kind);
    records.push(await verify(one, `record ${place} of the bundle`, isRecord));
  }
  const seal = bundle.seal && (await verify(bundle.seal, "the seal", (kind) => kind === "session-seal"));
  const erasures: VerifiedPresentation[] = [];
  for (const [place, one] of bundle.erasures.entries()) {
    erasures.push(await verify(one, `erasure ${place} of the bundle`, (kind) => kind === "erasure"));
  }
  await trust.check("session", "the bundle", () => {
    checkOnce([...records, ...(seal ? [seal] : []), ...erasures]);
    for (const one of seal ? [...records, seal] : records) {
      const session = sessionOf(one);
      if (session !== null && session !== bundle.session) {
        refuse("other-session", `record ${one.statement.claims.record} belongs to another session`);
      }
    }
  }, () => ({ session: bundle.session, records: records.length, sealed: seal !== null, erasures: erasures.length }));
  const { session, known } = bundle;
  return { session, known, records, seal, erasures, notes: notesOf(bundle, records, trust) };
}

function checkOnce(all: readonly VerifiedPresentation[]): void {
  const ids = new Set(all.map((one) => one.statement.claims.record));
  const places = new Set(all.map((one) => one.index));
  if (ids.size < all.length || places.size < all.length) refuse("duplicate", "a record is in the bundle twice");
}

function member(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value[name] : undefined;
}

/** The session that a record names; null if it does not disclose it. */
function sessionOf({ statement }: VerifiedPresentation): string | null {
  const session = member(statement.disclosed["correlation"], "session");
  return typeof session === "string" ? session : null;
}

function notesOf(bundle: SessionBundle, records: readonly VerifiedPresentation[], trust: Trust): string[] {
  const notes = ["Not checked here: whether the records keep the rules, and whether they bear out what their gateways claim of them."];
  if (records.length === 0) notes.push("There is no record in the bundle: it shows nothing of the session.");
  if (trust.policy === null) notes.push("No witness policy was given: a log that shows different trees goes unnoticed.");
  const silent = records.filter((one) => sessionOf(one) === null).length;
  if (silent > 0) {
    notes.push(`${silent} of ${records.length} records do not disclose their session: that they belong to this one rests on the sender's word.`);
  }
  if (bundle.seal === null) notes.push(`There is no seal: the number of records (${bundle.known}) rests on the sender's word.`);
  else notes.push("Not checked here: whether the records in the bundle are those that the seal counts.");
  return notes;
}

/** Reads and verifies a session bundle. */
export async function verifySessionFile(bytes: Uint8Array, trust: Trust): Promise<VerifiedSession> {
  return verifySession(sessionOfJson(parseWithin(bytes, MAX_SESSION_BYTES)), trust);
}
