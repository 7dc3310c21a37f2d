//! What credential events teach is the same from memory as from the records.

use serde_json::json;
use vouchlog_record::Record;

use super::sending::{Desk, Entries};
use super::*;
use crate::{Scope, learn};

async fn assert_as_fresh(vault: &Vault, owner: &Access, place: &TestDatabase) -> String {
    let taught = format!("{:?}", learn(vault, owner).await.unwrap());
    let (fresh, access) = open(place).await;
    assert_eq!(taught, format!("{:?}", learn(&fresh, &access).await.unwrap()));
    fresh.close().await;
    taught
}

pub(super) async fn what_was_learnt_is_kept_until_records_change(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let recorder = Desk::open(&vault, &owner, 5, &Entries::default()).recorder().await;
    let revoke = async |name: &str| {
        let value = json!({ "kind": "credential-event", "id": name, "credential": { "id": format!("c-{name}") },
            "time": { "start": "2026-11-18T09:06:30Z" },
            "credential_event": { "action": "revoked", "effective": "2026-11-18T09:06:30Z" } });
        recorder.record(vec![Record::from_value(value).unwrap().record]).await.unwrap();
    };
    assert!(!assert_as_fresh(&vault, &owner, &place).await.contains("c-r1"));
    revoke("r1").await;
    assert!(assert_as_fresh(&vault, &owner, &place).await.contains("c-r1"));
    revoke("r2").await;
    let both = assert_as_fresh(&vault, &owner, &place).await;
    assert!(both.contains("c-r1") && both.contains("c-r2"));
    assert_eq!(format!("{:?}", learn(&vault, &owner).await.unwrap()), both, "from memory");
    let other = owner.of_tenant("other").unwrap();
    assert!(!format!("{:?}", learn(&vault, &other).await.unwrap()).contains("c-r1"), "of another tenant");
    let plan = vault.plan_erasure(&owner, &Scope::Record(id("r1")), NOW).await.unwrap();
    vault.begin_erasure(&owner, &plan, "basis", &id("e1"), NOW).await.unwrap();
    let left = assert_as_fresh(&vault, &owner, &place).await;
    assert!(!left.contains("c-r1") && left.contains("c-r2"));
}
