// What the pages use of `@noble/post-quantum/ml-dsa.js`, which the build puts beside them.

import type { MlDsa44 } from "@vouchlog/verify";

export declare const ml_dsa44: MlDsa44;
