//! Secret keys of streams, one file each, readable by their owner alone. The file is on disk before the spool names the key,
//! and is deleted only when the spool names another, so that a stream whose key is named can always be continued.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use vouchlog_note::{SigningKey, VerifyingKey};
use vouchlog_runtime::durable::{self, Mode};

use super::{SpoolError, damaged};

/// The key files of a state directory.
#[derive(Clone, Debug)]
pub(crate) struct StreamKeys {
    dir: PathBuf,
}

impl StreamKeys {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Writes a key; it is on disk when this returns.
    pub(crate) fn save(&self, key: &SigningKey) -> Result<(), SpoolError> {
        let path = self.dir.join(file_name(key.verifying_key()));
        let text = key.to_key_file().expect("a stream's key is made in this process");
        // Whole or not there, so another attempt is safe.
        let written = durable::write(&path, text.as_bytes(), Mode::Private);
        written.map_err(|error| SpoolError::Refused(format!("{}: {error}", path.display())))
    }

    /// The secret of a key; `None` when its file is gone.
    pub(crate) fn load(&self, key: &VerifyingKey) -> Result<Option<SigningKey>, SpoolError> {
        let path = self.dir.join(file_name(key));
        let read = durable::read_bounded(&path, 4096);
        let read = read.map_err(|error| SpoolError::Refused(format!("{}: {error}", path.display())))?;
        let Some(text) = read else { return Ok(None) };
        let wrong = |why: &str| {
            let path = path.display();
            damaged(&format!("{path}: {why}. Delete the file to continue the stream in a new one"))
        };
        let text = String::from_utf8(text).map_err(|_| wrong("it is not text"))?;
        let secret = SigningKey::from_key_file(&text).map_err(|error| wrong(&error.to_string()))?;
        if secret.verifying_key() != key {
            return Err(wrong("it holds a different key"));
        }
        Ok(Some(secret))
    }

    /// Deletes every key but one.
    pub(crate) fn keep_only(&self, key: &VerifyingKey) -> io::Result<()> {
        let kept = file_name(key);
        for file in fs::read_dir(&self.dir)? {
            let name = file?.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("stream-") && name.contains(".key") && name != kept.as_str() {
                fs::remove_file(self.dir.join(name.as_ref()))?;
            }
        }
        Ok(())
    }
}

fn file_name(key: &VerifyingKey) -> String {
    format!("stream-{}.key", key.id())
}
