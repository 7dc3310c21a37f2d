//! The logs a witness knows: for each its keys, and how often it may ask.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock as _;
use governor::{DefaultDirectRateLimiter, Quota};
use thiserror::Error;
use vouchlog_api::{Error, ErrorKind};
use vouchlog_merkle::{Hash, sha256};
use vouchlog_note::{ListedLog, LogList, Origin, SignatureType, VerifyingKey};

use crate::limits;

const SECONDS_PER_DAY: u64 = 86_400;

/// How often a log may ask for a cosignature. Only requests with a valid signature of the log count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(Option<NonZeroU32>);

impl Rate {
    /// As often as it likes.
    pub const UNLIMITED: Self = Self(None);

    /// So many requests a day, spread evenly; after a pause an hour's worth may come at once.
    pub const fn per_day(requests: NonZeroU32) -> Self {
        Self(Some(requests))
    }

    /// The lower of two rates.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(one), Some(other)) => Self(Some(one.min(other))),
            (one, other) => Self(one.or(other)),
        }
    }

    fn limiter(self) -> Option<DefaultDirectRateLimiter> {
        let requests = self.0?;
        let nanos = Duration::from_secs(SECONDS_PER_DAY).as_nanos() / u128::from(requests.get());
        // At the most a day, and at the least 20 µs.
        let period = Duration::from_nanos(u64::try_from(nanos).expect("a day in nanoseconds fits"));
        let burst = (requests.get() / 24).max(limits::MIN_BURST);
        let quota = Quota::with_period(period).expect("a period is not zero");
        let burst = NonZeroU32::new(burst).expect("a burst is not zero");
        Some(DefaultDirectRateLimiter::direct(quota.allow_burst(burst)))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(requests) => write!(f, "{requests} a day"),
            None => f.write_str("unlimited"),
        }
    }
}

/// A log the witness cosigns for.
pub struct KnownLog {
    origin: Origin,
    origin_hash: Hash,
    keys: Vec<VerifyingKey>,
    rate: Rate,
    limiter: Option<DefaultDirectRateLimiter>,
}

impl KnownLog {
    /// A log that signs with one of `keys`, of types 0x01 or 0x06.
    ///
    /// # Errors
    /// If a key is of another type, two have the same name and id, or there are none or too many.
    pub fn new(origin: Origin, keys: Vec<VerifyingKey>, rate: Rate) -> Result<Self, LogsError> {
        if keys.is_empty() || keys.len() > limits::MAX_KEYS_PER_LOG {
            return Err(LogsError::KeyCount { origin, keys: keys.len() });
        }
        for (place, key) in keys.iter().enumerate() {
            // A cosignature states when a witness saw a head; only the log's signature makes the head its own.
            if key.signature_type() == SignatureType::CosignatureEd25519 {
                return Err(LogsError::KeyType { origin, key: key.to_string() });
            }
            if keys[..place].iter().any(|other| same_line(other, key)) {
                return Err(LogsError::Ambiguous { origin, key: key.to_string() });
            }
        }
        let origin_hash = sha256(origin.as_str().as_bytes());
        Ok(Self { origin, origin_hash, keys, rate, limiter: rate.limiter() })
    }

    /// The log's name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// SHA-256 of the name: where monitors find its latest checkpoint.
    pub fn origin_hash(&self) -> Hash {
        self.origin_hash
    }

    /// The keys it signs with.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// How often it may ask.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// A witness that knew a log by its own key would vouch for itself.
    pub(crate) fn refuse_own_keys(&self, own: &[VerifyingKey]) -> Result<(), LogsError> {
        let is_own = |key: &&VerifyingKey| {
            own.iter().any(|own| own.public_key() == key.public_key() || same_line(own, key))
        };
        match self.keys.iter().find(is_own) {
            None => Ok(()),
            Some(key) => Err(LogsError::OwnKey { origin: self.origin.clone(), key: key.to_string() }),
        }
    }

    /// Counts a request the log signed.
    pub(crate) fn count_request(&self) -> Result<(), Error> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        limiter.check().map_err(|early| {
            let retry_after = early.wait_time_from(limiter.clock().now());
            let message = format!("the log {} is limited to {}: retry later", self.origin, self.rate);
            Error::new(ErrorKind::Overloaded { retry_after }, message)
        })
    }
}

impl fmt::Debug for KnownLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, keys, rate, .. } = self;
        f.debug_struct("KnownLog").field("origin", origin).field("keys", keys).field("rate", rate).finish()
    }
}

/// Whether signature lines of the two keys look alike.
pub(crate) fn same_line(one: &VerifyingKey, other: &VerifyingKey) -> bool {
    one.id() == other.id() && one.name() == other.name()
}

/// The logs a witness knows, by origin. A clone shares their request counts.
#[derive(Clone, Debug, Default)]
pub struct Logs(HashMap<Origin, Arc<KnownLog>>);

impl Logs {
    /// No logs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a log.
    ///
    /// # Errors
    /// If the origin is known, or there are [`limits::MAX_LOGS`] already; nothing is changed then.
    pub fn add(&mut self, log: KnownLog) -> Result<(), LogsError> {
        if self.0.contains_key(log.origin()) {
            return Err(LogsError::Known(log.origin));
        }
        if self.0.len() >= limits::MAX_LOGS {
            return Err(LogsError::Full);
        }
        self.0.insert(log.origin.clone(), Arc::new(log));
        Ok(())
    }

    /// Adds the logs of a list that are not known yet, each at the rate it announces, but at most `ceiling`; returns
    /// what became of the list's logs. `own` are the keys of the witness.
    ///
    /// A list only ever adds: anyone may publish one, and a log that is known is not changed or removed because of a list.
    pub fn add_list(&mut self, list: &LogList, ceiling: Rate, own: &[VerifyingKey]) -> ListedLogs {
        let mut outcome = ListedLogs::default();
        for listed in list.logs() {
            if self.0.contains_key(listed.origin()) {
                outcome.known += 1;
                continue;
            }
            match listed_log(listed, ceiling, own).and_then(|log| self.add(log)) {
                Ok(()) => outcome.added.push(listed.origin().clone()),
                Err(error) => outcome.refused.push(error),
            }
        }
        outcome
    }

    /// The log of this name.
    pub fn get(&self, origin: &Origin) -> Option<&Arc<KnownLog>> {
        self.0.get(origin)
    }

    /// Every log, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<KnownLog>> {
        self.0.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What became of the logs of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedLogs {
    /// Added.
    pub added: Vec<Origin>,
    /// How many were known before.
    pub known: usize,
    /// Not added, and why.
    pub refused: Vec<LogsError>,
}

fn listed_log(listed: &ListedLog, ceiling: Rate, own: &[VerifyingKey]) -> Result<KnownLog, LogsError> {
    let rate = Rate(NonZeroU32::new(listed.requests_per_day())).min(ceiling);
    let log = KnownLog::new(listed.origin().clone(), vec![listed.key().clone()], rate)?;
    log.refuse_own_keys(own)?;
    Ok(log)
}

/// Why a log, or a set of them, was refused. Its configuration is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LogsError {
    /// The log is known already, and is not changed.
    #[error("the log {0} is already known")]
    Known(Origin),
    /// There are too many.
    #[error("a witness knows at most {} logs", limits::MAX_LOGS)]
    Full,
    /// No keys, or too many.
    #[error("the log {origin} has {keys} keys: give between 1 and {}", limits::MAX_KEYS_PER_LOG)]
    KeyCount {
        /// The log.
        origin: Origin,
        /// Keys given.
        keys: usize,
    },
    /// A key that makes cosignatures only.
    #[error("the key {key} makes cosignatures, so it cannot sign for the log {origin}")]
    KeyType {
        /// The log.
        origin: Origin,
        /// The vkey.
        key: String,
    },
    /// Two keys whose lines look alike.
    #[error("two keys of the log {origin} have the same name and id: {key}")]
    Ambiguous {
        /// The log.
        origin: Origin,
        /// The second vkey.
        key: String,
    },
    /// A key of the witness: it would vouch for itself.
    #[error("the log {origin} has the key {key}, which is the witness's own")]
    OwnKey {
        /// The log.
        origin: Origin,
        /// The vkey.
        key: String,
    },
}
