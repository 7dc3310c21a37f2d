// What a cosigner signs, and how its time travels (C2SP tlog-cosignature).

import { concat, encodeUtf8, u64, type Bytes } from "./bytes.js";

/** Largest time of a cosignature, in POSIX seconds. */
const MAX_TIMESTAMP = (1n << 63n) - 1n;

/** The signed bytes of a cosignature of type 0x04. */
export function cosignedMessage(timestamp: bigint, checkpointText: string): Bytes {
  return encodeUtf8(`cosignature/v1\ntime ${timestamp}\n${checkpointText}`);
}

/** What a cosignature of type 0x06 covers. */
export interface CosignedSubtree {
  readonly cosigner: string;
  readonly timestamp: bigint;
  readonly origin: string;
  readonly start: bigint;
  readonly end: bigint;
  readonly hash: Uint8Array;
}

/** The signed bytes of a cosignature of type 0x06. Name and origin have at most 255 bytes. */
export function subtreeMessage({ cosigner, timestamp, origin, start, end, hash }: CosignedSubtree): Bytes {
  const [name, log] = [encodeUtf8(cosigner), encodeUtf8(origin)];
  return concat(
    encodeUtf8("subtree/v1\n\0"), Uint8Array.of(name.length), name, u64(timestamp),
    Uint8Array.of(log.length), log, u64(start), u64(end), hash,
  );
}

/** The time and the signature of a timestamped payload; null if it is too short, or the time too large. */
export function splitTimestamped(payload: Bytes): { timestamp: bigint; signature: Bytes } | null {
  if (payload.length < 8) return null;
  const timestamp = new DataView(payload.buffer, payload.byteOffset).getBigUint64(0);
  return timestamp > MAX_TIMESTAMP ? null : { timestamp, signature: payload.slice(8) };
}
