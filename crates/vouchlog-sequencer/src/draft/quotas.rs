//! Quotas in a batch: setting them, and holding requests against them.

use std::collections::HashMap;
use std::time::Duration;

use vouchlog_api::{Error, ErrorKind, Result};
use vouchlog_note::KeyName;
use vouchlog_stream::{Amounts, Counted, Day, Entry, Quota, QuotaScope, QuotaState, StatementEntry, Usage};

use super::{Draft, House};
use crate::limits::{MAX_GATEWAYS, MAX_QUOTA_AHEAD};
use crate::queue::{Append, Done};

/// Bytes before each entry of a bundle.
const FRAME: u64 = 2;
/// Bytes of a control entry before its note, at most: kind, time, stream.
const CONTROL: u64 = 12;

/// What a batch changes of quotas.
#[derive(Debug, Default)]
pub(super) struct DraftedQuotas {
    pub(super) set: HashMap<QuotaScope, QuotaState>,
    pub(super) usage: HashMap<KeyName, Usage>,
    /// Requests that were refused, by what they would have exceeded.
    pub(super) refused: Vec<Counted>,
}

impl Draft<'_> {
    /// Sets a quota. The note that is in force already changes nothing; an older one is refused.
    pub(crate) fn set_quota(&mut self, note: String, quota: &Quota) -> Result<Done> {
        let known = self.quotas.set.get(&quota.scope).or_else(|| self.committed.quotas.get(&quota.scope));
        if let Some(known) = known {
            if (known.issued, known.limits) == (quota.issued, quota.limits) {
                return Ok(Done::QuotaSet(known.index));
            }
            if known.issued >= quota.issued {
                let message = format!(
                    "the quota at index {} was signed at the same time or later: sign it again",
                    known.index
                );
                return Err(Error::new(ErrorKind::FailedPrecondition, message));
            }
        } else if self.committed.quotas.count() + self.quotas.set.len() >= MAX_GATEWAYS {
            let message = format!("the log has {MAX_GATEWAYS} quotas, which is the limit");
            return Err(Error::new(ErrorKind::FailedPrecondition, message));
        }
        self.check_not_retired()?;
        if quota.issued.millis() > self.now.millis() + MAX_QUOTA_AHEAD {
            return Err(Error::invalid("the quota is dated in the future: check the clock it was signed by"));
        }
        let index = self.push(&Entry::QuotaSet { logged_at: self.now, note });
        let (scope, issued, limits) = (quota.scope.clone(), quota.issued, quota.limits);
        self.quotas.set.insert(scope.clone(), QuotaState { scope, limits, issued, index });
        Ok(Done::QuotaSet(index))
    }

    /// Refuses what would exceed the gateway's quota; counts nothing.
    pub(super) fn check_quota(&mut self, gateway: &KeyName, more: &Amounts) -> Result<()> {
        if self.has_no_quotas() {
            return Ok(());
        }
        let bounds = self.committed.quotas.bounds(gateway, &self.quotas.set);
        let used = self.used(gateway);
        let Some((counted, most)) = bounds.exceeded(&used, more) else { return Ok(()) };
        self.quotas.refused.push(counted);
        let rest = Day::rest(self.now);
        let (what, used, more) = (counted.name(), used.of(counted), more.of(counted));
        let message = format!(
            "the quota of gateway `{gateway}` is exceeded: {used} of {most} {what} are used today, and the request has {more}; \
             it renews at midnight UTC, in {} s",
            rest.div_ceil(1_000)
        );
        Err(Error::new(ErrorKind::QuotaExceeded { retry_after: Duration::from_millis(rest) }, message))
    }

    /// Counts what became entries.
    pub(super) fn charge(&mut self, gateway: &KeyName, more: &Amounts) {
        if self.has_no_quotas() || self.committed.quotas.bounds(gateway, &self.quotas.set).is_unlimited() {
            return;
        }
        let used = self.used(gateway).plus(more);
        let (name, day) = (gateway.clone(), Day::of(self.now));
        self.quotas.usage.insert(name.clone(), Usage { gateway: name, day, used });
    }

    /// Counts statements for the house stream, or refuses them.
    pub(crate) fn charge_house(&mut self, house: &House, statements: usize) -> Result<()> {
        self.check_not_retired()?;
        let Some(key) = &house.gateway else { return Ok(()) };
        let (name, amounts) = (key.verifying_key().name(), statement_amounts(statements));
        self.check_quota(name, &amounts)?;
        self.charge(name, &amounts);
        Ok(())
    }

    fn has_no_quotas(&self) -> bool {
        self.committed.quotas.is_empty() && self.quotas.set.is_empty()
    }

    fn used(&self, gateway: &KeyName) -> Amounts {
        let drafted = self.quotas.usage.get(gateway).map(|usage| usage.used);
        drafted.unwrap_or_else(|| self.committed.quotas.used(gateway, Day::of(self.now)))
    }
}

/// What a request takes of a quota. A stream that has to be closed is not kept open by it: closing is counted, and never refused.
pub(super) fn amounts(append: &Append) -> Amounts {
    let mut amounts = statement_amounts(append.statements.len());
    if append.statements.is_empty() || append.close {
        amounts.bytes += note_bytes(append.head.note());
    }
    amounts
}

/// What opening a stream with this note takes.
pub(super) fn opening_amounts(note: &str) -> Amounts {
    Amounts { streams: 1, bytes: note_bytes(note), statements: 0 }
}

fn statement_amounts(statements: usize) -> Amounts {
    let statements = statements as u64;
    Amounts { statements, bytes: statements * (FRAME + StatementEntry::BYTES as u64), streams: 0 }
}

fn note_bytes(note: &str) -> u64 {
    FRAME + CONTROL + note.len() as u64
}
