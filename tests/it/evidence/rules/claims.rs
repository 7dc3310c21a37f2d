//! R80, about what a gateway signed of its record in public: `vouchlog verify` holds it against what is disclosed.

use serde_json::{Value, json};
use vouchlog_grading::RULES_VERSION;
use vouchlog_record::RecordId;
use vouchlog_statement::testing::{GATEWAY, Log, OPENED, log_key, logged, stream_key};
use vouchlog_statement::{ClearClaims, issue};
use vouchlog_stream::{Entry, Evidence, StatementKind, StreamId};

use super::{Codes, Proof, codes, rule};
use crate::evidence::world::World;

/// Bit of the evidence: there is an initiator.
const INITIATOR: u32 = 1;
/// Bit of the evidence: the source leaves something out.
const SAMPLED: u32 = 1 << 20;

/// The rules that a stranger finds broken in a whole record from a sampled source, of which a gateway claimed this.
fn disclosed(world: &World, claimed: u32) -> Codes {
    let record = json!({ "initiator": { "kind": "human", "sub": "u-1" }, "custody": { "sampled": true } });
    let Value::Object(members) = record else { panic!("a record is an object") };
    let claims = ClearClaims {
        issuer: GATEWAY.to_owned(),
        issued_at: 1_767_225_600,
        record: RecordId::new("claimed").unwrap(),
        kind: StatementKind::Interaction,
        stream: StreamId::new(OPENED).unwrap(),
        evidence: Evidence::new(claimed).unwrap(),
        rules: RULES_VERSION.to_owned(),
    };
    let issued = issue(&claims, &members, &stream_key(OPENED)).unwrap();
    let mut log = Log::default();
    let index = log.push(&Entry::Statement(logged(&issued, &claims, OPENED)));
    let file = world.path("claimed.json");
    std::fs::write(&file, log.present(&issued, &[""], index).to_json()).unwrap();
    let vkey = log_key().verifying_key().to_string();
    let (code, said) = world.ask(&["verify", "--presentation", &file, "--log-vkey", &vkey]);
    assert_eq!(said["holds"], code == 0, "{said}");
    codes(&said["findings"])
}

pub(super) fn proof(world: &World) -> Proof {
    Proof {
        rule: rule("R80"),
        fires: disclosed(world, INITIATOR),
        spares: disclosed(world, INITIATOR | SAMPLED),
    }
}
