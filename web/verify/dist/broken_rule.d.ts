import { type EntrySet } from "./entry_set.js";
import type { FindingKind } from "./kinds.js";
import { type Hash } from "./merkle.js";
/** Whether the entries prove a finding of this kind at this entry. */
export declare function provesBrokenRule(kind: FindingKind, index: bigint, set: EntrySet, range: readonly Hash[]): boolean;
/** Whether a finding of this kind may be true although the entries that would show it are too many for a file. */
export declare function isAboutAbsence(kind: FindingKind, set: EntrySet): boolean;
