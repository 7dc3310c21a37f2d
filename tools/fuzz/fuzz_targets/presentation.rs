//! Presentation files: reading and verifying is total, writing gives back what was read, and a damaged file shows the same or
//! nothing.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use vouchlog_fuzz::log::{SmallLog, log_vkey};
use vouchlog_fuzz::stated::{claims, state};
use vouchlog_fuzz::{damage, origin};
use vouchlog_statement::{LogTrust, Presentation, StreamIdentity, VerifiedPresentation, verify_presentation};
use vouchlog_stream::{LoggedAt, SequenceNumber, Statement, StatementEntry};

/// Where the entries of [`SmallLog`] end and what is handed to it begins.
const STATED: usize = 11;

static RIGHT: LazyLock<Presentation> = LazyLock::new(|| {
    let record = json!({ "initiator": { "sub": "alice", "kind": "human" }, "escalation": ["a", "b"] });
    let issued = state(record.as_object().expect("it is one")).expect("it can be stated");
    let claims = claims();
    let entry = StatementEntry {
        logged_at: LoggedAt::from_millis(1_767_225_600_000).expect("a time of this century"),
        stream: claims.stream,
        sequence: SequenceNumber::new(6).expect("small"),
        statement: Statement { kind: claims.kind, evidence: claims.evidence, digest: issued.digest() },
    };
    let log = SmallLog::with(&[&entry.to_bytes()]);
    let stream = StreamIdentity::new(&log.proof(1), &log.proof(2));
    let sd_jwt = issued.present(&["/initiator/sub"]).expect("there is one");
    let right = Presentation::new(&origin(), sd_jwt, &log.proof(STATED), &log.proof(0), stream, None);
    assert!(read(right.to_json().as_bytes()).is_some(), "it holds");
    right
});

fn read(json: &[u8]) -> Option<VerifiedPresentation> {
    let presentation = Presentation::from_json(json).ok()?;
    assert_eq!(Presentation::from_json(presentation.to_json().as_bytes()).as_ref(), Ok(&presentation));
    verify_presentation(&presentation, &LogTrust::new(&log_vkey(), None)).ok()
}

fuzz_target!(|input: &[u8]| {
    assert!(read(input).is_none(), "nobody finds a signature by chance");
    if let Some(shown) = read(&damage(RIGHT.to_json().as_bytes(), input)) {
        let known = read(RIGHT.to_json().as_bytes()).expect("it holds");
        assert_eq!((shown.index, shown.entry, shown.gateway), (known.index, known.entry, known.gateway));
        assert_eq!(shown.statement.claims, known.statement.claims);
        // A disclosure may be lost, and with it what it shows.
        let [shown, known] = [&shown.statement.disclosed, &known.statement.disclosed];
        assert!(shown.is_empty() || shown == known || shown["initiator"] == json!({}), "{shown:?}");
    }
});
