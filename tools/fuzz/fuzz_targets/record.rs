//! Records: reading is total, and what is written reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchlog_grading::{Context, DisclosureExtent, contradictions, grade};
use vouchlog_record::Record;

fuzz_target!(|bytes: &[u8]| {
    let Ok(parsed) = Record::from_json(bytes) else { return };
    let again = Record::from_value(parsed.record.to_object().into()).expect("what is written is read");
    assert_eq!(again.record, parsed.record);
    assert!(again.removed.is_empty(), "a secret was left");
    let graded = grade(&parsed.record, &Context::default());
    let _ = (
        parsed.record.facets(),
        contradictions(graded.evidence, &parsed.record, DisclosureExtent::Whole, &Context::default()),
    );
});
