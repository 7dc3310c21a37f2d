import { isCanonicalR, verifyEd25519 } from "./ed25519.js";
import { refuse } from "./errors.js";
export class Crypto {
    #subtle;
    #mlDsa44;
    #keys = new Map();
    #hasEd25519 = null;
    constructor(options = {}) {
        const subtle = globalThis.crypto?.subtle;
        this.#subtle = options.pure ? null : subtle ?? null;
        this.#mlDsa44 = options.mlDsa44 ?? null;
    }
    async ed25519(key, message, signature) {
        if (signature.length !== 64 || !isCanonicalR(signature))
            return false;
        if (this.#subtle === null || !(await this.#isEd25519Known(key)))
            return verifyEd25519(key, message, signature);
        const handle = await this.#imported(this.#subtle, key);
        return this.#subtle.verify("Ed25519", handle, signature.slice(), message.slice());
    }
    mlDsa(key, message, signature) {
        if (signature.length !== 2420)
            return false;
        if (this.#mlDsa44 === null)
            refuse("unsupported", "the signature is ML-DSA-44, which the caller did not supply");
        try {
            return this.#mlDsa44.verify(signature, message, key);
        }
        catch {
            return false;
        }
    }
    #isEd25519Known(key) {
        this.#hasEd25519 ??= this.#imported(this.#subtle, key).then(() => true, () => false);
        return this.#hasEd25519;
    }
    #imported(subtle, key) {
        const name = String.fromCharCode(...key);
        let handle = this.#keys.get(name);
        if (handle === undefined) {
            if (this.#keys.size >= MAX_IMPORTED_KEYS)
                this.#keys.clear();
            handle = subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
            this.#keys.set(name, handle);
        }
        return handle;
    }
}
const MAX_IMPORTED_KEYS = 4096;
