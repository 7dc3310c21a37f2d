/** How urgent a finding is. */
export type Severity = "warning" | "serious" | "critical";
declare const KINDS: {
    readonly "missing-checkpoint": readonly ["serious", "R74"];
    readonly "malformed-checkpoint": readonly ["serious", "R74"];
    readonly "bad-log-signature": readonly ["critical", "R74"];
    readonly "forged-cosignature": readonly ["serious", "R75"];
    readonly "missing-quorum": readonly ["serious", "R75"];
    readonly "split-view": readonly ["critical", "R74"];
    readonly "inconsistent-heads": readonly ["critical", "R74"];
    readonly "shrunken-log": readonly ["critical", "R74"];
    readonly "head-after-retirement": readonly ["critical", "R74"];
    readonly "impossible-size": readonly ["critical", "R74"];
    readonly "stale-checkpoint": readonly ["warning", "R75"];
    readonly "missing-tile": readonly ["serious", "R74"];
    readonly "truncated-tile": readonly ["serious", "R74"];
    readonly "tile-parent-mismatch": readonly ["critical", "R74"];
    readonly "missing-bundle": readonly ["serious", "R74"];
    readonly "truncated-bundle": readonly ["serious", "R74"];
    readonly "removed-entry": readonly ["critical", "R74"];
    readonly "inserted-entry": readonly ["critical", "R74"];
    readonly "reordered-entries": readonly ["critical", "R74"];
    readonly "altered-entry": readonly ["critical", "R74"];
    readonly "wrong-root": readonly ["critical", "R74"];
    readonly "bad-genesis": readonly ["serious", "R74"];
    readonly "undecodable-entry": readonly ["serious", "R74"];
    readonly "entry-after-retirement": readonly ["critical", "R74"];
    readonly "bad-succession": readonly ["serious", "R74"];
    readonly "bad-enrolment": readonly ["serious", "R76"];
    readonly "second-key-for-a-name": readonly ["serious", "R76"];
    readonly "bad-operator-change": readonly ["serious", "R76"];
    readonly "retired-operator-key": readonly ["serious", "R76"];
    readonly "bad-witness-rotation": readonly ["serious", "R75"];
    readonly "unknown-gateway": readonly ["serious", "R76"];
    readonly "revoked-key-used": readonly ["serious", "R76"];
    readonly "bad-opening": readonly ["serious", "R62"];
    readonly "bad-restart": readonly ["serious", "R62"];
    readonly "unknown-stream": readonly ["serious", "R62"];
    readonly "entry-after-close": readonly ["serious", "R62"];
    readonly "stream-gap": readonly ["critical", "R60"];
    readonly "stream-fork": readonly ["critical", "R61"];
    readonly "forged-head": readonly ["critical", "R64"];
    readonly "head-without-entries": readonly ["critical", "R64"];
    readonly "time-going-back": readonly ["serious", "R57"];
    readonly "silent-stream": readonly ["warning", "R63"];
};
/** The code of a kind of finding. */
export type FindingKind = keyof typeof KINDS;
/** Every kind, in the order of causes. */
export declare const FINDING_KINDS: FindingKind[];
/** The kind of a code, or null. */
export declare function findingKind(code: string): FindingKind | null;
/** How urgent findings of a kind are. */
export declare const severityOf: (kind: FindingKind) => Severity;
/** The rule that findings of a kind break, as docs/evidence.md explains it. */
export declare const ruleOf: (kind: FindingKind) => string;
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
export {};
