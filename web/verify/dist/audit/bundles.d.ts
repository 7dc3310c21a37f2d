/**
 * Reads the full bundles from `first` on, at most `count`, one after the other as their files have them. It may end early, after any bundle. Resolves to null
 * where the log does not offer that; then each bundle is read by its path.
 */
export type ReadBundles = (first: number, count: number) => Promise<Uint8Array | null>;
/** The full bundles of a log, in order. What comes from here is compared with the signed tree like any other bytes. */
export declare class Bundles {
    #private;
    private readonly read;
    private readonly full;
    /** `full` is the number of full bundles that the tree has. */
    constructor(read: ReadBundles, full: number);
    /** A bundle; null if it has to be read by its path. To be called in the order of the log. */
    get(bundle: number): Promise<Uint8Array | null>;
}
