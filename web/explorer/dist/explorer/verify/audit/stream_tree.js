import { rootOver } from "../merkle.js";
import { batch } from "./batch.js";
const MAX_WAITING = 32;
const MAX_ROOTS = 41;
export class StreamTree {
    #roots = new Uint8Array(MAX_ROOTS * 32);
    #held = 0;
    #length = 0;
    #leaves = new Uint8Array(MAX_WAITING * 32);
    #words = new Int32Array(this.#leaves.buffer);
    #waiting = 0;
    get size() {
        return BigInt(this.#length + this.#waiting);
    }
    push(leaf) {
        this.#leaves.set(leaf, this.#waiting++ * 32);
        if (this.#waiting === MAX_WAITING)
            this.#settle();
    }
    pushWords(words, from) {
        const to = this.#waiting++ * 8;
        for (let word = 0; word < 8; word++)
            this.#words[to + word] = words[from + word];
        if (this.#waiting === MAX_WAITING)
            this.#settle();
    }
    #settle() {
        if (this.#waiting === 0)
            return;
        this.#held = batch().append(this.#roots, this.#length, this.#leaves, this.#waiting);
        this.#length += this.#waiting;
        this.#waiting = 0;
    }
    root() {
        this.#settle();
        return rootOver(this.#roots, this.#held);
    }
}
