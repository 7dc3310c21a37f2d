import type { FindingKind } from "./kinds.js";
/** What is wrong with a bundle, and the first place of it that is not the tree's. */
export interface BundleFault {
    readonly kind: FindingKind;
    readonly at: number;
}
/**
 * Finds out what was done to a bundle. `tree` has the leaf hashes there should be, `served` those of the entries there are, `rest` is
 * whether bytes follow that are no entry.
 *
 * The two lists are compared as any two versions of a list are: the same hashes in another order were reordered; where what follows
 * the first difference is what follows one place later in the tree, an entry was removed; one place earlier, inserted; all else was
 * altered.
 */
export declare function compareBundle(tree: readonly Uint8Array[], served: readonly Uint8Array[], rest: boolean): BundleFault | null;
