//! The two sealed parts of a record: disclosures of facts, and disclosures of content.

use std::cell::RefCell;
use std::io::Read;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vouchlog_record::{Record, RecordId};
use vouchlog_statement::{Disclosure, DisclosureKind, IssuedStatement};
use vouchlog_stream::StatementKind;
use zstd::bulk::Compressor;

use crate::limits::MAX_METADATA_BYTES;
use crate::recording_error::RecordingError;

/// Level of compression: the quickest. Salts and digests have as many bits as they have, and more effort finds little else.
const LEVEL: i32 = 1;

thread_local! {
    /// Its tables are half a megabyte, too much to ask for with each record.
    static COMPRESSOR: RefCell<Compressor<'static>> =
        RefCell::new(Compressor::new(LEVEL).expect("there is such a level"));
}

/// A record's disclosures, taken apart.
#[derive(Debug)]
pub(crate) struct Parts {
    facts: Vec<Disclosure>,
    content: Vec<Disclosure>,
    /// Where content was taken out.
    places: Vec<String>,
}

/// What is sealed as metadata, compressed: five times as much as the record has, most of it salts and digests in base64.
#[derive(Serialize, Deserialize)]
struct Facts {
    disclosures: Vec<Stored>,
    /// Where content was taken out.
    content: Vec<String>,
}

/// A disclosure as it is sealed.
#[derive(Serialize, Deserialize)]
struct Stored {
    path: String,
    text: String,
}

/// Why what is sealed of a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PartsError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Compression(#[from] std::io::Error),
    #[error("it has more than {MAX_METADATA_BYTES} bytes")]
    TooLarge,
}

impl Parts {
    /// Puts each disclosure where it belongs.
    pub(crate) fn split(disclosures: Vec<Disclosure>) -> Self {
        let (content, facts): (Vec<_>, Vec<_>) =
            disclosures.into_iter().partition(|disclosure| disclosure.content);
        let places = content.iter().map(|disclosure| disclosure.path.clone()).collect();
        Self { facts, content, places }
    }

    /// Reads the parts back; without the second, content stays out.
    pub(crate) fn read(metadata: &[u8], content: Option<&[u8]>) -> Result<Self, PartsError> {
        let mut json = Vec::new();
        let most = MAX_METADATA_BYTES as u64 + 1;
        zstd::Decoder::with_buffer(metadata)?.take(most).read_to_end(&mut json)?;
        if json.len() > MAX_METADATA_BYTES {
            return Err(PartsError::TooLarge);
        }
        let Facts { disclosures, content: places } = serde_json::from_slice(&json)?;
        let content = content.map(serde_json::from_slice::<Vec<Stored>>).transpose()?.unwrap_or_default();
        let facts = restored(disclosures, DisclosureKind::Facts);
        Ok(Self { facts, content: restored(content, DisclosureKind::Content), places })
    }

    /// Whether the record has a field there, or something below.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.facts.iter().chain(&self.content).any(|disclosure| disclosure.path == path)
    }

    /// To be sealed as metadata.
    pub(crate) fn metadata(&self) -> Result<Vec<u8>, PartsError> {
        let facts = Facts { disclosures: stored(&self.facts), content: self.places.clone() };
        let json = serde_json::to_vec(&facts)?;
        if json.len() > MAX_METADATA_BYTES {
            return Err(PartsError::TooLarge);
        }
        Ok(COMPRESSOR.with_borrow_mut(|compressor| compressor.compress(&json))?)
    }

    /// To be sealed as content, as long as it is: how well it can be compressed would tell something of it.
    pub(crate) fn content(&self) -> Result<Vec<u8>, PartsError> {
        Ok(serde_json::to_vec(&stored(&self.content))?)
    }

    /// The statement with all that is here.
    pub(crate) fn issued(&self, jwt: String) -> IssuedStatement {
        // A group stands before what is in it, and so sorts before it.
        let mut disclosures: Vec<_> = self.facts.iter().chain(&self.content).cloned().collect();
        disclosures.sort_by(|a, b| a.path.cmp(&b.path));
        IssuedStatement { jwt, disclosures }
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
            for place in &self.places {
                redact(&mut value, place);
            }
        }
        Ok(Record::from_value(value).map_err(|error| damaged(error.to_string()))?.record)
    }
}

fn stored(disclosures: &[Disclosure]) -> Vec<Stored> {
    let stored = |disclosure: &Disclosure| Stored {
        path: disclosure.path.clone(),
        text: disclosure.text().expect("a statement's own disclosures are JSON"),
    };
    disclosures.iter().map(stored).collect()
}

fn restored(stored: Vec<Stored>, kind: DisclosureKind) -> Vec<Disclosure> {
    stored.into_iter().map(|Stored { path, text }| Disclosure::from_text(path, &text, kind)).collect()
}

/// Marks a place as redacted, if what it stands in is there.
fn redact(record: &mut Value, place: &str) {
    let Some((group, name)) = place.rsplit_once('/') else { return };
    if let Some(Value::Object(group)) = record.pointer_mut(group) {
        group.insert(name.to_owned(), json!({ "$": "redacted" }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disclosure(path: &str, value: &str, kind: DisclosureKind) -> Disclosure {
        Disclosure::from_text(path.to_owned(), &json!(["c2FsdA", path, value]).to_string(), kind)
    }

    #[test]
    fn parts_come_back_as_they_were_and_content_is_as_long_as_it_is() {
        let question = "Where is order 8841? ".repeat(100);
        let all = vec![
            disclosure("/initiator/sub", "alice \"the\" clerk", DisclosureKind::Facts),
            disclosure("/input/content", &question, DisclosureKind::Content),
            disclosure("/model/served", "m-1", DisclosureKind::Facts),
        ];
        let parts = Parts::split(all.clone());
        let (metadata, content) = (parts.metadata().unwrap(), parts.content().unwrap());
        assert!(content.len() > question.len());
        let whole = Parts::read(&metadata, Some(&content)).unwrap();
        let mut sorted = all;
        sorted.sort_by(|a, b| a.path.cmp(&b.path));
        assert_eq!(whole.issued(String::new()).disclosures, sorted);
        let facts = Parts::read(&metadata, None).unwrap();
        assert_eq!((facts.has("/input/content"), facts.places), (false, vec!["/input/content".to_owned()]));
    }

    #[test]
    fn what_is_damaged_or_swells_up_is_refused() {
        let metadata = Parts::split(vec![disclosure("/a", "b", DisclosureKind::Facts)]).metadata().unwrap();
        for cut in 0..metadata.len() {
            assert!(Parts::read(&metadata[..cut], None).is_err(), "{cut}");
        }
        let bomb = zstd::bulk::compress(&vec![b' '; MAX_METADATA_BYTES + 1], LEVEL).unwrap();
        assert!(matches!(Parts::read(&bomb, None), Err(PartsError::TooLarge)));
    }
}
