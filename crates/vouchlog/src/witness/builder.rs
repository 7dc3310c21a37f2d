//! A witness in a directory, wired up: its keys, its store, the place for what it refuses.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prometheus_client::registry::Registry;
use thiserror::Error;
use vouchlog_note::{SignatureType, SigningKey};
use vouchlog_runtime::durable;
use vouchlog_storage::{StoreError, StoreIdentity, WitnessStore};
use vouchlog_storage_sled::{Options as StoreOptions, SledWitnessStore};
use vouchlog_witness::{Config, Logs, Options, WitnessEngineError};

use super::embedded::Witness;
use super::key::create_key;
use super::refusals::RefusalDir;
use super::state::{self, WitnessStateError};
use crate::clock::{random_bytes, system_clock};
use crate::keys::{self, KeyFileError};

const KEY_FILE: &str = "witness.key";
const ML_DSA_KEY_FILE: &str = "witness-ml-dsa.key";

/// Begins to open the witness in `dir`, or a new one.
pub fn witness(dir: impl Into<PathBuf>) -> WitnessBuilder {
    WitnessBuilder {
        dir: dir.into(),
        name: None,
        key: None,
        also: None,
        ml_dsa_key: None,
        ml_dsa: false,
        accept_lost_state: false,
        #[cfg(feature = "postgres")]
        postgres: None,
    }
}

/// What a witness is opened with. Keys are made in its directory at its first start.
#[derive(Clone, Debug)]
#[must_use]
pub struct WitnessBuilder {
    dir: PathBuf,
    name: Option<String>,
    key: Option<PathBuf>,
    also: Option<PathBuf>,
    ml_dsa_key: Option<PathBuf>,
    ml_dsa: bool,
    accept_lost_state: bool,
    #[cfg(feature = "postgres")]
    postgres: Option<crate::postgres::Postgres>,
}

/// Why a witness did not open.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WitnessOpenError {
    /// A key file could not be made or read.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// There is a witness in the directory, but not its key.
    #[error("the witness in this directory has no key file {0}")]
    NoKey(PathBuf),
    /// A new witness needs a name.
    #[error("a new witness needs a name")]
    NoName,
    /// The key has another name.
    #[error("the key {key_file} is named `{found}`, not `{expected}`")]
    Name {
        /// The key file.
        key_file: PathBuf,
        /// The name asked for.
        expected: String,
        /// The key's name.
        found: String,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key has cosigned with another store.
    #[error(transparent)]
    State(#[from] WitnessStateError),
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] WitnessEngineError),
    /// The directory cannot be used.
    #[error("{path}: {error}")]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl WitnessBuilder {
    /// The witness's name, which its keys have; needed for a new one only.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// The key file to cosign with, of type 0x04; by default `witness.key` in the directory.
    pub fn key(mut self, file: &Path) -> Self {
        self.key = Some(file.to_owned());
        self
    }

    /// The key file of a key that was rotated, to cosign with for a while beside the new one. Both open one store.
    pub fn also(mut self, file: &Path) -> Self {
        self.also = Some(file.to_owned());
        self
    }

    /// A key file of type 0x06 to cosign with too; by default `witness-ml-dsa.key` in the directory, if there is one.
    pub fn ml_dsa_key(mut self, file: &Path) -> Self {
        self.ml_dsa_key = Some(file.to_owned());
        self
    }

    /// Whether to make an ML-DSA-44 key in the directory when there is none.
    pub fn ml_dsa(mut self, make: bool) -> Self {
        self.ml_dsa = make;
        self
    }

    /// Lets keys cosign that have cosigned with another store, or with an unknown one. The witness may then contradict itself: see
    /// [`ACCEPT_LOST_STATE`](super::ACCEPT_LOST_STATE).
    pub fn accept_lost_state(mut self, accept: bool) -> Self {
        self.accept_lost_state = accept;
        self
    }

    /// Keeps what was cosigned in PostgreSQL instead of in the directory, which then holds the keys alone. Several processes with the same
    /// key may run on one database: none of them contradicts another.
    #[cfg(feature = "postgres")]
    pub fn postgres(mut self, place: crate::postgres::Postgres) -> Self {
        self.postgres = Some(place);
        self
    }

    /// Opens the witness, knowing no logs yet; give it some with [`Witness::set_logs`]. Blocks while the states
    /// are read.
    pub fn open(self) -> Result<Witness, WitnessOpenError> {
        let io =
            |failed: durable::Error| WitnessOpenError::Io { path: self.dir.clone(), error: failed.error };
        durable::make_dir(&self.dir).map_err(io)?;
        let keys = self.keys()?;
        let fresh = *random_bytes().first_chunk().expect("16 of 32 bytes");
        let fresh = StoreIdentity::from_bytes(fresh);
        let store = self.store(&keys, fresh)?;
        for (key_file, _) in &keys {
            state::bind(key_file, store.identity(), self.accept_lost_state)?;
        }
        let refusals = RefusalDir::new(&self.dir.join("refusals"));
        let config = Config {
            keys: keys.into_iter().map(|(_, key)| key).collect(),
            logs: Logs::new(),
            clock: system_clock(),
            on_refusal: Arc::new(refusals.clone()),
            options: Options::default(),
        };
        let mut registry = Registry::default();
        let engine = vouchlog_witness::Witness::open(config, store, &mut registry)?;
        Ok(Witness::new(engine, registry, refusals))
    }

    fn store(
        &self,
        keys: &[(PathBuf, SigningKey)],
        fresh: StoreIdentity,
    ) -> Result<Arc<dyn WitnessStore>, WitnessOpenError> {
        #[cfg(feature = "postgres")]
        if let Some(place) = &self.postgres {
            if SledWitnessStore::exists(&self.dir).map_err(|error| self.io(error))? {
                let message =
                    "the directory holds a witness of its own: a witness in PostgreSQL needs another one";
                return Err(StoreError::Foreign(message.into()).into());
            }
            let (key_file, key) = &keys[0];
            // A key that has cosigned something opens the store it cosigned with, and makes none.
            let is_new = !self.accept_lost_state && !state::has_cosigned(key_file)?;
            let fresh = (self.accept_lost_state || is_new).then_some(fresh);
            let name = key.verifying_key().name().as_str();
            let store = place.open_witness(name, fresh)?;
            let mut is_used = false;
            if is_new {
                store.load(&mut |_, _, _| is_used = true)?;
            }
            if is_used {
                return Err(StoreError::Foreign(format!(
                    "the database holds what the witness `{name}` cosigned with another key: copy that key file and its .state file here"
                ))
                .into());
            }
            return Ok(Arc::new(store));
        }
        let _ = keys;
        Ok(Arc::new(SledWitnessStore::open(&self.dir, fresh, StoreOptions::default())?))
    }

    fn io(&self, error: io::Error) -> WitnessOpenError {
        WitnessOpenError::Io { path: self.dir.clone(), error }
    }

    /// The keys with their files.
    fn keys(&self) -> Result<Vec<(PathBuf, SigningKey)>, WitnessOpenError> {
        let mut keys = Vec::new();
        match &self.key {
            Some(file) => keys.push((file.clone(), keys::load(file)?)),
            None => {
                let file = self.dir.join(KEY_FILE);
                // A witness that has begun had a key, and a new one would be another witness.
                let begun = SledWitnessStore::exists(&self.dir).map_err(|error| self.io(error))?;
                let key = match (file.try_exists().map_err(|error| self.io(error))?, begun) {
                    (true, _) => keys::load(&file)?,
                    (false, true) => return Err(WitnessOpenError::NoKey(file)),
                    (false, false) => {
                        let name = self.name.as_deref().ok_or(WitnessOpenError::NoName)?;
                        create_key(&file, name, SignatureType::CosignatureEd25519)?
                    }
                };
                keys.push((file, key));
            }
        }
        if let Some(file) = &self.also {
            keys.push((file.clone(), keys::load(file)?));
        }
        keys.extend(self.second_key(&keys[0].1)?);
        for (key_file, key) in &keys {
            let found = key.verifying_key().name().as_str();
            if let Some(expected) = self.name.as_deref().filter(|name| *name != found) {
                let (key_file, found) = (key_file.clone(), found.to_owned());
                return Err(WitnessOpenError::Name { key_file, expected: expected.to_owned(), found });
            }
        }
        Ok(keys)
    }

    fn second_key(&self, first: &SigningKey) -> Result<Option<(PathBuf, SigningKey)>, WitnessOpenError> {
        if let Some(file) = &self.ml_dsa_key {
            return Ok(Some((file.clone(), keys::load(file)?)));
        }
        let file = self.dir.join(ML_DSA_KEY_FILE);
        if file.try_exists().map_err(|error| self.io(error))? {
            let key = keys::load(&file)?;
            return Ok(Some((file, key)));
        }
        if !self.ml_dsa {
            return Ok(None);
        }
        let name = first.verifying_key().name().as_str();
        let key = create_key(&file, name, SignatureType::MlDsa44)?;
        Ok(Some((file, key)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn try_open(builder: &WitnessBuilder) -> Result<Vec<String>, WitnessOpenError> {
        let witness = builder.clone().open()?;
        Ok(witness.vkeys().iter().map(ToString::to_string).collect())
    }

    fn open(builder: &WitnessBuilder) -> Vec<String> {
        try_open(builder).unwrap()
    }

    #[test]
    fn its_keys_are_made_once_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let builder = witness(dir.path());
        assert!(matches!(try_open(&builder), Err(WitnessOpenError::NoName)));
        let first = open(&builder.clone().name("witness.example.com/w"));
        assert_eq!(first.len(), 1);
        assert_eq!(open(&builder), first, "the name is remembered with the key");
        let both = open(&builder.clone().ml_dsa(true));
        assert_eq!((both.len(), &both[0]), (2, &first[0]));
        assert_eq!(open(&builder), both, "a key that is there is used");
        let wrong = builder.name("witness.example.com/other");
        assert!(matches!(try_open(&wrong), Err(WitnessOpenError::Name { .. })));
    }

    #[test]
    fn a_witness_that_lost_its_key_makes_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let builder = witness(dir.path()).name("witness.example.com/w");
        open(&builder);
        fs::remove_file(dir.path().join(KEY_FILE)).unwrap();
        assert!(matches!(try_open(&builder), Err(WitnessOpenError::NoKey(_))));
    }

    #[test]
    fn a_key_that_came_back_alone_does_not_begin_with_an_empty_memory() {
        let dir = tempfile::tempdir().unwrap();
        let builder = witness(dir.path().join("old")).name("witness.example.com/w").ml_dsa(true);
        let vkeys = open(&builder);
        for key in [KEY_FILE, ML_DSA_KEY_FILE] {
            let restored = dir.path().join(key);
            fs::create_dir_all(&restored).unwrap();
            fs::copy(dir.path().join("old").join(key), restored.join(KEY_FILE)).unwrap();
            for _ in 0..2 {
                let error = try_open(&witness(&restored)).unwrap_err();
                let missing = matches!(error, WitnessOpenError::State(WitnessStateError::Missing { .. }));
                assert!(missing, "{key}: {error}");
            }
        }
        let accepted = witness(dir.path().join(KEY_FILE)).accept_lost_state(true);
        assert_eq!(open(&accepted), vkeys[..1]);
    }

    #[test]
    fn a_witness_that_lost_its_state_does_not_go_on_unless_told_so() {
        let dir = tempfile::tempdir().unwrap();
        let builder = witness(dir.path()).name("witness.example.com/w").ml_dsa(true);
        let vkeys = open(&builder);
        for lost in ["live", "FORMAT", "COMMITS"] {
            let path = dir.path().join(lost);
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        }
        let error = try_open(&builder).unwrap_err();
        assert!(matches!(error, WitnessOpenError::State(WitnessStateError::Lost { .. })), "{error}");
        assert!(try_open(&builder).is_err(), "asking twice is no answer");
        assert_eq!(open(&builder.clone().accept_lost_state(true)), vkeys);
        assert_eq!(open(&builder), vkeys, "once told, it has a new memory");
    }
}
