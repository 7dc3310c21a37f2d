// Goal: what is hashed many at a time equals what is hashed one after the other, and an audit that reads few tiles misses nothing but wrong tiles.
// Method: pseudo-random entries, trees and faults; `node:crypto` has the last word on SHA-256.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { Batch, batch } from "../dist/audit/batch.js";
import { StreamTree } from "../dist/audit/stream_tree.js";
import { auditLog } from "../dist/audit/audit.js";
import { leafHash, Trust } from "../dist/index.js";
import { CompactRange, streamLeafHash } from "./internals.mjs";
import { concat } from "../dist/bytes.js";
import { openLanes } from "../dist/sha256_lanes.js";
import { formatTilePath } from "../dist/tile.js";
import { useVectors } from "../dist/vectors.js";
import { keys, soundLog } from "./log.mjs";
import { random } from "./support.mjs";

const seeded = random(Number(process.env.VOUCHLOG_SEED ?? 19));
const bytes = (length) => Uint8Array.from({ length }, () => seeded(256));
const sha256 = (...parts) => new Uint8Array(createHash("sha256").update(Buffer.concat(parts)).digest());

/** A bundle at some place of its memory, with the entries as parts of it. */
function bundleOf(lengths) {
  const before = seeded(40);
  const whole = bytes(before + lengths.reduce((sum, length) => sum + 2 + length, 0));
  const bundle = whole.subarray(before);
  let at = 0;
  const entries = lengths.map((length) => {
    const entry = bundle.subarray(at + 2, at + 2 + length);
    at += 2 + length;
    return entry;
  });
  const bounds = Int32Array.of(0, ...lengths.map((_, place) => lengths.slice(0, place + 1).reduce((sum, length) => sum + 2 + length, 0)));
  return { bundle, entries, frames: { bounds, count: lengths.length, rest: false } };
}

test("vectors are used here, and give the hashes that node:crypto gives", () => {
  const lanes = openLanes(1 << 20);
  assert.notEqual(lanes, null, "this Node has no WebAssembly vectors");
  assert.ok(useVectors());
  for (const tried of [batch(), new Batch(null), new Batch(openLanes(400_000))]) {
    for (let round = 0; round < 60; round++) {
      const lengths = Array.from({ length: 1 + seeded(256) }, () => (seeded(4) > 0 ? 54 : seeded(300)));
      const { bundle, entries, frames } = bundleOf(lengths);
      const leaves = tried.leaves(bundle, frames);
      entries.forEach((entry, at) => assert.deepEqual(leaves.slice(at * 32, at * 32 + 32), sha256(Uint8Array.of(0), entry), `entry ${at} of ${lengths.length}`));
      const stated = tried.streamLeaves(bundle, frames);
      entries.forEach((entry, at) => {
        if (entry.length === 54) assert.deepEqual(stated.slice(at * 32, at * 32 + 32), sha256(Uint8Array.of(0), entry.subarray(0, 1), entry.subarray(18)), `stream leaf ${at}`);
      });
    }
    for (let height = 0; height <= 8; height++) {
      const hashes = bytes(32 * 256);
      let row = Array.from({ length: 2 ** height }, (_, at) => hashes.subarray(at * 32, at * 32 + 32));
      while (row.length > 1) row = row.flatMap((hash, at) => (at % 2 ? [sha256(Uint8Array.of(1), row[at - 1], hash)] : []));
      assert.deepEqual(tried.root(hashes, 0, 2 ** height), row[0]);
    }
  }
});

test("a bundle of long entries is hashed, too", () => {
  const { bundle, entries, frames } = bundleOf([54, 65_535, 54, 65_535, 65_535, 65_535, 54]);
  const leaves = batch().leaves(bundle, frames);
  entries.forEach((entry, at) => assert.deepEqual(leaves.slice(at * 32, at * 32 + 32), leafHash(entry)));
  const stated = batch().streamLeaves(bundle, frames);
  for (const at of [0, 2, 6]) assert.deepEqual(stated.slice(at * 32, at * 32 + 32), streamLeafHash(entries[at]));
});

test("a stream's tree is that of its leaves, whenever its root is asked for", () => {
  for (let round = 0; round < 30; round++) {
    const [tree, plain] = [new StreamTree(), new CompactRange()];
    for (let size = 0; size < 300; size++) {
      if (seeded(20) === 0) assert.deepEqual([tree.size, tree.root()], [plain.size, plain.root()], `size ${size}`);
      const leaf = bytes(32);
      tree.push(leaf);
      plain.push(leaf);
    }
    assert.deepEqual(tree.root(), plain.root());
  }
});

const trust = new Trust({ logVkey: keys.log.vkey });
const NONE = { compareTiles: 2 ** 31 };

/** What an audit of every tile, and one that chooses none, find in a log. */
async function both(log, change) {
  const objects = log.served();
  change(objects);
  const asked = [];
  const read = log.reader(objects);
  const codes = async (options, reader) => (await auditLog(reader, trust, options)).findings.map(({ kind, place }) => `${kind} ${place.tile ?? ""} ${place.entry ?? ""}`);
  return { all: await codes({}, read), chosen: await codes(NONE, async (path) => (asked.push(path), read(path))), asked };
}

test("without its tiles a sound log has no finding, and they are not read", async () => {
  const { log } = soundLog(2_000);
  const { all, chosen, asked } = await both(log, () => {});
  assert.deepEqual([all, chosen], [[], []]);
  assert.deepEqual(asked.filter((path) => /^tile\/0\/[0-9]{3}$/.test(path)), []);
  const report = await auditLog(log.reader(), trust, { compareTiles: 2 });
  assert.ok(report.isClean && report.comparedTiles <= Math.floor(log.entries.length / 256));
  assert.equal((await auditLog(log.reader(), trust)).comparedTiles, Math.floor(log.entries.length / 256));
  assert.equal((await auditLog(log.reader(), trust, NONE)).comparedTiles, 0);
});

const change = (path, edit) => (objects) => objects.set(path, edit(Uint8Array.from(objects.get(path))));
const flip = (at) => (one) => {
  one[at] ^= 1;
  return one;
};

test("every fault of entries, partial tiles and tiles above is found without the tiles of level 0", async () => {
  const { log } = soundLog(2_000);
  const faults = [
    change("tile/entries/002", flip(200)),
    change("tile/entries/002", (one) => one.slice(56)),
    change("tile/entries/002", (one) => Uint8Array.of(...one, 0, 1, 7)),
    change("tile/entries/002", (one) => one.slice(0, -10)),
    (objects) => objects.delete("tile/entries/003"),
    change([...log.served().keys()].find((path) => path.startsWith("tile/0/") && path.includes(".p/")), flip(3)),
    change([...log.served().keys()].find((path) => path.startsWith("tile/1/")), flip(40)),
    (objects) => objects.delete([...objects.keys()].find((path) => path.startsWith("tile/1/"))),
    (objects) => {
      for (const path of ["tile/entries/000", "tile/entries/001", "tile/entries/005"]) objects.delete(path);
    },
    (objects) => {
      change("tile/entries/001", flip(30))(objects);
      change("tile/0/001", flip(30))(objects);
    },
  ];
  for (const [place, fault] of faults.entries()) {
    const { all, chosen } = await both(log, fault);
    assert.ok(all.length > 0, `fault ${place}`);
    assert.deepEqual(chosen, all, `fault ${place}`);
  }
});

test("only a wrong tile of level 0 beside right entries needs to be chosen to be found", async () => {
  const { log } = soundLog(2_000);
  for (const fault of [change("tile/0/002", flip(77)), (objects) => objects.delete("tile/0/002"), change("tile/0/002", (one) => one.slice(32))]) {
    const { all, chosen } = await both(log, fault);
    assert.equal(all.length, 1);
    assert.deepEqual(chosen, []);
  }
});

test("a log that is not sound anywhere has its tiles read from there on", async () => {
  const { log } = soundLog(6_000);
  const { asked } = await both(log, (objects) => objects.delete("tile/entries/000"));
  const tiles = asked.filter((path) => /^tile\/0\/[0-9]{3}$/.test(path));
  // The bundles that were already asked for when the first turned out to be missing have no tile.
  assert.ok(tiles.includes("tile/0/000") && tiles.length >= Math.floor(log.entries.length / 256) - 10, tiles.join(" "));
});

/** Several bundles in one response, from what the log serves: those that are there, up to the first that is not. */
function severalFrom(objects) {
  return async (first, count) => {
    const bundles = [];
    for (let at = first; at < first + count && objects.has(bundlePath(at)); at++) bundles.push(objects.get(bundlePath(at)));
    return bundles.length === 0 ? null : concat(...bundles);
  };
}
const bundlePath = (at) => formatTilePath({ level: "entries", index: BigInt(at), width: 256 });
const isBundle = (path) => path.startsWith("tile/entries/") && !path.includes(".p/");

test("bundles that come several at a time are checked like others, and their files are not read", async () => {
  const { log } = soundLog(20_000);
  const [objects, asked, ranges] = [log.served(), [], []];
  const several = severalFrom(objects);
  const options = { ...NONE, inFlight: 24, readBundles: async (first, count) => (ranges.push([first, count]), several(first, count)) };
  const report = await auditLog(async (path) => (asked.push(path), log.reader(objects)(path)), trust, options);
  assert.equal(report.readTogether, Math.floor(log.entries.length / 256));
  assert.deepEqual([report.isClean, report.entries], [true, log.entries.length]);
  assert.deepEqual(asked.filter(isBundle), []);
  assert.ok(ranges.length > 2 && ranges.every(([first, count]) => first % 32 === 0 && count <= 32 && first + count <= Math.floor(log.entries.length / 256)), ranges.join(" "));
  // One in two is chosen to be read by its path, and compared with the tile beside it; all of them where all are compared.
  const compared = async (compareTiles) => {
    asked.length = 0;
    const { isClean, comparedTiles } = await auditLog(async (path) => (asked.push(path), log.reader(objects)(path)), trust, { ...options, compareTiles });
    return { isClean, isEachRead: comparedTiles === asked.filter(isBundle).length, comparedTiles };
  };
  const { comparedTiles, ...half } = await compared(2);
  assert.deepEqual(half, { isClean: true, isEachRead: true });
  assert.ok(comparedTiles < ranges.length * 32);
  ranges.length = 0;
  assert.deepEqual(await compared(1), { isClean: true, isEachRead: true, comparedTiles: Math.floor(log.entries.length / 256) });
  assert.deepEqual(ranges, []);
});

test("a fault is found whatever the way in which bundles come, and a fault of that way alone is none of the log's", async () => {
  const { log } = soundLog(12_000);
  const sound = log.served();
  const middle = (edit) => (several) => async (first, count) => {
    const bytes = await several(first, count);
    return first === 32 ? edit(bytes) : bytes;
  };
  const ways = [
    (several) => several, middle(() => null), middle(() => Uint8Array.of(1, 2, 3)), middle((bytes) => bytes.slice(0, bytes.length / 2)), middle(flip(100_000)),
    middle(flip(0)), middle((bytes) => bytes.slice(56)), middle((bytes) => Uint8Array.of(...bytes, 0, 1, 7)), middle((bytes) => bytes.fill(0)), () => async () => null,
    () => async () => { throw new TypeError("fetch failed"); }, (several) => (first, count) => several(first + 1, count), () => async () => new Uint8Array(0),
  ];
  const faults = [
    () => {}, change("tile/entries/040", flip(200)), change("tile/entries/040", (one) => one.slice(56)), (objects) => objects.delete("tile/entries/033"),
    (objects) => objects.delete("tile/entries/000"), change("tile/entries/041", (one) => Uint8Array.of(...one, 0, 1, 7)), change("tile/1/000.p/" + (Math.floor(log.entries.length / 256)), flip(40)),
  ];
  for (const [place, fault] of faults.entries()) {
    const objects = new Map(sound);
    fault(objects);
    const found = async (options) => (await auditLog(log.reader(objects), trust, options)).findings.map(({ kind, place, consequences }) => [kind, place, consequences]);
    const expected = await found({});
    assert.equal(expected.length === 0, place === 0);
    for (const [number, way] of ways.entries()) {
      assert.deepEqual(await found({ ...NONE, inFlight: 24, readBundles: way(severalFrom(objects)) }), expected, `fault , way `);
    }
  }
});

test("another audit may run while signatures of the first are verified", async () => {
  const { log } = soundLog(3_000);
  const reports = await Promise.all(Array.from({ length: 4 }, () => auditLog(log.reader(), trust)));
  assert.ok(reports.every(({ isClean, entries }) => isClean && entries === log.entries.length));
});
