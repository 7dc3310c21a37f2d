// Why something was refused: one error type, and one class for each kind of reason.

/**
 * The classes of reasons. A program may match on them; `message` is for people and may change.
 *
 * | class | means |
 * | --- | --- |
 * | `too-large` | a bound of this package is exceeded |
 * | `format` | the bytes are not of the format they should be |
 * | `key` | a key, a key name or an origin is malformed, or of a type that cannot be used here |
 * | `signature` | no known key signed, or the signature of a known key does not verify |
 * | `other-log` | the file is about another log than the one that the caller trusts |
 * | `quorum` | the checkpoint does not satisfy the witness policy |
 * | `not-included` | an inclusion, consistency or range proof does not lead to the root |
 * | `entry` | an entry of another kind stands where one is needed, or it cannot be decoded |
 * | `note` | a control note is malformed, is for another log, or is not signed by the key that must sign it |
 * | `order` | an entry does not stand before the entry that needs it |
 * | `other-key` | an enrolment, opening or revocation is about another key |
 * | `not-pinned` | the gateway's key is none of the pinned keys, and none of them rotated to it |
 * | `revoked` | the gateway's key was not to be trusted when the statement was logged |
 * | `house-stream` | no gateway signs the statements of the log's house stream |
 * | `statement` | the SD-JWT does not verify |
 * | `mismatch` | statement, stream and entry contradict each other |
 * | `incomplete` | statements are missing, or do not lead to what the gateway signed |
 * | `duplicate` | something that may occur once occurs twice |
 * | `other-session` | a record belongs to another session |
 * | `no-entry` | a proof does not carry the entry it is about |
 * | `unsupported` | a check needs an algorithm that the caller did not supply, as ML-DSA-44 |
 * | `refuted` | an evidence file does not show what it claims |
 * | `unreadable` | the log could not be read |
 */
export type ReasonClass =
  | "too-large" | "format" | "key" | "signature" | "other-log" | "quorum" | "not-included" | "entry" | "note" | "order"
  | "other-key" | "not-pinned" | "revoked" | "house-stream" | "statement" | "mismatch" | "incomplete" | "duplicate"
  | "other-session" | "no-entry" | "unsupported" | "refuted" | "unreadable";

/** Every class, for programs that list them. */
export const REASON_CLASSES: readonly ReasonClass[] = [
  "too-large", "format", "key", "signature", "other-log", "quorum", "not-included", "entry", "note", "order",
  "other-key", "not-pinned", "revoked", "house-stream", "statement", "mismatch", "incomplete", "duplicate",
  "other-session", "no-entry", "unsupported", "refuted", "unreadable",
];

/** The only error this package throws on foreign bytes. */
export class VerifyError extends Error {
  /** The class of the reason. */
  readonly reason: ReasonClass;

  constructor(reason: ReasonClass, message: string) {
    super(message);
    this.name = "VerifyError";
    this.reason = reason;
  }
}

/** A control note whose frame or signatures are at fault, and not what it says: another key may have signed it rightly. */
export class UnsignedNote extends VerifyError {}

/** Throws a {@link VerifyError}. */
export function refuse(reason: ReasonClass, message: string): never {
  throw new VerifyError(reason, message);
}

/** Refuses what has more bytes than it may have. */
export function checkBytes(reason: ReasonClass, what: string, length: number, most: number): void {
  if (length > most) refuse(reason, `${what} has more than ${most} bytes`);
}

/** The refusal that an error is. Others are bugs and pass through; so does a missing algorithm, which is no fault of what was read. */
export function refusalIn(error: unknown): VerifyError {
  if (error instanceof VerifyError && error.reason !== "unsupported") return error;
  throw error;
}

/** Runs `read` and gives any refusal another class: a malformed key inside a note is a malformed note. */
export function recast<T>(reason: ReasonClass, what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    return refuse(reason, `${what}: ${refusalIn(error).message}`);
  }
}

/** As {@link recast}, for what is read asynchronously. */
export async function recastAsync<T>(reason: ReasonClass, what: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    return refuse(reason, `${what}: ${refusalIn(error).message}`);
  }
}

/** Names what was being checked, and keeps the class of the refusal. */
export async function keepClass<T>(what: string, check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (error) {
    throw error instanceof VerifyError ? new VerifyError(error.reason, `${what}: ${error.message}`) : error;
  }
}

/** The value, or null where it was refused. */
export async function orNull<T>(read: Promise<T>): Promise<T | null> {
  try {
    return await read;
  } catch (error) {
    refusalIn(error);
    return null;
  }
}
