//! The files of a log whose maker holds every key of the test log, and so can sign what no honest log would.

use std::path::Path;

use vouchlog_merkle::{CompactRange, EntryBundle, TileId, TilePath, TreeHead, TreeSize, leaf_hash};
use vouchlog_note::{Checkpoint, CosignedCheckpoint, Origin, SignatureType, SignedCheckpoint, SigningKey};
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, key, statements};
use vouchlog_stream::{
    Entry, Genesis, LoggedAt, Previous, SequenceNumber, Statement, StatementEntry, StreamId, stream_origin,
};

use crate::witnesses::log_key;

/// The gateway that is enrolled.
const GATEWAY: u8 = 10;

/// A stream as its gateway has it.
pub(super) struct ForgedStream {
    pub(super) id: StreamId,
    key: SigningKey,
    range: CompactRange,
}

/// A log in the making, with one stream to begin with.
pub(super) struct ForgedLog {
    entries: Vec<Vec<u8>>,
    /// The time of the next entry, in milliseconds.
    pub(super) now: u64,
    pub(super) streams: Vec<ForgedStream>,
}

fn origin() -> Origin {
    Origin::new(ORIGIN).unwrap()
}

impl ForgedLog {
    pub(super) fn begun() -> Self {
        let mut log = Self { entries: Vec::new(), now: 1_767_225_600_000, streams: Vec::new() };
        let operator = key("operator.example.com", SignatureType::Ed25519, 2).verifying_key().clone();
        let note = Genesis { origin: origin(), operator }.sign(&log_key()).unwrap();
        log.push(&Entry::Genesis { logged_at: log.time(), note });
        log.enrol(GATEWAY);
        log.open(GATEWAY, 1, None);
        log.statement(0);
        log.head(0);
        log
    }

    fn time(&self) -> LoggedAt {
        LoggedAt::from_millis(self.now).unwrap()
    }

    fn push(&mut self, entry: &Entry) {
        self.entries.push(entry.encode());
    }

    pub(super) fn enrol(&mut self, gateway: u8) {
        self.push(&Entry::GatewayEnrolled { logged_at: self.time(), note: TestGateway::enrolment(gateway) });
    }

    /// Opens a stream; its place in `streams` is the next.
    pub(super) fn open(&mut self, gateway: u8, number: u64, previous: Option<Previous>) {
        let (note, key) = TestGateway::numbered_opening(gateway, number, previous);
        let id = StreamId::new(self.entries.len() as u64).unwrap();
        self.push(&Entry::StreamOpened { logged_at: self.time(), note });
        self.streams.push(ForgedStream { id, key, range: CompactRange::new() });
    }

    /// Opens a stream that continues the first one, which it takes to have stopped `more` statements later than it did.
    pub(super) fn succeed(&mut self, more: u64) {
        let first = &self.streams[0];
        let previous = Previous { stream: first.id, size: first.range.end() + more };
        self.open(GATEWAY, 2, Some(previous));
    }

    pub(super) fn open_another(&mut self) {
        self.open(GATEWAY, 3, None);
    }

    /// What the gateway states next; the log does not have it yet.
    pub(super) fn state(&mut self, stream: usize) -> StatementEntry {
        let [statement]: [Statement; 1] = statements(1, self.entries.len() as u64).try_into().unwrap();
        let logged_at = self.time();
        let stream = &mut self.streams[stream];
        let sequence = SequenceNumber::new(stream.range.end()).unwrap();
        stream.range.append(statement.stream_leaf_hash());
        StatementEntry { logged_at, stream: stream.id, sequence, statement }
    }

    pub(super) fn statement(&mut self, stream: usize) {
        let entry = self.state(stream);
        self.push(&Entry::Statement(entry));
    }

    /// A second later, the head of what the gateway stated.
    pub(super) fn head(&mut self, stream: usize) {
        let range = &self.streams[stream].range;
        let head = TreeHead { size: range.size(), root: range.root().unwrap() };
        self.sign_head(stream, head);
    }

    /// A second later, a head of the gateway's choosing.
    pub(super) fn sign_head(&mut self, stream: usize, head: TreeHead) {
        self.now += 1_000;
        let ForgedStream { id, key, .. } = &self.streams[stream];
        let checkpoint = Checkpoint::new(Origin::new(&stream_origin(ORIGIN, *id)).unwrap(), head);
        let signed = CosignedCheckpoint::sign(&checkpoint, key, self.now / 1_000).unwrap();
        let (stream, note) = (*id, signed.note().to_owned());
        self.push(&Entry::StreamHead { logged_at: self.time(), stream, note });
    }

    /// How many statements a stream has.
    pub(super) fn size(&self, stream: usize) -> TreeSize {
        self.streams[stream].range.size()
    }

    /// Writes the files that a server of it has.
    pub(super) fn mirror(&self, dir: &Path) {
        let mut range = CompactRange::new();
        let (mut bundle, mut tile) = (Vec::new(), Vec::new());
        for entry in &self.entries {
            let leaf = leaf_hash(entry);
            range.append(leaf);
            tile.extend_from_slice(leaf.as_bytes());
            EntryBundle::push_entry(&mut bundle, entry).unwrap();
        }
        let width = u16::try_from(self.entries.len()).unwrap();
        assert!(width < 256, "one tile");
        let head = TreeHead { size: range.size(), root: range.root().unwrap() };
        let signed = SignedCheckpoint::sign(&Checkpoint::new(origin(), head), &log_key()).unwrap();
        let hashes = TilePath::Hashes { tile: TileId { level: 0, index: 0 }, width };
        for (path, bytes) in [
            ("checkpoint".to_owned(), signed.note().as_bytes()),
            (TilePath::Entries { index: 0, width }.to_string(), &bundle),
            (hashes.to_string(), &tile),
        ] {
            let path = dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }

    /// Flips a bit in the first of the served entries.
    pub(super) fn alter(&self, dir: &Path) {
        let width = u16::try_from(self.entries.len()).unwrap();
        let path = dir.join(TilePath::Entries { index: 0, width }.to_string());
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[50] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
}
