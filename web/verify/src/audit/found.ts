// Findings in the making: what is wrong, where, and what explains it.

import { FINDING_KINDS, ruleOf, severityOf, type FindingKind, type Place, type Severity } from "../kinds.js";

/** Findings of one kind that are listed; all are counted. */
export const MAX_LISTED = 16;

/** Something wrong with a log. */
export interface Finding {
  readonly kind: FindingKind;
  /** The rule that it breaks. */
  readonly rule: string;
  readonly severity: Severity;
  readonly place: Place;
  /** What is wrong, for people. */
  readonly words: string;
  /** The place, in the list, of the finding that explains this one. */
  readonly followsFrom: number | null;
  /** Further irregularities that this one explains, and that are not listed. */
  readonly consequences: number;
}

/** Names a suspicion. */
export type Cause = number;

/** The cause of what follows from entries that the log gave up, as it announced: no suspicion. */
export const PRUNED: Cause = -1;

interface Suspicion {
  readonly kind: FindingKind;
  readonly place: Place;
  readonly words: string;
  cause: Cause | null;
  consequences: number;
}

/** What was found so far. */
export class Found {
  readonly #list: Suspicion[] = [];
  readonly counts = new Map<FindingKind, number>();

  /** Adds one. Beyond {@link MAX_LISTED} of a kind it is only counted. */
  add(kind: FindingKind, place: Place, words: string): Cause {
    const count = (this.counts.get(kind) ?? 0) + 1;
    this.counts.set(kind, count);
    if (count > MAX_LISTED) return this.#list.map((one) => one.kind).lastIndexOf(kind);
    this.#list.push({ kind, place, words, cause: null, consequences: 0 });
    return this.#list.length - 1;
  }

  /** As {@link add}, about an entry. */
  addAt(kind: FindingKind, index: number, words: string): Cause {
    return this.add(kind, { entry: BigInt(index) }, words);
  }

  /** As {@link add}, about an entry of a stream. */
  addIn(kind: FindingKind, stream: number, index: number, words: string): Cause {
    return this.add(kind, { stream: BigInt(stream), entry: BigInt(index) }, words);
  }

  /** A finding follows from an earlier one. */
  explain(finding: Cause, by: Cause): void {
    if (by < finding) this.#list[finding]!.cause = by;
  }

  /** An irregularity that a finding explains. */
  follows(cause: Cause): void {
    if (cause !== PRUNED) this.#list[cause]!.consequences++;
  }

  /** Whether a finding means that what is served is not the signed tree. */
  get hasTreeFault(): boolean {
    return this.#list.some(({ kind }) => isAboutTree(kind));
  }

  /** The findings in the order of causes; what follows from another stands last. */
  findings(): Finding[] {
    const order = this.#list.map((_, at) => at).sort((one, other) => {
      const [a, b] = [this.#list[one]!, this.#list[other]!];
      return Number(a.cause !== null) - Number(b.cause !== null) || rank(a.kind) - rank(b.kind) || one - other;
    });
    return order.map((at) => {
      const { kind, place, words, cause, consequences } = this.#list[at]!;
      const followsFrom = cause === null ? null : order.indexOf(cause);
      return { kind, rule: ruleOf(kind), severity: severityOf(kind), place, words, followsFrom, consequences };
    });
  }
}

const at = (kind: FindingKind): number => FINDING_KINDS.indexOf(kind);

function isAboutTree(kind: FindingKind): boolean {
  return at(kind) > at("stale-checkpoint") && at(kind) < at("bad-genesis");
}

/** Heads before the tree, the tree before what its entries say, and what is merely absent last. */
function rank(kind: FindingKind): number {
  if (kind === "silent-stream") return 4;
  if (kind === "stale-checkpoint") return 2;
  return at(kind) < at("stale-checkpoint") ? 0 : isAboutTree(kind) ? 1 : 3;
}
