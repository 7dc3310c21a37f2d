// What a walk through a log shows about its streams, gathered entry by entry in bounded memory.

import { decodeEntry, readUint, VerifyError } from "@vouchlog/verify";

/** Most points of a line, marks of a lane, and pieces of a run. */
const MAX_MARKS = 400;
/** Most streams that are drawn, and gateways whose weeks are counted. */
const MAX_STREAMS = 10_000;
const WEEK = 7 * 24 * 3600 * 1000;
/** Statements that are further apart begin a new run. */
const RUN_PAUSE = 60_000;

/** A time and the entry it stands in. */
export interface Mark { readonly time: number; readonly index: number }

/** A stream as its entries show it. */
export interface StreamSurvey {
  readonly id: number;
  readonly opened: Mark;
  last: Mark;
  statements: number;
  /** When statements came: from, to. */
  readonly runs: { from: number; to: number }[];
  heads: Mark[];
  readonly losses: (Mark & { readonly sequence: number })[];
  closed: Mark | null;
  /** By week since 1970: interactions, and those that are claimed to be attributable. */
  readonly weeks: Map<number, { interactions: number; attributable: number }>;
}

/** A revocation of a gateway's key, as its entry names it. */
export interface Revoked extends Mark { readonly gateway: string }

/** What was seen. A plain value: a worker hands it over. */
export interface Surveyed {
  readonly kinds: ReadonlyMap<string, number>;
  readonly first: number | null;
  readonly last: number | null;
  readonly growth: readonly Mark[];
  readonly streams: readonly StreamSurvey[];
  readonly revoked: readonly Revoked[];
  /** Entries that enrol a gateway's key, with that key's vkey as they state it. */
  readonly enrolments: readonly { readonly index: number; readonly vkey: string }[];
  /** Entries that change the operator's key. */
  readonly operators: readonly number[];
}

/** Bytes of a statement entry. */
const STATEMENT_BYTES = 54;
const INTERACTION = 0x02;
const DECLARED_LOSS = 0x08;
const ATTRIBUTABLE = 1 << 26;
const KINDS: Readonly<Record<number, string>> = {
  0x01: "intent", 0x02: "interaction", 0x03: "session-seal", 0x04: "configuration", 0x05: "credential-event", 0x06: "disclosure", 0x07: "erasure",
  0x08: "declared-loss", 0x09: "finding", 0x0a: "heartbeat", 0x0b: "hold", 0x0f: "opaque",
};

/** The vkey after `gateway` in a control note; empty if there is none. */
function gatewayIn(note: string): string {
  return note.split("\n").find((line) => line.startsWith("gateway "))?.slice("gateway ".length) ?? "";
}

/** Halves a list of marks that became too long. */
const thin = (marks: Mark[]): Mark[] => marks.filter((_, place) => place % 2 === 0);

/** Takes up the entries of a log in order. Nothing here is a check: the audit that hands the entries over makes those. */
export class Survey {
  private readonly counts = new Uint32Array(256);
  private readonly names = new Map<string, number>();
  private readonly streams = new Map<number, StreamSurvey>();
  private readonly revoked: Revoked[] = [];
  private readonly enrolments: { index: number; vkey: string }[] = [];
  private readonly operators: number[] = [];
  private growth: Mark[] = [];
  private step = 1;
  private first: number | null = null;
  private last: number | null = null;

  /** An entry is the part [from, to) of the bytes. */
  entry(index: number, bytes: Uint8Array, from: number, to: number): void {
    const kind = bytes[from] ?? 0;
    if (kind >= 0x80 || to - from !== STATEMENT_BYTES || KINDS[kind] === undefined) return this.control(index, bytes.subarray(from, to));
    const time = readUint(bytes, from + 1, 6);
    this.counts[kind]!++;
    this.time(index, time);
    const stream = this.streams.get(readUint(bytes, from + 7, 5));
    if (stream === undefined) return;
    stream.statements++;
    stream.last = { time, index };
    this.run(stream, time);
    if (kind === INTERACTION) this.evidence(stream, time, readUint(bytes, from + 18, 4));
    if (kind === DECLARED_LOSS && stream.losses.length < MAX_MARKS) stream.losses.push({ time, index, sequence: readUint(bytes, from + 12, 6) });
  }

  private time(index: number, time: number): void {
    this.first ??= time;
    this.last = time;
    if (index % this.step !== 0) return;
    this.growth.push({ time, index });
    if (this.growth.length < MAX_MARKS) return;
    this.growth = thin(this.growth);
    this.step *= 2;
  }

  /** Statements in quick succession are one run; where there are too many, the two closest become one. */
  private run({ runs }: StreamSurvey, time: number): void {
    const last = runs[runs.length - 1];
    if (last !== undefined && time - last.to <= RUN_PAUSE) {
      last.to = Math.max(last.to, time);
      return;
    }
    runs.push({ from: time, to: time });
    if (runs.length <= MAX_MARKS) return;
    let closest = 1;
    for (let at = 1; at < runs.length; at++) if (runs[at]!.from - runs[at - 1]!.to < runs[closest]!.from - runs[closest - 1]!.to) closest = at;
    runs[closest - 1]!.to = runs[closest]!.to;
    runs.splice(closest, 1);
  }

  private evidence({ weeks }: StreamSurvey, time: number, bits: number): void {
    const week = Math.floor(time / WEEK);
    let counted = weeks.get(week);
    if (counted === undefined) {
      if (weeks.size >= MAX_MARKS) return;
      counted = { interactions: 0, attributable: 0 };
      weeks.set(week, counted);
    }
    counted.interactions++;
    if ((bits & ATTRIBUTABLE) !== 0) counted.attributable++;
  }

  private control(index: number, bytes: Uint8Array): void {
    let entry;
    try {
      entry = decodeEntry(bytes);
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error;
      this.count("opaque bytes");
      return;
    }
    const mark = { time: entry.loggedAt, index };
    this.count(entry.kind);
    this.time(index, entry.loggedAt);
    if (entry.kind === "stream-opened" && this.streams.size < MAX_STREAMS) {
      this.streams.set(index, { id: index, opened: mark, last: mark, statements: 0, runs: [], heads: [], losses: [], closed: null, weeks: new Map() });
    } else if (entry.kind === "stream-head" || entry.kind === "stream-closed") {
      this.head(entry.stream, mark, entry.kind === "stream-closed");
    } else if (entry.kind === "gateway-revoked" && this.revoked.length < MAX_MARKS) {
      this.revoked.push({ ...mark, gateway: gatewayIn(entry.note).split("+")[0] ?? "" });
    } else if (entry.kind === "gateway-enrolled" && this.enrolments.length < MAX_STREAMS) {
      this.enrolments.push({ index, vkey: gatewayIn(entry.note) });
    } else if (entry.kind === "operator-changed" && this.operators.length < MAX_STREAMS) {
      this.operators.push(index);
    }
  }

  private head(id: number, mark: Mark, closes: boolean): void {
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    stream.heads.push(mark);
    if (stream.heads.length > MAX_MARKS) stream.heads = thin(stream.heads);
    stream.last = mark;
    if (closes) stream.closed = mark;
  }

  private count(name: string): void {
    this.names.set(name, (this.names.get(name) ?? 0) + 1);
  }

  /** What was seen so far. */
  result(): Surveyed {
    const kinds = new Map(this.names);
    this.counts.forEach((count, kind) => {
      const name = KINDS[kind];
      if (count > 0 && name !== undefined) kinds.set(name, (kinds.get(name) ?? 0) + count);
    });
    return { kinds, first: this.first, last: this.last, growth: this.growth, streams: [...this.streams.values()], revoked: this.revoked, enrolments: this.enrolments, operators: this.operators };
  }
}
