//! What stands beside the ledger: whose spool it is, whether it had begun, and which stream it wrote to last.

use std::fs;
use std::path::{Path, PathBuf};

use vouchlog_merkle::sha256;
use vouchlog_note::VerifyingKey;
use vouchlog_stream::StreamId;

use super::{Owner, SpoolError, damaged, io_error};
use vouchlog_runtime::durable::{self, Mode};

/// First line of the stamp. Another number is another layout.
const STAMP: &str = "vouchlog spool 2";
/// The layout before: a sled database.
const SLED_STAMP: &str = "vouchlog spool 1";
/// Last line of the stamp once the ledger is there: from then on a spool without one has lost it.
const BEGUN: &str = "begun";
const MAX_STAMP: usize = 16 * 1024;

/// The files of a state directory but the keys and the ledger.
#[derive(Clone, Debug)]
pub(super) struct Format {
    dir: PathBuf,
    /// Without [`BEGUN`].
    stamp: String,
    has_begun: bool,
}

/// The beginning of the file: whose spool it is.
fn stamp(Owner { origin, log, .. }: &Owner, gateway: &VerifyingKey) -> String {
    format!("{STAMP}\norigin {origin}\nlog {log}\ngateway {gateway}\n")
}

/// The old key of the gateway, if the stamp differs from the owner's in nothing but that: a name belongs to one gateway.
fn rotated_from(found: &str, Owner { origin, log, gateway }: &Owner) -> Option<VerifyingKey> {
    let rest = found.strip_prefix(&format!("{STAMP}\norigin {origin}\nlog {log}\ngateway "))?;
    let old: VerifyingKey = rest.lines().next()?.parse().ok()?;
    (old != *gateway && old.name() == gateway.name()).then_some(old)
}

impl Format {
    /// Reads the stamp, or writes it into a new directory.
    pub(super) fn open(dir: &Path, owner: &Owner) -> Result<Self, SpoolError> {
        let path = dir.join("FORMAT");
        let mut format = Self { dir: dir.to_owned(), stamp: stamp(owner, &owner.gateway), has_begun: false };
        let Some(found) = durable::read_bounded(&path, MAX_STAMP).map_err(io_error)? else {
            if fs::exists(format.ledger()).map_err(io_error)? {
                return Err(damaged(&format!("{} is missing. {}", path.display(), format.way_on())));
            }
            durable::write(&path, format.stamp.as_bytes(), Mode::Private).map_err(io_error)?;
            return Ok(format);
        };
        let found = String::from_utf8_lossy(&found).into_owned();
        if let Some(old) = rotated_from(&found, owner) {
            return format.hand_over(&found, stamp(owner, &old));
        }
        format.has_begun = format.compare(&found)?;
        Ok(format)
    }

    /// Goes on with the spool of the gateway's old key: its stream has a key of its own. The stream's number is written first, since a
    /// new stamp would make it unreadable.
    fn hand_over(mut self, found: &str, old: String) -> Result<Self, SpoolError> {
        let new = std::mem::replace(&mut self.stamp, old);
        self.has_begun = self.compare(found)?;
        let last = self.last_stream();
        self.stamp = new;
        if let Some(last) = last {
            self.note_stream(last)?;
        }
        let begun = if self.has_begun { format!("{BEGUN}\n") } else { String::new() };
        let stamp = format!("{}{begun}", self.stamp);
        durable::write(&self.dir.join("FORMAT"), stamp.as_bytes(), Mode::Private).map_err(io_error)?;
        tracing::info!("the spool of the gateway's old key is continued with its new one");
        Ok(self)
    }

    /// Whether a spool had begun here; refuses another's.
    fn compare(&self, found: &str) -> Result<bool, SpoolError> {
        let rest = match found.strip_prefix(&self.stamp) {
            Some("") => return Ok(false),
            Some(rest) => rest.lines().next().unwrap_or_default(),
            None => "",
        };
        if rest == BEGUN && found.ends_with("begun\n") {
            return Ok(true);
        }
        let (dir, ours) = (self.dir.display(), &self.stamp);
        let foreign = |message: String| Err(SpoolError::Foreign(message));
        match found.lines().next() {
            Some(SLED_STAMP) => {
                return foreign(format!(
                    "{dir} holds a spool in the older format `{SLED_STAMP}`: send its pending statements with the version that made it, then delete {dir}/FORMAT and {dir}/spool"
                ));
            }
            Some(STAMP) => {}
            _ => {
                return foreign(format!(
                    "{dir}/FORMAT does not name a spool of format `{STAMP}`: use another state directory"
                ));
            }
        }
        for (line, our_line) in found.lines().zip(ours.lines()) {
            if line != our_line {
                return foreign(format!(
                    "{dir}/FORMAT names the spool of `{}`, not of `{our_line}`: use another state directory",
                    line.escape_default()
                ));
            }
        }
        Err(damaged(&format!("{dir}/FORMAT cannot be read. {}", self.way_on())))
    }

    /// Notes that the ledger is there.
    pub(super) fn begin(&mut self) -> Result<(), SpoolError> {
        if !self.has_begun {
            let stamp = format!("{}{BEGUN}\n", self.stamp);
            durable::write(&self.dir.join("FORMAT"), stamp.as_bytes(), Mode::Private).map_err(io_error)?;
            self.has_begun = true;
        }
        Ok(())
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Where the ledger is.
    pub(super) fn ledger(&self) -> PathBuf {
        self.dir.join("spool")
    }

    /// What an operator can do about a spool that is refused.
    pub(super) fn way_on(&self) -> String {
        let dir = self.dir.display();
        format!(
            "Do not restore an older copy. To continue, move {dir}/spool and {dir}/FORMAT away, keep the other files and start again: a new stream continues this one, and records in a vault are sent again"
        )
    }

    /// The stream that was written to last, to be continued when the spool is lost. Advice: unreadable is as if it were absent.
    pub(super) fn last_stream(&self) -> Option<StreamId> {
        let text = durable::read_bounded(&self.dir.join("STREAM"), MAX_STAMP).ok()??;
        let text = String::from_utf8(text).ok()?;
        let id = text.lines().next()?.strip_prefix("stream ")?.parse().ok().and_then(StreamId::new)?;
        (text == self.stream_file(id)).then_some(id)
    }

    /// Remembers the stream that is written to.
    pub(super) fn note_stream(&self, id: StreamId) -> Result<(), SpoolError> {
        durable::write(&self.dir.join("STREAM"), self.stream_file(id).as_bytes(), Mode::Private)
            .map_err(io_error)
    }

    /// With a digest that covers whose it is, too: nothing else would notice a flipped bit.
    fn stream_file(&self, id: StreamId) -> String {
        let line = format!("stream {}\n", id.get());
        let check = sha256(format!("{}{line}", self.stamp).as_bytes());
        format!("{line}sha256 {check}\n")
    }
}
