import type { FileKind } from "./file.js";
import { VerifyError } from "./errors.js";
/** What can be checked. `parts`: that the parts of a file belong together; reported only if it fails. */
export type CheckName = "format" | "log-signature" | "witnesses" | "inclusion" | "operator" | "gateway" | "signature" | "disclosures" | "claims" | "key-status" | "session" | "draw" | "stream" | "finding" | "parts";
/** The checks of each kind of file, in the order in which the last of each is done. A check that fails ends the verification. */
export declare const CHECKS: {
    readonly [kind in FileKind]: readonly CheckName[];
};
/** Numbers and names that a check rests on. */
export interface Facts {
    readonly [name: string]: string | number | bigint | boolean | null | readonly string[];
}
/** One check that was done. */
export interface Check {
    readonly name: CheckName;
    /** Which part of the file it is about. */
    readonly about: string;
    /** Empty if it failed. */
    readonly facts: Facts;
    /** Why it failed; null if it passed. */
    readonly refusal: VerifyError | null;
}
/** Takes each check as soon as it is done. */
export type OnCheck = (check: Check) => void;
/** Runs one check and reports it. */
export declare function traced<T>(onCheck: OnCheck | null, name: CheckName, about: string, run: () => T | Promise<T>, facts?: (value: T) => Facts): Promise<T>;
