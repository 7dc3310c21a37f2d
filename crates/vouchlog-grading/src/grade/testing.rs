//! Complete records and the context that grades them without a finding.

use serde_json::Value;
use vouchlog_record::{Record, RecordId};

use crate::context::Context;

pub(crate) const COMPLETE: &str = include_str!("../../../vouchlog-record/testdata/record-complete.json");
pub(crate) const REGULATED: &str = include_str!("../../../vouchlog-record/testdata/record-regulated.json");
pub(crate) const LOW_RISK: &str = include_str!("../../../vouchlog-record/testdata/record-low-risk.json");
const EARLIER: &str = include_str!("../../../vouchlog-record/testdata/earlier.json");

pub(crate) fn testdata(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

pub(crate) fn read(value: Value) -> Record {
    Record::from_value(value).unwrap().record
}

pub(crate) fn id(text: &str) -> RecordId {
    text.parse().unwrap()
}

/// What was known when the records were made.
pub(crate) fn context() -> Context {
    let mut context = Context::default()
        .class_order(["public", "internal", "customer-pii", "health"])
        .recorder_key_in_force("gw-eu1#3", "2026-11-01T00:00:00Z".parse().unwrap(), None);
    for value in serde_json::from_str::<Vec<Value>>(EARLIER).unwrap() {
        let record = read(value);
        context.learn(record.id.as_ref().unwrap(), &record);
    }
    context
}
