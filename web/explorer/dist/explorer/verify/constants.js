export const MASK = (1n << 64n) - 1n;
function root(value, n) {
    let x = 1n << (BigInt(value.toString(2).length) / n + 1n);
    for (;;) {
        const y = ((n - 1n) * x + value / x ** (n - 1n)) / n;
        if (y >= x)
            return x;
        x = y;
    }
}
const primes = [];
for (let n = 2n; primes.length < 80; n++)
    if (primes.every((prime) => n % prime !== 0n))
        primes.push(n);
export const ROUNDS = primes.map((prime) => root(prime << 192n, 3n) & MASK);
export const BEGINNING = primes.slice(0, 8).map((prime) => root(prime << 128n, 2n) & MASK);
export const firstHalves = (values) => Int32Array.from(values, (value) => Number(value >> 32n));
