//! A log that stopped, at every size where something becomes full, comes back as it was.

use std::sync::Arc;

use vouchlog_api::{LogReader, proof};
use vouchlog_note::Origin;
use vouchlog_storage::MemoryStore;

use crate::testing::{ORIGIN, TestClock, TestGateway, open, statements};
use crate::{EngineError, fsck};

const T: u64 = 1_767_225_600;

/// Stops a log at a size, cleanly or not, and goes on: heads before and after are consistent, the stream continues.
async fn check(size: u64, clean: bool) {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(store.clone(), None, &clock).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let count = size.saturating_sub(log.sequenced().size().get());
    for part in 0..count.div_ceil(16_000) {
        let count = usize::try_from((count - part * 16_000).min(16_000)).unwrap();
        gateway.send(&log, statements(count, part), T).await.unwrap();
    }
    let before = log.sequenced().head.clone();
    if clean {
        log.stop().await;
    }
    let store = Arc::new(store.reopen());
    let log = open(store.clone(), None, &clock).unwrap();
    let after = log.sequenced().head.clone();
    if !clean {
        assert_eq!(before, after);
    }
    gateway.send(&log, statements(3, 77), T).await.unwrap();
    let now = log.sequenced().head.clone();
    for head in [&before, &after] {
        let proof = proof::consistency(&log, head.tree.size, now.tree.size).await.unwrap();
        proof.verify(&head.tree, &now.tree).unwrap();
    }
    assert!(log.checkpoint().await.unwrap().starts_with(ORIGIN));
    log.stop().await;
    let report = fsck::fsck(&store, &Origin::new(ORIGIN).unwrap(), log.vkey(), |_, _| {}).unwrap();
    assert_eq!(report.findings, [], "at size {size}");
}

#[tokio::test]
async fn around_the_sizes_where_bundles_and_tiles_fill() {
    for size in [4, 5, 254, 255, 256, 257, 258, 511, 512, 513, 1024] {
        check(size, false).await;
        check(size, true).await;
    }
}

#[tokio::test]
async fn around_the_size_where_a_tile_of_level_1_fills() {
    for size in [65_535, 65_536, 65_537] {
        check(size, size % 2 == 0).await;
    }
}

#[tokio::test]
async fn another_key_origin_or_operator_is_refused() {
    use crate::testing::{config, key};
    use prometheus_client::registry::Registry;
    use vouchlog_note::SignatureType;

    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(store.clone(), None, &clock).unwrap();
    log.stop().await;
    let with = |change: fn(&mut crate::Config)| {
        let mut config = config(&clock, crate::Options::default());
        change(&mut config);
        crate::Engine::open(config, store.reopen(), None, &mut Registry::default()).unwrap_err()
    };
    assert!(matches!(with(|c| c.log_key = key(ORIGIN, SignatureType::Ed25519, 9)), EngineError::LogKey(_)));
    let operator = |c: &mut crate::Config| c.operator_key = Some(key("x", SignatureType::Ed25519, 9));
    assert!(matches!(with(operator), EngineError::OperatorKey { .. }));
    assert!(matches!(with(|c| c.origin = Origin::new("other").unwrap()), EngineError::Key(_)));
    assert!(matches!(
        with(|c| c.log_key = key(ORIGIN, SignatureType::CosignatureEd25519, 1)),
        EngineError::Key(_)
    ));
}

#[tokio::test]
async fn fsck_names_what_was_altered() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(store.clone(), None, &clock).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateway.send(&log, statements(1_000, 1), T).await.unwrap();
    log.stop().await;
    let origin = Origin::new(ORIGIN).unwrap();
    // The digest of the tenth entry of the second bundle.
    store.corrupt_bundle(1, 10 * 56 + 30);
    let report = fsck::fsck(&store, &origin, log.vkey(), |_, _| {}).unwrap();
    let codes: Vec<_> = report.findings.iter().map(|finding| finding.code.name()).collect();
    assert_eq!(codes, ["entry", "root", "root", "stream", "root", "state"], "{:?}", report.findings);
    assert!(report.findings[0].message.contains("entry 266"), "{:?}", report.findings);
}
