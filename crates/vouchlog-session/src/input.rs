//! What a session is reconstructed from.

use std::collections::BTreeMap;

use jiff::Timestamp;
use vouchlog_merkle::LeafIndex;
use vouchlog_stream::{LogPlace, SequenceNumber, StatementKind, StreamId};

use vouchlog_grading::{Finding, Grade};
use vouchlog_record::{Field, Record, RecordId, RegisteredAgent};

/// One record of a session, as far as the caller may read it.
#[derive(Clone, Debug)]
pub struct SessionRecord {
    /// Its name.
    pub id: RecordId,
    /// The record. What is withheld is [`Field::Redacted`], what is gone [`Field::Erased`].
    pub record: Record,
    /// Where it is in the log; none while it waits to be sent.
    pub place: Option<LogPlace>,
    /// How far it is proven.
    pub proof: ProofState,
    /// Findings and verdicts, if it was graded.
    pub grade: Option<Grade>,
    /// That its content was erased, if it was.
    pub erased: Option<ErasedAt>,
    /// Whether content may be shown. If not, what content there is in `record` is left out.
    pub content_shown: bool,
    /// Whether fields may be missing because they were not disclosed: an absent field then proves nothing.
    pub partial: bool,
}

/// How far it is proven that the log has a record's statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProofState {
    /// It is under a checkpoint that witnesses cosigned as the policy demands.
    Witnessed {
        /// Their names.
        by: Vec<String>,
        /// When all of them had seen it, POSIX seconds by their clocks.
        until: Option<u64>,
    },
    /// It is under a checkpoint with the log's signature alone.
    Signed,
    /// It is kept and not logged yet.
    Waiting,
    /// It should be in the log, but its proof is missing.
    Missing,
}

/// That a record's content was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasedAt {
    /// When.
    pub at: Option<Timestamp>,
    /// The log entry of the erasure. Without one, nothing shows that it was lawful.
    pub entry: Option<LeafIndex>,
    /// On what basis, as a citation.
    pub basis: Option<String>,
}

/// What is known of a session beyond its records.
#[derive(Clone, Debug, Default)]
pub struct SessionContext {
    /// Losses that gateways declared. Those that cover a gap are named beside it.
    pub losses: Vec<Loss>,
    /// Runs of sequence numbers that are missing in a stream the session was logged in.
    pub stream_gaps: Vec<StreamGap>,
    /// What is wrong with the records as a set.
    pub findings: Vec<Finding>,
    /// What is wrong with the log that has the records, as an audit of it or a check of canaries reports. None is no proof that nothing
    /// is.
    pub log_findings: Vec<Finding>,
    /// The number of records that their source holds, without the seal.
    pub held: Option<u64>,
    /// What else the reader must know, such as what rests on the sender's word.
    pub notes: Vec<String>,
    /// Agents of the records, by id, as the registry of agents has them.
    pub agents: BTreeMap<String, RegisteredAgent>,
}

/// A loss that a gateway declared (kind `declared-loss`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The entry that declares it; none while it waits to be sent.
    pub entry: Option<LeafIndex>,
    /// Between this time
    pub from: Timestamp,
    /// and that.
    pub to: Timestamp,
    /// How many records, if that is known.
    pub count: Option<u64>,
    /// Why, as a code.
    pub cause: Option<String>,
}

/// Sequence numbers that a stream lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamGap {
    /// The stream.
    pub stream: StreamId,
    /// The first.
    pub first: SequenceNumber,
    /// The last.
    pub last: SequenceNumber,
    /// The entry that declares the loss, if there is one.
    pub declared: Option<LeafIndex>,
}

impl SessionRecord {
    /// When it happened: when it began, or else ended, was decided or was logged.
    pub fn at(&self) -> Option<Timestamp> {
        let time = self.record.body.time.value();
        let told =
            time.and_then(|time| [&time.start, &time.decision, &time.end].into_iter().find_map(Field::value));
        told.copied().or_else(|| {
            let millis = i64::try_from(self.place?.logged_at.millis()).ok()?;
            Timestamp::from_millisecond(millis).ok()
        })
    }

    /// Its number in the session.
    pub(crate) fn sequence(&self) -> Option<u64> {
        self.record.session_sequence()
    }

    /// Who recorded it; empty where that is not shown.
    pub(crate) fn recorder(&self) -> &str {
        self.record.recorder()
    }

    /// Whether it is one of the session's records, and not what seals it or is said about its records later.
    pub(crate) fn is_of_session(&self) -> bool {
        matches!(self.record.kind, StatementKind::Intent | StatementKind::Interaction)
    }

    /// Whether the session's numbers and its seal count it; `None` where what would tell is not shown.
    pub(crate) fn is_counted(&self) -> Option<bool> {
        let correlation = &self.record.body.correlation;
        let is_unsure = correlation.value().map_or(self.hides(correlation), |it| {
            let (number, amends) = (&it.session_sequence, &it.amends);
            number.value().is_none() && amends.value().is_none() && (self.hides(number) || self.hides(amends))
        });
        (!is_unsure || !self.is_of_session()).then(|| self.record.is_counted_in_session())
    }

    /// Whether there may be a value that is not shown.
    pub(crate) fn hides<T>(&self, field: &Field<T>) -> bool {
        field.is_withheld() || (self.partial && field.is_absent())
    }

    /// Whether it was logged after `other`; `false` where that cannot be told.
    pub(crate) fn is_after(&self, other: &Self) -> bool {
        match (self.place, other.place) {
            (Some(own), Some(other)) if own.stream == other.stream => own.sequence > other.sequence,
            (Some(own), Some(other)) => own.index > other.index,
            _ => false,
        }
    }

    /// Takes content out if it may not be shown, so that nothing downstream has to think of it.
    pub(crate) fn withhold_content(&mut self) {
        if self.content_shown {
            return;
        }
        self.record = self.record.without_content();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use vouchlog_record::is_content;

    /// Every field that is content, found by the rule that says what is: none may be forgotten here.
    #[test]
    fn content_that_may_not_be_shown_is_gone() {
        let secret = "s3ntence";
        let record = json!({
            "kind": "interaction",
            "input": { "content": secret }, "output": { "content": [secret] },
            "tools": [{ "name": "t", "arguments": { "a": secret }, "result": secret }],
            "data": { "sources": [{ "id": "d", "query": secret, "content": secret }] },
            "policy": [{ "verdict": "deny", "reason_text": secret }],
            "approval": { "rationale": secret }, "override": { "reason_text": secret, "by": "u" },
            "model": { "params": { "tools": [{ "description": secret }], "temperature": 0.2 } },
            "outcome": { "state": "error", "message": secret },
            "otel": { "parts": [{ "name": "chat", "attributes": { "x": secret } }] },
        });
        let mut shown = SessionRecord {
            id: RecordId::new("r").unwrap(),
            record: Record::from_value(record).unwrap().record,
            place: None,
            proof: ProofState::Waiting,
            grade: None,
            erased: None,
            content_shown: true,
            partial: false,
        };
        shown.withhold_content();
        assert!(Value::Object(shown.record.to_object()).to_string().contains(secret));
        shown.content_shown = false;
        shown.withhold_content();
        let left = Value::Object(shown.record.to_object());
        assert!(!left.to_string().contains(secret), "{left}");
        let places =
            ["/input/content", "/tools/0/result", "/data/sources/0/content", "/policy/0/reason_text"];
        let others = [
            "/approval/rationale",
            "/override/reason_text",
            "/model/params/tools",
            "/outcome/message",
            "/otel/parts/0/attributes",
        ];
        for at in places.into_iter().chain(others) {
            assert!(is_content(at) && left.pointer(at) == Some(&json!({ "$": "redacted" })), "{at}");
        }
        assert_eq!(left["model"]["params"]["temperature"], 0.2);
    }
}
