// ML-DSA-44, for policies that name such a key. It is a module of its own, of another author and under its licence, and loaded only where it is needed.

import { refuse, type MlDsa44 } from "@vouchlog/verify";

/** Loads the module. Throws a `VerifyError` if it cannot be read. */
export async function loadMlDsa(): Promise<MlDsa44> {
  const module = await import("@vouchlog/ml-dsa").catch(() => null);
  const isThere = typeof (module as { ml_dsa44?: { verify?: unknown } } | null)?.ml_dsa44?.verify === "function";
  return isThere ? module!.ml_dsa44 : refuse("unsupported", "the module that verifies ML-DSA-44 signatures could not be loaded");
}
