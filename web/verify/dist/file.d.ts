import { type Completeness } from "./completeness.js";
import { type Verdict } from "./finding.js";
import { type VerifiedEntry } from "./logged.js";
import { type VerifiedPresentation } from "./presentation.js";
import { type VerifiedSample } from "./sample.js";
import { type VerifiedSession } from "./session.js";
import type { Check } from "./trace.js";
import type { Trust, TrustedCheckpoint } from "./trust.js";
/** The kinds of files. */
export type FileKind = "checkpoint" | "proof" | "completeness" | "presentation" | "session" | "evidence" | "sample";
/** What a file shows. */
export type VerifiedFile = {
    readonly file: "checkpoint";
    readonly shows: TrustedCheckpoint;
} | {
    readonly file: "proof";
    readonly shows: VerifiedEntry;
} | {
    readonly file: "completeness";
    readonly shows: Completeness;
} | {
    readonly file: "presentation";
    readonly shows: VerifiedPresentation;
} | {
    readonly file: "session";
    readonly shows: VerifiedSession;
} | {
    readonly file: "evidence";
    readonly shows: Verdict;
} | {
    readonly file: "sample";
    readonly shows: VerifiedSample;
};
/** What a file is by its first line, or by the format that its JSON names; a signed note is taken for a checkpoint. */
export declare function recognise(bytes: Uint8Array): FileKind | null;
/** Verifies a file of any kind. Throws a `VerifyError` if it does not hold, or cannot be checked. */
export declare function verifyFile(bytes: Uint8Array, trust: Trust, onCheck?: (check: Check) => void): Promise<VerifiedFile>;
