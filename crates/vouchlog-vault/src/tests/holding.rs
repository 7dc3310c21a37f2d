//! Placing and lifting a hold is on record, once, also if the process ends in between.

use serde_json::{Value, json};

use super::sending::{Desk, Entries};
use super::*;
use crate::{HoldTarget, VaultError, learn, read_facts};

/// What the records of holds say, in their order.
async fn said(vault: &Vault, owner: &Access) -> Vec<Value> {
    let query = Query { kinds: vec![StatementKind::Hold], ..Query::default() };
    let mut rows = vault.find(owner, &query).await.unwrap();
    rows.sort_by_key(|row| row.n);
    let context = learn(vault, owner).await.unwrap();
    let read = read_facts(vault, owner, rows, &context).await.unwrap();
    let hold =
        |read: &crate::ReadRecord| Value::Object(read.record.as_ref().unwrap().to_object())["hold"].clone();
    read.iter().map(hold).collect()
}

pub(super) async fn holds_are_on_record_once_also_after_a_crash(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    vault.keep(&owner, vec![record("r1", "s1", "alice"), record("r2", "s1", "bob")], NOW).await.unwrap();
    let log = Entries::default();
    let recorder = Desk::open(&vault, &owner, 5, &log).recorder().await;
    let session = HoldTarget::Matching(by(Facet::Session, "s1"));
    assert_eq!(recorder.hold(&owner, "case", "a claim", &session).await.unwrap(), 2);
    let placed = json!({ "action": "placed", "name": "case", "by": "owner", "reason": "a claim", "records": 2, "covers_later": true });
    assert_eq!(said(&vault, &owner).await, std::slice::from_ref(&placed));

    // What fails is not on record.
    let nothing = HoldTarget::Matching(by(Facet::Session, "s9"));
    assert!(recorder.hold(&owner, "typo", "a claim", &nothing).await.is_err());
    assert!(recorder.release(&owner, "typo", "over").await.is_err());
    for reason in ["", "two\nlines"] {
        let refused = vault.hold(&owner, "case", reason, &session, NOW).await;
        assert!(matches!(refused, Err(VaultError::Invalid(_))), "{refused:?}");
    }
    recorder.resume().await.unwrap();
    assert_eq!(said(&vault, &owner).await, std::slice::from_ref(&placed));

    // The process ends after the hold was lifted and before that is on record.
    vault.release(&owner, "case", "over", NOW).await.unwrap();
    assert_eq!(said(&vault, &owner).await.len(), 1);
    for stream in [6, 7] {
        let next = Desk::open(&vault, &owner, stream, &log).recorder().await;
        next.resume().await.unwrap();
        let lifted = json!({ "action": "lifted", "name": "case", "by": "owner", "reason": "over", "records": 2, "covers_later": true });
        assert_eq!(said(&vault, &owner).await, [placed.clone(), lifted]);
    }
}
