import { type VerifyError } from "./errors.js";
import { type Members, type Parsed } from "./json.js";
import { type FindingKind } from "./kinds.js";
import type { Trust } from "./trust.js";
/** The `format` of an evidence file. */
export declare const EVIDENCE_FORMAT = "vouchlog/v1 evidence";
/** Longest file, in bytes. */
export declare const MAX_EVIDENCE_BYTES: number;
/** What each type of evidence consists of. */
declare const EVIDENCE: {
    readonly none: {};
    readonly note: {
        readonly note: import("./json.js").Reader<string>;
    };
    readonly "two-heads": {
        readonly known: import("./json.js").Reader<string>;
        readonly served: import("./json.js").Reader<string>;
    };
    readonly prefix: {
        readonly old: import("./json.js").Reader<string>;
        readonly new: import("./json.js").Reader<string>;
        readonly prefix_root: import("./json.js").Reader<import("./bytes.js").Bytes>;
        readonly proof: import("./json.js").Reader<import("./bytes.js").Bytes[]>;
    };
    readonly entries: {
        readonly checkpoint: import("./json.js").Reader<string>;
        readonly runs: import("./json.js").Reader<import("./runs.js").Run[]>;
        readonly stream_range: import("./json.js").Reader<import("./bytes.js").Bytes[]>;
    };
    readonly bundle: {
        readonly checkpoint: import("./json.js").Reader<string>;
        readonly first: import("./json.js").Reader<bigint>;
        readonly leaves: import("./json.js").Reader<import("./bytes.js").Bytes[]>;
        readonly left: import("./json.js").Reader<import("./bytes.js").Bytes[]>;
        readonly right: import("./json.js").Reader<import("./bytes.js").Bytes[]>;
        readonly served: import("./json.js").Reader<Members<{
            sha256: import("./json.js").Reader<import("./bytes.js").Bytes>;
            length: import("./json.js").Reader<bigint>;
            bytes: import("./json.js").Reader<import("./bytes.js").Bytes>;
        }>>;
    };
    readonly object: {
        readonly checkpoint: import("./json.js").Reader<string>;
        readonly served: import("./json.js").Reader<Members<{
            sha256: import("./json.js").Reader<import("./bytes.js").Bytes>;
            length: import("./json.js").Reader<bigint>;
            bytes: import("./json.js").Reader<import("./bytes.js").Bytes>;
        }> | null>;
    };
    readonly "after-retirement": {
        readonly end: import("./json.js").Reader<string>;
        readonly served: import("./json.js").Reader<string>;
    };
};
type EvidenceOf<T extends keyof typeof EVIDENCE> = Members<(typeof EVIDENCE)[T]>;
type Evidence = {
    [T in keyof typeof EVIDENCE]: {
        readonly type: T;
    } & EvidenceOf<T>;
}[keyof typeof EVIDENCE];
/** An evidence file as read; nothing in it is verified. */
export interface EvidenceFile {
    readonly kind: FindingKind;
    /** Index of the entry that the finding is about, if it is about one. */
    readonly entry: bigint | null;
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
