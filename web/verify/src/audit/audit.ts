// One audit from beginning to end: the checkpoint, what contradicts it, the walk, the report.

import { equalBytes } from "../bytes.js";
import type { SignedCheckpoint } from "../checkpoint.js";
import { cosignatures, type Cosigned } from "../cosigned.js";
import { orNull, refusalIn, refuse } from "../errors.js";
import { checkpointFault } from "../finding.js";
import type { FindingKind } from "../kinds.js";
import { sameKey } from "../key.js";
import type { TreeHead } from "../merkle.js";
import { openRetirementProof, type Retirement } from "../succession.js";
import { TILE_WIDTH, tileWidth } from "../tile.js";
import type { Trust } from "../trust.js";
import { Bundles, type ReadBundles } from "./bundles.js";
import { Found, type Cause, type Finding } from "./found.js";
import { Log, type ReadObject } from "./log.js";
import { prefixRoot } from "./prefix.js";
import { announcedPruning, type AnnouncedPruning } from "./pruning.js";
import { Rules } from "./rules.js";
import { Tiles } from "./tiles.js";
import { Walk, type Fetched, type OnEntry, type Served } from "./walk.js";

export type { AnnouncedPruning, Finding, OnEntry, ReadBundles, ReadObject };

/** Checkpoints from elsewhere that are compared. */
const MAX_KNOWN = 256;
const MAX_IN_FLIGHT = 256;

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
  readonly signal?: { readonly aborted: boolean };
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
export async function auditLog(read: ReadObject, trust: Trust, options: AuditOptions = {}): Promise<AuditReport> {
  return new Audit(new Log(read), trust, options).run();
}

class Audit {
  readonly #found = new Found();

  constructor(private readonly log: Log, private readonly trust: Trust, private readonly options: AuditOptions) {}

  async run(): Promise<AuditReport> {
    const signed = await this.#checkpoint();
    if (signed === null) return this.#report(null, null, null);
    const cosigned = await this.#cosigned(signed);
    let goesOn = await this.#compare(signed);
    const most = this.options.maxEntries ?? 2 ** 40;
    if (signed.head.size > BigInt(Math.min(most, 2 ** 40))) {
      const words = `the log signed a tree of ${signed.head.size} entries, so none was read`;
      this.#found.add("impossible-size", { checkpoint: signed.head.size }, words);
      goesOn = false;
    }
    if (!goesOn) return this.#report(signed, cosigned, null);
    const tiles = await Tiles.open(this.log, signed.head, this.#found);
    const walk = new Walk(signed.head, tiles, this.#found, (isGenesis) => this.#rulesFor(isGenesis), this.options.onEntry);
    walk.pruning = await announcedPruning(this.log, signed.head, this.trust);
    await this.#walk(Number(signed.head.size), walk);
    walk.finish();
    return this.#report(signed, cosigned, walk);
  }

  /** The checkpoint that the log serves; null, and a finding, if there is none that it signed. */
  async #checkpoint(): Promise<SignedCheckpoint | null> {
    const note = await this.log.checkpoint();
    if (note === null) {
      this.#found.add("missing-checkpoint", {}, "the log serves no checkpoint");
      return null;
    }
    try {
      return await this.trust.open(note);
    } catch (error) {
      const refusal = refusalIn(error);
      this.#found.add(checkpointFault(refusal), {}, refusal.message);
      return null;
    }
  }

  async #cosigned(signed: SignedCheckpoint): Promise<Cosigned> {
    const place = { checkpoint: signed.head.size };
    const cosigned = await cosignatures(signed, this.trust);
    let forged: Cause | null = null;
    for (const key of cosigned.forged) {
      const cause = this.#found.add("forged-cosignature", place, `the line of witness ${key.name}+${key.id} does not verify`);
      forged ??= cause;
    }
    if (!cosigned.quorum) {
      const finding = this.#found.add("missing-quorum", place, "the checkpoint has no quorum of witnesses");
      if (forged !== null) this.#found.explain(finding, forged);
    }
    const { now, maxCheckpointAge = 24 * 60 * 60 } = this.options;
    if (now !== undefined && cosigned.newest !== null && BigInt(now) - cosigned.newest > BigInt(maxCheckpointAge)) {
      this.#found.add("stale-checkpoint", place, `the newest cosignature is older than ${maxCheckpointAge} seconds`);
    }
    return cosigned;
  }

  /** Compares the checkpoint with what is known. False if what this auditor verified contradicts it. */
  async #compare(served: SignedCheckpoint): Promise<boolean> {
    let goesOn = true;
    if (this.options.verified !== undefined) {
      const known = await this.trust.open(this.options.verified);
      goesOn = await this.#compareWith(known.head, served.head, "shrunken-log");
    }
    const end = await this.#end();
    if (end !== null) {
      this.#checkEnd(end, served.head);
      await this.#compareWith(end, served.head, "stale-checkpoint");
    }
    for (const note of (this.options.witnessed ?? []).slice(0, MAX_KNOWN)) {
      // Anyone could have made up one that the log did not sign: it shows nothing about the log.
      const known = await orNull(this.trust.open(note));
      if (known === null) continue;
      if (end !== null) this.#checkEnd(end, known.head);
      await this.#compareWith(known.head, served.head, "stale-checkpoint");
    }
    return goesOn;
  }

  /** The tree that the log ended with, if that is known. */
  async #end(): Promise<TreeHead | null> {
    if (this.options.retirement === undefined) return null;
    const { retirement, signed } = await openRetirementProof(this.options.retirement, this.trust.crypto);
    return sameKey(retirement.log, this.trust.log) ? signed.head : refuse("other-log", "the retirement is another log's");
  }

  /** A head beyond the end that is known: the log's key signed it, and had signed before that the log has ended. */
  #checkEnd(end: TreeHead, { size }: TreeHead): void {
    if (size <= end.size) return;
    this.#found.add("head-after-retirement", { checkpoint: size }, `the log ended with ${end.size} entries, and its key signed a tree of ${size}`);
  }

  /** SPEC: a smaller size than known is a rollback, or an old view; one size with two roots is a fork; a larger size needs a proof. */
  async #compareWith(known: TreeHead, served: TreeHead, ifSmaller: FindingKind): Promise<boolean> {
    const place = { checkpoint: served.size };
    if (known.size === served.size) {
      if (equalBytes(known.root, served.root)) return true;
      this.#found.add("split-view", place, `the log signed two roots for size ${served.size}`);
      return false;
    }
    const [older, newer] = known.size < served.size ? [known, served] : [served, known];
    const cause = await this.#contradiction(older, newer, served.size);
    if (known.size < served.size) return cause === null;
    const finding = this.#found.add(ifSmaller, place, `the log serves a tree of size ${served.size}, and signed one of size ${known.size}`);
    if (cause !== null) this.#found.explain(finding, cause);
    return false;
  }

  /** The finding, if the newer tree does not contain the older one. */
  async #contradiction(older: TreeHead, newer: TreeHead, served: bigint): Promise<Cause | null> {
    // SPEC: the empty tree is a prefix of every other.
    if (older.size === 0n) return null;
    const root = await prefixRoot(this.log, older.size, newer);
    // Tiles that prove nothing are not held against the checkpoint; if they are of the served tree, the walk finds out why.
    if (root === null || equalBytes(root, older.root)) return null;
    return this.#found.add("inconsistent-heads", { checkpoint: served }, `the tree of size ${newer.size} does not begin with the one of size ${older.size}`);
  }

  /** What the entries of a log are, by its first. */
  #rulesFor(isGenesis: boolean): Rules | null {
    const { entries = "detect", headInterval = 30_000, heartbeatAllowance = 90_000, houseGateways = [] } = this.options;
    if (entries === "opaque" || (entries === "detect" && !isGenesis)) return null;
    return new Rules(this.trust, { headInterval, heartbeatAllowance, houseGateways }, this.#found);
  }

  /** Walks to the end, several requests at a time, one bundle after the other. */
  async #walk(size: number, walk: Walk): Promise<void> {
    const bundles = Math.ceil(size / TILE_WIDTH);
    const depth = Math.min(Math.max(this.options.inFlight ?? 8, 1), MAX_IN_FLIGHT);
    const pending: Promise<Fetched>[] = [];
    const { readBundles } = this.options;
    const several = readBundles === undefined ? null : new Bundles(readBundles, Math.floor(size / TILE_WIDTH));
    for (let bundle = 0, asked = 0; bundle < bundles; bundle++) {
      for (; asked < bundles && pending.length < depth; asked++) {
        const fetching = this.#fetch(asked, size, walk.isDoubtful || this.#isChosen() ? "compared" : several);
        // Awaited below, in order; a rejection before that is not lost.
        fetching.catch(() => undefined);
        pending.push(fetching);
      }
      const fetched = await pending.shift()!;
      if (this.options.signal?.aborted) refuse("unreadable", "the audit was stopped");
      await walk.take(fetched);
      if (walk.givesUp(fetched)) return;
      this.options.onProgress?.(Math.min((bundle + 1) * TILE_WIDTH, size), size);
    }
  }

  /** Whether the next tile of level 0 is compared. The log cannot foresee it. */
  #isChosen(): boolean {
    const oneIn = this.options.compareTiles ?? 1;
    return oneIn <= 1 || crypto.getRandomValues(new Uint32Array(1))[0]! % Math.floor(oneIn) === 0;
  }

  /** A bundle, and the full tiles above that the walk has not seen yet. */
  async #fetch(bundle: number, size: number, from: "compared" | Bundles | null): Promise<Fetched> {
    const width = tileWidth(0, BigInt(bundle), BigInt(size));
    const [parents, served] = await Promise.all([
      Promise.all(Tiles.parentsOf(bundle, bundle === 0, size).map(
        async ({ level, index }) => ({ level, index, bytes: await this.log.tile(level, index, TILE_WIDTH) }))),
      this.#served(bundle, width, from),
    ]);
    return { bundle, width, ...served, parents };
  }

  /** A bundle with the tile beside it if the two are compared; without, it may come with several others. */
  async #served(bundle: number, width: number, from: "compared" | Bundles | null): Promise<Pick<Fetched, "entries" | "tile">> {
    // A partial tile was read with the others of the right edge.
    if (width < TILE_WIDTH) return { entries: await this.log.bundle(bundle, width), tile: { is: "partial" } };
    const read = async (): Promise<Served> => {
      const [entries, tile] = await Promise.all([this.log.bundle(bundle, width), this.log.tile(0, bundle, width)]);
      return { entries, tile };
    };
    if (from === "compared") {
      const { entries, tile } = await read();
      return { entries, tile: { is: "read", bytes: tile } };
    }
    const together = (await from?.get(bundle)) ?? null;
    return { entries: together ?? (await this.log.bundle(bundle, width)), tile: { is: "unread", cameTogether: together !== null, read } };
  }

  #report(checkpoint: SignedCheckpoint | null, cosigned: Cosigned | null, walk: Walk | null): AuditReport {
    const findings = this.#found.findings();
    const rules = walk?.rules ?? null;
    const streams = [...(rules?.streams.values() ?? [])].sort((one, other) => one.id - other.id).map((stream) => ({
      stream: stream.id,
      gateway: stream.gateway?.name ?? null,
      statements: stream.statements,
      heads: stream.heads,
      declaredLosses: stream.losses,
      closed: stream.closed !== null,
      succeededBy: stream.succeeded,
      isRevoked: stream.withdrawn !== null,
      isComplete: stream.broken === null,
      isPruned: stream.isPruned,
    }));
    return {
      origin: this.trust.origin, checkpoint, cosigned, isClean: findings.length === 0, findings, counts: this.#found.counts,
      entries: walk?.entries ?? 0, unchecked: walk?.unchecked ?? 0, pruning: walk?.pruning ?? null, comparedTiles: walk?.comparedTiles ?? 0, readTogether: walk?.readTogether ?? 0, isVouchlog: rules !== null, statements: rules?.statements ?? 0,
      gateways: rules?.registry.count ?? 0, streams,
      retired: rules?.retired?.retirement ?? null, predecessor: rules?.continues?.retirement.log.vkey ?? null,
    };
  }
}
