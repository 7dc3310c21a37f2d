// Checkpoints whose signature holds: by the log, or by one cosigner with a clock.

import { parseCheckpointText, type Checkpoint } from "./checkpoint_text.js";
import type { Crypto } from "./crypto.js";
import { refuse } from "./errors.js";
import type { VerifyingKey } from "./key.js";
import { parseNote, verifyNote, type VerifiedNote, type VerifiedSignature } from "./note.js";

/** A checkpoint with the note whose signatures verified. */
export interface SignedCheckpoint extends Checkpoint { readonly note: VerifiedNote }

/** A checkpoint that one party cosigned at a time: what a gateway signs of its stream. */
export interface CosignedCheckpoint extends SignedCheckpoint { readonly timestamp: bigint }

/** Opens a note that should be a checkpoint of this log, signed with one or more of its keys (types 0x01 and 0x06). */
export async function openCheckpoint(
  note: string | Uint8Array, origin: string, keys: readonly VerifyingKey[], crypto: Crypto,
): Promise<SignedCheckpoint> {
  for (const key of keys) {
    if (key.type === 0x04) refuse("key", "a key of type 0x04 does not sign for a log");
    // Such keys state when a head was seen; only the log states that the head is its own.
    if (key.type === 0x06 && key.name !== origin) refuse("key", "a log's key of type 0x06 must be named after its origin");
  }
  const opened = await open(note, origin, keys, crypto);
  checkExtensions(opened, opened.note.signatures);
  return opened;
}

/** Opens a note that should be a checkpoint of this origin, cosigned with a key of type 0x04. */
export async function openCosigned(
  note: string | Uint8Array, origin: string, key: VerifyingKey, crypto: Crypto,
): Promise<CosignedCheckpoint> {
  if (key.type !== 0x04) refuse("key", "the key is not of type 0x04");
  const opened = await open(note, origin, [key], crypto);
  return { ...opened, timestamp: opened.note.signatures[0]!.timestamp! };
}

async function open(
  note: string | Uint8Array, origin: string, keys: readonly VerifyingKey[], crypto: Crypto,
): Promise<SignedCheckpoint> {
  // SPEC: nothing of the text is used, not even its origin, before a signature verifies.
  const verified = await verifyNote(parseNote(note), keys, crypto, "refuse");
  const checkpoint = parseCheckpointText(verified.text);
  if (checkpoint.origin !== origin) refuse("other-log", "the checkpoint is another log's");
  return { ...checkpoint, note: verified };
}

/** SPEC: type 0x06 leaves out the extension lines, so anyone on the way may have written them. */
export function checkExtensions(checkpoint: Checkpoint, byLog: readonly VerifiedSignature[]): void {
  if (checkpoint.extensions.length > 0 && !byLog.some(({ key }) => key.type === 0x01)) {
    refuse("signature", "the checkpoint has extension lines that no signature of the log covers");
  }
}
