//! The bytes of a ledger's files: headers, records, links.

use vouchlog_merkle::{Hash, sha256};

pub(crate) const HEADER: usize = 84;
pub(crate) const RECORD: usize = 56;
const MAGIC: &[u8; 8] = b"VLEDGER1";
const RECORD_MAGIC: &[u8; 3] = b"VLR";

/// Which file of which ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) purpose: [u8; 8],
    pub(crate) identity: [u8; 16],
    pub(crate) file: u64,
    /// Number of its first record.
    pub(crate) first: u64,
    /// Link to the last record of the file before; zeros for the first file.
    pub(crate) link: Hash,
}

impl FileHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.purpose);
        bytes[16..32].copy_from_slice(&self.identity);
        bytes[32..40].copy_from_slice(&self.file.to_be_bytes());
        bytes[40..48].copy_from_slice(&self.first.to_be_bytes());
        bytes[48..80].copy_from_slice(self.link.as_bytes());
        let sum = crc32c::crc32c(&bytes[..80]);
        bytes[80..].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER] = bytes.first_chunk()?;
        let sum = u32::from_be_bytes(*bytes.last_chunk()?);
        if &bytes[..8] != MAGIC || crc32c::crc32c(&bytes[..80]) != sum {
            return None;
        }
        Some(Self {
            purpose: bytes[8..16].try_into().ok()?,
            identity: bytes[16..32].try_into().ok()?,
            file: number(&bytes[32..40])?,
            first: number(&bytes[40..48])?,
            link: Hash::try_from(&bytes[48..80]).ok()?,
        })
    }

    /// What the first record links to.
    pub(crate) fn hash(&self) -> Hash {
        sha256(&self.encode())
    }

    /// The start of every record header's checksum, so that a record of another file does not pass.
    fn seed(&self) -> u32 {
        let seed = crc32c::crc32c(&self.identity);
        crc32c::crc32c_append(seed, &self.file.to_be_bytes())
    }
}

/// What a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Snapshot,
    Entry,
}

/// A record without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) kind: Kind,
    pub(crate) length: u32,
    pub(crate) number: u64,
    pub(crate) link: Hash,
    sum: u32,
}

impl RecordHeader {
    /// The header of a record whose payload is `payload`, in parts.
    pub(crate) fn new(kind: Kind, number: u64, link: Hash, payload: &[&[u8]]) -> Self {
        let length = payload.iter().map(|part| part.len()).sum::<usize>();
        let sum = payload.iter().fold(0, |sum, part| crc32c::crc32c_append(sum, part));
        Self { kind, length: u32::try_from(length).expect("records are bounded"), number, link, sum }
    }

    pub(crate) fn encode(&self, file: &FileHeader) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        bytes[..3].copy_from_slice(RECORD_MAGIC);
        bytes[3] = match self.kind {
            Kind::Snapshot => b's',
            Kind::Entry => b'e',
        };
        bytes[4..8].copy_from_slice(&self.length.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.number.to_be_bytes());
        bytes[16..48].copy_from_slice(self.link.as_bytes());
        bytes[48..52].copy_from_slice(&self.sum.to_be_bytes());
        let sum = crc32c::crc32c_append(file.seed(), &bytes[..52]);
        bytes[52..].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8], file: &FileHeader) -> Option<Self> {
        let bytes: &[u8; RECORD] = bytes.first_chunk()?;
        let kind = match (&bytes[..3] == RECORD_MAGIC, bytes[3]) {
            (true, b's') => Kind::Snapshot,
            (true, b'e') => Kind::Entry,
            _ => return None,
        };
        let sum = u32::from_be_bytes(*bytes.last_chunk()?);
        if crc32c::crc32c_append(file.seed(), &bytes[..52]) != sum {
            return None;
        }
        Some(Self {
            kind,
            length: u32::from_be_bytes(bytes[4..8].try_into().ok()?),
            number: number(&bytes[8..16])?,
            link: Hash::try_from(&bytes[16..48]).ok()?,
            sum: u32::from_be_bytes(bytes[48..52].try_into().ok()?),
        })
    }

    /// What the next record links to.
    pub(crate) fn hash(&self, file: &FileHeader) -> Hash {
        sha256(&self.encode(file))
    }

    /// Whether this is the payload the record was written with.
    pub(crate) fn covers(&self, payload: &[u8]) -> bool {
        payload.len() == self.length as usize && crc32c::crc32c(payload) == self.sum
    }
}

/// Name of a file of records.
pub(crate) fn file_name(file: u64) -> String {
    format!("{file:08}")
}

/// The number in a name, if it is one of a file of records.
pub(crate) fn file_number(name: &str) -> Option<u64> {
    let number = name.parse().ok().filter(|number| *number > 0)?;
    (file_name(number) == name).then_some(number)
}

fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// The name of a purpose as file headers hold it: eight bytes.
pub(crate) fn purpose(name: &str) -> [u8; 8] {
    let mut purpose = [b' '; 8];
    let length = name.len().min(8);
    purpose[..length].copy_from_slice(&name.as_bytes()[..length]);
    purpose
}
