import { type CosignedCheckpoint } from "./checkpoint.js";
import { type Enrolment, type Genesis, type Quota, type Revocation, type StreamOpening } from "./control.js";
import { type Entry, type StatementEntry } from "./entry.js";
import { type VerifyingKey } from "./key.js";
import type { Trust } from "./trust.js";
/** An entry with the content of its note, if that verifies. */
export interface KnownEntry {
    readonly index: bigint;
    readonly bytes: Uint8Array;
    /** Null if the bytes cannot be decoded. */
    readonly entry: Entry | null;
    readonly opening: StreamOpening | null;
    readonly enrolment: Enrolment | null;
    readonly revocation: Revocation | null;
    readonly quota: Quota | null;
    /** Whether it is the retirement of this log. */
    readonly retires: boolean;
    /** Whether it is the note by which this log continues another. */
    readonly continues: boolean;
    head: CosignedCheckpoint | null;
}
/** The stream that a statement or a head is of. */
export declare function streamOf(entry: Entry | null): bigint | null;
/** Entries of a log by index, in order. */
export declare class EntrySet {
    /** The genesis, if entry 0 is there and is the one of the log. */
    readonly genesis: Genesis | null;
    readonly list: readonly KnownEntry[];
    private readonly byIndex;
    private constructor();
    /** Opens every note of the entries. */
    static of(entries: ReadonlyMap<bigint, Uint8Array>, trust: Trust): Promise<EntrySet>;
    at(index: bigint): KnownEntry | undefined;
    /** The opening of a stream, if it is there and verifies. */
    opening(stream: bigint): StreamOpening | null;
    /** Whether every entry from one index to another is there. */
    hasAll(from: bigint, to: bigint): boolean;
    /** Whether entries between two that are there are missing. */
    get hasHoles(): boolean;
    /** The entries before an index. */
    before(index: bigint): readonly KnownEntry[];
    /** The statements of a stream, in order. */
    statements(stream: bigint): {
        index: bigint;
        bytes: Uint8Array;
        statement: StatementEntry;
    }[];
    /** The heads of the stream of an entry that stand before it and verify. */
    earlierHeads({ index, entry }: KnownEntry): {
        index: bigint;
        head: CosignedCheckpoint;
    }[];
    /** Whether an entry before `index` enrols the key. */
    isEnrolled(key: VerifyingKey, index: bigint): boolean;
    /** Indexes of the entries by which another key takes the place of this one. */
    replacements(key: VerifyingKey): bigint[];
    /** Where a key is withdrawn, and from when on: by a revocation, or by a replacement that it did not sign. */
    revocations(key: VerifyingKey): {
        index: bigint;
        effective: number;
    }[];
}
