//! An audit in many steps is an audit in one; what was saved in between is believed only as far as it can be checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use vouchlog_api::{Error, LogReader, Result};
use vouchlog_auditor::{AuditError, AuditState, Config, FindingKind, StateError, audit};
use vouchlog_merkle::{TileId, TreeSize};

use crate::support::*;

/// A log that is out of reach after so many bundles.
#[derive(Clone, Debug)]
struct Breaks(Server, Arc<AtomicU64>);

impl LogReader for Breaks {
    async fn checkpoint(&self) -> Result<String> {
        self.0.checkpoint().await
    }

    async fn checkpoint_after(&self, size: TreeSize) -> Result<String> {
        self.0.checkpoint_after(size).await
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        self.0.tile(tile, width).await
    }

    async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes> {
        let left = self.1.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match left {
            Ok(_) => self.0.entry_bundle(bundle, width).await,
            Err(_) => Err(Error::unavailable("the line is down")),
        }
    }
}

fn step_by_step() -> Config {
    let mut config = config();
    config.options.save_every = 1;
    config.options.in_flight = 1;
    config
}

/// Audits with a line that breaks after every few bundles, each time going on from what was saved, as JSON.
async fn in_steps(objects: &Objects, bundles: u64) -> vouchlog_auditor::Audited {
    let config = step_by_step();
    let mut saved: Option<String> = None;
    for _ in 0..1_000 {
        let reader = Breaks(Server::from(objects.clone()), Arc::new(AtomicU64::new(bundles)));
        let previous =
            saved.as_ref().map(|json| AuditState::from_json(json.as_bytes(), &config.log).unwrap());
        let keep = |step: vouchlog_auditor::Step<'_>| {
            if let Some(state) = step.state {
                saved = Some(state.to_json());
            }
        };
        match audit(reader, &config, previous, keep).await {
            Ok(audited) => return audited,
            Err(AuditError::Read(error)) => assert_eq!(error.message, "the line is down"),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it does not end");
}

#[tokio::test(start_paused = true)]
async fn an_audit_in_many_steps_is_an_audit_in_one() {
    let honest = Objects::of(&honest_log());
    let (gap, _) = log_with(|log| {
        log.state(0);
        log.statements(0, 3);
        None
    });
    for objects in [honest, Objects::of(&gap)] {
        let whole = run(objects.clone(), &config(), None).await;
        // Four at a time are enough for the evidence at the end, which no state is saved of.
        for bundles in [4, 5, 9] {
            let steps = in_steps(&objects, bundles).await;
            assert!(steps.report.findings == whole.report.findings, "{}", steps.report);
            assert_eq!(steps.report.counts, whole.report.counts);
            assert_eq!(steps.report.streams, whole.report.streams);
            assert_eq!(steps.state, whole.state);
            let checked = &steps.report.checked;
            assert_eq!(checked.before + checked.entries, whole.report.checked.entries);
        }
    }
}

#[tokio::test]
async fn a_growing_log_is_followed_from_size_to_size() {
    let entries = honest_log();
    let mut state: Option<AuditState> = None;
    let mut before = 0;
    for size in [1, 2, 100, 255, 256, 257, 512, 800, 1_500, 3_000, entries.len(), entries.len()] {
        let audited = run(Objects::of(&entries[..size]), &config(), state).await;
        // A stream between two heads is not yet what it will be, but nothing is wrong.
        assert!(audited.report.is_clean(), "{}", audited.report);
        assert_eq!(audited.report.checked.before, before);
        before = size as u64;
        state = audited.state;
        assert_eq!(state.as_ref().unwrap().size().get(), before);
    }
    assert_eq!(state, Some(state_of(&entries).await));
}

#[tokio::test]
async fn a_state_that_was_changed_is_refused() {
    let entries = honest_log();
    let json = state_of(&entries[..3_000]).await.to_json();
    let log = identity();
    let read = |json: &str| AuditState::from_json(json.as_bytes(), &log);
    assert_eq!(read(&json).unwrap().to_json(), json);
    let size = json.find("\"size\":3000").unwrap();
    let changed = [
        json.replacen("\"size\":3000", "\"size\":2999", 1),
        json.replacen("\"statements\":", "\"statements\":1", 1),
        json.replacen("\"last\":1", "\"last\":2", 1),
        json[..size].to_owned(),
        json.replacen("{\"state\":{", "{\"state\":{\"more\":1,", 1),
    ];
    for json in changed {
        assert!(read(&json).is_err());
    }
    let another = vouchlog_auditor::LogIdentity {
        origin: vouchlog_note::Origin::new("log.example.com/another").unwrap(),
        ..identity()
    };
    let refused = AuditState::from_json(json.as_bytes(), &another);
    assert!(matches!(refused, Err(StateError::OtherLog(_))), "{refused:?}");
    let other_key = key(ORIGIN, vouchlog_note::SignatureType::Ed25519, 9);
    let rekeyed =
        vouchlog_auditor::LogIdentity { keys: vec![other_key.verifying_key().clone()], ..identity() };
    let refused = AuditState::from_json(json.as_bytes(), &rekeyed);
    assert!(matches!(refused, Err(StateError::Checkpoint(_))), "{refused:?}");
}

/// Whoever recomputes the digest still cannot make up an edge: it must lead to the signed root.
#[tokio::test]
async fn an_edge_that_was_made_up_is_refused() {
    let entries = honest_log();
    let json = state_of(&entries[..3_000]).await.to_json();
    let mut file: serde_json::Value = serde_json::from_str(&json).unwrap();
    let hash = file["state"]["edge"][1][0].as_str().unwrap().to_owned();
    let other = if hash.starts_with('0') { hash.replacen('0', "1", 1) } else { format!("0{}", &hash[1..]) };
    let with_edge = json.replacen(&hash, &other, 1);
    let body = with_edge.strip_prefix("{\"state\":").unwrap();
    let body = &body[..body.rfind(",\"digest\":").unwrap()];
    let digest = vouchlog_merkle::sha256(format!("vouchlog/v1 audit-state\n{body}").as_bytes());
    file = serde_json::from_str(&with_edge).unwrap();
    let old = file["digest"].as_str().unwrap().to_owned();
    let forged = with_edge.replace(&old, &digest.to_string());
    let refused = AuditState::from_json(forged.as_bytes(), &identity());
    assert!(matches!(refused, Err(StateError::Contradiction(_))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn the_pace_is_kept_and_a_busy_log_is_asked_again() {
    let mut config = config();
    config.options.max_requests_per_second = Some(10);
    let begun = tokio::time::Instant::now();
    let audited = run(Objects::of(&honest_log()), &config, None).await;
    assert!(audited.report.is_clean());
    // A checkpoint, 21 bundles and 22 tiles, ten in a second, by a clock that moves only when all wait.
    assert!(begun.elapsed() >= std::time::Duration::from_secs(4), "{:?}", begun.elapsed());
    let reader = Breaks(Server::from(Objects::of(&honest_log())), Arc::new(AtomicU64::new(5)));
    let refused = audit(reader, &config, None, |_| {}).await;
    assert!(matches!(refused, Err(AuditError::Read(_))));
}

#[tokio::test]
async fn progress_goes_up_to_the_whole_log() {
    let entries = honest_log();
    let mut steps = Vec::new();
    let reader = Server::from(Objects::of(&entries));
    audit(reader, &config(), None, |step| steps.push((step.done, step.total))).await.unwrap();
    assert!(steps.is_sorted());
    assert_eq!(steps[0], (0, entries.len() as u64));
    assert_eq!(steps.last(), Some(&(entries.len() as u64, entries.len() as u64)));
}

#[tokio::test]
async fn what_cannot_be_verified_leaves_the_old_state() {
    let entries = honest_log();
    let state = state_of(&entries[..3_000]).await;
    let mut objects = Objects::of(&entries);
    objects.change_entries("tile/entries/015", |entries| entries.swap(1, 2));
    let audited = run(objects, &config(), Some(state.clone())).await;
    assert_eq!(audited.report.findings[0].kind, FindingKind::ReorderedEntries);
    assert_eq!(audited.state, Some(state));
}
