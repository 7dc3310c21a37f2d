import { type Bytes } from "./bytes.js";
/** A number with a fraction or an exponent, or beyond 64 bits. */
export declare class Real {
    readonly value: number;
    constructor(value: number);
}
/** A value as parsed: integers up to 2^53 are numbers, larger ones bigint, other numbers {@link Real}. */
export type Parsed = null | boolean | number | bigint | Real | string | Parsed[] | ParsedObject;
/** An object as parsed; it has no prototype. */
export interface ParsedObject {
    [name: string]: Parsed;
}
/** A value as callers get it. Integers beyond 2^53 are bigint. */
export type JsonValue = null | boolean | number | bigint | string | JsonValue[] | {
    [name: string]: JsonValue;
};
/** Parses JSON bytes; undefined if they are anything else. */
export declare function parseJson(bytes: Uint8Array): Parsed | undefined;
/** Parses the JSON of a file of a kind that has at most so many bytes. */
export declare function parseWithin(bytes: Uint8Array, most: number): Parsed | undefined;
/** Refuses a file that is too long for its kind. */
export declare function checkLength(bytes: Uint8Array, most: number): Uint8Array;
/** Parses a JSON text; undefined if it is anything else. */
export declare function parseJsonText(text: string): Parsed | undefined;
/** A parsed value as callers get it. */
export declare function toJsonValue(value: Parsed): JsonValue;
/** Whether a parsed value is an object. */
export declare function isObject(value: Parsed | undefined): value is ParsedObject;
/** Reads the members of an object of a file format. Unknown and missing members are refused by name. */
export declare class Fields {
    private readonly what;
    /** The object, for members whose absence differs from null. */
    readonly raw: ParsedObject;
    constructor(value: Parsed | undefined, what: string, required: readonly string[], optional?: readonly string[]);
    /** Whether an optional member is there; null counts as absent. */
    has(name: string): boolean;
    get(name: string): Parsed;
    string(name: string): string;
    u64(name: string): bigint;
    list(name: string): Parsed[];
    strings(name: string): string[];
    /** A list of byte strings in base64. */
    base64s(name: string): Bytes[];
    base64(name: string): Bytes;
    hash(name: string): Bytes;
    hashes(name: string): Bytes[];
    private asU64;
    private wrong;
}
