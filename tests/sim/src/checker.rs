//! What must hold, whatever failed: everything any reader ever saw, and what the log holds in the end.

use std::collections::BTreeMap;

use bytes::Bytes;
use vouchlog_merkle::{CompactRange, Hash, TreeHead, leaf_hash};
use vouchlog_stream::{Entry, Statement, StreamId};

/// A promise that was broken, in words.
pub type Violation = String;

/// Remembers everything that was shown.
#[derive(Debug, Default)]
pub struct Checker {
    /// The root of each size that the log signed, or a planted bug showed.
    roots: BTreeMap<u64, Hash>,
    /// The newest head shown.
    newest: u64,
    /// For each witness, the heads it cosigned.
    cosigned: Vec<BTreeMap<u64, Hash>>,
}

/// What the streams of the log must hold: for each, the statements submitted and how many are acknowledged.
pub type Expected = BTreeMap<StreamId, (Vec<Statement>, u64)>;

impl Checker {
    /// For so many witnesses.
    pub fn new(witnesses: usize) -> Self {
        Self { cosigned: vec![BTreeMap::new(); witnesses], ..Self::default() }
    }

    /// The size of the newest head that was shown.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// A reader saw a head.
    pub fn show(&mut self, head: TreeHead) -> Result<(), Violation> {
        let size = head.size.get();
        match self.roots.insert(size, head.root) {
            Some(root) if root != head.root => {
                Err(format!("two roots of size {size} were shown: {root} and {}", head.root))
            }
            _ => {
                self.newest = self.newest.max(size);
                Ok(())
            }
        }
    }

    /// The log was opened again.
    pub fn opened(&mut self, head: TreeHead) -> Result<(), Violation> {
        if head.size.get() < self.newest {
            return Err(format!(
                "a head of size {} was shown, the log now has size {}",
                self.newest, head.size
            ));
        }
        self.show(head)
    }

    /// A witness answered with cosignatures of a head.
    pub fn cosigned(&mut self, witness: usize, head: TreeHead) -> Result<(), Violation> {
        let size = head.size.get();
        if let Some((newest, _)) =
            self.cosigned[witness].last_key_value().filter(|(newest, _)| **newest > size)
        {
            return Err(format!("witness {witness} cosigned size {size} after size {newest}"));
        }
        match self.cosigned[witness].insert(size, head.root) {
            Some(root) if root != head.root => {
                Err(format!("witness {witness} cosigned two trees of size {size}"))
            }
            _ => Ok(()),
        }
    }

    /// The newest size a witness cosigned.
    pub fn newest_cosigned(&self, witness: usize) -> Option<u64> {
        self.cosigned[witness].last_key_value().map(|(size, _)| *size)
    }

    /// Compares all entries of the log with everything that was shown and submitted.
    pub fn audit(&self, entries: &[Bytes], expected: &Expected) -> Result<(), Violation> {
        let mut range = CompactRange::new();
        let mut counts: BTreeMap<StreamId, usize> = BTreeMap::new();
        for entry in entries {
            range.append(leaf_hash(entry));
            self.check_root(&range)?;
            if let Ok(Entry::Statement(entry)) = Entry::decode(entry) {
                let (statements, _) = expected.get(&entry.stream).ok_or_else(|| {
                    format!("the log has a stream {} that nobody opened", entry.stream.get())
                })?;
                let count = counts.entry(entry.stream).or_default();
                let sequence = entry.sequence.get();
                if sequence != *count as u64 {
                    return Err(format!(
                        "stream {}: {sequence} follows {count} statements",
                        entry.stream.get()
                    ));
                }
                if statements.get(*count) != Some(&entry.statement) {
                    return Err(format!(
                        "stream {}: {sequence} is not what was submitted",
                        entry.stream.get()
                    ));
                }
                *count += 1;
            }
        }
        for (stream, (_, acknowledged)) in expected {
            let held = counts.get(stream).copied().unwrap_or(0) as u64;
            if held < *acknowledged {
                let stream = stream.get();
                return Err(format!(
                    "stream {stream}: {acknowledged} statements are acknowledged, the log has {held}"
                ));
            }
        }
        Ok(())
    }

    /// One root for each size, the log's own and what witnesses cosigned.
    fn check_root(&self, range: &CompactRange) -> Result<(), Violation> {
        let (size, root) = (range.end(), range.root());
        let shown = self.roots.get(&size).into_iter();
        for other in shown.chain(self.cosigned.iter().filter_map(|heads| heads.get(&size))) {
            if Some(*other) != root {
                return Err(format!(
                    "the log's root of size {size} is not {other}, which was shown or cosigned"
                ));
            }
        }
        Ok(())
    }
}
