//! What stands beside the ledger: whose spool it is, whether it had begun, and which stream it wrote to last.

use std::fs;
use std::path::{Path, PathBuf};

use vouchlog_merkle::sha256;
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

impl Format {
    /// Reads the stamp, or writes it into a new directory.
    pub(super) fn open(dir: &Path, owner: &Owner) -> Result<Self, SpoolError> {
        let path = dir.join("FORMAT");
        let Owner { origin, log, gateway } = owner;
        let stamp = format!("{STAMP}\norigin {origin}\nlog {log}\ngateway {gateway}\n");
        let mut format = Self { dir: dir.to_owned(), stamp, has_begun: false };
        let Some(found) = durable::read_bounded(&path, MAX_STAMP).map_err(io_error)? else {
            if fs::exists(format.ledger()).map_err(io_error)? {
                return Err(damaged(&format!("{} is missing. {}", path.display(), format.way_on())));
            }
            durable::write(&path, format.stamp.as_bytes(), Mode::Private).map_err(io_error)?;
            return Ok(format);
        };
        format.has_begun = format.compare(&String::from_utf8_lossy(&found))?;
        Ok(format)
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
