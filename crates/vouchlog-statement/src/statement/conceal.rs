//! What of a record becomes a disclosure of its own, and making it one.
//!
//! Objects and arrays of objects are *groups*: each of their members is concealed, then the group itself, up to the top. All
//! else is a *field*, disclosed whole: scalars, arrays of anything else, what is empty, why a value is missing, and JSON
//! of another format.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use vouchlog_record::{escape_pointer_token, is_content};

use super::claims::{RESERVED, is_taken};
use super::concealment::Concealment;
use super::salts::Salts;
use super::seed::Seed;
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
    /// Facts that were left whole although they could have been taken apart.
    whole: BTreeSet<String>,
}

/// Conceals a whole record.
///
/// A record with too many fields is taken apart less, down to its groups alone: what an interaction holds must never be
/// a way to keep it from being stated.
pub(super) fn conceal(record: &Map<String, Value>) -> Result<(Concealed, Concealment), StatementError> {
    check_members(record.keys())?;
    let seed = Seed::random()?;
    for depth in DEPTHS {
        // An attempt that is given up shows nothing, so the next may use the same seed.
        let most = if depth == DEPTHS[DEPTHS.len() - 1] { usize::MAX } else { MAX_DISCLOSURES };
        if let Some(mut concealed) = Concealer::new(seed.clone(), depth, most).record(record)? {
            let whole = std::mem::take(&mut concealed.whole);
            return Ok((concealed, Concealment::new(seed, depth, whole)));
        }
    }
    unreachable!("there is no limit to the number of the last attempt's disclosures")
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

pub(super) struct Concealer<'a> {
    max_depth: usize,
    /// With more disclosures than this it is given up.
    most: usize,
    salts: Salts,
    /// Where we are, as a JSON pointer.
    path: String,
    disclosures: Vec<Disclosure>,
    /// Facts that are left whole although they could be taken apart.
    whole: BTreeSet<String>,
    /// How it was done before, if it is done again: then nothing is asked of what the model takes for content.
    before: Option<Before<'a>>,
    /// JSON of the disclosure that is being made.
    json: Vec<u8>,
}

/// What a concealment decided.
struct Before<'a> {
    whole: &'a BTreeSet<String>,
    /// Digests of the disclosures of content, by path.
    withheld: &'a BTreeMap<String, String>,
}

/// What is left in the place of a value.
struct Remainder<'v> {
    value: Cow<'v, Value>,
    /// Whether content is in it that is no disclosure of its own.
    kind: DisclosureKind,
}

impl<'a> Concealer<'a> {
    fn new(seed: Seed, max_depth: usize, most: usize) -> Self {
        Self {
            max_depth,
            most,
            salts: Salts::of(seed),
            path: String::new(),
            disclosures: Vec::new(),
            whole: BTreeSet::new(),
            before: None,
            json: Vec::new(),
        }
    }

    /// One that does again what was done before.
    pub(super) fn again(
        seed: Seed,
        max_depth: usize,
        whole: &'a BTreeSet<String>,
        withheld: &'a BTreeMap<String, String>,
    ) -> Self {
        Self { before: Some(Before { whole, withheld }), ..Self::new(seed, max_depth, usize::MAX) }
    }

    pub(super) fn record(mut self, record: &Map<String, Value>) -> Result<Option<Concealed>, StatementError> {
        let size = record.len().next_power_of_two().max(TOP_BUCKET);
        let Some(digests) = self.members(record, size, 1)? else { return Ok(None) };
        Ok(Some(Concealed { digests, disclosures: self.disclosures, whole: self.whole }))
    }

    /// The digest of what is here, if it is withheld.
    fn withheld(&self) -> Option<String> {
        self.before.as_ref()?.withheld.get(&self.path).cloned()
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
            let digest = match self.withheld() {
                Some(digest) => digest,
                None => {
                    let Some(left) = self.value(value, depth)? else { return Ok(None) };
                    self.disclose(Some(name), &left)?
                }
            };
            digests.push(digest);
            self.path.truncate(above);
            if self.disclosures.len() > self.most {
                return Ok(None);
            }
        }
        for _ in digests.len()..size {
            digests.push(self.salts.decoy());
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
            let digest = match self.withheld() {
                Some(digest) => digest,
                None => {
                    let Some(left) = self.value(value, depth)? else { return Ok(None) };
                    self.disclose(None, &left)?
                }
            };
            out.push(json!({ ELEMENT: digest }));
            self.path.truncate(above);
        }
        for _ in list.len()..size {
            out.push(json!({ ELEMENT: self.salts.decoy() }));
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
    fn value<'v>(&mut self, value: &'v Value, depth: usize) -> Result<Option<Remainder<'v>>, StatementError> {
        if depth >= self.max_depth {
            return Ok(Some(self.left_whole(value, depth)));
        }
        let is_whole = match &self.before {
            Some(before) => before.whole.contains(&self.path),
            None => is_whole(&self.path),
        };
        Ok(match value {
            Value::Object(object) if is_group(object) && !is_whole => {
                let size = object.len().next_multiple_of(BUCKET);
                self.members(object, size, depth + 1)?.map(|members| group(Value::Object(members)))
            }
            Value::Array(list) if is_list_of_groups(list) && !is_whole => {
                self.elements(list, depth + 1)?.map(|list| group(Value::Array(list)))
            }
            _ => {
                let left = self.left_whole(value, depth);
                if could_be_apart(value) && left.kind == DisclosureKind::Facts {
                    self.whole.insert(self.path.clone());
                }
                Some(left)
            }
        })
    }

    /// A value that is disclosed as it is.
    fn left_whole<'v>(&mut self, value: &'v Value, depth: usize) -> Remainder<'v> {
        // What was content before is withheld, and does not come here.
        let is_content =
            self.before.is_none() && (is_content(&self.path) || holds_content(&mut self.path, value));
        Remainder { value: field(value, depth), kind: DisclosureKind::content_if(is_content) }
    }

    /// Makes a disclosure of what is left of the value here; its digest.
    fn disclose(&mut self, name: Option<&str>, left: &Remainder<'_>) -> Result<String, StatementError> {
        let Remainder { value, kind } = left;
        let salt = self.salts.salt(*kind)?;
        self.json.clear();
        let written = match name {
            Some(name) => serde_json::to_writer(&mut self.json, &(salt, name, value.as_ref())),
            None => serde_json::to_writer(&mut self.json, &(salt, value.as_ref())),
        };
        written.expect("JSON can be written to memory");
        let encoded = encode(&self.json);
        let digest = super::process::disclosure_digest(&encoded);
        let content = *kind == DisclosureKind::Content;
        self.disclosures.push(Disclosure { path: self.path.clone(), encoded, content });
        Ok(digest)
    }
}

/// What is left of a group.
fn group(value: Value) -> Remainder<'static> {
    Remainder { value: Cow::Owned(value), kind: DisclosureKind::Facts }
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

fn is_list_of_groups(list: &[Value]) -> bool {
    !list.is_empty() && list.iter().all(is_group_value)
}

fn could_be_apart(value: &Value) -> bool {
    is_group_value(value) || value.as_array().is_some_and(|list| is_list_of_groups(list))
}

fn is_group_value(value: &Value) -> bool {
    value.as_object().is_some_and(is_group)
}

/// A value as it is disclosed whole. Content may be anything, so it may also hold a name that an SD-JWT reserves, or nest
/// deeper than verifiers go: then its JSON is disclosed as text.
fn field(value: &Value, depth: usize) -> Cow<'_, Value> {
    match fits(value, MAX_DEPTH - depth) {
        true => Cow::Borrowed(value),
        false => Cow::Owned(json!({ JSON_TEXT: value.to_string() })),
    }
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
