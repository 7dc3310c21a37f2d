//! How long a record must be kept.

use jiff::Timestamp;
use vouchlog_record::Record;

use crate::Retention;
use crate::limits::MAX_NAME_BYTES;

/// How long a record must be kept: by its class, and where that is spelled as a period (ISO 8601, `P7Y`, or `7y`), so long at least,
/// from when it began or is kept, whichever is later. A period that cannot be computed, and a class that cannot be a name, still state
/// a duty: how long it is, is unknown until somebody sets a period for the class by the name that it has here.
pub(super) fn retention(record: &Record, started: Timestamp, kept: Timestamp) -> Retention {
    let stated = record.body.custody.value().and_then(|custody| custody.retention.value());
    let Some(stated) = stated.filter(|stated| !stated.is_empty()) else { return Retention::default() };
    let period = stated.parse().ok().filter(|period: &jiff::Span| !period.is_negative());
    let begin = started.max(kept).to_zoned(jiff::tz::TimeZone::UTC);
    let until = period.and_then(|period| begin.checked_add(period).ok());
    Retention { class: class_name(stated), until: until.map(|until| until.timestamp().as_millisecond()) }
}

/// The name of a class; of what cannot be one, as much as can.
fn class_name(stated: &str) -> String {
    let name: String =
        stated.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    let end = name.floor_char_boundary(MAX_NAME_BYTES);
    name[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::is_name;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn kept(stated: &str, started: &str) -> Retention {
        let value = json!({ "kind": "interaction", "custody": { "retention": stated } });
        let record = Record::from_value(value).unwrap().record;
        retention(&record, at(started), at("2026-11-21T00:00:00Z"))
    }

    #[test]
    fn a_period_counts_from_the_later_of_beginning_and_keeping() {
        for (stated, started, until) in [
            ("P7Y", "2026-11-20T00:00:00Z", "2033-11-21T00:00:00Z"),
            ("7y", "2026-11-20T00:00:00Z", "2033-11-21T00:00:00Z"),
            ("P7Y", "1970-01-01T00:00:00Z", "2033-11-21T00:00:00Z"),
            ("P7Y", "2030-01-01T00:00:00Z", "2037-01-01T00:00:00Z"),
            ("P0D", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"),
        ] {
            let retention = kept(stated, started);
            assert_eq!(
                (retention.class.as_str(), retention.until),
                (stated, Some(at(until).as_millisecond()))
            );
        }
    }

    #[test]
    fn what_is_no_period_is_a_duty_of_unknown_length() {
        for stated in ["financial", "P1.5Y", "-P7Y", "P7X", "P9999Y", "P99999999Y", "7 years and a bit"] {
            let retention = kept(stated, "2026-11-20T00:00:00Z");
            assert_eq!((retention.class.as_str(), retention.until), (stated, None));
        }
        let odd = kept("P7Y\0", "2026-11-20T00:00:00Z");
        assert_eq!((odd.class.as_str(), odd.until), ("P7Y\u{fffd}", None));
        let long = kept(&"ä".repeat(MAX_NAME_BYTES), "2026-11-20T00:00:00Z");
        assert!(is_name(&long.class) && long.until.is_none(), "{}", long.class);
        assert_eq!(kept("", "2026-11-20T00:00:00Z"), Retention::default());
    }
}
