import { encodeBase64 } from "./bytes.js";
import { Crypto } from "./crypto.js";
import { orNull, recast, refuse, VerifyError } from "./errors.js";
import { checkOrigin, parseVkey } from "./key.js";
import { Policy } from "./policy.js";
import { openCheckpoint } from "./checkpoint.js";
import { traced } from "./trace.js";
export class Trust {
    constructor(options) {
        this.onCheck = null;
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
    traced(onCheck) {
        const trust = Object.assign(Object.create(Trust.prototype), this);
        trust.onCheck = onCheck;
        return trust;
    }
    check(name, about, run, facts) {
        return traced(this.onCheck, name, about, run, facts);
    }
    async checkpoint(note, about = "the checkpoint") {
        const { policy } = this;
        if (policy === null)
            return { ...(await this.signed(note, about)), cosignatures: [] };
        let refusal;
        try {
            const verified = await policy.verifyCheckpoint(note, this.origin, [this.log], this.crypto);
            await this.check("log-signature", about, () => verified, factsOf);
            return await this.check("witnesses", about, () => verified, ({ head, cosignatures }) => ({ size: head.size, cosignedBy: cosignatures.map(({ name }) => name), quorumNone: policy.isQuorumNone }));
        }
        catch (error) {
            if (!(error instanceof VerifyError))
                throw error;
            refusal = error;
        }
        const no = () => { throw refusal; };
        const byLog = await orNull(this.open(note));
        if (byLog === null)
            return this.check("log-signature", about, no);
        await this.check("log-signature", about, () => byLog, factsOf);
        return this.check("witnesses", about, no);
    }
    signed(note, about = "the checkpoint") {
        return this.check("log-signature", about, () => this.open(note), factsOf);
    }
}
const factsOf = ({ head }) => ({ size: head.size, root: encodeBase64(head.root) });
