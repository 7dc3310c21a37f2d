import { equalBytes } from "../bytes.js";
import { cosignatures } from "../cosigned.js";
import { orNull, refusalIn, refuse } from "../errors.js";
import { checkpointFault } from "../finding.js";
import { sameKey } from "../key.js";
import { openRetirementProof } from "../succession.js";
import { TILE_WIDTH, tileWidth } from "../tile.js";
import { Bundles } from "./bundles.js";
import { Found } from "./found.js";
import { Log } from "./log.js";
import { prefixRoot } from "./prefix.js";
import { announcedPruning } from "./pruning.js";
import { Rules } from "./rules.js";
import { Tiles } from "./tiles.js";
import { Walk } from "./walk.js";
const MAX_KNOWN = 256;
const MAX_IN_FLIGHT = 256;
export async function auditLog(read, trust, options = {}) {
    return new Audit(new Log(read), trust, options).run();
}
class Audit {
    #found = new Found();
    constructor(log, trust, options) {
        this.log = log;
        this.trust = trust;
        this.options = options;
    }
    async run() {
        const signed = await this.#checkpoint();
        if (signed === null)
            return this.#report(null, null, null);
        const cosigned = await this.#cosigned(signed);
        let goesOn = await this.#compare(signed);
        const most = this.options.maxEntries ?? 2 ** 40;
        if (signed.head.size > BigInt(Math.min(most, 2 ** 40))) {
            const words = `the log signed a tree of ${signed.head.size} entries, so none was read`;
            this.#found.add("impossible-size", { checkpoint: signed.head.size }, words);
            goesOn = false;
        }
        if (!goesOn)
            return this.#report(signed, cosigned, null);
        const tiles = await Tiles.open(this.log, signed.head, this.#found);
        const walk = new Walk(signed.head, tiles, this.#found, (isGenesis) => this.#rulesFor(isGenesis), this.options.onEntry);
        walk.pruning = await announcedPruning(this.log, signed.head, this.trust);
        await this.#walk(Number(signed.head.size), walk);
        walk.finish();
        return this.#report(signed, cosigned, walk);
    }
    async #checkpoint() {
        const note = await this.log.checkpoint();
        if (note === null) {
            this.#found.add("missing-checkpoint", {}, "the log serves no checkpoint");
            return null;
        }
        try {
            return await this.trust.open(note);
        }
        catch (error) {
            const refusal = refusalIn(error);
            this.#found.add(checkpointFault(refusal), {}, refusal.message);
            return null;
        }
    }
    async #cosigned(signed) {
        const place = { checkpoint: signed.head.size };
        const cosigned = await cosignatures(signed, this.trust);
        let forged = null;
        for (const key of cosigned.forged) {
            const cause = this.#found.add("forged-cosignature", place, `the line of witness ${key.name}+${key.id} does not verify`);
            forged ??= cause;
        }
        if (!cosigned.quorum) {
            const finding = this.#found.add("missing-quorum", place, "the checkpoint has no quorum of witnesses");
            if (forged !== null)
                this.#found.explain(finding, forged);
        }
        const { now, maxCheckpointAge = 24 * 60 * 60 } = this.options;
        if (now !== undefined && cosigned.newest !== null && BigInt(now) - cosigned.newest > BigInt(maxCheckpointAge)) {
            this.#found.add("stale-checkpoint", place, `the newest cosignature is older than ${maxCheckpointAge} seconds`);
        }
        return cosigned;
    }
    async #compare(served) {
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
            const known = await orNull(this.trust.open(note));
            if (known === null)
                continue;
            if (end !== null)
                this.#checkEnd(end, known.head);
            await this.#compareWith(known.head, served.head, "stale-checkpoint");
        }
        return goesOn;
    }
    async #end() {
        if (this.options.retirement === undefined)
            return null;
        const { retirement, signed } = await openRetirementProof(this.options.retirement, this.trust.crypto);
        return sameKey(retirement.log, this.trust.log) ? signed.head : refuse("other-log", "the retirement is another log's");
    }
    #checkEnd(end, { size }) {
        if (size <= end.size)
            return;
        this.#found.add("head-after-retirement", { checkpoint: size }, `the log ended with ${end.size} entries, and its key signed a tree of ${size}`);
    }
    async #compareWith(known, served, ifSmaller) {
        const place = { checkpoint: served.size };
        if (known.size === served.size) {
            if (equalBytes(known.root, served.root))
                return true;
            this.#found.add("split-view", place, `the log signed two roots for size ${served.size}`);
            return false;
        }
        const [older, newer] = known.size < served.size ? [known, served] : [served, known];
        const cause = await this.#contradiction(older, newer, served.size);
        if (known.size < served.size)
            return cause === null;
        const finding = this.#found.add(ifSmaller, place, `the log serves a tree of size ${served.size}, and signed one of size ${known.size}`);
        if (cause !== null)
            this.#found.explain(finding, cause);
        return false;
    }
    async #contradiction(older, newer, served) {
        if (older.size === 0n)
            return null;
        const root = await prefixRoot(this.log, older.size, newer);
        if (root === null || equalBytes(root, older.root))
            return null;
        return this.#found.add("inconsistent-heads", { checkpoint: served }, `the tree of size ${newer.size} does not begin with the one of size ${older.size}`);
    }
    #rulesFor(isGenesis) {
        const { entries = "detect", headInterval = 30_000, heartbeatAllowance = 90_000, houseGateways = [] } = this.options;
        if (entries === "opaque" || (entries === "detect" && !isGenesis))
            return null;
        return new Rules(this.trust, { headInterval, heartbeatAllowance, houseGateways }, this.#found);
    }
    async #walk(size, walk) {
        const bundles = Math.ceil(size / TILE_WIDTH);
        const depth = Math.min(Math.max(this.options.inFlight ?? 8, 1), MAX_IN_FLIGHT);
        const pending = [];
        const { readBundles } = this.options;
        const several = readBundles === undefined ? null : new Bundles(readBundles, Math.floor(size / TILE_WIDTH));
        for (let bundle = 0, asked = 0; bundle < bundles; bundle++) {
            for (; asked < bundles && pending.length < depth; asked++) {
                const fetching = this.#fetch(asked, size, walk.isDoubtful || this.#isChosen() ? "compared" : several);
                fetching.catch(() => undefined);
                pending.push(fetching);
            }
            const fetched = await pending.shift();
            if (this.options.signal?.aborted)
                refuse("unreadable", "the audit was stopped");
            await walk.take(fetched);
            if (walk.givesUp(fetched))
                return;
            this.options.onProgress?.(Math.min((bundle + 1) * TILE_WIDTH, size), size);
        }
    }
    #isChosen() {
        const oneIn = this.options.compareTiles ?? 1;
        return oneIn <= 1 || crypto.getRandomValues(new Uint32Array(1))[0] % Math.floor(oneIn) === 0;
    }
    async #fetch(bundle, size, from) {
        const width = tileWidth(0, BigInt(bundle), BigInt(size));
        const [parents, served] = await Promise.all([
            Promise.all(Tiles.parentsOf(bundle, bundle === 0, size).map(async ({ level, index }) => ({ level, index, bytes: await this.log.tile(level, index, TILE_WIDTH) }))),
            this.#served(bundle, width, from),
        ]);
        return { bundle, width, ...served, parents };
    }
    async #served(bundle, width, from) {
        if (width < TILE_WIDTH)
            return { entries: await this.log.bundle(bundle, width), tile: { is: "partial" } };
        const read = async () => {
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
    #report(checkpoint, cosigned, walk) {
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
