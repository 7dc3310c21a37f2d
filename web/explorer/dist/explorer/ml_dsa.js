import { refuse } from "./verify/index.js";
export async function loadMlDsa() {
    const module = await import("./noble-ml-dsa.js").catch(() => null);
    const isThere = typeof module?.ml_dsa44?.verify === "function";
    return isThere ? module.ml_dsa44 : refuse("unsupported", "the module that verifies ML-DSA-44 signatures could not be loaded");
}
