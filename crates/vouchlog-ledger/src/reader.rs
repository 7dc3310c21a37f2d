//! Reading single records back while the ledger grows.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::file::{FileHeader, HEADER, RECORD, RecordHeader, file_name};
use crate::{Disk, DiskFile, LedgerError};

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordAddress {
    /// The file.
    pub file: u64,
    /// Where its header begins.
    pub offset: u64,
}

/// Reads records by their place. Every record is verified as it is read.
pub struct Reader {
    disk: Arc<dyn Disk>,
    /// The file read last, which is most often the next one too.
    open: Mutex<Option<(FileHeader, Arc<dyn DiskFile>)>>,
}

impl Reader {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, open: Mutex::new(None) }
    }

    /// The payload of the record at `place`.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] when there is no such record any more.
    pub fn read(&self, place: RecordAddress) -> Result<Bytes, LedgerError> {
        let name = file_name(place.file);
        let (header, file) = self.file(place.file)?;
        let damaged = |reason: &str| LedgerError::Damaged {
            file: name.clone(),
            offset: place.offset,
            reason: reason.to_owned(),
        };
        let mut bytes = [0; RECORD];
        file.read_exact_at(&mut bytes, place.offset).map_err(LedgerError::io("read", &name))?;
        let record = RecordHeader::decode(&bytes, &header).ok_or_else(|| damaged("no record starts here"))?;
        let mut payload = vec![0; record.length as usize];
        let start = place.offset + RECORD as u64;
        file.read_exact_at(&mut payload, start).map_err(LedgerError::io("read", &name))?;
        if !record.covers(&payload) {
            return Err(damaged("the record cannot be read"));
        }
        Ok(payload.into())
    }

    fn file(&self, number: u64) -> Result<(FileHeader, Arc<dyn DiskFile>), LedgerError> {
        let mut open = self.open.lock();
        if let Some((header, file)) = open.as_ref().filter(|(header, _)| header.file == number) {
            return Ok((*header, file.clone()));
        }
        let name = file_name(number);
        let file = self.disk.open(&name).map_err(LedgerError::io("opened", &name))?;
        let mut bytes = [0; HEADER];
        file.read_exact_at(&mut bytes, 0).map_err(LedgerError::io("read", &name))?;
        let header = FileHeader::decode(&bytes).ok_or_else(|| LedgerError::Damaged {
            file: name,
            offset: 0,
            reason: "its header cannot be read".into(),
        })?;
        *open = Some((header, file.clone()));
        Ok((header, file))
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}
