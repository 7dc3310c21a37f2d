// What hashes four messages at a time offers.

/** The first byte of memory that callers may use. */
export const FREE_AT = 4096;

export type Lanes4 = (a: number, b: number, c: number, d: number, outA: number, outB: number, outC: number, outD: number) => void;

/** The module. All arguments are addresses in its memory. */
export interface Lanes {
  readonly memory: Uint8Array<ArrayBuffer>;
  /** The leaf hashes of four statement entries of 54 bytes; the addresses are those of their frames, two bytes before. */
  readonly leaves: Lanes4;
  /** The leaf hashes of the same in their streams' trees. */
  readonly streamLeaves: Lanes4;
  /** The node hashes of four pairs that lie side by side, written side by side. The result may overwrite what was read. */
  readonly pairs: (from: number, to: number) => void;
}
