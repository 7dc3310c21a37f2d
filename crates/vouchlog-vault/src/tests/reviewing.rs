//! The queue of findings, and decisions about them: on record once, also if the process ends in between.

use serde_json::{Value, json};

use super::listing::{asked, at, erase, found};
use super::sending::{Desk, Entries};
use super::*;
use crate::{FindingDecision, FindingQuery, FindingState, Scope, VaultError, learn, read_facts};

pub(super) fn decision(records: &[RecordId]) -> FindingDecision<'_> {
    FindingDecision { code: "R26", records, state: FindingState::Explained, reason: "TICKET-1", until: None }
}

pub(super) async fn findings_are_a_queue_in_order(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let codes = [(Facet::Finding, "R01"), (Facet::Finding, "R26"), (Facet::Finding, "R02")];
    let records =
        (0..5).map(|n| at(&format!("r{n}"), "s", if n % 2 == 0 { "even" } else { "odd" }, n / 2, &codes));
    vault.keep(&owner, records.collect(), NOW).await.unwrap();
    let expected: Vec<String> =
        (0..5).rev().flat_map(|n| ["R01", "R02", "R26"].map(|code| format!("r{n} {code}"))).collect();
    for limit in [1, 2, 3, 7, 100] {
        let mut query = FindingQuery { limit, ..FindingQuery::default() };
        let mut seen = Vec::new();
        loop {
            let page = vault.findings(&owner, &query).await.unwrap();
            seen.extend(page.iter().map(|finding| format!("{} {}", finding.row.id, finding.code)));
            let Some(last) = page.last() else { break };
            query.after = Some(last.cursor().to_string().parse().unwrap());
        }
        assert_eq!(seen, expected, "{limit}");
    }
    let query = FindingQuery { limit: 100, ..FindingQuery::default() };
    let of_rules = FindingQuery { codes: vec!["R26".to_owned(), "R01".to_owned()], ..query.clone() };
    assert_eq!(found(&vault, &owner, &of_rules).await.len(), 10);
    let of_odd = FindingQuery { facets: vec![(Facet::Initiator, "odd".to_owned())], ..of_rules };
    assert_eq!(found(&vault, &owner, &of_odd).await, ["r3 R01", "r3 R26", "r1 R01", "r1 R26"]);
    let in_time = FindingQuery { from: Some(NOW + 60_000), to: Some(NOW + 120_000), ..query.clone() };
    assert_eq!(found(&vault, &owner, &in_time).await.len(), 6);
    let unknown = FindingQuery { codes: vec!["R999".to_owned()], ..query.clone() };
    assert!(matches!(vault.findings(&owner, &unknown).await, Err(VaultError::Invalid(_))));
    for wrong in ["", "1.2", "1.2.R999", "x.2.R26"] {
        assert!(wrong.parse::<crate::FindingCursor>().is_err(), "{wrong}");
    }
    let counted = vault.count_findings(&owner, None).await.unwrap();
    assert_eq!(
        counted.iter().map(|rule| (rule.code.as_str(), rule.open)).collect::<Vec<_>>(),
        [("R01", 5), ("R02", 5), ("R26", 5)]
    );
    // The record is gone, and what was found in it stays.
    erase(&vault, &owner, Scope::Record(id("r4")), "e1").await;
    assert_eq!(found(&vault, &owner, &query).await, expected);
}

/// What the records of decisions state, in their order.
pub(super) async fn stated(vault: &Vault, owner: &Access) -> Vec<Value> {
    let query = Query { kinds: vec![StatementKind::Finding], ..Query::default() };
    let mut rows = vault.find(owner, &query).await.unwrap();
    rows.sort_by_key(|row| row.n);
    let context = learn(vault, owner).await.unwrap();
    let read = read_facts(vault, owner, rows, &context).await.unwrap();
    read.iter()
        .map(|read| Value::Object(read.record.as_ref().unwrap().to_object())["finding"].clone())
        .collect()
}

pub(super) async fn a_decision_is_on_record_once_also_after_a_crash(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let owner = owner.of_tenant("acme").unwrap();
    let codes = [(Facet::Finding, "R26"), (Facet::Finding, "R01")];
    let records =
        vec![at("r1", "s", "p", 0, &codes), at("r2", "s", "p", 1, &codes), at("r3", "s", "p", 2, &[])];
    vault.keep(&owner, records, NOW).await.unwrap();
    let log = Entries::default();
    let recorder = Desk::open(&vault, &owner, 5, &log).recorder().await;
    let both = [id("r1"), id("r2")];
    let explained = recorder.decide(&owner, &decision(&both)).await.unwrap();
    let first = json!({ "code": "R26", "rules": vouchlog_grading::RULES_VERSION, "decision": "explained",
        "records": ["r1", "r2"], "by": "owner", "reason": "TICKET-1" });
    assert_eq!(stated(&vault, &owner).await, std::slice::from_ref(&first));
    let query = |state| FindingQuery { state, limit: 10, ..FindingQuery::default() };
    assert_eq!(found(&vault, &owner, &query(FindingState::Open)).await, ["r2 R01", "r1 R01"]);
    let decided = vault.findings(&owner, &query(FindingState::Explained)).await.unwrap();
    assert!(decided.iter().all(|finding| finding.decision.as_ref() == Some(&explained)), "{decided:?}");
    assert_eq!(decided.len(), 2);
    let session = &vault.sessions(&owner, &asked(&[])).await.unwrap()[0];
    assert_eq!(
        session.findings.iter().map(|one| (one.code.as_str(), one.records, one.open)).collect::<Vec<_>>(),
        [("R01", 2, 2), ("R26", 2, 0)]
    );
    assert_eq!(vault.pending_decision(&owner, &explained).await.unwrap(), None);

    // What is refused changes nothing and is not on record.
    let many = [id("r1"), id("r3")];
    let nothing_found = VaultError::UnknownFinding { code: "R26".to_owned(), record: id("r3") };
    assert_eq!(vault.decide(&owner, &decision(&many), NOW).await, Err(nothing_found));
    let unknown = [id("r1"), id("r9")];
    assert_eq!(
        vault.decide(&owner, &decision(&unknown), NOW).await,
        Err(VaultError::UnknownRecord(id("r9")))
    );
    let one = [id("r1")];
    let accepted = FindingDecision { state: FindingState::Accepted, until: Some(NOW + 1), ..decision(&one) };
    for wrong in [
        FindingDecision { reason: "", ..accepted },
        FindingDecision { reason: " ", ..accepted },
        FindingDecision { reason: "two\nlines", ..accepted },
        FindingDecision { records: &[], ..accepted },
        FindingDecision { code: "R999", ..accepted },
        FindingDecision { until: Some(NOW), ..accepted },
        FindingDecision { state: FindingState::Open, ..accepted },
    ] {
        let refused = vault.decide(&owner, &wrong, NOW).await;
        assert!(matches!(refused, Err(VaultError::Invalid(_))), "{wrong:?}: {refused:?}");
    }
    assert_eq!(found(&vault, &owner, &query(FindingState::Explained)).await.len(), 2);

    // The process ends after the decision and before it is on record.
    let pending = vault.decide(&owner, &accepted, NOW).await.unwrap();
    assert_eq!(vault.pending_decision(&owner, &pending).await.unwrap().unwrap().records, one);
    assert_eq!(stated(&vault, &owner).await.len(), 1);
    for stream in [6, 7] {
        let next = Desk::open(&vault, &owner, stream, &log).recorder().await;
        next.resume().await.unwrap();
        let stated = stated(&vault, &owner).await;
        assert_eq!(stated.len(), 2);
        assert_eq!((&stated[0], &stated[1]["decision"]), (&first, &json!("accepted")));
        assert_eq!(stated[1]["records"], json!(["r1"]));
    }
    assert_eq!(found(&vault, &owner, &query(FindingState::Accepted)).await, ["r1 R26"]);
    assert_eq!(vault.pending_decision(&owner, &pending).await.unwrap(), None);
    // The decision is found from the record that it is about.
    assert_eq!(ids(&vault, &owner, &by(Facet::Refers, "r1")).await.len(), 2);
}
