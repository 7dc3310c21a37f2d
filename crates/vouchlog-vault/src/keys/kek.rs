//! The key encryption key, and where it comes from.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use vouchlog_keys::WrappingKey;
use vouchlog_runtime::durable::{self, Mode};
use vouchlog_runtime::program::{self, Bounds};
use zeroize::Zeroizing;

use super::{Key, VaultId, random, random_key, wrapped};
use crate::key_error::KeyError;
use crate::limits::{KEY_COMMAND_TIMEOUT, MAX_KEY_TEXT_BYTES};

/// The 32 bytes everything else is wrapped under. A holder of them and the database can read everything; without them no one can
/// read anything. Keep a copy, apart from the backups of the database.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyEncryptionKey {
    key: Key,
    /// The one vault that the key is for, if it was wrapped for one.
    vault: Option<VaultId>,
}

impl KeyEncryptionKey {
    /// Takes a key from elsewhere.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self { key: Zeroizing::new(bytes), vault: None }
    }

    /// A new random key.
    pub fn generate() -> crate::Result<Self> {
        Ok(Self { key: random_key()?, vault: None })
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.key
    }

    /// The vault that the key was wrapped for.
    pub(crate) fn vault(&self) -> Option<&VaultId> {
        self.vault.as_ref()
    }

    /// Whether the key may be used for this vault.
    pub(crate) fn is_for(&self, vault: &[u8]) -> bool {
        self.vault.is_none_or(|own| own == vault)
    }

    /// Reads 64 hexadecimal digits, or base64 of either alphabet; white space around it does not count.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut bytes = hex::decode(text).ok().map(Zeroizing::new);
        for base64 in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
            bytes = bytes.or_else(|| base64.decode(text).ok().map(Zeroizing::new));
        }
        Some(Self { key: Zeroizing::new(bytes?.as_slice().try_into().ok()?), vault: None })
    }
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyEncryptionKey(secret)")
    }
}

/// Where the key encryption key comes from: `file:PATH`, `env:NAME`, `credential:NAME` or `command:CMD`; or a [`WrappingKey`] and,
/// after a space, the file with the key that it wrapped: `aws-kms:KEY FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultKeySource {
    /// A file with the key as text. Others than its owner should not be able to read it.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A credential that systemd passes to the service: a file in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// What `sh -c CMD` prints: the client of a key service.
    Command(String),
    /// A file with the key, which a token or a key service wrapped and unwraps at each start.
    Wrapped {
        /// The key that wraps.
        place: WrappingKey,
        /// The file. Without one, [`beside`](Self::beside) gives it the usual name.
        file: Option<PathBuf>,
    },
}

impl FromStr for VaultKeySource {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        match text.split_once(':') {
            Some((_, "")) | None => Err(KeyError::Source),
            Some(("file", path)) => Ok(Self::File(path.into())),
            Some(("env", name)) => Ok(Self::Environment(name.to_owned())),
            Some(("credential", name)) if is_file_name(name) => Ok(Self::Credential(name.to_owned())),
            Some(("command", command)) => Ok(Self::Command(command.to_owned())),
            Some((kind, _)) if WrappingKey::KINDS.contains(&kind) => {
                let (place, file) =
                    text.split_once(' ').map_or((text, ""), |(place, file)| (place, file.trim()));
                let file = (!file.is_empty()).then(|| file.into());
                Ok(Self::Wrapped { place: place.parse()?, file })
            }
            Some(_) => Err(KeyError::Source),
        }
    }
}

impl VaultKeySource {
    /// The same, with the file of a wrapped key in `dir`, as `vault.key.wrapped`, unless it was named.
    #[must_use]
    pub fn beside(self, dir: &Path) -> Self {
        match self {
            Self::Wrapped { place, file: None } => {
                Self::Wrapped { place, file: Some(dir.join("vault.key.wrapped")) }
            }
            other => other,
        }
    }

    /// The key. Blocks: a command may take 30 seconds, a token or a key service 10.
    pub fn load(&self) -> Result<KeyEncryptionKey, KeyError> {
        let (what, text) = match self {
            Self::File(path) => (format!("the file {}", path.display()), read_file(path)?),
            Self::Environment(name) => {
                let value = std::env::var(name).map_err(|_| KeyError::NoVariable(name.clone()))?;
                (format!("the variable {name}"), Zeroizing::new(value))
            }
            Self::Credential(name) => (format!("the credential {name}"), read_file(&credential(name)?)?),
            Self::Command(command) => ("the output of the key command".to_owned(), run(command)?),
            Self::Wrapped { file: None, .. } => return Err(KeyError::NoWrappedFile),
            Self::Wrapped { place, file: Some(path) } => {
                let (key, vault) = wrapped::load(place, path)?;
                return Ok(KeyEncryptionKey { key, vault: Some(vault) });
            }
        };
        KeyEncryptionKey::parse(&text).ok_or(KeyError::Malformed(what))
    }

    /// As [`load`](Self::load), for a vault that is to be made; a file that is not there is made with a new key, on disk when this
    /// returns and readable by its owner alone. A new key that is wrapped is for one vault: the first that is made with it.
    pub fn load_or_create(&self) -> crate::Result<KeyEncryptionKey> {
        let mut vault = VaultId::default();
        random(&mut vault)?;
        self.load_or_create_for(&vault)
    }

    /// As [`load_or_create`](Self::load_or_create), with a new key that is wrapped for this vault.
    pub(crate) fn load_or_create_for(&self, vault: &VaultId) -> crate::Result<KeyEncryptionKey> {
        let missing = match self.load() {
            Err(missing @ (KeyError::NoFile(_) | KeyError::NoWrappedKey(_))) => missing,
            other => return Ok(other?),
        };
        let key = random_key()?;
        let (path, text, vault) = match self {
            Self::File(path) => {
                let digits = Zeroizing::new(hex::encode(key.as_slice()));
                (path, Zeroizing::new(format!("{}\n", digits.as_str())), None)
            }
            Self::Wrapped { place, file: Some(path) } => {
                (path, Zeroizing::new(wrapped::wrap(place, &key, vault)?), Some(*vault))
            }
            _ => return Err(missing.into()),
        };
        let key = KeyEncryptionKey { key, vault };
        match write_new(path, text.as_bytes()) {
            Ok(()) => Ok(key),
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(self.load()?),
            Err(error) => Err(file_error(path, &error.error).into()),
        }
    }
}

/// Whether a name is of a file in a directory, and of none elsewhere.
fn is_file_name(name: &str) -> bool {
    !matches!(name, "." | "..") && !name.contains(['/', '\\'])
}

/// The file of a credential (systemd.exec, `LoadCredential=`).
fn credential(name: &str) -> Result<PathBuf, KeyError> {
    let dir = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|dir| !dir.is_empty());
    Ok(PathBuf::from(dir.ok_or_else(|| KeyError::NoCredentials(name.to_owned()))?).join(name))
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
        assert_eq!("credential:vault.key".parse(), Ok(VaultKeySource::Credential("vault.key".to_owned())));
        for text in ["", "file:", "KEY", "http://key", "credential:", "credential:..", "credential:a/b"] {
            assert_eq!(text.parse::<VaultKeySource>(), Err(KeyError::Source), "{text}");
        }
        let missing = "VOUCHLOG_NO_SUCH_VARIABLE";
        let source = VaultKeySource::Environment(missing.to_owned());
        assert_eq!(source.load(), Err(KeyError::NoVariable(missing.to_owned())));
    }

    #[test]
    fn a_wrapped_key_is_named_by_its_place_and_file() {
        let read = |text: &str| text.parse::<VaultKeySource>();
        let place = |text: &str| text.parse::<WrappingKey>().unwrap();
        let uri = "pkcs11:token=t;object=vault?pin-source=file:/etc/pin";
        assert_eq!(read(uri), Ok(VaultKeySource::Wrapped { place: place(uri), file: None }));
        let (key, file) = (place("aws-kms:alias/vault"), Some("/etc/a file.wrapped".into()));
        let named = read("aws-kms:alias/vault /etc/a file.wrapped").unwrap();
        assert_eq!(named, VaultKeySource::Wrapped { place: key.clone(), file });
        assert_eq!(named.clone().beside(Path::new("v")), named);
        let beside = read("aws-kms:alias/vault").unwrap().beside(Path::new("v"));
        let file = Some("v/vault.key.wrapped".into());
        assert_eq!(beside, VaultKeySource::Wrapped { place: key, file });
        assert_eq!(read("aws-kms:alias/vault").unwrap().load(), Err(KeyError::NoWrappedFile));
        let error = read("pkcs11:object=a?pin-value=98765").unwrap_err().to_string();
        assert!(error.contains("pin-source") && !error.contains("98765"), "{error}");
    }
}
