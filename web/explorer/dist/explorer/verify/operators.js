import { Lines, parseControlNote, readReason, verifyAll } from "./control.js";
import { orNull, refusalIn, refuse, VerifyError } from "./errors.js";
import { partyOf, sameKey } from "./key.js";
const MAX_OPERATOR_CHANGES = 64;
const CHANGES_FOR_RECOVERY = 8;
const MAX_WITNESS_ROTATIONS = 1024;
const MAX_ROTATIONS_OF_A_WITNESS = 64;
export class KeyChangeError extends VerifyError {
    constructor(why, message) {
        super("note", message);
        this.why = why;
    }
}
export function readOperatorNote(note, origin) {
    const { text } = parseControlNote(note);
    return text.split("\n", 1)[0] === "vouchlog/v1 recovery" ? readRecovery(text, origin) : readChange(text, origin);
}
function readChange(text, origin) {
    const lines = new Lines(text, "vouchlog/v1 operator");
    lines.log(origin);
    const operator = lines.vkey("operator", 0x01);
    const replaces = lines.vkey("replaces", 0x01);
    if (operator.name !== replaces.name || operator.id === replaces.id)
        refuse("note", "an operator's key keeps its name and changes its id");
    const { cause, words } = readReason(lines.value("reason"), ["rotation", "lost", "compromised"]);
    lines.end();
    return { kind: "change", operator, replaces, cause, words };
}
function readRecovery(text, origin) {
    const lines = new Lines(text, "vouchlog/v1 recovery");
    lines.log(origin);
    const recovery = lines.vkey("recovery", 0x01);
    const replaces = lines.isNext("replaces none") ? null : lines.vkey("replaces", 0x01);
    if (replaces === null)
        lines.value("replaces");
    else if (sameKey(replaces, recovery))
        refuse("note", "a key cannot replace itself");
    lines.end();
    return { kind: "recovery", recovery, replaces };
}
function namedSigners(note) {
    if (note.kind === "recovery")
        return [note.recovery, ...(note.replaces ? [note.replaces] : [])];
    return note.cause === "rotation" ? [note.replaces, note.operator] : [note.operator];
}
export async function isSignedByNamed(note, origin, crypto) {
    const verified = async () => verifyAll(parseControlNote(note), namedSigners(readOperatorNote(note, origin)), crypto);
    return (await orNull(verified())) !== null;
}
export class Operators {
    #terms;
    #recovery = [];
    constructor(first) {
        this.#terms = [{ key: first, since: 0n }];
    }
    before(index) {
        const earlier = new Operators(this.#terms[0].key);
        earlier.#terms.push(...this.#terms.slice(1).filter(({ since }) => since < index));
        earlier.#recovery.push(...this.#recovery.filter(({ since }) => since < index));
        return earlier;
    }
    get key() {
        return this.#terms[this.#terms.length - 1].key;
    }
    get keys() {
        return this.#terms.map(({ key }) => key);
    }
    at(index) {
        return this.before(index).key;
    }
    get #recoveryKey() {
        return this.#recovery[this.#recovery.length - 1]?.key ?? null;
    }
    isRetired(key) {
        return this.#terms.slice(0, -1).some((term) => sameKey(term.key, key));
    }
    async signed(read) {
        try {
            return { value: await read(this.key) };
        }
        catch (error) {
            const fault = refusalIn(error);
            let isRetired = false;
            for (const key of this.keys.slice(0, -1))
                isRetired ||= (await orNull(read(key))) !== null;
            return { fault, isRetired };
        }
    }
    async open(note, origin, crypto) {
        const parsed = parseControlNote(note);
        const read = readOperatorNote(note, origin);
        const other = read.kind === "recovery" ? this.key : read.cause === "rotation" ? null : this.#recoveryKey;
        await verifyAll(parsed, [...namedSigners(read), ...(other ? [other] : [])], crypto);
        this.#check(read);
        return read;
    }
    #check(note) {
        if (note.kind === "change" && note.cause !== "rotation" && this.#recovery.length === 0) {
            throw new KeyChangeError("no-recovery-key", "the log has no recovery key");
        }
        const inForce = note.kind === "change" ? this.key : this.#recoveryKey;
        const isInForce = note.replaces === null || inForce === null ? note.replaces === inForce : sameKey(note.replaces, inForce);
        if (!isInForce)
            throw new KeyChangeError("not-in-force", "it replaces a key that is not in force");
        const next = note.kind === "change" ? note.operator : note.recovery;
        const all = [...this.#terms, ...this.#recovery].map(({ key }) => key);
        if (all.some((key) => key.id === next.id || partyOf(key) === partyOf(next))) {
            throw new KeyChangeError("used-before", "the new key has been the operator's or its recovery key before");
        }
        const isRecovery = note.kind === "change" && note.cause !== "rotation";
        const most = MAX_OPERATOR_CHANGES - (isRecovery ? 0 : CHANGES_FOR_RECOVERY);
        if (all.length - 1 >= most)
            throw new KeyChangeError("too-many", "the operator's keys were changed too often");
    }
    async take(index, note, origin, crypto) {
        const read = await this.open(note, origin, crypto);
        if (read.kind === "change")
            this.#terms.push({ key: read.operator, since: index });
        else
            this.#recovery.push({ key: read.recovery, since: index });
        return read;
    }
}
export async function openWitnessRotation(note, crypto) {
    const parsed = parseControlNote(note);
    const lines = new Lines(parsed.text, "vouchlog/v1 witness");
    const witness = lines.vkey("witness", 0x04);
    const replaces = lines.vkey("replaces", 0x04);
    lines.end();
    if (witness.name !== replaces.name || witness.id === replaces.id || partyOf(witness) === partyOf(replaces)) {
        refuse("note", "a witness's key keeps its name, and cannot replace itself");
    }
    await verifyAll(parsed, [replaces, witness], crypto);
    return { witness, replaces };
}
export class WitnessKeys {
    constructor() {
        this.rotations = [];
    }
    async take(note, crypto) {
        const rotation = await openWitnessRotation(note, crypto);
        if (this.rotations.some(({ replaces }) => sameKey(replaces, rotation.replaces))) {
            throw new KeyChangeError("not-in-force", "the key was rotated before");
        }
        const known = this.rotations.flatMap(({ witness, replaces }) => [witness, replaces]);
        if (known.some((key) => partyOf(key) === partyOf(rotation.witness))) {
            throw new KeyChangeError("used-before", "the key was a witness's before");
        }
        if (this.rotations.length >= MAX_WITNESS_ROTATIONS)
            throw new KeyChangeError("too-many", "too many rotations");
        const ofOne = this.rotations.filter((other) => other.replaces.name === rotation.replaces.name);
        if (ofOne.length >= MAX_ROTATIONS_OF_A_WITNESS)
            throw new KeyChangeError("too-many", "too many rotations of one witness");
        this.rotations.push(rotation);
        return rotation;
    }
}
