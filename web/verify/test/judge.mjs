// This package's verdict on a case, in a form that can be compared.

import { decodeBase64, encodeHex } from "../dist/bytes.js";
import { auditLog } from "../dist/audit/audit.js";
import * as v from "../dist/index.js";

const number = (value) => (value === null ? null : Number(value));

function presented({ statement, index, size, gateway, enrolled, status, witnessedUntil }) {
  const { claims, digest, undisclosed, disclosed } = statement;
  const known = {
    nothing: null, "not-revoked": ["not-revoked", number(status.asOf ?? 0)],
    "revoked-later": ["revoked-later", number(status.index ?? 0), status.effective],
  };
  return [
    claims.record, claims.kind, claims.issuer, claims.issuedAt, claims.stream, claims.evidence, digest, undisclosed, disclosed, number(index),
    number(size), gateway.vkey, number(enrolled), known[status.known], number(witnessedUntil),
  ];
}

const SHOWS = {
  proof: async (bytes, trust) => {
    const { index, size, entry } = await v.verifyProofFile(bytes, trust);
    return [number(index), number(size), entry?.kind ?? null];
  },
  presentation: async (bytes, trust) => presented(await v.verifyPresentationFile(bytes, trust)),
  session: async (bytes, trust) => {
    const { records, seal, erasures } = await v.verifySessionFile(bytes, trust);
    return [...records, ...(seal ? [seal] : []), ...erasures].map(presented);
  },
  completeness: async (bytes, trust) => {
    const { size, root, cosignedBy, streams } = await v.verifyCompletenessFile(bytes, trust);
    return [number(size), encodeHex(root), cosignedBy, streams.map((s) => [
      s.stream, s.gateway.vkey, s.rotatedFrom?.vkey ?? null, s.isHouse, s.continues && [s.continues.stream, s.continues.size], number(s.first),
      number(s.signed), number(s.pending), s.heads, number(s.newestHead), s.closed,
      s.declaredLosses.map(({ sequence, index }) => [sequence, number(index)]),
    ])];
  },
  evidence: async (bytes, trust) => {
    const verdict = await v.verifyFindingFile(bytes, trust);
    return [verdict.verdict, verdict.kind, verdict.verdict === "proven" ? verdict.cosigned : null];
  },
  checkpoint: async (bytes, trust) => {
    const { head, cosignatures } = await trust.checkpoint(bytes);
    return [number(head.size), encodeHex(head.root), cosignatures.map(({ name }) => name)];
  },
};

async function audited(testCase, trust) {
  const objects = new Map(Object.entries(testCase.objects).map(([path, bytes]) => [path, decodeBase64(bytes)]));
  const options = testCase.now === undefined ? {} : { now: testCase.now };
  const report = await auditLog(async (path) => objects.get(path) ?? null, trust, options);
  const findings = report.findings.map(({ kind, place, followsFrom, consequences }) => [
    kind, number(place.checkpoint ?? null), number(place.entry ?? null), place.tile ?? null, number(place.stream ?? null), followsFrom, consequences,
  ]);
  return { findings, counts: Object.fromEntries([...report.counts].sort()) };
}

/** `{ verdict: "holds", shows }` or `{ verdict: <class> }`. Anything but a refusal is a bug, and thrown. */
export async function judge(testCase, crypto = {}) {
  try {
    const bytes = decodeBase64(testCase.bytes ?? "");
    if (testCase.kind === "vkey") {
      const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
      let vkey;
      try {
        vkey = text.decode(bytes);
      } catch {
        return { verdict: "key" };
      }
      return { verdict: "holds", shows: v.parseVkey(vkey).vkey };
    }
    if (testCase.kind === "entry") {
      const { kind, loggedAt } = v.decodeEntry(bytes);
      return { verdict: "holds", shows: [kind, loggedAt] };
    }
    const trust = new v.Trust({ logVkey: testCase.vkey, policy: testCase.policy, gatewayVkeys: testCase.gateways, ...crypto });
    const shows = testCase.kind === "audit" ? await audited(testCase, trust) : await SHOWS[testCase.kind](bytes, trust);
    return { verdict: "holds", shows };
  } catch (error) {
    if (!(error instanceof v.VerifyError)) throw error;
    return { verdict: error.reason, words: error.message };
  }
}

/** A verdict for comparing: integers beyond 2^53 as both sides can write them, members in order. */
export const comparable = (verdict) => JSON.stringify([verdict.verdict, verdict.shows ?? null], (_, value) => {
  if (typeof value === "bigint") return Number(value);
  if (value && typeof value === "object" && !Array.isArray(value)) return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  return value;
});
