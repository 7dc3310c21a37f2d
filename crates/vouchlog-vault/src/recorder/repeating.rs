//! Records that come again: whether they say what was recorded, or something else under the same id.

use std::collections::HashMap;

use serde_json::{Map, Value};
use vouchlog_record::{Record, RecordId, forget_stand_ins};
use vouchlog_stream::{Digest, StatementKind};

use super::{Recorder, reading};
use crate::VaultError;
use crate::recording_error::RecordingError;

/// The name under which a statement has JSON as text.
const JSON_TEXT: &str = "json_text";

/// What was recorded under an id.
#[derive(Clone)]
pub(super) enum Known {
    /// The vault has it.
    Kept(Digest),
    /// It is on its way there.
    UnderWay(Digest, Map<String, Value>),
}

/// What is known of some ids.
pub(super) type KnownRecords = HashMap<RecordId, Known>;

/// What the recorder and the collector write into a record themselves.
const OWN: [(&str, &str); 5] = [
    ("time", "received"),
    ("correlation", "session_sequence"),
    ("custody", "recorder"),
    ("custody", "bodies"),
    ("custody", "completed_by"),
];

/// A record as it is compared: without its id, what the recorder itself writes into it, and the key of its stand-ins.
pub(super) fn comparable(mut object: Map<String, Value>, kind: StatementKind) -> Map<String, Value> {
    object.remove("id");
    object.insert("kind".to_owned(), kind.name().into());
    for (group, member) in OWN {
        if let Some(Value::Object(members)) = object.get_mut(group) {
            members.remove(member);
            if members.is_empty() {
                object.remove(group);
            }
        }
    }
    object.values_mut().for_each(forget_stand_ins);
    object
}

/// Whether a value that was kept says all that one given again says. More may have been added to it, as a collector does that joins
/// what belongs together. A number with a point that was written and read again may be off in its last digit.
fn says_all(kept: &Value, given: &Value) -> bool {
    match (kept, given) {
        (kept, given) if as_text(kept).is_some() != as_text(given).is_some() => {
            let [kept, given] = [kept, given].map(|value| as_text(value).unwrap_or_else(|| value.clone()));
            says_all(&kept, &given)
        }
        (Value::Object(kept), Value::Object(given)) => {
            given.iter().all(|(name, value)| kept.get(name).is_some_and(|kept| says_all(kept, value)))
        }
        (Value::Array(kept), Value::Array(given)) => {
            let mut kept = kept.iter();
            given.iter().all(|value| kept.any(|kept| says_all(kept, value)))
        }
        (Value::Number(kept), Value::Number(given)) if kept.is_f64() && given.is_f64() => {
            let [kept, given] = [kept, given].map(|number| number.as_f64().unwrap_or_default());
            (kept - given).abs() <= 4.0 * f64::EPSILON * kept.abs().max(given.abs())
        }
        (kept, given) => kept == given,
    }
}

/// A value that a statement has as text, because it nests too deep or holds a reserved name.
fn as_text(value: &Value) -> Option<Value> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    serde_json::from_str(object.get(JSON_TEXT)?.as_str()?).ok()
}

impl Recorder {
    /// Whether a record contradicts what was recorded under its id. Of what was erased nothing can be told.
    pub(super) async fn contradicts(&self, record: &Record, known: &Known) -> Result<bool, RecordingError> {
        let Some(id) = &record.id else { return Ok(false) };
        let earlier = match known {
            Known::UnderWay(_, object) => Some(object.clone()),
            Known::Kept(_) => self.kept_object(id).await?,
        };
        let now = comparable(record.to_object(), record.kind);
        Ok(earlier.is_some_and(|earlier| !says_all(&earlier.into(), &now.into())))
    }

    /// What the vault has under an id, as it is compared.
    async fn kept_object(&self, id: &RecordId) -> Result<Option<Map<String, Value>>, RecordingError> {
        let (vault, access) = (&self.0.vault, &self.0.access);
        let row = vault.row(access, id).await?;
        let content = match vault.content_to_compare(access, id).await {
            Ok(content) => content,
            Err(VaultError::Erased { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let metadata = match vault.metadata(access, id).await {
            Ok(metadata) => metadata,
            Err(VaultError::Erased { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let jwt = vault.jwt(access, id).await?;
        let record = reading::open(&row, jwt, &metadata, Some(&content))?;
        Ok(Some(comparable(record.to_object(), record.kind)))
    }

    /// Of these records those whose id was given to another one, so that they would not be recorded.
    pub async fn conflicts(&self, records: &[Record]) -> Result<Vec<RecordId>, RecordingError> {
        let named: Vec<RecordId> = records.iter().filter_map(|record| record.id.clone()).collect();
        let mut known: KnownRecords = self
            .0
            .vault
            .kept(&self.0.access, &named)
            .await?
            .into_iter()
            .map(|(id, digest)| (id, Known::Kept(digest)))
            .collect();
        let mut conflicts = Vec::new();
        for record in records {
            let Some(id) = &record.id else { continue };
            match known.get(id) {
                Some(earlier) if self.contradicts(record, earlier).await? => conflicts.push(id.clone()),
                Some(_) => {}
                None => {
                    let object = comparable(record.to_object(), record.kind);
                    known.insert(id.clone(), Known::UnderWay(Digest::of(&[]), object));
                }
            }
        }
        Ok(conflicts)
    }
}
