//! How the records of a session are numbered.

use std::collections::BTreeMap;

use crate::record::Record;

/// Whether two recorders gave one number in a session. Then each of them counts from 1, and each is judged by its own numbers. A recorder
/// that only goes on where another one stopped gives no number twice. Records without a number say nothing.
pub fn are_numbered_apart<'a>(records: impl IntoIterator<Item = &'a Record>) -> bool {
    let mut first: BTreeMap<u64, &str> = BTreeMap::new();
    records.into_iter().any(|record| {
        let recorder = record.recorder();
        record.session_sequence().is_some_and(|number| *first.entry(number).or_insert(recorder) != recorder)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_number_of_two_recorders_sets_them_apart() {
        let record = |recorder: &str, number: Option<u64>| {
            let value = json!({ "kind": "interaction", "correlation": { "session_sequence": number },
                "custody": { "recorder": recorder } });
            Record::from_value(value).unwrap().record
        };
        for (given, apart) in [
            (vec![], false),
            (vec![("a", Some(1)), ("a", Some(1))], false),
            (vec![("a", Some(1)), ("b", Some(2)), ("b", None), ("a", None)], false),
            (vec![("a", Some(1)), ("b", Some(2)), ("b", Some(1))], true),
        ] {
            let records: Vec<Record> = given.iter().map(|(name, number)| record(name, *number)).collect();
            assert_eq!(are_numbered_apart(&records), apart, "{given:?}");
        }
    }
}
