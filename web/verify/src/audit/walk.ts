// The walk through a log: bundle by bundle, each entry hashed, each hash compared with its tile, each tile with the one above, and
// every entry with the rules. The root is grown from the entries alone.

import { compareBundle } from "../bundle_fault.js";
import { equalBytes } from "../bytes.js";
import { tryDecodeEntry } from "../entry.js";
import type { FindingKind, Place } from "../kinds.js";
import { leafHash, EMPTY_ROOT, type TreeHead } from "../merkle.js";
import { formatTilePath, FRAME_BYTES, partialTiles, readEntries, readFrames, TILE_WIDTH, type Frames } from "../tile.js";
import { batch } from "./batch.js";
import { RightEdge, tileRoot } from "./edge.js";
import type { Cause, Found } from "./found.js";
import type { AnnouncedPruning } from "./pruning.js";
import type { Rules } from "./rules.js";
import { mismatch, readTile, type Expected, type ServedParent, type Tiles } from "./tiles.js";

/** An audit stops after so many bundles in a row of which neither the entries nor their hashes are the tree's. */
const MAX_WRONG_BUNDLES = 1024;

/** The tile of level 0 beside a bundle. */
export type LeafTile =
  /** Read before, with the others of the right edge. */
  | { readonly is: "partial" }
  | { readonly is: "read"; readonly bytes: Uint8Array | null }
  /** Not read: the entries alone have to lead to the hash that the tile above has for it. They may have come together with other bundles; `read` reads them and the tile by their paths. */
  | { readonly is: "unread"; readonly cameTogether: boolean; readonly read: () => Promise<Served> };

/** A bundle and the tile beside it, as the log serves them at their paths. */
export interface Served { readonly entries: Uint8Array | null; readonly tile: Uint8Array | null }

/** A bundle as it was served, with the tile beside it and the full tiles above that are needed first. */
export interface Fetched {
  readonly bundle: number;
  readonly width: number;
  readonly entries: Uint8Array | null;
  readonly tile: LeafTile;
  readonly parents: readonly ServedParent[];
}

/** Called for an entry that is the tree's: the part [from, to) of the bytes. */
export type OnEntry = (index: number, bytes: Uint8Array, from: number, to: number) => void;

/** Which of the things that should agree has the hashes of the tree. */
type Truth = { readonly is: "entries" | "tile" | "unknown" } | { readonly is: "parent"; readonly root: Uint8Array };

/** How far a walk got. */
export class Walk {
  readonly grown = new RightEdge();
  rules: Rules | null = null;
  /** Entries read. */
  entries = 0;
  /** What the log announced that it gave up. */
  pruning: AnnouncedPruning | null = null;
  /** Entries of such bundles: their hashes are the tree's, and nothing else is known of them. */
  unchecked = 0;
  /** Tiles of level 0 that were compared with the entries. */
  comparedTiles = 0;
  /** Bundles that came together with others, and not from their paths. */
  readTogether = 0;
  /** Set once a bundle was not as it should be: from there on every tile is read, to find out what is wrong. */
  isDoubtful = false;
  /** A fault that moved the entries after it into the next bundle. */
  #shifted: { kind: FindingKind; cause: Cause } | null = null;
  /** Set when part of the tree is unknown. */
  #isTreeLost = false;
  /** Bundles in a row of which nothing is known. */
  #wrong = 0;

  /** `rulesFor` makes the rules of a log by its first entry; null for opaque entries. */
  constructor(
    private readonly head: TreeHead,
    private readonly tiles: Tiles,
    private readonly found: Found,
    private readonly rulesFor: (isGenesis: boolean) => Rules | null,
    private readonly onEntry: OnEntry | undefined,
  ) {}

  /** Takes up the next bundle. */
  async take(fetched: Fetched): Promise<void> {
    this.tiles.enter(fetched.bundle, fetched.parents, this.found);
    // What was asked for before the first fault was found is read again: from there on the log's own objects are compared, and all of them.
    const isReadAgain = this.isDoubtful && fetched.tile.is === "unread";
    const isKnown = (!isReadAgain && (await this.#takeSound(fetched))) || (await this.#takeDoubtful(fetched));
    this.#wrong = isKnown ? 0 : this.#wrong + 1;
  }

  /** A bundle that is not as it should be, or whose tile is needed to know. */
  async #takeDoubtful(fetched: Fetched): Promise<boolean> {
    if (fetched.tile.is !== "unread") return this.#takeApart(fetched);
    this.isDoubtful = true;
    const { entries, tile } = await fetched.tile.read();
    const whole: Fetched = { ...fetched, entries, tile: { is: "read", bytes: tile } };
    return (await this.#takeSound(whole)) || this.#takeApart(whole);
  }

  /** Gives up where so much is wrong that the rest will be, too. Whether it did. */
  givesUp({ bundle, width }: Fetched): boolean {
    const bundles = Math.ceil(Number(this.head.size) / TILE_WIDTH);
    if (this.#wrong < MAX_WRONG_BUNDLES || bundle + 1 >= bundles) return false;
    this.#isTreeLost = true;
    this.#blameAbsence(bundle + 1, width, `the ${MAX_WRONG_BUNDLES} bundles before it are missing or wrong, so the rest was not asked for`);
    return true;
  }

  /** The bundle as it should be: every hash right. False, with nothing done, when anything is not. */
  async #takeSound(fetched: Fetched): Promise<boolean> {
    if (fetched.entries === null) return false;
    const frames = readFrames(fetched.entries, fetched.width);
    if (frames.count !== fetched.width || frames.rest) return false;
    const { tile, bundle } = fetched;
    const leaves = batch().leaves(fetched.entries, frames);
    if (tile.is === "partial") {
      const partial = this.tiles.partial(0);
      if (partial === null || !equalBytes(partial, leaves)) return false;
      // What waits for signatures below lets others hash meanwhile.
      this.grown.setLeaves(leaves);
      await this.#feed(bundle, frames, fetched.entries);
      return true;
    }
    const expected = this.tiles.expected(0, bundle);
    // An unread tile is not needed only where the hash above is known to be the signed tree's.
    if (tile.is === "unread" && !expected?.isRight) return false;
    if (tile.is === "read" && (tile.bytes === null || !equalBytes(tile.bytes, leaves))) return false;
    const root = tileRoot(leaves);
    if (expected !== null && !equalBytes(expected.root, root)) return false;
    if (tile.is === "read") this.comparedTiles++;
    if (tile.is === "unread" && tile.cameTogether) this.readTogether++;
    await this.#feed(bundle, frames, fetched.entries);
    this.#pushTile(root);
    return true;
  }

  #pushTile(root: Uint8Array): void {
    this.grown.pushTile(root, (level, index, hashes) => this.tiles.compareComputed(level, index, hashes, this.found));
  }

  #grow(leaves: Uint8Array): void {
    if (leaves.length === TILE_WIDTH * 32) this.#pushTile(tileRoot(leaves));
    else this.grown.setLeaves(leaves);
  }

  /** Applies the rules to the entries of a bundle that is sound: all of them are the tree's. */
  async #feed(bundle: number, frames: Frames, bytes: Uint8Array): Promise<void> {
    // A copy: while signatures are verified, another audit may hash.
    const leaves = this.rules === null ? null : new Int32Array(batch().streamLeaves(bytes, frames).slice().buffer);
    const { bounds, count } = frames;
    for (let at = 0; at < count; at++) {
      const pending = this.#feedOne(bundle * TILE_WIDTH + at, bytes, bounds[at]! + FRAME_BYTES, bounds[at + 1]!, leaves);
      if (pending !== undefined) await pending;
    }
  }

  /** The entry is the part [from, to) of the bytes; `leaves` has the hashes that the statements of its bundle have in their streams' trees. */
  #feedOne(index: number, bytes: Uint8Array, from: number, to: number, leaves: Int32Array | null): Promise<void> | void {
    this.entries++;
    if (index === 0) this.rules = this.rulesFor(tryDecodeEntry(bytes.subarray(from, to))?.kind === "genesis");
    const { rules } = this;
    if (rules !== null && !rules.takeStatement(index, bytes, from, to, leaves)) {
      const pending = rules.entry(index, bytes.subarray(from, to));
      if (pending !== undefined) return pending.then(() => this.onEntry?.(index, bytes, from, to));
    }
    this.onEntry?.(index, bytes, from, to);
  }

  /** A bundle with something wrong: finds out what, reports it once, and goes on with the hashes that the tree has. */
  async #takeApart(fetched: Fetched): Promise<boolean> {
    const { bundle, width, found } = { ...fetched, found: this.found };
    const frames = fetched.entries === null ? null : readFrames(fetched.entries, width);
    const isWhole = frames !== null && frames.count === width && !frames.rest;
    const leaves = isWhole ? batch().leaves(fetched.entries!, frames).slice() : null;
    const isPartial = fetched.tile.is === "partial";
    const tile = fetched.tile.is === "read" ? readTile(fetched.tile.bytes, 0, bundle, width, found) : this.tiles.partial(0);
    const expected = isPartial ? null : this.tiles.expected(0, bundle);
    const truth = isPartial ? this.#judgePartial(leaves, tile) : judge(leaves, tile, expected);
    // Hashes that are known to be the tree's are progress also where a log has pruned the entries.
    const isProven = tile !== null && expected !== null && expected.isRight && equalBytes(expected.root, tileRoot(tile));
    let isKnown = truth.is === "entries" || isProven;
    if (truth.is === "entries") {
      if (!isPartial && tile !== null && !equalBytes(tile, leaves!)) mismatch(0, bundle, width, found);
      await this.#feedThoseOf(fetched, leaves!);
      this.#grow(leaves!);
    } else if (truth.is === "tile") {
      if (this.#passPruned(fetched)) {
        isKnown = true;
      } else {
        this.#blameEntries(fetched, tile!);
        await this.#feedThoseOf(fetched, tile!);
      }
      this.#grow(tile!);
    } else if (truth.is === "parent") {
      this.#blameBoth(fetched, tile !== null);
      this.#pushTile(truth.root);
    } else {
      this.#blameBoth(fetched, false);
      this.#isTreeLost = true;
      const nothing = new Uint8Array(width * 32);
      for (let at = 0; at < width; at++) nothing.set(EMPTY_ROOT, at * 32);
      this.#grow(nothing);
    }
    return isKnown;
  }

  /** A partial bundle has no tile above: its tile is right if the partial tiles lead to the root. */
  #judgePartial(leaves: Uint8Array | null, tile: Uint8Array | null): Truth {
    if (tile === null) return { is: leaves === null ? "unknown" : "entries" };
    if (leaves === null) return { is: "tile" };
    if (equalBytes(leaves, tile)) return { is: "entries" };
    if (this.tiles.isEdgeRight) return { is: "tile" };
    const grown = this.grown.clone();
    grown.setLeaves(leaves);
    return { is: grown.leadsTo(this.head) ? "entries" : "tile" };
  }

  /** Passes over a bundle that is not served, if the log announced that it gave it up. The genesis entry is never given up. */
  #passPruned({ bundle, entries }: Fetched): boolean {
    const end = (bundle + 1) * TILE_WIDTH;
    if (entries !== null || bundle === 0 || BigInt(end) > (this.pruning?.minimum ?? 0n)) return false;
    this.unchecked += TILE_WIDTH;
    this.rules?.passPruned(end);
    return true;
  }

  /** Reports what was done to a bundle whose leaf hashes are known. */
  #blameEntries({ bundle, width, entries: bytes }: Fetched, tree: Uint8Array): void {
    if (bytes === null) return this.#blameAbsence(bundle, width, "the bundle is not served");
    const hashes = split(tree);
    const { entries, rest } = readEntries(bytes, hashes.length + 1);
    const fault = compareBundle(hashes, entries.map(leafHash), rest);
    if (fault === null) return;
    if (this.#shifted !== null && this.#shifted.kind === fault.kind && fault.at === 0) return this.found.follows(this.#shifted.cause);
    const place = { ...placeOfBundle(bundle, width), entry: BigInt(bundle * TILE_WIDTH + fault.at) };
    const cause = this.found.add(fault.kind, place, "the bundle does not hold the entries of the signed tree");
    const moves = fault.kind === "removed-entry" || fault.kind === "inserted-entry";
    this.#shifted = moves ? { kind: fault.kind, cause } : null;
    this.#lose(cause);
  }

  /** A method of its own: the argument of an optional call is not evaluated where there are no rules. */
  #lose(cause: Cause): void {
    this.rules?.lose(cause);
  }

  #blameAbsence(bundle: number, width: number, words: string): void {
    this.#lose(this.found.add("missing-bundle", placeOfBundle(bundle, width), words));
  }

  /** Neither the bundle nor the tile beside it matches the tile above. */
  #blameBoth({ bundle, width, entries }: Fetched, hasTile: boolean): void {
    if (hasTile) return this.#lose(mismatch(0, bundle, TILE_WIDTH, this.found));
    if (entries === null) return this.#blameAbsence(bundle, width, "the bundle is not served");
    const words = "the entries do not lead to the signed root";
    this.#lose(this.found.add("altered-entry", placeOfBundle(bundle, width), words));
  }

  /** Applies the rules to those entries of a bundle that have the hashes of the tree in their place. */
  async #feedThoseOf({ bundle, entries: bytes }: Fetched, tree: Uint8Array): Promise<void> {
    if (bytes === null) return;
    const hashes = split(tree);
    const { entries } = readEntries(bytes, hashes.length);
    for (const [at, entry] of entries.entries()) {
      const isTheTrees = equalBytes(leafHash(entry), hashes[at]!);
      if (isTheTrees) await this.#feedOne(bundle * TILE_WIDTH + at, entry, 0, entry.length, null);
      else this.entries++;
    }
  }

  /** Compares what was grown with what was signed, and looks for what is missing at the end. */
  finish(): void {
    if (!this.#isTreeLost) this.#compareRoot();
    this.rules?.findSilence();
  }

  #compareRoot(): void {
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
    return !this.#isTreeLost && !this.found.hasTreeFault;
  }
}

const placeOfBundle = (bundle: number, width: number): Place =>
  ({ tile: formatTilePath({ level: "entries", index: BigInt(bundle), width }) });

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
