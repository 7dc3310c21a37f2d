import { type Bytes } from "./bytes.js";
/** 0x01 signs a note, 0x04 a checkpoint with a time (both Ed25519), 0x06 a tree head with a time (ML-DSA-44). */
export type KeyType = 0x01 | 0x04 | 0x06;
/** Longest key name and origin, in bytes: a length byte of a cosigned message holds no more. */
export declare const MAX_NAME_BYTES = 255;
/** A public key with its name, id and type. */
export interface VerifyingKey {
    readonly name: string;
    /** Eight lowercase hexadecimal digits. */
    readonly id: string;
    readonly type: KeyType;
    readonly publicKey: Bytes;
    /** The one text of the key. Two keys are the same key if their vkeys are equal. */
    readonly vkey: string;
}
/** Refuses a text that may not be the name of a key. */
export declare function checkKeyName(name: string): void;
/** Refuses a text that may not name a log. */
export declare function checkOrigin(origin: string): void;
/** Reads a vkey: `<name>+<8 hex digits>+<base64 of type and key>`. The id must be the one that name, type and key give. */
export declare function parseVkey(vkey: string): VerifyingKey;
/** Whether two keys are the same: name, type and public key. */
export declare function sameKey(one: VerifyingKey, other: VerifyingKey): boolean;
/** The public key alone: what makes two vkeys one party in a policy. */
export declare function partyOf(key: VerifyingKey): string;
