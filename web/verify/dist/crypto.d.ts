import type { Bytes } from "./bytes.js";
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
/** Signature checks with the algorithms that are available. */
export declare class Crypto {
    #private;
    constructor(options?: CryptoOptions);
    /** Whether Ed25519 signature and key match. The key was found to be usable when it was read. */
    ed25519(key: Bytes, message: Uint8Array, signature: Uint8Array): Promise<boolean>;
    /** Whether an ML-DSA-44 signature and key match. */
    mlDsa(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}
