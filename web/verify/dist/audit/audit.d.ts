import type { SignedCheckpoint } from "../checkpoint.js";
import { type Cosigned } from "../cosigned.js";
import type { FindingKind } from "../kinds.js";
import { type Retirement } from "../succession.js";
import type { Trust } from "../trust.js";
import { type ReadBundles } from "./bundles.js";
import { type Finding } from "./found.js";
import { type ReadObject } from "./log.js";
import { type AnnouncedPruning } from "./pruning.js";
import { type OnEntry } from "./walk.js";
export type { AnnouncedPruning, Finding, OnEntry, ReadBundles, ReadObject };
/** Behaviour that has a sensible default. */
export interface AuditOptions {
    /** The checkpoint that this auditor verified before. */
    readonly verified?: string;
    /** Checkpoints that others saw, from the witnesses say. Those that the log did not sign are ignored. */
    readonly witnessed?: readonly string[];
    /** The proof file of the log's retirement, if it has ended: whatever its key signs beyond that is a finding. */
    readonly retirement?: string;
    /** POSIX seconds; without a time no checkpoint is stale by its age. */
    readonly now?: number;
    /** Seconds; default 24 h. */
    readonly maxCheckpointAge?: number;
    /** What the entries are: by default those of Vouchlog if the first is a genesis entry, else opaque bytes. */
    readonly entries?: "detect" | "vouchlog" | "opaque";
    /** The largest log that is walked through; default 2^40. */
    readonly maxEntries?: number;
    /** Bundles that are asked for at once, 1 to 256, each with the tiles that it needs; default 8. */
    readonly inFlight?: number;
    /**
     * Of the full bundles, one in so many is read by its path and compared with the tile of level 0 beside it, chosen at random; default 1: every one. Without its
     * tile, a bundle counts only if its entries lead to the signed root. What goes unnoticed is a tile of level 0 that is missing or wrong while the entries beside it are right
     * (`missing-tile`, `truncated-tile`, `tile-parent-mismatch`); it saves almost half of the requests.
     */
    readonly compareTiles?: number;
    /**
     * Reads several full bundles at once. It is asked only for those that `compareTiles` does not choose, and until a bundle is not as it should be: what the
     * log serves at the path of such a bundle goes unnoticed then, and no entry does.
     */
    readonly readBundles?: ReadBundles;
    /** Milliseconds in which the log writes the heads of active streams; default 30,000. */
    readonly headInterval?: number;
    /** Milliseconds an open stream may go without a head; default 90,000. */
    readonly heartbeatAllowance?: number;
    /** Names of gateways whose streams have no heartbeat, besides `<origin>/house`. */
    readonly houseGateways?: readonly string[];
    /** Called for each entry that is the tree's, in the order of the log. It is the part [from, to) of the bytes, which may change after the call. */
    readonly onEntry?: OnEntry;
    /** Called after each bundle with the number of entries behind the audit, and of the log. */
    readonly onProgress?: (done: number, total: number) => void;
    /** Stops the audit. */
    readonly signal?: {
        readonly aborted: boolean;
    };
}
/** What an audit comes to. */
export interface AuditReport {
    readonly origin: string;
    /** The checkpoint that the log serves; null if it serves none that it signed. */
    readonly checkpoint: SignedCheckpoint | null;
    readonly cosigned: Cosigned | null;
    /** No findings at all. A statement about the log, not about its records. */
    readonly isClean: boolean;
    readonly findings: readonly Finding[];
    /** How many findings of each kind there are; the list has at most sixteen of each. */
    readonly counts: ReadonlyMap<FindingKind, number>;
    /** Entries read. */
    readonly entries: number;
    /** Entries that were not checked, because the log gave them up as it had announced: only their hashes are known to be the tree's. */
    readonly unchecked: number;
    /** What the log announced that it gave up; null if nothing. */
    readonly pruning: AnnouncedPruning | null;
    /** Full tiles of level 0 that were compared with the entries; with `compareTiles` not all. */
    readonly comparedTiles: number;
    /** Full bundles that came from `readBundles`: what the log serves at their paths was not read. */
    readonly readTogether: number;
    /** Whether the entries were read as Vouchlog's. */
    readonly isVouchlog: boolean;
    readonly statements: number;
    readonly gateways: number;
    readonly streams: readonly StreamReport[];
    /** The end of the log, if it has a last entry that ends it. */
    readonly retired: Retirement | null;
    /** The vkey of the log that this one continues, with proof. */
    readonly predecessor: string | null;
}
/** A stream, as the log has it. */
export interface StreamReport {
    readonly stream: number;
    readonly gateway: string | null;
    readonly statements: number;
    readonly heads: number;
    readonly declaredLosses: number;
    readonly closed: boolean;
    readonly succeededBy: number | null;
    readonly isRevoked: boolean;
    /** Whether its statements follow one another and lead to what its gateway signed. */
    readonly isComplete: boolean;
    /** Whether it is not complete because the log gave up some of its statements, which is no fault of the stream. */
    readonly isPruned: boolean;
}
/**
 * Audits a whole log: its checkpoint, what others saw of it, every tile and every entry. Faults of the log are findings of the report;
 * it throws a `VerifyError` of class `unreadable` if the log cannot be asked.
 */
export declare function auditLog(read: ReadObject, trust: Trust, options?: AuditOptions): Promise<AuditReport>;
