// @vouchlog/verify: checks what a Vouchlog transparency log shows, without trusting it, its operator, or the sender of a file.

export { refuse, VerifyError, type ReasonClass } from "./errors.js";
export { Trust, type TrustedCheckpoint, type TrustOptions } from "./trust.js";
export { Crypto, type CryptoOptions, type MlDsa44 } from "./crypto.js";
export { parseVkey, type KeyType, type VerifyingKey } from "./key.js";
export { parseNote, verifyNote, type SignatureLine, type UnverifiedNote, type VerifiedNote, type VerifiedSignature } from "./note.js";
export { parseCheckpointText, type Checkpoint } from "./checkpoint_text.js";
export { openCheckpoint, openCosigned, type CosignedCheckpoint, type SignedCheckpoint } from "./checkpoint.js";
export { Policy, type PolicyCheckpoint, type PolicyCosignature, type PolicyLog, type PolicyWitness } from "./policy.js";
export { leafHash, nodeHash, verifyConsistency, verifyInclusion, verifyRange, type Hash, type TreeHead } from "./merkle.js";
export { verifySubtreeConsistency, verifySubtreeInclusion } from "./subtree.js";
export { formatTilePath, parseBundle, parseTile, parseTilePath, TILE_WIDTH, type TilePath } from "./tile.js";
export { decodeEntry, type Entry, type HeadEntry, type NoteEntry, type StatementEntry, type StatementKind } from "./entry.js";
export {
  openEnrolment, openGenesis, openPruning, openQuota, openRevocation, openStreamOpening,
  type Enrolment, type Genesis, type Pruning, type Quota, type Revocation, type StreamOpening,
} from "./control.js";
export { openWitnessRotation, Operators, type OperatorNote, type WitnessRotation } from "./operators.js";
export { openContinuation, openRetirement, type Retirement, type RetirementProof } from "./succession.js";
export { parseProofFile, type ProofFile } from "./proof_file.js";
export { verifyProofFile, type Claim, type VerifiedEntry } from "./logged.js";
export { verifyStatement, type ClearClaims, type VerifiedStatement } from "./statement.js";
export { verifyPresentationFile, type KeyStatus, type KeyTrust, type VerifiedPresentation } from "./presentation.js";
export { verifySessionFile, type VerifiedSession } from "./session.js";
export { verifyCompletenessFile, type CompleteStream, type Completeness } from "./completeness.js";
export { verifyFindingFile, type Verdict } from "./finding.js";
export type { FindingKind, Place, Severity } from "./kinds.js";
export { verifySampleFile, type VerifiedSample } from "./sample.js";
export { recognise, verifyFile, type FileKind, type VerifiedFile } from "./file.js";
export { CHECKS, type Check, type CheckName, type Facts, type OnCheck } from "./trace.js";
export type { JsonValue } from "./json.js";
// The audit itself is an entry point of its own, `@vouchlog/verify/audit`: who checks a file does not load an auditor.
export type { AnnouncedPruning, AuditOptions, AuditReport, Finding, OnEntry, ReadBundles, ReadObject, StreamReport } from "./audit/audit.js";
export { Prover, type PathStep, type ProvenEntry, type ProvenRun } from "./prover.js";
export { cosignatures, type Cosigned } from "./cosigned.js";
export { sha256 } from "./sha256.js";
export { encodeBase64, encodeHex, equalBytes, readUint } from "./bytes.js";
