// What can be wrong with a log: stable codes (docs/auditing.md, "Findings"), in the order of causes.

/** How urgent a finding is. */
export type Severity = "warning" | "serious" | "critical";

const KINDS = {
  "missing-checkpoint": ["serious", "R74"],
  "malformed-checkpoint": ["serious", "R74"],
  "bad-log-signature": ["critical", "R74"],
  "forged-cosignature": ["serious", "R75"],
  "missing-quorum": ["serious", "R75"],
  "split-view": ["critical", "R74"],
  "inconsistent-heads": ["critical", "R74"],
  "shrunken-log": ["critical", "R74"],
  "head-after-retirement": ["critical", "R74"],
  "impossible-size": ["critical", "R74"],
  "stale-checkpoint": ["warning", "R75"],
  "missing-tile": ["serious", "R74"],
  "truncated-tile": ["serious", "R74"],
  "tile-parent-mismatch": ["critical", "R74"],
  "missing-bundle": ["serious", "R74"],
  "truncated-bundle": ["serious", "R74"],
  "removed-entry": ["critical", "R74"],
  "inserted-entry": ["critical", "R74"],
  "reordered-entries": ["critical", "R74"],
  "altered-entry": ["critical", "R74"],
  "wrong-root": ["critical", "R74"],
  "bad-genesis": ["serious", "R74"],
  "undecodable-entry": ["serious", "R74"],
  "entry-after-retirement": ["critical", "R74"],
  "bad-succession": ["serious", "R74"],
  "bad-enrolment": ["serious", "R76"],
  "second-key-for-a-name": ["serious", "R76"],
  "bad-operator-change": ["serious", "R76"],
  "retired-operator-key": ["serious", "R76"],
  "bad-witness-rotation": ["serious", "R75"],
  "unknown-gateway": ["serious", "R76"],
  "revoked-key-used": ["serious", "R76"],
  "bad-opening": ["serious", "R62"],
  "bad-restart": ["serious", "R62"],
  "unknown-stream": ["serious", "R62"],
  "entry-after-close": ["serious", "R62"],
  "stream-gap": ["critical", "R60"],
  "stream-fork": ["critical", "R61"],
  "forged-head": ["critical", "R64"],
  "head-without-entries": ["critical", "R64"],
  "time-going-back": ["serious", "R57"],
  "silent-stream": ["warning", "R63"],
} as const satisfies { readonly [code: string]: readonly [Severity, string] };

/** The code of a kind of finding. */
export type FindingKind = keyof typeof KINDS;

/** Every kind, in the order of causes. */
export const FINDING_KINDS = Object.keys(KINDS) as FindingKind[];

/** The kind of a code, or null. */
export function findingKind(code: string): FindingKind | null {
  return Object.hasOwn(KINDS, code) ? (code as FindingKind) : null;
}

/** How urgent findings of a kind are. */
export const severityOf = (kind: FindingKind): Severity => KINDS[kind][0];

/** The rule that findings of a kind break, as docs/evidence.md explains it. */
export const ruleOf = (kind: FindingKind): string => KINDS[kind][1];

/** Where something is wrong. What does not apply is absent. */
export interface Place {
  /** Size of the checkpoint. */
  readonly checkpoint?: bigint;
  /** Index of the entry. */
  readonly entry?: bigint;
  /** Path of the tile or bundle. */
  readonly tile?: string;
  /** The stream, by the index of its opening. */
  readonly stream?: bigint;
}
