// The walk through a log: bundle by bundle, each entry hashed, each hash compared with its tile, each tile with the one above, and
// every entry with the rules. The root is grown from the entries alone.

import { compareBundle } from "../bundle_fault.js";
import { equalBytes } from "../bytes.js";
import { tryDecodeEntry } from "../entry.js";
import type { FindingKind, Place } from "../kinds.js";
import { EMPTY_ROOT, type TreeHead } from "../merkle.js";
import { sha256Into } from "../sha256.js";
import { formatTilePath, partialTiles, readEntries, TILE_WIDTH } from "../tile.js";
import { RightEdge, tileRoot } from "./edge.js";
import type { Cause, Found } from "./found.js";
import type { Rules } from "./rules.js";
import { mismatch, readTile, type Expected, type ServedParent, type Tiles } from "./tiles.js";

/** An audit stops after so many bundles in a row of which neither the entries nor their hashes are the tree's. */
const MAX_WRONG_BUNDLES = 1024;

/** A bundle as it was served, with the tile beside it, unless that is partial, and the full tiles above that are needed first. */
export interface Fetched {
  readonly bundle: number;
  readonly width: number;
  readonly entries: Uint8Array | null;
  readonly tile: { readonly bytes: Uint8Array | null } | null;
  readonly parents: readonly ServedParent[];
}

/** Which of the things that should agree has the hashes of the tree. */
type Truth = { readonly is: "entries" | "tile" | "unknown" } | { readonly is: "parent"; readonly root: Uint8Array };

/** How far a walk got. */
export class Walk {
  readonly grown = new RightEdge();
  rules: Rules | null = null;
  /** Entries read. */
  entries = 0;
  private readonly leaves = new Uint8Array(TILE_WIDTH * 32);
  /** A fault that moved the entries after it into the next bundle. */
  private shifted: { kind: FindingKind; cause: Cause } | null = null;
  /** Set when part of the tree is unknown. */
  private isTreeLost = false;
  /** Bundles in a row of which nothing is known. */
  private wrong = 0;

  /** `rulesFor` makes the rules of a log by its first entry; null for opaque entries. */
  constructor(
    private readonly head: TreeHead,
    private readonly tiles: Tiles,
    private readonly found: Found,
    private readonly rulesFor: (isGenesis: boolean) => Rules | null,
    private readonly onEntry: ((index: number, bytes: Uint8Array) => void) | undefined,
  ) {}

  /** Takes up the next bundle. */
  async take(fetched: Fetched): Promise<void> {
    this.tiles.enter(fetched.bundle, fetched.parents, this.found);
    const isKnown = (await this.takeSound(fetched)) || (await this.takeApart(fetched));
    this.wrong = isKnown ? 0 : this.wrong + 1;
  }

  /** Gives up where so much is wrong that the rest will be, too. Whether it did. */
  givesUp({ bundle, width }: Fetched): boolean {
    const bundles = Math.ceil(Number(this.head.size) / TILE_WIDTH);
    if (this.wrong < MAX_WRONG_BUNDLES || bundle + 1 >= bundles) return false;
    this.isTreeLost = true;
    this.blameAbsence(bundle + 1, width, `the ${MAX_WRONG_BUNDLES} bundles before it are missing or wrong, so the rest was not asked for`);
    return true;
  }

  /** The bundle as it should be: every hash right. False, with nothing done, when anything is not. */
  private async takeSound(fetched: Fetched): Promise<boolean> {
    if (fetched.entries === null) return false;
    const { entries, rest } = readEntries(fetched.entries, fetched.width);
    if (entries.length !== fetched.width || rest) return false;
    const leaves = this.hash(entries);
    const { tile, bundle } = fetched;
    if (tile === null) {
      const partial = this.tiles.partial(0);
      if (partial === null || !equalBytes(partial, leaves)) return false;
      await this.feed(bundle, entries);
      this.grown.setLeaves(leaves);
      return true;
    }
    if (tile.bytes === null || !equalBytes(tile.bytes, leaves)) return false;
    const root = tileRoot(leaves);
    const expected = this.tiles.expected(0, bundle);
    if (expected !== null && !equalBytes(expected.root, root)) return false;
    await this.feed(bundle, entries);
    this.pushTile(root);
    return true;
  }

  /** The leaf hashes of entries, side by side; overwritten by the next call. */
  private hash(entries: readonly Uint8Array[]): Uint8Array {
    entries.forEach((entry, at) => sha256Into(this.leaves, at * 32, 0x00, entry, 0, entry.length));
    return this.leaves.subarray(0, entries.length * 32);
  }

  private pushTile(root: Uint8Array): void {
    this.grown.pushTile(root, (level, index, hashes) => this.tiles.compareComputed(level, index, hashes, this.found));
  }

  private grow(leaves: Uint8Array): void {
    if (leaves.length === TILE_WIDTH * 32) this.pushTile(tileRoot(leaves));
    else this.grown.setLeaves(leaves);
  }

  /** Applies the rules to the entries of a bundle; null stands for an entry that is not the tree's. */
  private async feed(bundle: number, entries: readonly (Uint8Array | null)[]): Promise<void> {
    let index = bundle * TILE_WIDTH;
    this.entries += entries.length;
    for (const entry of entries) {
      if (entry !== null) {
        if (index === 0) this.rules = this.rulesFor(tryDecodeEntry(entry)?.kind === "genesis");
        const pending = this.rules?.entry(index, entry);
        if (pending !== undefined) await pending;
        this.onEntry?.(index, entry);
      }
      index++;
    }
  }

  /** A bundle with something wrong: finds out what, reports it once, and goes on with the hashes that the tree has. */
  private async takeApart(fetched: Fetched): Promise<boolean> {
    const { bundle, width, found } = { ...fetched, found: this.found };
    const read = fetched.entries === null ? null : readEntries(fetched.entries, width);
    const isWhole = read !== null && read.entries.length === width && !read.rest;
    const leaves = isWhole ? this.hash(read.entries).slice() : null;
    const isPartial = fetched.tile === null;
    const tile = isPartial ? this.tiles.partial(0) : readTile(fetched.tile!.bytes, 0, bundle, width, found);
    const expected = isPartial ? null : this.tiles.expected(0, bundle);
    const truth = isPartial ? this.judgePartial(leaves, tile) : judge(leaves, tile, expected);
    // Hashes that are known to be the tree's are progress also where a log has pruned the entries.
    const isProven = tile !== null && expected !== null && expected.isRight && equalBytes(expected.root, tileRoot(tile));
    const isKnown = truth.is === "entries" || isProven;
    if (truth.is === "entries") {
      if (!isPartial && tile !== null && !equalBytes(tile, leaves!)) mismatch(0, bundle, width, found);
      await this.feedThoseOf(fetched, leaves!);
      this.grow(leaves!);
    } else if (truth.is === "tile") {
      this.blameEntries(fetched, tile!);
      await this.feedThoseOf(fetched, tile!);
      this.grow(tile!);
    } else if (truth.is === "parent") {
      this.blameBoth(fetched, tile !== null);
      this.pushTile(truth.root);
    } else {
      this.blameBoth(fetched, false);
      this.isTreeLost = true;
      const nothing = new Uint8Array(width * 32);
      for (let at = 0; at < width; at++) nothing.set(EMPTY_ROOT, at * 32);
      this.grow(nothing);
    }
    return isKnown;
  }

  /** A partial bundle has no tile above: its tile is right if the partial tiles lead to the root. */
  private judgePartial(leaves: Uint8Array | null, tile: Uint8Array | null): Truth {
    if (tile === null) return { is: leaves === null ? "unknown" : "entries" };
    if (leaves === null) return { is: "tile" };
    if (equalBytes(leaves, tile)) return { is: "entries" };
    if (this.tiles.isEdgeRight) return { is: "tile" };
    const grown = this.grown.clone();
    grown.setLeaves(leaves);
    return { is: grown.leadsTo(this.head) ? "entries" : "tile" };
  }

  /** Reports what was done to a bundle whose leaf hashes are known. */
  private blameEntries({ bundle, width, entries: bytes }: Fetched, tree: Uint8Array): void {
    if (bytes === null) return this.blameAbsence(bundle, width, "the bundle is not served");
    const hashes = split(tree);
    const { entries, rest } = readEntries(bytes, hashes.length + 1);
    const fault = compareBundle(hashes, entries.map((entry) => hashOf(entry)), rest);
    if (fault === null) return;
    if (this.shifted !== null && this.shifted.kind === fault.kind && fault.at === 0) return this.found.follows(this.shifted.cause);
    const place = { ...placeOfBundle(bundle, width), entry: BigInt(bundle * TILE_WIDTH + fault.at) };
    const cause = this.found.add(fault.kind, place, "the bundle does not hold the entries of the signed tree");
    const moves = fault.kind === "removed-entry" || fault.kind === "inserted-entry";
    this.shifted = moves ? { kind: fault.kind, cause } : null;
    this.lose(cause);
  }

  /** A method of its own: the argument of an optional call is not evaluated where there are no rules. */
  private lose(cause: Cause): void {
    this.rules?.lose(cause);
  }

  private blameAbsence(bundle: number, width: number, words: string): void {
    this.lose(this.found.add("missing-bundle", placeOfBundle(bundle, width), words));
  }

  /** Neither the bundle nor the tile beside it matches the tile above. */
  private blameBoth({ bundle, width, entries }: Fetched, hasTile: boolean): void {
    if (hasTile) return this.lose(mismatch(0, bundle, TILE_WIDTH, this.found));
    if (entries === null) return this.blameAbsence(bundle, width, "the bundle is not served");
    const words = "the entries do not lead to the signed root";
    this.lose(this.found.add("altered-entry", placeOfBundle(bundle, width), words));
  }

  /** Applies the rules to those entries of a bundle that have the hashes of the tree in their place. */
  private feedThoseOf({ bundle, entries: bytes }: Fetched, tree: Uint8Array): Promise<void> {
    if (bytes === null) return Promise.resolve();
    const hashes = split(tree);
    const { entries } = readEntries(bytes, hashes.length);
    return this.feed(bundle, entries.map((entry, at) => (equalBytes(hashOf(entry), hashes[at]!) ? entry : null)));
  }

  /** Compares what was grown with what was signed, and looks for what is missing at the end. */
  finish(): void {
    if (!this.isTreeLost) this.compareRoot();
    this.rules?.findSilence();
  }

  private compareRoot(): void {
    const isSigned = this.grown.leadsTo(this.head);
    if (isSigned && this.tiles.isEdgeRight) return;
    const wasSound = this.isTreeSound;
    // The partial tiles have no tile above: they are compared with what was grown.
    for (const { level, index, width } of partialTiles(this.head.size)) {
      const served = this.tiles.partial(level);
      if (served !== null && !equalBytes(served, this.grown.level(level))) mismatch(level, Number(index), width, this.found);
    }
    if (!isSigned && wasSound && this.isTreeSound) {
      this.found.add("wrong-root", { checkpoint: this.head.size }, "the entries lead to another root than the log signed");
    }
  }

  /** Whether everything served so far is the signed tree's. */
  get isTreeSound(): boolean {
    return !this.isTreeLost && !this.found.hasTreeFault;
  }
}

const placeOfBundle = (bundle: number, width: number): Place =>
  ({ tile: formatTilePath({ level: "entries", index: BigInt(bundle), width }) });

function hashOf(entry: Uint8Array): Uint8Array {
  const out = new Uint8Array(32);
  sha256Into(out, 0, 0x00, entry, 0, entry.length);
  return out;
}

const split = (hashes: Uint8Array): Uint8Array[] =>
  Array.from({ length: hashes.length / 32 }, (_, at) => hashes.subarray(at * 32, at * 32 + 32));

/** A full bundle, the tile beside it, and the tile above: two that agree are believed, the one above before all if it is right. */
function judge(leaves: Uint8Array | null, tile: Uint8Array | null, expected: Expected | null): Truth {
  const isExpected = (hashes: Uint8Array | null): boolean =>
    hashes !== null && expected !== null && equalBytes(expected.root, tileRoot(hashes));
  if (isExpected(leaves)) return { is: "entries" };
  if (isExpected(tile)) return { is: "tile" };
  if (expected?.isRight) return { is: "parent", root: expected.root };
  if (leaves !== null && tile !== null) return { is: equalBytes(leaves, tile) ? "entries" : "tile" };
  if (tile !== null) return { is: "tile" };
  if (leaves !== null) return { is: "entries" };
  return expected === null ? { is: "unknown" } : { is: "parent", root: expected.root };
}
