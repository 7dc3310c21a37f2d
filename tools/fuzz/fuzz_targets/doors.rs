//! Bodies that are no OTLP (LiteLLM's callback, OPA's decision log, records): every payload is taken or said not to be, and what
//! becomes of it is a record, the same every time.

#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use vouchlog_collector::assemble::Naming;
use vouchlog_collector::{dialect, doors};
use vouchlog_record::Record;

fn reads_back(record: &Record) {
    let again = Record::from_value(record.to_object().into()).expect("what is written is read");
    assert_eq!((&again.record, again.removed.len()), (record, 0));
}

fuzz_target!(|input: &[u8]| {
    let naming: Naming = Box::new(|key| [key.len() as u8; 16]);
    let read = || doors::litellm(input, &naming, Timestamp::UNIX_EPOCH);
    if let Ok((records, not_taken)) = read() {
        records.iter().for_each(reads_back);
        let again = read().expect("it was read");
        assert_eq!((&again.0, again.1.len()), (&records, not_taken.len()));
    }
    if let Ok((items, _)) = doors::opa(input) {
        items.iter().for_each(|item| assert_eq!(dialect::read(item), dialect::read(item)));
    }
    if let Ok((records, _)) = doors::records(input) {
        records.iter().for_each(|parsed| reads_back(&parsed.record));
    }
});
