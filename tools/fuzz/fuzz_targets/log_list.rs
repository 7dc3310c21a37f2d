//! Lists of logs: what is read of one, written down again, reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchlog_note::LogList;

fuzz_target!(|bytes: &[u8]| {
    let Ok(list) = LogList::parse(bytes) else { return };
    let mut text = "logs/v0\n".to_owned();
    for log in list.logs() {
        let (key, origin, contact) = (log.key(), log.origin(), log.contact());
        text += &format!("vkey {key}\norigin {origin}\nqpd {}\ncontact {contact}\n", log.requests_per_day());
    }
    let again = LogList::parse(text.as_bytes()).expect("a list of logs that were read");
    assert_eq!(again.logs(), list.logs());
});
