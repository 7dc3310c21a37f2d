//! Erasing: what goes, what stays, what must stay, and that no crash forgets it.

use std::time::Duration;

use super::*;
use crate::access::ReadPermit;
use crate::{ErasurePlan, HoldTarget, Refusal, Scope, VaultError, Why};

fn subject(name: &str) -> Scope {
    Scope::Subject { tenant: None, subject: name.to_owned() }
}

/// Plans and does an erasure in one go.
async fn erase(vault: &Vault, owner: &Access, scope: &Scope, by: &str, now: i64) -> ErasurePlan {
    let plan = vault.plan_erasure(owner, scope, now).await.unwrap();
    vault.begin_erasure(owner, &plan, "GDPR Art. 17(1)(a)", &id(by), now).await.unwrap();
    assert_eq!(vault.finish_erasure(owner, &id(by), now).await.unwrap(), plan.records.len() as u64);
    plan
}

async fn assert_unreadable(vault: &Vault, owner: &Access, name: &str) {
    let gone = VaultError::Erased(id(name));
    assert_eq!(vault.metadata(owner, &id(name)).await.unwrap_err(), gone);
    let permit = ReadPermit::new(vec![id(name)]);
    assert_eq!(vault.content(owner, &permit, &id(name)).await.unwrap_err(), gone);
}

async fn rows(place: &TestDatabase, sql: &'static str) -> i64 {
    let mut raw = place.raw().await;
    sqlx::Row::get(&sqlx::query(sql).fetch_one(&mut raw).await.unwrap(), 0)
}

pub(super) async fn an_erased_record_leaves_its_tombstone(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    vault.keep(&owner, vec![record("r1", "s1", "alice"), record("r2", "s1", "alice")], NOW).await.unwrap();
    vault.logged(&owner, vec![logged("r1", 41, "proof\n")]).await.unwrap();
    let before = vault.row(&owner, &id("r1")).await.unwrap();

    let plan = erase(&vault, &owner, &Scope::Record(id("r1")), "e1", NOW + 1).await;
    assert_eq!((plan.records, plan.refusals, plan.more), (vec![id("r1")], vec![], false));
    assert_unreadable(&vault, &owner, "r1").await;
    let after = vault.row(&owner, &id("r1")).await.unwrap();
    let erased = after.erased.clone().unwrap();
    assert_eq!((erased.record, erased.at, erased.finished), (id("e1"), NOW + 1, true));
    assert_eq!((erased.index, erased.scope.as_str()), (None, "record"));
    assert_eq!(erased.basis, "GDPR Art. 17(1)(a)");
    assert_eq!(crate::Row { erased: None, ..after }, before);
    assert_eq!(vault.jwt(&owner, &id("r1")).await.unwrap(), "header.r1.signature");
    assert_eq!(vault.proof(&owner, &id("r1")).await.unwrap().as_deref(), Some("proof\n"));
    // Found by its session, not by the person; the other record is as it was.
    assert_eq!(ids(&vault, &owner, &by(Facet::Session, "s1")).await, ["r1", "r2"]);
    assert_eq!(ids(&vault, &owner, &by(Facet::Initiator, "alice")).await, ["r2"]);
    assert_eq!(vault.metadata(&owner, &id("r2")).await.unwrap(), metadata("r2"));

    // Once the erasure's own record is logged, the tombstone says where.
    vault
        .keep(&owner, vec![KeepRecord { kind: StatementKind::Erasure, ..record("e1", "", "") }], NOW)
        .await
        .unwrap();
    vault.logged(&owner, vec![logged("e1", 43, "proof\n")]).await.unwrap();
    let erased = vault.row(&owner, &id("r1")).await.unwrap().erased.unwrap();
    assert_eq!(erased.index.map(vouchlog_merkle::LeafIndex::get), Some(43));

    // What is done is done: planned and begun again there is nothing.
    let plan = vault.plan_erasure(&owner, &Scope::Record(id("r1")), NOW).await.unwrap();
    assert_eq!(plan.records, []);
    let nothing = vault.begin_erasure(&owner, &plan, "again", &id("e2"), NOW).await;
    assert_eq!(nothing, Err(VaultError::NothingToErase));
    assert_eq!(vault.finish_erasure(&owner, &id("e1"), NOW).await.unwrap(), 1);
    let unknown = vault.finish_erasure(&owner, &id("e9"), NOW).await;
    assert_eq!(unknown, Err(VaultError::UnknownErasure(id("e9"))));
    let unknown = vault.plan_erasure(&owner, &Scope::Record(id("r9")), NOW).await;
    assert_eq!(unknown, Err(VaultError::UnknownRecord(id("r9"))));
    // The same record given again is not brought back.
    vault.keep(&owner, vec![record("r1", "s1", "alice")], NOW).await.unwrap();
    assert_unreadable(&vault, &owner, "r1").await;
}

pub(super) async fn a_person_is_erased_but_for_what_must_stay(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let mut shared = record("shared", "s1", "alice");
    shared.subjects.push("bob".to_owned());
    let elsewhere = KeepRecord { tenant: "other".to_owned(), ..record("elsewhere", "s1", "alice") };
    let records = vec![
        record("a1", "s1", "alice"),
        record("a2", "s1", "alice"),
        shared,
        elsewhere,
        record("b1", "s1", "bob"),
    ];
    vault.keep(&owner, records, NOW).await.unwrap();
    vault.hold(&owner, "case 7", "a lawsuit", &HoldTarget::Records(vec![id("a2")]), NOW).await.unwrap();

    let acme = Scope::Subject { tenant: Some("acme".to_owned()), subject: "alice".to_owned() };
    let plan = erase(&vault, &owner, &acme, "e1", NOW).await;
    assert_eq!(plan.records, [id("a1"), id("shared")]);
    assert_eq!(plan.refusals, [Refusal { record: id("a2"), why: Why::LegalHold("case 7".to_owned()) }]);
    for name in ["a1", "shared"] {
        assert_unreadable(&vault, &owner, name).await;
    }
    // The held record needs the person's key, so it is still there; bob's and the other tenant's are untouched.
    for name in ["a2", "b1", "elsewhere"] {
        assert_eq!(vault.metadata(&owner, &id(name)).await.unwrap(), metadata(name));
    }
    assert_eq!(rows(&place, "SELECT count(*) FROM subject").await, 3);
    vault.release(&owner, "case 7", "settled", NOW).await.unwrap();
    let plan = erase(&vault, &owner, &subject("alice"), "e2", NOW).await;
    assert_eq!(plan.records, [id("a2"), id("elsewhere")]);
    assert_eq!(rows(&place, "SELECT count(*) FROM subject").await, 1, "bob alone");
    assert_eq!(ids(&vault, &owner, &by(Facet::Initiator, "alice")).await, [""; 0]);
    assert_eq!(rows(&place, "SELECT count(*) FROM sealed").await, 1);
    // A person may come back, with a new key.
    vault.keep(&owner, vec![record("a3", "s2", "alice")], NOW).await.unwrap();
    assert_eq!(vault.metadata(&owner, &id("a3")).await.unwrap(), metadata("a3"));
    assert_unreadable(&vault, &owner, "a1").await;
}

pub(super) async fn an_erasure_survives_a_crash_at_every_step(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    vault.keep(&owner, vec![record("r1", "s1", "alice"), record("r2", "s1", "alice")], NOW).await.unwrap();
    let plan = vault.plan_erasure(&owner, &subject("alice"), NOW).await.unwrap();
    assert_eq!(vault.metadata(&owner, &id("r1")).await.unwrap(), metadata("r1"), "a plan changes nothing");
    vault.begin_erasure(&owner, &plan, "request 12", &id("e1"), NOW).await.unwrap();
    vault.begin_erasure(&owner, &plan, "request 12", &id("e1"), NOW + 1).await.unwrap();
    drop(vault);

    // Crashed after beginning: nobody reads it, and it is not forgotten.
    let (vault, owner) = open(&place).await;
    assert_unreadable(&vault, &owner, "r1").await;
    assert!(!vault.row(&owner, &id("r1")).await.unwrap().erased.unwrap().finished);
    let pending = vault.pending_erasures(&owner).await.unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!((&pending[0].erasure_record, &pending[0].records), (&id("e1"), &vec![id("r1"), id("r2")]));
    assert_eq!((pending[0].basis.as_str(), pending[0].begun_at), ("request 12", NOW));
    // Neither a hold nor another erasure can take hold of them any more.
    let late = vault.hold(&owner, "late", "a lawsuit", &HoldTarget::Records(vec![id("r1")]), NOW).await;
    assert_eq!(late, Err(VaultError::NothingToHold));
    let again = vault.plan_erasure(&owner, &subject("alice"), NOW).await.unwrap();
    assert_eq!(again.records, []);

    // Crashed after destroying, before noting it: finishing again is what brings it to an end.
    vault.finish_erasure(&owner, &id("e1"), NOW + 2).await.unwrap();
    let mut raw = place.raw().await;
    sqlx::query("UPDATE erasure SET finished_at = NULL").execute(&mut raw).await.unwrap();
    drop((vault, raw));
    let (vault, owner) = open(&place).await;
    assert_eq!(vault.pending_erasures(&owner).await.unwrap().len(), 1);
    assert_eq!(vault.finish_erasure(&owner, &id("e1"), NOW + 3).await.unwrap(), 2);
    assert_eq!(vault.pending_erasures(&owner).await.unwrap(), []);
    assert!(vault.row(&owner, &id("r2")).await.unwrap().erased.unwrap().finished);
}

pub(super) async fn holds_and_duties_are_respected(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let duty = KeepRecord {
        retention: Retention { class: String::new(), until: Some(NOW + 100) },
        ..record("duty", "s", "p")
    };
    vault.keep(&owner, vec![duty, record("held", "s", "p"), record("free", "s", "p")], NOW).await.unwrap();
    let plan = vault.plan_erasure(&owner, &subject("p"), NOW).await.unwrap();
    assert_eq!(plan.records, [id("held"), id("free")]);
    // A hold placed between plan and beginning refuses the plan as a whole.
    assert_eq!(
        vault
            .hold(&owner, "case", "a lawsuit", &HoldTarget::Records(vec![id("held"), id("duty")]), NOW)
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        vault.hold(&owner, "case", "a lawsuit", &HoldTarget::Records(vec![id("held")]), NOW).await.unwrap(),
        0,
        "again"
    );
    assert_eq!(vault.row(&owner, &id("held")).await.unwrap().hold.as_deref(), Some("case"));
    let refused = vault.begin_erasure(&owner, &plan, "basis", &id("e1"), NOW).await.unwrap_err();
    let held = Refusal { record: id("held"), why: Why::LegalHold("case".to_owned()) };
    assert_eq!(refused, VaultError::Refused(vec![held.clone()]));
    assert_eq!(held.to_string(), "record held is under the legal hold `case`");
    assert_eq!(vault.metadata(&owner, &id("free")).await.unwrap(), metadata("free"));
    // A plan cannot be written by hand around a duty.
    let forged = ErasurePlan { scope: "record", records: vec![id("duty")], refusals: vec![], more: false };
    vault.release(&owner, "case", "settled", NOW).await.unwrap();
    let refused = vault.begin_erasure(&owner, &forged, "basis", &id("e1"), NOW + 99).await.unwrap_err();
    let VaultError::Refused(refusals) = refused else { panic!("{refused}") };
    assert_eq!(refusals, [Refusal { record: id("duty"), why: Why::Duty(NOW + 100) }]);
    assert_eq!(refusals[0].to_string(), "record duty must be kept until 2027-01-15T08:00:00Z");
    erase(&vault, &owner, &subject("p"), "e2", NOW + 100).await;
    assert_unreadable(&vault, &owner, "duty").await;

    assert_eq!(
        vault.release(&owner, "case", "settled", NOW).await,
        Err(VaultError::UnknownHold("case".to_owned()))
    );
    let unknown = vault.hold(&owner, "case", "a lawsuit", &HoldTarget::Records(vec![id("r9")]), NOW).await;
    assert_eq!(unknown, Err(VaultError::UnknownRecord(id("r9"))));
    assert_eq!(vault.holds(&owner).await.unwrap(), [], "a refused hold is not placed");
    let no_basis = vault.begin_erasure(&owner, &plan, "", &id("e3"), NOW).await;
    assert!(matches!(no_basis, Err(VaultError::Invalid(_))));
}

pub(super) async fn what_is_due_is_swept(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    vault.set_retention(&owner, "logs", Duration::from_millis(50)).await.unwrap();
    let with = |name: &str, class: &str, until: Option<i64>| KeepRecord {
        retention: Retention { class: class.to_owned(), until },
        ..record(name, "s", "p")
    };
    let records = vec![
        with("class", "logs", None),
        with("longer", "logs", Some(NOW + 80)),
        with("shorter", "logs", Some(NOW + 10)),
        with("own", "", Some(NOW + 20)),
        with("none", "unknown class", None),
        with("held", "", Some(NOW + 5)),
    ];
    vault.keep(&owner, records, NOW).await.unwrap();
    vault.hold(&owner, "case", "a lawsuit", &HoldTarget::Records(vec![id("held")]), NOW).await.unwrap();
    let until = |name: &str| {
        let (vault, owner, name) = (vault.clone(), owner.clone(), id(name));
        async move { vault.row(&owner, &name).await.unwrap().retention.until }
    };
    assert_eq!((until("class").await, until("longer").await), (Some(NOW + 50), Some(NOW + 80)));
    assert_eq!((until("shorter").await, until("none").await), (Some(NOW + 50), None));
    // A shorter minimum does not shorten what was promised.
    vault.set_retention(&owner, "logs", Duration::from_millis(1)).await.unwrap();
    assert_eq!(
        vault.retention_classes(&owner).await.unwrap(),
        [("logs".to_owned(), Duration::from_millis(1))]
    );

    assert_eq!(vault.due(&owner, NOW + 19, 100).await.unwrap(), []);
    assert_eq!(vault.due(&owner, NOW + 50, 100).await.unwrap(), [id("own"), id("class"), id("shorter")]);
    assert_eq!(vault.due(&owner, NOW + 50, 1).await.unwrap(), [id("own")]);
    // A class without a period is no permission to erase, and setting one is.
    let unknown = vault.plan_erasure(&owner, &Scope::Record(id("none")), i64::MAX).await.unwrap();
    let why = Why::UnknownDuty("unknown class".to_owned());
    assert_eq!((unknown.records, unknown.refusals), (vec![], vec![Refusal { record: id("none"), why }]));
    let due = vault.due(&owner, NOW + 80, 100).await.unwrap();
    assert_eq!(due.len(), 4);
    let plan = erase(&vault, &owner, &Scope::Retention(due), "e1", NOW + 80).await;
    assert_eq!((plan.records.len(), plan.refusals.len()), (4, 0));
    assert_eq!(vault.row(&owner, &id("own")).await.unwrap().erased.unwrap().scope, "retention");
    assert_eq!(vault.due(&owner, i64::MAX, 100).await.unwrap(), []);
    vault.release(&owner, "case", "settled", NOW).await.unwrap();
    assert_eq!(vault.due(&owner, NOW + 80, 100).await.unwrap(), [id("held")]);
}

pub(super) async fn a_hold_covers_all_pages_of_a_query(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let count = crate::limits::MAX_ROWS + 10;
    let small =
        |name: String, session: &str| KeepRecord { content: Vec::new(), ..record(&name, session, "p") };
    let records: Vec<_> = (0..count).map(|i| small(format!("r{i}"), "s1")).collect();
    vault.keep(&owner, records, NOW).await.unwrap();
    vault.keep(&owner, vec![small("other".to_owned(), "s2")], NOW).await.unwrap();
    let matching = HoldTarget::Matching(Query { limit: 1, ..by(Facet::Session, "s1") });
    assert_eq!(vault.hold(&owner, "case", "a lawsuit", &matching, NOW + 1).await.unwrap(), count as u64);
    let holds = vault.holds(&owner).await.unwrap();
    assert_eq!((holds[0].name.as_str(), holds[0].records), ("case", count as u64));
    assert_eq!((holds[0].placed_at, holds[0].placed_by.as_str()), (NOW + 1, "owner"));
    let plan = vault.plan_erasure(&owner, &subject("p"), NOW).await.unwrap();
    assert_eq!((plan.records, plan.refusals.len()), (vec![id("other")], count));
}

/// Parts that are gone without an erasure, cut parts, and beside them what is read, was erased, or need not be kept any more.
pub(super) async fn what_was_lost_is_named_and_never_passes_for_erased(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let until = |name: &str, until: i64| {
        let retention = Retention { class: "case".to_owned(), until: Some(until) };
        KeepRecord { retention, ..record(name, "s1", "alice") }
    };
    let names = ["fine", "gone", "cut", "erased"].map(|name| record(name, "s1", "alice"));
    let kept =
        names.into_iter().chain([until("owed", NOW + 10), until("over", NOW - 10), until("held", NOW - 10)]);
    vault.keep(&owner, kept.collect(), NOW).await.unwrap();
    let held = HoldTarget::Records(vec![id("held")]);
    vault.hold(&owner, "case 17", "a lawsuit", &held, NOW).await.unwrap();
    erase(&vault, &owner, &Scope::Record(id("erased")), "e1", NOW).await;
    vault.close().await;
    let mut raw = place.raw().await;
    let of = "WHERE record IN (SELECT n FROM record WHERE id";
    for change in [
        format!("DELETE FROM sealed {of} IN ('gone', 'owed', 'over', 'held'))"),
        format!("UPDATE content_piece SET bytes = substr(bytes, 1, 20) {of} = 'cut')"),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(change)).execute(&mut raw).await.unwrap();
    }
    sqlx::Connection::close(raw).await.unwrap();

    if place.dir.is_some() {
        let refused = Vault::open(&place.location, kek(1)).await.map(drop);
        assert!(matches!(refused, Err(VaultError::Damaged(_))), "{refused:?}");
    }
    let vault = Vault::open_damaged(&place.location, kek(1)).await.unwrap();
    let owner = vault.owner().await.unwrap();
    let mut seen = 0;
    let lost = vault.lost_records(&owner, Query::default(), |records| seen = records).await.unwrap();
    assert_eq!(seen, 7);
    let mut owed: Vec<(&str, bool)> = lost.iter().map(|lost| (lost.id.as_str(), lost.is_owed(NOW))).collect();
    owed.sort_unstable();
    assert_eq!(owed, [("cut", true), ("gone", true), ("held", true), ("over", false), ("owed", true)]);
    assert!(
        lost.iter()
            .all(|lost| !lost.is_owed(i64::MAX) || lost.retention.until.is_none() || lost.hold.is_some())
    );
    for name in ["gone", "over"] {
        let error = vault.metadata(&owner, &id(name)).await.unwrap_err();
        assert!(matches!(&error, VaultError::Damaged(what) if what.contains(name)), "{error:?}");
    }
    assert_unreadable(&vault, &owner, "erased").await;
    assert_eq!(vault.metadata(&owner, &id("fine")).await.unwrap(), metadata("fine"));
    if place.dir.is_some() {
        assert!(vault.damage().is_some());
        let refused = vault.keep(&owner, vec![record("new", "s", "p")], NOW).await;
        assert!(matches!(refused, Err(VaultError::Damaged(_))), "{refused:?}");
    }
}

pub(super) async fn a_hold_covers_what_is_kept_later(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let call = |name: &str, session: &str, person: &str| record(name, session, person);
    vault.keep(&owner, vec![call("r1", "s1", "alice"), call("r2", "s2", "bob")], NOW).await.unwrap();
    let by_session = Query { tenant: Some(call("x", "s", "p").tenant), ..by(Facet::Session, "s1") };
    assert_eq!(
        vault
            .hold(&owner, "case", "a lawsuit", &HoldTarget::Matching(by_session.clone()), NOW)
            .await
            .unwrap(),
        1
    );
    // Placed again, it is the same hold.
    assert_eq!(
        vault
            .hold(&owner, "case", "a lawsuit", &HoldTarget::Matching(by_session.clone()), NOW)
            .await
            .unwrap(),
        0
    );
    // By another handle, as another process would.
    let (other, _) = open(&place).await;
    other.keep(&owner, vec![call("r3", "s1", "carol"), call("r4", "s3", "alice")], NOW + 5).await.unwrap();
    let hold = |name: &str| {
        let (vault, owner, name) = (vault.clone(), owner.clone(), id(name));
        async move { vault.row(&owner, &name).await.unwrap().hold }
    };
    assert_eq!((hold("r3").await.as_deref(), hold("r4").await), (Some("case"), None));
    let plan = vault.plan_erasure(&owner, &subject("carol"), NOW + 6).await.unwrap();
    let why = Why::LegalHold("case".to_owned());
    assert_eq!((plan.records, plan.refusals), (vec![], vec![Refusal { record: id("r3"), why }]));
    vault.release(&owner, "case", "settled", NOW).await.unwrap();
    vault.keep(&owner, vec![call("r5", "s1", "carol")], NOW + 7).await.unwrap();
    assert_eq!((hold("r3").await, hold("r5").await), (None, None), "it was lifted");
}
