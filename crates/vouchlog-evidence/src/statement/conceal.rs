//! What of a record becomes a disclosure of its own.
//!
//! Objects and arrays of objects are *groups*: each of their members is concealed, then the group itself, up to the top. All
//! else is a *field*, disclosed whole: scalars, arrays of anything else, what is empty, why a value is missing, and what is
//! somebody else's JSON.

use serde_json::{Map, Value, json};

use super::claims::{RESERVED, is_taken};
use super::{JSON_TEXT, StatementError};
use crate::limits::{BUCKET, MAX_DEPTH, MAX_DISCLOSURES, MAX_GROUP_DEPTH, MAX_GROUPS, TOP_BUCKET};
use crate::record::is_content;

/// Whether the field at a JSON pointer is disclosed whole, whatever its shape: content, and other free JSON.
fn is_whole(path: &str) -> bool {
    is_content(path) || path == "/credential/authorization_details" || path.starts_with("/model/params/")
}

/// What marks a value that is missing, and why: `{"$": "redacted"}`. It says nothing apart from the field it stands in.
const MARK: &str = "$";

/// How deep a record is taken apart: the first of these that makes no more than [`MAX_DISCLOSURES`].
const DEPTHS: [usize; 3] = [MAX_GROUP_DEPTH, 2, 1];

/// A step of the encoding; what stands in a group comes before the group.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Replace the value at this JSON pointer by a digest.
    Conceal(String),
    /// Add so many decoys to the object or array at this JSON pointer.
    AddDecoys(String, usize),
}

/// A record made ready, and the steps that conceal all of it.
pub(super) struct Plan {
    pub(super) record: Map<String, Value>,
    pub(super) steps: Vec<Step>,
}

impl Plan {
    /// Plans the concealment of a whole record.
    ///
    /// A record with too many fields is taken apart less, down to its groups alone: what an interaction holds must never be
    /// a way to keep it from being stated.
    pub(super) fn of(record: &Map<String, Value>) -> Result<Self, StatementError> {
        if record.len() > MAX_GROUPS {
            return Err(StatementError::TooManyGroups(record.len()));
        }
        if let Some(name) = record.keys().find(|name| is_taken(name)) {
            return Err(StatementError::Reserved(name.clone()));
        }
        let mut plan = Planner::new(DEPTHS[0]).plan(record);
        for depth in &DEPTHS[1..] {
            if plan.disclosures() > MAX_DISCLOSURES {
                plan = Planner::new(*depth).plan(record);
            }
        }
        Ok(plan)
    }

    fn disclosures(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step, Step::Conceal(_))).count()
    }
}

struct Planner {
    max_depth: usize,
    steps: Vec<Step>,
}

impl Planner {
    fn new(max_depth: usize) -> Self {
        Self { max_depth, steps: Vec::new() }
    }

    fn plan(mut self, record: &Map<String, Value>) -> Plan {
        let members = self.members("", record, 1);
        let decoys = record.len().next_power_of_two().max(TOP_BUCKET) - record.len();
        self.steps.push(Step::AddDecoys(String::new(), decoys));
        Plan { record: members, steps: self.steps }
    }

    /// Conceals each member of an object whose members are `depth` steps from the top.
    fn members(&mut self, path: &str, object: &Map<String, Value>, depth: usize) -> Map<String, Value> {
        let mut out = Map::new();
        for (name, value) in object {
            let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
            out.insert(name.clone(), self.value(&path, value, depth));
            self.steps.push(Step::Conceal(path));
        }
        out
    }

    fn value(&mut self, path: &str, value: &Value, depth: usize) -> Value {
        if depth >= self.max_depth || is_whole(path) {
            return field(value, depth);
        }
        match value {
            Value::Object(object) if is_group(object) => {
                let members = self.members(path, object, depth + 1);
                self.add_decoys(path, object.len());
                Value::Object(members)
            }
            Value::Array(elements) if !elements.is_empty() && elements.iter().all(is_group_value) => {
                let mut out = Vec::with_capacity(elements.len());
                for (place, element) in elements.iter().enumerate() {
                    let path = format!("{path}/{place}");
                    out.push(self.value(&path, element, depth + 1));
                    self.steps.push(Step::Conceal(path));
                }
                self.add_decoys(path, elements.len());
                Value::Array(out)
            }
            _ => field(value, depth),
        }
    }

    fn add_decoys(&mut self, path: &str, concealed: usize) {
        let decoys = concealed.next_multiple_of(BUCKET) - concealed;
        self.steps.push(Step::AddDecoys(path.to_owned(), decoys));
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
