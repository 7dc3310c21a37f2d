//! What is read ahead of the walk: so many bundles at a time and no more, checked in the order of the log, and given up with the audit.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use vouchlog_api::{LogReader, Result};
use vouchlog_auditor::audit;
use vouchlog_merkle::{TileId, TreeSize};

use crate::support::*;

/// Generous: the condition is met at once, unless it never is.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a log does with a request for a bundle, before it answers it.
#[derive(Clone, Copy, Debug)]
enum Bundles {
    /// Of four in a row, the last is there first.
    Reversed,
    Hang,
    Panic,
}

/// A log that counts the bundles that are being read.
#[derive(Clone, Debug)]
struct Counting {
    log: Server,
    bundles: Bundles,
    reads: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

/// One that is being read.
struct Read(Arc<AtomicUsize>);

impl Drop for Read {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Counting {
    fn of(entries: &[Vec<u8>], bundles: Bundles) -> Self {
        let log = Server::from(Objects::of(entries));
        Self { log, bundles, reads: Arc::default(), most: Arc::default() }
    }
}

impl LogReader for Counting {
    async fn checkpoint(&self) -> Result<String> {
        self.log.checkpoint().await
    }

    async fn checkpoint_after(&self, size: TreeSize) -> Result<String> {
        self.log.checkpoint_after(size).await
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        self.log.tile(tile, width).await
    }

    async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes> {
        let reads = self.reads.fetch_add(1, Ordering::SeqCst) + 1;
        let _read = Read(self.reads.clone());
        self.most.fetch_max(reads, Ordering::SeqCst);
        match self.bundles {
            Bundles::Reversed => {
                for _ in 0..8 * (3 - bundle % 4) {
                    tokio::task::yield_now().await;
                }
            }
            Bundles::Hang => std::future::pending().await,
            Bundles::Panic => panic!("a reader of a test"),
        }
        self.log.entry_bundle(bundle, width).await
    }
}

#[tokio::test]
async fn bundles_are_checked_in_the_order_of_the_log() {
    let mut entries = honest_log();
    for flaw in [false, true] {
        if flaw {
            // The last entry of a bundle and the first of the next change places.
            entries.swap(255, 256);
        }
        let expected = report(Objects::of(&entries)).await;
        assert_eq!(expected.is_clean(), !flaw, "{expected}");
        for in_flight in [1, 2, 4, 8] {
            let (log, mut config) = (Counting::of(&entries, Bundles::Reversed), config());
            config.options.in_flight = in_flight;
            let done = AtomicU64::new(0);
            let audited = audit(log.clone(), &config, None, |step| {
                assert!(done.swap(step.done, Ordering::Relaxed) <= step.done, "it goes on in order");
            });
            let report = audited.await.unwrap().report;
            assert_eq!(report.findings, expected.findings, "{in_flight}");
            assert_eq!(report.checked.entries, expected.checked.entries);
            let most = log.most.load(Ordering::SeqCst);
            assert!(most <= in_flight && (most > 1) == (in_flight > 1), "{most} of {in_flight} at once");
        }
    }
}

#[tokio::test]
async fn an_audit_that_is_given_up_reads_no_more() {
    let (log, mut config) = (Counting::of(&honest_log(), Bundles::Hang), config());
    config.options.in_flight = 2;
    let reads = log.reads.clone();
    let reach = async |wanted| {
        while reads.load(Ordering::SeqCst) != wanted {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = audit(log, &config, None, |_| {}) => panic!("it cannot end"),
        reached = tokio::time::timeout(PATIENCE, reach(2)) => reached.unwrap(),
    }
    tokio::time::timeout(PATIENCE, reach(0)).await.expect("its reads are given up, too");
}

#[tokio::test]
async fn a_panic_of_a_reader_is_one_of_the_audit() {
    let (log, config) = (Counting::of(&honest_log(), Bundles::Panic), config());
    assert!(AssertUnwindSafe(audit(log, &config, None, |_| {})).catch_unwind().await.is_err());
}
