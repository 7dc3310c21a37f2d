//! The two sealed parts of a record: disclosures of facts, and disclosures of content.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};
use vouchlog_record::{Record, RecordId, escape_pointer_token};
use vouchlog_statement::{Concealment, Disclosure, DisclosureKind, IssuedStatement};
use vouchlog_stream::StatementKind;

use crate::compression::{compress, decompress};
use crate::limits::MAX_METADATA_BYTES;
use crate::recording_error::RecordingError;

/// A record's disclosures, taken apart.
#[derive(Debug)]
pub(crate) struct Parts {
    facts: Vec<Disclosure>,
    content: Vec<Disclosure>,
    /// Where content was taken out.
    places: Vec<String>,
}

/// What is sealed as metadata, compressed.
///
/// Since version 10 of the tables the record itself and how it was concealed, from which its disclosures are made again. Before, the
/// disclosures one by one, most of them salts and digests: five times as much as the record has.
#[derive(Default, Serialize, Deserialize)]
struct Facts {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    disclosures: Vec<Stored>,
    /// Where content was taken out.
    content: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<KeptFacts<Map<String, Value>>>,
}

/// The same as it is written.
#[derive(Serialize)]
struct WrittenParts<'a> {
    content: &'a [String],
    record: KeptFacts<WithoutContent<'a>>,
}

/// A record without its content, and how it was concealed.
#[derive(Serialize, Deserialize)]
struct KeptFacts<F> {
    concealment: Concealment,
    /// With a placeholder where content was taken out.
    facts: F,
    /// Digests of the disclosures of content, in the order of their places.
    withheld: Vec<String>,
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
    #[error("no fact of it is kept")]
    Empty,
    #[error("content has {places} places and {digests} digests")]
    Content { places: usize, digests: usize },
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
        let json = decompress(metadata, MAX_METADATA_BYTES)?;
        if json.len() > MAX_METADATA_BYTES {
            return Err(PartsError::TooLarge);
        }
        let Facts { disclosures, content: places, record } = serde_json::from_slice(&json)?;
        let content = content.map(serde_json::from_slice::<Vec<Stored>>).transpose()?.unwrap_or_default();
        let facts = match record {
            Some(kept) => kept.disclosures(&places)?,
            None => restored(disclosures, DisclosureKind::Facts),
        };
        // A record states at least who keeps it.
        if facts.is_empty() {
            return Err(PartsError::Empty);
        }
        Ok(Self { facts, content: restored(content, DisclosureKind::Content), places })
    }

    /// Whether the record has a field there, or something below.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.facts.iter().chain(&self.content).any(|disclosure| disclosure.path == path)
    }

    /// To be sealed as metadata: what the facts of `record`, whose disclosures these are, are made again from.
    pub(crate) fn metadata(
        &self,
        record: &Map<String, Value>,
        concealment: Concealment,
    ) -> Result<Vec<u8>, PartsError> {
        let withheld = self.content.iter().map(Disclosure::digest).collect();
        let places = self.places.iter().map(String::as_str).collect();
        let facts = WithoutContent { below: Below::Members(record), places };
        compressed(&WrittenParts {
            content: &self.places,
            record: KeptFacts { concealment, facts, withheld },
        })
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

impl KeptFacts<Map<String, Value>> {
    fn disclosures(self, places: &[String]) -> Result<Vec<Disclosure>, PartsError> {
        if places.len() != self.withheld.len() {
            return Err(PartsError::Content { places: places.len(), digests: self.withheld.len() });
        }
        let withheld = places.iter().cloned().zip(self.withheld).collect();
        Ok(self.concealment.facts(self.facts, &withheld))
    }
}

fn compressed(facts: &impl Serialize) -> Result<Vec<u8>, PartsError> {
    let json = serde_json::to_vec(facts)?;
    if json.len() > MAX_METADATA_BYTES {
        return Err(PartsError::TooLarge);
    }
    Ok(compress(&json)?)
}

/// What stands below a place.
#[derive(Clone, Copy)]
enum Below<'a> {
    Members(&'a Map<String, Value>),
    Value(&'a Value),
}

/// A part of a record with an object in each place of content, where a concealment leaves out what stands there.
struct WithoutContent<'a> {
    below: Below<'a>,
    /// Places of content in it: JSON pointers from here.
    places: Vec<&'a str>,
}

impl<'a> WithoutContent<'a> {
    /// What is under a name of what is here.
    fn under(&self, name: &str, value: &'a Value) -> Self {
        let token = escape_pointer_token(name);
        let rest = |place: &&'a str| place.strip_prefix('/')?.strip_prefix(token.as_str());
        let places = self.places.iter().filter_map(rest);
        let places = places.filter(|rest| rest.is_empty() || rest.starts_with('/')).collect();
        Self { below: Below::Value(value), places }
    }
}

impl Serialize for WithoutContent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.places.contains(&"") {
            return json!({ "content": null }).serialize(serializer);
        }
        match self.below {
            Below::Value(value) if self.places.is_empty() => value.serialize(serializer),
            Below::Members(members) | Below::Value(Value::Object(members)) => {
                serializer.collect_map(members.iter().map(|(name, value)| (name, self.under(name, value))))
            }
            Below::Value(Value::Array(list)) => {
                let elements = list.iter().enumerate();
                serializer.collect_seq(elements.map(|(place, value)| self.under(&place.to_string(), value)))
            }
            Below::Value(value) => value.serialize(serializer),
        }
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
    use vouchlog_note::{KeyName, SignatureType, SigningKey};
    use vouchlog_statement::{ClearClaims, issue_to_keep};
    use vouchlog_stream::{Evidence, StreamId};

    use super::*;

    /// A statement of a record with content of several shapes, its parts, and what is sealed of them.
    fn sealed() -> (IssuedStatement, Parts, Vec<u8>, Vec<u8>) {
        let record = json!({
            "initiator": { "sub": "alice \"the\" clerk", "kind": "human" },
            "input": { "content": "Where is order 8841? ".repeat(100) },
            "model": { "served": "m-1", "params": { "schema": { "type": "object" }, "top_p": 0.1 } },
            "tools": [{ "name": "search", "arguments": { "order": 8841 } }, { "name": "pay", "arguments": {} }],
            "own": { "a/b~": { "c": [1, 2.5] } },
        });
        let Value::Object(record) = record else { unreachable!("it is an object") };
        let claims = ClearClaims {
            issuer: "gateway.example.com".to_owned(),
            issued_at: 1_767_225_600,
            record: "rec-1".parse().unwrap(),
            kind: StatementKind::Interaction,
            stream: StreamId::new(3).unwrap(),
            evidence: Evidence::NONE,
            rules: "2026-01".to_owned(),
        };
        let name = KeyName::new("gateway.example.com").unwrap();
        let key = SigningKey::generate(name, SignatureType::CosignatureEd25519, [7; 32]).unwrap();
        let (issued, concealment) = issue_to_keep(&claims, &record, &key).unwrap();
        let parts = Parts::split(issued.disclosures.clone());
        let metadata = parts.metadata(&record, concealment).unwrap();
        let content = parts.content().unwrap();
        (issued, parts, metadata, content)
    }

    /// What earlier versions sealed as metadata.
    fn listed(parts: &Parts) -> Vec<u8> {
        let facts =
            Facts { disclosures: stored(&parts.facts), content: parts.places.clone(), ..Facts::default() };
        // Without a dictionary.
        zstd::bulk::compress(&serde_json::to_vec(&facts).unwrap(), 1).unwrap()
    }

    #[test]
    fn parts_come_back_as_they_were_and_content_is_as_long_as_it_is() {
        let (issued, parts, metadata, content) = sealed();
        assert!(content.len() > 2_000);
        assert_eq!(parts.places, ["/input/content", "/tools/0/arguments", "/tools/1/arguments"]);
        for metadata in [metadata, listed(&parts)] {
            let whole = Parts::read(&metadata, Some(&content)).unwrap();
            assert_eq!(whole.issued(issued.jwt.clone()), issued);
            let facts = Parts::read(&metadata, None).unwrap();
            assert!(!facts.has("/input/content") && facts.has("/own/a~1b~0/c"));
            assert_eq!(facts.places, parts.places);
            let id: RecordId = "rec-1".parse().unwrap();
            let record = facts.record(&id, StatementKind::Interaction, issued.jwt.clone()).unwrap();
            assert_eq!(record.to_object()["model"]["served"], "m-1");
        }
    }

    #[test]
    fn metadata_shows_no_content_and_is_shorter_than_its_disclosures() {
        let (_, parts, metadata, _) = sealed();
        let json = decompress(&metadata, MAX_METADATA_BYTES).unwrap();
        assert!(!String::from_utf8(json).unwrap().contains("8841"));
        assert!(metadata.len() * 3 < listed(&parts).len() * 2, "{} bytes", metadata.len());
    }

    #[test]
    fn what_is_damaged_or_swells_up_is_refused() {
        let (_, parts, metadata, _) = sealed();
        for metadata in [metadata, listed(&parts)] {
            for cut in 0..metadata.len() {
                assert!(Parts::read(&metadata[..cut], None).is_err(), "{cut}");
            }
        }
        let bomb = compress(&vec![b' '; MAX_METADATA_BYTES + 1]).unwrap();
        assert!(matches!(Parts::read(&bomb, None), Err(PartsError::TooLarge)));
    }

    #[test]
    fn places_of_content_without_their_digests_are_refused() {
        let (_, _, metadata, _) = sealed();
        let mut facts: Facts =
            serde_json::from_slice(&decompress(&metadata, MAX_METADATA_BYTES).unwrap()).unwrap();
        facts.content.pop();
        let error = Parts::read(&compressed(&facts).unwrap(), None).unwrap_err();
        assert_eq!(error.to_string(), "content has 2 places and 3 digests");
    }
}
