// Random logs, whose writer holds every key and breaks every rule now and then; and random damage of what they serve.

import { concat, encodeBase64, encodeHex } from "../dist/bytes.js";
import { TestLog, field, keys, ORIGIN, streamKey } from "./log.mjs";
import { proofFile, Tree } from "./prove.mjs";
import { seed, TestKey, utf8 } from "./support.mjs";

export const HOUSE = new TestKey(`${ORIGIN}/house`, 1, seed(7));
const GATEWAYS = [keys.gateway, keys.next, keys.other, HOUSE];
const pick = (next, list) => list[next(list.length)];

function replacement(log, old, key, reason, signers) {
  const text = `vouchlog/v1 enrol\nlog ${ORIGIN}\ngateway ${key.vkey}\nreplaces ${old.vkey}\nreason ${reason}\n`;
  log.control(0x84, `${text}\n${signers.map((by) => by.sign(text)).join("")}`);
}

function quota(log, next) {
  const scope = pick(next, ["all", "gateway gateway.example.com", "gateway a b"]);
  const limit = () => pick(next, ["1", "unlimited", scope === "all" && next(5) ? "7" : "default", "01"]);
  const issued = next(4) ? log.now : log.now - 1000;
  const by = next(10) ? keys.operator : keys.log;
  log.control(0x88, by.note(`vouchlog/v1 quota\nlog ${ORIGIN}\nfor ${scope}\nissued ${issued}\nstatements ${limit()}\nbytes ${limit()}\nstreams ${limit()}\n`));
}

/** Ends the log; by the wrong keys or for the wrong log now and then. */
function retire(log, next) {
  const key = next(8) ? keys.log : keys.other;
  const successor = next(8) ? keys.successor : keys.log;
  const reason = next(8) ? pick(next, ["planned x", "compromised key lost", "other \u00e9"]) : pick(next, ["planned", "stolen x", "planned "]);
  const text = `vouchlog/v1 retire\nlog ${key.name}\nkey ${key.vkey}\nsuccessor ${successor.vkey}\nreason ${reason}\n`;
  const signers = next(6) ? [key, successor] : [key];
  log.control(0x8b, `${text}\n${signers.map((by) => by.sign(text)).join("")}`);
}

/** A change of the operator's key or of the recovery key, which may follow or not. */
function changeOperator(log, next) {
  const { operator, operator2, recovery, recovery2 } = keys;
  const change = next(8);
  if (change === 0) log.changeOperator(operator2, operator, "rotation yearly", [operator, operator2]);
  else if (change === 1) log.changeOperator(operator2, operator, pick(next, ["lost x", "compromised x", "stolen x"]), [recovery, operator2]);
  else if (change === 2) log.changeOperator(operator, operator2, "rotation back", [operator2, operator]);
  else if (change === 3) log.nameRecovery(recovery, null, pick(next, [[operator, recovery], [operator2, recovery], [recovery]]));
  else if (change === 4) log.nameRecovery(recovery2, recovery, pick(next, [[operator, recovery2, recovery], [operator, recovery2]]));
  else if (change === 5) log.nameRecovery(recovery, null, [operator, recovery]);
  else if (change === 6) log.changeOperator(operator2, operator, "rotation", [operator, operator2]);
  else log.changeOperator(keys.gateway, operator, "rotation x", [operator, keys.gateway]);
}

/** The proof file of the end of another log, of which this one is the successor. */
function endOfPredecessor(next) {
  const old = new TestLog();
  for (let count = next(6); count >= 0; count--) old.push(utf8(`entry ${count}`));
  const [key, successor] = [keys.predecessor, next(8) ? keys.log : keys.successor];
  const text = `vouchlog/v1 retire\nlog ${key.name}\nkey ${key.vkey}\nsuccessor ${successor.vkey}\nreason planned move\n`;
  old.control(0x8b, `${text}\n${key.sign(text)}${successor.sign(text)}`);
  if (next(8) === 0) old.push(utf8("one more"));
  const tree = new Tree(old.entries);
  const checkpoint = `${key.name}\n${tree.size}\n${encodeBase64(tree.root())}\n`;
  const index = old.entries.findIndex((entry) => entry[0] === 0x8b);
  return { file: proofFile(tree, old.entries, index, key.note(checkpoint)), size: tree.size, root: encodeHex(tree.root()), vkey: key.vkey };
}

function proceed(log, next) {
  const { file, size, root, vkey } = endOfPredecessor(next);
  const named = next(8) ? size : size + 1;
  const text = `vouchlog/v1 continue\nlog ${ORIGIN}\npredecessor ${vkey}\nsize ${named}\nroot ${root}\n\n${file}`;
  log.control(0x8c, (next(10) ? keys.log : keys.other).note(text));
}

const STEPS = [
  [60, (log, next, stream) => log.state(stream, pick(next, [1, 2, 2, 2, 8, 0x0a, 0x0f]))],
  [12, (log, next, stream) => log.head(stream)],
  [2, (log, next, stream) => log.state(stream, 2, next(6))],
  [1, (log, next) => log.state(next(log.entries.length + 3), 2, next(3))],
  [1, (log, next, stream) => log.head(stream, { size: BigInt(next(8)) })],
  [1, (log, next, stream) => log.head(stream, { root: new Uint8Array(32).fill(next(3)) })],
  [1, (log, next, stream) => log.head(stream, { by: pick(next, [keys.witness, streamKey(1)]) })],
  [1, (log, next, stream) => { log.streams.get(stream).time -= BigInt(1 + next(3)); log.head(stream); }],
  [2, (log, next, stream) => log.head(stream, { closes: true })],
  [4, (log, next) => log.open(pick(next, GATEWAYS))],
  [3, (log, next, stream) => log.open(pick(next, GATEWAYS), `${stream} ${next(4) ? log.streams.get(stream).range.size : next(5)}`)],
  [1, (log, next) => log.open(keys.gateway, pick(next, ["none ", "1", "x y", "0 0", "01 2"]))],
  [1, (log, next) => log.open(keys.gateway, "none", keys.other)],
  [3, (log, next) => log.enrol(pick(next, GATEWAYS), next(8) ? keys.operator : keys.other)],
  [2, (log, next) => log.revoke(pick(next, GATEWAYS), log.now + next(3) * 500 - 500, next(8) ? keys.operator : keys.other)],
  [2, (log) => replacement(log, keys.gateway, keys.next, "rotation", [keys.gateway, keys.next, keys.operator])],
  [1, (log, next) => replacement(log, keys.gateway, keys.next, "rotation", pick(next, [[keys.gateway, keys.operator], [keys.next, keys.operator], [keys.gateway, keys.next]]))],
  [2, (log, next) => replacement(log, keys.gateway, keys.next, pick(next, ["lost it", "error x", "compromised", "stolen it", "lost "]), [keys.operator])],
  [1, (log) => replacement(log, keys.other, keys.next, "rotation", [keys.other, keys.next, keys.operator])],
  [2, quota],
  [1, (log, next) => log.genesis(pick(next, [keys.log, keys.other]))],
  [1, (log, next) => log.push(Uint8Array.from({ length: pick(next, [0, 1, 6, 7, 53, 54, 55, 80]) }, () => next(256)))],
  [1, (log, next) => log.control(pick(next, [0x80, 0x81, 0x83, 0x84, 0x86, 0x87, 0x89, 0x8f]), pick(next, ["a\n\nb\n", "a\n", "\n\n", "vouchlog/v1 enrol\n\n— a AAAAAAA=\n"]))],
  [2, changeOperator],
  [1, (log, next) => log.rotateWitness(keys.witness2, keys.witness, next(4) ? [keys.witness, keys.witness2] : [keys.witness2])],
  [1, (log) => log.rotateWitness(keys.witness, keys.witness2, [keys.witness, keys.witness2])],
  [1, (log) => log.enrol(keys.other, keys.operator2)],
  [1, (log) => log.revoke(keys.other, log.now, keys.operator2)],
  [1, retire],
  [1, proceed],
  [2, (log, next) => { log.now -= next(300); }],
  [4, (log, next) => { log.now += next(45_000); }],
];
const WEIGHT = STEPS.reduce((sum, [weight]) => sum + weight, 0);

/** A log of about so many entries. With `tame`, every step keeps the rules. */
export function randomLog(next, length, tame = next(3) === 0) {
  const log = new TestLog();
  if (tame || next(12)) log.genesis(next(20) || tame ? keys.log : keys.other, next(20) || tame ? ORIGIN : "another.example.com");
  if (tame || next(15)) log.enrol(keys.gateway);
  if (tame || next(4)) log.enrol(keys.other);
  if (next(3) === 0) log.enrol(HOUSE);
  log.open(keys.gateway);
  if (tame || next(2)) log.open(tame ? keys.other : pick(next, GATEWAYS));
  while (log.entries.length < length) {
    log.now += next(400);
    const stream = pick(next, [...log.streams.keys()]);
    let at = next(tame ? 72 : WEIGHT);
    const [, step] = STEPS.find(([weight]) => (at -= weight) < 0);
    step(log, next, stream);
  }
  if (next(2)) for (const stream of log.streams.keys()) log.head(stream);
  return log;
}

/** Changes what a log serves: now and then, in one or two places. */
export function damage(next, objects, log) {
  const paths = [...objects.keys()];
  for (let count = 0; count <= next(2); count++) {
    const path = pick(next, next(3) ? paths : paths.filter((one) => one.startsWith("tile/")));
    const bytes = objects.get(path);
    if (bytes === undefined) continue;
    const change = next(9);
    if (change === 0) objects.delete(path);
    else if (path === "checkpoint" && change < 4) objects.set(path, utf8(new TextDecoder().decode(bytes).slice(0, next(200))));
    else if (change === 1) objects.set(path, bytes.slice(0, next(bytes.length + 1)));
    else if (change === 2) objects.set(path, concat(bytes, Uint8Array.of(0, 1, next(256), 9)));
    // What has the length of a full tile or bundle stays away from the paths of partial ones: the Rust reader cuts it there, and this package does not.
    else if (change === 3) objects.set(path, objects.get(pick(next, paths.filter((one) => one.includes(".p/") || !path.includes(".p/")))) ?? bytes);
    else if (change === 4 && path.startsWith("tile/entries/")) objects.set(path, shuffleBundle(next, bytes));
    else if (change === 5) objects.set("checkpoint", utf8(log.checkpoint(next(log.entries.length + 1))));
    else if (change === 6) {
      const other = log.checkpoint(undefined, { by: pick(next, [keys.log, keys.other]), witness: pick(next, [null, keys.witness, keys.gateway]) });
      objects.set("checkpoint", utf8(other));
    } else {
      const mutated = bytes.slice();
      const at = next(mutated.length + 1);
      // The Rust reader takes a checkpoint that is no text for none, so the text stays one.
      const flips = path === "checkpoint" ? (mutated[at] < 0x80 ? 1 + next(127) : 0) : 1 + next(255);
      if (at < mutated.length) mutated[at] ^= flips;
      objects.set(path, mutated);
    }
  }
}

function shuffleBundle(next, bytes) {
  const entries = [];
  for (let at = 0; at + 2 <= bytes.length;) {
    const end = at + 2 + bytes[at] * 256 + bytes[at + 1];
    entries.push(bytes.slice(at, end));
    at = end;
  }
  const at = next(entries.length);
  const change = next(4);
  if (change === 0) entries.splice(at, 1);
  else if (change === 1 && entries.length !== 255) entries.splice(at, 0, entries[next(entries.length)]);
  else if (change === 2) [entries[at], entries[0]] = [entries[0], entries[at]];
  else entries.splice(at, 1, concat(field(3, 2), Uint8Array.of(1, 2, 3)));
  return concat(...entries);
}

export { pick, encodeBase64 };
