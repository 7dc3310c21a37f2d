//! Where a log can be read back from: what is left of data directories, and tiles as they are served or mirrored.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use bytes::Bytes;
use vouchlog::objects::ObjectUrl;
use vouchlog::{ErrorKind, LogReader, Origin, VerifyingKey};
use vouchlog_client::TileReader;
use vouchlog_merkle::{EntryBundle, TILE_WIDTH, TileId, TreeHead};
use vouchlog_note::SignedCheckpoint;
use vouchlog_sequencer::rebuild::signed_heads;
use vouchlog_storage::StateKey;
use vouchlog_storage_sled::{Remains, salvage};

use crate::commands::remote;

const FULL: u16 = 256;

/// A head that some source knows of.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) head: TreeHead,
    /// Which file or server has it.
    pub(super) what: String,
    /// Whether it was signed, or noted as signed; others were only committed.
    pub(super) is_signed: bool,
}

/// One place that entries are read from.
pub(super) struct Source {
    /// As the user named it.
    pub(super) name: String,
    pub(super) known: Vec<Known>,
    kind: Kind,
}

enum Kind {
    Data(Box<Remains>),
    Tiles {
        reader: TileReader,
        /// Entries of the partial bundle at the end.
        tail: BTreeMap<u64, Bytes>,
    },
}

impl Source {
    /// What is left in a data directory or a backup.
    pub(super) fn data(dir: &Path, origin: &Origin, key: &VerifyingKey) -> anyhow::Result<Self> {
        let name = dir.display().to_string();
        let remains = salvage(dir).with_context(|| name.clone())?;
        let known =
            |head, part: &str, is_signed| Known { head, what: format!("{part} in {name}"), is_signed };
        let mut heads: Vec<Known> =
            remains.signed.map(|head| known(head, "SIGNED", true)).into_iter().collect();
        heads.extend(remains.committed.iter().map(|head| known(*head, "a commit", false)));
        for (_, states) in &remains.states {
            // A note that does not verify is evidence of nothing.
            let signed = signed_heads(states, origin, key).unwrap_or_default();
            heads.extend(signed.into_iter().map(|head| known(head, "a signed checkpoint", true)));
        }
        Ok(Self { name, known: heads, kind: Kind::Data(Box::new(remains)) })
    }

    /// Tiles in a directory or at a URL.
    pub(super) async fn tiles(place: &str, origin: &Origin, key: &VerifyingKey) -> anyhow::Result<Self> {
        let is_url = place.starts_with("http://") || place.starts_with("https://");
        let reader = match is_url || ObjectUrl::is_one(place) {
            true => remote::reader(place)?,
            false => TileReader::directory(place),
        };
        let mut source = Self {
            name: place.to_owned(),
            known: Vec::new(),
            kind: Kind::Tiles { reader: reader.clone(), tail: BTreeMap::new() },
        };
        let note = match reader.checkpoint().await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(source),
            other => other.with_context(|| place.to_owned())?,
        };
        let head = SignedCheckpoint::open(note.as_bytes(), origin, key)
            .with_context(|| format!("the checkpoint of {place}"))?
            .head();
        source.known.push(Known { head, what: format!("the checkpoint of {place}"), is_signed: true });
        let (bundle, width) = (head.size.get() / 256, u16::try_from(head.size.get() % 256).unwrap_or(0));
        if width > 0 {
            match reader.entry_bundle(bundle, width).await {
                Ok(bytes) => {
                    let entries = EntryBundle::entries(&bytes, usize::from(width))?;
                    let entries = entries.into_iter().map(Bytes::copy_from_slice);
                    let tail = (bundle * 256..).zip(entries).collect();
                    source.kind = Kind::Tiles { reader, tail };
                }
                Err(error) if is_absent(&error.kind) => {}
                Err(error) => return Err(error).with_context(|| place.to_owned()),
            }
        }
        Ok(source)
    }

    /// States of streams and gateways, newest copy last.
    pub(super) fn states(&self) -> Vec<Vec<(StateKey, Bytes)>> {
        match &self.kind {
            Kind::Data(remains) => remains.states.iter().map(|(_, states)| states.clone()).collect(),
            Kind::Tiles { .. } => Vec::new(),
        }
    }

    /// What of it could not be read.
    pub(super) fn damages(&self) -> Vec<String> {
        match &self.kind {
            Kind::Data(remains) => {
                remains.damages.iter().map(|what| format!("{}: {what}", self.name)).collect()
            }
            Kind::Tiles { .. } => Vec::new(),
        }
    }

    /// Every version of a full bundle, framed.
    pub(super) async fn bundles(&self, bundle: u64) -> anyhow::Result<Vec<Bytes>> {
        match &self.kind {
            Kind::Data(remains) => Ok(remains.bundles(bundle)),
            Kind::Tiles { reader, .. } => match reader.entry_bundle(bundle, FULL).await {
                Ok(bytes) => {
                    Ok(EntryBundle::entries(&bytes, TILE_WIDTH).map_or(Vec::new(), |_| vec![bytes.clone()]))
                }
                Err(error) if is_absent(&error.kind) => Ok(Vec::new()),
                Err(error) => Err(error).with_context(|| self.name.clone()),
            },
        }
    }

    /// A full tile of level 0.
    pub(super) async fn tile(&self, index: u64) -> anyhow::Result<Option<Bytes>> {
        let tile = TileId { level: 0, index };
        match &self.kind {
            Kind::Data(remains) => Ok(remains.tile(tile)),
            Kind::Tiles { reader, .. } => match reader.tile(tile, FULL).await {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if is_absent(&error.kind) => Ok(None),
                Err(error) => Err(error).with_context(|| self.name.clone()),
            },
        }
    }

    /// Every version of an entry that is not in a full bundle.
    pub(super) fn entries(&self, index: u64) -> Vec<Bytes> {
        match &self.kind {
            Kind::Data(remains) => remains.entries(index).to_vec(),
            Kind::Tiles { tail, .. } => tail.get(&index).cloned().into_iter().collect(),
        }
    }
}

/// What is missing or malformed is no obstacle; a server that is away is one.
fn is_absent(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::Internal)
}
