//! A vault's key in a file, wrapped by a key of a token or a key service: at start it is unwrapped there, and never written plain.

use std::io;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use vouchlog_keys::{KeyPlaceError, WrappingKey};
use vouchlog_merkle::sha256;
use vouchlog_note::SignerError;
use vouchlog_runtime::durable;

use super::{Key, VaultId};
use crate::key_error::KeyError;
use crate::limits::MAX_WRAPPED_KEY_BYTES;

// file  = <lines> "sum " <SHA-256 of the lines, hex> LF
// lines = "vouchlog/v1 wrapped vault key" LF "vault " <id, hex> LF "by " <kind of place> LF "key " <wrapped key, base64> LF

const TITLE: &str = "vouchlog/v1 wrapped vault key";

/// What the file of a wrapped key holds. Nothing of it is secret.
#[derive(Debug, PartialEq, Eq)]
struct WrappedKey {
    /// The vault that the key is for. It is the context of the wrapping, so another id does not unwrap.
    vault: VaultId,
    /// The kind of the place that wrapped it.
    by: &'static str,
    key: Vec<u8>,
}

impl WrappedKey {
    fn text(&self) -> String {
        let (vault, key) = (hex::encode(self.vault), STANDARD.encode(&self.key));
        let lines = format!("{TITLE}\nvault {vault}\nby {}\nkey {key}\n", self.by);
        let sum = sum(&lines);
        lines + "sum " + &sum + "\n"
    }

    /// Reads what [`text`](Self::text) wrote, or what is wrong with it.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let malformed = "it is not a wrapped key";
        let mut lines = text.split('\n');
        if lines.next() != Some(TITLE) {
            return Err(malformed);
        }
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let (vault, by, key) = (field("vault"), field("by"), field("key"));
        let vault = vault.and_then(|id| hex::decode(id).ok()).and_then(|id| id.try_into().ok());
        let by = by.and_then(|by| WrappingKey::KINDS.into_iter().find(|kind| *kind == by));
        let key = key.and_then(|key| STANDARD.decode(key).ok());
        let (Some(vault), Some(by), Some(key)) = (vault, by, key) else { return Err(malformed) };
        let wrapped = Self { vault, by, key };
        // With its sum.
        if wrapped.text() == text {
            Ok(wrapped)
        } else {
            Err("its bytes differ from those that were written")
        }
    }

    fn read(path: &Path) -> Result<Self, KeyError> {
        let read = durable::read(path, MAX_WRAPPED_KEY_BYTES);
        let damaged = |why| KeyError::DamagedWrappedKey { path: path.to_owned(), why };
        let bytes = read.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => KeyError::NoWrappedKey(path.to_owned()),
            io::ErrorKind::InvalidData => damaged("it is too long"),
            _ => KeyError::File { path: path.to_owned(), why: error.error.to_string() },
        })?;
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is not text"))?;
        Self::parse(text).map_err(damaged)
    }
}

fn sum(lines: &str) -> String {
    hex::encode(sha256(lines.as_bytes()).as_bytes())
}

/// What the wrapping is for.
fn context(vault: &VaultId) -> String {
    hex::encode(vault)
}

/// Unwraps the key in a file at the place that wrapped it. With it comes the vault it is for.
pub(super) fn load(place: &WrappingKey, path: &Path) -> Result<(Key, VaultId), KeyError> {
    let wrapped = WrappedKey::read(path)?;
    if wrapped.by != place.kind() {
        return Err(KeyError::WrappedElsewhere {
            path: path.to_owned(),
            by: wrapped.by,
            given: place.kind(),
        });
    }
    let key = place.unwrap(&wrapped.key, &context(&wrapped.vault)).map_err(|why| KeyError::NotUnwrapped {
        path: path.to_owned(),
        place: place.to_string(),
        why,
    })?;
    Ok((key, wrapped.vault))
}

/// Wraps a key for a vault: the text of its file. The place must unwrap it too, since a key that nothing unwraps is lost.
pub(super) fn wrap(place: &WrappingKey, key: &Key, vault: &VaultId) -> Result<String, KeyError> {
    let refused = |why| KeyError::NotWrapped { place: place.to_string(), why };
    let wrapped = place.wrap(key, &context(vault)).map_err(refused)?;
    if place.unwrap(&wrapped, &context(vault)).map_err(refused)? != *key {
        let other = SignerError::new("it decrypted another key than it was given");
        return Err(refused(KeyPlaceError::Wrapping(other)));
    }
    Ok(WrappedKey { vault: *vault, by: place.kind(), key: wrapped }.text())
}

#[cfg(test)]
mod tests;
