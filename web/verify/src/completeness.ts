// Completeness files: all statements of a stream up to a head that its gateway signed (docs/auditing.md).

import { openCosigned, type CosignedCheckpoint } from "./checkpoint.js";
import { openEnrolment, openGenesis, openStreamOpening, type Enrolment, type StreamOpening } from "./control.js";
import { cosignatures } from "./cosigned.js";
import { streamLeafHash, streamOrigin, tryDecodeEntry, type Entry, type StatementEntry } from "./entry.js";
import { orNull, recastAsync, refuse } from "./errors.js";
import { equalBytes } from "./bytes.js";
import { format, hash, list, listOrNone, object, optional, parseWithin, readMembers, string, u64, type Parsed } from "./json.js";
import { sameKey, type VerifyingKey } from "./key.js";
import { CompactRange, type Hash, type TreeHead } from "./merkle.js";
import { Operators } from "./operators.js";
import { trustIn } from "./presentation.js";
import { run, verifyOne, verifyRun, type Run } from "./runs.js";
import type { Trust } from "./trust.js";

/** The `format` of a completeness file. */
export const COMPLETENESS_FORMAT = "vouchlog/v1 completeness";
/** Longest file, in bytes. */
export const MAX_COMPLETENESS_BYTES = 256 << 20;
const MAX_STATEMENTS = 1 << 20;
const MAX_RUNS = 1 << 16;

interface StreamProof {
  readonly enrolment: Run;
  readonly opening: Run;
  readonly base: { readonly head: Run; readonly range: readonly Hash[] } | null;
  readonly entries: readonly Run[];
}

/** A completeness file as read; nothing in it is verified. */
export interface CompletenessProof {
  readonly origin: string;
  readonly from: bigint;
  readonly to: bigint;
  readonly checkpoint: string;
  readonly genesis: Run;
  /** The entries that changed the operator's key, in the order of the log. */
  readonly operators: readonly Run[];
  readonly streams: readonly StreamProof[];
}

/** What is shown of one stream. */
export interface CompleteStream {
  /** Index of its opening, which is its name. */
  readonly stream: number;
  readonly gateway: VerifyingKey;
  /** The key whose own signature handed the name over to this one. */
  readonly rotatedFrom: VerifyingKey | null;
  /** Whether it is the log's house stream, whose senders are unknown. */
  readonly isHouse: boolean;
  readonly continues: { readonly stream: number; readonly size: number } | null;
  /** Sequence number that the proof begins with. */
  readonly first: bigint;
  /** Statements that the gateway has signed, from the first of the stream on. All from `first` on are in the file. */
  readonly signed: bigint;
  /** Statements after those, which no head in the file covers. */
  readonly pending: bigint;
  /** Signed heads in the file. */
  readonly heads: number;
  /** POSIX seconds at which the newest of them was signed. */
  readonly newestHead: bigint | null;
  readonly closed: boolean;
  /** Where the gateway itself declares that records were lost. */
  readonly declaredLosses: readonly { readonly sequence: number; readonly index: bigint }[];
}

/** What a completeness file shows. */
export interface Completeness {
  readonly size: bigint;
  readonly root: Hash;
  readonly cosignedBy: readonly string[];
  readonly streams: readonly CompleteStream[];
}

/** Reads a completeness file. */
export function parseCompleteness(bytes: Uint8Array): CompletenessProof {
  return completenessOf(parseWithin(bytes, MAX_COMPLETENESS_BYTES));
}

const FILE = {
  format: format(COMPLETENESS_FORMAT), origin: string, from: u64, to: u64, checkpoint: string, genesis: run, operators: listOrNone(run),
  streams: list(object("a stream of the file", {
    enrolment: run, opening: run, entries: list(run), base: optional(object("the base of a stream", { head: run, range: list(hash) })),
  })),
};

/** The completeness file that a JSON text is. */
export function completenessOf(parsed: Parsed | undefined): CompletenessProof {
  const read = readMembers(parsed, "the completeness file", FILE);
  const runs = read.streams.flatMap((stream) => stream.entries);
  if (runs.length > MAX_RUNS) refuse("too-large", `the streams are in more than ${MAX_RUNS} pieces`);
  const count = runs.reduce((sum, { entries }) => sum + entries.length, 0);
  if (count > MAX_STATEMENTS) refuse("too-large", `there are more than ${MAX_STATEMENTS} statements`);
  return read;
}

/** Verifies a completeness file against the log as the caller knows it. */
export async function verifyCompleteness(proof: CompletenessProof, trust: Trust): Promise<Completeness> {
  const signed = await trust.signed(proof.checkpoint);
  const cosigned = await cosignatures(signed, trust);
  const { head } = signed;
  if (trust.policy !== null) {
    await trust.check("witnesses", "the checkpoint", () => {
      if (!cosigned.quorum) refuse("quorum", "the checkpoint has no quorum of witnesses");
    }, () => ({ size: head.size, cosignedBy: cosigned.by, quorumNone: trust.policy!.isQuorumNone }));
  }
  const operators = await trust.check("operator", "the genesis", () => {
    if (proof.from > proof.to || proof.to > head.size) refuse("format", "the part of the log that it covers is none of this log");
    return operatorsOf(proof, head, trust);
  }, ({ key }) => ({ operator: key.name, key: key.id, changes: proof.operators.length }));
  const streams: CompleteStream[] = [];
  const seen = new Set<number>();
  for (const stream of proof.streams) {
    streams.push(await trust.check("stream", `stream ${stream.opening.first}`, async () => {
      const replay = await Replay.begin(stream, head, operators, trust);
      const shown = await replay.run(stream, head, proof.to);
      if (seen.has(shown.stream)) refuse("incomplete", `stream ${shown.stream} occurs twice in the file`);
      seen.add(shown.stream);
      return shown;
    }, ({ gateway, first, signed: end, pending, heads }) => ({ gateway: gateway.name, first, end, pending, heads })));
  }
  return { size: head.size, root: head.root, cosignedBy: cosigned.by, streams };
}

async function operatorsOf({ genesis: run, operators: changes }: CompletenessProof, head: TreeHead, trust: Trust): Promise<Operators> {
  verifyRun(run, head);
  const entry = run.first === 0n ? tryDecodeEntry(run.entries[0]) : null;
  const genesis = entry?.kind === "genesis" ? await orNull(openGenesis(entry.note, [trust.log], trust.crypto)) : null;
  if (genesis === null || genesis.origin !== trust.origin) refuse("format", "its first entry is not the genesis of this log");
  const operators = new Operators(genesis.operator);
  let last = 0n;
  for (const change of changes) {
    const changed = verifyOne(change, head);
    if (changed?.kind !== "operator-changed" || change.first <= last) {
      return refuse("format", `entry ${change.first} is not the next change of the operator's key`);
    }
    last = change.first;
    await recastAsync("format", `entry ${last}`, () => operators.take(last, changed.note, trust.origin, trust.crypto));
  }
  return operators;
}

/** A stream as far as its entries were taken up. */
class Replay {
  #range = new CompactRange();
  /** The index its next entry must be behind. */
  #last: bigint;
  #first = 0n;
  #signed = 0n;
  #heads = 0;
  #newestHead: bigint | null = null;
  #closed = false;
  readonly #losses: { sequence: number; index: bigint }[] = [];

  private constructor(
    private readonly id: bigint,
    private readonly opening: StreamOpening,
    private readonly enrolment: Enrolment,
    private readonly trust: Trust,
  ) {
    this.#last = id;
  }

  #no(problem: string): never {
    return refuse("incomplete", `stream ${this.id}: ${problem}`);
  }

  /** Checks who opened the stream, and the head that the proof begins with. */
  static async begin(proof: StreamProof, head: TreeHead, operators: Operators, trust: Trust): Promise<Replay> {
    const { origin, crypto } = trust;
    const id = proof.opening.first;
    const no = (problem: string): never => refuse("incomplete", `stream ${id}: ${problem}`);
    const opened = verifyOne(proof.opening, head);
    if (opened?.kind !== "stream-opened" || id >= 1n << 40n) return no("the entry at its index is not an opening");
    const opening = await orNull(openStreamOpening(opened.note, origin, crypto)) ?? no("its opening does not verify");
    // SPEC: a stream is opened by a key that the operator enrolled before.
    const entry = verifyOne(proof.enrolment, head);
    const operator = operators.at(proof.enrolment.first);
    const enrolment = entry?.kind === "gateway-enrolled" ? await orNull(openEnrolment(entry.note, origin, operator, crypto)) : null;
    if (enrolment === null || !sameKey(enrolment.gateway, opening.gateway) || proof.enrolment.first >= id) {
      return no("its gateway's enrolment is not shown");
    }
    const replay = new Replay(id, opening, enrolment, trust);
    if (proof.base !== null) await replay.#beginAt(proof.base.head, proof.base.range, head);
    return replay;
  }

  async #beginAt(run: Run, hashes: readonly Hash[], tree: TreeHead): Promise<void> {
    const entry = verifyOne(run, tree);
    if (entry?.kind !== "stream-head" || BigInt(entry.stream) !== this.id) return this.#no("it does not start with a head of the stream");
    const signed = await this.#openHead(entry.note);
    const range = CompactRange.from(signed.head.size, hashes);
    if (range === null || !equalBytes(range.root(), signed.head.root)) return this.#no("the range at its start is not the signed one");
    this.#range = range;
    if (run.first > this.#last) this.#last = run.first;
    this.#first = this.#signed = signed.head.size;
    this.#newestHead = signed.timestamp;
  }

  async #openHead(note: string): Promise<CosignedCheckpoint> {
    const origin = streamOrigin(this.trust.origin, this.id);
    return (await orNull(openCosigned(note, origin, this.opening.stream, this.trust.crypto))) ?? this.#no("a head does not verify");
  }

  /** Takes up every entry of the stream. */
  async run(proof: StreamProof, head: TreeHead, to: bigint): Promise<CompleteStream> {
    for (const run of proof.entries) {
      verifyRun(run, head);
      if (run.first <= this.#last) this.#no("its entries are not in the order of the log");
      for (const [place, bytes] of run.entries.entries()) {
        const index = run.first + BigInt(place);
        if (index >= to) this.#no("it exceeds the part of the log that it covers");
        await this.#entry(index, bytes, tryDecodeEntry(bytes));
        this.#last = index;
      }
    }
    const { gateway, previous } = this.opening;
    const { replaces } = this.enrolment;
    return {
      stream: Number(this.id),
      gateway,
      rotatedFrom: replaces?.rotation ? replaces.key : null,
      isHouse: gateway.name === `${this.trust.origin}/house`,
      continues: previous,
      first: this.#first,
      signed: this.#signed,
      pending: this.#range.size - this.#signed,
      heads: this.#heads,
      newestHead: this.#newestHead,
      closed: this.#closed,
      declaredLosses: this.#losses,
    };
  }

  async #entry(index: bigint, bytes: Uint8Array, entry: Entry | null): Promise<void> {
    if (this.#closed) this.#no(`entry ${index} comes after its closing`);
    if (entry === null || !("stream" in entry) || BigInt(entry.stream) !== this.id) {
      return this.#no(`entry ${index} does not belong to the stream`);
    }
    if (entry.isStatement) return this.#statement(index, bytes, entry);
    this.#closed = entry.kind === "stream-closed";
    return this.#head(index, entry.note);
  }

  /** SPEC: sequence numbers follow one another. */
  #statement(index: bigint, bytes: Uint8Array, entry: StatementEntry): void {
    if (BigInt(entry.sequence) !== this.#range.size) this.#no(`entry ${index} has another sequence number than the one that follows`);
    this.#range.push(streamLeafHash(bytes));
    if (entry.kind === "declared-loss") this.#losses.push({ sequence: entry.sequence, index });
  }

  /** SPEC: a head is signed by the stream's key over exactly the statements before it. */
  async #head(index: bigint, note: string): Promise<void> {
    const signed = await this.#openHead(note);
    if (signed.head.size !== this.#range.size || !equalBytes(signed.head.root, this.#range.root())) {
      this.#no(`the head at entry ${index} does not match the statements before it`);
    }
    if (this.#newestHead !== null && signed.timestamp < this.#newestHead) this.#no(`the head at entry ${index} is older than the one before it`);
    this.#signed = signed.head.size;
    this.#newestHead = signed.timestamp;
    this.#heads++;
  }
}

/** Reads and verifies a completeness file. With pinned keys, a stream of any other gateway is refused. */
export async function verifyCompletenessFile(bytes: Uint8Array, trust: Trust): Promise<Completeness> {
  return verifyPinned(parseCompleteness(bytes), trust);
}

/** As {@link verifyCompleteness}; with pinned keys, a stream of any other gateway is refused. */
export async function verifyPinned(proof: CompletenessProof, trust: Trust): Promise<Completeness> {
  const shown = await verifyCompleteness(proof, trust);
  for (const { gateway, rotatedFrom, isHouse, stream } of shown.streams) {
    if (trust.gateways.length === 0) continue;
    if (isHouse) refuse("house-stream", `stream ${stream} is the log's house stream`);
    const replaces = rotatedFrom === null ? null : { key: rotatedFrom, rotation: true, reason: "rotation" };
    trustIn({ gateway, replaces }, trust);
  }
  return shown;
}
