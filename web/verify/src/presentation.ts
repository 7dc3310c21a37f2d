// Presentations: chosen fields of a record, with everything that leads from them to the log's key (docs/statements.md).

import { openEnrolment, openGenesis, openRevocation, openStreamOpening, type Enrolment, type StreamOpening } from "./control.js";
import { type StatementEntry } from "./entry.js";
import { refuse } from "./errors.js";
import { format, object, optional, parseWithin, readMembers, string, u64, type Members, type Parsed, type Reader } from "./json.js";
import { sameKey, type VerifyingKey } from "./key.js";
import { witnessedUntil, type PolicyCosignature } from "./policy.js";
import { Operators } from "./operators.js";
import { PROOF_HEADER } from "./proof_file.js";
import { SharedProofs, type LoggedEntry } from "./shared_proofs.js";
import { disclose, openStatement, type SignedStatement, type VerifiedStatement } from "./statement.js";
import type { Facts } from "./trace.js";
import type { Trust } from "./trust.js";

/** The `format` of a presentation. */
export const PRESENTATION_FORMAT = "vouchlog/v1 presentation";
/** Longest presentation, in bytes. */
export const MAX_PRESENTATION_BYTES = 4 << 20;
const MAX_OPERATOR_CHANGES = 64;

/** How the parts of a presentation are read that `proof` reads the proofs of: in a bundle of several, they are numbers. */
export const presented = (proof: Reader<string>) => {
  const stream = object("a stream of the presentation", {
    enrolment: proof, opening: proof, status: optional(object("the status of a key", { as_of: u64, revocation: optional(proof) })),
  });
  return { sd_jwt: string, proof: string, genesis: proof, stream, signed_by: optional(stream) };
};

/** A presentation as read, by the names of its file; nothing in it is verified. */
export type Presentation = { readonly origin: string } & Members<ReturnType<typeof presented>>;

/** Whose a stream is: proofs of the enrolment of its gateway's key and of its opening, and what is known of a revocation. */
type StreamIdentity = Presentation["stream"];

/** Why a gateway's key is taken for the gateway's. */
export type KeyTrust = "operator" | "pinned" | "rotated-from-pinned";

/** What is shown of the revocation of a gateway's key. */
export type KeyStatus =
  | { readonly known: "nothing" }
  /** By the word of the sender and of the log it asked, up to this size of the log. */
  | { readonly known: "not-revoked"; readonly asOf: bigint }
  /** The entry is proven; the statement was logged before the time that it names. */
  | { readonly known: "revoked-later"; readonly index: bigint; readonly effective: number; readonly reason: string };

/** What a presentation shows. */
export interface VerifiedPresentation {
  readonly statement: VerifiedStatement;
  readonly index: bigint;
  readonly entry: StatementEntry;
  readonly gateway: VerifyingKey;
  /** Index of the entry that enrolled the gateway's key. */
  readonly enrolled: bigint;
  readonly trust: KeyTrust;
  readonly status: KeyStatus;
  readonly origin: string;
  /** Size of the tree that the statement's entry was proven in. */
  readonly size: bigint;
  readonly cosignatures: readonly PolicyCosignature[];
  /** POSIX seconds by which a witness of the policy had seen the entry; null if none states a time. */
  readonly witnessedUntil: bigint | null;
}

/** The presentation that a JSON text is. */
export function presentationOf(parsed: Parsed | undefined): Presentation {
  return readMembers(parsed, "the presentation", { format: format(PRESENTATION_FORMAT), origin: string, ...presented(string) });
}

function checkBefore(what: string, index: bigint, before: bigint): void {
  if (index >= before) refuse("order", `${what} is at index ${index}, not before index ${before}`);
}

const otherEntry = (what: string): never => refuse("entry", `the proof of ${what} is for another kind of entry`);

/** Proof files that stand behind one another in a text. */
function splitProofs(text: string): string[] {
  const next = `\n${PROOF_HEADER}\n`;
  const proofs = [];
  let from = 0;
  for (let at = text.indexOf(next); at >= 0 && proofs.length < MAX_OPERATOR_CHANGES; at = text.indexOf(next, at + 1)) {
    proofs.push(text.slice(from, at + 1));
    from = at + 1;
  }
  return [...proofs, text.slice(from)];
}

/** The operator that the first entry names, and the keys that took the place of its key, as far as the presentation shows them. */
async function operatorsOf(genesis: string, proofs: SharedProofs): Promise<Operators> {
  const { trust } = proofs;
  const [first, ...changes] = splitProofs(genesis);
  const proven = await proofs.prove(first!, "the genesis");
  const operators = await trust.check("operator", "the genesis", () => operatorIn(proven, trust), ({ key }) => ({ operator: key.name, key: key.id }));
  let last = 0n;
  const what = "a change of the operator's key";
  for (const change of changes) {
    const { index, entry } = await proofs.prove(change, what);
    await trust.check("operator", what, () => {
      checkBefore(what, last, index);
      return entry.kind === "operator-changed" ? operators.take(index, entry.note, trust.origin, trust.crypto) : otherEntry(what);
    }, () => ({ operator: operators.key.name, key: operators.key.id, index }));
    last = index;
  }
  return operators;
}

async function operatorIn({ index, entry }: LoggedEntry, trust: Trust): Promise<Operators> {
  checkBefore("the genesis", index, 1n);
  if (entry.kind !== "genesis") return otherEntry("the genesis");
  const opened = await openGenesis(entry.note, [trust.log], trust.crypto);
  if (opened.origin !== trust.origin) refuse("other-log", "the genesis is another log's");
  return new Operators(opened.operator);
}

/** A stream of an enrolled gateway. */
interface ProvenStream {
  readonly id: bigint;
  readonly gateway: VerifyingKey;
  readonly enrolled: bigint;
  readonly trust: KeyTrust;
  readonly status: KeyStatus;
  readonly key: VerifyingKey;
}

async function proveStream(identity: StreamIdentity, proofs: SharedProofs, operators: Operators): Promise<ProvenStream> {
  const { trust } = proofs;
  const opened = await proofs.prove(identity.opening, "the opening of the stream");
  const opening = await trust.check("gateway", "the opening of the stream", () => openingIn(opened, trust),
    ({ gateway }) => ({ gateway: gateway.name, key: gateway.id, stream: opened.index }));
  // SPEC: a stream is opened by a key that the operator enrolled before.
  const what = "the enrolment of the gateway";
  const proven = await proofs.prove(identity.enrolment, what);
  const { index } = proven;
  const keyTrust = await trust.check("gateway", what, async () => {
    checkBefore(what, index, opened.index);
    if (proven.entry.kind !== "gateway-enrolled") return otherEntry(what);
    const enrolment = await openEnrolment(proven.entry.note, trust.origin, operators.at(index), trust.crypto);
    if (!sameKey(enrolment.gateway, opening.gateway)) refuse("other-key", "the enrolment is of another key");
    return trustIn(enrolment, trust);
  }, (keyTrust) => ({ gateway: opening.gateway.name, key: opening.gateway.id, index, trust: keyTrust }));
  const status = await keyStatus(identity, { gateway: opening.gateway, enrolled: index }, proofs, operators);
  return { id: opened.index, gateway: opening.gateway, enrolled: index, trust: keyTrust, status, key: opening.stream };
}

async function openingIn({ index, entry }: LoggedEntry, trust: Trust): Promise<StreamOpening> {
  if (entry.kind !== "stream-opened" || index >= 1n << 40n) return otherEntry("the opening of the stream");
  const opening = await openStreamOpening(entry.note, trust.origin, trust.crypto);
  // The log holds the house stream's key: it could have signed anything itself.
  if (opening.gateway.name === `${trust.origin}/house`) refuse("house-stream", `stream ${index} is the log's house stream`);
  return opening;
}

/** Why an enrolled key is taken for the gateway's. */
export function trustIn({ gateway, replaces }: Enrolment, trust: Trust): KeyTrust {
  const isPinned = (key: VerifyingKey): boolean => trust.gateways.some((pinned) => sameKey(pinned, key));
  if (trust.gateways.length === 0) return "operator";
  if (isPinned(gateway)) return "pinned";
  if (replaces?.rotation && isPinned(replaces.key)) return "rotated-from-pinned";
  return refuse("not-pinned", `the key ${gateway.id} of ${gateway.name} is none of the pinned keys`);
}

async function keyStatus(
  { status }: StreamIdentity, key: { gateway: VerifyingKey; enrolled: bigint }, proofs: SharedProofs, operators: Operators,
): Promise<KeyStatus> {
  if (status === null) return { known: "nothing" };
  if (status.revocation === null) return { known: "not-revoked", asOf: status.as_of };
  const what = "the revocation of the gateway's key";
  const proven = await proofs.prove(status.revocation, what);
  return proofs.trust.check("key-status", what, async () => {
    const revoked = await readRevocation(proven, operators.at(proven.index), proofs.trust);
    if (!sameKey(revoked.key, key.gateway)) refuse("other-key", `${what} is of another key`);
    checkBefore("the enrolment of the gateway", key.enrolled, proven.index);
    return { known: "revoked-later", index: proven.index, effective: revoked.effective, reason: revoked.reason } as const;
  }, ({ index, effective, reason }) => ({ gateway: key.gateway.name, index, effective, reason }));
}

/** A revocation, or a replacement by the operator, which revokes the old key as of its entry. */
async function readRevocation(
  { entry }: LoggedEntry, operator: VerifyingKey, trust: Trust,
): Promise<{ key: VerifyingKey; effective: number; reason: string }> {
  if (entry.kind === "gateway-revoked") {
    const { gateway, effective, reason } = await openRevocation(entry.note, trust.origin, operator, trust.crypto);
    return { key: gateway, effective, reason };
  }
  if (entry.kind !== "gateway-enrolled") return otherEntry("the revocation of the gateway's key");
  const { replaces } = await openEnrolment(entry.note, trust.origin, operator, trust.crypto);
  if (replaces === null || replaces.rotation) return otherEntry("the revocation of the gateway's key");
  return { key: replaces.key, effective: entry.loggedAt, reason: replaces.reason };
}

/** Verifies that the disclosed fields are those of a record whose statement is in the log, signed by an enrolled gateway. */
export async function verifyPresentation(presentation: Presentation, trust: Trust): Promise<VerifiedPresentation> {
  return verifyPresented(presentation, new SharedProofs(trust), "the statement");
}

/** One text for each identity. */
const keyOf = ({ opening, enrolment, status }: StreamIdentity): string =>
  JSON.stringify([opening, enrolment, status && [String(status.as_of), status.revocation]]);

/** As {@link verifyPresentation}, for one of several presentations with common proofs. `about` names it in the report of the checks. */
export async function verifyPresented(presentation: Presentation, proofs: SharedProofs, about: string): Promise<VerifiedPresentation> {
  const { trust } = proofs;
  if (presentation.origin !== trust.origin) await trust.check("format", about, () => refuse("other-log", "the presentation is about another log"));
  const { genesis } = presentation;
  const operators = await proofs.once(`operators ${genesis}`, () => operatorsOf(genesis, proofs));
  const streamOf = (identity: StreamIdentity): Promise<ProvenStream> =>
    proofs.once(`stream ${genesis}${keyOf(identity)}`, () => proveStream(identity, proofs, operators));
  const stream = await streamOf(presentation.stream);
  const signer = presentation.signed_by === null ? stream : await streamOf(presentation.signed_by);

  const proven = await proofs.prove(presentation.proof, "the statement's entry");
  const { index, size, cosignatures } = proven;
  const { entry, signed } = await trust.check("signature", about, async () => {
    const entry = entryIn(proven, stream, signer);
    return { entry, signed: await openStatement(presentation.sd_jwt, signer.key, trust.crypto) };
  }, ({ signed: { claims, digest } }) => ({ record: claims.record, gateway: claims.issuer, stream: claims.stream, digest }));
  const statement = await trust.check("disclosures", about, () => disclose(signed),
    ({ undisclosed }) => ({ record: signed.claims.record, disclosed: signed.disclosures.length, undisclosed }));
  await trust.check("claims", about, () => checkClaims(signed, signer, entry), () => ({ record: signed.claims.record, index }));
  await trust.check("key-status", about, () => checkStatus([signer, stream], entry), () => ({ ...statusFacts(stream.status), loggedAt: entry.loggedAt }));
  const status: KeyStatus = stream.status.known === "not-revoked" && stream.status.asOf > size
    ? { known: "not-revoked", asOf: size }
    : stream.status;
  return {
    statement, index, entry, status, size, cosignatures,
    gateway: stream.gateway, enrolled: stream.enrolled, trust: stream.trust,
    origin: trust.origin, witnessedUntil: witnessedUntil(cosignatures),
  };
}

/** The statement's entry, if it is in this stream and stands behind what it needs. */
function entryIn({ index, entry }: LoggedEntry, stream: ProvenStream, signer: ProvenStream): StatementEntry {
  if (!entry.isStatement) return otherEntry("the statement's entry");
  if (BigInt(entry.stream) !== stream.id) refuse("mismatch", `the entry is in stream ${entry.stream}, not in stream ${stream.id}`);
  checkBefore("the opening of the stream", stream.id, index);
  // SPEC: a gateway goes by its name; the operator may enrol a new key for it.
  if (signer.gateway.name !== stream.gateway.name) refuse("mismatch", "one gateway signed the statement, another logged it");
  checkBefore("the opening of the signing stream", signer.id, index);
  return entry;
}

function checkStatus(streams: readonly ProvenStream[], entry: StatementEntry): void {
  for (const { status } of streams) {
    if (status.known === "revoked-later" && status.effective <= entry.loggedAt) {
      refuse("revoked", "the gateway's key was revoked before the statement was logged: anyone who has it may have made it");
    }
  }
}

const statusFacts = (status: KeyStatus): Facts =>
  status.known === "nothing" ? { known: status.known }
    : status.known === "not-revoked" ? { known: status.known, asOf: status.asOf } : { known: status.known, index: status.index, effective: status.effective };

/** SPEC: the statement names the stream whose key signed and its gateway; the entry repeats what the statement claims. */
function checkClaims({ claims, digest }: SignedStatement, signer: ProvenStream, entry: StatementEntry): void {
  if (BigInt(claims.stream) !== signer.id) refuse("mismatch", "the statement names another stream than the one whose key signed it");
  if (claims.issuer !== signer.gateway.name) refuse("mismatch", "the statement names another issuer than the stream's gateway");
  if (digest !== entry.digest) refuse("mismatch", "another digest was logged than the statement's");
  if (claims.kind !== entry.kind) refuse("mismatch", "the statement was logged as one of another kind");
  if (claims.evidence !== entry.evidence) refuse("mismatch", "the statement claims other evidence than its entry");
}

/** Reads and verifies a presentation file. */
export async function verifyPresentationFile(bytes: Uint8Array, trust: Trust): Promise<VerifiedPresentation> {
  return verifyPresentation(presentationOf(parseWithin(bytes, MAX_PRESENTATION_BYTES)), trust);
}
