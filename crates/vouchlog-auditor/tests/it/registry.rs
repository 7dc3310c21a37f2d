//! Goal: the log and the auditor have one idea of whose a gateway's name is.
//! Method: random enrolments, rotations, replacements, revocations and openings. What the engine takes, an audit and fsck find clean;
//! what it refuses, an audit of a log that took it proves to be a fault.

use std::sync::Arc;

use proptest::prelude::*;
use vouchlog_api::{Appender, ErrorKind, LogReader as _};
use vouchlog_auditor::{Proves, audit};
use vouchlog_merkle::TreeSize;
use vouchlog_note::{Origin, SignatureType, SigningKey};
use vouchlog_sequencer::fsck;
use vouchlog_sequencer::testing::{ORIGIN as ENGINE_ORIGIN, TestClock};
use vouchlog_storage::MemoryStore;
use vouchlog_stream::{
    Enrolment, Entry, LoggedAt, ReplacementCause, ReplacementReason, Replaces, Revocation, StreamOpening,
};

use crate::support::*;

/// Something done with one of six keys, which share two names.
#[derive(Clone, Copy, Debug)]
enum Deed {
    First(u8),
    Rotate(u8, u8),
    Replace(u8, u8),
    Revoke(u8),
    RevokeFromTomorrow(u8),
    Open(u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    let key = || 0..6_u8;
    prop_oneof![
        3 => key().prop_map(Deed::First),
        3 => (key(), key()).prop_map(|(old, new)| Deed::Rotate(old, new)),
        2 => (key(), key()).prop_map(|(old, new)| Deed::Replace(old, new)),
        1 => key().prop_map(Deed::Revoke),
        1 => key().prop_map(Deed::RevokeFromTomorrow),
        2 => key().prop_map(Deed::Open),
    ]
}

fn member(number: u8) -> SigningKey {
    key(&format!("gateway-{}.example.com", number % 2), SignatureType::Ed25519, 40 + number)
}

/// The entry of a deed in the log `origin`; `None` if no such note can be signed.
fn entry(deed: Deed, origin: &Origin, logged_at: LoggedAt, stream: u8) -> Option<Entry> {
    let replacing = |old: u8, new: u8, reason| {
        let replaces = Some(Replaces { key: member(old).verifying_key().clone(), reason });
        Enrolment { replaces, ..Enrolment::first(origin.clone(), member(new).verifying_key().clone()) }
    };
    let enrolled = |note| Some(Entry::GatewayEnrolled { logged_at, note });
    match deed {
        Deed::First(number) => {
            let first = Enrolment::first(origin.clone(), member(number).verifying_key().clone());
            enrolled(first.sign(&operator_key()).unwrap())
        }
        Deed::Rotate(old, new) => {
            let rotation = replacing(old, new, ReplacementReason::Rotation);
            let note = rotation.cross_sign(&member(old), &member(new)).ok()?;
            enrolled(Enrolment::countersign(&note, origin, &operator_key()).unwrap())
        }
        Deed::Replace(old, new) => {
            let (cause, words) = (ReplacementCause::Lost, "in a taxi".to_owned());
            enrolled(
                replacing(old, new, ReplacementReason::Operator { cause, words })
                    .sign(&operator_key())
                    .ok()?,
            )
        }
        Deed::Revoke(number) | Deed::RevokeFromTomorrow(number) => {
            let (gateway, reason) = (member(number).verifying_key().clone(), "stolen".to_owned());
            let is_later = matches!(deed, Deed::RevokeFromTomorrow(_));
            let effective =
                LoggedAt::from_millis(logged_at.millis() + if is_later { 86_400_000 } else { 0 }).unwrap();
            let revocation = Revocation { log: origin.clone(), gateway, effective, reason };
            Some(Entry::GatewayRevoked { logged_at, note: revocation.sign(&operator_key()).unwrap() })
        }
        Deed::Open(number) => {
            let gateway = member(number);
            let opening = StreamOpening {
                log: origin.clone(),
                gateway: gateway.verifying_key().clone(),
                stream: stream_key(stream).verifying_key().clone(),
                previous: None,
            };
            Some(Entry::StreamOpened { logged_at, note: opening.sign(&gateway).unwrap() })
        }
    }
}

async fn check(deeds: Vec<Deed>) {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = vouchlog_sequencer::testing::open(store.clone(), None, &clock).unwrap();
    // The engine enrols its house stream by itself.
    log.checkpoint_after(TreeSize::new(1)).await.unwrap();
    let engine_origin = Origin::new(ENGINE_ORIGIN).unwrap();
    let mut builder = Builder::new();
    for (deed, stream) in deeds.into_iter().zip(100..) {
        let now = LoggedAt::from_millis(clock.now()).unwrap();
        let Some(sent) = entry(deed, &engine_origin, now, stream) else { continue };
        let before = log.sequenced().size();
        let outcome = match sent {
            Entry::GatewayEnrolled { note, .. } => log.enrol(note).await.map(drop),
            Entry::GatewayRevoked { note, .. } => log.revoke(note).await.map(drop),
            Entry::StreamOpened { note, .. } => log.open_stream(note).await.map(drop),
            other => panic!("{other:?}"),
        };
        let same = entry(deed, &origin(), builder.time(), stream).unwrap();
        match outcome {
            Ok(()) if log.sequenced().size() == before => {}
            Ok(()) => {
                builder.push(&same);
            }
            Err(error) => {
                assert!(
                    matches!(
                        error.kind,
                        ErrorKind::PermissionDenied | ErrorKind::FailedPrecondition | ErrorKind::NotFound
                    ),
                    "{deed:?}: {error:?}"
                );
                assert_eq!(log.sequenced().size(), before, "{deed:?}");
                let mut fault = builder.clone();
                fault.push(&same);
                let report = report(Objects::of(&fault.entries)).await;
                let first = report.findings.first();
                let first = first.unwrap_or_else(|| panic!("{deed:?} was refused, and is clean: {error}"));
                assert_eq!(first.proves, Proves::Misconduct, "{deed:?}: {report}");
            }
        }
    }
    let report = report(Objects::of(&builder.entries)).await;
    assert!(report.is_clean(), "{report}");
    let identity = vouchlog_auditor::LogIdentity {
        origin: engine_origin.clone(),
        keys: vec![log.vkey().clone()],
        policy: None,
    };
    let audited = audit(log.clone(), &vouchlog_auditor::Config::new(identity), None, |_| {}).await.unwrap();
    assert!(audited.report.is_clean(), "{}", audited.report);
    log.stop().await;
    let sound = fsck::fsck(&*store, &engine_origin, log.vkey(), |_, _| {}).unwrap();
    assert!(sound.findings.is_empty() && sound.notes.is_empty(), "{sound:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_the_log_takes_is_clean_and_what_it_refuses_is_a_proven_fault(
        deeds in prop::collection::vec(deed(), 1..24),
    ) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(check(deeds));
    }
}
