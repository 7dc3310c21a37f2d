//! What a saved state keeps of the rules: every stream and gateway, as JSON.

use serde::{Deserialize, Serialize};
use vouchlog_merkle::{CompactRange, LeafIndex, TreeHead};
use vouchlog_note::{KeyName, Origin, VerifyingKey};
use vouchlog_stream::{
    DailyLimits, Limit, LoggedAt, Operators, QuotaScope, QuotaState, StreamId, WitnessKeys, stream_origin,
};

use super::stream::EVIDENCE_BITS;
use super::{
    Gateway, HeadSeen, Retired, Rules, Stream, Terms, Withdrawn, open_continuation, open_retirement,
};
use crate::encoding::{self, is_false, is_zero};
use crate::finding::Cause;

/// The rules as far as entries were read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredRules {
    #[serde(with = "encoding::maybe_text")]
    operator: Option<VerifyingKey>,
    last: u64,
    last_index: u64,
    uptime: u64,
    statements: u64,
    lost: Option<Cause>,
    /// Left out where nothing was given up.
    #[serde(default, skip_serializing_if = "is_zero")]
    pruned_until: u64,
    /// The operator's keys in the bytes of a store; empty until they change.
    #[serde(default, with = "encoding::base64", skip_serializing_if = "Vec::is_empty")]
    operators: Vec<u8>,
    /// The rotations of witnesses' keys, the same way; empty until there are any.
    #[serde(default, with = "encoding::base64", skip_serializing_if = "Vec::is_empty")]
    witness_keys: Vec<u8>,
    gateways: Vec<StoredGateway>,
    /// Left out where there is none, as before there were quotas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    quotas: Vec<StoredQuota>,
    /// The entry that ended the log, and its note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired: Option<(u64, String)>,
    /// The note with which the log continues another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    continues: Option<String>,
    streams: Vec<StoredStream>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredQuota {
    /// None for all gateways.
    gateway: Option<String>,
    issued: u64,
    index: u64,
    statements: String,
    bytes: String,
    streams: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredGateway {
    #[serde(with = "encoding::text")]
    key: VerifyingKey,
    enrolled: u64,
    withdrawn: Option<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replaced: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredHead {
    index: u64,
    timestamp: u64,
    #[serde(with = "encoding::range")]
    range: CompactRange,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredStream {
    id: u64,
    #[serde(with = "encoding::maybe_text")]
    gateway: Option<VerifyingKey>,
    #[serde(with = "encoding::maybe_text")]
    key: Option<VerifyingKey>,
    previous: Option<(u64, u64)>,
    #[serde(with = "encoding::range")]
    range: CompactRange,
    next: u64,
    statements: u64,
    last_statement: Option<u64>,
    head: Option<StoredHead>,
    heads: u64,
    alive_at: u64,
    uncovered_since: Option<u64>,
    closed: Option<u64>,
    succeeded: Option<u64>,
    withdrawn: Option<(u64, u64)>,
    broken: Option<Cause>,
    #[serde(default, skip_serializing_if = "is_false")]
    pruned: bool,
    losses: u64,
    /// States of older versions have none.
    #[serde(default)]
    interactions: u64,
    evidence: [u64; EVIDENCE_BITS],
}

impl Rules {
    pub(crate) fn to_stored(&self) -> StoredRules {
        let mut streams: Vec<StoredStream> =
            self.streams.iter().map(|(id, s)| stored_stream(*id, s)).collect();
        streams.sort_unstable_by_key(|stream| stream.id);
        let gateway = |(key, gateway): (&VerifyingKey, &Gateway)| StoredGateway {
            key: key.clone(),
            enrolled: gateway.enrolled,
            withdrawn: gateway.withdrawn.map(stored_withdrawn),
            replaced: gateway.replaced,
        };
        let mut gateways: Vec<StoredGateway> = self.gateways.iter().map(gateway).collect();
        gateways.sort_unstable_by_key(|gateway| gateway.enrolled);
        StoredRules {
            operator: self
                .operators
                .as_ref()
                .and_then(|operators| operators.terms().next())
                .map(|first| first.key.clone()),
            operators: self
                .operators
                .as_ref()
                .filter(|operators| !operators.changes().is_empty())
                .map(Operators::to_bytes)
                .unwrap_or_default(),
            witness_keys: Some(&self.witness_keys)
                .filter(|keys| !keys.rotations().is_empty())
                .map(WitnessKeys::to_bytes)
                .unwrap_or_default(),
            last: self.last.millis(),
            last_index: self.last_index,
            uptime: self.uptime,
            statements: self.statements,
            lost: self.lost,
            pruned_until: self.pruned_until,
            gateways,
            quotas: self.quotas.values().map(stored_quota).collect(),
            retired: self.retired.as_ref().map(|retired| (retired.index, retired.note.clone())),
            continues: self.continues.as_ref().map(|(note, _)| note.clone()),
            streams,
        }
    }

    /// Rules that go on from a stored state; `None` when it contradicts itself or the size of the log it is for.
    pub(crate) fn from_stored(terms: Terms, stored: StoredRules, size: u64) -> Option<Self> {
        let mut rules = Self::new(terms);
        rules.operators = stored.operator.map(Operators::new);
        if !stored.operators.is_empty() {
            let changed = Operators::from_bytes(&stored.operators)?;
            let has_same_first =
                changed.terms().next().map(|term| &term.key) == rules.operators.as_ref().map(Operators::key);
            if !has_same_first || changed.changes().iter().any(|index| index.get() >= size) {
                return None;
            }
            rules.operators = Some(changed);
        }
        if !stored.witness_keys.is_empty() {
            rules.witness_keys = WitnessKeys::from_bytes(&stored.witness_keys)?;
            if rules.witness_keys.rotations().iter().any(|logged| logged.index.get() >= size) {
                return None;
            }
        }
        rules.last = LoggedAt::from_millis(stored.last)?;
        (rules.last_index, rules.uptime) = (stored.last_index, stored.uptime);
        (rules.statements, rules.lost) = (stored.statements, stored.lost);
        rules.pruned_until = Some(stored.pruned_until).filter(|until| *until <= size)?;
        for gateway in stored.gateways {
            let withdrawn = gateway.withdrawn.map(withdrawn).transpose().ok()?;
            let StoredGateway { key, enrolled, replaced, .. } = gateway;
            rules.names.entry(key.name().clone()).or_default().push(key.clone());
            rules.gateways.insert(key, Gateway { enrolled, withdrawn, replaced });
        }
        for stored in stored.quotas {
            let quota = quota(&stored).filter(|quota| quota.index.get() < size)?;
            rules.quotas.insert(quota.scope.clone(), quota);
        }
        if let Some((index, note)) = stored.retired {
            let retirement = open_retirement(&note, &rules.terms.log_keys).ok().filter(|_| index < size)?;
            rules.retired = Some(Retired { index, note, retirement });
        }
        if let Some(note) = stored.continues {
            let continuation = open_continuation(&note, &rules.terms.log_keys).ok()?;
            rules.continues = Some((note, continuation));
        }
        for stored in stored.streams {
            let id = StreamId::new(stored.id)?;
            let stream = stream(id, stored, &rules.terms.origin)?;
            let fits = id.get() < size
                && stream.alive_at <= rules.uptime
                && stream.uncovered_since.is_none_or(|since| since <= rules.uptime)
                && (stream.broken.is_some() || stream.range.end() == stream.next);
            if !fits {
                return None;
            }
            if let Some(key) = &stream.key {
                rules.by_key.entry(key.clone()).or_insert(id);
            }
            rules.streams.insert(id, stream);
        }
        Some(rules)
    }

    /// Lets go of what was found before: a state kept past the end of an audit refers to a list that is gone.
    pub(crate) fn forget_causes(&mut self) {
        let gone = Cause::NOT_LISTED;
        self.lost = self.lost.map(|_| gone);
        for stream in self.streams.values_mut() {
            stream.broken = stream.broken.map(|_| gone);
        }
    }
}

impl StoredRules {
    /// Whether every reference into the findings is to one of so many, or to one of an audit that ended.
    pub(crate) fn refers_to(&self, findings: usize) -> bool {
        let broken = self.streams.iter().filter_map(|stream| stream.broken);
        broken.chain(self.lost).all(|cause| cause.0 < findings || cause == Cause::NOT_LISTED)
    }
}

fn stored_quota(quota: &QuotaState) -> StoredQuota {
    let gateway = match &quota.scope {
        QuotaScope::All => None,
        QuotaScope::Gateway(name) => Some(name.to_string()),
    };
    let DailyLimits { statements, bytes, streams } = quota.limits;
    StoredQuota {
        gateway,
        issued: quota.issued.millis(),
        index: quota.index.get(),
        statements: statements.to_word(),
        bytes: bytes.to_word(),
        streams: streams.to_word(),
    }
}

fn quota(stored: &StoredQuota) -> Option<QuotaState> {
    let scope = match &stored.gateway {
        None => QuotaScope::All,
        Some(name) => QuotaScope::Gateway(KeyName::new(name).ok()?),
    };
    let limits = DailyLimits {
        statements: Limit::from_word(&stored.statements)?,
        bytes: Limit::from_word(&stored.bytes)?,
        streams: Limit::from_word(&stored.streams)?,
    };
    let issued = LoggedAt::from_millis(stored.issued)?;
    Some(QuotaState { scope, limits, issued, index: LeafIndex::new(stored.index) })
}

fn stored_withdrawn(withdrawn: Withdrawn) -> (u64, u64) {
    (withdrawn.index, withdrawn.effective.millis())
}

fn withdrawn((index, effective): (u64, u64)) -> Result<Withdrawn, ()> {
    Ok(Withdrawn { index, effective: LoggedAt::from_millis(effective).ok_or(())? })
}

fn stored_stream(id: StreamId, stream: &Stream) -> StoredStream {
    let head = |head: &HeadSeen| StoredHead {
        index: head.index,
        timestamp: head.timestamp,
        range: head.range.clone(),
    };
    StoredStream {
        id: id.get(),
        gateway: stream.gateway.clone(),
        key: stream.key.clone(),
        previous: stream.previous.map(|(stream, size)| (stream.get(), size)),
        range: stream.range.clone(),
        next: stream.next,
        statements: stream.statements,
        last_statement: stream.last_statement,
        head: stream.head.as_ref().map(head),
        heads: stream.heads,
        alive_at: stream.alive_at,
        uncovered_since: stream.uncovered_since,
        closed: stream.closed,
        succeeded: stream.succeeded,
        withdrawn: stream.withdrawn.map(stored_withdrawn),
        broken: stream.broken,
        pruned: stream.pruned,
        losses: stream.losses,
        interactions: stream.interactions,
        evidence: stream.evidence,
    }
}

fn stream(id: StreamId, stored: StoredStream, origin: &Origin) -> Option<Stream> {
    let head = |stored: StoredHead| {
        let root = stored.range.root()?;
        let head = TreeHead { size: stored.range.size(), root };
        Some(HeadSeen { index: stored.index, head, timestamp: stored.timestamp, range: stored.range })
    };
    let previous = match stored.previous {
        None => None,
        Some((stream, size)) => Some((StreamId::new(stream)?, size)),
    };
    Some(Stream {
        origin: match stored.key {
            None => None,
            Some(_) => Origin::new(&stream_origin(origin.as_str(), id)).ok(),
        },
        gateway: stored.gateway,
        key: stored.key,
        previous,
        range: stored.range,
        next: stored.next,
        statements: stored.statements,
        last_statement: stored.last_statement,
        head: stored.head.map(head).unwrap_or_default(),
        heads: stored.heads,
        alive_at: stored.alive_at,
        uncovered_since: stored.uncovered_since,
        closed: stored.closed,
        succeeded: stored.succeeded,
        withdrawn: stored.withdrawn.map(withdrawn).transpose().ok()?,
        broken: stored.broken,
        pruned: stored.pruned,
        losses: stored.losses,
        interactions: stored.interactions,
        evidence: stored.evidence,
    })
}
