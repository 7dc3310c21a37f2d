// What the cosignatures on a checkpoint are worth, line by line: a forged line must not hide the good ones.

import type { SignedCheckpoint } from "./checkpoint.js";
import { refusalIn } from "./errors.js";
import { sameKey, type VerifyingKey } from "./key.js";
import { verifyNote } from "./note.js";
import type { Trust } from "./trust.js";

/** The cosignatures of a checkpoint that the log signed. */
export interface Cosigned {
  /** Witnesses of the policy whose line does not verify. */
  readonly forged: readonly VerifyingKey[];
  /** Names, in the policy, of those whose cosignature verifies. */
  readonly by: readonly string[];
  /** When the newest was made; null if there is none. */
  readonly newest: bigint | null;
  /** Whether the policy is satisfied; true without one. */
  readonly quorum: boolean;
}

/** Checks the cosignatures on a checkpoint, each by itself. */
export async function cosignatures(signed: SignedCheckpoint, trust: Trust): Promise<Cosigned> {
  const { policy } = trust;
  if (policy === null) return { forged: [], by: [], newest: null, quorum: true };
  const forged: VerifyingKey[] = [];
  const good: VerifyingKey[] = [];
  const by: string[] = [];
  let newest: bigint | null = null;
  for (const { name, key } of policy.witnesses) {
    if (!signed.note.lines.some((line) => line.name === key.name && line.id === key.id)) continue;
    try {
      const { signatures } = await verifyNote(signed.note, [key], trust.crypto);
      const time = signatures[0]!.timestamp;
      if (time !== null && (newest === null || time > newest)) newest = time;
      by.push(name);
      good.push(key);
    } catch (error) {
      refusalIn(error);
      forged.push(key);
    }
  }
  return { forged, by, newest, quorum: policy.isMetBy((key) => good.some((one) => sameKey(one, key))) };
}
