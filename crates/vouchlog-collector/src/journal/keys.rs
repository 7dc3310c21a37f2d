//! The keys that the journal's files are sealed under: a key for each file, destroyed when nothing in that file is needed any more.
//!
//! ```text
//! journal/KEYS = "VJKEYS1\n" (8) number of the first sealed file (8) key* SHA-256 of all before (32)
//! key          = number of its file (8) AES-256 key (32)
//! a payload of the ledger, sealed = nonce (12) ciphertext tag (16); the additional data is the number of its file
//! ```
//!
//! Files before the first sealed one are of an earlier version, in clear. There is always a key for the file that comes next, so
//! that beginning it takes no further write.
//!
//! To destroy a key, `KEYS` is written again without it under another name and renamed; then the bytes of the file it replaced are
//! overwritten. A file system or a disk that writes elsewhere may keep the old bytes until it uses their place again.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{digest, rand};
use bytes::{Bytes, BytesMut};
use vouchlog_ledger::{Disk, LedgerError};
use zeroize::Zeroizing;

use super::JournalError;

const NAME: &str = "KEYS";
const MAGIC: &[u8; 8] = b"VJKEYS1\n";
const KEY: usize = 32;
const SUM: usize = 32;
/// More than a journal of any budget has: each file has 32 MiB, or half a minute of input.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The keys of a journal's files.
pub(super) struct FileKeys {
    disk: Arc<dyn Disk>,
    /// Files before this one are in clear.
    first: u64,
    keys: BTreeMap<u64, FileKey>,
}

struct FileKey {
    secret: Zeroizing<[u8; KEY]>,
    cipher: Arc<LessSafeKey>,
}

impl FileKeys {
    /// The keys beside a journal, if there are any.
    pub(super) fn read(disk: Arc<dyn Disk>) -> Result<Option<Self>, JournalError> {
        let file = match disk.open(NAME) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(LedgerError::io("opened", NAME))?,
        };
        let length = file.length().map_err(LedgerError::io("read", NAME))?.min(MAX_BYTES);
        let mut bytes = Zeroizing::new(vec![0; usize::try_from(length).expect("it is bounded")]);
        file.read_exact_at(&mut bytes, 0).map_err(LedgerError::io("read", NAME))?;
        let (first, keys) = parse(&bytes).ok_or_else(|| {
            JournalError::Damaged("journal/KEYS is damaged: input that is not recorded cannot be read".into())
        })?;
        Ok(Some(Self { disk, first, keys }))
    }

    /// Keys for a journal whose files before `first` are in clear, or none of them; durable when this returns.
    pub(super) fn create(disk: Arc<dyn Disk>, first: u64) -> Result<Self, JournalError> {
        let mut created = Self { disk, first, keys: BTreeMap::new() };
        created.keep(first, first)?;
        Ok(created)
    }

    /// Number of the first file that is sealed.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Keeps the keys of the files from `oldest` to `newest` and of the one after it, and destroys those of earlier ones; durable
    /// when this returns.
    pub(super) fn keep(&mut self, oldest: u64, newest: u64) -> Result<(), JournalError> {
        let next = newest.max(self.first) + 1;
        let missing: Vec<u64> =
            (newest.max(self.first)..=next).filter(|n| !self.keys.contains_key(n)).collect();
        let is_needed = |file: u64| file >= oldest && file <= next;
        if missing.is_empty() && self.keys.keys().all(|file| is_needed(*file)) {
            return Ok(());
        }
        let kept = self.keys.iter().filter(|(file, _)| is_needed(**file));
        let mut secrets: BTreeMap<u64, Zeroizing<[u8; KEY]>> =
            kept.map(|(file, key)| (*file, key.secret.clone())).collect();
        for file in missing {
            let mut secret = Zeroizing::new([0; KEY]);
            rand::fill(secret.as_mut_slice())
                .map_err(|_| JournalError::Disk("the system gives no random bytes".into()))?;
            secrets.insert(file, secret);
        }
        self.write(&format(self.first, &secrets))?;
        self.keys = secrets.into_iter().map(|(file, secret)| (file, FileKey::new(secret))).collect();
        Ok(())
    }

    /// The key of a sealed file; none for one in clear.
    pub(super) fn of(&self, file: u64) -> Result<Option<Arc<LessSafeKey>>, String> {
        if file < self.first {
            return Ok(None);
        }
        let key = self.keys.get(&file).ok_or("journal/KEYS does not have the key of this file")?;
        Ok(Some(key.cipher.clone()))
    }

    fn write(&self, bytes: &[u8]) -> Result<(), JournalError> {
        let failed = |error| JournalError::from(LedgerError::io("written", NAME)(error));
        let new = format!("{NAME}.new");
        let old = match self.disk.open_for_writing(NAME) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            opened => Some(opened.map_err(failed)?),
        };
        let written = self.disk.create(&new).and_then(|file| {
            file.write_all_at(bytes, 0)?;
            file.sync_data()
        });
        let placed = written.and_then(|()| self.disk.rename(&new, NAME)).and_then(|()| self.disk.sync());
        placed.map_err(failed)?;
        // The old file has no name any more, durably: only its bytes are left, and the destroyed keys are among them.
        if let Some(old) = old {
            let length = old.length().map_err(failed)?.min(MAX_BYTES);
            let zeros = vec![0; usize::try_from(length).expect("it is bounded")];
            old.write_all_at(&zeros, 0).and_then(|()| old.sync_data()).map_err(failed)?;
        }
        Ok(())
    }
}

impl fmt::Debug for FileKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileKeys({:?})", self.keys.keys())
    }
}

impl FileKey {
    fn new(secret: Zeroizing<[u8; KEY]>) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, secret.as_slice()).expect("an AES-256 key has 32 bytes");
        Self { secret, cipher: Arc::new(LessSafeKey::new(key)) }
    }
}

fn format(first: u64, keys: &BTreeMap<u64, Zeroizing<[u8; KEY]>>) -> Zeroizing<Vec<u8>> {
    // Of the full length at once: growing would leave keys behind in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(16 + keys.len() * (8 + KEY) + SUM));
    bytes.extend(MAGIC);
    bytes.extend(first.to_be_bytes());
    for (file, secret) in keys {
        bytes.extend(file.to_be_bytes());
        bytes.extend(secret.as_slice());
    }
    let sum = digest::digest(&digest::SHA256, &bytes);
    bytes.extend(sum.as_ref());
    bytes
}

fn parse(bytes: &[u8]) -> Option<(u64, BTreeMap<u64, FileKey>)> {
    let (body, sum) = bytes.split_last_chunk::<SUM>()?;
    if digest::digest(&digest::SHA256, body).as_ref() != sum {
        return None;
    }
    let (first, rest) = body.strip_prefix(MAGIC)?.split_first_chunk()?;
    let (rows, &[]) = rest.as_chunks::<{ 8 + KEY }>() else { return None };
    let keys = rows.iter().map(|row| {
        let (file, secret) = row.split_first_chunk()?;
        let secret = Zeroizing::new(<[u8; KEY]>::try_from(secret).ok()?);
        Some((u64::from_be_bytes(*file), FileKey::new(secret)))
    });
    Some((u64::from_be_bytes(*first), keys.collect::<Option<_>>()?))
}

/// Seals a payload of the file `file`. Nonces are random: a file has far fewer payloads than the 2^32 that this allows.
pub(super) fn seal(key: &LessSafeKey, file: u64, payload: &[u8]) -> Result<Vec<u8>, JournalError> {
    let mut nonce = [0; NONCE_LEN];
    rand::fill(&mut nonce).map_err(|_| JournalError::Refused("the system gives no random bytes".into()))?;
    let mut sealed = Vec::with_capacity(NONCE_LEN + payload.len() + AES_256_GCM.tag_len());
    sealed.extend(nonce);
    sealed.extend(payload);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(file.to_be_bytes()), &mut sealed[NONCE_LEN..])
        .expect("AES-GCM seals anything shorter than 64 GiB");
    sealed.extend(tag.as_ref());
    Ok(sealed)
}

/// Opens a payload of the file `file`.
pub(super) fn open(key: &LessSafeKey, file: u64, sealed: &[u8]) -> Result<Bytes, String> {
    let (nonce, ciphertext) =
        sealed.split_first_chunk::<NONCE_LEN>().ok_or("a record in it is too short to be sealed")?;
    let mut plain = BytesMut::from(ciphertext);
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let opened = key.open_in_place(nonce, Aad::from(file.to_be_bytes()), &mut plain);
    let length = opened.map_err(|_| "a record in it was sealed under another key")?.len();
    plain.truncate(length);
    Ok(plain.freeze())
}
