// Some entries of a log, proven to be in it, with everything in them that verifies: what a finding's evidence is judged by.

import { openCosigned, type CosignedCheckpoint } from "./checkpoint.js";
import {
  openEnrolment, openGenesis, openQuota, openRevocation, openStreamOpening,
  type Enrolment, type Genesis, type Quota, type Revocation, type StreamOpening,
} from "./control.js";
import { isHead, streamOrigin, tryDecodeEntry, type Entry, type StatementEntry } from "./entry.js";
import { orNull, refusalIn, UnsignedNote } from "./errors.js";
import { sameKey, type VerifyingKey } from "./key.js";
import { isSignedByNamed, KeyChangeError, Operators, readOperatorNote, WitnessKeys } from "./operators.js";
import { openContinuation, openRetirement } from "./succession.js";
import type { Trust } from "./trust.js";

/** An entry with the content of its note, if that verifies. */
export interface KnownEntry {
  readonly index: bigint;
  readonly bytes: Uint8Array;
  /** Null if the bytes cannot be decoded. */
  readonly entry: Entry | null;
  readonly opening: StreamOpening | null;
  readonly enrolment: Enrolment | null;
  readonly revocation: Revocation | null;
  readonly quota: Quota | null;
  /** Why no key of the operator in force signed an enrolment, revocation or quota; null if one did, or for any other entry. */
  readonly fault: OperatorFault | null;
  /** Why a change of the operator's key, or a rotation of a witness's, could not be let in; null if it could. */
  readonly change: ChangeFault | null;
  /** Whether it is the retirement of this log. */
  readonly retires: boolean;
  /** Whether it is the note by which this log continues another. */
  readonly continues: boolean;
  head: CosignedCheckpoint | null;
}

/** `unsigned`: by a key that is not known here; `retired`: by an operator's key that was replaced, and by none in force. */
export interface OperatorFault { readonly unsigned: boolean; readonly retired: boolean }

/** Why a note about a key does not come next. */
export interface ChangeFault {
  readonly why: "unsigned" | "content" | KeyChangeError["why"];
  /** Whether the keys that the note itself names signed it. */
  readonly isSignedByNamed: boolean;
  /** The operator's key that it replaces. */
  readonly replaces: VerifyingKey | null;
}

/** The stream that a statement or a head is of. */
export function streamOf(entry: Entry | null): bigint | null {
  return entry !== null && "stream" in entry ? BigInt(entry.stream) : null;
}

/** Entries of a log by index, in order. */
export class EntrySet {
  private constructor(
    /** The genesis, if entry 0 is there and is the one of the log. */
    readonly genesis: Genesis | null,
    readonly list: readonly KnownEntry[],
    private readonly byIndex: ReadonlyMap<bigint, KnownEntry>,
    /** The operator's keys, as far as these entries show them; null without genesis. */
    private readonly allOperators: Operators | null,
  ) {}

  /** The operator's keys before an entry, as far as these entries show them. */
  operators(index: bigint): Operators | null {
    return this.allOperators?.before(index) ?? null;
  }

  /** Opens every note of the entries. */
  static async of(entries: ReadonlyMap<bigint, Uint8Array>, trust: Trust): Promise<EntrySet> {
    const { origin, crypto } = trust;
    const sorted = [...entries].sort(([one], [other]) => (one < other ? -1 : 1));
    const first = tryDecodeEntry(entries.get(0n));
    const opened = first?.kind === "genesis" ? await orNull(openGenesis(first.note, [trust.log], crypto)) : null;
    const genesis = opened?.origin === origin ? opened : null;
    const list: KnownEntry[] = [];
    const operators = genesis === null ? null : new Operators(genesis.operator);
    const witnessKeys = new WitnessKeys();
    for (const [index, bytes] of sorted) {
      const entry = tryDecodeEntry(bytes);
      let fault: OperatorFault | null = null;
      const read = async <T>(kind: Entry["kind"], open: (note: string, by: VerifyingKey) => Promise<T>): Promise<T | null> => {
        if (entry?.kind !== kind || !("note" in entry) || operators === null) return null;
        const opened = await operators.signed((key) => open(entry.note, key));
        if ("value" in opened) return opened.value;
        fault = { unsigned: opened.fault instanceof UnsignedNote, retired: opened.isRetired };
        return null;
      };
      let change: ChangeFault | null = null;
      if (entry?.kind === "operator-changed" && operators !== null) {
        change = await changeFault(entry.note, trust, () => operators.take(index, entry.note, origin, crypto));
      } else if (entry?.kind === "witness-rotated") {
        change = await changeFault(entry.note, trust, () => witnessKeys.take(entry.note, crypto));
      }
      const retirement = entry?.kind === "log-retired" ? await orNull(openRetirement(entry.note, crypto)) : null;
      const continues = entry?.kind === "log-continued" && (await orNull(openContinuation(entry.note, trust.log, crypto))) !== null;
      list.push({
        index, bytes, entry, head: null, continues, change, retires: retirement !== null && sameKey(retirement.log, trust.log),
        opening: entry?.kind === "stream-opened" ? await orNull(openStreamOpening(entry.note, origin, crypto)) : null,
        enrolment: await read("gateway-enrolled", (note, by) => openEnrolment(note, origin, by, crypto)),
        revocation: await read("gateway-revoked", (note, by) => openRevocation(note, origin, by, crypto)),
        quota: await read("quota-set", (note, by) => openQuota(note, origin, by, crypto)),
        // Set by the three above.
        get fault() { return fault; },
      });
    }
    const set = new EntrySet(genesis, list, new Map(list.map((known) => [known.index, known])), operators);
    for (const known of list) {
      const { entry } = known;
      if (!isHead(entry)) continue;
      const opening = set.opening(BigInt(entry.stream));
      if (opening !== null) known.head = await orNull(openCosigned(entry.note, streamOrigin(origin, entry.stream), opening.stream, crypto));
    }
    return set;
  }

  at(index: bigint): KnownEntry | undefined {
    return this.byIndex.get(index);
  }

  /** The opening of a stream, if it is there and verifies. */
  opening(stream: bigint): StreamOpening | null {
    return this.at(stream)?.opening ?? null;
  }

  /** Whether every entry from one index to another is there. */
  hasAll(from: bigint, to: bigint): boolean {
    if (from > to || to - from >= BigInt(this.list.length)) return false;
    for (let index = from; index <= to; index++) if (!this.byIndex.has(index)) return false;
    return true;
  }

  /** Whether entries between two that are there are missing. */
  get hasHoles(): boolean {
    return this.list.some((known, at) => at > 0 && known.index - this.list[at - 1]!.index > 1n);
  }

  /** The entries before an index. */
  before(index: bigint): readonly KnownEntry[] {
    return this.list.filter((known) => known.index < index);
  }

  /** The statements of a stream, in order. */
  statements(stream: bigint): { index: bigint; bytes: Uint8Array; statement: StatementEntry }[] {
    return this.list.flatMap(({ index, bytes, entry }) =>
      entry?.isStatement && BigInt(entry.stream) === stream ? [{ index, bytes, statement: entry }] : []);
  }

  /** The heads of the stream of an entry that stand before it and verify. */
  earlierHeads({ index, entry }: KnownEntry): { index: bigint; head: CosignedCheckpoint }[] {
    const stream = streamOf(entry);
    return this.before(index).flatMap((known) =>
      known.head !== null && streamOf(known.entry) === stream ? [{ index: known.index, head: known.head }] : []);
  }

  /** Whether an entry before `index` enrols the key. */
  isEnrolled(key: VerifyingKey, index: bigint): boolean {
    return this.before(index).some(({ enrolment }) => enrolment !== null && sameKey(enrolment.gateway, key));
  }

  /** Indexes of the entries by which another key takes the place of this one. */
  replacements(key: VerifyingKey): bigint[] {
    return this.list.flatMap(({ index, enrolment }) => {
      const replaced = enrolment?.replaces?.key;
      return replaced !== undefined && sameKey(replaced, key) ? [index] : [];
    });
  }

  /** Where a key is withdrawn, and from when on: by a revocation, or by a replacement that it did not sign. */
  revocations(key: VerifyingKey): { index: bigint; effective: number }[] {
    return this.list.flatMap(({ index, entry, revocation, enrolment }) => {
      if (revocation !== null) return sameKey(revocation.gateway, key) ? [{ index, effective: revocation.effective }] : [];
      const replaces = enrolment?.replaces;
      const withdraws = replaces && !replaces.rotation && sameKey(replaces.key, key);
      return withdraws ? [{ index, effective: entry!.loggedAt }] : [];
    });
  }
}

async function changeFault(note: string, trust: Trust, take: () => Promise<unknown>): Promise<ChangeFault | null> {
  try {
    await take();
    return null;
  } catch (error) {
    const refusal = refusalIn(error);
    const why = refusal instanceof KeyChangeError ? refusal.why : refusal instanceof UnsignedNote ? "unsigned" : "content";
    const read = await orNull((async () => readOperatorNote(note, trust.origin))());
    return {
      why,
      isSignedByNamed: await isSignedByNamed(note, trust.origin, trust.crypto),
      replaces: read?.kind === "change" ? read.replaces : null,
    };
  }
}
