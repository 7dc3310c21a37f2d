// A Vouchlog log in memory, made by this test code alone: entries, tiles, bundles and checkpoints.

import { concat, encodeBase64, readUint, u64 } from "../dist/bytes.js";
import { formatTilePath, leafHash, nodeHash } from "../dist/index.js";
import { CompactRange, partialTiles, streamLeafHash, streamOrigin } from "./internals.mjs";
import { seed, TestKey, utf8 } from "./support.mjs";

export const ORIGIN = "log.example.com/tests";

export const keys = {
  log: new TestKey(ORIGIN, 1, seed(1)),
  operator: new TestKey("operator.example.com", 1, seed(2)),
  operator2: new TestKey("operator.example.com", 1, seed(12)),
  recovery: new TestKey("recovery.example.com", 1, seed(13)),
  recovery2: new TestKey("recovery.example.com", 1, seed(14)),
  witness2: new TestKey("witness.example.com", 4, seed(16)),
  gateway: new TestKey("gateway.example.com", 1, seed(3)),
  next: new TestKey("gateway.example.com", 1, seed(4)),
  other: new TestKey("other.example.com", 1, seed(5)),
  successor: new TestKey("log.example.com/successor", 1, seed(8)),
  predecessor: new TestKey("log.example.com/predecessor", 1, seed(9)),
  witness: new TestKey("witness.example.com", 4, seed(6)),
};

export const streamKey = (stream) => new TestKey("gateway.example.com/stream", 4, seed(100 + (stream % 100)));
export const POLICY = `witness w ${keys.witness.vkey}\nquorum w\n`;

/** Big-endian, so many bytes. */
const field = (value, length) => u64(BigInt(value)).subarray(8 - length);
const START = 1_767_225_600_000;

export class TestLog {
  constructor() {
    this.entries = [];
    this.streams = new Map();
    this.now = START;
  }

  push(bytes) {
    this.entries.push(bytes);
    return this.entries.length - 1;
  }

  control(kind, note, stream) {
    const parts = [Uint8Array.of(kind), field(this.now, 6)];
    if (stream !== undefined) parts.push(field(stream, 5));
    return this.push(concat(...parts, utf8(note)));
  }

  genesis(by = keys.log, origin = ORIGIN) {
    return this.control(0x80, by.note(`vouchlog/v1 genesis\norigin ${origin}\noperator ${keys.operator.vkey}\n`));
  }

  enrol(gateway, by = keys.operator) {
    return this.control(0x84, by.note(`vouchlog/v1 enrol\nlog ${ORIGIN}\ngateway ${gateway.vkey}\n`));
  }

  revoke(gateway, effective = this.now, by = keys.operator) {
    return this.control(0x85, by.note(`vouchlog/v1 revoke\nlog ${ORIGIN}\ngateway ${gateway.vkey}\neffective ${effective}\nreason test\n`));
  }

  open(gateway, previous = "none", by = gateway) {
    const id = this.entries.length;
    const key = streamKey(id);
    this.streams.set(id, { key, range: new CompactRange(), time: BigInt(Math.floor(START / 1000)) });
    this.control(0x81, by.note(`vouchlog/v1 stream\nlog ${ORIGIN}\ngateway ${gateway.vkey}\nstream ${key.vkey}\nprevious ${previous}\n`));
    return id;
  }

  state(id, kind = 2, sequence = undefined) {
    const stream = this.streams.get(id);
    const next = stream ? Number(stream.range.size) : 0;
    const index = this.entries.length;
    const digest = leafHash(field(index, 8));
    const bytes = concat(Uint8Array.of(kind), field(this.now, 6), field(id, 5), field(sequence ?? next, 6), field(0x03, 4), digest);
    stream?.range.push(streamLeafHash(bytes));
    return this.push(bytes);
  }

  head(id, { closes = false, size, root, by } = {}) {
    const stream = this.streams.get(id);
    const head = { size: size ?? stream.range.size, root: root ?? stream.range.root() };
    const text = `${streamOrigin(ORIGIN, id)}\n${head.size}\n${encodeBase64(head.root)}\n`;
    return this.control(closes ? 0x83 : 0x82, (by ?? stream.key).note(text, ++stream.time), id);
  }

  /** Another key takes the place of the operator's. */
  changeOperator(next, replaces, reason, signers) {
    const text = `vouchlog/v1 operator\nlog ${ORIGIN}\noperator ${next.vkey}\nreplaces ${replaces.vkey}\nreason ${reason}\n`;
    return this.control(0x89, `${text}\n${signers.map((by) => by.sign(text)).join("")}`);
  }

  nameRecovery(recovery, replaces, signers) {
    const text = `vouchlog/v1 recovery\nlog ${ORIGIN}\nrecovery ${recovery.vkey}\nreplaces ${replaces?.vkey ?? "none"}\n`;
    return this.control(0x89, `${text}\n${signers.map((by) => by.sign(text)).join("")}`);
  }

  rotateWitness(witness, replaces, signers) {
    const text = `vouchlog/v1 witness\nwitness ${witness.vkey}\nreplaces ${replaces.vkey}\n`;
    return this.control(0x8a, `${text}\n${signers.map((by) => by.sign(text)).join("")}`);
  }

  get levels() {
    const levels = [this.entries.map(leafHash)];
    while (levels.at(-1).length >= 256) {
      const below = levels.at(-1);
      levels.push(Array.from({ length: Math.floor(below.length / 256) }, (_, at) => fold(below.slice(at * 256, at * 256 + 256))));
    }
    return levels;
  }

  checkpoint(size = this.entries.length, { by = keys.log, witness = keys.witness } = {}) {
    const range = new CompactRange();
    for (const entry of this.entries.slice(0, size)) range.push(leafHash(entry));
    const text = `${ORIGIN}\n${size}\n${encodeBase64(range.root())}\n`;
    return by.note(text) + (witness ? witness.sign(text) : "");
  }

  /** Everything the log serves, by path. */
  served() {
    const objects = new Map([["checkpoint", utf8(this.checkpoint())]]);
    const size = BigInt(this.entries.length);
    const partial = partialTiles(size);
    this.levels.forEach((hashes, level) => {
      for (let at = 0; at < hashes.length; at += 256) {
        const tile = hashes.slice(at, at + 256);
        if (tile.length < 256 && !partial.some((one) => one.level === level)) continue;
        const path = { index: BigInt(at / 256), width: tile.length };
        objects.set(formatTilePath({ level, ...path }), concat(...tile));
        if (level > 0) continue;
        const framed = this.entries.slice(at, at + 256).flatMap((entry) => [field(entry.length, 2), entry]);
        objects.set(formatTilePath({ level: "entries", ...path }), concat(...framed));
      }
    });
    return objects;
  }

  /** A reader of what it serves. */
  reader(objects = this.served()) {
    return async (path) => objects.get(path) ?? null;
  }
}

function fold(hashes) {
  let row = hashes;
  while (row.length > 1) row = row.flatMap((hash, at) => (at % 2 ? [nodeHash(row[at - 1], hash)] : []));
  return row[0];
}

/** A sound log: an operator, two gateways, two streams, statements and heads. */
export function soundLog(statements = 600) {
  const log = new TestLog();
  log.genesis();
  log.enrol(keys.gateway);
  log.enrol(keys.other);
  const streams = [log.open(keys.gateway), log.open(keys.other)];
  for (let at = 0; at < statements; at++) {
    log.now += 100;
    log.state(streams[at % 2], at % 50 === 49 ? 8 : 2);
    if (at % 100 === 99) streams.forEach((stream) => log.head(stream));
  }
  log.head(streams[0], { closes: true });
  return { log, streams };
}

export { field, readUint };
