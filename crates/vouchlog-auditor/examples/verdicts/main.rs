//! Judges cases for a second implementation: reads one case a line as JSON, writes one verdict a line as JSON.
//!
//! ```text
//! { "kind": "completeness", "vkey": "<log's>", "policy": "<text>", "gateways": ["<vkey>"], "bytes": "<base64>" }
//! { "kind": "audit",        "vkey": "<log's>", "policy": "<text>", "objects": { "checkpoint": "<base64>", … }, "now": 1767225600 }
//! { "verdict": "holds", "shows": … }        what was shown, in the form in which `web/verify/test` compares it
//! { "verdict": "not-included" }             or the class of the reason for which it was refused, as `web/verify` documents them
//! ```
//!
//! ```text
//! cargo run -p vouchlog-auditor --example verdicts < cases.jsonl > verdicts.jsonl
//! ```

use std::collections::BTreeMap;
use std::io::{BufRead, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use vouchlog_api::{Error, LogReader};
use vouchlog_auditor::{
    AuditReport, CompletenessProof, Config, EvidenceFile, LogIdentity, Verdict, audit, verify_completeness,
    verify_finding,
};
use vouchlog_merkle::{EntryBundle, Hash, TileId, TilePath, TreeSize, leaf_hash};
use vouchlog_note::{Origin, Policy, ProofFile, SignedCheckpoint, VerifyingKey};
use vouchlog_runtime::UnixSeconds;
use vouchlog_session::{SessionBundle, verify_bundle};
use vouchlog_statement::{KeyStatus, LogTrust, Presentation, VerifiedPresentation, verify_presentation};
use vouchlog_stream::Entry;

mod classes;

use classes::{Class, Classified, checkpoint_class, policy_class};

/// One line of the input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    kind: String,
    vkey: String,
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    gateways: Vec<String>,
    #[serde(default)]
    bytes: String,
    #[serde(default)]
    objects: BTreeMap<String, String>,
    #[serde(default)]
    now: Option<u64>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let case: Case = serde_json::from_str(&line?)?;
        let verdict = match judge(&case, &runtime) {
            Ok(shows) => json!({ "verdict": "holds", "shows": shows }),
            Err(Class(class)) => json!({ "verdict": class }),
        };
        writeln!(out, "{verdict}")?;
    }
    out.flush()?;
    Ok(())
}

fn judge(case: &Case, runtime: &tokio::runtime::Runtime) -> Result<Value, Class> {
    let bytes = STANDARD.decode(&case.bytes).expect("a case has base64");
    if case.kind == "vkey" {
        let vkey = str::from_utf8(&bytes).map_err(|_| Class("key"))?;
        let key: VerifyingKey = vkey.parse().map_err(|_| Class("key"))?;
        return Ok(json!(key.to_string()));
    }
    if case.kind == "entry" {
        let entry = Entry::decode(&bytes).map_err(|_| Class("entry"))?;
        return Ok(json!([entry.kind_name(), entry.logged_at().millis()]));
    }
    let log: VerifyingKey = case.vkey.parse().expect("a case names the key of its log");
    let policy = case.policy.as_ref().map(|text| Policy::parse(text.as_bytes()));
    let policy = policy.transpose().map_err(|error| policy_class(&error, log.name().as_str()))?;
    let gateways = case.gateways.iter().map(|key| key.parse().expect("a case names keys"));
    let gateways: Vec<VerifyingKey> = gateways.collect();
    let trust = LogTrust::new(&log, policy.as_ref()).pinned_to(&gateways);
    let origin = Origin::new(log.name().as_str()).expect("the key of a case names a log");
    let identity = LogIdentity { origin, keys: vec![log.clone()], policy: policy.clone() };
    match case.kind.as_str() {
        "checkpoint" => checkpoint(&bytes, &identity).map(|(signed, by)| {
            let head = signed.head();
            json!([head.size.get(), head.root.to_string(), by])
        }),
        "proof" => proof(&bytes, &identity),
        "presentation" => {
            let read = Presentation::from_json(&bytes);
            let shown = read.and_then(|presentation| verify_presentation(&presentation, &trust));
            shown.map(|shown| presented(&shown)).map_err(|error| error.class(&identity.origin))
        }
        "session" => {
            let read = SessionBundle::from_json(&bytes);
            let shown = read.and_then(|bundle| verify_bundle(&bundle, &trust));
            let shown = shown.map_err(|error| error.class(&identity.origin))?;
            let all = shown.records.iter().chain(&shown.seal).chain(&shown.erasures);
            Ok(json!(all.map(|one| presented(&one.presentation)).collect::<Vec<_>>()))
        }
        "completeness" => {
            let read = CompletenessProof::from_json(&bytes);
            let shown = read.and_then(|proof| verify_completeness(&proof, &identity));
            let shown = shown.map_err(|error| error.class(&identity.origin))?;
            let streams = shown.streams.iter().map(|s| {
                let losses: Vec<_> = s.declared_losses.iter().map(|l| [l.sequence, l.index]).collect();
                json!([
                    s.stream,
                    s.gateway_vkey.to_string(),
                    s.rotated_from.as_ref().map(ToString::to_string),
                    s.is_house,
                    s.continues,
                    s.first,
                    s.signed,
                    s.pending,
                    s.heads,
                    s.newest_head,
                    s.closed,
                    losses
                ])
            });
            Ok(json!([shown.size, shown.root.to_string(), shown.cosigned_by, streams.collect::<Vec<_>>()]))
        }
        "evidence" => {
            let file = EvidenceFile::from_json(&bytes).map_err(|error| error.class(&identity.origin))?;
            match verify_finding(&file, &identity) {
                Verdict::Proven { cosigned, .. } => Ok(json!(["proven", file.kind.code(), cosigned])),
                Verdict::Observed { .. } => Ok(json!(["observed", file.kind.code(), null])),
                _ => Err(Class("refuted")),
            }
        }
        "audit" => Ok(audited(case, identity, runtime)),
        other => panic!("no case is of the kind {other}"),
    }
}

fn checkpoint(note: &[u8], log: &LogIdentity) -> Result<(SignedCheckpoint, Vec<String>), Class> {
    let Some(policy) = &log.policy else {
        let opened = SignedCheckpoint::open_with_keys(note, &log.origin, &log.keys);
        return Ok((opened.map_err(|error| checkpoint_class(&error))?, Vec::new()));
    };
    let opened = policy.verify_checkpoint_of(note, &log.origin, &log.keys);
    let opened = opened.map_err(|error| policy_class(&error, log.origin.as_str()))?;
    let by = opened.cosignatures().iter().map(|one| one.name().to_string()).collect();
    Ok((opened.signed().clone(), by))
}

fn proof(file: &[u8], log: &LogIdentity) -> Result<Value, Class> {
    let file = ProofFile::parse(file).map_err(|error| error.class(&log.origin))?;
    let entry = file.extra().ok_or(Class("no-entry"))?;
    let (signed, _) = checkpoint(file.note().as_str().as_bytes(), log)?;
    file.verify_inclusion(&leaf_hash(entry), &signed.head()).map_err(|error| error.class(&log.origin))?;
    let kind = Entry::decode(entry).ok().map(|entry| entry.kind_name());
    Ok(json!([file.index().get(), signed.head().size.get(), kind]))
}

fn presented(shown: &VerifiedPresentation) -> Value {
    let claims = &shown.statement.claims;
    let status = match &shown.status {
        KeyStatus::Unknown => json!(null),
        KeyStatus::NotKnownRevoked { as_of } => json!(["not-revoked", as_of.get()]),
        KeyStatus::RevokedLater(revoked) => {
            json!(["revoked-later", revoked.index.get(), revoked.effective.millis()])
        }
    };
    json!([
        claims.record,
        claims.kind.name(),
        claims.issuer,
        claims.issued_at,
        claims.stream.get(),
        claims.evidence.bits(),
        shown.statement.digest.to_string(),
        shown.statement.undisclosed,
        shown.statement.disclosed,
        shown.index.get(),
        shown.size.get(),
        shown.gateway.to_string(),
        shown.enrolled.get(),
        status,
        shown.witnessed_until
    ])
}

/// The findings of an audit, each with its place, and how many there are of each kind.
fn audited(case: &Case, log: LogIdentity, runtime: &tokio::runtime::Runtime) -> Value {
    let decode = |base64: &String| STANDARD.decode(base64).expect("a case has base64").into();
    let files = case.objects.iter().map(|(path, bytes)| (path.clone(), decode(bytes))).collect();
    let mut config = Config::new(log);
    config.options.now = case.now.map(UnixSeconds::new);
    let audited = runtime.block_on(audit(Served(files), &config, None, |_| {}));
    match audited {
        Ok(audited) => report(&audited.report),
        Err(error) => panic!("an audit from memory ended: {error}"),
    }
}

fn report(report: &AuditReport) -> Value {
    let findings = report.findings.iter().map(|finding| {
        let place = &finding.place;
        json!([
            finding.kind.code(),
            place.checkpoint,
            place.entry,
            place.tile,
            place.stream,
            finding.follows_from,
            finding.consequences
        ])
    });
    json!({ "findings": findings.collect::<Vec<_>>(), "counts": report.counts })
}

/// What a log serves, by path.
#[derive(Clone, Debug)]
struct Served(BTreeMap<String, Bytes>);

impl Served {
    fn file(&self, path: &str) -> Result<Bytes, Error> {
        self.0.get(path).cloned().ok_or_else(|| Error::not_found(format!("no {path}")))
    }
}

impl LogReader for Served {
    async fn checkpoint(&self) -> Result<String, Error> {
        let bytes = self.file("checkpoint")?;
        String::from_utf8(bytes.into()).map_err(|_| Error::not_found("the checkpoint is no text"))
    }

    async fn checkpoint_after(&self, _size: TreeSize) -> Result<String, Error> {
        Err(Error::unavailable("this log does not grow"))
    }

    // SPEC: a log may delete a partial tile or bundle once the full one exists: where one is gone, the full one is read (tlog-tiles).
    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes, Error> {
        let served = self.file(&TilePath::Hashes { tile, width }.to_string());
        served.or_else(|error| {
            let full = self.file(&TilePath::Hashes { tile, width: 256 }.to_string()).map_err(|_| error)?;
            Ok(if full.len() == 256 * Hash::LEN {
                full.slice(..usize::from(width) * Hash::LEN)
            } else {
                full
            })
        })
    }

    async fn entry_bundle(&self, index: u64, width: u16) -> Result<Bytes, Error> {
        let served = self.file(&TilePath::Entries { index, width }.to_string());
        served.or_else(|error| {
            let full = self.file(&TilePath::Entries { index, width: 256 }.to_string()).map_err(|_| error)?;
            let Ok(entries) = EntryBundle::entries(&full, 256) else { return Ok(full) };
            let framed: usize = entries[..usize::from(width)].iter().map(|entry| 2 + entry.len()).sum();
            Ok(full.slice(..framed))
        })
    }
}
