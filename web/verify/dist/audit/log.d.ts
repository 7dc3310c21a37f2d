/**
 * Reads an object of the log by its path: `checkpoint`, `tile/0/000` and so on. Resolves to null if the log does not serve it, and
 * rejects if the log could not be asked, which shows nothing about the log.
 */
export type ReadObject = (path: string) => Promise<Uint8Array | null>;
/** What a log serves; anything longer than it may be counts as not served. */
export declare class Log {
    #private;
    private readonly read;
    constructor(read: ReadObject);
    checkpoint(): Promise<Uint8Array | null>;
    /** Where the log announces that it gave up entries, in words that nothing vouches for: the index of an entry. Null if it shows no such notice. */
    pruned(): Promise<bigint | null>;
    /** A tile, as it is served: of another length, too. */
    tile(level: number, index: number, width: number): Promise<Uint8Array | null>;
    /** An entry bundle, as it is served. */
    bundle(index: number, width: number): Promise<Uint8Array | null>;
}
