import { decodeEntry } from "./entry.js";
import { keepClass, recast, refuse } from "./errors.js";
import { leafHash, verifyInclusion } from "./merkle.js";
import { parseProofFile } from "./proof_file.js";
export class SharedProofs {
    #entries = new Map();
    #heads = new Map();
    #others = new Map();
    constructor(trust) {
        this.trust = trust;
    }
    async prove(proof, what) {
        const known = this.#entries.get(proof);
        if (known !== undefined)
            return known;
        const file = recast("format", `the proof of ${what}`, () => parseProofFile(proof));
        const bytes = file.extra ?? refuse("no-entry", `the proof of ${what} does not carry the entry`);
        const { head, cosignatures } = await this.#head(file.note.note, what);
        const entry = await this.trust.check("inclusion", what, () => {
            recast("not-included", what, () => verifyInclusion(file.index, head, leafHash(bytes), file.proof));
            return recast("entry", what, () => decodeEntry(bytes));
        }, ({ kind }) => ({ index: file.index, size: head.size, hashes: file.proof.length, kind }));
        const proven = { index: file.index, entry, size: head.size, cosignatures };
        this.#entries.set(proof, proven);
        return proven;
    }
    async #head(note, what) {
        let head = this.#heads.get(note);
        if (head === undefined) {
            head = await keepClass(`the checkpoint over ${what}`, () => this.trust.checkpoint(note, what));
            this.#heads.set(note, head);
        }
        return head;
    }
    async once(key, verify) {
        if (!this.#others.has(key))
            this.#others.set(key, await verify());
        return this.#others.get(key);
    }
}
