//! Where something is wrong.

use std::fmt;

use serde::{Deserialize, Serialize};
use vouchlog_merkle::{TileId, TilePath};
use vouchlog_stream::StreamId;

/// Where something is wrong. What does not apply is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Size of the checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<u64>,
    /// Index of the entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// Path of the tile or bundle, as C2SP tlog-tiles spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tile: Option<String>,
    /// The stream, by the index of its opening.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<u64>,
}

impl Place {
    /// A checkpoint.
    pub(crate) fn checkpoint(size: u64) -> Self {
        Self { checkpoint: Some(size), ..Self::default() }
    }

    /// An entry.
    pub(crate) fn entry(index: u64) -> Self {
        Self { entry: Some(index), ..Self::default() }
    }

    /// A tile.
    pub(crate) fn tile(id: TileId, width: u16) -> Self {
        Self { tile: Some(TilePath::Hashes { tile: id, width }.to_string()), ..Self::default() }
    }

    /// An entry bundle.
    pub(crate) fn bundle(index: u64, width: u16) -> Self {
        Self { tile: Some(TilePath::Entries { index, width }.to_string()), ..Self::default() }
    }

    /// A stream.
    pub(crate) fn stream(id: StreamId) -> Self {
        Self { stream: Some(id.get()), ..Self::default() }
    }

    /// The same place, at an entry.
    pub(crate) fn at(self, index: u64) -> Self {
        Self { entry: Some(index), ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.checkpoint.map(|size| format!("checkpoint of size {size}")));
        parts.extend(self.entry.map(|index| format!("entry {index}")));
        parts.extend(self.stream.map(|stream| format!("stream {stream}")));
        parts.extend(self.tile.clone());
        if parts.is_empty() { f.write_str("the log") } else { f.write_str(&parts.join(", ")) }
    }
}
