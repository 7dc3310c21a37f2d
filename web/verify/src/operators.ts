// Which key is the operator's at each place of the log, and which keys of witnesses were rotated (docs/formats.md, "The operator's key" and
// "A witness's key"). What an operator signed is judged by the key in force at its entry.

import { Lines, parseControlNote, readReason, verifyAll } from "./control.js";
import type { Crypto } from "./crypto.js";
import { orNull, refusalIn, refuse, VerifyError } from "./errors.js";
import { partyOf, sameKey, type VerifyingKey } from "./key.js";

const MAX_OPERATOR_CHANGES = 64;
/** How many of these are left to the recovery key. */
const CHANGES_FOR_RECOVERY = 8;
const MAX_WITNESS_ROTATIONS = 1024;
/** How many of these one witness has. */
const MAX_ROTATIONS_OF_A_WITNESS = 64;

/** Why a note about a key does not come next, although it is well-formed and signed. */
export class KeyChangeError extends VerifyError {
  constructor(readonly why: "not-in-force" | "used-before" | "no-recovery-key" | "too-many", message: string) {
    super("note", message);
  }
}

/** Another key takes the place of the operator's. */
export interface OperatorChange {
  readonly kind: "change";
  readonly operator: VerifyingKey;
  readonly replaces: VerifyingKey;
  /** `rotation`, `lost` or `compromised`. */
  readonly cause: string;
  readonly words: string;
}

/** The operator names the key that may recover its own. */
export interface RecoveryKey { readonly kind: "recovery"; readonly recovery: VerifyingKey; readonly replaces: VerifyingKey | null }

/** A note about the operator's key. */
export type OperatorNote = OperatorChange | RecoveryKey;

/** Reads a note without verifying it. */
export function readOperatorNote(note: string, origin: string): OperatorNote {
  const { text } = parseControlNote(note);
  return text.split("\n", 1)[0] === "vouchlog/v1 recovery" ? readRecovery(text, origin) : readChange(text, origin);
}

function readChange(text: string, origin: string): OperatorChange {
  const lines = new Lines(text, "vouchlog/v1 operator");
  lines.log(origin);
  const operator = lines.vkey("operator", 0x01);
  const replaces = lines.vkey("replaces", 0x01);
  if (operator.name !== replaces.name || operator.id === replaces.id) refuse("note", "an operator's key keeps its name and changes its id");
  const { cause, words } = readReason(lines.value("reason"), ["rotation", "lost", "compromised"]);
  lines.end();
  return { kind: "change", operator, replaces, cause, words };
}

function readRecovery(text: string, origin: string): RecoveryKey {
  const lines = new Lines(text, "vouchlog/v1 recovery");
  lines.log(origin);
  const recovery = lines.vkey("recovery", 0x01);
  const replaces = lines.isNext("replaces none") ? null : lines.vkey("replaces", 0x01);
  if (replaces === null) lines.value("replaces");
  else if (sameKey(replaces, recovery)) refuse("note", "a key cannot replace itself");
  lines.end();
  return { kind: "recovery", recovery, replaces };
}

/** The keys that a note itself names as its signers. */
function namedSigners(note: OperatorNote): VerifyingKey[] {
  if (note.kind === "recovery") return [note.recovery, ...(note.replaces ? [note.replaces] : [])];
  return note.cause === "rotation" ? [note.replaces, note.operator] : [note.operator];
}

/** Whether every key that the note names as its signer signed it. */
export async function isSignedByNamed(note: string, origin: string, crypto: Crypto): Promise<boolean> {
  const verified = async (): Promise<void> => verifyAll(parseControlNote(note), namedSigners(readOperatorNote(note, origin)), crypto);
  return (await orNull(verified())) !== null;
}

interface Term { readonly key: VerifyingKey; readonly since: bigint }

/** The operator's keys, oldest first, and the keys that may recover them. */
export class Operators {
  readonly #terms: Term[];
  readonly #recovery: Term[] = [];

  /** `first`: the operator that genesis names. */
  constructor(first: VerifyingKey) {
    this.#terms = [{ key: first, since: 0n }];
  }

  /** The keys as they were before the entry at `index`. */
  before(index: bigint): Operators {
    const earlier = new Operators(this.#terms[0]!.key);
    earlier.#terms.push(...this.#terms.slice(1).filter(({ since }) => since < index));
    earlier.#recovery.push(...this.#recovery.filter(({ since }) => since < index));
    return earlier;
  }

  /** The key in force after the last change. */
  get key(): VerifyingKey {
    return this.#terms[this.#terms.length - 1]!.key;
  }

  /** Every key of the operator, oldest first. */
  get keys(): VerifyingKey[] {
    return this.#terms.map(({ key }) => key);
  }

  /** The key that has to sign the entry at `index`. */
  at(index: bigint): VerifyingKey {
    return this.before(index).key;
  }

  get #recoveryKey(): VerifyingKey | null {
    return this.#recovery[this.#recovery.length - 1]?.key ?? null;
  }

  /** Whether another key took the place of this one. */
  isRetired(key: VerifyingKey): boolean {
    return this.#terms.slice(0, -1).some((term) => sameKey(term.key, key));
  }

  /**
   * What `read` reads with the operator's key in force; if it refuses that, why, and whether it takes a key that was replaced. SPEC: a key that was replaced
   * signs nothing more.
   */
  async signed<T>(read: (key: VerifyingKey) => Promise<T>): Promise<{ value: T } | { fault: VerifyError; isRetired: boolean }> {
    try {
      return { value: await read(this.key) };
    } catch (error) {
      const fault = refusalIn(error);
      let isRetired = false;
      for (const key of this.keys.slice(0, -1)) isRetired ||= (await orNull(read(key))) !== null;
      return { fault, isRetired };
    }
  }

  /** Reads a note, and verifies that the keys in force signed it, and that it may come next. */
  async open(note: string, origin: string, crypto: Crypto): Promise<OperatorNote> {
    const parsed = parseControlNote(note);
    const read = readOperatorNote(note, origin);
    const other = read.kind === "recovery" ? this.key : read.cause === "rotation" ? null : this.#recoveryKey;
    await verifyAll(parsed, [...namedSigners(read), ...(other ? [other] : [])], crypto);
    this.#check(read);
    return read;
  }

  /** SPEC: `replaces` is the key in force, and no key is in force twice, in either role, nor one with its id or its public key. */
  #check(note: OperatorNote): void {
    if (note.kind === "change" && note.cause !== "rotation" && this.#recovery.length === 0) {
      throw new KeyChangeError("no-recovery-key", "the log has no recovery key");
    }
    const inForce = note.kind === "change" ? this.key : this.#recoveryKey;
    const isInForce = note.replaces === null || inForce === null ? note.replaces === inForce : sameKey(note.replaces, inForce);
    if (!isInForce) throw new KeyChangeError("not-in-force", "it replaces a key that is not in force");
    const next = note.kind === "change" ? note.operator : note.recovery;
    const all = [...this.#terms, ...this.#recovery].map(({ key }) => key);
    if (all.some((key) => key.id === next.id || partyOf(key) === partyOf(next))) {
      throw new KeyChangeError("used-before", "the new key has been the operator's or its recovery key before");
    }
    const isRecovery = note.kind === "change" && note.cause !== "rotation";
    const most = MAX_OPERATOR_CHANGES - (isRecovery ? 0 : CHANGES_FOR_RECOVERY);
    if (all.length - 1 >= most) throw new KeyChangeError("too-many", "the operator's keys were changed too often");
  }

  /** Takes up the note of the entry at `index`. */
  async take(index: bigint, note: string, origin: string, crypto: Crypto): Promise<OperatorNote> {
    const read = await this.open(note, origin, crypto);
    if (read.kind === "change") this.#terms.push({ key: read.operator, since: index });
    else this.#recovery.push({ key: read.recovery, since: index });
    return read;
  }
}

/** A witness has another key. */
export interface WitnessRotation { readonly witness: VerifyingKey; readonly replaces: VerifyingKey }

/** Reads a rotation that both keys cosigned. It is for no log. */
export async function openWitnessRotation(note: string, crypto: Crypto): Promise<WitnessRotation> {
  const parsed = parseControlNote(note);
  const lines = new Lines(parsed.text, "vouchlog/v1 witness");
  const witness = lines.vkey("witness", 0x04);
  const replaces = lines.vkey("replaces", 0x04);
  lines.end();
  if (witness.name !== replaces.name || witness.id === replaces.id || partyOf(witness) === partyOf(replaces)) {
    refuse("note", "a witness's key keeps its name, and cannot replace itself");
  }
  await verifyAll(parsed, [replaces, witness], crypto);
  return { witness, replaces };
}

/** The rotations of witnesses' keys that a log holds. */
export class WitnessKeys {
  readonly rotations: WitnessRotation[] = [];

  /** SPEC: each key is rotated once, and none comes back. */
  async take(note: string, crypto: Crypto): Promise<WitnessRotation> {
    const rotation = await openWitnessRotation(note, crypto);
    if (this.rotations.some(({ replaces }) => sameKey(replaces, rotation.replaces))) {
      throw new KeyChangeError("not-in-force", "the key was rotated before");
    }
    const known = this.rotations.flatMap(({ witness, replaces }) => [witness, replaces]);
    if (known.some((key) => partyOf(key) === partyOf(rotation.witness))) {
      throw new KeyChangeError("used-before", "the key was a witness's before");
    }
    if (this.rotations.length >= MAX_WITNESS_ROTATIONS) throw new KeyChangeError("too-many", "too many rotations");
    const ofOne = this.rotations.filter((other) => other.replaces.name === rotation.replaces.name);
    if (ofOne.length >= MAX_ROTATIONS_OF_A_WITNESS) throw new KeyChangeError("too-many", "too many rotations of one witness");
    this.rotations.push(rotation);
    return rotation;
  }
}
