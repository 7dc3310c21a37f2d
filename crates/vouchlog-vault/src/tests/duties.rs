//! Whoever writes the database without the vault's key lifts no hold and ends no duty.

use std::time::Duration;

use sqlx::{AnyConnection, AssertSqlSafe, Executor};

use super::*;
use crate::keys::{CheckedFor, KeyRing};
use crate::roster::Roster;
use crate::{HoldTarget, Refusal, Scope, VaultError, Why};

/// Puts a vault back to what an earlier version left: its holds and retention classes are rows, and records have no sums.
pub(super) async fn set_back(vault: &Vault, raw: &mut AnyConnection) {
    let mut roster = Roster::read(&vault.shared, raw).await.unwrap();
    let duties = roster.duties.take().unwrap();
    for (name, hold) in &duties.holds {
        for query in &hold.queries {
            let insert = "INSERT INTO hold_query (hold, tenant, macs, kinds, from_ms, to_ms) VALUES ($1, $2, $3, $4, $5, $6)";
            let insert = sqlx::query(insert).bind(name.clone()).bind(query.tenant).bind(query.macs.concat());
            let insert = insert.bind(query.kinds.clone()).bind(query.from).bind(query.to);
            insert.execute(&mut *raw).await.unwrap();
        }
    }
    for (class, millis) in &duties.classes {
        let insert = sqlx::query("INSERT INTO retention_class (name, keep_for) VALUES ($1, $2)");
        insert.bind(class.clone()).bind(*millis).execute(&mut *raw).await.unwrap();
    }
    roster.generation += 1;
    let keys = &vault.shared.keys;
    let sealed = roster.seal(kek(1).bytes(), keys.vault()).unwrap();
    let key_check = KeyRing::key_check(&kek(1), keys.vault(), CheckedFor::Roster).unwrap();
    let update = sqlx::query("UPDATE vault SET key_check = $1, principals = $2").bind(key_check).bind(sealed);
    update.execute(&mut *raw).await.unwrap();
    raw.execute("UPDATE record SET keep_mac = NULL").await.unwrap();
}

/// A vault with a record under a hold, one that is owed, and one that is free.
async fn with_duties(place: &TestDatabase) -> (Vault, Access) {
    let (vault, owner) = open(place).await;
    vault.set_retention(&owner, "fin", Duration::from_millis(1_000)).await.unwrap();
    let owed = Retention { class: "fin".to_owned(), until: None };
    let owed = KeepRecord { retention: owed, ..record("owed", "s2", "p") };
    vault.keep(&owner, vec![record("held", "s1", "p"), owed, record("free", "s3", "p")], NOW).await.unwrap();
    let session = HoldTarget::Matching(by(Facet::Session, "s1"));
    vault.hold(&owner, "case", "a claim", &session, NOW).await.unwrap();
    vault.hold(&owner, "other", "a claim", &HoldTarget::Records(vec![id("held")]), NOW).await.unwrap();
    (vault, owner)
}

async fn assert_as_it_was(vault: &Vault, owner: &Access) {
    let person = Scope::Subject { tenant: None, subject: "p".to_owned() };
    let plan = vault.plan_erasure(owner, &person, NOW).await.unwrap();
    let held = Refusal { record: id("held"), why: Why::LegalHold("case".to_owned()) };
    let owed = Refusal { record: id("owed"), why: Why::Duty(NOW + 1_000) };
    assert_eq!((plan.records, plan.refusals), (vec![id("free")], vec![held, owed]));
    assert_eq!(vault.holds(owner).await.unwrap().len(), 2);
    assert_eq!(vault.check(None, |_| {}).await.unwrap(), [""; 0]);
}

pub(super) async fn holds_and_duties_changed_behind_its_back_are_noticed(place: TestDatabase) {
    let (vault, owner) = with_duties(&place).await;
    assert_as_it_was(&vault, &owner).await;
    let mut raw = place.raw().await;
    let number = |name: &str| format!("(SELECT n FROM record WHERE id = '{name}')");
    let (held, free) = (number("held"), number("free"));
    let person = Scope::Subject { tenant: None, subject: "p".to_owned() };
    let plan = vault.plan_erasure(&owner, &person, NOW).await.unwrap();
    // What is changed, and how it is undone.
    let cases = [
        (
            format!("DELETE FROM held WHERE hold = 'case' AND record = {held}"),
            format!("INSERT INTO held (record, hold) VALUES ({held}, 'case')"),
        ),
        (
            "DELETE FROM held".to_owned(),
            format!("INSERT INTO held (record, hold) VALUES ({held}, 'case'), ({held}, 'other')"),
        ),
        (
            format!("UPDATE held SET record = {free} WHERE hold = 'case'"),
            format!("UPDATE held SET record = {held} WHERE hold = 'case'"),
        ),
        (
            format!("INSERT INTO held (record, hold) VALUES ({free}, 'case')"),
            format!("DELETE FROM held WHERE record = {free}"),
        ),
        (
            "UPDATE record SET keep_until = 0 WHERE id = 'owed'".to_owned(),
            format!("UPDATE record SET keep_until = {} WHERE id = 'owed'", NOW + 1_000),
        ),
        (
            "UPDATE record SET keep_until = NULL, retention_class = '' WHERE id = 'owed'".to_owned(),
            format!(
                "UPDATE record SET keep_until = {}, retention_class = 'fin' WHERE id = 'owed'",
                NOW + 1_000
            ),
        ),
        (
            "UPDATE record SET kept_at = 0 WHERE id = 'owed'".to_owned(),
            format!("UPDATE record SET kept_at = {NOW} WHERE id = 'owed'"),
        ),
    ];
    for (change, undo) in cases {
        raw.execute(AssertSqlSafe(change.clone())).await.unwrap();
        let planned = vault.plan_erasure(&owner, &person, NOW).await;
        assert!(matches!(planned, Err(VaultError::Damaged(_))), "{change}: {planned:?}");
        let owed = crate::ErasurePlan { records: vec![id("owed")], ..plan.clone() };
        let begun = vault.begin_erasure(&owner, &owed, "a basis", &id("erasure"), NOW).await;
        assert!(matches!(begun, Err(VaultError::Damaged(_))), "{change}: {begun:?}");
        raw.execute(AssertSqlSafe(undo)).await.unwrap();
        let planned = vault.plan_erasure(&owner, &person, NOW).await.unwrap();
        assert_eq!(planned, plan, "{change}");
    }
    // The sum of another record, with its time.
    raw.execute("UPDATE record SET keep_until = NULL, retention_class = '', keep_mac = (SELECT keep_mac FROM record WHERE id = 'free') WHERE id = 'owed'")
        .await
        .unwrap();
    let planned = vault.plan_erasure(&owner, &person, NOW).await;
    assert!(matches!(planned, Err(VaultError::Damaged(_))), "{planned:?}");
    // A longer period must not give it a new sum.
    raw.execute("UPDATE record SET retention_class = 'fin', keep_until = 0 WHERE id = 'owed'").await.unwrap();
    let extended = vault.set_retention(&owner, "fin", Duration::from_millis(2_000)).await;
    assert!(matches!(extended, Err(VaultError::Damaged(_))), "{extended:?}");
    // A check says so, and then nothing is written any more.
    raw.execute("DELETE FROM held").await.unwrap();
    assert!(matches!(vault.holds(&owner).await, Err(VaultError::Damaged(_))));
    let damage = vault.check(None, |_| {}).await.unwrap();
    assert!(damage.iter().any(|what| what.contains("without the vault's key")), "{damage:?}");
}

pub(super) async fn rows_of_holds_and_classes_have_no_say(place: TestDatabase) {
    let (vault, owner) = with_duties(&place).await;
    let mut raw = place.raw().await;
    raw.execute("INSERT INTO retention_class (name, keep_for) VALUES ('fin', 0)").await.unwrap();
    raw.execute("DELETE FROM hold_query").await.unwrap();
    raw.execute("UPDATE hold SET placed_by = 'nobody'").await.unwrap();
    assert_as_it_was(&vault, &owner).await;
    assert!(vault.holds(&owner).await.unwrap().iter().all(|hold| hold.placed_by == "owner"));
    let owed = Retention { class: "fin".to_owned(), until: None };
    let later = KeepRecord { retention: owed, ..record("later", "s1", "q") };
    vault.keep(&owner, vec![later], NOW + 5).await.unwrap();
    let row = vault.row(&owner, &id("later")).await.unwrap();
    assert_eq!((row.retention.until, row.hold.as_deref()), (Some(NOW + 1_005), Some("case")));
    // What came under the hold is sealed with it, also for the next process.
    let reopened = Vault::open(&place.location, kek(1)).await.unwrap();
    assert_eq!(reopened.holds(&owner).await.unwrap()[0].records, 2);
    raw.execute("DELETE FROM held WHERE record = (SELECT n FROM record WHERE id = 'later')").await.unwrap();
    let planned = reopened.plan_erasure(&owner, &Scope::Record(id("later")), NOW + 9_999).await;
    assert!(matches!(planned, Err(VaultError::Damaged(_))), "{planned:?}");
}

pub(super) async fn duties_of_an_earlier_version_are_sealed_once(place: TestDatabase) {
    let (vault, owner) = with_duties(&place).await;
    let mut raw = place.raw().await;
    set_back(&vault, &mut raw).await;
    vault.close().await;
    for _ in 0..2 {
        let vault = Vault::open(&place.location, kek(1)).await.unwrap();
        assert_as_it_was(&vault, &owner).await;
        vault.close().await;
    }
    // Rows that are put there later are not taken for those of an earlier version.
    raw.execute("UPDATE record SET keep_mac = NULL, keep_until = 0 WHERE id = 'owed'").await.unwrap();
    let vault = Vault::open(&place.location, kek(1)).await.unwrap();
    let planned = vault.plan_erasure(&owner, &Scope::Record(id("owed")), NOW).await;
    assert!(matches!(planned, Err(VaultError::Damaged(_))), "{planned:?}");
    // Lifting goes on to work.
    vault.release(&owner, "case", "over", NOW).await.unwrap();
    vault.release(&owner, "other", "over", NOW).await.unwrap();
    assert_eq!(vault.holds(&owner).await.unwrap(), []);
    let plan = vault.plan_erasure(&owner, &Scope::Record(id("held")), NOW).await.unwrap();
    assert_eq!(plan.records, [id("held")]);
}
