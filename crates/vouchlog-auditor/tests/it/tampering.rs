//! Every way of tampering that is known is found, under its right name and place, as the first finding; and what shows it is
//! checked as a stranger would.

use std::sync::LazyLock;

use vouchlog_auditor::{
    AuditReport, AuditState, Config, EvidenceFile, FindingKind, LogIdentity, Place, Proves, Verdict,
    verify_finding,
};
use vouchlog_merkle::{TreeHead, TreeSize, leaf_hash};
use vouchlog_note::SignatureType;
use vouchlog_stream::{Entry, Previous, SequenceNumber, StreamId};

use crate::support::*;

use FindingKind as Kind;

mod entries;
mod names;
mod operator;
mod serving;
mod signing;
mod succession;

static HONEST: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| log_with(|_| None).0);

/// Tampering must be found in a log of a size that hides it well.
fn log_with(deed: impl FnOnce(&mut Builder) -> Option<u64>) -> (Vec<Vec<u8>>, Option<u64>) {
    long_log_with(deed)
}

/// Expects the first finding to be this one, and its evidence to hold.
fn check_report(report: &AuditReport, kind: Kind, place: &Place, proves: Proves) {
    let first = report.findings.first().unwrap_or_else(|| panic!("{kind} was not found:\n{report}"));
    assert_eq!((first.kind, &first.place), (kind, place), "{report}");
    assert_eq!(first.proves, proves, "{report}\n{:?}", verify_finding(&first.evidence, &identity()));
    assert!(!report.is_clean());
    let listed = report.findings.len() as u64;
    assert!(listed <= report.counts.values().sum(), "{report}");
    for finding in &report.findings {
        let file = EvidenceFile::from_json(finding.evidence.to_json().as_bytes()).unwrap();
        assert_eq!(file, finding.evidence);
        match verify_finding(&file, &identity()) {
            Verdict::Proven { cosigned, .. } => {
                assert_eq!(finding.proves, Proves::Misconduct);
                assert!(cosigned || kind == Kind::SplitView || kind == Kind::InconsistentHeads, "{finding}");
            }
            Verdict::Observed { .. } => assert_eq!(finding.proves, Proves::Observation),
            other => panic!("{finding}: {other:?}"),
        }
        // Somebody who knows the log by another key is not convinced.
        let stranger = LogIdentity {
            keys: vec![key(ORIGIN, SignatureType::Ed25519, 99).verifying_key().clone()],
            ..identity()
        };
        assert!(!verify_finding(&file, &stranger).is_proven(), "{finding}");
    }
    assert!(!kind.meaning().is_empty() && kind.meaning().ends_with('.'), "{kind}");
    serde_json::to_string(report).unwrap();
}

async fn check(objects: Objects, kind: Kind, place: Place, proves: Proves) {
    check_with(objects, &config(), None, kind, place, proves).await;
}

async fn check_with(
    objects: Objects,
    config: &Config,
    previous: Option<AuditState>,
    kind: Kind,
    place: Place,
    proves: Proves,
) {
    let audited = run(objects, config, previous.clone()).await;
    check_report(&audited.report, kind, &place, proves);
}

fn at_checkpoint(size: u64) -> Place {
    Place { checkpoint: Some(size), ..Place::default() }
}

fn at_entry(index: u64) -> Place {
    Place { entry: Some(index), ..Place::default() }
}

fn at_tile(path: &str) -> Place {
    Place { tile: Some(path.to_owned()), ..Place::default() }
}

fn in_bundle(path: &str, index: u64) -> Place {
    Place { entry: Some(index), ..at_tile(path) }
}

fn in_stream(stream: u64, index: u64) -> Place {
    Place { stream: Some(stream), ..at_entry(index) }
}

#[tokio::test]
async fn the_untampered_log_has_no_finding() {
    let entries = &*HONEST;
    let long = 10 * long_round() as u64;
    assert!(entries.len() as u64 > 3 * long + 5_000, "{}", entries.len());
    let report = report(Objects::of(entries)).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.checked.entries, entries.len() as u64);
    let streams: Vec<_> = report.streams.iter().map(|s| (s.status, s.statements, s.signed)).collect();
    assert_eq!(
        streams,
        [
            ("open", long + 2_000, long + 2_000),
            ("closed", long + 1_100, long + 1_100),
            ("succeeded", long + 1_100, long + 1_100),
            ("open", 900, 900)
        ]
    );
    assert!(report.streams.iter().all(|stream| stream.complete));
    let losses: u64 = report.streams.iter().map(|stream| stream.declared_losses).sum();
    assert_eq!(losses, (5_100 + 3 * long) / 97);
    // Evidence is counted of interactions, not of the losses that a gateway declares.
    let first = &report.streams[0];
    assert_eq!(first.interactions + first.declared_losses, long + 2_000);
    assert_eq!(first.evidence["initiator"], first.interactions);
    assert_eq!(report.checkpoint.as_ref().unwrap().cosigned_by, ["w1", "w2"]);
    assert!(report.to_string().contains("no findings"));
}

#[tokio::test]
async fn a_hundred_thousand_entries_are_clean_and_one_bit_among_them_is_found() {
    let mut log = Builder::new();
    log.enrol(10);
    log.open(10, 30, None);
    for _ in 0..100 {
        log.round(&[0], 1_000);
    }
    let mut objects = Objects::of(&log.entries);
    let clean = report(objects.clone()).await;
    assert!(clean.is_clean(), "{clean}");
    assert_eq!(clean.checked.statements, 100_000);
    objects.change("tile/entries/300", |bytes| bytes[56 * 7 + 20] ^= 1);
    let place = in_bundle("tile/entries/300", 300 * 256 + 7);
    check(objects, Kind::AlteredEntry, place, Proves::Observation).await;
}
