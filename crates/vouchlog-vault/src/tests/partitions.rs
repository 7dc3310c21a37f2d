//! PostgreSQL: what is long of a record lies in the partition of its month, and records of before stay where they are.

use super::*;
use crate::access::ReadPermit;
use crate::database::Database;
use crate::location::Location;
use crate::{Scope, VaultError, vault};

/// The last version without partitions.
const BEFORE: usize = 19;

/// The partitions with rows of a record, and the default one of each table.
async fn partitions(place: &TestDatabase, record: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut raw = place.raw().await;
    for table in ["statement", "sealed", "content_piece"] {
        let sql = format!(
            "SELECT DISTINCT CAST(p.tableoid::regclass AS TEXT) FROM {table} p JOIN record r ON r.n = p.record WHERE r.id = '{record}'"
        );
        for row in sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut raw).await.unwrap() {
            found.push(sqlx::Row::get(&row, 0));
        }
    }
    found
}

pub(super) async fn records_of_before_and_of_this_month_are_read_alike(place: TestDatabase) {
    let location = Location::parse(&place.location).unwrap();
    let db = Database::open(&location, true).await.unwrap();
    db.migrate_to(&location.shown(), BEFORE).await.unwrap();
    vault::make_row(&db, &kek(1)).await.unwrap();
    let vault = Vault::start(db, kek(1), &location).await.unwrap();
    let owner = vault.owner().await.unwrap();
    vault
        .keep(&owner, vec![record("old-1", "s1", "alice"), record("old-2", "s1", "bob")], NOW)
        .await
        .unwrap();
    vault.close().await;

    let (vault, owner) = open(&place).await;
    vault
        .keep(&owner, vec![record("new-1", "s1", "alice"), record("new-2", "s1", "bob")], NOW)
        .await
        .unwrap();
    for name in ["old-1", "old-2", "new-1", "new-2"] {
        assert_eq!(vault.metadata(&owner, &id(name)).await.unwrap(), metadata(name));
        let permit = ReadPermit::new(vec![id(name)]);
        assert_eq!(vault.content(&owner, &permit, &id(name)).await.unwrap(), content(name));
    }
    assert_eq!(ids(&vault, &owner, &by(Facet::Session, "s1")).await.len(), 4);
    assert_eq!(vault.check(None, |_| {}).await.unwrap(), Vec::<String>::new());
    if place.dir.is_none() {
        assert_eq!(
            partitions(&place, "old-1").await,
            ["statement_before", "sealed_before", "content_piece_before"]
        );
        let of_month = partitions(&place, "new-1").await;
        let month = of_month[0].trim_start_matches("statement").to_owned();
        assert_eq!(month.len(), "_2026_12".len());
        assert_eq!(of_month, ["statement", "sealed", "content_piece"].map(|table| format!("{table}{month}")));
        let mut raw = place.raw().await;
        let ahead = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'sealed'::regclass";
        let row = sqlx::query(ahead).fetch_one(&mut raw).await.unwrap();
        // Of before, of this month, two ahead, and for all others.
        assert_eq!(sqlx::Row::get::<i64, _>(&row, 0), 5);
    }
    let alice = Scope::Subject { tenant: None, subject: "alice".to_owned() };
    let plan = vault.plan_erasure(&owner, &alice, NOW).await.unwrap();
    assert_eq!(plan.records, [id("old-1"), id("new-1")]);
    vault.begin_erasure(&owner, &plan, "GDPR Art. 17(1)(a)", &id("e1"), NOW).await.unwrap();
    assert_eq!(vault.finish_erasure(&owner, &id("e1"), NOW).await.unwrap(), 2);
    for name in ["old-1", "new-1"] {
        assert_eq!(vault.metadata(&owner, &id(name)).await.unwrap_err(), VaultError::Erased(id(name)));
    }
    let mut raw = place.raw().await;
    let left = sqlx::query("SELECT count(*) FROM sealed").fetch_one(&mut raw).await.unwrap();
    assert_eq!(sqlx::Row::get::<i64, _>(&left, 0), 2);
}
