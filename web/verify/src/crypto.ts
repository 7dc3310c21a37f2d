// The algorithms a verification uses. SHA-256 is always at hand; Ed25519 is WebCrypto's where there is one; ML-DSA-44 comes
// from the caller, since few readers need it and it is larger than the rest of this package.

import type { Bytes } from "./bytes.js";
import { isCanonicalR, verifyEd25519 } from "./ed25519.js";
import { refuse } from "./errors.js";

/** Verifies ML-DSA-44 (FIPS 204) with an empty context: what `ml_dsa44` of `@noble/post-quantum/ml-dsa.js` has. */
export interface MlDsa44 {
  verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
}

/** Choices of the caller. */
export interface CryptoOptions {
  /** Without it, a signature of type 0x06 by a key that matters is refused with the class `unsupported`, never ignored. */
  mlDsa44?: MlDsa44;
  /** Never use WebCrypto. For tests, and for readers who trust this code more than their browser's. */
  pure?: boolean;
}

type Importer = { importKey: SubtleCrypto["importKey"]; verify: SubtleCrypto["verify"] };

/** Signature checks with the algorithms that are available. */
export class Crypto {
  readonly #subtle: Importer | null;
  readonly #mlDsa44: MlDsa44 | null;
  readonly #keys = new Map<string, Promise<CryptoKey>>();
  #hasEd25519: Promise<boolean> | null = null;

  constructor(options: CryptoOptions = {}) {
    const subtle = (globalThis as { crypto?: { subtle?: Importer } }).crypto?.subtle;
    this.#subtle = options.pure ? null : subtle ?? null;
    this.#mlDsa44 = options.mlDsa44 ?? null;
  }

  /** Whether Ed25519 signature and key match. The key was found to be usable when it was read. */
  async ed25519(key: Bytes, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
    if (signature.length !== 64 || !isCanonicalR(signature)) return false;
    if (this.#subtle === null || !(await this.#isEd25519Known(key))) return verifyEd25519(key, message, signature);
    const handle = await this.#imported(this.#subtle, key);
    return this.#subtle.verify("Ed25519", handle, signature.slice(), message.slice());
  }

  /** Whether an ML-DSA-44 signature and key match. */
  mlDsa(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    if (signature.length !== 2420) return false;
    if (this.#mlDsa44 === null) refuse("unsupported", "the signature is ML-DSA-44, which the caller did not supply");
    try {
      return this.#mlDsa44.verify(signature, message, key);
    } catch {
      return false;
    }
  }

  /** Older browsers have WebCrypto without Ed25519. */
  #isEd25519Known(key: Bytes): Promise<boolean> {
    this.#hasEd25519 ??= this.#imported(this.#subtle!, key).then(() => true, () => false);
    return this.#hasEd25519;
  }

  #imported(subtle: Importer, key: Bytes): Promise<CryptoKey> {
    const name = String.fromCharCode(...key);
    let handle = this.#keys.get(name);
    if (handle === undefined) {
      if (this.#keys.size >= MAX_IMPORTED_KEYS) this.#keys.clear();
      handle = subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
      this.#keys.set(name, handle);
    }
    return handle;
  }
}

/** Imported keys that are kept. */
const MAX_IMPORTED_KEYS = 4096;
