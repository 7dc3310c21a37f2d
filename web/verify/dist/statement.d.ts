import type { Crypto } from "./crypto.js";
import { type StatementKind } from "./entry.js";
import { type JsonValue, type ParsedObject } from "./json.js";
import { type VerifyingKey } from "./key.js";
/** What every reader of a statement sees. */
export interface ClearClaims {
    /** `iss`: the name of the gateway's key. */
    readonly issuer: string;
    /** `iat`: POSIX seconds by the gateway's clock. */
    readonly issuedAt: number;
    /** `jti`: the record's id. */
    readonly record: string;
    readonly kind: StatementKind;
    /** The stream whose key signs. */
    readonly stream: number;
    readonly evidence: number;
    readonly rules: string;
}
/** A statement whose signature and disclosures hold. */
export interface VerifiedStatement {
    readonly claims: ClearClaims;
    /** The record as far as it is disclosed. Elements of a list that are not leave no gap. */
    readonly disclosed: {
        readonly [name: string]: JsonValue;
    };
    /** Digests, in what is shown, of what is not; decoys included. */
    readonly undisclosed: number;
    /** What is logged: SHA-256 of the JWT, in hexadecimal digits. */
    readonly digest: string;
}
/** A statement whose signature holds. */
export interface SignedStatement {
    readonly claims: ClearClaims;
    readonly digest: string;
    readonly payload: ParsedObject;
    readonly disclosures: readonly string[];
}
/** Verifies a statement with the key of the stream that it names, and puts its disclosures in their places. */
export declare function verifyStatement(sdJwt: string, key: VerifyingKey, crypto: Crypto): Promise<VerifiedStatement>;
/** Verifies the signature of a statement and reads its claims. */
export declare function openStatement(sdJwt: string, key: VerifyingKey, crypto: Crypto): Promise<SignedStatement>;
/** Puts the disclosures of a statement in their places. */
export declare function disclose({ claims, digest, payload, disclosures }: SignedStatement): VerifiedStatement;
/** SPEC: RFC 9901 section 7.1, steps 3 to 5. */
export declare function placeDisclosures(payload: ParsedObject, disclosures: readonly string[]): {
    members: ParsedObject;
    undisclosed: number;
};
