//! What of a record becomes a disclosure of its own, and making it one.
//!
//! Objects and arrays of objects are *groups*: each of their members is concealed, then the group itself, up to the top. All
//! else is a *field*, disclosed whole: scalars, arrays of anything else, what is empty, why a value is missing, and JSON
//! of another format.

use serde_json::{Map, Value, json};
use vouchlog_record::{escape_pointer_token, is_content};

use super::claims::{RESERVED, is_taken};
use super::salts::Salts;
use super::{DIGESTS, Disclosure, DisclosureKind, ELEMENT, JSON_TEXT, StatementError, encode};
use crate::limits::{BUCKET, MAX_DEPTH, MAX_DISCLOSURES, MAX_GROUP_DEPTH, MAX_GROUPS, TOP_BUCKET};

/// Whether the field at a JSON pointer is disclosed whole, whatever its shape: content, and other free JSON.
fn is_whole(path: &str) -> bool {
    is_content(path) || is_authorization_details(path) || path.starts_with("/model/params/")
}

/// Of the only credential, or of one of several.
fn is_authorization_details(path: &str) -> bool {
    let Some(credential) = path.strip_suffix("/authorization_details") else { return false };
    let place = credential.strip_prefix("/credentials/");
    credential == "/credential" || place.is_some_and(|place| place.bytes().all(|c| c.is_ascii_digit()))
}

/// What marks a value that is missing, and why: `{"$": "redacted"}`. It says nothing apart from the field it stands in.
const MARK: &str = "$";

/// How deep a record is taken apart: the first of these that makes no more than [`MAX_DISCLOSURES`].
const DEPTHS: [usize; 3] = [MAX_GROUP_DEPTH, 2, 1];

/// A record of which only digests are left, and what shows its fields.
pub(super) struct Concealed {
    pub(super) digests: Map<String, Value>,
    /// What stands in a group comes before the group.
    pub(super) disclosures: Vec<Disclosure>,
}

/// Conceals a whole record.
///
/// A record with too many fields is taken apart less, down to its groups alone: what an interaction holds must never be
/// a way to keep it from being stated.
pub(super) fn conceal(record: &Map<String, Value>) -> Result<Concealed, StatementError> {
    check_members(record.keys())?;
    let [deepest @ .., least] = DEPTHS;
    for max_depth in deepest {
        if let Some(concealed) = Concealer::new(max_depth, MAX_DISCLOSURES).record(record)? {
            return Ok(concealed);
        }
    }
    let concealed = Concealer::new(least, usize::MAX).record(record)?;
    Ok(concealed.expect("there is no limit to the number of its disclosures"))
}

/// Whether a record with these members at its top can be stated. `id` and `kind`, which a statement has as claims of its own, are
/// not among them.
///
/// # Errors
/// [`StatementError::Reserved`] and [`StatementError::TooManyGroups`], as [`issue`](super::issue()) returns them.
pub fn check_members<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> Result<(), StatementError> {
    if names.len() > MAX_GROUPS {
        return Err(StatementError::TooManyGroups(names.len()));
    }
    match { names }.find(|name| is_taken(name)) {
        Some(name) => Err(StatementError::Reserved(name.clone())),
        None => Ok(()),
    }
}

struct Concealer {
    max_depth: usize,
    /// With more disclosures than this it is given up.
    most: usize,
    salts: Salts,
    /// Where we are, as a JSON pointer.
    path: String,
    disclosures: Vec<Disclosure>,
    /// JSON of the disclosure that is being made.
    json: Vec<u8>,
}

/// What is left in the place of a value.
struct Remainder {
    value: Value,
    /// Whether content is in it that is no disclosure of its own.
    kind: DisclosureKind,
}

impl Concealer {
    fn new(max_depth: usize, most: usize) -> Self {
        let (path, disclosures, json) = (String::new(), Vec::new(), Vec::new());
        Self { max_depth, most, salts: Salts::default(), path, disclosures, json }
    }

    fn record(mut self, record: &Map<String, Value>) -> Result<Option<Concealed>, StatementError> {
        let size = record.len().next_power_of_two().max(TOP_BUCKET);
        let Some(digests) = self.members(record, size, 1)? else { return Ok(None) };
        Ok(Some(Concealed { digests, disclosures: self.disclosures }))
    }

    /// Conceals each member of an object whose members are `depth` steps from the top, and pads their digests to `size`.
    fn members(
        &mut self,
        object: &Map<String, Value>,
        size: usize,
        depth: usize,
    ) -> Result<Option<Map<String, Value>>, StatementError> {
        let mut digests = Vec::with_capacity(size);
        for (name, value) in object {
            let above = self.step(&escape_pointer_token(name));
            let Some(left) = self.value(value, depth)? else { return Ok(None) };
            digests.push(self.disclose(Some(name), &left)?);
            self.path.truncate(above);
            if self.disclosures.len() > self.most {
                return Ok(None);
            }
        }
        for _ in digests.len()..size {
            digests.push(self.salts.decoy()?);
        }
        // In the order of their bytes they say nothing about the order of the fields.
        digests.sort_unstable();
        Ok(Some(Map::from_iter([(DIGESTS.to_owned(), digests.into())])))
    }

    fn elements(&mut self, list: &[Value], depth: usize) -> Result<Option<Vec<Value>>, StatementError> {
        let size = list.len().next_multiple_of(BUCKET);
        let mut out = Vec::with_capacity(size);
        for (place, value) in list.iter().enumerate() {
            let above = self.step(&place.to_string());
            let Some(left) = self.value(value, depth)? else { return Ok(None) };
            out.push(json!({ ELEMENT: self.disclose(None, &left)? }));
            self.path.truncate(above);
        }
        for _ in list.len()..size {
            out.push(json!({ ELEMENT: self.salts.decoy()? }));
        }
        Ok(Some(out))
    }

    fn step(&mut self, name: &str) -> usize {
        let above = self.path.len();
        self.path.push('/');
        self.path.push_str(name);
        above
    }

    /// Conceals what is in a value; `None` once there are too many disclosures.
    fn value(&mut self, value: &Value, depth: usize) -> Result<Option<Remainder>, StatementError> {
        let is_content = is_content(&self.path);
        if depth >= self.max_depth || is_whole(&self.path) {
            let content = is_content || holds_content(&mut self.path, value);
            let kind = DisclosureKind::content_if(content);
            return Ok(Some(Remainder { value: field(value, depth), kind }));
        }
        Ok(match value {
            Value::Object(object) if is_group(object) => {
                let size = object.len().next_multiple_of(BUCKET);
                self.members(object, size, depth + 1)?
                    .map(|members| Remainder { value: Value::Object(members), kind: DisclosureKind::Facts })
            }
            Value::Array(list) if !list.is_empty() && list.iter().all(is_group_value) => self
                .elements(list, depth + 1)?
                .map(|list| Remainder { value: Value::Array(list), kind: DisclosureKind::Facts }),
            _ => {
                let kind = DisclosureKind::content_if(holds_content(&mut self.path, value));
                Some(Remainder { value: field(value, depth), kind })
            }
        })
    }

    /// Makes a disclosure of what is left of the value here; its digest.
    fn disclose(&mut self, name: Option<&str>, left: &Remainder) -> Result<String, StatementError> {
        let Remainder { value, kind } = left;
        let salt = self.salts.salt()?;
        self.json.clear();
        let written = match name {
            Some(name) => serde_json::to_writer(&mut self.json, &(salt, name, value)),
            None => serde_json::to_writer(&mut self.json, &(salt, value)),
        };
        written.expect("JSON can be written to memory");
        let encoded = encode(&self.json);
        let digest = super::process::disclosure_digest(&encoded);
        let content = *kind == DisclosureKind::Content;
        self.disclosures.push(Disclosure { path: self.path.clone(), encoded, content });
        Ok(digest)
    }
}

/// Whether there is content below this place.
fn holds_content(path: &mut String, value: &Value) -> bool {
    let above = path.len();
    let mut below = |name: &str, value: &Value| {
        path.push('/');
        path.push_str(name);
        let found = is_content(path) || holds_content(path, value);
        path.truncate(above);
        found
    };
    match value {
        Value::Object(object) => object.iter().any(|(name, value)| below(&escape_pointer_token(name), value)),
        // An element is content only by what it is in, or by what is in it.
        Value::Array(list) => list
            .iter()
            .enumerate()
            .filter(|(_, value)| value.is_object() || value.is_array())
            .any(|(place, value)| below(&place.to_string(), value)),
        _ => false,
    }
}

/// Whether the members of an object can be concealed one by one.
fn is_group(object: &Map<String, Value>) -> bool {
    !object.is_empty() && !object.keys().any(|name| name == MARK || RESERVED.contains(&name.as_str()))
}

fn is_group_value(value: &Value) -> bool {
    value.as_object().is_some_and(is_group)
}

/// A value as it is disclosed whole. Content may be anything, so it may also hold a name that an SD-JWT reserves, or nest
/// deeper than verifiers go: then its JSON is disclosed as text.
fn field(value: &Value, depth: usize) -> Value {
    if fits(value, MAX_DEPTH - depth) { value.clone() } else { json!({ JSON_TEXT: value.to_string() }) }
}

/// Whether a value holds no reserved name and nests at most `depth` deep.
fn fits(value: &Value, depth: usize) -> bool {
    match (value, depth.checked_sub(1)) {
        (Value::Object(object), Some(depth)) => {
            object.iter().all(|(name, value)| !RESERVED.contains(&name.as_str()) && fits(value, depth))
        }
        (Value::Array(elements), Some(depth)) => elements.iter().all(|value| fits(value, depth)),
        (Value::Object(_) | Value::Array(_), None) => false,
        _ => true,
    }
}
