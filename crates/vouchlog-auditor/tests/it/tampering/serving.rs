//! Faults of whoever serves an honest log: the signature is right, what is served is not.

use bytes::Bytes;
use vouchlog_api::{Error, LogReader, Result};
use vouchlog_auditor::audit;
use vouchlog_merkle::TileId;
use vouchlog_runtime::UnixSeconds;

use super::*;

const BUNDLE: &str = "tile/entries/005";
const FIRST: u64 = 5 * 256;

fn objects() -> Objects {
    Objects::of(&HONEST)
}

fn last_bundle(objects: &Objects) -> String {
    objects
        .files
        .keys()
        .find(|path| path.starts_with("tile/entries/") && path.contains(".p/"))
        .unwrap()
        .clone()
}

async fn check_bundle(change: impl FnOnce(&mut Vec<Vec<u8>>), kind: Kind, at: u64) {
    let mut objects = objects();
    objects.change_entries(BUNDLE, change);
    check(objects, kind, in_bundle(BUNDLE, FIRST + at), Proves::Observation).await;
}

#[tokio::test]
async fn an_altered_entry() {
    check_bundle(|entries| entries[200][30] ^= 0x10, Kind::AlteredEntry, 200).await;
    check_bundle(|entries| entries[0].push(7), Kind::AlteredEntry, 0).await;
    check_bundle(|entries| entries[9] = Vec::new(), Kind::AlteredEntry, 9).await;
}

#[tokio::test]
async fn an_altered_entry_of_the_last_bundle() {
    let mut objects = objects();
    let (path, first) = (last_bundle(&objects), HONEST.len() as u64 / 256 * 256);
    objects.change_entries(&path, |entries| entries[3][30] ^= 1);
    check(objects, Kind::AlteredEntry, in_bundle(&path, first + 3), Proves::Observation).await;
}

#[tokio::test]
async fn one_altered_bundle_is_one_finding() {
    let mut objects = objects();
    objects.change_entries(BUNDLE, |entries| entries.iter_mut().for_each(|entry| entry[30] ^= 1));
    let report = report(objects).await;
    assert_eq!(report.findings.len(), 1, "{report}");
    assert_eq!(report.counts, [(Kind::AlteredEntry, 1)].into());
}

#[tokio::test]
async fn a_removed_entry() {
    let next = HONEST[usize::try_from(FIRST).unwrap() + 256].clone();
    let remove = |entries: &mut Vec<Vec<u8>>| {
        entries.remove(100);
        entries.push(next);
    };
    check_bundle(remove, Kind::RemovedEntry, 100).await;
    check_bundle(|entries| drop(entries.remove(100)), Kind::RemovedEntry, 100).await;
}

#[tokio::test]
async fn an_entry_removed_from_the_whole_log_is_one_finding() {
    let mut entries = HONEST.clone();
    let last = entries.last().unwrap().clone();
    entries.remove(1_000);
    entries.push(last);
    let mut shifted = Objects::tree(&entries);
    let honest = objects();
    shifted.files.retain(|path, _| path.starts_with("tile/entries/"));
    let mut served = honest.clone();
    served.files.extend(shifted.files);
    let report = report(served).await;
    check_report(&report, Kind::RemovedEntry, &in_bundle("tile/entries/003", 1_000), Proves::Observation);
    assert!(report.findings[0].consequences >= 15, "{report}");
    assert!(report.findings.len() <= 2, "{report}");
}

#[tokio::test]
async fn an_inserted_entry() {
    check_bundle(|entries| entries.insert(50, b"nobody's".to_vec()), Kind::InsertedEntry, 50).await;
    let mut objects = objects();
    objects.change(BUNDLE, |bytes| bytes.extend_from_slice(b"x"));
    check(objects, Kind::InsertedEntry, in_bundle(BUNDLE, FIRST + 256), Proves::Observation).await;
}

#[tokio::test]
async fn entries_in_another_order() {
    check_bundle(|entries| entries.swap(20, 21), Kind::ReorderedEntries, 20).await;
    check_bundle(|entries| entries.reverse(), Kind::ReorderedEntries, 0).await;
}

#[tokio::test]
async fn two_bundles_exchanged() {
    let mut objects = objects();
    let (one, other) = (objects.files[BUNDLE].clone(), objects.files["tile/entries/006"].clone());
    objects.files.insert(BUNDLE.into(), other);
    objects.files.insert("tile/entries/006".into(), one);
    check(objects, Kind::AlteredEntry, in_bundle(BUNDLE, FIRST), Proves::Observation).await;
}

#[tokio::test]
async fn a_truncated_bundle() {
    check_bundle(|entries| entries.truncate(30), Kind::TruncatedBundle, 30).await;
    let mut objects = objects();
    objects.change(BUNDLE, |bytes| bytes.truncate(bytes.len() - 1));
    check(objects, Kind::TruncatedBundle, in_bundle(BUNDLE, FIRST + 255), Proves::Observation).await;
}

#[tokio::test]
async fn a_missing_bundle() {
    let mut objects = objects();
    objects.files.remove(BUNDLE);
    check(objects, Kind::MissingBundle, at_tile(BUNDLE), Proves::Observation).await;
}

#[tokio::test]
async fn every_bundle_missing() {
    let mut objects = objects();
    objects.files.retain(|path, _| !path.starts_with("tile/entries/"));
    let report = report(objects).await;
    check_report(&report, Kind::MissingBundle, &at_tile("tile/entries/000"), Proves::Observation);
    assert_eq!(report.findings.len(), 16, "{report}");
    assert_eq!(report.counts[&Kind::MissingBundle], HONEST.len().div_ceil(256) as u64);
}

/// A log can sign a tree of any size. An audit of one that it does not have ends, and says what was not read.
#[tokio::test]
async fn a_tree_that_nobody_can_have() {
    for mut objects in [objects(), Objects::default()] {
        objects.checkpoint = Some(signed_head(1 << 39));
        let served = objects.files.len() as u64;
        let report = report(objects).await;
        let missing = report.counts[&Kind::MissingBundle];
        assert!((1_024..2_048 + served).contains(&missing), "{report}");
        assert!(!report.is_clean(), "{report}");
    }
}

/// A checkpoint of the log over a tree that does not exist.
fn signed_head(size: u64) -> String {
    let size = vouchlog_merkle::TreeSize::new(size);
    let head = vouchlog_merkle::TreeHead { size, root: vouchlog_merkle::EMPTY_ROOT };
    checkpoint(head, &[1, 2], BEGIN / 1000 + 7200)
}

/// Whatever is asked for, this log has something.
#[derive(Clone, Debug)]
struct Junk(String);

impl LogReader for Junk {
    async fn checkpoint(&self) -> Result<String> {
        Ok(self.0.clone())
    }

    async fn checkpoint_after(&self, _size: TreeSize) -> Result<String> {
        Err(Error::unavailable("this log does not grow"))
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        Ok(vec![u8::try_from(tile.index % 251).unwrap(); usize::from(width) * 32].into())
    }

    async fn entry_bundle(&self, index: u64, width: u16) -> Result<Bytes> {
        Ok([0, 1, u8::try_from(index % 241).unwrap()].repeat(width.into()).into())
    }
}

/// Entries of the right form that are in no tree must not keep an audit going either.
#[tokio::test]
async fn junk_without_end() {
    let audited = audit(Junk(signed_head(1 << 39)), &config(), None, |_| {}).await.unwrap();
    let wrong: u64 = audited.report.counts.values().sum();
    assert!((1_024..10_000).contains(&wrong), "{}", audited.report);
    assert!(audited.state.is_none() && audited.report.to_string().contains("were not asked for"));
}

/// Whatever answers in place of the log may be a server that only the auditor reaches: what it says is not handed on.
#[tokio::test]
async fn what_is_not_the_logs_never_goes_into_evidence() {
    const SECRET: &str = "INTERNAL-SECRET-DATA";
    let framed = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let bundle = framed(SECRET.as_bytes()).repeat(256);
    let mut all = vec![objects(), objects(), objects(), objects()];
    all[0].checkpoint = Some(SECRET.to_owned());
    all[1].checkpoint = Some(format!("{SECRET}\n7\nAAAA\n\n\u{2014} a AAAA\n"));
    all[2].change(BUNDLE, |bytes| *bytes = bundle.clone());
    all[3].change("tile/0/005", |bytes| *bytes = SECRET.repeat(500).into_bytes()[..8_192].to_vec());
    for objects in all {
        let report = report(objects).await;
        assert!(!report.is_clean());
        for finding in &report.findings {
            let json = finding.evidence.to_json();
            let is_in = |text: &str| json.contains(text) || finding.to_string().contains(text);
            let encoded = "SU5URVJOQUwtU0VDUkVULURBVE";
            assert!(!is_in(SECRET) && !is_in(encoded), "{json}");
            let file = EvidenceFile::from_json(json.as_bytes()).unwrap();
            assert!(matches!(verify_finding(&file, &identity()), Verdict::Observed { .. }), "{json}");
        }
    }
}

/// A tree of equal entries can have any size, and all of its tiles are sound. Nothing of it is read.
#[tokio::test]
async fn a_size_that_no_log_can_have() {
    for size in [(1 << 40) + 1, 1 << 62] {
        let mut objects = objects();
        objects.checkpoint = Some(signed_head(size));
        let report = report(objects).await;
        check_report(&report, Kind::ImpossibleSize, &at_checkpoint(size), Proves::Observation);
        assert_eq!((report.findings.len(), report.checked.entries), (1, 0), "{report}");
    }
    let mut config = config();
    config.options.max_entries = HONEST.len() as u64 - 1;
    let report = run(objects(), &config, None).await.report;
    assert_eq!(report.findings[0].kind, Kind::ImpossibleSize, "{report}");
}

/// A damaged tile is one finding at that tile, and never also an altered entry.
#[tokio::test]
async fn a_damaged_tile_of_every_level() {
    let honest = objects();
    let of_level =
        |level: &'static str| honest.files.keys().filter(move |path| path.starts_with(level)).cloned();
    // Of the lowest level some and the partial one at its end, of the others all.
    let tiles = of_level("tile/0/").step_by(28).chain(of_level("tile/0/").last());
    let tiles: Vec<_> = tiles.chain(of_level("tile/1/")).chain(of_level("tile/2/")).collect();
    assert!(tiles.iter().any(|path| path.contains(".p/")) && tiles.len() > 5, "{tiles:?}");
    for path in tiles {
        let mut objects = honest.clone();
        objects.change(&path, |bytes| *bytes.last_mut().unwrap() ^= 4);
        let found = report(objects).await;
        assert_eq!(found.findings.len(), 1, "{path}: {found}");
        check_report(&found, Kind::TileParentMismatch, &at_tile(&path), Proves::Observation);
        let mut objects = honest.clone();
        objects.files.remove(&path);
        let found = report(objects).await;
        assert_eq!(found.findings.len(), 1, "{path}: {found}");
        check_report(&found, Kind::MissingTile, &at_tile(&path), Proves::Observation);
        let mut objects = honest.clone();
        objects.change(&path, |bytes| bytes.truncate(31));
        check(objects, Kind::TruncatedTile, at_tile(&path), Proves::Observation).await;
    }
}

/// A log with full tiles of level 1, so that each kind of tile has one above it.
#[tokio::test]
async fn a_damaged_full_tile_of_level_1() {
    let entries: Vec<Vec<u8>> = (0..66_000u32).map(|i| i.to_be_bytes().to_vec()).collect();
    let honest = Objects::of(&entries);
    assert!(report(honest.clone()).await.is_clean());
    for path in ["tile/1/000", "tile/0/200", "tile/2/000.p/1", "tile/1/001.p/1", "tile/0/257.p/208"] {
        let mut objects = honest.clone();
        objects.change(path, |bytes| bytes[31] ^= 4);
        let found = report(objects).await;
        assert_eq!(found.findings.len(), 1, "{path}: {found}");
        check_report(&found, Kind::TileParentMismatch, &at_tile(path), Proves::Observation);
    }
}

#[tokio::test]
async fn a_bundle_and_its_tile_replaced_together() {
    let mut entries = HONEST.clone();
    entries[1_300][30] ^= 1;
    let forged = Objects::tree(&entries);
    let mut objects = objects();
    for path in [BUNDLE, "tile/0/005"] {
        objects.files.insert(path.into(), forged.files[path].clone());
    }
    check(objects, Kind::TileParentMismatch, at_tile("tile/0/005"), Proves::Observation).await;
}

#[tokio::test]
async fn a_missing_checkpoint() {
    let objects = Objects { checkpoint: None, ..objects() };
    check(objects, Kind::MissingCheckpoint, Place::default(), Proves::Observation).await;
}

#[tokio::test]
async fn a_checkpoint_that_is_none() {
    for text in ["", "hello\n", "log.example.com/audited\n5\nnot a root\n\n\u{2014} x AAAA\n"] {
        let objects = Objects { checkpoint: Some(text.into()), ..objects() };
        let report = report(objects).await;
        let kind = report.findings[0].kind;
        assert!(matches!(kind, Kind::MalformedCheckpoint | Kind::BadLogSignature), "{text}: {report}");
    }
}

#[tokio::test]
async fn a_checkpoint_with_another_text_under_the_signature() {
    let mut objects = objects();
    let note = objects.checkpoint.unwrap();
    objects.checkpoint = Some(note.replacen(&format!("\n{}\n", HONEST.len()), "\n17\n", 1));
    check(objects, Kind::BadLogSignature, Place::default(), Proves::Observation).await;
}

#[tokio::test]
async fn an_unsigned_checkpoint() {
    let mut objects = objects();
    let note = objects.checkpoint.unwrap();
    let without: Vec<&str> = note
        .lines()
        .filter(|line| !line.contains("audited AAAA") && !line.starts_with("\u{2014} log."))
        .collect();
    objects.checkpoint = Some(without.join("\n") + "\n");
    check(objects, Kind::BadLogSignature, Place::default(), Proves::Observation).await;
}

#[tokio::test]
async fn a_forged_cosignature() {
    let size = HONEST.len() as u64;
    for (forged, follows) in [(vec![1], false), (vec![1, 2], true)] {
        let mut objects = objects();
        let other = checkpoint(head_of(&HONEST[..10]), &forged, BEGIN / 1000);
        let mut note = checkpoint(head_of(&HONEST), if follows { &[] } else { &[2] }, BEGIN / 1000);
        other.lines().filter(|line| line.contains("witness-")).for_each(|line| note += &format!("{line}\n"));
        objects.checkpoint = Some(note);
        let report = report(objects).await;
        check_report(&report, Kind::ForgedCosignature, &at_checkpoint(size), Proves::Observation);
        let quorum = report.findings.iter().find(|finding| finding.kind == Kind::MissingQuorum);
        assert_eq!(quorum.map(|finding| finding.follows_from), follows.then_some(Some(0)), "{report}");
    }
}

#[tokio::test]
async fn a_checkpoint_nobody_cosigned() {
    let mut objects = objects();
    objects.checkpoint = Some(checkpoint(head_of(&HONEST), &[], 0));
    let place = at_checkpoint(HONEST.len() as u64);
    check(objects, Kind::MissingQuorum, place, Proves::Observation).await;
}

#[tokio::test]
async fn a_checkpoint_the_witnesses_have_not_seen_for_long() {
    let mut config = config();
    config.options.now = Some(UnixSeconds::new(BEGIN / 1000 + 7200 + 24 * 3600));
    assert!(run(objects(), &config, None).await.report.is_clean());
    config.options.now = Some(UnixSeconds::new(BEGIN / 1000 + 7200 + 24 * 3600 + 1));
    let place = at_checkpoint(HONEST.len() as u64);
    check_with(objects(), &config, None, Kind::StaleCheckpoint, place, Proves::Observation).await;
}

#[tokio::test]
async fn a_checkpoint_older_than_what_the_witnesses_have() {
    let mut config = config();
    config.witnessed = vec![checkpoint(head_of(&HONEST), &[1], BEGIN / 1000)];
    let old = Objects::of(&HONEST[..3_000]);
    check_with(old, &config, None, Kind::StaleCheckpoint, at_checkpoint(3_000), Proves::Observation).await;
}
