import { type EntrySet } from "./entry_set.js";
import type { FindingKind } from "./kinds.js";
import { type Hash } from "./merkle.js";
/** Whether the entries prove a finding of this kind at this entry. */
export declare function provesBrokenRule(kind: FindingKind, index: bigint, set: EntrySet, range: readonly Hash[]): boolean;
/** Whether the entry is of a control kind that a later version may have: an old verifier must not accuse the log of a new one. */
export declare function isOfUnknownKind(kind: FindingKind, index: bigint | null, set: EntrySet): boolean;
/** Whether a finding of this kind may be true although the entries that would show it are too many for a file. */
export declare function isAboutAbsence(kind: FindingKind, set: EntrySet): boolean;
