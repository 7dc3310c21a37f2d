//! Opening a log in a data directory: keys, store, index, clock and randomness, with safe defaults.
//!
//! ```text
//! <data>/log.key  operator.key  house.key     made when the log is, mode 0600; operator.key only if no other place is named
//! <data>/FORMAT   live/  sealed/  index/      the store's (vouchlog-storage-sled)
//! ```

use std::future::{Future, IntoFuture};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::registry::Registry;
use tracing::{Instrument, Span};
use vouchlog_api::{Appender, ErrorKind};
use vouchlog_merkle::Hash;
use vouchlog_note::{KeyName, Origin, SignatureType, SigningKey, VerifyingKey};
use vouchlog_runtime::durable;
use vouchlog_sequencer::scrub::ScrubOptions;
use vouchlog_sequencer::{Config, Options, Witnesses};
#[cfg(any(test, feature = "postgres"))]
use vouchlog_storage::StoreError;
use vouchlog_storage::{Index, Store};
use vouchlog_storage_sled::{RunIndex, SledStore};
use vouchlog_stream::{DailyLimits, Enrolment, RetirementProof};

use crate::clock::{random_bytes, system_clock};
use crate::embedded::{Log, Tenancy};
use crate::keys::{self, KeyFileError};
#[cfg(feature = "objects")]
use crate::objects::Objects;
use crate::open_error::OpenError;

const LOG_KEY: &str = "log.key";
const OPERATOR_KEY: &str = "operator.key";
const HOUSE_KEY: &str = "house.key";

/// Begins to open the log in `data_dir`, or a new one. Await it to open it.
///
/// Without [`origin`](LogBuilder::origin) a new log is called `vouchlog.localhost/<random>`, and an old one keeps its name.
pub fn open(data_dir: impl Into<PathBuf>) -> LogBuilder {
    LogBuilder {
        dir: data_dir.into(),
        origin: None,
        log_key: None,
        operator_key: None,
        operator_file: None,
        operator: None,
        continues: None,
        gateways: Vec::new(),
        index: IndexMode::On,
        ml_dsa_key: None,
        witnesses: None,
        house: true,
        #[cfg(feature = "objects")]
        objects: None,
        options: Options::default(),
        registry: Registry::default(),
        span: Span::none(),
        #[cfg(feature = "postgres")]
        postgres: None,
    }
}

/// Whether a log can find entries by digest, leaf hash, or stream and sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IndexMode {
    /// It can.
    #[default]
    On,
    /// It cannot; entries are found by index only. Saves about 40 bytes of disk a statement.
    Off,
    /// It can, after the index has been rebuilt.
    Rebuild,
}

/// How a log will be opened. Await it.
#[derive(Debug)]
#[must_use = "nothing is opened until it is awaited"]
pub struct LogBuilder {
    dir: PathBuf,
    origin: Option<String>,
    log_key: Option<SigningKey>,
    operator_key: Option<SigningKey>,
    operator_file: Option<PathBuf>,
    operator: Option<VerifyingKey>,
    continues: Option<RetirementProof>,
    gateways: Vec<VerifyingKey>,
    index: IndexMode,
    ml_dsa_key: Option<SigningKey>,
    witnesses: Option<Witnesses>,
    house: bool,
    #[cfg(feature = "objects")]
    objects: Option<Objects>,
    options: Options,
    registry: Registry,
    span: Span,
    #[cfg(feature = "postgres")]
    postgres: Option<crate::postgres::Postgres>,
}

impl LogBuilder {
    /// Names the log, as a URL without its scheme: `log.example.com/ai`. Refused when the directory holds another log.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Signs with this key (type 0x01, named like the origin) instead of the one in the data directory.
    pub fn log_key(mut self, key: SigningKey) -> Self {
        self.log_key = Some(key);
        self
    }

    /// Enrols with this key (type 0x01) instead of the one in the data directory.
    pub fn operator_key(mut self, key: SigningKey) -> Self {
        self.operator_key = Some(key);
        self
    }

    /// Keeps the operator's key in this file, which is made with a new log, instead of in the data directory. A key that is in the data
    /// directory already stays in use there.
    pub fn operator_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.operator_file = Some(file.into());
        self
    }

    /// Names the operator (type 0x01) of a log that does not hold the operator's key: gateways are enrolled by notes alone. A log keeps
    /// the operator it was created with; after a change of the operator's key, either key names it.
    pub fn operator(mut self, operator: VerifyingKey) -> Self {
        self.operator = Some(operator);
        self
    }

    /// Continues the log that this proves to have ended, which names this one as its successor: the new log's second entry shows it. A
    /// log that is there already must name the same predecessor.
    pub fn continues(mut self, end: RetirementProof) -> Self {
        self.continues = Some(end);
        self
    }

    /// Signs checkpoints with this key (ML-DSA-44, type 0x06, named like the origin) beside the Ed25519 key.
    pub fn ml_dsa_key(mut self, key: SigningKey) -> Self {
        self.ml_dsa_key = Some(key);
        self
    }

    /// Has these witnesses cosign the log's heads, and publishes the newest head that satisfies their policy. Before anything is
    /// signed, the witnesses are asked what they have seen of the log; a store that is behind one of them is refused.
    pub fn witnesses(mut self, witnesses: Witnesses) -> Self {
        self.witnesses = Some(witnesses);
        self
    }

    /// How long a caller who asked for a witnessed receipt waits for one; 15 s unless told otherwise.
    pub fn witness_patience(mut self, patience: Duration) -> Self {
        self.options.witness_patience = patience;
        self
    }

    /// Enrols a gateway's key (type 0x01) unless it is enrolled already. May be called several times.
    pub fn gateway(mut self, key: VerifyingKey) -> Self {
        self.gateways.push(key);
        self
    }

    /// Lets any gateway open streams: its key is enrolled on the way. For trials.
    pub fn open_enrolment(mut self, open: bool) -> Self {
        self.options.open_enrolment = open;
        self
    }

    /// Whether the log takes statements of callers without a key, into its house stream; it does, unless told otherwise. Each is opaque, of an
    /// unknown sender, and there is no limit to them: turn it off for a log that strangers can reach.
    pub fn house(mut self, takes: bool) -> Self {
        self.house = takes;
        self
    }

    /// Whether entries are found by what is known of them; they are, unless told otherwise.
    pub fn index(mut self, index: IndexMode) -> Self {
        self.index = index;
        self
    }

    /// How long an active stream may go without a head of it being an entry of the log; 30 s unless told otherwise.
    pub fn stream_head_interval(mut self, interval: Duration) -> Self {
        self.options.stream_head_interval = interval;
        self
    }

    /// What the house stream may log in a day as long as the operator has set no quota for it; anything, unless told otherwise.
    pub fn house_limits(mut self, limits: DailyLimits) -> Self {
        self.options.house_limits = limits;
        self
    }

    /// Keeps the log in PostgreSQL instead of in the data directory, which then holds only what belongs to this node: keys, the lookup
    /// index, and a note of the newest head it signed.
    #[cfg(feature = "postgres")]
    pub fn postgres(mut self, place: crate::postgres::Postgres) -> Self {
        self.postgres = Some(place);
        self
    }

    /// Reads sealed data again while the log runs, and repairs it; off unless told otherwise.
    pub fn scrub(mut self, scrub: ScrubOptions) -> Self {
        self.options.scrub = scrub;
        self
    }

    /// Keeps the sealed part in an object store, which anyone can then read and audit the log from. A log keeps what it began with:
    /// one that was made with objects is opened with them, and no other is.
    #[cfg(feature = "objects")]
    pub fn objects(mut self, objects: Objects) -> Self {
        self.objects = Some(objects);
        self
    }

    /// Registers the log's metrics, and those of its server, in this registry. A program with several logs gives each a registry with a label of its
    /// own, `Registry::with_labels([("log".into(), name.into())].into_iter())`, so that their series stay apart.
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// The span that everything the log does is in, on its own threads and in its server: its events and spans then show which of several logs
    /// they are of. It ends with the log. Call it `log`, and Vouchlog's own exporter adds its fields to each span of the log.
    pub fn span(mut self, span: Span) -> Self {
        self.span = span;
        self
    }

    async fn open(self) -> Result<Log, OpenError> {
        let span = self.span.clone();
        self.open_in_span().instrument(span).await
    }

    async fn open_in_span(mut self) -> Result<Log, OpenError> {
        let gateways = std::mem::take(&mut self.gateways);
        #[cfg(feature = "objects")]
        let objects = self.objects.clone();
        // Reading the tail back blocks, and so does making keys.
        let span = self.span.clone();
        let opened = tokio::task::spawn_blocking(move || span.in_scope(|| self.open_blocking())).await;
        let (log, operator) = opened.map_err(|_| OpenError::Interrupted)??;
        #[cfg(feature = "objects")]
        let log = match objects {
            Some(objects) => log.publishing(&objects),
            None => log,
        };
        #[cfg(feature = "postgres")]
        let log = log.showing();
        if let Some(key) = operator.as_ref().filter(|key| *key.verifying_key() != log.operator_vkey()) {
            // Logged once, with the cause: otherwise a warning for each gateway would blame the gateway's key.
            if !gateways.is_empty() {
                let key = key.verifying_key().id();
                tracing::warn!(%key, "the configured gateways are not enrolled: the operator's key that was given was replaced");
            }
            return Ok(log);
        }
        for gateway in gateways {
            let operator = operator.as_ref().ok_or(OpenError::NoOperatorKey)?;
            let note = Enrolment::first(log.origin().clone(), gateway).sign(operator)?;
            match log.enrol(note).await {
                // The key was revoked or rotated since it was configured, or the log has ended. If the log did not start, every other gateway
                // and every reader would be without it.
                Err(error) if matches!(error.kind, ErrorKind::PermissionDenied | ErrorKind::Retired) => {
                    tracing::warn!(%error, "a configured gateway's key is not enrolled, and will not be: remove it");
                }
                enrolled => {
                    enrolled.map_err(OpenError::Enrol)?;
                }
            }
        }
        Ok(log)
    }

    fn open_blocking(mut self) -> Result<(Log, Option<SigningKey>), OpenError> {
        durable::make_dir(&self.dir).map_err(|failed| self.io(failed.error))?;
        let stored = self.stored_origin()?;
        let (origin, keys) = match stored {
            Some(stored) => self.keys_of_old_log(&stored)?,
            None => self.keys_of_new_log()?,
        };
        let mut registry = std::mem::take(&mut self.registry);
        let begun = Instant::now();
        let Opened { store, lease } = self.open_store(origin.as_str(), &mut registry)?;
        let index = match self.index {
            IndexMode::Off => None,
            _ => Some(Arc::new(RunIndex::open(&self.dir.join("index"))?)),
        };
        let operator = keys.operator.clone();
        let config = Config {
            origin,
            log_key: keys.log,
            ml_dsa_key: self.ml_dsa_key,
            operator_key: keys.operator,
            operator: self.operator,
            continues: self.continues,
            house_key: keys.house.filter(|_| self.house),
            randomness: random_bytes,
            clock: system_clock(),
            witnesses: self.witnesses,
            options: self.options,
        };
        let index = index.map(|index| index as Arc<dyn Index>);
        let engine = vouchlog_sequencer::Engine::open(config, store, index, &mut registry)?;
        if self.index == IndexMode::Rebuild {
            engine.rebuild_index();
        }
        lease.took_over(begun.elapsed());
        Ok((Log::new(engine, (registry, self.span), lease), operator))
    }

    /// The name of the log that is there; none for a new one.
    fn stored_origin(&self) -> Result<Option<String>, OpenError> {
        let here = SledStore::origin(&self.dir)?;
        #[cfg(feature = "postgres")]
        if let Some(place) = &self.postgres {
            if here.is_some() {
                let message = "the data directory holds a log of its own: a node of a log in PostgreSQL needs another one";
                return Err(StoreError::Foreign(message.into()).into());
            }
            return self.stored_in(place);
        }
        Ok(here)
    }

    #[cfg(feature = "postgres")]
    fn stored_in(&self, place: &crate::postgres::Postgres) -> Result<Option<String>, OpenError> {
        let file = self.dir.join(LOG_KEY);
        let of_file = exists(&file).then(|| keys::load(&file)).transpose()?;
        let of_key =
            self.log_key.as_ref().or(of_file.as_ref()).map(|key| key.verifying_key().name().to_string());
        let found = place.leader(self.origin.as_deref().or(of_key.as_deref()))?;
        if found.is_none() && !place.creates() {
            return Err(vouchlog_storage_postgres::no_log().into());
        }
        Ok(found.map(|leader| leader.origin))
    }

    #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "only a lease has metrics"))]
    fn open_store(&self, origin: &str, registry: &mut Registry) -> Result<Opened, OpenError> {
        #[cfg(feature = "postgres")]
        if let Some(place) = &self.postgres {
            let crate::postgres::Leased { store, lease } = self.open_in(place, origin)?;
            lease.metrics().register(registry);
            return Ok(Opened { store, lease: Tenancy::Leased(lease) });
        }
        let options = vouchlog_storage_sled::Options::default();
        #[cfg(feature = "objects")]
        if let Some(objects) = &self.objects {
            let sealed = |size, sealed| objects.sealed(origin, size, sealed);
            let store = SledStore::open_with_objects(&self.dir, origin, options, objects.url(), sealed)?;
            return Ok(Opened { store: Arc::new(store), lease: Tenancy::Locked });
        }
        let store = SledStore::open(&self.dir, origin, options)?;
        Ok(Opened { store: Arc::new(store), lease: Tenancy::Locked })
    }

    #[cfg(feature = "postgres")]
    fn open_in(
        &self,
        place: &crate::postgres::Postgres,
        origin: &str,
    ) -> Result<crate::postgres::Leased, StoreError> {
        #[cfg(feature = "objects")]
        if let Some(objects) = &self.objects {
            return place.open_with_objects(origin, &self.dir, objects);
        }
        place.open(origin, &self.dir)
    }

    /// A new log's keys are made before its store, so that a store never stands there without them.
    fn keys_of_new_log(&self) -> Result<(Origin, Keys), OpenError> {
        let at = |name| self.dir.join(name);
        let found = exists(&at(LOG_KEY)).then(|| keys::load(&at(LOG_KEY))).transpose()?;
        let name = match (&self.origin, self.log_key.as_ref().or(found.as_ref())) {
            (Some(origin), _) => origin.clone(),
            // A gateway's key is of the same type as a log's: only its name shows which is meant, so the caller has to give it.
            (None, Some(key)) if self.log_key.is_some() => {
                return Err(OpenError::NoOrigin(Box::new(key.verifying_key().clone())));
            }
            (None, Some(key)) => key.verifying_key().name().to_string(),
            (None, None) => random_name(),
        };
        let origin = parse_origin(&name)?;
        // Looked at first: what is refused must leave nothing behind.
        KeyName::for_new_key(&name).map_err(|error| OpenError::KeyName { origin: name.clone(), error })?;
        if let Some(key) = self.log_key.as_ref().or(found.as_ref()) {
            check_log_key(&origin, key.verifying_key())?;
        }
        let log = match self.log_key.clone().or(found) {
            Some(key) => key,
            None => keys::load_or_create(&at(LOG_KEY), &name)?,
        };
        let operator = match self.known_operator_key()? {
            None if self.operator.is_none() => {
                let file = self.operator_file.clone().unwrap_or_else(|| at(OPERATOR_KEY));
                Some(keys::load_or_create(&file, &format!("{name}/operator"))?)
            }
            known => known,
        };
        let house = keys::load_or_create(&at(HOUSE_KEY), &format!("{name}/house"))?;
        Ok((origin, Keys { log, operator, house: Some(house) }))
    }

    /// The operator's key, if it was given or is in one of its places.
    fn known_operator_key(&self) -> Result<Option<SigningKey>, OpenError> {
        if let Some(key) = &self.operator_key {
            return Ok(Some(key.clone()));
        }
        let places = [self.operator_file.clone(), Some(self.dir.join(OPERATOR_KEY))];
        let found = places.into_iter().flatten().find(|file| exists(file));
        Ok(found.map(|file| keys::load(&file)).transpose()?)
    }

    /// An old log's keys may be kept elsewhere; none of them is ever replaced by a new key.
    fn keys_of_old_log(&self, stored: &str) -> Result<(Origin, Keys), OpenError> {
        let find = |name: &str| {
            let path = self.dir.join(name);
            exists(&path).then(|| keys::load(&path)).transpose()
        };
        let log = match &self.log_key {
            Some(key) => key.clone(),
            None => find(LOG_KEY)?.ok_or_else(|| OpenError::NoLogKey(stored.to_owned()))?,
        };
        let operator = self.known_operator_key()?;
        // What was asked for, so that the store says so when it is another log's.
        let origin = parse_origin(self.origin.as_deref().unwrap_or(stored))?;
        Ok((origin, Keys { log, operator, house: find(HOUSE_KEY)? }))
    }

    fn io(&self, error: std::io::Error) -> OpenError {
        OpenError::KeyFile(KeyFileError::Io { path: self.dir.clone(), error })
    }
}

impl IntoFuture for LogBuilder {
    type Output = Result<Log, OpenError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

/// An open store, and what keeps other processes out of it.
struct Opened {
    store: Arc<dyn Store>,
    lease: Tenancy,
}

struct Keys {
    log: SigningKey,
    operator: Option<SigningKey>,
    house: Option<SigningKey>,
}

fn exists(path: &Path) -> bool {
    path.try_exists().unwrap_or(true)
}

fn check_log_key(origin: &Origin, key: &VerifyingKey) -> Result<(), OpenError> {
    if key.name().as_str() == origin.as_str() && key.signature_type() == SignatureType::Ed25519 {
        return Ok(());
    }
    Err(OpenError::LogKey { origin: origin.clone(), key: Box::new(key.clone()) })
}

fn parse_origin(origin: &str) -> Result<Origin, OpenError> {
    Origin::new(origin).map_err(|error| OpenError::Origin { origin: origin.to_owned(), error })
}

/// A unique name, so that two trial logs are never confused.
fn random_name() -> String {
    let random = Hash::from_bytes(random_bytes()).to_string();
    format!("vouchlog.localhost/{}", &random[..8])
}

#[cfg(test)]
mod tests {
    use vouchlog_sequencer::EngineError;
    use vouchlog_stream::{ReplacementReason, Replaces};

    use super::*;

    #[tokio::test]
    async fn a_log_keeps_its_name_and_keys() {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path()).await.unwrap();
        let (origin, vkey) = (log.origin().clone(), log.vkey().clone());
        assert!(origin.as_str().starts_with("vouchlog.localhost/"), "{origin}");
        assert_eq!(log.operator_vkey().name().to_string(), format!("{origin}/operator"));
        let second = open(dir.path()).await;
        assert!(matches!(second, Err(OpenError::Store(StoreError::InUse))), "{second:?}");
        log.stop().await;
        drop(log);

        let log = open(dir.path()).origin(origin.as_str()).await.unwrap();
        assert_eq!((log.origin(), log.vkey()), (&origin, &vkey));
        log.stop().await;
        drop(log);

        let other = open(dir.path()).origin("log.example.com/other").await;
        assert!(matches!(other, Err(OpenError::Store(StoreError::Foreign(_)))), "{other:?}");
    }

    #[tokio::test]
    async fn another_key_or_none_does_not_open_an_old_log() {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path()).origin("log.example.com/a").await.unwrap();
        log.stop().await;
        drop(log);

        let name = vouchlog_note::KeyName::new("log.example.com/a").unwrap();
        let key = SigningKey::generate(name, SignatureType::Ed25519, [1; 32]).unwrap();
        let wrong = open(dir.path()).log_key(key.clone()).await;
        assert!(matches!(wrong, Err(OpenError::Engine(EngineError::LogKey(_)))), "{wrong:?}");
        let wrong = open(dir.path()).operator_key(key).await;
        assert!(matches!(wrong, Err(OpenError::Engine(EngineError::OperatorKey { .. }))), "{wrong:?}");
        std::fs::remove_file(dir.path().join(LOG_KEY)).unwrap();
        let none = open(dir.path()).await;
        assert!(matches!(none, Err(OpenError::NoLogKey(_))), "{none:?}");
        assert!(!dir.path().join(LOG_KEY).exists(), "no key is made for an old log");
    }

    #[tokio::test]
    async fn what_is_refused_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let name = KeyName::new("log.example.com/a").unwrap();
        let key = SigningKey::generate(name.clone(), SignatureType::Ed25519, [1; 32]).unwrap();
        let witness = SigningKey::generate(name.clone(), SignatureType::CosignatureEd25519, [1; 32]).unwrap();
        let gateway = SigningKey::generate(name, SignatureType::Ed25519, [2; 32]).unwrap();
        let refused = [
            open(dir.path()).origin("log.example.com/b").log_key(key).await,
            open(dir.path()).log_key(witness).await,
            // It may be a gateway's: the caller does not name the log.
            open(dir.path()).log_key(gateway).await,
            open(dir.path()).origin("log.example.com/\u{200b}a").await,
            open(dir.path()).origin("two words").await,
            open(dir.path()).origin("").await,
        ];
        for refused in refused {
            assert!(refused.is_err(), "{refused:?}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn the_operator_key_may_be_kept_outside_the_data_directory() {
        let dir = tempfile::tempdir().unwrap();
        let (data, file) = (dir.path().join("log"), dir.path().join("log.operator.key"));
        let log = open(&data).operator_file(&file).await.unwrap();
        let operator = log.operator_vkey();
        assert_eq!(keys::load(&file).unwrap().verifying_key(), &operator);
        assert!(!data.join(OPERATOR_KEY).exists());
        log.stop().await;
        drop(log);

        // One that is in the data directory stays in use.
        std::fs::rename(&file, data.join(OPERATOR_KEY)).unwrap();
        let log = open(&data).operator_file(&file).await.unwrap();
        assert_eq!(log.operator_vkey(), operator);
        assert!(!file.exists());
        log.stop().await;
    }

    #[tokio::test]
    async fn a_log_need_never_hold_the_operator_key() {
        let dir = tempfile::tempdir().unwrap();
        let name = |name: &str| KeyName::new(name).unwrap();
        let operator = SigningKey::generate(name("operator"), SignatureType::Ed25519, [3; 32]).unwrap();
        let gateway = SigningKey::generate(name("gateway"), SignatureType::Ed25519, [4; 32]).unwrap();
        let named = |key: &SigningKey| open(dir.path()).operator(key.verifying_key().clone());
        let log = named(&operator).await.unwrap();
        assert_eq!(log.operator_vkey(), *operator.verifying_key());
        assert!(!dir.path().join(OPERATOR_KEY).exists());
        let note = Enrolment::first(log.origin().clone(), gateway.verifying_key().clone());
        log.enrol(note.sign(&operator).unwrap()).await.unwrap();
        log.stop().await;
        drop(log);

        let other = named(&gateway).await;
        assert!(matches!(other, Err(OpenError::Engine(EngineError::OperatorKey { .. }))), "{other:?}");
        // It is remembered: nothing has to be named.
        let log = open(dir.path()).await.unwrap();
        assert_eq!(log.operator_vkey(), *operator.verifying_key());
        log.stop().await;
        drop(log);
        let refused = named(&operator).gateway(operator.verifying_key().clone()).await;
        assert!(matches!(refused, Err(OpenError::NoOperatorKey)), "{refused:?}");
    }

    #[tokio::test]
    async fn gateways_are_enrolled_once() {
        let dir = tempfile::tempdir().unwrap();
        let name = vouchlog_note::KeyName::new("gateway.example.com/1").unwrap();
        let key = SigningKey::generate(name, SignatureType::Ed25519, [2; 32]).unwrap();
        let size = {
            let log = open(dir.path()).gateway(key.verifying_key().clone()).await.unwrap();
            log.stop().await;
            log.sequenced().size()
        };
        let log = open(dir.path()).gateway(key.verifying_key().clone()).await.unwrap();
        log.stop().await;
        assert_eq!(log.sequenced().size(), size);
    }

    #[tokio::test]
    async fn a_configured_key_that_was_rotated_does_not_keep_a_log_from_starting() {
        let dir = tempfile::tempdir().unwrap();
        let key = |seed| {
            let name = KeyName::new("gateway.example.com/1").unwrap();
            SigningKey::generate(name, SignatureType::Ed25519, [seed; 32]).unwrap()
        };
        let (old, new, other) = (key(2), key(3), key(4));
        let start = |key: &SigningKey| open(dir.path()).gateway(key.verifying_key().clone());
        let log = start(&old).await.unwrap();
        let replaces = Replaces { key: old.verifying_key().clone(), reason: ReplacementReason::Rotation };
        let first = Enrolment::first(log.origin().clone(), new.verifying_key().clone());
        let rotation = Enrolment { replaces: Some(replaces), ..first };
        let note = rotation.cross_sign(&old, &new).unwrap();
        let operator = keys::load(&dir.path().join(OPERATOR_KEY)).unwrap();
        let note = Enrolment::countersign(&note, log.origin(), &operator).unwrap();
        log.enrol(note).await.unwrap();
        log.stop().await;
        drop(log);
        for key in [&old, &new] {
            let log = start(key).await.unwrap();
            log.stop().await;
        }
        // A second key under a taken name is a mistake to see at once.
        let taken = start(&other).await;
        assert!(matches!(taken, Err(OpenError::Enrol(_))), "{taken:?}");
    }
}
