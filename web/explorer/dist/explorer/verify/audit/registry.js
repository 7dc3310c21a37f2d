export class Registry {
    found;
    onWithdrawn;
    gateways = new Map();
    names = new Map();
    quotas = new Map();
    constructor(found, onWithdrawn) {
        this.found = found;
        this.onWithdrawn = onWithdrawn;
    }
    get(key) {
        return this.gateways.get(key.vkey);
    }
    get count() {
        return this.gateways.size;
    }
    bad(index, words) {
        this.found.add("bad-enrolment", { entry: BigInt(index) }, words);
    }
    enrol(index, now, { gateway: key, replaces }, isLost) {
        const known = this.get(key);
        if (known !== undefined) {
            if (known.withdrawn !== null)
                this.bad(index, `the revoked key of ${key.name} is enrolled again`);
            else if (known.replaced !== null)
                this.bad(index, `the replaced key of ${key.name} is enrolled again`);
            else if (replaces !== null)
                this.bad(index, `it replaces a key by one of ${key.name} that was enrolled before`);
            return;
        }
        const enrolled = { key, enrolled: index, withdrawn: null, replaced: null };
        const first = this.names.get(key.name);
        this.gateways.set(key.vkey, enrolled);
        if (first === undefined)
            this.names.set(key.name, enrolled);
        if (replaces !== null)
            return this.replace(index, now, replaces, isLost);
        if (first !== undefined) {
            this.found.add("second-key-for-a-name", { entry: BigInt(index) }, `the key ${key.id} is enrolled under the name ${key.name}, which belongs to the key ${first.key.id} since entry ${first.enrolled}`);
        }
    }
    replace(index, now, { key, rotation }, isLost) {
        const old = this.get(key);
        if (old === undefined) {
            if (!isLost)
                this.bad(index, `it replaces a key of ${key.name} that was never enrolled`);
            return;
        }
        if (old.replaced !== null)
            return this.bad(index, `it replaces a key of ${key.name} that entry ${old.replaced} replaced`);
        old.replaced = index;
        if (!rotation) {
            this.withdraw(old, { index, effective: now });
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
            this.withdraw(known, { index, effective });
        }
    }
    withdraw(gateway, withdrawn) {
        if (gateway.withdrawn !== null && gateway.withdrawn.effective <= withdrawn.effective)
            return;
        gateway.withdrawn = withdrawn;
        this.onWithdrawn(gateway.key, withdrawn);
    }
    setQuota(index, quota) {
        const known = this.quotas.get(quota.scope);
        if (known !== undefined && known.issued >= quota.issued)
            return this.bad(index, "the quota is older than the one before it");
        this.quotas.set(quota.scope, quota);
    }
}
