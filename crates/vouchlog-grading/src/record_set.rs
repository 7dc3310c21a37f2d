//! A set of records under its rules, as checks read it.

use std::collections::{BTreeMap, BTreeSet};

use vouchlog_record::{Record, RecordId};
use vouchlog_stream::StatementKind;

use crate::facts::SetFacts;

/// A record with its name.
pub(crate) type NamedRecord<'a> = (&'a RecordId, &'a Record);

/// A set under its rules.
pub(crate) struct RecordSet<'a> {
    pub(crate) records: Vec<NamedRecord<'a>>,
    pub(crate) facts: &'a SetFacts,
    intents: BTreeSet<&'a RecordId>,
}

impl<'a> RecordSet<'a> {
    pub(crate) fn new(records: &'a [(RecordId, &'a Record)], facts: &'a SetFacts) -> Self {
        let records: Vec<_> = records.iter().map(|(id, record)| (id, *record)).collect();
        let intents = records.iter().filter(|(_, record)| record.kind == StatementKind::Intent);
        let intents = intents.map(|(id, _)| *id).collect();
        Self { records, facts, intents }
    }

    pub(crate) fn interactions(&self) -> impl Iterator<Item = NamedRecord<'a>> + '_ {
        self.records.iter().copied().filter(|(_, record)| record.kind == StatementKind::Interaction)
    }

    /// The records of each session that has a name, as far as they are wanted.
    pub(crate) fn by_session(
        &self,
        wanted: impl Fn(&Record) -> bool,
    ) -> BTreeMap<&'a str, Vec<NamedRecord<'a>>> {
        let mut sessions: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (id, record) in self.records.iter().filter(|(_, record)| wanted(record)) {
            let session = record.body.correlation.value().and_then(|correlation| correlation.session.value());
            if let Some(session) = session {
                sessions.entry(session).or_default().push((*id, *record));
            }
        }
        sessions
    }

    pub(crate) fn has_intent(&self, id: &RecordId) -> bool {
        self.intents.contains(id)
    }
}
