//! What gateways have logged today, and the quotas it is held against.

use serde::{Deserialize, Serialize};
use vouchlog_merkle::LeafIndex;
use vouchlog_note::KeyName;

use crate::{DailyLimits, Limit, LoggedAt, QuotaScope};

/// Milliseconds of a day.
const DAY: u64 = 24 * 60 * 60 * 1_000;

/// A day of the log, from midnight to midnight UTC; counted from 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(u64);

impl Day {
    /// The day of a time.
    pub const fn of(time: LoggedAt) -> Self {
        Self(time.millis() / DAY)
    }

    /// Days since 1970-01-01.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Milliseconds from a time in it until it ends.
    pub const fn rest(time: LoggedAt) -> u64 {
        DAY - time.millis() % DAY
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counted {
    /// Statements.
    Statements,
    /// Bytes of entries.
    Bytes,
    /// Streams that were opened.
    Streams,
}

impl Counted {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Statements, Self::Bytes, Self::Streams];

    /// The name, for people and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Statements => "statements",
            Self::Bytes => "bytes",
            Self::Streams => "streams",
        }
    }
}

/// An amount of each thing that is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Statements.
    pub statements: u64,
    /// Bytes of entries.
    pub bytes: u64,
    /// Streams that were opened.
    pub streams: u64,
}

impl Amounts {
    /// The amount of one thing.
    pub const fn of(&self, counted: Counted) -> u64 {
        match counted {
            Counted::Statements => self.statements,
            Counted::Bytes => self.bytes,
            Counted::Streams => self.streams,
        }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            statements: self.statements.saturating_add(other.statements),
            bytes: self.bytes.saturating_add(other.bytes),
            streams: self.streams.saturating_add(other.streams),
        }
    }
}

/// The bounds of one gateway; none where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds([Option<u64>; 3]);

impl Bounds {
    /// Those of a gateway with these limits of its own, where `default` holds for all.
    pub fn new(own: &DailyLimits, default: &DailyLimits) -> Self {
        Self([
            own.statements.bound(default.statements),
            own.bytes.bound(default.bytes),
            own.streams.bound(default.streams),
        ])
    }

    /// The bound of one thing.
    pub const fn of(&self, counted: Counted) -> Option<u64> {
        self.0[counted as usize]
    }

    /// Whether there is none at all.
    pub fn is_unlimited(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// What a gateway would exceed that has used `used` and asks for `more`: the first, and its bound.
    pub fn exceeded(&self, used: &Amounts, more: &Amounts) -> Option<(Counted, u64)> {
        let total = used.plus(more);
        let over = |counted: &Counted| {
            // What asks for nothing of a thing is not held up by it.
            more.of(*counted) > 0 && self.of(*counted).is_some_and(|most| total.of(*counted) > most)
        };
        let counted = Counted::ALL.into_iter().find(over)?;
        Some((counted, self.of(counted)?))
    }
}

/// What a gateway has used of its quota on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The name of its keys.
    pub gateway: KeyName,
    /// The day.
    pub day: Day,
    /// How much.
    pub used: Amounts,
}

/// The quota of a scope that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaState {
    /// Whom it is for.
    pub scope: QuotaScope,
    /// The limits.
    pub limits: DailyLimits,
    /// When the operator signed it.
    pub issued: LoggedAt,
    /// The entry that set it.
    pub index: LeafIndex,
}

#[derive(Serialize, Deserialize)]
struct StoredQuota {
    gateway: Option<String>,
    limits: [String; 3],
    issued: u64,
    index: u64,
}

impl QuotaState {
    /// The bytes a store keeps.
    pub fn to_bytes(&self) -> Vec<u8> {
        let gateway = match &self.scope {
            QuotaScope::All => None,
            QuotaScope::Gateway(name) => Some(name.to_string()),
        };
        let limits = [self.limits.statements, self.limits.bytes, self.limits.streams].map(Limit::to_word);
        let stored = StoredQuota { gateway, limits, issued: self.issued.millis(), index: self.index.get() };
        postcard::to_stdvec(&stored).expect("strings and numbers always encode")
    }

    /// Reads [`to_bytes`](Self::to_bytes) back; `None` when the store was damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let stored: StoredQuota = postcard::from_bytes(bytes).ok()?;
        let scope = match stored.gateway {
            None => QuotaScope::All,
            Some(name) => QuotaScope::Gateway(KeyName::new(&name).ok()?),
        };
        let [statements, bytes, streams] = stored.limits.map(|word| Limit::from_word(&word));
        Some(Self {
            scope,
            limits: DailyLimits { statements: statements?, bytes: bytes?, streams: streams? },
            issued: LoggedAt::from_millis(stored.issued)?,
            index: LeafIndex::new(stored.index),
        })
    }
}

impl Usage {
    /// The bytes a store keeps.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Amounts { statements, bytes, streams } = self.used;
        let stored = (self.gateway.as_str(), self.day.0, statements, bytes, streams);
        postcard::to_stdvec(&stored).expect("strings and numbers always encode")
    }

    /// Reads [`to_bytes`](Self::to_bytes) back; `None` when the store was damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (gateway, day, statements, bytes, streams): (String, u64, u64, u64, u64) =
            postcard::from_bytes(bytes).ok()?;
        let used = Amounts { statements, bytes, streams };
        Some(Self { gateway: KeyName::new(&gateway).ok()?, day: Day(day), used })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_day_ends_at_midnight_utc() {
        let at = |millis| LoggedAt::from_millis(millis).unwrap();
        // 2026-01-01T00:00:00Z.
        let midnight = 1_767_225_600_000;
        assert_eq!(Day::of(at(midnight)).number(), 20_454);
        assert!(Day::of(at(midnight - 1)) < Day::of(at(midnight)));
        assert_eq!((Day::rest(at(midnight - 1)), Day::rest(at(midnight))), (1, DAY));
    }

    #[test]
    fn own_limits_stand_before_those_for_all() {
        let limits = |statements, bytes, streams| DailyLimits { statements, bytes, streams };
        let all = limits(Limit::AtMost(5), Limit::AtMost(500), Limit::Unlimited);
        let own = limits(Limit::AtMost(9), Limit::Unlimited, Limit::Default);
        let bounds = Bounds::new(&own, &all);
        assert_eq!(Counted::ALL.map(|counted| bounds.of(counted)), [Some(9), None, None]);
        let inherited = Bounds::new(&DailyLimits::default(), &all);
        assert_eq!(Counted::ALL.map(|counted| inherited.of(counted)), [Some(5), Some(500), None]);
        assert!(Bounds::new(&DailyLimits::default(), &DailyLimits::default()).is_unlimited());
    }

    #[test]
    fn the_last_that_fits_is_let_through_and_the_next_is_not() {
        let limits = DailyLimits { statements: Limit::AtMost(10), ..DailyLimits::default() };
        let bounds = Bounds::new(&limits, &DailyLimits::default());
        let amount = |statements| Amounts { statements, ..Amounts::default() };
        assert_eq!(bounds.exceeded(&amount(7), &amount(3)), None);
        assert_eq!(bounds.exceeded(&amount(7), &amount(4)), Some((Counted::Statements, 10)));
        assert_eq!(bounds.exceeded(&amount(7), &amount(u64::MAX)), Some((Counted::Statements, 10)));
        // A heartbeat has no statements.
        let beat = Amounts { bytes: 700, ..Amounts::default() };
        assert_eq!(bounds.exceeded(&amount(99), &beat), None);
    }

    proptest! {
        #[test]
        fn what_is_stored_comes_back(numbers: [u64; 5], name in "[a-z.]{1,30}", time in 0..1_u64 << 48, words in proptest::array::uniform3("default|unlimited|[1-9][0-9]{0,9}")) {
            let gateway = KeyName::new(&name).unwrap();
            let [day, statements, bytes, streams, index] = numbers;
            let usage = Usage { gateway: gateway.clone(), day: Day(day), used: Amounts { statements, bytes, streams } };
            prop_assert_eq!(Usage::from_bytes(&usage.to_bytes()), Some(usage));
            let [statements, bytes, streams] = words.map(|word| Limit::from_word(&word).unwrap());
            for scope in [QuotaScope::All, QuotaScope::Gateway(gateway)] {
                let limits = DailyLimits { statements, bytes, streams };
                let (issued, index) = (LoggedAt::from_millis(time).unwrap(), LeafIndex::new(index));
                let state = QuotaState { scope, limits, issued, index };
                prop_assert_eq!(QuotaState::from_bytes(&state.to_bytes()), Some(state));
            }
        }

        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>) {
            let _ = (Usage::from_bytes(&bytes), QuotaState::from_bytes(&bytes));
        }
    }
}
