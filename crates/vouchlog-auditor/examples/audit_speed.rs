//! How fast a log in local files is audited, and in how much memory: writes a log of so many statements into a directory,
//! then audits it on one thread.
//!
//! ```text
//! cargo run -p vouchlog-auditor --release --example audit_speed -- DIR STATEMENTS
//! ```

use std::path::{Path, PathBuf};

use bytes::Bytes;
use vouchlog_api::{Error, LogReader, Result};
use vouchlog_auditor::{Config, LogIdentity, audit};
use vouchlog_merkle::{
    CompactRange, EntryBundle, Hash, TILE_WIDTH, TileId, TilePath, TreeHead, TreeSize, leaf_hash,
};
use vouchlog_note::{
    Checkpoint, CosignedCheckpoint, KeyName, Origin, SignatureType, SignedCheckpoint, SigningKey,
};
use vouchlog_stream::{
    Digest, Enrolment, Entry, Evidence, Genesis, LoggedAt, SequenceNumber, Statement, StatementEntry,
    StatementKind, StreamId, StreamOpening, stream_origin,
};

const ORIGIN: &str = "log.example.com/speed";
/// A head of the stream after so many statements.
const STATEMENTS_PER_HEAD: u64 = 10_000;

type Failed = Box<dyn std::error::Error>;

fn main() -> std::result::Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let (Some(dir), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("say a directory and a number of statements".into());
    };
    let (dir, count) = (PathBuf::from(dir), count.parse()?);
    let log_key = key(ORIGIN, SignatureType::Ed25519, 1)?;
    if !dir.join("checkpoint").exists() {
        Writer::new(&dir).write_log(&log_key, count)?;
        println!("wrote {count} statements to {}: run it again to audit them", dir.display());
        return Ok(());
    }
    let log = LogIdentity {
        origin: Origin::new(ORIGIN)?,
        keys: vec![log_key.verifying_key().clone()],
        policy: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let audited = runtime.block_on(audit(Directory(dir), &Config::new(log), None, |_| {}))?;
    print!("{}", audited.report);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().filter(|line| line.starts_with("VmHWM")).for_each(|line| println!("{line}"));
    Ok(())
}

fn key(name: &str, kind: SignatureType, seed: u8) -> std::result::Result<SigningKey, Failed> {
    Ok(SigningKey::generate(KeyName::new(name)?, kind, [seed; 32])?)
}

/// Writes a log to files, keeping only its right edge.
struct Writer<'a> {
    dir: &'a Path,
    range: CompactRange,
    bundle: Vec<u8>,
    /// The unfinished tile of each level, with its index.
    tiles: Vec<(u64, Vec<Hash>)>,
}

impl<'a> Writer<'a> {
    fn new(dir: &'a Path) -> Self {
        Self { dir, range: CompactRange::new(), bundle: Vec::new(), tiles: Vec::new() }
    }

    fn write_log(mut self, log_key: &SigningKey, count: u64) -> std::result::Result<(), Failed> {
        let origin = Origin::new(ORIGIN)?;
        let operator = key("operator.example.com", SignatureType::Ed25519, 2)?;
        let gateway = key("gateway.example.com", SignatureType::Ed25519, 3)?;
        let stream = key("gateway.example.com", SignatureType::CosignatureEd25519, 4)?;
        let logged_at = LoggedAt::from_millis(1_767_225_600_000).ok_or("a time")?;
        let genesis = Genesis { origin: origin.clone(), operator: operator.verifying_key().clone() };
        self.push(&Entry::Genesis { logged_at, note: genesis.sign(log_key)? }.encode())?;
        let enrolment = Enrolment::first(origin.clone(), gateway.verifying_key().clone());
        self.push(&Entry::GatewayEnrolled { logged_at, note: enrolment.sign(&operator)? }.encode())?;
        let opening = StreamOpening {
            log: origin.clone(),
            gateway: gateway.verifying_key().clone(),
            stream: stream.verifying_key().clone(),
            previous: None,
        };
        self.push(&Entry::StreamOpened { logged_at, note: opening.sign(&gateway)? }.encode())?;
        let id = StreamId::new(2).ok_or("a stream")?;
        let stream_origin = Origin::new(&stream_origin(ORIGIN, id))?;
        let mut stated = CompactRange::new();
        for sequence in 0..count {
            let statement = Statement {
                kind: StatementKind::Interaction,
                evidence: Evidence::new(0x0c01_3ff3).ok_or("evidence")?,
                digest: Digest::of(&sequence.to_be_bytes()),
            };
            stated.append(statement.stream_leaf_hash());
            let place = SequenceNumber::new(sequence).ok_or("a sequence number")?;
            self.push(&StatementEntry { logged_at, stream: id, sequence: place, statement }.to_bytes())?;
            if (sequence + 1).is_multiple_of(STATEMENTS_PER_HEAD) || sequence + 1 == count {
                let head = TreeHead { size: stated.size(), root: stated.root().ok_or("a root")? };
                let checkpoint = Checkpoint::new(stream_origin.clone(), head);
                let note = CosignedCheckpoint::sign(&checkpoint, &stream, 1_767_225_600 + sequence)?;
                let note = note.note().to_owned();
                self.push(&Entry::StreamHead { logged_at, stream: id, note }.encode())?;
            }
        }
        self.finish(log_key, origin)
    }

    fn push(&mut self, entry: &[u8]) -> std::result::Result<(), Failed> {
        let hash = leaf_hash(entry);
        EntryBundle::push_entry(&mut self.bundle, entry)?;
        self.range.append(hash);
        if self.range.end().is_multiple_of(TILE_WIDTH as u64) {
            let bytes = std::mem::take(&mut self.bundle);
            let index = self.range.end() / TILE_WIDTH as u64 - 1;
            self.file(TilePath::Entries { index, width: 256 }, &bytes)?;
        }
        self.push_hash(0, hash)
    }

    fn push_hash(&mut self, level: u8, hash: Hash) -> std::result::Result<(), Failed> {
        let place = usize::from(level);
        if self.tiles.len() == place {
            self.tiles.push((0, Vec::new()));
        }
        let (index, tile) = &mut self.tiles[place];
        tile.push(hash);
        if tile.len() < TILE_WIDTH {
            return Ok(());
        }
        let (full, hashes) = (*index, std::mem::take(tile));
        *index += 1;
        self.tile(TileId { level, index: full }, &hashes)?;
        let mut range = CompactRange::new();
        range.extend(&hashes);
        self.push_hash(level + 1, range.root().ok_or("a root")?)
    }

    fn tile(&self, tile: TileId, hashes: &[Hash]) -> std::result::Result<(), Failed> {
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
        self.file(TilePath::Hashes { tile, width: u16::try_from(hashes.len())? }, &bytes)
    }

    fn file(&self, path: TilePath, bytes: &[u8]) -> std::result::Result<(), Failed> {
        let path = self.dir.join(path.to_string());
        std::fs::create_dir_all(path.parent().ok_or("a folder")?)?;
        Ok(std::fs::write(path, bytes)?)
    }

    fn finish(self, log_key: &SigningKey, origin: Origin) -> std::result::Result<(), Failed> {
        let index = self.range.end() / TILE_WIDTH as u64;
        let width = TileId { level: 0, index }.width_at(self.range.size());
        if width > 0 {
            self.file(TilePath::Entries { index, width }, &self.bundle)?;
        }
        for (level, (index, hashes)) in (0..).zip(&self.tiles) {
            if !hashes.is_empty() {
                self.tile(TileId { level, index: *index }, hashes)?;
            }
        }
        let head = TreeHead { size: self.range.size(), root: self.range.root().ok_or("a root")? };
        let signed = SignedCheckpoint::sign(&Checkpoint::new(origin, head), log_key)?;
        Ok(std::fs::write(self.dir.join("checkpoint"), signed.note())?)
    }
}

/// A log in files, read where the audit runs.
#[derive(Clone, Debug)]
struct Directory(PathBuf);

impl Directory {
    fn file(&self, path: &str) -> Result<Bytes> {
        let bytes = std::fs::read(self.0.join(path)).map_err(|error| Error::not_found(error.to_string()))?;
        Ok(bytes.into())
    }
}

impl LogReader for Directory {
    async fn checkpoint(&self) -> Result<String> {
        String::from_utf8(self.file("checkpoint")?.into()).map_err(|error| Error::internal(error.to_string()))
    }

    async fn checkpoint_after(&self, _size: TreeSize) -> Result<String> {
        Err(Error::unavailable("files do not grow"))
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        self.file(&TilePath::Hashes { tile, width }.to_string())
    }

    async fn entry_bundle(&self, index: u64, width: u16) -> Result<Bytes> {
        self.file(&TilePath::Entries { index, width }.to_string())
    }
}
