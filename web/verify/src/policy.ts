// Witness policies (C2SP tlog-policy): which logs count, and how many witnesses are enough.

import { decodeUtf8, parseDecimal } from "./bytes.js";
import { checkExtensions, type SignedCheckpoint } from "./checkpoint.js";
import { parseCheckpointText } from "./checkpoint_text.js";
import type { Crypto } from "./crypto.js";
import { checkBytes, recast, refuse } from "./errors.js";
import { checkOrigin, parseVkey, partyOf, sameKey, type VerifyingKey } from "./key.js";
import { parseNote, verifyNote } from "./note.js";

/** Longest policy file, in bytes. */
const MAX_POLICY_BYTES = 1 << 20;
/** Most logs, witnesses and groups. */
const MAX_POLICY_ITEMS = 1024;

/** A witness of a policy. */
export interface PolicyWitness { readonly name: string; readonly key: VerifyingKey; readonly url: string | null }
/** A log of a policy; its key's name is its origin. */
export interface PolicyLog { readonly key: VerifyingKey; readonly url: string | null }

type Member = { readonly witness: number } | { readonly group: number };
interface Group { readonly threshold: number; readonly members: readonly Member[] }

/** A cosignature by a witness of the policy that verified. */
export interface PolicyCosignature { readonly name: string; readonly key: VerifyingKey; readonly timestamp: bigint }

/** A checkpoint that satisfies a policy. */
export interface PolicyCheckpoint extends SignedCheckpoint { readonly cosignatures: readonly PolicyCosignature[] }

const RESERVED = ["none", "any", "all", "log", "witness", "group", "quorum"];

/** The logs whose checkpoints count, and the quorum of witnesses that must have cosigned one. */
export class Policy {
  readonly logs: PolicyLog[] = [];
  readonly witnesses: PolicyWitness[] = [];
  readonly #groups: Group[] = [];
  /** Undefined until the line is read; null for `quorum none`. */
  #quorum: Member | null | undefined = undefined;
  readonly #names = new Map<string, { member: Member; inGroup: boolean }>();

  private constructor() {}

  /** Reads a policy file. */
  static parse(bytes: Uint8Array): Policy {
    checkBytes("too-large", "the policy", bytes.length, MAX_POLICY_BYTES);
    if (bytes[bytes.length - 1] !== 0x0a) refuse("format", "the policy's last line does not end in a line feed");
    // SPEC: octets above 0x7f mean nothing here; they are kept apart from one another as Latin-1.
    let text = "";
    for (const octet of bytes.subarray(0, -1)) {
      if ((octet < 0x20 && octet !== 0x09 && octet !== 0x0a) || octet === 0x7f) {
        refuse("format", "the policy holds a forbidden octet");
      }
      text += String.fromCharCode(octet);
    }
    const policy = new Policy();
    for (const line of text.split("\n")) policy.#line(line.split(/[ \t]+/).filter((token) => token !== ""));
    if (policy.#quorum === undefined) refuse("format", "the policy has no quorum line");
    return policy;
  }

  /** Whether no cosignature is asked for. */
  get isQuorumNone(): boolean {
    return this.#quorum === null;
  }

  #line(tokens: string[]): void {
    const [keyword, first, second, ...rest] = tokens;
    if (keyword === undefined || keyword.startsWith("#")) return;
    const count = tokens.length;
    if (keyword === "log" && (count === 2 || count === 3)) return this.#log(first!, second ?? null);
    if (keyword === "witness" && (count === 3 || count === 4)) return this.#witness(first!, second!, rest[0] ?? null);
    if (keyword === "group" && count >= 4) return this.#group(first!, second!, rest);
    if (keyword === "quorum" && count === 2) return this.#setQuorum(first!);
    refuse("format", "a line of the policy is malformed");
  }

  #log(vkey: string, url: string | null): void {
    const key = readKey(vkey);
    if (key.type === 0x04) refuse("format", "a log of the policy has a key of a witness");
    recast("format", "a log of the policy is rejected", () => checkOrigin(key.name));
    if (this.logs.some((log) => partyOf(log.key) === partyOf(key))) refuse("format", "the policy has a log twice");
    this.#checkRoom(this.logs.length);
    this.logs.push({ key, url: readUrl(url) });
  }

  #witness(name: string, vkey: string, url: string | null): void {
    const key = readKey(vkey);
    if (key.type === 0x01) refuse("format", "a witness of the policy has a key that does not cosign");
    // SPEC: one public key is one witness, under whatever names, or it would count twice.
    if (this.witnesses.some((one) => partyOf(one.key) === partyOf(key))) refuse("format", "the policy has a witness twice");
    this.#checkRoom(this.witnesses.length);
    this.#define(name, { witness: this.witnesses.length });
    this.witnesses.push({ name: readText(name), key, url: readUrl(url) });
  }

  #group(name: string, threshold: string, members: string[]): void {
    this.#checkRoom(this.#groups.length);
    const count = BigInt(members.length);
    const needed = threshold === "any" ? 1n : threshold === "all" ? count : parseDecimal(threshold);
    if (needed === null || needed < 1n || needed > count) refuse("format", "the threshold of a group is out of range");
    // Before the group's own name is defined: a group that lists itself refers to nothing.
    const read = members.map((member) => {
      const known = this.#names.get(member);
      if (known === undefined) refuse("format", "a group names a member that is not defined");
      // SPEC: a name is a member once in the whole file, so that a witness counts along one path only.
      if (known.inGroup) refuse("format", "a name is a member of groups twice");
      known.inGroup = true;
      return known.member;
    });
    this.#define(name, { group: this.#groups.length });
    this.#groups.push({ threshold: Number(needed), members: read });
  }

  #setQuorum(name: string): void {
    if (this.#quorum !== undefined) refuse("format", "the policy has two quorum lines");
    const known = name === "none" ? null : this.#names.get(name)?.member;
    if (known === undefined) refuse("format", "the quorum names nothing that is defined");
    this.#quorum = known;
  }

  #define(name: string, member: Member): void {
    if (RESERVED.includes(name)) refuse("format", "a name in the policy is a keyword");
    if (this.#names.has(name)) refuse("format", "a name in the policy is defined twice");
    this.#names.set(name, { member, inGroup: false });
  }

  #checkRoom(items: number): void {
    if (items >= MAX_POLICY_ITEMS) refuse("too-large", `the policy has more than ${MAX_POLICY_ITEMS} items of a kind`);
  }

  /** Whether witnesses with these keys are a quorum. */
  isMetBy(counts: (key: VerifyingKey) => boolean): boolean {
    const cosigned = this.witnesses.map((witness) => counts(witness.key));
    const met: boolean[] = [];
    const isMet = (member: Member): boolean => ("witness" in member ? cosigned[member.witness]! : met[member.group]!);
    for (const group of this.#groups) met.push(group.members.filter(isMet).length >= group.threshold);
    return this.#quorum === null || isMet(this.#quorum!);
  }

  /**
   * Verifies that a note is a checkpoint of this log, signed with one of these keys, that meets the quorum. The policy's own
   * logs are left out of it.
   */
  async verifyCheckpoint(
    bytes: string | Uint8Array, origin: string, logKeys: readonly VerifyingKey[], crypto: Crypto,
  ): Promise<PolicyCheckpoint> {
    // A cosignature of type 0x04 states when a head was seen, never that the head is the log's own.
    const logs = logKeys.filter((key) => key.type !== 0x04);
    // A log may be a witness under the same key; given twice, it would be ambiguous.
    const witnesses = this.witnesses.map((witness) => witness.key).filter((key) => !logs.some((log) => sameKey(log, key)));
    const note = await verifyNote(parseNote(bytes), [...logs, ...witnesses], crypto, "refuse");
    const checkpoint = parseCheckpointText(note.text);
    const byLog = note.signatures.filter(
      ({ key }) => logs.some((log) => sameKey(log, key)) && (key.type === 0x01 || key.name === origin),
    );
    if (checkpoint.origin !== origin) refuse("other-log", "the checkpoint is another log's");
    if (byLog.length === 0) refuse("signature", "the checkpoint is not signed by the log");
    checkExtensions(checkpoint, byLog);
    const cosigned = (key: VerifyingKey) => note.signatures.find((signature) => sameKey(signature.key, key));
    if (!this.isMetBy((key) => cosigned(key) !== undefined)) refuse("quorum", "the checkpoint has no quorum of witnesses");
    const cosignatures = this.witnesses.flatMap(({ name, key }) => {
      const timestamp = cosigned(key)?.timestamp;
      return timestamp === undefined || timestamp === null ? [] : [{ name, key, timestamp }];
    });
    return { ...checkpoint, note, cosignatures };
  }
}

function readKey(vkey: string): VerifyingKey {
  return recast("format", "a key of the policy is rejected", () => parseVkey(readStrict(vkey)));
}

const octetsOf = (token: string): Uint8Array => Uint8Array.from(token, (character) => character.charCodeAt(0));

/** A token as text; refused if it is not UTF-8 where a text is needed. */
const readStrict = (token: string): string => decodeUtf8(octetsOf(token)) ?? refuse("format", "a token of the policy is not UTF-8");

const readUrl = (token: string | null): string | null => (token === null ? null : readStrict(token));

/** A name for people; octets that are not UTF-8 are replaced. */
const readText = (token: string): string => new TextDecoder("utf-8", { ignoreBOM: true }).decode(octetsOf(token));

/** The latest time at which a witness of the policy cosigned; null if none states a time. Time 0 makes no claim. */
export function witnessedUntil(cosignatures: readonly PolicyCosignature[]): bigint | null {
  const times = cosignatures.map(({ timestamp }) => timestamp).filter((time) => time > 0n);
  return times.length === 0 ? null : times.reduce((latest, time) => (time > latest ? time : latest));
}
