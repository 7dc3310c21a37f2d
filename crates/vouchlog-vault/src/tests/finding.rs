//! Searching: what matches and nothing else, page by page.

use super::*;
use crate::find::select;
use crate::limits::MAX_QUERY_FACETS;
use crate::{Cursor, Order, VaultError};

pub(super) async fn facets_must_all_match(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let mut records = Vec::new();
    for i in 0..30 {
        records.push(record(&format!("r{i:02}"), &format!("s{}", i % 3), &format!("person {}", i % 5)));
    }
    // The same names in another tenant are other pseudonyms, found all the same.
    records.push(KeepRecord { tenant: "other".to_owned(), ..record("r99", "s1", "person 1") });
    vault.keep(&owner, records, NOW).await.unwrap();
    let both = Query {
        facets: vec![(Facet::Session, "s1".to_owned()), (Facet::Initiator, "person 1".to_owned())],
        ..Query::default()
    };
    assert_eq!(ids(&vault, &owner, &both).await, ["r01", "r16", "r99"]);
    let acme = Query { tenant: Some("acme".to_owned()), ..both.clone() };
    assert_eq!(ids(&vault, &owner, &acme).await, ["r01", "r16"]);
    let nobody = Query { tenant: Some("nobody".to_owned()), ..both };
    assert_eq!(ids(&vault, &owner, &nobody).await, [""; 0]);
    assert_eq!(ids(&vault, &owner, &by(Facet::Tool, "search")).await.len(), 31);
    // A value is found under its own facet alone, and whole.
    for query in [by(Facet::Agent, "s1"), by(Facet::Session, "s"), by(Facet::Session, "")] {
        assert_eq!(ids(&vault, &owner, &query).await, [""; 0]);
    }
    let others = Query { tenant: Some("other".to_owned()), ..Query::default() };
    assert_eq!(ids(&vault, &owner, &others).await, ["r99"]);
    let facets = vec![(Facet::Tool, "search".to_owned()); MAX_QUERY_FACETS + 1];
    let too_many = vault.find(&owner, &Query { facets, ..Query::default() }).await;
    assert!(matches!(too_many, Err(VaultError::Invalid(_))));
}

pub(super) async fn pages_are_complete_and_stable(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let mut records = Vec::new();
    for i in 0..97_i64 {
        // Many began at the same moment, and not in the order kept; two tenants are merged.
        let tenant = if i % 4 == 0 { "other" } else { "acme" };
        let started_at = NOW + i * 37 % 11;
        records.push(KeepRecord {
            tenant: tenant.to_owned(),
            started_at,
            ..record(&format!("r{i}"), "s", "p")
        });
    }
    vault.keep(&owner, records, NOW).await.unwrap();
    for facets in [vec![], vec![(Facet::Session, "s".to_owned())]] {
        for order in [Order::OldestFirst, Order::NewestFirst] {
            let mut query = Query { facets: facets.clone(), order, ..Query::default() };
            let all = vault.find(&owner, &query).await.unwrap();
            assert_eq!(all.len(), 97);
            let times: Vec<i64> = all.iter().map(|row| row.started_at).collect();
            let sorted = match order {
                Order::OldestFirst => times.is_sorted(),
                Order::NewestFirst => times.iter().rev().is_sorted(),
            };
            assert!(sorted);
            let mut paged = Vec::new();
            query.limit = 10;
            loop {
                let page = vault.find(&owner, &query).await.unwrap();
                assert!(page.len() <= 10);
                let Some(last) = page.last() else { break };
                query.after = Some(last.cursor().to_string().parse().unwrap());
                // What is kept meanwhile, further on or before, disturbs no page.
                let late = format!("late-{order:?}-{}-{}", facets.len(), paged.len());
                let started_at = if order == Order::OldestFirst { NOW - 1 } else { NOW + 99 };
                vault
                    .keep(&owner, vec![KeepRecord { started_at, ..record(&late, "s", "p") }], NOW)
                    .await
                    .unwrap();
                paged.extend(page);
            }
            assert_eq!(paged, all);
            // The next round starts from the same records.
            let mut raw = place.raw().await;
            for table in ["facet", "sealed", "content_piece", "statement", "record_subject"] {
                let sql = format!(
                    "DELETE FROM {table} WHERE record IN (SELECT n FROM record WHERE id LIKE 'late%')"
                );
                sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut raw).await.unwrap();
            }
            sqlx::query("DELETE FROM record WHERE id LIKE 'late%'").execute(&mut raw).await.unwrap();
        }
    }
    for text in ["", "1", "1.", "a.b", "1.2.3"] {
        assert!(text.parse::<Cursor>().is_err(), "{text}");
    }
}

pub(super) async fn kinds_times_and_orders_select(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let kinds = [StatementKind::Intent, StatementKind::Interaction, StatementKind::Disclosure];
    let mut records = Vec::new();
    for i in 0..9_u8 {
        let started_at = NOW + i64::from(i);
        let kind = kinds[usize::from(i) % 3];
        records.push(KeepRecord { kind, started_at, ..record(&format!("r{i}"), "s", "p") });
    }
    vault.keep(&owner, records, NOW).await.unwrap();
    for facets in [vec![], vec![(Facet::Session, "s".to_owned())]] {
        let all = Query { facets, ..Query::default() };
        let kinds = vec![StatementKind::Disclosure, StatementKind::Intent, StatementKind::Intent];
        let query = Query { kinds, ..all.clone() };
        assert_eq!(ids(&vault, &owner, &query).await, ["r0", "r2", "r3", "r5", "r6", "r8"]);
        let query = Query { from: Some(NOW + 2), to: Some(NOW + 5), ..all.clone() };
        assert_eq!(ids(&vault, &owner, &query).await, ["r2", "r3", "r4"]);
        let query = Query { order: Order::NewestFirst, limit: 2, ..all.clone() };
        assert_eq!(ids(&vault, &owner, &query).await, ["r8", "r7"]);
        assert_eq!(ids(&vault, &owner, &Query { limit: 0, ..all }).await, [""; 0]);
    }
}

/// A record with verdicts and findings.
fn found(name: &str, session: &str, values: &[(Facet, &str)]) -> KeepRecord {
    let mut record = record(name, session, "p");
    record.facets.extend(values.iter().map(|(facet, value)| (*facet, (*value).to_owned())));
    record
}

pub(super) async fn verdicts_and_findings_are_found_together(place: TestDatabase) {
    const ALLOW: (Facet, &str) = (Facet::Verdict, "allow");
    const DENY: (Facet, &str) = (Facet::Verdict, "deny");
    const R25: (Facet, &str) = (Facet::Finding, "R25");
    const R26: (Facet, &str) = (Facet::Finding, "R26");
    let (vault, owner) = open(&place).await;
    let records = vec![
        found("r1", "s1", &[ALLOW, R25]),
        found("r2", "s1", &[DENY, R25, R26]),
        found("r3", "s2", &[ALLOW, R25]),
        found("r4", "s2", &[ALLOW]),
        found("r5", "s2", &[]),
        KeepRecord { tenant: "other".to_owned(), ..found("r6", "s2", &[ALLOW, R25]) },
    ];
    vault.keep(&owner, records, NOW).await.unwrap();
    vault.keep(&owner, vec![found("r7", "s1", &[ALLOW, R25])], NOW).await.unwrap();
    // As an earlier version kept it: each pseudonym by itself.
    let mut raw = place.raw().await;
    let members = "INSERT INTO facet (mac, started_at, record, personal) SELECT s.member, f.started_at, f.record, 0 \
                   FROM facet f JOIN facet_set s ON s.mac = f.mac JOIN record r ON r.n = f.record WHERE r.id = 'r3'";
    let set = "DELETE FROM facet WHERE mac IN (SELECT mac FROM facet_set) AND record IN (SELECT n FROM record WHERE id = 'r3')";
    for sql in [members, set] {
        assert!(sqlx::query(sql).execute(&mut raw).await.unwrap().rows_affected() > 0);
    }
    let asked = |facets: &[(Facet, &str)]| Query {
        facets: facets.iter().map(|(facet, value)| (*facet, (*value).to_owned())).collect(),
        ..Query::default()
    };
    let (s1, tool) = ((Facet::Session, "s1"), (Facet::Tool, "search"));
    for (facets, expected) in [
        (&[ALLOW][..], &["r1", "r3", "r4", "r6", "r7"][..]),
        (&[R25], &["r1", "r2", "r3", "r6", "r7"]),
        (&[R26], &["r2"]),
        (&[ALLOW, R25], &["r1", "r3", "r6", "r7"]),
        (&[DENY, R26, R25], &["r2"]),
        (&[ALLOW, R26], &[]),
        (&[s1, ALLOW], &["r1", "r7"]),
        (&[tool, s1, R25, ALLOW], &["r1", "r7"]),
        (&[(Facet::Verdict, "R25")], &[]),
    ] {
        assert_eq!(ids(&vault, &owner, &asked(facets)).await, expected, "{facets:?}");
        // The same in pages, in both orders.
        for order in [Order::OldestFirst, Order::NewestFirst] {
            let (mut paged, mut query) = (Vec::new(), Query { limit: 1, order, ..asked(facets) });
            while let Some(row) = vault.find(&owner, &query).await.unwrap().pop() {
                query.after = Some(row.cursor());
                paged.push(row.id.to_string());
            }
            if order == Order::NewestFirst {
                paged.reverse();
            }
            assert_eq!(paged, expected, "{facets:?}");
        }
    }
    let rows = sqlx::query("SELECT count(DISTINCT mac) FROM facet_set").fetch_one(&mut raw).await.unwrap();
    assert_eq!(sqlx::Row::get::<i64, _>(&rows, 0), 3, "two of a tenant, one of the other");
    vault.close().await;
}

pub(super) async fn more_sets_than_there_is_room_for_are_found(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let count = crate::limits::MAX_SETS + 20;
    let of_record = |n: usize| {
        let verdicts = [format!("a {}", n % 7), format!("b {n}")];
        let verdicts: Vec<(Facet, &str)> =
            verdicts.iter().map(|verdict| (Facet::Verdict, verdict.as_str())).collect();
        found(&format!("r{n:04}"), "s", &verdicts)
    };
    for first in (0..count).step_by(300) {
        let records = (first..count.min(first + 300)).map(of_record).collect();
        vault.keep(&owner, records, NOW).await.unwrap();
    }
    let all = Query { limit: 500, ..by(Facet::Verdict, "a 3") };
    assert_eq!(ids(&vault, &owner, &all).await.len(), (0..count).filter(|n| n % 7 == 3).count());
    for n in [0, count - 1] {
        assert_eq!(ids(&vault, &owner, &by(Facet::Verdict, &format!("b {n}"))).await, [format!("r{n:04}")]);
    }
    vault.close().await;
}

pub(super) async fn hostile_values_stay_values(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let hostile = [
        "'; DROP TABLE record; --",
        "\" OR 1=1 --",
        "$1",
        "?",
        "%",
        "\0",
        "\u{1f}session\u{1f}s",
        "𝔲𝔫𝔦𝔠𝔬𝔡𝔢 \u{202e}",
        "",
    ];
    for (i, value) in hostile.iter().enumerate() {
        let subjects = vec![(*value).to_owned()];
        let facets = vec![(Facet::Session, (*value).to_owned()), (Facet::Initiator, (*value).to_owned())];
        let given = KeepRecord { subjects, facets, ..record(&format!("r{i}"), "", "") };
        vault.keep(&owner, vec![given], NOW).await.unwrap();
    }
    for (i, value) in hostile.iter().enumerate() {
        assert_eq!(ids(&vault, &owner, &by(Facet::Session, value)).await, [format!("r{i}")]);
        let scope = crate::Scope::Subject { tenant: None, subject: (*value).to_owned() };
        let plan = vault.plan_erasure(&owner, &scope, NOW).await.unwrap();
        assert_eq!(plan.records, [id(&format!("r{i}"))]);
    }
    for name in hostile.iter().filter(|name| !name.is_empty() && !name.chars().any(char::is_control)) {
        let tenant = Some((*name).to_owned());
        assert_eq!(ids(&vault, &owner, &Query { tenant, ..Query::default() }).await, [""; 0]);
        vault
            .hold(&owner, name, "a lawsuit", &crate::HoldTarget::Records(vec![id("r0")]), NOW)
            .await
            .unwrap();
        vault.release(&owner, name, "settled", NOW).await.unwrap();
    }
    assert_eq!(ids(&vault, &owner, &Query::default()).await.len(), hostile.len());
}

/// SQLite answers each kind of query from an index, without sorting.
#[tokio::test]
async fn searches_use_indexes() {
    let place = TestDatabase::directory();
    let (vault, _) = open(&place).await;
    let mut raw = place.raw().await;
    let after = Some(Cursor { started_at: 1, n: 1 });
    let interactions = vec![StatementKind::Interaction];
    for (query, macs, index) in [
        (
            Query { after, ..Query::default() },
            1,
            "SEARCH f0 USING PRIMARY KEY (mac=? AND (started_at,record)>(?,?))",
        ),
        (
            Query { from: Some(1), to: Some(2), order: Order::NewestFirst, ..Query::default() },
            3,
            "SEARCH f0 USING PRIMARY KEY",
        ),
        (Query { after, ..Query::default() }, 0, "SEARCH r USING INDEX record_started"),
        (
            Query { kinds: interactions, order: Order::NewestFirst, ..Query::default() },
            0,
            "SEARCH r USING INDEX record_kind",
        ),
    ] {
        let (sql, values) = select(&query, &vec![vec![0; 16]; macs]);
        let explained = crate::sql::query(format!("EXPLAIN QUERY PLAN {sql}"), values);
        let rows = explained.fetch_all(&mut raw).await.unwrap();
        let steps: Vec<String> = rows.iter().map(|row| sqlx::Row::get(row, 3)).collect();
        assert!(steps.iter().any(|step| step.starts_with(index)), "{query:?}: {steps:#?}");
        assert!(
            !steps.iter().any(|step| step.contains("TEMP B-TREE") || step.starts_with("SCAN")),
            "{steps:#?}"
        );
    }
    vault.close().await;
}

/// Without the key one sees which records of a tenant share a value, and not that those of two tenants do.
pub(super) async fn tenants_share_no_pseudonym(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let other = KeepRecord { tenant: "other".to_owned(), ..record("r3", "s1", "alice") };
    let records = vec![record("r1", "s1", "alice"), record("r2", "s1", "alice"), other];
    vault.keep(&owner, records, NOW).await.unwrap();
    let mut raw = place.raw().await;
    let shared = "SELECT count(DISTINCT mac) FROM facet WHERE record IN (SELECT n FROM record WHERE id IN ";
    let mut count = async |ids: &str| {
        let sql = format!("{shared} ({ids}))");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(&mut raw).await.unwrap();
        sqlx::Row::get::<i64, _>(&row, 0)
    };
    let one = count("'r1'").await;
    assert!(one >= 3);
    assert_eq!(
        count("'r1', 'r2'").await,
        one,
        "equal values of a tenant are the same there, as the docs say"
    );
    assert_eq!(count("'r1', 'r3'").await, 2 * one);
    assert_eq!(
        sqlx::Row::get::<i64, _>(
            &sqlx::query("SELECT count(*) FROM subject").fetch_one(&mut raw).await.unwrap(),
            0
        ),
        2
    );
}
