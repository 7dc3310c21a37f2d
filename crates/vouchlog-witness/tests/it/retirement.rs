//! A log that has ended is cosigned up to its end, whoever signs beyond it.

use std::sync::Arc;

use vouchlog_api::{ErrorKind, Witness as _};
use vouchlog_note::{SignatureType, SigningKey};
use vouchlog_witness::RefusalReason;

use crate::world::{START, TestLog, World, key, memory};

const ORIGIN: &str = "log.example.com/a";

fn successor() -> SigningKey {
    key("log.example.com/b", SignatureType::Ed25519, 0x44)
}

#[tokio::test]
async fn nothing_beyond_the_end_is_cosigned_not_even_after_a_restart() {
    let log = TestLog::new(ORIGIN, 20);
    let (ended, proof) = log.retired(&successor());
    let (end, thief) = (ended.size(), ended.continued(5));
    let store = memory();
    let world = World::open(store.clone(), &[&log]);
    world.ask(log.request(0, 20)).await.unwrap();
    // A log sends its last head by itself; until then there is no end to take note of.
    let early = world.witness.retire_log(proof.to_text()).await.unwrap_err();
    assert_eq!(early.kind, ErrorKind::Conflict { size: 20 });
    world.ask(ended.request(20, end)).await.unwrap();
    let lines = world.witness.retire_log(proof.to_text()).await.unwrap();
    assert_eq!(lines.lines().count(), world.witness.vkeys().len());
    // The same again, and the final head again: cosigned with a newer time.
    world.witness.retire_log(proof.to_text()).await.unwrap();
    world.clock.set(START + 300);
    world.ask(ended.request(end, end)).await.unwrap();
    for old in [end, end + 1] {
        let refused = world.ask(thief.request(old, end + 5)).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Retired, "{refused}");
    }
    assert_eq!(world.ask(ended.request(3, 20)).await.unwrap_err().kind, ErrorKind::Conflict { size: end });
    let other = world.ask(ended.forked_at(4).request(end, end)).await.unwrap_err();
    assert_eq!(other.kind, ErrorKind::Inconsistent);
    world.witness.stop().await;
    let reasons: Vec<_> = world.refusals.lock().iter().map(|refusal| refusal.reason).collect();
    assert_eq!(reasons, [RefusalReason::AfterRetirement, RefusalReason::OtherRoot]);
    let kept = world.refusals.lock()[0].clone();
    assert!(kept.latest.unwrap().starts_with(&format!("{ORIGIN}\n{end}\n")));
    drop(world);

    let world = World::open(Arc::new(store.reopen()), &[&log]);
    let refused = world.ask(thief.request(end, end + 5)).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Retired, "{refused}");
    world.ask(ended.request(end, end)).await.unwrap();
    assert_eq!(world.latest(&log).await.unwrap().head().size.get(), end);
    assert!(world.metrics().contains("outcome=\"retired\""), "{}", world.metrics());
}

/// The thief was faster: the witness cosigned beyond the end, or another tree. Given the proof, it cosigns no more.
#[tokio::test]
async fn a_witness_that_cosigned_beyond_the_end_stops_where_it_is() {
    for forks in [false, true] {
        let log = TestLog::new(ORIGIN, 20);
        let (ended, proof) = log.retired(&successor());
        let thief = if forks { log.forked_at(7).continued(10) } else { ended.continued(10) };
        let world = World::open(memory(), &[&log]);
        world.ask(thief.request(0, 25)).await.unwrap();
        let told = world.witness.retire_log(proof.to_text()).await.unwrap_err();
        assert_eq!(told.kind, ErrorKind::Conflict { size: 25 }, "{told}");
        let refused = world.ask(thief.request(25, 28)).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Retired, "{refused}");
        // What it cosigned stays there for monitors, as evidence.
        assert_eq!(world.latest(&log).await.unwrap().head(), thief.head(25));
    }
}

#[tokio::test]
async fn only_the_log_and_its_successor_end_a_log() {
    let log = TestLog::new(ORIGIN, 20);
    let (ended, proof) = log.retired(&successor());
    let world = World::open(memory(), &[&log]);
    world.ask(ended.request(0, ended.size())).await.unwrap();
    let proof = proof.to_text();
    // Another key under the log's name, with a tree of its own.
    let mut namesake = log.clone();
    namesake.key = key(ORIGIN, SignatureType::Ed25519, 0x55);
    let (_, forged) = namesake.retired(&successor());
    let refused = world.witness.retire_log(forged.to_text()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::PermissionDenied, "{refused}");
    // A log that the witness does not know.
    let (_, unknown) = TestLog::new("log.example.com/c", 3).retired(&successor());
    let refused = world.witness.retire_log(unknown.to_text()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NotFound, "{refused}");
    for (broken, kind) in [
        (proof.replacen("index 20", "index 19", 1), ErrorKind::InvalidArgument),
        (proof.lines().take(4).collect(), ErrorKind::InvalidArgument),
        (String::new(), ErrorKind::InvalidArgument),
    ] {
        assert_eq!(world.witness.retire_log(broken).await.unwrap_err().kind, kind);
    }
    // It goes on as before.
    let more = ended.continued(2);
    world.ask(more.request(ended.size(), ended.size() + 2)).await.unwrap();
}
