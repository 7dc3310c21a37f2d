// What a verification checked, in order, with what, and with which result: for a reader who wants to see more than a yes or a no.

import type { FileKind } from "./file.js";
import { VerifyError } from "./errors.js";

/** What can be checked. `parts`: that the parts of a file belong together; reported only if it fails. */
export type CheckName =
  | "format" | "log-signature" | "witnesses" | "inclusion" | "operator" | "gateway" | "signature" | "disclosures" | "claims" | "key-status"
  | "session" | "draw" | "stream" | "finding" | "parts";

/** The checks of each kind of file, in the order in which the last of each is done. A check that fails ends the verification. */
export const CHECKS: { readonly [kind in FileKind]: readonly CheckName[] } = {
  checkpoint: ["format", "log-signature", "witnesses"],
  proof: ["format", "log-signature", "witnesses", "inclusion"],
  presentation: ["format", "operator", "gateway", "log-signature", "witnesses", "inclusion", "signature", "disclosures", "claims", "key-status"],
  session: ["format", "operator", "gateway", "log-signature", "witnesses", "inclusion", "signature", "disclosures", "claims", "key-status", "session"],
  completeness: ["format", "log-signature", "witnesses", "operator", "stream"],
  evidence: ["format", "finding"],
  sample: ["format", "log-signature", "witnesses", "draw", "inclusion"],
};

/** Numbers and names that a check rests on. */
export interface Facts { readonly [name: string]: string | number | bigint | boolean | null | readonly string[] }

/** One check that was done. */
export interface Check {
  readonly name: CheckName;
  /** Which part of the file it is about. */
  readonly about: string;
  /** Empty if it failed. */
  readonly facts: Facts;
  /** Why it failed; null if it passed. */
  readonly refusal: VerifyError | null;
}

/** Takes each check as soon as it is done. */
export type OnCheck = (check: Check) => void;

/** Runs one check and reports it. */
export async function traced<T>(
  onCheck: OnCheck | null, name: CheckName, about: string, run: () => T | Promise<T>, facts: (value: T) => Facts = () => ({}),
): Promise<T> {
  let value;
  try {
    value = await run();
  } catch (error) {
    if (error instanceof VerifyError) onCheck?.({ name, about, facts: {}, refusal: error });
    throw error;
  }
  onCheck?.({ name, about, facts: facts(value), refusal: null });
  return value;
}
