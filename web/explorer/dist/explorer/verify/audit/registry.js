export class Registry {
    #gateways = new Map();
    #names = new Map();
    #quotas = new Map();
    constructor(found, onWithdrawn) {
        this.found = found;
        this.onWithdrawn = onWithdrawn;
    }
    get(key) {
        return this.#gateways.get(key.vkey);
    }
    get count() {
        return this.#gateways.size;
    }
    bad(index, words) {
        this.found.addAt("bad-enrolment", index, words);
    }
    enrol(index, now, { gateway: key, replaces }, isLost) {
        const known = this.get(key);
        if (known !== undefined) {
            const state = known.withdrawn !== null ? "revoked" : known.replaced !== null ? "replaced" : replaces !== null ? "known" : null;
            if (state !== null)
                this.bad(index, `the ${state} key of ${key.name} is enrolled again`);
            return;
        }
        const enrolled = { key, enrolled: index, withdrawn: null, replaced: null };
        const first = this.#names.get(key.name);
        this.#gateways.set(key.vkey, enrolled);
        if (first === undefined)
            this.#names.set(key.name, enrolled);
        if (replaces !== null)
            return this.#replace(index, now, replaces, isLost);
        if (first !== undefined) {
            this.found.addAt("second-key-for-a-name", index, `${key.name} has the key ${key.id} beside ${first.key.id}, which entry ${first.enrolled} enrolled`);
        }
    }
    #replace(index, now, { key, rotation }, isLost) {
        const old = this.get(key);
        if (old === undefined) {
            if (!isLost)
                this.bad(index, `the key of ${key.name} was never enrolled`);
            return;
        }
        if (old.replaced !== null)
            return this.bad(index, `entry ${old.replaced} replaced the key of ${key.name}`);
        old.replaced = index;
        if (!rotation) {
            this.#withdraw(old, { index, effective: now });
        }
        else if (old.withdrawn !== null) {
            this.bad(index, `the revoked key of ${key.name} rotates to another`);
        }
    }
    revoke(index, { gateway, effective }, isLost) {
        const known = this.get(gateway);
        if (known === undefined) {
            if (!isLost)
                this.bad(index, `the key of ${gateway.name} was never enrolled`);
        }
        else {
            this.#withdraw(known, { index, effective });
        }
    }
    #withdraw(gateway, withdrawn) {
        if (gateway.withdrawn !== null && gateway.withdrawn.effective <= withdrawn.effective)
            return;
        gateway.withdrawn = withdrawn;
        this.onWithdrawn(gateway.key, withdrawn);
    }
    setQuota(index, quota) {
        const known = this.#quotas.get(quota.scope);
        if (known !== undefined && known.issued >= quota.issued)
            return this.bad(index, "the quota is older than the one before it");
        this.#quotas.set(quota.scope, quota);
    }
}
