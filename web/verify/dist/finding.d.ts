import { type Bytes } from "./bytes.js";
import { VerifyError } from "./errors.js";
import { type Parsed } from "./json.js";
import { type FindingKind, type Place } from "./kinds.js";
import { type Hash } from "./merkle.js";
import { type Run } from "./runs.js";
import type { Trust } from "./trust.js";
/** The `format` of an evidence file. */
export declare const EVIDENCE_FORMAT = "vouchlog/v1 evidence";
/** Longest file, in bytes. */
export declare const MAX_EVIDENCE_BYTES: number;
interface Served {
    readonly sha256: Hash;
    readonly length: bigint;
    readonly bytes: Bytes;
}
type Evidence = {
    readonly type: "none";
} | {
    readonly type: "note";
    readonly note: string;
} | {
    readonly type: "two-heads";
    readonly known: string;
    readonly served: string;
} | {
    readonly type: "prefix";
    readonly old: string;
    readonly new: string;
    readonly prefixRoot: Hash;
    readonly proof: readonly Hash[];
} | {
    readonly type: "entries";
    readonly checkpoint: string;
    readonly runs: readonly Run[];
    readonly streamRange: readonly Hash[];
} | {
    readonly type: "bundle";
    readonly checkpoint: string;
    readonly first: bigint;
    readonly leaves: readonly Hash[];
    readonly left: readonly Hash[];
    readonly right: readonly Hash[];
    readonly served: Served;
} | {
    readonly type: "object";
    readonly checkpoint: string;
    readonly served: Served | null;
} | {
    readonly type: "after-retirement";
    readonly end: string;
    readonly served: string;
};
/** An evidence file as read; nothing in it is verified. */
export interface EvidenceFile {
    readonly kind: FindingKind;
    readonly origin: string;
    readonly words: string;
    readonly place: Place;
    readonly evidence: Evidence;
}
/** What an evidence file is worth. One that does not show what it claims is refused with the class `refuted`. */
export type Verdict = 
/** Signatures and proofs show misconduct by themselves. `cosigned`: whether the checkpoints in it satisfy the policy. */
{
    readonly verdict: "proven";
    readonly kind: FindingKind;
    readonly statement: string;
    readonly cosigned: boolean;
}
/** What can be checked fits, and proves nothing: that it happened rests on the auditor's word. */
 | {
    readonly verdict: "observed";
    readonly kind: FindingKind;
    readonly reason: string;
};
/** Reads an evidence file. */
export declare function parseEvidence(bytes: Uint8Array): EvidenceFile;
/** The evidence file that a JSON text is. */
export declare function evidenceOf(parsed: Parsed | undefined): EvidenceFile;
/** Verifies evidence against the log as the caller knows it. */
export declare function verifyFinding(file: EvidenceFile, trust: Trust): Promise<Verdict>;
/** The finding that a checkpoint which does not open shows. */
export declare function checkpointFault(error: VerifyError): FindingKind;
/** Reads and verifies an evidence file. */
export declare function verifyFindingFile(bytes: Uint8Array, trust: Trust): Promise<Verdict>;
export {};
