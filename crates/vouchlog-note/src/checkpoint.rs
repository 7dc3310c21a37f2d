//! Origins and checkpoints: the text a log signs (tlog-checkpoint).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use vouchlog_merkle::{EMPTY_ROOT, TreeHead, TreeSize};

use crate::limits::{MAX_ORIGIN_BYTES, MAX_TREE_SIZE};
use crate::note_error::{NoteError, check_text};
use crate::text::{decode_hash, encode_base64, find_control_character, parse_decimal};

// checkpoint = <origin> LF <decimal size> LF base64(<root hash[32]>) LF *( <extension line> LF )

/// A tree head under its log's name: what a log signs. Parsed or built, not verified: see
/// [`crate::SignedCheckpoint`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    origin: Origin,
    head: TreeHead,
    extensions: Vec<String>,
}

impl Checkpoint {
    /// Names `head` as a tree head of `origin`.
    ///
    /// # Panics
    /// If no tree can have `head`: an empty tree with another root than SHA-256 of nothing, or 2^63 leaves
    /// and more. Heads come from our own tree, or were checked where they came in.
    pub fn new(origin: Origin, head: TreeHead) -> Self {
        if let Err(error) = check_head(&head) {
            panic!("no tree has this head: {error}");
        }
        Self { origin, head, extensions: Vec::new() }
    }

    /// Reads the text of a checkpoint.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        check_text(text)?;
        let body = text.strip_suffix('\n').unwrap_or(text);
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::TooFewLines { lines: body.split('\n').count() });
        };
        let origin = Origin::new(origin)?;
        let size = parse_decimal(size).ok_or(CheckpointError::Size)?;
        let root = decode_hash(root).ok_or(CheckpointError::Root)?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        // SPEC: every extension line is non-empty.
        if let Some(place) = extensions.iter().position(String::is_empty) {
            return Err(CheckpointError::EmptyLine { line: place + 4 });
        }
        // Checked before the size becomes a `TreeSize`, whose own bound must not be this crate's to know.
        if size > MAX_TREE_SIZE {
            return Err(CheckpointError::SizeTooLarge { size });
        }
        let head = TreeHead { size: TreeSize::new(size), root };
        check_head(&head)?;
        Ok(Self { origin, head, extensions })
    }

    /// The log's name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The tree head.
    pub fn head(&self) -> TreeHead {
        self.head
    }

    /// The extension lines, without their LF. This crate keeps them and never adds any: witnesses refuse them.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// The text to sign, which ends in LF.
    pub fn text(&self) -> String {
        self.to_string()
    }
}

fn check_head(head: &TreeHead) -> Result<(), CheckpointError> {
    let size = head.size.get();
    if size > MAX_TREE_SIZE {
        return Err(CheckpointError::SizeTooLarge { size });
    }
    // SPEC: the root of the empty tree is SHA-256 of no bytes (RFC 6962 section 2.1).
    if size == 0 && head.root != EMPTY_ROOT {
        return Err(CheckpointError::EmptyTreeRoot);
    }
    Ok(())
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = encode_base64(self.head.root.as_bytes());
        writeln!(f, "{}\n{}\n{root}", self.origin, self.head.size.get())?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A log's name, the first line of its checkpoints: not empty, at most 255 bytes, one line.
///
/// SPEC: it should be a scheme-less URL; any other line is allowed, spaces too (tlog-checkpoint). The first
/// lines of cosigned messages are refused, so that no checkpoint reads as a cosignature under a shared key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Origin(Arc<str>);

impl Origin {
    /// Takes `origin` if it may name a log.
    pub fn new(origin: &str) -> Result<Self, CheckpointError> {
        if origin.is_empty() {
            return Err(CheckpointError::EmptyOrigin);
        }
        if origin.len() > MAX_ORIGIN_BYTES {
            let bytes = origin.len();
            return Err(CheckpointError::OriginTooLong { bytes, limit: MAX_ORIGIN_BYTES });
        }
        if find_control_character(origin).is_some() || origin.contains('\n') {
            return Err(CheckpointError::OriginCharacter);
        }
        if matches!(origin, "cosignature/v1" | "subtree/v1") {
            return Err(CheckpointError::ReservedOrigin { origin: origin.to_owned() });
        }
        Ok(Self(origin.into()))
    }

    /// The origin as text, without LF.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = CheckpointError;

    fn from_str(origin: &str) -> Result<Self, CheckpointError> {
        Self::new(origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a checkpoint, or an origin, was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The note around the checkpoint was refused.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text had no origin, size and root.
    #[error("a checkpoint has an origin, a size and a root line, this text has {lines} lines")]
    TooFewLines {
        /// Lines of the text.
        lines: usize,
    },
    /// The origin was empty.
    #[error("the origin is empty")]
    EmptyOrigin,
    /// The origin was longer than a cosigned message can hold.
    #[error("the origin has {bytes} bytes, the limit is {limit}")]
    OriginTooLong {
        /// Bytes of the origin.
        bytes: usize,
        /// Bytes an origin may have.
        limit: usize,
    },
    /// The origin held a newline or another control character.
    #[error("the origin holds a control character")]
    OriginCharacter,
    /// The origin was the first line of another signed format.
    #[error("the origin {origin} is reserved: cosigned messages start with it")]
    ReservedOrigin {
        /// The origin.
        origin: String,
    },
    /// The size was not a canonical decimal of 64 bits.
    #[error("the tree size is not a decimal number without sign and leading zeros")]
    Size,
    /// The size was 2^63 or more.
    #[error("the tree size {size} is past 2^63 - 1")]
    SizeTooLarge {
        /// The size.
        size: u64,
    },
    /// The root was not canonical base64 of 32 bytes.
    #[error("the root hash is not canonical base64 of 32 bytes")]
    Root,
    /// A size of zero came with the root of some other tree.
    #[error("the tree is empty, but its root is not the hash of no bytes")]
    EmptyTreeRoot,
    /// A line of the text was empty.
    #[error("line {line} of the checkpoint is empty")]
    EmptyLine {
        /// Place of the line, counted from 1.
        line: usize,
    },
    /// The checkpoint is of another log than the one asked for.
    #[error("the checkpoint belongs to the log {actual}, not to {expected}")]
    OtherOrigin {
        /// The origin asked for.
        expected: Origin,
        /// The origin of the checkpoint, which the given key did sign.
        actual: Origin,
    },
    /// The text has extension lines, and no signature of the log covers them: ML-DSA-44 leaves them out.
    #[error(
        "the checkpoint has extension lines, but the log signed it only with a key type that does not cover them"
    )]
    UnsignedExtensions,
    /// A log's key is not called as the log: the configuration is at fault.
    #[error(
        "the key {key_name} cannot sign for the log {origin}: a log's key must be named after its origin"
    )]
    KeyName {
        /// Name of the key.
        key_name: String,
        /// The log's name.
        origin: Origin,
    },
}
