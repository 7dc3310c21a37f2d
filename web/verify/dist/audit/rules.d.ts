import { Operators } from "../operators.js";
import { type Retirement, type RetirementProof } from "../succession.js";
import type { Trust } from "../trust.js";
import type { Cause, Found } from "./found.js";
import { Registry } from "./registry.js";
import { Stream } from "./stream.js";
/** What the rules are applied with. */
export interface Terms {
    /** Milliseconds in which a log writes the heads of its active streams. */
    readonly headInterval: number;
    /** Milliseconds an open stream may go without a head, by the log's own time while it was up. */
    readonly heartbeatAllowance: number;
    /** Names of gateways whose streams have no heartbeat, besides `<origin>/house`. */
    readonly houseGateways: readonly string[];
}
/** Everything that the entries read so far say. */
export declare class Rules {
    private readonly trust;
    private readonly terms;
    private readonly found;
    operators: Operators | null;
    private readonly witnessKeys;
    private last;
    private lastIndex;
    /** The log's time while it was up: each step between entries counts, but none for more than a head interval. */
    private uptime;
    statements: number;
    readonly streams: Map<number, Stream>;
    private readonly byKey;
    readonly registry: Registry;
    /** The end of the log: its entry, and who continues it. */
    retired: {
        readonly index: number;
        readonly retirement: Retirement;
    } | null;
    /** The log that this one continues. */
    continues: RetirementProof | null;
    /** The finding that something follows the end. */
    private beyondEnd;
    /** Set when entries could not be read: what later ones seem to lack may have been in those. */
    private lost;
    constructor(trust: Trust, terms: Terms, found: Found);
    private withdraw;
    /** Entries could not be read. From here on, gaps in streams cannot be told from unread entries. */
    lose(cause: Cause): void;
    /** Takes up the entry at `index`. A promise only for control entries, whose signatures are verified. */
    entry(index: number, bytes: Uint8Array): Promise<void> | void;
    /** SPEC: a log ends with its retirement. */
    private checkNotRetired;
    /** SPEC: the log's key and the successor's sign the retirement. */
    private logRetired;
    /** SPEC: a log names its predecessor in entry 1, with the proof that it ended and named this log as its successor. */
    private logContinued;
    /** SPEC: logged_at never decreases along the log. */
    private time;
    /** SPEC: a statement belongs to a stream that is open, and its sequence number follows the one before. */
    private statement;
    private unknownStream;
    private control;
    /** What the note of an entry holds, opened with the operator's key in force. SPEC: a key that was replaced signs nothing more. */
    private byOperator;
    /** SPEC: the key in force signs the change to another, or the recovery key that it named does; no key is in force twice. */
    private operatorChanged;
    /** SPEC: both keys sign a rotation; each key is rotated once, and none comes back. */
    private witnessRotated;
    /** SPEC: index 0, and only it, is a genesis entry; it names the origin and is signed by the log. */
    private genesis;
    private opened;
    /** SPEC: a stream is opened by a key that is enrolled and neither withdrawn nor replaced at that point of the log. */
    private checkGateway;
    /** SPEC: a restart names the stream it continues and where that stopped; it is the same gateway's, and has no other successor. */
    private succeed;
    private head;
    private takeHead;
    /**
     * SPEC: an active stream has a head in the log at least every head interval, and an idle one its heartbeats. Time is the log's own,
     * while it was up: a log that was down for an hour owes its gateways the time to come back.
     */
    findSilence(): void;
}
