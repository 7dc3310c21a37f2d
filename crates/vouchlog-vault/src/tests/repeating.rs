//! Goal: an id stands for one content, and a secret for itself, in one vault and in no other.

use serde_json::{Value, json};
use vouchlog_record::Record;

use super::sending::{Desk, Entries};
use super::*;

fn record(id: &str, more: &Value) -> Record {
    let mut value = json!({ "kind": "interaction", "id": id, "usage": { "input_tokens": 7 },
        "initiator": { "sub": "u-1", "iss": "https://idp.example" }, "model": { "params": { "temperature": 0.30000000000000004 } },
        "input": { "content": [{ "role": "user", "parts": [{ "type": "text", "content": "use AKIAIOSFODNN7EXAMPLE" }] }] } });
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Record::from_value(value).unwrap().record
}

pub(super) async fn an_id_given_again_with_other_content_is_a_conflict(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let log = Entries::default();
    let recorder = Desk::open(&vault, &owner, 5, &log).recorder().await;
    let first = record("r-1", &json!({}));
    let recorded = recorder.record(vec![first.clone()]).await.unwrap();
    assert!(recorded[0].grade.is_some() && !recorded[0].is_conflict);
    let digest = recorded[0].digest;

    // The same again, also by another process, is a retry.
    let again = Desk::open(&vault, &owner, 6, &log).recorder().await;
    for recorder in [&recorder, &again] {
        let recorded = recorder.record(vec![record("r-1", &json!({}))]).await.unwrap();
        assert_eq!((recorded[0].grade.is_none(), recorded[0].is_conflict), (true, false));
        assert_eq!(recorder.conflicts(&[record("r-1", &json!({}))]).await.unwrap(), []);
    }
    // Whatever differs is told, the neighbours are recorded, and the first stays as it was.
    let others = [
        json!({ "usage": { "input_tokens": 8 } }),
        json!({ "input": { "content": "something else" } }),
        json!({ "initiator": { "sub": "u-2", "iss": "https://idp.example" } }),
        json!({ "kind": "intent" }),
        json!({ "vendor": { "x": 1 } }),
        json!({ "custody": { "retention": "P1Y" } }),
        json!({ "profile": "low_risk" }),
    ];
    for (number, other) in others.into_iter().enumerate() {
        let other = record("r-1", &other);
        assert_eq!(again.conflicts(std::slice::from_ref(&other)).await.unwrap(), [id("r-1")]);
        let neighbour = record(&format!("n-{number}"), &json!({}));
        let recorded = again.record(vec![other, neighbour]).await.unwrap();
        assert!(recorded[0].is_conflict && recorded[0].grade.is_none() && recorded[0].digest == digest);
        assert!(!recorded[1].is_conflict && recorded[1].grade.is_some());
    }
    assert_eq!(vault.row(&owner, &id("r-1")).await.unwrap().digest, digest);
    // In one call, and in calls so large that they are kept in parts.
    let mut many: Vec<_> = (0..300).map(|n| record(&format!("m-{n}"), &json!({}))).collect();
    many.push(record("m-0", &json!({})));
    many.push(record("m-299", &json!({ "vendor": 1 })));
    let recorded = again.record(many).await.unwrap();
    assert_eq!(
        recorded.iter().filter(|one| one.is_conflict).map(|one| one.id.as_str()).collect::<Vec<_>>(),
        ["m-299"]
    );
    assert_eq!(recorded.iter().filter(|one| one.grade.is_some()).count(), 300);
    let twice = [record("t-1", &json!({})), record("t-1", &json!({ "vendor": 1 }))];
    assert_eq!(again.conflicts(&twice).await.unwrap(), [id("t-1")]);
}

pub(super) async fn secrets_stand_alike_in_one_vault_and_nowhere_else(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let elsewhere = TestDatabase::directory();
    let (other, other_owner) = open(&elsewhere).await;
    assert!(vault.redaction_key(&owner, "acme").await.unwrap().is_none(), "it has no records yet");
    let desk = Desk::open(&vault, &owner, 5, &Entries::default());
    desk.recorder().await;
    Desk::open(&other, &other_owner, 5, &Entries::default()).recorder().await;
    let key = vault.redaction_key(&owner, "acme").await.unwrap().unwrap();
    let others = other.redaction_key(&other_owner, "acme").await.unwrap().unwrap();
    let mine = key.redacted("AKIAIOSFODNN7EXAMPLE");
    assert!(!mine.contains("AKIA") && mine != key.redacted("AKIAI44QH8DHBEXAMPLE"));
    assert_ne!(mine, others.redacted("AKIAIOSFODNN7EXAMPLE"));
    // It is the vault's, not the process's.
    let (reopened, owner) = open(&place).await;
    let again = reopened.redaction_key(&owner, "acme").await.unwrap().unwrap();
    assert_eq!(again.redacted("AKIAIOSFODNN7EXAMPLE"), mine);
}
