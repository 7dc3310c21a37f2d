//! Quotas in force, and what gateways have used of them today.
//!
//! Usage is a state of the store, committed with the entries it counts: a restart forgets nothing. It is counted only for gateways that
//! have a quota, so a log without quotas pays nothing; a quota that is set in the middle of a day counts from then on.

use std::collections::HashMap;

use vouchlog_note::KeyName;
use vouchlog_stream::{
    Amounts, Bounds, Counted, DailyLimits, Day, Limit, LoggedAt, QuotaScope, QuotaState, Usage,
};

/// Quotas and usage, as they are committed.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    in_force: HashMap<QuotaScope, QuotaState>,
    usage: HashMap<KeyName, Usage>,
    /// The gateway of the house stream, and its limits as long as the operator has set none for it.
    house: Option<(KeyName, DailyLimits)>,
    highest: HighestUse,
}

/// The largest share of a bound that any gateway has used today, of each thing that is counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HighestUse {
    day: Day,
    shares: [f64; 3],
}

impl HighestUse {
    pub(crate) fn of(&self, counted: Counted) -> f64 {
        self.shares[counted as usize]
    }
}

impl Quotas {
    /// Limits of the house stream as long as the operator has set none for it.
    pub(crate) fn set_house(&mut self, gateway: KeyName, limits: DailyLimits) {
        self.house = (limits != DailyLimits::default()).then_some((gateway, limits));
    }

    /// Whether there is none, not even for the house stream.
    pub(crate) fn is_empty(&self) -> bool {
        self.in_force.is_empty() && self.house.is_none()
    }

    /// How many the operator has set.
    pub(crate) fn count(&self) -> usize {
        self.in_force.len()
    }

    pub(crate) fn get(&self, scope: &QuotaScope) -> Option<&QuotaState> {
        self.in_force.get(scope)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&QuotaScope, &QuotaState)> {
        self.in_force.iter()
    }

    /// What a gateway has used on a day.
    pub(crate) fn used(&self, gateway: &KeyName, day: Day) -> Amounts {
        self.usage
            .get(gateway)
            .filter(|usage| usage.day == day)
            .map_or(Amounts::default(), |usage| usage.used)
    }

    pub(crate) fn all_usage(&self) -> impl Iterator<Item = &Usage> {
        self.usage.values()
    }

    /// The bounds of a gateway. `drafted` are quotas that are not committed yet.
    pub(crate) fn bounds(&self, gateway: &KeyName, drafted: &HashMap<QuotaScope, QuotaState>) -> Bounds {
        let find = |scope: &QuotaScope| drafted.get(scope).or_else(|| self.in_force.get(scope));
        let house = self.house.as_ref().filter(|(house, _)| house == gateway).map(|(_, limits)| *limits);
        let own = find(&QuotaScope::Gateway(gateway.clone())).map(|quota| quota.limits).or(house);
        let all = find(&QuotaScope::All).map(|quota| quota.limits);
        Bounds::new(&own.unwrap_or_default(), &all.unwrap_or_default())
    }

    pub(crate) fn put_quota(&mut self, quota: QuotaState) {
        self.in_force.insert(quota.scope.clone(), quota);
    }

    pub(crate) fn put_usage(&mut self, usage: Usage) {
        let bounds = self.bounds(&usage.gateway, &HashMap::new());
        if usage.day > self.highest.day {
            self.highest = HighestUse { day: usage.day, ..HighestUse::default() };
        }
        if usage.day == self.highest.day {
            for counted in Counted::ALL {
                let share = bounds.of(counted).map_or(0.0, |most| share(usage.used.of(counted), most));
                let highest = &mut self.highest.shares[counted as usize];
                *highest = highest.max(share);
            }
        }
        self.usage.insert(usage.gateway.clone(), usage);
    }

    /// The largest shares used on the day of this time.
    pub(crate) fn highest(&self, now: LoggedAt) -> HighestUse {
        if self.highest.day == Day::of(now) { self.highest } else { HighestUse::default() }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share for people, of numbers far below 2^52")]
fn share(used: u64, most: u64) -> f64 {
    used as f64 / most.max(1) as f64
}

/// The default of the house stream where strangers can reach it: 1,000,000 statements, about 12 a second, and 64 streams, one for each start.
pub const STRANGERS_HOUSE_LIMITS: DailyLimits =
    DailyLimits { statements: Limit::AtMost(1_000_000), bytes: Limit::Default, streams: Limit::AtMost(64) };
