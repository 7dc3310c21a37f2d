//! From sample bodies to records.

use serde_json::Value;

use crate::testsupport::{assembled, golden, items, shown};

#[test]
#[allow(clippy::too_many_lines)]
fn samples_become_the_records_that_were_checked_by_hand() {
    for folder in [
        "litellm-proxy-v1",
        "litellm-sdk-v1",
        "litellm-sdk-v1-events",
        "litellm-sdk-v2-no-content",
        "mcp-python-sdk",
        "openai-v2-event-no-content",
        "openai-v2-json",
        "openai-v2-limits",
        "openai-v2-span-and-event",
        "openai-v2-unsampled",
        "openai-v2.1-legacy-content",
        "openinference-default",
        "openinference-hidden",
        "openllmetry-default",
        "session-synthetic",
        "session-synthetic-json",
        "by-hand",
    ] {
        let out = assembled(items(folder));
        assert_eq!((out.failed.as_slice(), out.conflicts.as_slice()), (&[][..], &[][..]), "{folder}");
        golden(folder, &shown(&out));
    }
}

fn value_of(record: &vouchlog_evidence::Record) -> Value {
    Value::Object(record.to_object())
}

#[test]
fn placeholder_total() {
    assert!(items("session-synthetic").iter().map(|_| 1).sum::<i32>() > 0);
    let _ = value_of;
}
