import { type Parsed } from "./json.js";
import { type Presentation, type VerifiedPresentation } from "./presentation.js";
import type { Trust } from "./trust.js";
/** The `format` of a session bundle. */
export declare const SESSION_FORMAT = "vouchlog/v1 session";
/** Longest bundle, in bytes. */
export declare const MAX_SESSION_BYTES: number;
/** A bundle as read; nothing in it is verified. */
export interface SessionBundle {
    readonly origin: string;
    readonly session: string;
    /** The fields that the sender chose, for people. */
    readonly disclosed: readonly string[];
    /** How many records there are according to the sender, the seal not counted. */
    readonly known: bigint;
    readonly records: readonly Packed[];
    readonly seal: Packed | null;
    readonly erasures: readonly Packed[];
}
/** What a bundle shows. */
export interface VerifiedSession {
    readonly session: string;
    readonly known: bigint;
    readonly records: readonly VerifiedPresentation[];
    readonly seal: VerifiedPresentation | null;
    readonly erasures: readonly VerifiedPresentation[];
    /** What rests on the sender's word, or was not checked, in words. */
    readonly notes: readonly string[];
}
/** The bundle that a JSON text is. */
export declare function sessionOfJson(parsed: Parsed | undefined): SessionBundle;
/** A presentation that names a part which is not in the bundle: refused when its turn to be verified comes, as what is wrong before it comes first. */
declare const MISSING_PART = "missing part";
type Packed = Presentation | typeof MISSING_PART;
/** Verifies every presentation of a bundle, and that they are of one session. */
export declare function verifySession(bundle: SessionBundle, trust: Trust): Promise<VerifiedSession>;
/** Reads and verifies a session bundle. */
export declare function verifySessionFile(bytes: Uint8Array, trust: Trust): Promise<VerifiedSession>;
export {};
