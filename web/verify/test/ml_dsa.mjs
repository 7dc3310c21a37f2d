// A witness key of type 0x06 (ML-DSA-44) for tests; the signatures are those of @noble/post-quantum.

import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";

import { concat, encodeBase64, u64 } from "../dist/bytes.js";
import { parseCheckpointText } from "../dist/checkpoint_text.js";
import { subtreeMessage } from "../dist/cosignature.js";
import { sha256 } from "../dist/sha256.js";
import { seed, TestKey, utf8 } from "./support.mjs";

export class MlDsaKey {
  constructor(name, byte) {
    const { publicKey, secretKey } = ml_dsa44.keygen(seed(byte));
    Object.assign(this, { name, type: 6, publicKey, secretKey });
    this.id = sha256(concat(utf8(name), Uint8Array.of(10, 6), publicKey)).subarray(0, 4);
    this.vkey = TestKey.vkeyOf(this);
  }

  /** The signature line over the text of a checkpoint, now. */
  sign(text, time = BigInt(Math.floor(Date.now() / 1000))) {
    const { origin, head } = parseCheckpointText(text);
    const message = subtreeMessage({ cosigner: this.name, timestamp: time, origin, start: 0n, end: head.size, hash: head.root });
    return `\u2014 ${this.name} ${encodeBase64(concat(this.id, u64(time), ml_dsa44.sign(message, this.secretKey)))}\n`;
  }
}
