//! A log that gave up entries: announced, they count as not checked; everything else that is missing is found as ever.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use vouchlog_api::{LogReader, PrunedNotice, Result};
use vouchlog_auditor::{
    AuditError, AuditReport, AuditState, Config, EntryRules, FindingKind, StreamReport, audit,
};
use vouchlog_merkle::{TileId, TreeSize};
use vouchlog_note::SigningKey;
use vouchlog_stream::{Entry, Pruning};

use crate::support::*;

const MINIMUM: u64 = 1_536;
/// The bundles below it that hold nothing but statements of streams that ended there.
const GONE: [u64; 3] = [1, 2, 4];

/// A stream that ends with bundle 2 and is succeeded, its successor with statements to the end of bundle 4, closed behind it, and a third stream, in
/// which `deed` does what it likes; then the announcement, signed by `by`. And the index of that.
fn pruned_log(by: &SigningKey, deed: impl FnOnce(&mut Builder, usize)) -> (Vec<Vec<u8>>, u64) {
    let mut log = Builder::new();
    log.enrol(10);
    let first = log.open(10, 30, None);
    log.statements(first, 765);
    assert_eq!(log.next(), 768);
    let previous = log.previous(first);
    let second = log.open(10, 31, Some(previous));
    log.statements(second, 511);
    assert_eq!(log.next(), 1_280);
    log.close(second);
    let third = log.open(10, 32, None);
    log.statements(third, 300);
    deed(&mut log, third);
    log.statements(third, 300);
    log.now += 1_000;
    log.close(third);
    let pruning = Pruning { log: origin(), minimum: MINIMUM, reason: "kept for 7 years".into() };
    let note = pruning.sign(by).unwrap();
    let index = log.push(&Entry::LogPruned { logged_at: log.time(), note });
    (log.entries, index)
}

fn bundle_path(bundle: u64) -> String {
    format!("tile/entries/{bundle:03}")
}

/// What the log serves once it gave up what it announced.
fn served(entries: &[Vec<u8>], announced: u64) -> Objects {
    let mut objects = Objects::of(entries);
    for bundle in GONE {
        objects.files.remove(&bundle_path(bundle)).unwrap();
    }
    let notice = format!("minimum {MINIMUM}\nannounced {announced}\n");
    objects.files.insert("pruned".into(), notice.into());
    objects
}

fn streams(report: &AuditReport) -> Vec<(bool, bool)> {
    report.streams.iter().map(|StreamReport { complete, pruned, .. }| (*complete, *pruned)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_announced_is_not_checked_and_no_loss() {
    let (entries, index) = pruned_log(&log_key(), |_, _| {});
    let audited = run(served(&entries, index), &config(), None).await;
    let report = &audited.report;
    assert!(report.is_clean(), "{report}");
    let size = entries.len() as u64;
    assert_eq!((report.checked.entries, report.checked.unchecked), (size - 768, 768));
    assert_eq!(streams(report), [(false, true), (false, true), (true, false)]);
    let pruning = report.pruning.as_ref().unwrap();
    assert_eq!(
        (pruning.minimum, pruning.entry, pruning.reason.as_str()),
        (MINIMUM, index, "kept for 7 years")
    );
    assert!(report.to_string().contains("768 entries were pruned and NOT CHECKED"), "{report}");

    // What goes on from there counts them as not checked, too.
    let saved = audited.state.unwrap().to_json();
    let state = AuditState::from_json(saved.as_bytes(), &config().log).unwrap();
    let again = run(served(&entries, index), &config(), Some(state)).await.report;
    assert!(again.is_clean(), "{again}");
    assert_eq!((again.checked.before, again.checked.unchecked), (size - 768, 768));
    assert_eq!(streams(&again), streams(report));
}

#[tokio::test(start_paused = true)]
async fn one_who_read_the_entries_before_knows_them() {
    let (entries, index) = pruned_log(&log_key(), |_, _| {});
    let state = state_of(&entries[..1_700]).await;
    let report = run(served(&entries, index), &config(), Some(state)).await.report;
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.checked.before, report.checked.unchecked), (1_700, 0));
    assert_eq!(streams(&report), [(true, false); 3]);
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_is_found_beside_what_was_given_up() {
    let (entries, index) = pruned_log(&log_key(), |_, _| {});
    let ours = || {
        let mut config = config();
        config.options.entries = EntryRules::Ours;
        config
    };
    let missing = async |config: Config, change: &dyn Fn(&mut Objects)| {
        let mut objects = served(&entries, index);
        change(&mut objects);
        let report = run(objects, &config, None).await.report;
        report.counts.get(&FindingKind::MissingBundle).copied()
    };
    let notice = |text: &'static str| {
        move |objects: &mut Objects| {
            objects.files.insert("pruned".into(), text.into());
        }
    };
    let lost = |bundle: u64| {
        move |objects: &mut Objects| {
            objects.files.remove(&bundle_path(bundle)).unwrap();
        }
    };
    assert_eq!(missing(ours(), &|_| {}).await, None);
    assert_eq!(missing(ours(), &lost(6)).await, Some(1), "above the minimum index");
    assert_eq!(missing(ours(), &lost(0)).await, Some(1), "the genesis entry is never given up");
    for text in ["", "minimum 1536\nannounced 3\n", "minimum 1536\nannounced 99999\n", "<html></html>"] {
        assert_eq!(missing(ours(), &notice(text)).await, Some(3), "{text:?} announces nothing");
    }
    // A tile is never given up. Without it nothing shows that the bundle was the tree's.
    let without_tile = |objects: &mut Objects| drop(objects.files.remove("tile/0/001").unwrap());
    assert_eq!(missing(ours(), &without_tile).await, Some(1));
    let (entries, index) = pruned_log(&operator_key(), |_, _| {});
    let report = run(served(&entries, index), &config(), None).await.report;
    assert_eq!(report.counts.get(&FindingKind::MissingBundle), Some(&3), "another key announces nothing");
    assert_eq!(report.counts.get(&FindingKind::UndecodableEntry), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn a_gap_behind_what_was_given_up_is_still_a_gap() {
    let (entries, index) = pruned_log(&log_key(), |log, third| {
        log.state(third);
    });
    let report = run(served(&entries, index), &config(), None).await.report;
    assert_eq!(report.counts.keys().copied().collect::<Vec<_>>(), [FindingKind::StreamGap], "{report}");
    assert_eq!(streams(&report), [(false, true), (false, true), (false, false)]);
}

/// A log whose checkpoint is an earlier one when it is first asked.
#[derive(Clone, Debug)]
struct Later {
    log: Server,
    first: Arc<Mutex<Option<String>>>,
}

impl LogReader for Later {
    async fn checkpoint(&self) -> Result<String> {
        let first = self.first.lock().unwrap().take();
        match first {
            Some(first) => Ok(first),
            None => self.log.checkpoint().await,
        }
    }

    async fn checkpoint_after(&self, size: TreeSize) -> Result<String> {
        self.log.checkpoint_after(size).await
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        self.log.tile(tile, width).await
    }

    async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes> {
        self.log.entry_bundle(bundle, width).await
    }

    async fn pruned(&self) -> Result<Option<PrunedNotice>> {
        self.log.pruned().await
    }
}

/// A log that announces and gives up entries while it is audited has lost nothing, and is not accused; what is lost besides is still found.
#[tokio::test(start_paused = true)]
async fn what_is_given_up_during_an_audit_is_no_loss() {
    let (entries, index) = pruned_log(&log_key(), |_, _| {});
    let before = &entries[..usize::try_from(index).unwrap()];
    let audited = async |lost: Option<u64>, notice: bool| {
        let mut objects = served(&entries, index);
        for (path, bytes) in Objects::of(before).files {
            let is_gone = GONE.iter().any(|bundle| path == bundle_path(*bundle));
            if !is_gone {
                objects.files.entry(path).or_insert(bytes);
            }
        }
        if let Some(bundle) = lost {
            objects.files.remove(&bundle_path(bundle)).unwrap();
        }
        if !notice {
            objects.files.remove("pruned").unwrap();
        }
        let first = Arc::new(Mutex::new(Objects::of(before).checkpoint));
        audit(Later { log: objects.into(), first }, &config(), None, |_| {}).await
    };
    let outcome = audited(None, true).await;
    assert!(
        matches!(&outcome, Err(AuditError::Read(error)) if error.message.contains("audit it again")),
        "{outcome:?}"
    );
    for (lost, notice, count) in [(None, false, 3), (Some(6), true, 4), (Some(0), true, 4)] {
        let report = audited(lost, notice).await.unwrap().report;
        assert_eq!(report.counts.get(&FindingKind::MissingBundle), Some(&count), "{lost:?} {notice}");
    }
}
