import type { Enrolment, Quota, Revocation } from "../control.js";
import type { VerifyingKey } from "../key.js";
import type { Found } from "./found.js";
import type { Withdrawn } from "./stream.js";
/** An enrolled key. */
export interface Gateway {
    readonly key: VerifyingKey;
    readonly enrolled: number;
    withdrawn: Withdrawn | null;
    /** The entry that enrolled another key in its place. */
    replaced: number | null;
}
/** The keys that were enrolled, by vkey, and the quotas in force. */
export declare class Registry {
    #private;
    private readonly found;
    private readonly onWithdrawn;
    /** `onWithdrawn` is called when a key is withdrawn: its streams take nothing more. */
    constructor(found: Found, onWithdrawn: (key: VerifyingKey, withdrawn: Withdrawn) => void);
    get(key: VerifyingKey): Gateway | undefined;
    get count(): number;
    /** An enrolment, revocation or quota that is not as it must be. */
    bad(index: number, words: string): void;
    /** SPEC: a revoked or replaced key is not enrolled again; a name belongs to its key. */
    enrol(index: number, now: number, { gateway: key, replaces }: Enrolment, isLost: boolean): void;
    /** SPEC: only an enrolled key is revoked, and revocation is final. */
    revoke(index: number, { gateway, effective }: Revocation, isLost: boolean): void;
    /** SPEC: of the quotas for one scope, each is issued later than the one before. */
    setQuota(index: number, quota: Quota): void;
}
