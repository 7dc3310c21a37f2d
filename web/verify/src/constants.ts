// The constants of SHA-256 and SHA-512 (FIPS 180-4 sections 4.2 and 5.3), computed as the standard defines them: the first bits of the fractional parts of
// the square and cube roots of the first primes. Those of SHA-256 are the first halves of those of SHA-512.

/** 64 bits. */
export const MASK = (1n << 64n) - 1n;

/** The integer part of the n-th root of value, by Newton's method. */
function root(value: bigint, n: bigint): bigint {
  let x = 1n << (BigInt(value.toString(2).length) / n + 1n);
  for (;;) {
    const y = ((n - 1n) * x + value / x ** (n - 1n)) / n;
    if (y >= x) return x;
    x = y;
  }
}

const primes: bigint[] = [];
for (let n = 2n; primes.length < 80; n++) if (primes.every((prime) => n % prime !== 0n)) primes.push(n);

/** One for each round. */
export const ROUNDS: readonly bigint[] = primes.map((prime) => root(prime << 192n, 3n) & MASK);
/** The state that hashing begins with. */
export const BEGINNING: readonly bigint[] = primes.slice(0, 8).map((prime) => root(prime << 128n, 2n) & MASK);

/** The first 32 bits of each. */
export const firstHalves = (values: readonly bigint[]): Int32Array => Int32Array.from(values, (value) => Number(value >> 32n));
