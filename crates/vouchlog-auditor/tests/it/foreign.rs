//! Logs that nobody here wrote are audited as opaque bytes: one made with Python, one with the crates `signed_note` and
//! `tlog_tiles`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tlog_tiles::{Hash, HashReader};
use vouchlog_api::{Error, LogReader, Result};
use vouchlog_auditor::{Config, FindingKind, LogIdentity, audit};
use vouchlog_merkle::{EntryBundle, TileId, TilePath, TreeSize};
use vouchlog_note::{Origin, Policy};

use crate::support::{Objects, Server};

/// A log in a directory of files, as C2SP tlog-tiles lays them out.
#[derive(Clone, Debug)]
struct Directory(PathBuf);

impl Directory {
    fn file(&self, path: &str) -> Result<Bytes> {
        let bytes = std::fs::read(self.0.join(path)).map_err(|_| Error::not_found(format!("no {path}")))?;
        Ok(bytes.into())
    }
}

impl LogReader for Directory {
    async fn checkpoint(&self) -> Result<String> {
        let bytes = self.file("checkpoint")?;
        String::from_utf8(bytes.into()).map_err(|_| Error::internal("the checkpoint is not UTF-8"))
    }

    async fn checkpoint_after(&self, _size: TreeSize) -> Result<String> {
        Err(Error::unavailable("a directory does not grow"))
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        self.file(&TilePath::Hashes { tile, width }.to_string())
    }

    async fn entry_bundle(&self, index: u64, width: u16) -> Result<Bytes> {
        self.file(&TilePath::Entries { index, width }.to_string())
    }
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/computed/e2e")
}

fn computed_log() -> LogIdentity {
    let policy = Policy::parse(&std::fs::read(vectors().join("policy.txt")).unwrap()).unwrap();
    let key = policy.logs()[0].key().clone();
    LogIdentity {
        origin: Origin::new("log.example.com/ai-digests").unwrap(),
        keys: vec![key],
        policy: Some(policy),
    }
}

#[tokio::test]
async fn a_log_made_in_python_is_clean() {
    let config = Config::new(computed_log());
    let reader = Directory(vectors().join("log"));
    let audited = audit(reader, &config, None, |_| {}).await.unwrap();
    let report = audited.report;
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.checked.entries, report.checked.rules), (300, false));
    assert_eq!(report.checkpoint.unwrap().cosigned_by, ["w1-ed", "w1-pq"]);
}

#[tokio::test]
async fn an_older_checkpoint_of_it_is_consistent_and_another_log_is_not_it() {
    let mut config = Config::new(computed_log());
    config.witnessed = vec![std::fs::read_to_string(vectors().join("checkpoint.256")).unwrap()];
    let reader = Directory(vectors().join("log"));
    let report = audit(reader.clone(), &config, None, |_| {}).await.unwrap().report;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.checkpoint.unwrap().compared, 1);
    config.log.origin = Origin::new("log.example.com/another").unwrap();
    let report = audit(reader, &config, None, |_| {}).await.unwrap().report;
    assert_eq!(report.findings[0].kind, FindingKind::MalformedCheckpoint);
}

/// The hashes that `tlog_tiles` stores.
#[derive(Default)]
struct Stored(BTreeMap<u64, Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> std::result::Result<Vec<Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[index]).collect())
    }
}

/// A log that the other crates hashed, tiled and signed.
fn other_log(size: u64) -> (Objects, LogIdentity) {
    const NAME: &str = "other.example.com/log";
    let mut stored = Stored::default();
    let mut objects = Objects::default();
    let mut bundles: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for index in 0..size {
        let entry = format!("entry {index} of another log").repeat(usize::try_from(index % 3).unwrap() + 1);
        let hashes = tlog_tiles::stored_hashes(index, entry.as_bytes(), &stored).unwrap();
        for (hash, at) in hashes.into_iter().zip(tlog_tiles::stored_hash_index(0, index)..) {
            stored.0.insert(at, hash);
        }
        EntryBundle::push_entry(bundles.entry(index / 256).or_default(), entry.as_bytes()).unwrap();
    }
    for tile in tlog_tiles::Tile::new_tiles(8, 0, size) {
        let id = TileId { level: tile.level(), index: tile.level_index() };
        let path = TilePath::Hashes { tile: id, width: u16::try_from(tile.width()).unwrap() };
        objects.files.insert(path.to_string(), tile.read_data(&stored).unwrap().into());
    }
    for (index, bytes) in bundles {
        let width = TileId { level: 0, index }.width_at(TreeSize::new(size));
        objects.files.insert(TilePath::Entries { index, width }.to_string(), bytes.into());
    }
    let root = tlog_tiles::tree_hash(size, &stored).unwrap();
    let text = tlog_tiles::Checkpoint::new(NAME, size, root, "").unwrap().to_bytes();
    let ours = crate::support::key(NAME, vouchlog_note::SignatureType::Ed25519, 40);
    let signer = signed_note::StandardSigner::new(ours.to_key_file().unwrap().trim_end()).unwrap();
    let mut note = signed_note::Note::new(&text, &[]).unwrap();
    note.add_sigs(&[&signer]).unwrap();
    objects.checkpoint = Some(String::from_utf8(note.to_bytes()).unwrap());
    let origin = Origin::new(NAME).unwrap();
    (objects, LogIdentity { origin, keys: vec![ours.verifying_key().clone()], policy: None })
}

#[tokio::test]
async fn logs_that_other_crates_wrote_are_clean_at_any_size() {
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 1_000, 65_536, 65_537, 66_100] {
        let (objects, log) = other_log(size);
        let report = audit(Server::from(objects), &Config::new(log), None, |_| {}).await.unwrap().report;
        assert!(report.is_clean(), "at size {size}: {report}");
        assert_eq!(report.checked.entries, size);
    }
}

#[tokio::test]
async fn an_altered_entry_in_one_of_them_is_found() {
    let (mut objects, log) = other_log(1_000);
    objects.change_entries("tile/entries/002", |entries| entries[5][0] ^= 1);
    let report = audit(Server::from(objects), &Config::new(log), None, |_| {}).await.unwrap().report;
    assert_eq!(
        (report.findings[0].kind, report.findings[0].place.entry),
        (FindingKind::AlteredEntry, Some(517))
    );
}
