/** Bytes in memory of their own, as WebCrypto wants them. */
export type Bytes = Uint8Array<ArrayBuffer>;
/** The text of UTF-8 bytes, or null. A byte order mark is a character like any other. */
export declare function decodeUtf8(bytes: Uint8Array): string | null;
/** The UTF-8 bytes of a text. */
export declare function encodeUtf8(text: string): Bytes;
/** How many bytes of UTF-8 a text has. */
export declare const utf8Length: (text: string) => number;
/** RFC 4648 section 4 with padding required and trailing bits zero; null for any other text. */
export declare function decodeBase64(text: string): Bytes | null;
/** RFC 7515 section 2: base64url without padding, trailing bits zero; null for any other text. */
export declare function decodeBase64Url(text: string): Bytes | null;
/** Base64 with padding. */
export declare function encodeBase64(bytes: Uint8Array): string;
/** Base64url without padding. */
export declare function encodeBase64Url(bytes: Uint8Array): string;
/** Lowercase hexadecimal digits. */
export declare function encodeHex(bytes: Uint8Array): string;
/** The bytes of lowercase hexadecimal digits, or null. */
export declare function decodeHex(text: string): Bytes | null;
/** A decimal of 64 bits without sign and without leading zeros, or null. */
export declare function parseDecimal(text: string): bigint | null;
/** Whether two byte strings are equal. Nothing compared here is secret. */
export declare function equalBytes(one: Uint8Array, other: Uint8Array): boolean;
/** The byte strings one after the other. */
export declare function concat(...parts: Uint8Array[]): Bytes;
/** Eight bytes, big-endian. */
export declare function u64(value: bigint): Bytes;
/** A big-endian number of at most six bytes. */
export declare function readUint(bytes: Uint8Array, at: number, length: number): number;
