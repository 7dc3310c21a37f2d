//! Logs that sign what they must not: two trees of one size, a tree that forgets, a root of nothing.

use super::*;

/// The honest log with one entry rewritten, and the tree rebuilt and signed anew.
fn rewritten(at: usize) -> Vec<Vec<u8>> {
    let mut entries = HONEST.clone();
    entries[at][30] ^= 1;
    entries
}

#[tokio::test]
async fn a_root_that_is_not_that_of_the_entries() {
    let mut objects = Objects::of(&HONEST);
    let head = TreeHead { size: TreeSize::new(HONEST.len() as u64), root: leaf_hash(b"anything") };
    objects.checkpoint = Some(checkpoint(head, &[1], BEGIN / 1000));
    let place = at_checkpoint(HONEST.len() as u64);
    check(objects, Kind::WrongRoot, place, Proves::Observation).await;
}

#[tokio::test]
async fn a_log_that_went_back() {
    let state = state_of(&HONEST).await;
    let old = Objects::of(&HONEST[..3_000]);
    let audited = run(old, &config(), Some(state.clone())).await;
    check_report(&audited.report, Kind::ShrunkenLog, &at_checkpoint(3_000), Proves::Observation);
    assert_eq!(audited.state, Some(state), "what was verified is not forgotten");
}

#[tokio::test]
async fn two_trees_of_one_size() {
    let state = state_of(&HONEST).await;
    let place = at_checkpoint(HONEST.len() as u64);
    let forked = Objects::of(&rewritten(2_000));
    check_with(forked.clone(), &config(), Some(state), Kind::SplitView, place.clone(), Proves::Misconduct)
        .await;
    let mut config = config();
    config.witnessed = vec![checkpoint(head_of(&HONEST), &[1], BEGIN / 1000)];
    check_with(forked, &config, None, Kind::SplitView, place, Proves::Misconduct).await;
}

#[tokio::test]
async fn a_history_that_was_rewritten() {
    for old in [300, 1_024, 3_000] {
        let state = state_of(&HONEST[..old]).await;
        let place = at_checkpoint(HONEST.len() as u64);
        let forked = Objects::of(&rewritten(200));
        let kind = Kind::InconsistentHeads;
        check_with(forked.clone(), &config(), Some(state), kind, place.clone(), Proves::Misconduct).await;
        let mut config = config();
        config.witnessed = vec![checkpoint(head_of(&HONEST[..old]), &[2], BEGIN / 1000)];
        check_with(forked, &config, None, kind, place, Proves::Misconduct).await;
    }
}

#[tokio::test]
async fn a_history_that_was_rewritten_and_cut() {
    let state = state_of(&HONEST).await;
    let mut forked = Objects::of(&rewritten(200)[..3_000]);
    // It still serves the tiles of the larger tree, as a server that keeps files would.
    for (path, bytes) in Objects::tree(&HONEST).files {
        forked.files.entry(path).or_insert(bytes);
    }
    let audited = run(forked, &config(), Some(state)).await;
    let kinds: Vec<_> = audited.report.findings.iter().map(|finding| finding.kind).collect();
    assert!(kinds.contains(&Kind::ShrunkenLog), "{}", audited.report);
}

#[tokio::test]
async fn a_rewritten_history_after_the_last_audit_is_judged_by_its_entries() {
    let state = state_of(&HONEST[..3_000]).await;
    let honest = run(Objects::of(&HONEST), &config(), Some(state)).await;
    assert!(honest.report.is_clean(), "{}", honest.report);
    assert_eq!(honest.report.checked.before, 3_000);
}
