// The signed notes that control entries carry (docs/formats.md, "Control notes"): lines of a word and a value, the first of which
// names the kind of the note.

import { parseDecimal, utf8Length } from "./bytes.js";
import type { Crypto } from "./crypto.js";
import { MAX_CONTROL_NOTE_BYTES } from "./entry.js";
import { checkBytes, orNull, recast, refusalIn, refuse, UnsignedNote } from "./errors.js";
import { checkKeyName, checkOrigin, parseVkey, sameKey, type KeyType, type VerifyingKey } from "./key.js";
import { parseNote, verifyNote, type UnverifiedNote } from "./note.js";

/** Longest reason in a note, in bytes. */
const MAX_REASON_BYTES = 512;
const MAX_TIME = 2n ** 48n - 1n;
const MAX_STREAM = 2n ** 40n - 1n;
const MAX_STREAM_SIZE = 2n ** 48n;

/** Entry 0: the log's name and who may enrol gateways. */
export interface Genesis { readonly origin: string; readonly operator: VerifyingKey }

/** The operator lets a gateway's key open streams. */
export interface Enrolment {
  readonly gateway: VerifyingKey;
  /** The key of the same name whose place it takes. */
  readonly replaces: { readonly key: VerifyingKey; readonly rotation: boolean; readonly reason: string } | null;
}

/** A gateway opens a stream. */
export interface StreamOpening {
  readonly gateway: VerifyingKey;
  readonly stream: VerifyingKey;
  readonly previous: { readonly stream: number; readonly size: number } | null;
}

/** The operator withdraws a gateway's key. */
export interface Revocation { readonly gateway: VerifyingKey; readonly effective: number; readonly reason: string }

/** The log gives up entries below an index, and keeps the hashes of its tree. */
export interface Pruning {
  /** The minimum index, a multiple of 256: bundles that end at or below it may be gone. */
  readonly minimum: bigint;
  readonly reason: string;
}

/** The operator bounds what gateways may log in a day. */
export interface Quota {
  /** `all`, or `gateway <name>`. */
  readonly scope: string;
  readonly issued: number;
  readonly limits: { readonly statements: string; readonly bytes: string; readonly streams: string };
}

/** The lines of a control note, read one expected word after the other. */
export class Lines {
  readonly #lines: string[];

  constructor(text: string, title: string) {
    this.#lines = text.slice(0, -1).split("\n");
    if (this.#lines.shift() !== title) refuse("note", `the note is not a \`${title}\` note`);
  }

  value(word: string): string {
    const line = this.#lines.shift();
    const value = line !== undefined && line.startsWith(`${word} `) ? line.slice(word.length + 1) : "";
    return value === "" ? refuse("note", `the note lacks the line \`${word}\``) : value;
  }

  log(origin: string): void {
    if (this.value("log") !== origin) refuse("note", "the note is for another log");
  }

  vkey(word: string, type: KeyType): VerifyingKey {
    const key = recast("note", `the key after \`${word}\` is rejected`, () => parseVkey(this.value(word)));
    return key.type === type ? key : refuse("note", `the key after \`${word}\` is of the wrong type`);
  }

  /** Why something was done, in words. */
  reason(): string {
    const reason = this.value("reason");
    return utf8Length(reason) > MAX_REASON_BYTES ? refuse("note", "the reason is too long") : reason;
  }

  time(word: string): number {
    const value = parseDecimal(this.value(word));
    return value !== null && value <= MAX_TIME ? Number(value) : refuse("note", `\`${word}\` is not a time in milliseconds`);
  }

  /** Whether this is the next line. */
  isNext(line: string): boolean {
    return this.#lines[0] === line;
  }

  get isAtEnd(): boolean {
    return this.#lines.length === 0;
  }

  end(): void {
    if (!this.isAtEnd) refuse("note", "the note has too many lines");
  }
}

/** Parts a reason into its cause, which must be one of these, and words. */
export function readReason(reason: string, causes: readonly string[]): { cause: string; words: string } {
  const [cause, ...rest] = reason.split(" ");
  const words = rest.join(" ");
  if (!causes.includes(cause!) || words === "" || utf8Length(words) > MAX_REASON_BYTES) refuse("note", "`reason` is not a known cause and words");
  return { cause: cause!, words };
}

/** Reads a control note; nothing in it is verified. */
export function parseControlNote(note: string): UnverifiedNote {
  checkBytes("note", "the note", utf8Length(note), MAX_CONTROL_NOTE_BYTES);
  try {
    return parseNote(note);
  } catch (error) {
    return unsigned(error);
  }
}

/** Verifies a note that each of these keys must have signed: the other keys' lines do not make up for a missing one. */
export async function verifyAll(note: UnverifiedNote, keys: readonly VerifyingKey[], crypto: Crypto): Promise<void> {
  try {
    const { signatures } = await verifyNote(note, keys, crypto);
    const hasSigned = (key: VerifyingKey): boolean => signatures.some((made) => sameKey(made.key, key));
    if (!keys.every(hasSigned)) refuse("signature", "a key that must sign it did not");
  } catch (error) {
    unsigned(error);
  }
}

function unsigned(error: unknown): never {
  throw new UnsignedNote("note", `the note does not verify: ${refusalIn(error).message}`);
}

/** Verifies a note that this key must have signed, and returns its text. */
async function open(note: string, key: VerifyingKey, crypto: Crypto): Promise<string> {
  const parsed = parseControlNote(note);
  await verifyAll(parsed, [key], crypto);
  return parsed.text;
}

/** Reads a genesis note signed by one of the log's keys. */
export async function openGenesis(note: string, logKeys: readonly VerifyingKey[], crypto: Crypto): Promise<Genesis> {
  const parsed = parseControlNote(note);
  for (const key of logKeys) {
    if ((await orNull(verifyNote(parsed, [key], crypto))) === null) continue;
    const lines = new Lines(parsed.text, "vouchlog/v1 genesis");
    const origin = lines.value("origin");
    recast("note", "the origin is rejected", () => checkOrigin(origin));
    const operator = lines.vkey("operator", 0x01);
    lines.end();
    return { origin, operator };
  }
  return refuse("note", "the genesis note is not signed by the log");
}

/** Reads a stream opening, signed by the gateway that it names. Whether that gateway is enrolled is the caller's to look up. */
export async function openStreamOpening(note: string, origin: string, crypto: Crypto): Promise<StreamOpening> {
  const parsed = parseControlNote(note);
  const lines = new Lines(parsed.text, "vouchlog/v1 stream");
  lines.log(origin);
  const gateway = lines.vkey("gateway", 0x01);
  const stream = lines.vkey("stream", 0x04);
  const previous = readPrevious(lines.value("previous"));
  lines.end();
  await verifyAll(parsed, [gateway], crypto);
  return { gateway, stream, previous };
}

function readPrevious(value: string): StreamOpening["previous"] {
  if (value === "none") return null;
  const [stream, size, ...more] = value.split(" ").map(parseDecimal);
  const fits = more.length === 0 && stream != null && stream <= MAX_STREAM && size != null && size <= MAX_STREAM_SIZE;
  return fits ? { stream: Number(stream), size: Number(size) } : refuse("note", "`previous` is not `none` or a stream and its size");
}

/** Reads an enrolment signed by the operator, and by both keys if it is a rotation. */
export async function openEnrolment(
  note: string, origin: string, operator: VerifyingKey, crypto: Crypto,
): Promise<Enrolment> {
  const parsed = parseControlNote(note);
  const enrolment = readEnrolment(parsed.text, origin);
  const { gateway, replaces } = enrolment;
  const needed = replaces?.rotation ? [replaces.key, gateway, operator] : [operator];
  await verifyAll(parsed, needed, crypto);
  return enrolment;
}

function readEnrolment(text: string, origin: string): Enrolment {
  const lines = new Lines(text, "vouchlog/v1 enrol");
  lines.log(origin);
  const gateway = lines.vkey("gateway", 0x01);
  if (lines.isAtEnd) return { gateway, replaces: null };
  const key = lines.vkey("replaces", 0x01);
  if (key.name !== gateway.name || sameKey(key, gateway)) refuse("note", "a key takes the place of another key of its own name");
  const reason = lines.value("reason");
  lines.end();
  if (reason === "rotation") return { gateway, replaces: { key, rotation: true, reason } };
  readReason(reason, ["lost", "compromised", "error"]);
  return { gateway, replaces: { key, rotation: false, reason } };
}

/** Reads a revocation signed by the operator. */
export async function openRevocation(
  note: string, origin: string, operator: VerifyingKey, crypto: Crypto,
): Promise<Revocation> {
  const lines = new Lines(await open(note, operator, crypto), "vouchlog/v1 revoke");
  lines.log(origin);
  const gateway = lines.vkey("gateway", 0x01);
  const effective = lines.time("effective");
  const reason = lines.reason();
  lines.end();
  return { gateway, effective, reason };
}

/** Reads a pruning signed by the log. */
export async function openPruning(note: string, origin: string, log: VerifyingKey, crypto: Crypto): Promise<Pruning> {
  const lines = new Lines(await open(note, log, crypto), "vouchlog/v1 prune");
  lines.log(origin);
  const minimum = parseDecimal(lines.value("minimum"));
  if (minimum === null || minimum === 0n || minimum % 256n !== 0n) refuse("note", "the minimum index is not a positive multiple of 256");
  const reason = lines.reason();
  lines.end();
  return { minimum, reason };
}

/** Reads a quota signed by the operator. */
export async function openQuota(note: string, origin: string, operator: VerifyingKey, crypto: Crypto): Promise<Quota> {
  const lines = new Lines(await open(note, operator, crypto), "vouchlog/v1 quota");
  lines.log(origin);
  const scope = lines.value("for");
  if (scope !== "all") {
    if (!scope.startsWith("gateway ")) refuse("note", "`for` is not `all` or `gateway` and a name");
    recast("note", "the name after `for gateway` is rejected", () => checkKeyName(scope.slice("gateway ".length)));
  }
  const issued = lines.time("issued");
  const limit = (word: string): string => {
    const value = lines.value(word);
    const fits = value === "unlimited" || (value === "default" ? scope !== "all" : parseDecimal(value) !== null);
    return fits ? value : refuse("note", "a limit is a number, `unlimited`, or for one gateway `default`");
  };
  const limits = { statements: limit("statements"), bytes: limit("bytes"), streams: limit("streams") };
  lines.end();
  return { scope, issued, limits };
}
