/** Whether 32 bytes are a key that may be used: the one encoding of a point that is not of low order. */
export declare function isUsableKey(key: Uint8Array): boolean;
/** Whether R of a signature is the one encoding of a point that is not of low order: what strict verification adds. */
export declare function hasStrictR(signature: Uint8Array): boolean;
/** Whether the first 32 bytes of a signature can be what a verifier computes: implementations of WebCrypto differ on others. */
export declare function isCanonicalR(signature: Uint8Array): boolean;
/** Verifies without WebCrypto, for pages from plain http. About 500 a second. */
export declare function verifyEd25519(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
