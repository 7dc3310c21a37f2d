//! Attributes by name, where a name may have come twice.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Whether a name is that of a further value of a name that came more than once.
pub(crate) fn is_again(name: &str) -> bool {
    let number = name.rsplit_once('#').map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Members of a map as they come. OpenTelemetry allows a name once. Of a name that came more often each value is kept: the first by the
/// name, the others by `name#2`, `name#3`, which no table knows, so that they are counted as not understood. An `evidence.*`
/// attribute that contradicts itself declares nothing: its first value is kept as `name#1`.
#[derive(Default)]
pub(super) struct Members {
    members: Map<String, Value>,
    /// Numbers of the names that came more than once.
    numbers: BTreeMap<String, usize>,
}

impl Members {
    pub(super) fn add(&mut self, name: String, value: Value) {
        let is_again = self.members.contains_key(&name) || self.numbers.contains_key(&name);
        if !is_again {
            self.members.insert(name, value);
            return;
        }
        if name.starts_with("evidence.")
            && self.members.get(&name).is_some_and(|first| *first != value)
            && let Some(first) = self.members.remove(&name)
        {
            self.numbered(&name, 1, first);
        }
        let number = self.numbers.get(&name).copied().unwrap_or(1) + 1;
        let number = self.numbered(&name, number, value);
        self.numbers.insert(name, number);
    }

    /// Puts a value by the first such name that is free; its number.
    fn numbered(&mut self, name: &str, mut number: usize, value: Value) -> usize {
        while self.members.contains_key(&format!("{name}#{number}")) {
            number += 1;
        }
        self.members.insert(format!("{name}#{number}"), value);
        number
    }

    pub(super) fn finish(self) -> Map<String, Value> {
        self.members
    }
}
