//! A person is found by every spelling of the same name, also in records that an earlier version kept.

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::{Executor, Row as _};
use vouchlog_record::Record;

use super::sending::{Desk, Entries};
use super::*;
use crate::{HoldTarget, Scope, people_named};

/// Records of one person, spelled in several ways, and one of another.
async fn recorded(vault: &Vault, owner: &Access) {
    let people = [
        ("r-1", json!({ "iss": "https://a.example", "sub": "Zo\u{eb}" })),
        ("r-2", json!({ "iss": "https://a.example/", "sub": "Zoe\u{308}" })),
        ("r-3", json!({ "iss": "https://b.example", "sub": "Zo\u{eb}" })),
        ("r-4", json!({ "iss": "https://a.example", "sub": "Zoe" })),
        ("r-5", json!({ "end_user": "Zoe\u{308}" })),
    ];
    let records = people.into_iter().map(|(id, initiator)| {
        let session = json!({ "session": "Sitzung-e\u{301}" });
        let value =
            json!({ "kind": "interaction", "id": id, "initiator": initiator, "correlation": session });
        Record::from_value(value).unwrap().record
    });
    let recorder = Desk::open(vault, owner, 5, &Entries::default()).recorder().await;
    recorder.record(records.collect()).await.unwrap();
}

async fn planned(vault: &Vault, owner: &Access, name: &str) -> Vec<String> {
    let scope = Scope::Subject { tenant: None, subject: name.to_owned() };
    let plan = vault.plan_erasure(owner, &scope, NOW).await.unwrap();
    plan.records.iter().map(ToString::to_string).collect()
}

async fn assert_found(vault: &Vault, owner: &Access) {
    for (name, expected) in [
        ("Zo\u{eb}", &["r-1", "r-2", "r-3", "r-5"][..]),
        ("Zoe\u{308}", &["r-1", "r-2", "r-3", "r-5"]),
        ("https://a.example|Zo\u{eb}", &["r-1", "r-2"]),
        ("https://a.example//|Zoe\u{308}", &["r-1", "r-2"]),
        ("https://b.example/|Zo\u{eb}", &["r-3"]),
        ("Zoe", &["r-4"]),
        ("https://c.example|Zo\u{eb}", &[]),
        ("zo\u{eb}", &[]),
    ] {
        assert_eq!(planned(vault, owner, name).await, expected, "{name}");
        assert_eq!(ids(vault, owner, &by(Facet::Initiator, name)).await, expected, "{name}");
    }
    assert_eq!(ids(vault, owner, &by(Facet::Session, "Sitzung-\u{e9}")).await.len(), 5);
}

pub(super) async fn a_person_is_found_at_any_issuer_and_in_any_form(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    recorded(&vault, &owner).await;
    assert_found(&vault, &owner).await;
    let named =
        people_named(&vault, &owner, &["r-1", "r-2", "r-3", "r-4"].map(id), "Zo\u{eb}").await.unwrap();
    let expected = BTreeMap::from([
        ("https://a.example|Zo\u{eb}".to_owned(), 1),
        ("https://a.example/|Zoe\u{308}".to_owned(), 1),
        ("https://b.example|Zo\u{eb}".to_owned(), 1),
    ]);
    assert_eq!(named, expected);
    // A hold by one spelling keeps the records of another, also those that come later.
    let query = by(Facet::Initiator, "https://a.example/|Zoe\u{308}");
    assert_eq!(
        vault.hold(&owner, "case 7", "a lawsuit", &HoldTarget::Matching(query), NOW).await.unwrap(),
        2
    );
    let later = json!({ "kind": "interaction", "id": "r-6", "initiator": { "iss": "https://a.example", "sub": "Zo\u{eb}" } });
    let recorder = Desk::open(&vault, &owner, 6, &Entries::default()).recorder().await;
    recorder.record(vec![Record::from_value(later).unwrap().record]).await.unwrap();
    assert_eq!(vault.row(&owner, &id("r-6")).await.unwrap().hold.as_deref(), Some("case 7"));
    assert_eq!(planned(&vault, &owner, "Zo\u{eb}").await, ["r-3", "r-5"]);
}

pub(super) async fn records_of_an_earlier_version_are_found_by_any_form(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    recorded(&vault, &owner).await;
    vault.keep(&owner, vec![record("not-of-a-recorder", "s", "p")], NOW).await.unwrap();
    vault.close().await;
    // As an earlier version left it: names in other forms, or without their issuer, lead nowhere.
    let mut raw = place.raw().await;
    raw.execute("DELETE FROM facet WHERE record IN (SELECT n FROM record WHERE id LIKE 'r-%')")
        .await
        .unwrap();
    raw.execute("UPDATE vault SET people = 0").await.unwrap();
    drop(raw);
    for _ in 0..2 {
        let (vault, owner) = open(&place).await;
        assert_found(&vault, &owner).await;
        assert_eq!(ids(&vault, &owner, &by(Facet::Initiator, "p")).await, ["not-of-a-recorder"]);
        vault.close().await;
    }
}

/// An earlier version made the pseudonyms of a hold from values as they were written.
pub(super) async fn a_hold_of_an_earlier_version_covers_what_is_kept_later(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    recorded(&vault, &owner).await;
    let name = "https://a.example/|Zoe\u{308}";
    let target = HoldTarget::Matching(by(Facet::Initiator, name));
    vault.hold(&owner, "case 7", "a lawsuit", &target, NOW).await.unwrap();
    let mut raw = place.raw().await;
    let tenant: String = sqlx::query("SELECT name FROM tenant").fetch_one(&mut raw).await.unwrap().get(0);
    let tenant = vault.shared.find_tenant(&mut raw, &tenant).await.unwrap().unwrap();
    let as_written = tenant.facet_as_written(Facet::Initiator, name).to_vec();
    super::duties::set_back(&vault, &mut raw).await;
    let update = sqlx::query("UPDATE hold_query SET macs = $1").bind(as_written);
    update.execute(&mut raw).await.unwrap();
    drop(raw);
    vault.close().await;
    let (vault, owner) = open(&place).await;
    let later = json!({ "kind": "interaction", "id": "r-7", "initiator": { "iss": "https://a.example/", "sub": "Zoe\u{308}" } });
    let recorder = Desk::open(&vault, &owner, 6, &Entries::default()).recorder().await;
    recorder.record(vec![Record::from_value(later).unwrap().record]).await.unwrap();
    assert_eq!(vault.row(&owner, &id("r-7")).await.unwrap().hold.as_deref(), Some("case 7"));
}
