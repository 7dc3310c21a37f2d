// The witnesses of the reader's policy: what they cosigned on the newest checkpoint, and what they themselves serve.

import { encodeHex, openCheckpoint, parseNote, sha256, VerifyError, verifyNote, type PolicyWitness, type SignedCheckpoint, type Trust } from "@vouchlog/verify";
import { readUrl } from "./log.js";

/** A cosignature line on a checkpoint. */
export type Line =
  | { readonly state: "verified"; readonly seconds: bigint }
  | { readonly state: "forged" }
  | { readonly state: "none" };

/** The line of a witness on a checkpoint that the log signed. */
export async function lineOf({ key }: PolicyWitness, signed: SignedCheckpoint, trust: Trust): Promise<Line> {
  if (!signed.note.lines.some(({ name, id }) => name === key.name && id === key.id)) return { state: "none" };
  try {
    const { signatures } = await verifyNote(signed.note, [key], trust.crypto);
    const seconds = signatures[0]?.timestamp ?? null;
    return seconds === null ? { state: "forged" } : { state: "verified", seconds };
  } catch (error) {
    if (!(error instanceof VerifyError) || error.reason === "unsupported") throw error;
    return { state: "forged" };
  }
}

/** What a witness serves of the log. */
export type Answer =
  /** The last checkpoint that it cosigned, and that the log signed. */
  | { readonly state: "head"; readonly signed: SignedCheckpoint; readonly seconds: bigint }
  /** It serves a checkpoint that the log's key, or its own, did not sign. */
  | { readonly state: "bad"; readonly words: string }
  /** It has none of this log. */
  | { readonly state: "nothing" }
  /** It could not be asked. */
  | { readonly state: "silent"; readonly words: string };

const MAX_CHECKPOINT = 1 << 20;

/** SPEC: C2SP tlog-witness: a witness serves the last checkpoint it cosigned at `<SHA-256 of the origin>/checkpoint`. */
export async function askWitness({ key, url }: PolicyWitness, trust: Trust): Promise<Answer> {
  if (url === null) return { state: "silent", words: "the policy names no URL of it" };
  let bytes;
  try {
    const base = new URL(url.endsWith("/") ? url : `${url}/`);
    if (base.protocol !== "https:" && base.protocol !== "http:") return { state: "silent", words: "its URL is not one of the web" };
    const origin = encodeHex(sha256(new TextEncoder().encode(trust.origin)));
    bytes = await readUrl(new URL(`${origin}/checkpoint`, base), MAX_CHECKPOINT, "no-store");
  } catch (error) {
    return { state: "silent", words: error instanceof Error ? error.message : "it could not be asked" };
  }
  if (bytes === null) return { state: "nothing" };
  try {
    const signed = await openCheckpoint(bytes, trust.origin, [trust.log], trust.crypto);
    const { signatures } = await verifyNote(parseNote(bytes), [key], trust.crypto);
    const seconds = signatures[0]?.timestamp ?? null;
    return seconds === null ? { state: "bad", words: "its own signature has no time" } : { state: "head", signed, seconds };
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    return { state: "bad", words: error.message };
  }
}
