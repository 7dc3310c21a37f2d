//! The two sealed parts of a record: disclosures of facts, and disclosures of content.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vouchlog_evidence::{Disclosure, Issued, Record, RecordId};
use vouchlog_stream::StatementKind;

use crate::recorder::RecordingError;

/// A record's disclosures, taken apart.
#[derive(Debug)]
pub(crate) struct Parts {
    facts: Facts,
    content: Vec<Disclosure>,
}

/// What is sealed as metadata.
#[derive(Debug, Serialize, Deserialize)]
struct Facts {
    disclosures: Vec<Disclosure>,
    /// Where content was taken out.
    content: Vec<String>,
}

impl Parts {
    /// Puts each disclosure where it belongs.
    pub(crate) fn split(disclosures: Vec<Disclosure>) -> Self {
        let (content, disclosures): (Vec<_>, Vec<_>) =
            disclosures.into_iter().partition(|disclosure| disclosure.content);
        let places = content.iter().map(|disclosure| disclosure.path.clone()).collect();
        Self { facts: Facts { disclosures, content: places }, content }
    }

    /// Reads the parts back; without the second, content stays out.
    pub(crate) fn read(metadata: &[u8], content: Option<&[u8]>) -> serde_json::Result<Self> {
        let content = content.map(serde_json::from_slice).transpose()?.unwrap_or_default();
        Ok(Self { facts: serde_json::from_slice(metadata)?, content })
    }

    /// Whether the record has a field there, or something below.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.facts.disclosures.iter().chain(&self.content).any(|disclosure| disclosure.path == path)
    }

    /// To be sealed as metadata.
    pub(crate) fn metadata(&self) -> Vec<u8> {
        serde_json::to_vec(&self.facts).expect("strings always encode")
    }

    /// To be sealed as content.
    pub(crate) fn content(&self) -> Vec<u8> {
        serde_json::to_vec(&self.content).expect("strings always encode")
    }

    /// The statement with all that is here.
    pub(crate) fn issued(&self, jwt: String) -> Issued {
        // A group stands before what is in it, and so sorts before it.
        let mut disclosures: Vec<_> = self.facts.disclosures.iter().chain(&self.content).cloned().collect();
        disclosures.sort_by(|a, b| a.path.cmp(&b.path));
        Issued { jwt, disclosures }
    }

    /// The record; content that was left out shows as redacted.
    pub(crate) fn record(
        &self,
        id: &RecordId,
        kind: StatementKind,
        jwt: String,
    ) -> Result<Record, RecordingError> {
        let damaged = |problem: String| RecordingError::Damaged { record: id.clone(), problem };
        let mut object = self.issued(jwt).record().map_err(|error| damaged(error.to_string()))?;
        object.insert("id".to_owned(), id.as_str().into());
        object.insert("kind".to_owned(), kind.name().into());
        let mut value = Value::Object(object);
        if self.content.is_empty() {
            for place in &self.facts.content {
                redact(&mut value, place);
            }
        }
        Ok(Record::from_value(value).map_err(|error| damaged(error.to_string()))?.record)
    }
}

/// Marks a place as redacted, if what it stands in is there.
fn redact(record: &mut Value, place: &str) {
    let Some((group, name)) = place.rsplit_once('/') else { return };
    if let Some(Value::Object(group)) = record.pointer_mut(group) {
        group.insert(name.to_owned(), json!({ "$": "redacted" }));
    }
}
