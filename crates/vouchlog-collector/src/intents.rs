//! Intents: what was about to happen, until its outcome is on record; or it never is, and that is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use vouchlog_grading::RULES_VERSION;
use vouchlog_record::{Record, RecordId};
use vouchlog_stream::StatementKind;

use crate::limits::{MAX_INTENTS, MAX_REMEMBERED_BYTES};

/// An intent without an outcome yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Intent {
    /// Until when its outcome is waited for, in milliseconds since 1970.
    due: i64,
    /// Its trace and span, if given.
    span: Option<(String, String)>,
    /// Its call, if given.
    call: Option<String>,
}

/// The intents of a collector, bounded: the oldest are given up first.
pub(crate) struct Intents {
    timeout: SignedDuration,
    open: BTreeMap<String, Intent>,
    by_time: BTreeSet<(i64, String)>,
    by_span: BTreeMap<(String, String), String>,
    by_call: BTreeMap<String, String>,
    /// Bytes of the names of all of them.
    bytes: usize,
    changed: BTreeSet<String>,
}

impl Intent {
    fn size(&self, id: &str) -> usize {
        let span = self.span.as_ref().map_or(0, |(trace, span)| trace.len() + span.len());
        id.len() + span + self.call.as_ref().map_or(0, String::len)
    }
}

impl Intents {
    /// Intents whose outcome is given up after so long.
    pub(crate) fn new(timeout: SignedDuration) -> Self {
        Self {
            timeout,
            open: BTreeMap::new(),
            by_time: BTreeSet::new(),
            by_span: BTreeMap::new(),
            by_call: BTreeMap::new(),
            bytes: 0,
            changed: BTreeSet::new(),
        }
    }

    /// Takes up what an earlier process remembered. Returns how many intents cannot be read.
    pub(crate) fn restore(&mut self, kept: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> usize {
        let mut unread = 0;
        for (id, value) in kept {
            let intent: Result<Intent, _> = postcard::from_bytes(&value);
            match (String::from_utf8(id), intent) {
                (Ok(id), Ok(intent)) => self.insert(id, intent),
                _ => unread += 1,
            }
        }
        self.changed.clear();
        unread
    }

    /// What changed since the last call: names of intents, and what is remembered of them now.
    pub(crate) fn changes(&mut self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let changed = std::mem::take(&mut self.changed);
        let bytes = |intent| postcard::to_stdvec(intent).expect("it is made of texts and numbers");
        changed
            .into_iter()
            .map(|id| {
                let now = self.open.get(&id).map(bytes);
                (id.into_bytes(), now)
            })
            .collect()
    }

    /// Remembers an intent; those for which there is no room any more, as [`tick`](Self::tick) gives them.
    pub(crate) fn begin(&mut self, record: &Record, now: Timestamp) -> Vec<RecordId> {
        let Some(id) = &record.id else { return Vec::new() };
        let correlation = record.body.correlation.value();
        let span = correlation.and_then(|it| it.trace.value().cloned().zip(it.span.value().cloned()));
        let call = correlation.and_then(|it| it.idempotency_key.value().cloned());
        let timeout = i64::try_from(self.timeout.as_millis()).unwrap_or(i64::MAX);
        let due = now.as_millisecond().saturating_add(timeout);
        self.insert(id.as_str().to_owned(), Intent { due, span, call });
        let mut given_up = Vec::new();
        while self.open.len() > MAX_INTENTS || self.bytes > MAX_REMEMBERED_BYTES {
            let Some((_, oldest)) = self.by_time.first().cloned() else { break };
            self.remove(&oldest);
            given_up.extend(RecordId::new(&oldest));
        }
        given_up
    }

    fn insert(&mut self, id: String, intent: Intent) {
        self.remove(&id);
        self.by_time.insert((intent.due, id.clone()));
        if let Some(span) = &intent.span {
            self.by_span.insert(span.clone(), id.clone());
        }
        if let Some(call) = &intent.call {
            self.by_call.insert(call.clone(), id.clone());
        }
        self.changed.insert(id.clone());
        self.bytes += intent.size(&id);
        self.open.insert(id, intent);
    }

    fn remove(&mut self, id: &str) {
        let Some(intent) = self.open.remove(id) else { return };
        self.bytes -= intent.size(id);
        self.by_time.remove(&(intent.due, id.to_owned()));
        if let Some(span) = intent.span {
            self.by_span.remove(&span);
        }
        if let Some(call) = intent.call {
            self.by_call.remove(&call);
        }
        self.changed.insert(id.to_owned());
    }

    /// Ends the intent that an outcome cites, or else the one that is about the same span, the span above or the same call, and has
    /// the outcome cite that.
    pub(crate) fn end(&mut self, outcome: &mut Record) {
        if outcome.kind != StatementKind::Interaction || self.open.is_empty() {
            return;
        }
        let Some(correlation) = outcome.body.correlation.value() else { return };
        if let Some(cited) = correlation.intent.value() {
            let cited = cited.as_str().to_owned();
            return self.remove(&cited);
        }
        let by_span = |span: Option<&String>| {
            self.by_span.get(&(correlation.trace.value()?.clone(), span?.clone())).cloned()
        };
        let by_call = || self.by_call.get(correlation.idempotency_key.value()?).cloned();
        let found = by_span(correlation.span.value())
            .or_else(|| by_span(correlation.parent_span.value()))
            .or_else(by_call);
        let Some(id) = found else { return };
        self.remove(&id);
        if let Ok(id) = RecordId::new(&id) {
            outcome.body.correlation.get_or_default().intent = id.into();
        }
    }

    /// Those whose outcome did not come in time; they are not waited for any more.
    pub(crate) fn tick(&mut self, now: Timestamp) -> Vec<RecordId> {
        let mut late = Vec::new();
        while let Some((due, id)) = self.by_time.first().cloned() {
            if due > now.as_millisecond() {
                break;
            }
            self.remove(&id);
            late.extend(RecordId::new(&id));
        }
        late
    }
}

/// Puts on record that an intent has no outcome.
pub(crate) fn orphan(intent: RecordId, id: RecordId, now: Timestamp) -> Record {
    let mut record = Record::new(StatementKind::Finding);
    record.id = Some(id);
    record.body.time.get_or_default().start = now.into();
    let finding = record.body.finding.get_or_default();
    finding.code = "R69".to_owned().into();
    finding.record = intent.into();
    finding.rules = RULES_VERSION.to_owned().into();
    finding.message = "no outcome was recorded in time".to_owned().into();
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testsupport::at;

    fn record(kind: StatementKind, id: &str) -> Record {
        let mut record = Record::new(kind);
        record.id = Some(RecordId::new(id).unwrap());
        record
    }

    fn intent(id: &str, span: Option<(&str, &str)>, call: Option<&str>) -> Record {
        let mut record = record(StatementKind::Intent, id);
        let correlation = record.body.correlation.get_or_default();
        if let Some((trace, span)) = span {
            correlation.trace = trace.to_owned().into();
            correlation.span = span.to_owned().into();
        }
        if let Some(call) = call {
            correlation.idempotency_key = call.to_owned().into();
        }
        record
    }

    fn cited(outcome: &Record) -> Option<&str> {
        outcome.body.correlation.value()?.intent.value().map(RecordId::as_str)
    }

    #[test]
    fn an_outcome_finds_its_intent_by_name_by_span_by_the_span_above_and_by_call() {
        let mut intents = Intents::new(SignedDuration::from_mins(15));
        let all = [
            intent("named", None, None),
            intent("same", Some(("t", "1")), None),
            intent("above", Some(("t", "2")), None),
            intent("call", None, Some("k")),
        ];
        for intent in &all {
            assert_eq!(intents.begin(intent, at(0)), []);
        }
        let mut outcomes =
            ["named", "same", "above", "call"].map(|_| record(StatementKind::Interaction, "o"));
        let [named, same, above, call] = &mut outcomes;
        named.body.correlation.get_or_default().intent = RecordId::new("named").unwrap().into();
        for (outcome, span, parent) in [(same, "1", "0"), (above, "9", "2")] {
            let correlation = outcome.body.correlation.get_or_default();
            correlation.trace = "t".to_owned().into();
            correlation.span = span.to_owned().into();
            correlation.parent_span = parent.to_owned().into();
        }
        call.body.correlation.get_or_default().idempotency_key = "k".to_owned().into();
        for (outcome, name) in outcomes.iter_mut().zip(["named", "same", "above", "call"]) {
            intents.end(outcome);
            assert_eq!(cited(outcome), Some(name));
        }
        assert_eq!(intents.tick(at(10_000)), []);
        let mut stranger = record(StatementKind::Interaction, "o");
        intents.end(&mut stranger);
        assert_eq!(cited(&stranger), None);
    }

    #[test]
    fn what_has_no_outcome_in_time_is_told_once_also_after_a_restart() {
        let mut intents = Intents::new(SignedDuration::from_secs(10));
        intents.begin(&intent("a", Some(("t", "1")), None), at(0));
        intents.begin(&intent("b", None, None), at(5));
        let kept = intents.changes();
        let mut intents = Intents::new(SignedDuration::from_secs(10));
        let kept = kept.into_iter().map(|(key, value)| (key, value.unwrap()));
        assert_eq!(intents.restore(kept.chain([(b"c".to_vec(), vec![])])), 1);
        assert_eq!(intents.tick(at(9)), []);
        assert_eq!(intents.tick(at(10)), [RecordId::new("a").unwrap()]);
        assert_eq!(intents.tick(at(10)), []);
        assert_eq!(intents.changes(), [(b"a".to_vec(), None)]);
        let finding = orphan(RecordId::new("a").unwrap(), RecordId::new("f").unwrap(), at(10));
        assert_eq!(finding.body.finding.value().unwrap().code.value().unwrap(), "R69");
    }
}
