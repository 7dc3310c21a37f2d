//! Alias tables: which names stand for which field. They are data, so that the digest of each can be logged as configuration.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use super::Dialect;
use crate::intake::Attributes;

/// A table as it is embedded. Its digest belongs in a `configuration` record with subject `dialects`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFile {
    /// Its name.
    pub name: &'static str,
    /// Its text, JSON.
    pub json: &'static str,
}

macro_rules! table {
    ($name:literal) => {
        TableFile { name: $name, json: include_str!(concat!("tables/", $name, ".json")) }
    };
}

const COMMON: TableFile = table!("common");
const FILES: [TableFile; 14] = [
    COMMON,
    table!("openllmetry"),
    table!("openinference"),
    table!("litellm"),
    table!("litellm_v2"),
    table!("mcp"),
    table!("a2a"),
    table!("claude_code"),
    table!("agentgateway"),
    table!("anthropic"),
    table!("langfuse"),
    table!("langsmith"),
    table!("mlflow"),
    table!("logfire"),
];

/// Every table.
pub const fn tables() -> &'static [TableFile] {
    &FILES
}

/// A table, read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    #[serde(rename = "version")]
    _version: String,
    #[serde(rename = "about")]
    _about: String,
    /// Names of each field, in order of preference.
    pub(super) fields: BTreeMap<String, Vec<String>>,
    /// Prefixes of arrays that were flattened into attributes, by field.
    #[serde(default)]
    pub(super) flat: BTreeMap<String, Vec<String>>,
    /// What else is known once a field came by a name, by `field=name`.
    #[serde(default)]
    implies: BTreeMap<String, BTreeMap<String, Value>>,
    /// Attributes whose value is an object in a string; its members become attributes `name.member`.
    #[serde(default)]
    pub(super) expand: Vec<String>,
    /// Attributes that only say again what fields say; `*` at the end stands for anything.
    #[serde(default)]
    repeats: Vec<String>,
    /// Attributes that are left out, and named in the record.
    #[serde(default)]
    omitted: Vec<String>,
}

/// A dialect's own table before the common one.
pub(super) struct Tables {
    pub(super) merged: Table,
    /// Fields that an attribute may stand for, by its name.
    fields_by_name: HashMap<String, Vec<String>>,
}

impl Tables {
    fn new(merged: Table) -> Self {
        let mut fields_by_name: HashMap<String, Vec<String>> = HashMap::new();
        for (field, names) in &merged.fields {
            for name in names {
                fields_by_name.entry(name.clone()).or_default().push(field.clone());
            }
        }
        Self { merged, fields_by_name }
    }

    fn fields_of(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields_by_name.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Fields of which a name is among the attributes, in their order, each with all its names. Of hundreds an item has some ten.
    pub(super) fn named_in(&self, attributes: &Attributes) -> impl Iterator<Item = (&str, &[String])> {
        let fields: BTreeSet<&str> = attributes.keys().flat_map(|name| self.fields_of(name)).collect();
        fields.into_iter().map(|field| (field, self.merged.fields[field].as_slice()))
    }

    pub(super) fn repeats(&self, name: &str) -> bool {
        self.merged.repeats.iter().any(|pattern| fits(pattern, name))
    }

    /// Whether an attribute holds messages.
    pub(super) fn is_content(&self, name: &str) -> bool {
        self.fields_of(name).any(|field| field.starts_with("content."))
    }

    /// Whether any name of a field is among the attributes.
    pub(super) fn says(&self, field: &str, attributes: &Attributes) -> bool {
        let named =
            self.merged.fields.get(field).into_iter().flatten().any(|name| attributes.contains_key(name));
        let is_below = |prefix: &String| {
            attributes.keys().any(|name| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.')))
        };
        named || self.merged.flat.get(field).into_iter().flatten().any(is_below)
    }

    pub(super) fn omits(&self, name: &str) -> bool {
        self.merged.omitted.iter().any(|pattern| fits(pattern, name))
    }

    pub(super) fn implied(&self, field: &str, name: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.merged.implies.get(&format!("{field}={name}")).into_iter().flatten()
    }
}

/// The attributes of an item that stand for a field.
pub(crate) fn told_by_names<'a>(dialect: Dialect, field: &str, attributes: &'a Attributes) -> Vec<&'a str> {
    let tables = of(dialect);
    let named = tables.merged.fields.get(field);
    let below = tables.merged.flat.get(field);
    let is_one = |name: &str| {
        let is_below =
            |prefix: &String| name.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('.'));
        named.into_iter().flatten().any(|known| known == name) || below.into_iter().flatten().any(is_below)
    };
    attributes.keys().map(String::as_str).filter(|name| is_one(name)).collect()
}

fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(name == pattern, |prefix| name.starts_with(prefix))
}

/// The tables of a dialect.
pub(super) fn of(dialect: Dialect) -> &'static Tables {
    static ALL: [OnceLock<Tables>; Dialect::ALL.len()] = [const { OnceLock::new() }; Dialect::ALL.len()];
    // A program meets few of the dialects, and merging the tables of all takes milliseconds.
    ALL[dialect as usize].get_or_init(|| merge(dialect))
}

fn merge(dialect: Dialect) -> Tables {
    let own = FILES.iter().find(|file| file.name == dialect.name());
    let mut merged = own.map(parse).unwrap_or_default();
    let common = parse(&COMMON);
    for (field, names) in common.fields {
        let all = merged.fields.entry(field).or_default();
        let more: Vec<_> = names.into_iter().filter(|name| !all.contains(name)).collect();
        all.extend(more);
    }
    // A prefix means one thing: the dialect's own word goes before.
    let taken: Vec<String> = merged.flat.values().flatten().cloned().collect();
    for (field, mut prefixes) in common.flat {
        prefixes.retain(|prefix| !taken.contains(prefix));
        merged.flat.entry(field).or_default().extend(prefixes);
    }
    merged.implies.extend(common.implies);
    merged.expand.extend(common.expand);
    merged.repeats.extend(common.repeats);
    merged.omitted.extend(common.omitted);
    Tables::new(merged)
}

fn parse(file: &TableFile) -> Table {
    serde_json::from_str(file.json).expect("embedded tables are tested")
}
