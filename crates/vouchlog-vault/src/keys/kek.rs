//! The key encryption key, and where it comes from.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use vouchlog_runtime::durable::{self, Mode};
use vouchlog_runtime::program::{self, Bounds};
use zeroize::Zeroizing;

use super::Key;
use crate::key_error::KeyError;
use crate::limits::{KEY_COMMAND_TIMEOUT, MAX_KEY_TEXT_BYTES};

/// The 32 bytes everything else is wrapped under. A holder of them and the database can read everything; without them no one can
/// read anything. Keep a copy, apart from the backups of the database.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyEncryptionKey(Key);

impl KeyEncryptionKey {
    /// Takes a key from elsewhere.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new random key.
    pub fn generate() -> crate::Result<Self> {
        super::random_key().map(Self)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hexadecimal digits, or base64 of either alphabet; white space around it does not count.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut bytes = hex::decode(text).ok().map(Zeroizing::new);
        for base64 in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
            bytes = bytes.or_else(|| base64.decode(text).ok().map(Zeroizing::new));
        }
        Some(Self(Zeroizing::new(bytes?.as_slice().try_into().ok()?)))
    }
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyEncryptionKey(secret)")
    }
}

/// Where the key encryption key comes from: `file:PATH`, `env:NAME` or `command:CMD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultKeySource {
    /// A file with the key as text. Others than its owner should not be able to read it.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// What `sh -c CMD` prints: the client of a key service.
    Command(String),
}

impl FromStr for VaultKeySource {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        match text.split_once(':') {
            Some((_, "")) | None => Err(KeyError::Source),
            Some(("file", path)) => Ok(Self::File(path.into())),
            Some(("env", name)) => Ok(Self::Environment(name.to_owned())),
            Some(("command", command)) => Ok(Self::Command(command.to_owned())),
            Some(_) => Err(KeyError::Source),
        }
    }
}

impl VaultKeySource {
    /// The key. Blocks: a command may take 30 seconds.
    pub fn load(&self) -> Result<KeyEncryptionKey, KeyError> {
        let (what, text) = match self {
            Self::File(path) => (format!("the file {}", path.display()), read_file(path)?),
            Self::Environment(name) => {
                let value = std::env::var(name).map_err(|_| KeyError::NoVariable(name.clone()))?;
                (format!("the variable {name}"), Zeroizing::new(value))
            }
            Self::Command(command) => ("the output of the key command".to_owned(), run(command)?),
        };
        KeyEncryptionKey::parse(&text).ok_or(KeyError::Malformed(what))
    }

    /// As [`load`](Self::load); a file that is not there is made with a new key, on disk when this returns and readable by its
    /// owner alone.
    pub fn load_or_create(&self) -> crate::Result<KeyEncryptionKey> {
        let Self::File(path) = self else { return Ok(self.load()?) };
        match self.load() {
            Err(KeyError::NoFile(_)) => {}
            other => return Ok(other?),
        }
        let key = KeyEncryptionKey::generate()?;
        let text = Zeroizing::new(format!("{}\n", Zeroizing::new(hex::encode(key.bytes())).as_str()));
        match write_new(path, text.as_bytes()) {
            Ok(()) => Ok(key),
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(self.load()?),
            Err(error) => Err(file_error(path, &error.error).into()),
        }
    }
}

fn file_error(path: &Path, error: &io::Error) -> KeyError {
    match error.kind() {
        io::ErrorKind::NotFound => KeyError::NoFile(path.to_owned()),
        _ => KeyError::File { path: path.to_owned(), why: error.to_string() },
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    let file = File::open(path).map_err(|error| file_error(path, &error))?;
    if durable::is_open_to_others(&file) {
        tracing::warn!(path = %path.display(), "other users can read the vault's key file: set its mode to 0600");
    }
    read_text(file).map_err(|error| file_error(path, &error))
}

/// At most [`MAX_KEY_TEXT_BYTES`]; what is longer comes out too long to be a key.
fn read_text(from: impl Read) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(MAX_KEY_TEXT_BYTES + 1));
    from.take(MAX_KEY_TEXT_BYTES as u64).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a file that must not exist yet, and its name, to disk.
fn write_new(path: &Path, bytes: &[u8]) -> durable::Result<()> {
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        durable::make_dir(dir)?;
    }
    durable::create(path, bytes, Mode::Private)
}

/// What a command prints, within [`KEY_COMMAND_TIMEOUT`]. Its standard error goes to ours.
fn run(command: &str) -> Result<Zeroizing<String>, KeyError> {
    let bounds = Bounds { patience: KEY_COMMAND_TIMEOUT, max_output: MAX_KEY_TEXT_BYTES };
    let output = program::run(Command::new("sh").args(["-c", command]), &[], bounds);
    let output = Zeroizing::new(output.map_err(|error| KeyError::Command(error.to_string()))?);
    let text =
        std::str::from_utf8(&output).map_err(|_| KeyError::Command("its output is not text".into()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_key_reads_from_hexadecimal_and_base64() {
        let key = KeyEncryptionKey::from_bytes([0xfb; 32]);
        for text in
            [hex::encode([0xfb; 32]), STANDARD.encode([0xfb; 32]), URL_SAFE_NO_PAD.encode([0xfb; 32]) + "\n"]
        {
            assert_eq!(KeyEncryptionKey::parse(&text), Some(key.clone()), "{text}");
        }
        for text in ["", "00", &hex::encode([1; 31]), &hex::encode([1; 33]), "not a key at all"] {
            assert_eq!(KeyEncryptionKey::parse(text), None, "{text}");
        }
        assert!(!format!("{key:?}").contains("fb"));
    }

    #[test]
    fn a_key_file_is_made_once_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/vault.key");
        let source: VaultKeySource = format!("file:{}", path.display()).parse().unwrap();
        assert_eq!(source.load(), Err(KeyError::NoFile(path.clone())));
        let key = source.load_or_create().unwrap();
        assert_eq!(source.load_or_create().unwrap(), key);
        assert_eq!(source.load().unwrap(), key);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        fs::write(&path, "half a key").unwrap();
        assert!(matches!(source.load(), Err(KeyError::Malformed(_))));
        assert!(source.load_or_create().is_err(), "a damaged key is never replaced");
    }

    #[test]
    fn a_command_prints_the_key_or_says_what_is_wrong() {
        let digits = hex::encode([9; 32]);
        let load = |command: String| VaultKeySource::Command(command).load();
        assert_eq!(load(format!("echo {digits}")), Ok(KeyEncryptionKey::from_bytes([9; 32])));
        assert!(matches!(load(format!("echo {digits}; exit 3")), Err(KeyError::Command(_))));
        assert!(matches!(load("yes".to_owned()), Err(KeyError::Command(_) | KeyError::Malformed(_))));
        assert!(matches!(load("true".to_owned()), Err(KeyError::Malformed(_))));
    }

    #[test]
    fn a_source_is_named_by_its_kind() {
        assert_eq!("env:KEY".parse(), Ok(VaultKeySource::Environment("KEY".to_owned())));
        assert_eq!(
            "command:vault read a:b".parse(),
            Ok(VaultKeySource::Command("vault read a:b".to_owned()))
        );
        for text in ["", "file:", "KEY", "http://key"] {
            assert_eq!(text.parse::<VaultKeySource>(), Err(KeyError::Source), "{text}");
        }
        let missing = "VOUCHLOG_NO_SUCH_VARIABLE";
        let source = VaultKeySource::Environment(missing.to_owned());
        assert_eq!(source.load(), Err(KeyError::NoVariable(missing.to_owned())));
    }
}
