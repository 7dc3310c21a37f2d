//! Conditional writes one by one: creates, swaps and the probe, over a store that fails.

use bytes::Bytes;
use vouchlog_storage::StoreError;
use vouchlog_storage_object::{Content, RACERS, Swapped, probe};

use crate::faulty::{Fault, Faulty, Operation};
use crate::pair::{self, Place, azure, over, s3};

const ONE: Bytes = Bytes::from_static(b"one");
const TWO: Bytes = Bytes::from_static(b"two, which is longer");

/// The first requests of a kind fail.
fn first(count: u64, of: Operation, fault: Fault) -> impl Fn(u64, Operation) -> Option<Fault> {
    let seen = std::sync::atomic::AtomicU64::new(0);
    move |_, operation| {
        let is_one = operation == of;
        (is_one && seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < count).then_some(fault)
    }
}

#[tokio::test]
async fn a_create_survives_every_fault_that_passes() {
    for fault in [Fault::Busy, Fault::InProgress, Fault::LostAnswer, Fault::Hang] {
        let store = Faulty::new(first(2, Operation::Create, fault));
        let bucket = over(store.clone());
        bucket.create("tile/0/000", &ONE, Content::Tile).await.unwrap();
        assert_eq!(bucket.get("tile/0/000", 100).await.unwrap().unwrap().bytes, ONE, "{fault:?}");
        // Again, as after a crash.
        bucket.create("tile/0/000", &ONE, Content::Tile).await.unwrap();
    }
}

#[tokio::test]
async fn other_bytes_are_a_conflict_whatever_was_answered() {
    for fault in [None, Some(Fault::LostAnswer), Some(Fault::Busy), Some(Fault::Hang)] {
        for other in [TWO, Bytes::from_static(b"two")] {
            let store = Faulty::new(|_, _| None);
            over(store.objects()).create("tile/0/000", &other, Content::Tile).await.unwrap();
            store.plan(move |request, _| fault.filter(|_| request == 0));
            let bucket = over(store);
            let error = bucket.create("tile/0/000", &ONE, Content::Tile).await.unwrap_err();
            assert!(matches!(error, StoreError::Conflict(_)), "{fault:?}: {error}");
            assert!(error.to_string().contains("memory:/tile/0/000"), "{error}");
            assert_eq!(bucket.get("tile/0/000", 100).await.unwrap().unwrap().bytes, other);
        }
    }
}

#[tokio::test]
async fn what_does_not_pass_ends_in_an_error_and_never_in_success() {
    for fault in [Fault::Busy, Fault::InProgress, Fault::Hang] {
        let store = Faulty::new(move |_, operation| (operation == Operation::Create).then_some(fault));
        let error = over(store.clone()).create("tile/0/000", &ONE, Content::Tile).await.unwrap_err();
        assert!(matches!(error, StoreError::ObjectStore(_)), "{error}");
        assert!(store.requests() > 2, "{fault:?} is tried again");
        assert!(!over(store.objects()).exists("tile/0/000").await.unwrap());
    }
    let refused = Faulty::new(|_, _| Some(Fault::Forbidden));
    let error = over(refused.clone()).create("tile/0/000", &ONE, Content::Tile).await.unwrap_err();
    assert!(error.to_string().contains("InvalidAccessKeyId"), "{error}");
    assert_eq!(refused.requests(), 1, "a refusal is not tried again");
    // The answer is lost each time, and so is that of each comparison: nothing is known.
    let silent = Faulty::new(|_, _| Some(Fault::LostAnswer));
    assert!(over(silent).create("tile/0/000", &ONE, Content::Tile).await.is_err());
}

#[tokio::test]
async fn a_read_is_whole_or_an_error() {
    let store = Faulty::new(|_, _| None);
    let bucket = over(store.clone());
    bucket.create("tile/0/000", &TWO, Content::Tile).await.unwrap();
    for fault in [Fault::Busy, Fault::LostAnswer, Fault::Hang, Fault::CutShort] {
        store.plan(first(2, Operation::Read, fault));
        assert_eq!(bucket.get("tile/0/000", 100).await.unwrap().unwrap().bytes, TWO, "{fault:?}");
        store.plan(move |_, _| Some(fault));
        let error = bucket.get("tile/0/000", 100).await.unwrap_err();
        assert!(matches!(error, StoreError::ObjectStore(_)), "{fault:?}: {error}");
        assert!(bucket.exists("tile/0/000").await.is_err() || fault == Fault::CutShort);
    }
    store.plan(|_, _| None);
    assert!(bucket.get("tile/0/001", 100).await.unwrap().is_none());
    let error = bucket.get("tile/0/000", TWO.len() - 1).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
}

/// What a swap came to, in a word.
fn word(swapped: &Swapped) -> &'static str {
    match swapped {
        Swapped::Done(_) => "done",
        Swapped::Moved(_) => "moved",
    }
}

#[tokio::test]
async fn a_swap_replaces_what_was_expected_and_nothing_else() {
    for fault in
        [None, Some(Fault::Busy), Some(Fault::InProgress), Some(Fault::LostAnswer), Some(Fault::Hang)]
    {
        let store = Faulty::new(|_, _| None);
        let bucket = over(store.clone());
        let swap = async |bytes: &Bytes, expected: Option<&vouchlog_storage_object::VersionedObject>| {
            if let Some(fault) = fault {
                let writes = std::sync::atomic::AtomicU64::new(0);
                store.plan(move |_, operation| {
                    let is_first = operation != Operation::Read
                        && writes.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
                    is_first.then_some(fault)
                });
            }
            bucket.swap("checkpoint", bytes, expected, Content::Checkpoint).await.unwrap()
        };
        let created = swap(&ONE, None).await;
        let Swapped::Done(first) = created else { panic!("{fault:?}: it was not created") };
        assert_eq!(word(&swap(&TWO, None).await), "moved", "{fault:?}: there is one already");
        let Swapped::Done(second) = swap(&TWO, Some(&first)).await else {
            panic!("{fault:?}: it is the expected one")
        };
        let third = Bytes::from_static(b"three");
        let Swapped::Moved(Some(found)) = swap(&third, Some(&first)).await else {
            panic!("{fault:?}: it is outdated")
        };
        assert_eq!(found.bytes, TWO);
        assert_eq!(word(&swap(&third, Some(&second)).await), "done", "{fault:?}");
        assert_eq!(bucket.get("checkpoint", 100).await.unwrap().unwrap().bytes, third);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_finds_a_bucket_that_keeps_its_conditions() {
    let memory = over(Faulty::new(|_, _| None));
    let (dir, servers) = (tempfile::tempdir().unwrap(), s3().into_iter().chain(azure()));
    let mut buckets = vec![memory, pair::folder(dir.path())];
    buckets.extend(servers.map(|server| Place::new(&server).bucket()));
    for bucket in buckets {
        let found = probe(&bucket).await.unwrap();
        assert!(found.holds() && found.left_behind.is_none(), "{}: {found:?}", bucket.url());
        assert_eq!((found.creates_won, found.swaps_won), (1, 1), "{}", bucket.url());
    }
    assert_eq!(
        std::fs::read_dir(dir.path())
            .unwrap()
            .filter(|it| !it.as_ref().unwrap().file_name().eq(".lock"))
            .count(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_finds_conditions_that_are_ignored() {
    let ignores =
        |of: Operation| Faulty::new(move |_, operation| (operation == of).then_some(Fault::Unconditional));
    let creates = probe(&over(ignores(Operation::Create))).await.unwrap();
    assert_eq!(creates.creates_won, RACERS);
    assert!(!creates.holds() && creates.findings[0].contains("If-None-Match"), "{creates:?}");
    let swaps = probe(&over(ignores(Operation::Swap))).await.unwrap();
    assert_eq!((swaps.creates_won, swaps.swaps_won), (1, RACERS));
    assert!(!swaps.holds() && swaps.findings[0].contains("If-Match"), "{swaps:?}");
    // One that slips through a race is found afterwards.
    let third = Faulty::new(|request, operation| {
        (operation == Operation::Create && request >= RACERS as u64).then_some(Fault::Unconditional)
    });
    assert!(!probe(&over(third)).await.unwrap().holds());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_of_a_bucket_that_fails_has_no_result() {
    for fault in [Fault::Busy, Fault::Forbidden, Fault::Hang] {
        assert!(probe(&over(Faulty::new(move |_, _| Some(fault)))).await.is_err(), "{fault:?}");
    }
    // Lost answers and requests in progress are no winners, and no reason to refuse a bucket.
    let lost = Faulty::new(|request, _| (request % 7 == 3).then_some(Fault::LostAnswer));
    assert!(probe(&over(lost)).await.unwrap().holds());
}
