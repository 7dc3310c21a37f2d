import { type Lanes } from "./lanes.js";
/** The module with so many bytes of memory for its caller; null where a browser has no vectors, or a page's policy forbids WebAssembly. */
export declare function openLanes(bytes: number): Lanes | null;
