import { type Enrolment } from "./control.js";
import { type StatementEntry } from "./entry.js";
import { type Members, type Parsed, type Reader } from "./json.js";
import { type VerifyingKey } from "./key.js";
import { type PolicyCosignature } from "./policy.js";
import { SharedProofs } from "./shared_proofs.js";
import { type VerifiedStatement } from "./statement.js";
import type { Trust } from "./trust.js";
/** The `format` of a presentation. */
export declare const PRESENTATION_FORMAT = "vouchlog/v1 presentation";
/** Longest presentation, in bytes. */
export declare const MAX_PRESENTATION_BYTES: number;
/** How the parts of a presentation are read that `proof` reads the proofs of: in a bundle of several, they are numbers. */
export declare const presented: (proof: Reader<string>) => {
    sd_jwt: Reader<string>;
    proof: Reader<string>;
    genesis: Reader<string>;
    stream: Reader<Members<{
        enrolment: Reader<string>;
        opening: Reader<string>;
        status: Reader<Members<{
            as_of: Reader<bigint>;
            revocation: Reader<string | null>;
        }> | null>;
    }>>;
    signed_by: Reader<Members<{
        enrolment: Reader<string>;
        opening: Reader<string>;
        status: Reader<Members<{
            as_of: Reader<bigint>;
            revocation: Reader<string | null>;
        }> | null>;
    }> | null>;
};
/** A presentation as read, by the names of its file; nothing in it is verified. */
export type Presentation = {
    readonly origin: string;
} & Members<ReturnType<typeof presented>>;
/** Why a gateway's key is taken for the gateway's. */
export type KeyTrust = "operator" | "pinned" | "rotated-from-pinned";
/** What is shown of the revocation of a gateway's key. */
export type KeyStatus = {
    readonly known: "nothing";
}
/** By the word of the sender and of the log it asked, up to this size of the log. */
 | {
    readonly known: "not-revoked";
    readonly asOf: bigint;
}
/** The entry is proven; the statement was logged before the time that it names. */
 | {
    readonly known: "revoked-later";
    readonly index: bigint;
    readonly effective: number;
    readonly reason: string;
};
/** What a presentation shows. */
export interface VerifiedPresentation {
    readonly statement: VerifiedStatement;
    readonly index: bigint;
    readonly entry: StatementEntry;
    readonly gateway: VerifyingKey;
    /** Index of the entry that enrolled the gateway's key. */
    readonly enrolled: bigint;
    readonly trust: KeyTrust;
    readonly status: KeyStatus;
    readonly origin: string;
    /** Size of the tree that the statement's entry was proven in. */
    readonly size: bigint;
    readonly cosignatures: readonly PolicyCosignature[];
    /** POSIX seconds by which a witness of the policy had seen the entry; null if none states a time. */
    readonly witnessedUntil: bigint | null;
}
/** The presentation that a JSON text is. */
export declare function presentationOf(parsed: Parsed | undefined): Presentation;
/** Why an enrolled key is taken for the gateway's. */
export declare function trustIn({ gateway, replaces }: Enrolment, trust: Trust): KeyTrust;
/** Verifies that the disclosed fields are those of a record whose statement is in the log, signed by an enrolled gateway. */
export declare function verifyPresentation(presentation: Presentation, trust: Trust): Promise<VerifiedPresentation>;
/** As {@link verifyPresentation}, for one of several presentations with common proofs. `about` names it in the report of the checks. */
export declare function verifyPresented(presentation: Presentation, proofs: SharedProofs, about: string): Promise<VerifiedPresentation>;
/** Reads and verifies a presentation file. */
export declare function verifyPresentationFile(bytes: Uint8Array, trust: Trust): Promise<VerifiedPresentation>;
