//! Lists of sessions and identities: what they show is what the records have, and no more after an erasure.

use serde_json::json;
use sqlx::{Executor, Row as _};
use vouchlog_record::Record;

use super::sending::{Desk, Entries};
use super::*;
use crate::limits::COUNTED_MATCHES;
use crate::{
    FindingQuery, IdentityQuery, Scope, SessionQuery, SessionSummary, VaultError, findings, sessions,
};

pub(super) async fn found(vault: &Vault, access: &Access, query: &FindingQuery) -> Vec<String> {
    let found = vault.findings(access, query).await.unwrap();
    found.iter().map(|finding| format!("{} {}", finding.row.id, finding.code)).collect()
}

pub(super) fn identities(facet: Facet) -> IdentityQuery {
    IdentityQuery { facet, tenant: None, after: None, limit: 10 }
}

/// A record of a session at a time, with these facets beside its person.
pub(super) fn at(
    name: &str,
    session: &str,
    person: &str,
    minute: i64,
    facets: &[(Facet, &str)],
) -> KeepRecord {
    let mut record = record(name, session, person);
    record.started_at = NOW + minute * 60_000;
    record.facets.extend(facets.iter().map(|(facet, value)| (*facet, (*value).to_owned())));
    record
}

/// Three sessions: one denied, of two people; one allowed; one of another tenant.
async fn three_sessions(vault: &Vault, owner: &Access) {
    let denied = [(Facet::Verdict, "deny"), (Facet::Verdict, "authorized_known:no"), (Facet::Finding, "R26")];
    let allowed =
        [(Facet::Verdict, "allow"), (Facet::Verdict, "authorized_known:yes"), (Facet::DataClass, "pii")];
    let records = vec![
        at("a1", "s-a", "ann", 0, &allowed),
        at("a2", "s-a", "bob", 10, &denied),
        at("b1", "s-b", "ann", 20, &allowed),
        KeepRecord { tenant: "other".to_owned(), ..at("c1", "s-a", "ann", 30, &denied) },
    ];
    vault.keep(owner, records, NOW).await.unwrap();
}

pub(super) fn asked(facets: &[(Facet, &str)]) -> SessionQuery {
    let facets = facets.iter().map(|(facet, value)| (*facet, (*value).to_owned())).collect();
    SessionQuery { facets, tenant: Some("acme".to_owned()), limit: 10, ..SessionQuery::default() }
}

async fn names(vault: &Vault, access: &Access, query: &SessionQuery) -> Vec<Option<String>> {
    vault.sessions(access, query).await.unwrap().into_iter().map(|session| session.name).collect()
}

fn has(session: &SessionSummary, facet: Facet) -> Vec<&str> {
    session.values.iter().filter(|(of, _)| *of == facet).map(|(_, value)| value.as_str()).collect()
}

pub(super) async fn sessions_are_listed_by_what_their_records_have(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    three_sessions(&vault, &owner).await;
    let all = vault.sessions(&owner, &asked(&[])).await.unwrap();
    assert_eq!(all.iter().map(|one| one.name.as_deref().unwrap()).collect::<Vec<_>>(), ["s-b", "s-a"]);
    let one = &all[1];
    assert_eq!((one.records, one.erased, one.first_at, one.last_at), (2, 0, NOW, NOW + 600_000));
    assert_eq!(has(one, Facet::Initiator), ["ann", "bob"]);
    assert_eq!(has(one, Facet::Verdict), ["allow", "authorized_known:no", "authorized_known:yes", "deny"]);
    assert_eq!((has(one, Facet::Tool), has(one, Facet::DataClass)), (vec!["search"], vec!["pii"]));
    assert_eq!(one.findings.len(), 1);
    assert_eq!((one.findings[0].code.as_str(), one.findings[0].records, one.findings[0].open), ("R26", 1, 1));
    for (facets, expected) in [
        (&[(Facet::Initiator, "ann")][..], &["s-b", "s-a"][..]),
        (&[(Facet::Initiator, "bob")], &["s-a"]),
        // Each in one record or another.
        (&[(Facet::Initiator, "ann"), (Facet::Finding, "R26")], &["s-a"]),
        (&[(Facet::Verdict, "authorized_known:no"), (Facet::DataClass, "pii")], &["s-a"]),
        (&[(Facet::Session, "s-b")], &["s-b"]),
        (&[(Facet::Session, "s-b"), (Facet::Initiator, "bob")], &[]),
        (&[(Facet::Tool, "search"), (Facet::Tool, "search")], &["s-b", "s-a"]),
        (&[(Facet::Tool, "other")], &[]),
        (&[(Facet::Session, "s-c")], &[]),
    ] {
        let found = names(&vault, &owner, &asked(facets)).await;
        assert_eq!(
            found.iter().map(|name| name.as_deref().unwrap()).collect::<Vec<_>>(),
            expected,
            "{facets:?}"
        );
    }
    let minute = |minute: i64| Some(NOW + minute * 60_000);
    for (from, to, expected) in [
        (None, minute(20), &["s-a"][..]),
        (minute(11), None, &["s-b"]),
        // A session was under way though no record of it started then.
        (minute(5), minute(6), &["s-a"]),
        (minute(21), None, &[]),
        (None, minute(0), &[]),
    ] {
        let found = names(&vault, &owner, &SessionQuery { from, to, ..asked(&[]) }).await;
        assert_eq!(
            found.iter().map(|name| name.as_deref().unwrap()).collect::<Vec<_>>(),
            expected,
            "{from:?} {to:?}"
        );
    }
    for facet in [Facet::Trace, Facet::Refers] {
        let refused = vault.sessions(&owner, &asked(&[(facet, "x")])).await;
        assert!(matches!(refused, Err(VaultError::Invalid(_))), "{refused:?}");
    }
    // A later record of the session moves it to the front, also one that began earlier than the others.
    vault
        .keep(&owner, vec![at("a3", "s-a", "eve", 40, &[]), at("a0", "s-a", "eve", -5, &[])], NOW)
        .await
        .unwrap();
    let all = vault.sessions(&owner, &asked(&[])).await.unwrap();
    assert_eq!(all[0].name.as_deref(), Some("s-a"));
    assert_eq!((all[0].records, all[0].first_at, all[0].last_at), (4, NOW - 300_000, NOW + 2_400_000));
}

pub(super) async fn pages_of_sessions_are_complete(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    // Two begin at the same moment each time.
    let records: Vec<KeepRecord> =
        (0..23).map(|n| at(&format!("r{n}"), &format!("s{n:02}"), "p", n / 2, &[])).collect();
    vault.keep(&owner, records, NOW).await.unwrap();
    for facets in [&[][..], &[(Facet::Initiator, "p")]] {
        for limit in [1, 4, 23] {
            let mut query = SessionQuery { limit, ..asked(facets) };
            let mut seen = Vec::new();
            loop {
                let page = vault.sessions(&owner, &query).await.unwrap();
                seen.extend(page.iter().map(|session| (session.last_at, session.name.clone().unwrap())));
                let Some(last) = page.last() else { break };
                // It is read back from what a caller was given.
                query.after = Some(last.cursor().to_string().parse().unwrap());
            }
            assert!(seen.is_sorted_by(|(a, _), (b, _)| a >= b), "{facets:?} {limit}: {seen:?}");
            seen.sort();
            let names: Vec<String> = seen.into_iter().map(|(_, name)| name).collect();
            let expected: Vec<String> = (0..23).map(|n| format!("s{n:02}")).collect();
            assert_eq!(names, expected, "{facets:?} {limit}");
        }
    }
    for wrong in ["", "1", "1.x", "x.1"] {
        assert!(wrong.parse::<crate::SessionCursor>().is_err(), "{wrong}");
    }
}

pub(super) async fn erase(vault: &Vault, owner: &Access, scope: Scope, name: &str) {
    let plan = vault.plan_erasure(owner, &scope, NOW).await.unwrap();
    vault.begin_erasure(owner, &plan, "basis", &id(name), NOW).await.unwrap();
    vault.finish_erasure(owner, &id(name), NOW).await.unwrap();
}

pub(super) async fn an_erasure_takes_names_out_of_lists(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    three_sessions(&vault, &owner).await;
    let person = |name: &str| Scope::Subject { tenant: Some("acme".to_owned()), subject: name.to_owned() };
    erase(&vault, &owner, person("bob"), "e1").await;
    let all = vault.sessions(&owner, &asked(&[])).await.unwrap();
    assert_eq!((has(&all[1], Facet::Initiator), all[1].records, all[1].erased), (vec!["ann"], 2, 1));
    assert_eq!(names(&vault, &owner, &asked(&[(Facet::Initiator, "bob")])).await, []);
    assert_eq!(names(&vault, &owner, &asked(&[(Facet::Initiator, "ann")])).await.len(), 2);
    // What it was found by and names nobody still leads to it.
    assert_eq!(names(&vault, &owner, &asked(&[(Facet::Finding, "R26")])).await.len(), 1);
    let people = vault.identities(&owner, &identities(Facet::Initiator)).await.unwrap();
    assert_eq!(
        people.iter().filter(|one| one.tenant == "acme").map(|one| one.value.as_str()).collect::<Vec<_>>(),
        ["ann"]
    );

    erase(&vault, &owner, person("ann"), "e2").await;
    let all = vault.sessions(&owner, &asked(&[])).await.unwrap();
    assert_eq!(
        all.iter().map(|one| (one.name.clone(), one.records, one.erased)).collect::<Vec<_>>(),
        [(None, 1, 1), (None, 2, 2)]
    );
    assert!(all.iter().all(|one| one.values.is_empty()), "{all:?}");
    // The other tenant's person of the same name is not concerned.
    let people = vault.identities(&owner, &identities(Facet::Initiator)).await.unwrap();
    assert_eq!(people.iter().map(|one| one.tenant.as_str()).collect::<Vec<_>>(), ["other"]);
    let mut raw = place.raw().await;
    let count = "SELECT count(*) FROM facet_value v JOIN tenant t ON t.id = v.tenant WHERE t.name = 'acme'";
    assert_eq!(raw.fetch_one(count).await.unwrap().get::<i64, _>(0), 0, "no name is left, sealed or not");
    let count = "SELECT count(*) FROM session_facet f JOIN session s ON s.n = f.session JOIN tenant t ON t.id = s.tenant \
                 WHERE t.name = 'acme' AND f.personal = 1";
    assert_eq!(raw.fetch_one(count).await.unwrap().get::<i64, _>(0), 0, "nor a pseudonym of a person");
}

pub(super) async fn tenants_see_their_own_lists(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    three_sessions(&vault, &owner).await;
    let other = owner.of_tenant("other").unwrap();
    let all = SessionQuery { limit: 10, ..SessionQuery::default() };
    let sessions = vault.sessions(&other, &all).await.unwrap();
    assert_eq!((sessions.len(), sessions[0].tenant.as_str(), sessions[0].records), (1, "other", 1));
    assert!(vault.sessions(&other, &asked(&[])).await.is_err(), "it is of acme");
    // All of them, in one order.
    let sessions = vault.sessions(&owner, &all).await.unwrap();
    let tenants: Vec<&str> = sessions.iter().map(|one| one.tenant.as_str()).collect();
    assert_eq!(tenants, ["other", "acme", "acme"]);
    let query = FindingQuery { limit: 10, ..FindingQuery::default() };
    assert_eq!(vault.findings(&other, &query).await.unwrap().len(), 1);
    assert_eq!(vault.findings(&owner, &query).await.unwrap().len(), 2);
    assert_eq!(vault.count_findings(&other, None).await.unwrap()[0].open, 1);
    assert_eq!(vault.count_findings(&owner, None).await.unwrap()[0].open, 2);
}

pub(super) async fn identities_show_since_when_they_are_used(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let agent = (Facet::Agent, "agents/refunds");
    let (read, export) = ((Facet::Scope, "orders.read"), (Facet::Scope, "customer.export"));
    let records = vec![
        at("r1", "s1", "ann", 0, &[agent, read]),
        at("r2", "s1", "bob", 10, &[agent, read]),
        at("r3", "s2", "bob", 20, &[agent, read, export]),
        at("r4", "s2", "bob", 30, &[(Facet::Agent, "agents/other")]),
    ];
    vault.keep(&owner, records, NOW).await.unwrap();
    let found = vault.identity(&owner, None, Facet::Agent, "agents/refunds").await.unwrap();
    let [uses] = found.as_slice() else { panic!("{}", found.len()) };
    let identity = &uses.identity;
    assert_eq!((identity.first_at, identity.last_at), (NOW, NOW + 1_200_000));
    assert_eq!((identity.records, identity.sessions, uses.counted), (3, 2, 3));
    let used = |facet: Facet| -> Vec<(&str, i64, u64)> {
        let of_facet = uses.uses.iter().filter(|one| one.facet == facet);
        of_facet.map(|one| (one.value.as_str(), (one.first_at - NOW) / 60_000, one.records)).collect()
    };
    assert_eq!(used(Facet::Scope), [("customer.export", 20, 1), ("orders.read", 0, 3)]);
    assert_eq!(used(Facet::Initiator), [("bob", 10, 2), ("ann", 0, 1)]);
    assert_eq!(used(Facet::Session), [], "sessions are listed by themselves");
    assert!(vault.identity(&owner, None, Facet::Agent, "agents/none").await.unwrap().is_empty());
    let mut seen = Vec::new();
    let mut query = IdentityQuery { limit: 1, ..identities(Facet::Agent) };
    while let Some(one) = vault.identities(&owner, &query).await.unwrap().pop() {
        query.after = Some(one.cursor().to_string().parse().unwrap());
        seen.push(one.value);
    }
    seen.sort();
    assert_eq!(seen, ["agents/other", "agents/refunds"]);
    let refused = vault.identities(&owner, &identities(Facet::Trace)).await;
    assert!(matches!(refused, Err(VaultError::Invalid(_))), "{refused:?}");
}

/// SQLite reads each list from an index in its order; only what has few matches is sorted.
pub(super) async fn lists_are_read_from_their_indexes(place: TestDatabase) {
    if place.dir.is_none() {
        return;
    }
    let (vault, _) = open(&place).await;
    let mut raw = place.raw().await;
    let (mac, many) = (vec![0; 16], COUNTED_MATCHES);
    let sessions = |counted: &[(i64, Vec<u8>)]| sessions::select(1, &asked(&[]), &[], counted);
    let findings = |code, macs: &[Vec<u8>]| findings::select(1, &FindingQuery::default(), code, macs);
    for ((sql, values), expected, sorts) in [
        (sessions(&[]), "SEARCH s USING INDEX session_last (tenant=?)", false),
        (sessions(&[(5, mac.clone())]), "SEARCH f USING PRIMARY KEY (mac=?)", true),
        (sessions(&[(many, mac.clone())]), "SEARCH s USING INDEX session_last (tenant=?)", false),
        (findings(None, &[]), "SEARCH x USING INDEX finding_queue (tenant=? AND state=?)", false),
        (findings(Some([0; 6]), &[]), "SEARCH x USING PRIMARY KEY (code=? AND state=?)", false),
        // A page of it is sorted again.
        (findings(None, std::slice::from_ref(&mac)), "SEARCH f0 USING PRIMARY KEY (mac=?)", true),
    ] {
        let rows =
            crate::sql::query(format!("EXPLAIN QUERY PLAN {sql}"), values).fetch_all(&mut raw).await.unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.get(3)).collect();
        assert!(steps.iter().any(|step| step.starts_with(expected)), "{expected}: {steps:#?}");
        let tables = ["SCAN s", "SCAN x", "SCAN f", "SCAN r", "SCAN v"];
        assert!(!steps.iter().any(|step| tables.iter().any(|table| step.starts_with(table))), "{steps:#?}");
        let has_sorted = steps.iter().any(|step| step.contains("TEMP B-TREE"));
        assert!(sorts || !has_sorted, "{expected}: {steps:#?}");
    }
    vault.close().await;
}

pub(super) async fn records_of_an_earlier_version_are_listed(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let records = (1..4).map(|n| {
        let value = json!({ "kind": "interaction", "id": format!("r{n}"),
            "time": { "start": format!("2026-11-18T09:0{n}:00Z") },
            "initiator": { "iss": "https://idp.example", "sub": format!("u-{n}") },
            "correlation": { "session": "s1" }, "data": { "input_class": ["pii"] } });
        Record::from_value(value).unwrap().record
    });
    let recorder = Desk::open(&vault, &owner, 5, &Entries::default()).recorder().await;
    recorder.record(records.collect()).await.unwrap();
    erase(&vault, &owner, Scope::Record(id("r3")), "e1").await;
    let query = SessionQuery { limit: 10, ..SessionQuery::default() };
    let findings = FindingQuery { limit: 200, ..FindingQuery::default() };
    let without_rows = |mut sessions: Vec<SessionSummary>| {
        // What was found in a record that is erased, and was never listed, is not known any more.
        sessions.iter_mut().for_each(|session| session.findings.clear());
        sessions
            .into_iter()
            .map(|one| (one.name, one.records, one.erased, one.values, one.first_at))
            .collect::<Vec<_>>()
    };
    let before = without_rows(vault.sessions(&owner, &query).await.unwrap());
    assert_eq!((before.len(), before[0].1, before[0].2), (1, 3, 1));
    let found_before: Vec<String> = found(&vault, &owner, &findings).await;
    assert!(found_before.iter().any(|finding| finding.starts_with("r1 ")), "{found_before:?}");
    vault.close().await;
    // As an earlier version left it.
    let mut raw = place.raw().await;
    for sql in [
        "DELETE FROM session_facet",
        "DELETE FROM facet_value",
        "DELETE FROM finding",
        "UPDATE record SET session = NULL",
        "DELETE FROM session",
        "UPDATE vault SET people = 1",
    ] {
        raw.execute(sql).await.unwrap();
    }
    drop(raw);
    for _ in 0..2 {
        let (vault, owner) = open(&place).await;
        assert_eq!(without_rows(vault.sessions(&owner, &query).await.unwrap()), before);
        let expected: Vec<String> =
            found_before.iter().filter(|finding| !finding.starts_with("r3 ")).cloned().collect();
        assert_eq!(found(&vault, &owner, &findings).await, expected);
        vault.close().await;
    }
}
