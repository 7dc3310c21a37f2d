//! How a record was concealed, so that the disclosures of its facts can be made again and need not be kept.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::seed::Seed;

/// How a record was concealed: with it and the record, the disclosures of facts are made again, byte for byte, also by a later version
/// that would take other things for content. As secret as the facts.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concealment {
    pub(super) seed: Seed,
    /// How deep groups were taken apart.
    pub(super) depth: usize,
    /// Facts that were left whole although they could have been taken apart: JSON pointers.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) whole: BTreeSet<String>,
}

impl Concealment {
    pub(super) fn new(seed: Seed, depth: usize, whole: BTreeSet<String>) -> Self {
        Self { seed, depth, whole }
    }
}

/// A record with its members by name. Salts are numbered in the order of members, and `serde_json` keeps another order in programs that
/// ask it to: the same record has to be read there as well.
pub(super) fn in_order(record: Cow<'_, Map<String, Value>>) -> Cow<'_, Map<String, Value>> {
    static IS_ALWAYS_SO: LazyLock<bool> = LazyLock::new(|| {
        let map: Map<String, Value> =
            ["b", "a"].map(|name| (name.to_owned(), Value::Null)).into_iter().collect();
        map.keys().is_sorted()
    });
    if *IS_ALWAYS_SO {
        return record;
    }
    let mut record = record.into_owned();
    record.sort_keys();
    record.values_mut().for_each(Value::sort_all_objects);
    Cow::Owned(record)
}

/// Shows nothing: it is secret.
impl fmt::Debug for Concealment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Concealment").finish_non_exhaustive()
    }
}
