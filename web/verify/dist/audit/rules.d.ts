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
    #private;
    private readonly trust;
    private readonly terms;
    private readonly found;
    operators: Operators | null;
    statements: number;
    readonly streams: Map<number, Stream>;
    readonly registry: Registry;
    /** The end of the log: its entry, and who continues it. */
    retired: {
        readonly index: number;
        readonly retirement: Retirement;
    } | null;
    /** The log that this one continues. */
    continues: RetirementProof | null;
    constructor(trust: Trust, terms: Terms, found: Found);
    /** Entries could not be read. From here on, gaps in streams cannot be told from unread entries. */
    lose(cause: Cause): void;
    /** Entries before `end` were given up. What a stream seems to lack may have been among them. */
    passPruned(end: number): void;
    /**
     * Takes up the entry that is the part [from, to) of the bytes, if it is a sound statement: nearly all are, and no object is made of one. False, with nothing
     * done, if it is not. `leaves` has the hashes that the statements of its bundle have in their streams' trees, eight words each, where they were computed before.
     */
    takeStatement(index: number, bytes: Uint8Array, from: number, to: number, leaves: Int32Array | null): boolean;
    /** Takes up the entry at `index`. A promise only for control entries, whose signatures are verified. */
    entry(index: number, bytes: Uint8Array): Promise<void> | void;
    /**
     * SPEC: an active stream has a head in the log at least every head interval, and an idle one its heartbeats. Time is the log's own,
     * while it was up: a log that was down for an hour owes its gateways the time to come back.
     */
    findSilence(): void;
}
