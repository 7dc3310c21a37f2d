//! What an auditor keeps between audits: refused, or read back the same; and an audit that goes on from it is total, even if
//! its digest was made to fit.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vouchlog_auditor::AuditState;
use vouchlog_fuzz::damage;
use vouchlog_fuzz::log::{SmallLog, identity};
use vouchlog_merkle::sha256;

static LOG: LazyLock<SmallLog> = LazyLock::new(|| SmallLog::with(&[]));

/// The part of a state that its digest is over.
static RIGHT: LazyLock<String> = LazyLock::new(|| {
    let state = LOG.audit(Vec::new(), None).and_then(|audited| audited.state).expect("it is sound");
    let json = state.to_json();
    let body = json.strip_prefix("{\"state\":").and_then(|rest| rest.rsplit_once(",\"digest\":"));
    let body = body.expect("the state comes before its digest").0.to_owned();
    assert!(AuditState::from_json(&with_digest(body.as_bytes()), &identity()).is_ok());
    body
});

fn with_digest(body: &[u8]) -> Vec<u8> {
    let digest = sha256(&[b"vouchlog/v1 audit-state\n", body].concat());
    [b"{\"state\":", body, format!(",\"digest\":\"{digest}\"}}").as_bytes()].concat()
}

fn read(json: &[u8]) {
    if let Ok(state) = AuditState::from_json(json, &identity()) {
        assert_eq!(AuditState::from_json(state.to_json().as_bytes(), &identity()).as_ref(), Ok(&state));
        LOG.audit(Vec::new(), Some(state));
    }
}

fuzz_target!(|input: &[u8]| {
    read(input);
    read(&with_digest(&damage(RIGHT.as_bytes(), input)));
});
