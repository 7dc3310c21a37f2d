import { Crypto } from "./crypto.js";
import { recast, refuse } from "./errors.js";
import { checkOrigin, parseVkey } from "./key.js";
import { Policy } from "./policy.js";
import { openCheckpoint } from "./checkpoint.js";
export class Trust {
    crypto;
    log;
    policy;
    gateways;
    constructor(options) {
        this.crypto = new Crypto(options);
        this.log = parseVkey(options.logVkey);
        if (this.log.type !== 0x01)
            refuse("key", "the log's key is not of type 0x01");
        recast("key", "the log's key does not name a log", () => checkOrigin(this.log.name));
        const { policy } = options;
        const bytes = typeof policy === "string" ? new TextEncoder().encode(policy) : policy;
        this.policy = bytes === undefined ? null : Policy.parse(bytes);
        this.gateways = (options.gatewayVkeys ?? []).map(parseVkey);
    }
    get origin() {
        return this.log.name;
    }
    open(note) {
        return openCheckpoint(note, this.origin, [this.log], this.crypto);
    }
    async checkpoint(note) {
        if (this.policy !== null)
            return this.policy.verifyCheckpoint(note, this.origin, [this.log], this.crypto);
        return { ...(await this.open(note)), cosignatures: [] };
    }
}
