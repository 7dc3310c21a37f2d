import { type FindingKind, type Place, type Severity } from "../kinds.js";
/** Findings of one kind that are listed; all are counted. */
export declare const MAX_LISTED = 16;
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
export declare const PRUNED: Cause;
/** What was found so far. */
export declare class Found {
    #private;
    readonly counts: Map<"altered-entry" | "bad-enrolment" | "bad-genesis" | "bad-log-signature" | "bad-opening" | "bad-operator-change" | "bad-restart" | "bad-succession" | "bad-witness-rotation" | "entry-after-close" | "entry-after-retirement" | "forged-cosignature" | "forged-head" | "head-after-retirement" | "head-without-entries" | "impossible-size" | "inconsistent-heads" | "inserted-entry" | "malformed-checkpoint" | "missing-bundle" | "missing-checkpoint" | "missing-quorum" | "missing-tile" | "removed-entry" | "reordered-entries" | "retired-operator-key" | "revoked-key-used" | "second-key-for-a-name" | "shrunken-log" | "silent-stream" | "split-view" | "stale-checkpoint" | "stream-fork" | "stream-gap" | "tile-parent-mismatch" | "time-going-back" | "truncated-bundle" | "truncated-tile" | "undecodable-entry" | "unknown-gateway" | "unknown-stream" | "wrong-root", number>;
    /** Adds one. Beyond {@link MAX_LISTED} of a kind it is only counted. */
    add(kind: FindingKind, place: Place, words: string): Cause;
    /** As {@link add}, about an entry. */
    addAt(kind: FindingKind, index: number, words: string): Cause;
    /** As {@link add}, about an entry of a stream. */
    addIn(kind: FindingKind, stream: number, index: number, words: string): Cause;
    /** A finding follows from an earlier one. */
    explain(finding: Cause, by: Cause): void;
    /** An irregularity that a finding explains. */
    follows(cause: Cause): void;
    /** Whether a finding means that what is served is not the signed tree. */
    get hasTreeFault(): boolean;
    /** The findings in the order of causes; what follows from another stands last. */
    findings(): Finding[];
}
