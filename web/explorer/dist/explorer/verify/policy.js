import { decodeUtf8, parseDecimal } from "./bytes.js";
import { checkExtensions } from "./checkpoint.js";
import { parseCheckpointText } from "./checkpoint_text.js";
import { checkBytes, recast, refuse } from "./errors.js";
import { checkOrigin, parseVkey, partyOf, sameKey } from "./key.js";
import { parseNote, verifyNote } from "./note.js";
const MAX_POLICY_BYTES = 1 << 20;
const MAX_POLICY_ITEMS = 1024;
const RESERVED = ["none", "any", "all", "log", "witness", "group", "quorum"];
export class Policy {
    #groups;
    #quorum;
    #names;
    constructor() {
        this.logs = [];
        this.witnesses = [];
        this.#groups = [];
        this.#quorum = undefined;
        this.#names = new Map();
    }
    static parse(bytes) {
        checkBytes("too-large", "the policy", bytes.length, MAX_POLICY_BYTES);
        if (bytes[bytes.length - 1] !== 0x0a)
            refuse("format", "the policy's last line does not end in a line feed");
        let text = "";
        for (const octet of bytes.subarray(0, -1)) {
            if ((octet < 0x20 && octet !== 0x09 && octet !== 0x0a) || octet === 0x7f) {
                refuse("format", "the policy holds a forbidden octet");
            }
            text += String.fromCharCode(octet);
        }
        const policy = new Policy();
        for (const line of text.split("\n"))
            policy.#line(line.split(/[ \t]+/).filter((token) => token !== ""));
        if (policy.#quorum === undefined)
            refuse("format", "the policy has no quorum line");
        return policy;
    }
    get isQuorumNone() {
        return this.#quorum === null;
    }
    #line(tokens) {
        const [keyword, first, second, ...rest] = tokens;
        if (keyword === undefined || keyword.startsWith("#"))
            return;
        const count = tokens.length;
        if (keyword === "log" && (count === 2 || count === 3))
            return this.#log(first, second ?? null);
        if (keyword === "witness" && (count === 3 || count === 4))
            return this.#witness(first, second, rest[0] ?? null);
        if (keyword === "group" && count >= 4)
            return this.#group(first, second, rest);
        if (keyword === "quorum" && count === 2)
            return this.#setQuorum(first);
        refuse("format", "a line of the policy is malformed");
    }
    #log(vkey, url) {
        const key = readKey(vkey);
        if (key.type === 0x04)
            refuse("format", "a log of the policy has a key of a witness");
        recast("format", "a log of the policy is rejected", () => checkOrigin(key.name));
        if (this.logs.some((log) => partyOf(log.key) === partyOf(key)))
            refuse("format", "the policy has a log twice");
        this.#checkRoom(this.logs.length);
        this.logs.push({ key, url: readUrl(url) });
    }
    #witness(name, vkey, url) {
        const key = readKey(vkey);
        if (key.type === 0x01)
            refuse("format", "a witness of the policy has a key that does not cosign");
        if (this.witnesses.some((one) => partyOf(one.key) === partyOf(key)))
            refuse("format", "the policy has a witness twice");
        this.#checkRoom(this.witnesses.length);
        this.#define(name, { witness: this.witnesses.length });
        this.witnesses.push({ name: readText(name), key, url: readUrl(url) });
    }
    #group(name, threshold, members) {
        this.#checkRoom(this.#groups.length);
        const count = BigInt(members.length);
        const needed = threshold === "any" ? 1n : threshold === "all" ? count : parseDecimal(threshold);
        if (needed === null || needed < 1n || needed > count)
            refuse("format", "the threshold of a group is out of range");
        const read = members.map((member) => {
            const known = this.#names.get(member);
            if (known === undefined)
                refuse("format", "a group names a member that is not defined");
            if (known.inGroup)
                refuse("format", "a name is a member of groups twice");
            known.inGroup = true;
            return known.member;
        });
        this.#define(name, { group: this.#groups.length });
        this.#groups.push({ threshold: Number(needed), members: read });
    }
    #setQuorum(name) {
        if (this.#quorum !== undefined)
            refuse("format", "the policy has two quorum lines");
        const known = name === "none" ? null : this.#names.get(name)?.member;
        if (known === undefined)
            refuse("format", "the quorum names nothing that is defined");
        this.#quorum = known;
    }
    #define(name, member) {
        if (RESERVED.includes(name))
            refuse("format", "a name in the policy is a keyword");
        if (this.#names.has(name))
            refuse("format", "a name in the policy is defined twice");
        this.#names.set(name, { member, inGroup: false });
    }
    #checkRoom(items) {
        if (items >= MAX_POLICY_ITEMS)
            refuse("too-large", `the policy has more than ${MAX_POLICY_ITEMS} items of a kind`);
    }
    isMetBy(counts) {
        const cosigned = this.witnesses.map((witness) => counts(witness.key));
        const met = [];
        const isMet = (member) => ("witness" in member ? cosigned[member.witness] : met[member.group]);
        for (const group of this.#groups)
            met.push(group.members.filter(isMet).length >= group.threshold);
        return this.#quorum === null || isMet(this.#quorum);
    }
    async verifyCheckpoint(bytes, origin, logKeys, crypto) {
        const logs = logKeys.filter((key) => key.type !== 0x04);
        const witnesses = this.witnesses.map((witness) => witness.key).filter((key) => !logs.some((log) => sameKey(log, key)));
        const note = await verifyNote(parseNote(bytes), [...logs, ...witnesses], crypto, "refuse");
        const checkpoint = parseCheckpointText(note.text);
        const byLog = note.signatures.filter(({ key }) => logs.some((log) => sameKey(log, key)) && (key.type === 0x01 || key.name === origin));
        if (checkpoint.origin !== origin)
            refuse("other-log", "the checkpoint is another log's");
        if (byLog.length === 0)
            refuse("signature", "the checkpoint is not signed by the log");
        checkExtensions(checkpoint, byLog);
        const cosigned = (key) => note.signatures.find((signature) => sameKey(signature.key, key));
        if (!this.isMetBy((key) => cosigned(key) !== undefined))
            refuse("quorum", "the checkpoint has no quorum of witnesses");
        const cosignatures = this.witnesses.flatMap(({ name, key }) => {
            const timestamp = cosigned(key)?.timestamp;
            return timestamp === undefined || timestamp === null ? [] : [{ name, key, timestamp }];
        });
        return { ...checkpoint, note, cosignatures };
    }
}
function readKey(vkey) {
    return recast("format", "a key of the policy is rejected", () => parseVkey(readStrict(vkey)));
}
const octetsOf = (token) => Uint8Array.from(token, (character) => character.charCodeAt(0));
const readStrict = (token) => decodeUtf8(octetsOf(token)) ?? refuse("format", "a token of the policy is not UTF-8");
const readUrl = (token) => (token === null ? null : readStrict(token));
const readText = (token) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(octetsOf(token));
export function witnessedUntil(cosignatures) {
    const times = cosignatures.map(({ timestamp }) => timestamp).filter((time) => time > 0n);
    return times.length === 0 ? null : times.reduce((latest, time) => (time > latest ? time : latest));
}
