const KINDS = {
    "missing-checkpoint": ["serious", "R74"],
    "malformed-checkpoint": ["serious", "R74"],
    "bad-log-signature": ["critical", "R74"],
    "forged-cosignature": ["serious", "R75"],
    "missing-quorum": ["serious", "R75"],
    "split-view": ["critical", "R74"],
    "inconsistent-heads": ["critical", "R74"],
    "shrunken-log": ["critical", "R74"],
    "impossible-size": ["critical", "R74"],
    "stale-checkpoint": ["warning", "R75"],
    "missing-tile": ["serious", "R74"],
    "truncated-tile": ["serious", "R74"],
    "tile-parent-mismatch": ["critical", "R74"],
    "missing-bundle": ["serious", "R74"],
    "truncated-bundle": ["serious", "R74"],
    "removed-entry": ["critical", "R74"],
    "inserted-entry": ["critical", "R74"],
    "reordered-entries": ["critical", "R74"],
    "altered-entry": ["critical", "R74"],
    "wrong-root": ["critical", "R74"],
    "bad-genesis": ["serious", "R74"],
    "undecodable-entry": ["serious", "R74"],
    "bad-enrolment": ["serious", "R76"],
    "second-key-for-a-name": ["serious", "R76"],
    "unknown-gateway": ["serious", "R76"],
    "revoked-key-used": ["serious", "R76"],
    "bad-opening": ["serious", "R62"],
    "bad-restart": ["serious", "R62"],
    "unknown-stream": ["serious", "R62"],
    "entry-after-close": ["serious", "R62"],
    "stream-gap": ["critical", "R60"],
    "stream-fork": ["critical", "R61"],
    "forged-head": ["critical", "R64"],
    "head-without-entries": ["critical", "R64"],
    "time-going-back": ["serious", "R57"],
    "silent-stream": ["warning", "R63"],
};
export const FINDING_KINDS = Object.keys(KINDS);
export function findingKind(code) {
    return Object.hasOwn(KINDS, code) ? code : null;
}
export const severityOf = (kind) => KINDS[kind][0];
export const ruleOf = (kind) => KINDS[kind][1];
