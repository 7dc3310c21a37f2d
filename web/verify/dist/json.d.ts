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
/** Reads a member, or calls `no` with what it should have been. A member that is missing is undefined. */
export type Reader<T> = (value: Parsed | undefined, no: (expected: string) => never) => T;
/** The members of an object of a file format: how each is read. */
export interface Shape {
    readonly [name: string]: Reader<unknown>;
}
/** What is read by a shape. */
export type Members<S extends Shape> = {
    readonly [name in keyof S]: ReturnType<S[name]>;
};
/** Reads an object of a file format. Unknown and missing members are refused by name. */
export declare function readMembers<S extends Shape>(value: Parsed | undefined, what: string, shape: S): Members<S>;
/** A member as parsed. */
export declare const anything: Reader<Parsed>;
export declare const string: Reader<string>;
/** The `format` of a file. */
export declare const format: (name: string) => Reader<string>;
export declare const u64: Reader<bigint>;
export declare const base64: Reader<Bytes>;
/** 64 hexadecimal digits. */
export declare const hash: Reader<Bytes>;
export declare const list: <T>(one: Reader<T>) => Reader<T[]>;
/** A member that may be missing or null. */
export declare const optional: <T>(one: Reader<T>) => Reader<T | null>;
/** A list that may be missing, but not null. */
export declare const listOrNone: <T>(one: Reader<T>) => Reader<T[]>;
/** An object in an object. */
export declare const object: <S extends Shape>(what: string, shape: S) => Reader<Members<S>>;
