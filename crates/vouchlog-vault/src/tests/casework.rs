//! Cases: each step on record once, also if the process ends in between, and nothing more once one is closed.

use serde_json::{Value, json};

use super::listing::at;
use super::reviewing::stated;
use super::sending::{Desk, Entries};
use super::*;
use crate::{CaseChange, CaseItem, CaseQuery, CaseState, CaseStep, HoldTarget, VaultError};

fn change(done: CaseStep) -> CaseChange<'static> {
    CaseChange { case: "INC-1", done, text: "TICKET-1" }
}

fn session(name: &str) -> CaseStep {
    CaseStep::Added(CaseItem::Session(name.to_owned()))
}

fn opened() -> CaseStep {
    CaseStep::Opened("ann".to_owned())
}

pub(super) async fn a_case_is_its_records_once_each_also_after_a_crash(place: TestDatabase) {
    let (vault, everyone) = open(&place).await;
    let owner = everyone.of_tenant("acme").unwrap();
    vault.keep(&owner, vec![at("r1", "s", "p", 0, &[])], NOW).await.unwrap();
    let log = Entries::default();
    let recorder = Desk::open(&vault, &owner, 5, &log).recorder().await;
    let not_there = recorder.change_case(&owner, &change(CaseStep::Noted)).await.unwrap_err();
    assert!(not_there.to_string().contains("there is no case"), "{not_there}");
    let held = HoldTarget::Records(vec![id("r1")]);
    vault.hold(&owner, "hold-1", "a claim", &held, NOW).await.unwrap();
    let hold = CaseStep::Added(CaseItem::Hold("hold-1".to_owned()));
    for done in [opened(), session("s"), hold, CaseStep::Noted] {
        recorder.change_case(&owner, &change(done)).await.unwrap();
    }
    let of_case = |more: Value| {
        let mut case = json!({ "name": "INC-1" });
        case.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "by": "owner", "reason": "TICKET-1", "case": case })
    };
    let mut expected = vec![
        of_case(json!({ "action": "opened", "owner": "ann" })),
        of_case(json!({ "action": "added", "session": "s" })),
        of_case(json!({ "action": "added", "hold": "hold-1" })),
        of_case(json!({ "action": "noted" })),
    ];
    assert_eq!(stated(&vault, &owner).await, expected);
    assert_eq!(ids(&vault, &owner, &by(Facet::Case, "INC-1")).await.len(), 4);
    assert_eq!(ids(&vault, &owner, &by(Facet::Session, "s")).await, ["r1"], "no record of the session");

    // What is refused changes nothing and is not on record.
    let refused = async |done: CaseStep| vault.change_case(&owner, &change(done), NOW).await.unwrap_err();
    assert_eq!(refused(opened()).await, VaultError::CaseExists("INC-1".to_owned()));
    assert_eq!(
        refused(CaseStep::Added(CaseItem::Hold("hold-2".to_owned()))).await,
        VaultError::UnknownHold("hold-2".to_owned())
    );
    assert!(matches!(refused(session("other")).await, VaultError::Invalid(_)));
    assert!(matches!(refused(CaseStep::Added(CaseItem::Disclosure(id("r1")))).await, VaultError::Invalid(_)));
    assert_eq!(
        refused(CaseStep::Added(CaseItem::Disclosure(id("r9")))).await,
        VaultError::UnknownRecord(id("r9"))
    );
    for (case, text) in [("", "t"), ("INC-1", ""), ("INC-1", " "), ("INC-1", "two\nlines"), ("a\nb", "t")] {
        let wrong = CaseChange { case, done: CaseStep::Noted, text };
        assert!(
            matches!(vault.change_case(&owner, &wrong, NOW).await, Err(VaultError::Invalid(_))),
            "{wrong:?}"
        );
    }
    let of_none = vault.change_case(&everyone, &change(CaseStep::Noted), NOW).await;
    assert!(matches!(of_none, Err(VaultError::Invalid(_))), "a case is of one tenant: {of_none:?}");
    assert_eq!(stated(&vault, &owner).await, expected);

    // The process ends after a step and before it is on record.
    let pending = vault.change_case(&owner, &change(CaseStep::Closed), NOW + 1).await.unwrap();
    let noted = vault.pending_case_entries(&owner, "acme").await.unwrap();
    assert_eq!((noted.len(), &noted[0].0, &noted[0].1.done), (1, &pending, &CaseStep::Closed));
    assert_eq!(stated(&vault, &owner).await, expected);
    expected.push(of_case(json!({ "action": "closed" })));
    for stream in [6, 7] {
        let next = Desk::open(&vault, &owner, stream, &log).recorder().await;
        next.resume().await.unwrap();
        assert_eq!(stated(&vault, &owner).await, expected);
    }
    assert_eq!(vault.pending_case_entries(&owner, "acme").await.unwrap(), []);
    assert_eq!(refused(CaseStep::Noted).await, VaultError::CaseClosed("INC-1".to_owned()));
    assert_eq!(refused(opened()).await, VaultError::CaseExists("INC-1".to_owned()));
}

pub(super) async fn cases_are_listed_by_state_and_tenant(place: TestDatabase) {
    let (vault, everyone) = open(&place).await;
    let of = |tenant: &str| everyone.of_tenant(tenant).unwrap();
    vault.keep(&everyone, vec![at("r1", "s", "p", 0, &[])], NOW).await.unwrap();
    let mut other = at("r2", "s", "p", 0, &[]);
    other.tenant = "other".to_owned();
    vault.keep(&everyone, vec![other], NOW).await.unwrap();
    for n in 0..5_i64 {
        let name = format!("case-{n}");
        let open = CaseChange { case: &name, done: opened(), text: "t" };
        vault.change_case(&of("acme"), &open, NOW + n).await.unwrap();
    }
    let same = CaseChange { case: "case-0", done: opened(), text: "t" };
    vault.change_case(&of("other"), &same, NOW).await.unwrap();
    let close = CaseChange { case: "case-1", done: CaseStep::Closed, text: "t" };
    vault.change_case(&of("acme"), &close, NOW + 100).await.unwrap();
    let names = async |access: &Access, state: Option<CaseState>, limit: usize| {
        let mut query = CaseQuery { state, limit, ..CaseQuery::default() };
        let mut seen = Vec::new();
        loop {
            let page = vault.cases(access, &query).await.unwrap();
            seen.extend(page.iter().map(|case| format!("{} {}", case.tenant, case.name)));
            let Some(last) = page.last() else { return seen };
            query.after = Some(last.cursor().to_string().parse().unwrap());
        }
    };
    let open_of_acme = ["acme case-4", "acme case-3", "acme case-2", "acme case-0"];
    for limit in [1, 2, 100] {
        assert_eq!(names(&of("acme"), Some(CaseState::Open), limit).await, open_of_acme, "{limit}");
        assert_eq!(names(&of("acme"), Some(CaseState::Closed), limit).await, ["acme case-1"]);
        assert_eq!(names(&of("other"), None, limit).await, ["other case-0"]);
        assert_eq!(names(&everyone, None, limit).await.len(), 6);
    }
    // The cases of a session: of its tenant, in any state, each once.
    let add = |case| CaseChange { case, done: session("s"), text: "t" };
    for (tenant, case) in [("acme", "case-0"), ("acme", "case-0"), ("acme", "case-4"), ("other", "case-0")] {
        vault.change_case(&of(tenant), &add(case), NOW + 200).await.unwrap();
    }
    let close = CaseChange { case: "case-4", done: CaseStep::Closed, text: "t" };
    vault.change_case(&of("acme"), &close, NOW + 201).await.unwrap();
    let of_session = async |access: &Access, session: &str, state: Option<CaseState>| {
        let session = Some(session.to_owned());
        let query = CaseQuery { state, session, limit: 10, ..CaseQuery::default() };
        let found = vault.cases(access, &query).await.unwrap();
        found.iter().map(|case| format!("{} {}", case.tenant, case.name)).collect::<Vec<_>>()
    };
    assert_eq!(of_session(&of("acme"), "s", None).await, ["acme case-4", "acme case-0"]);
    assert_eq!(of_session(&of("acme"), "s", Some(CaseState::Open)).await, ["acme case-0"]);
    assert_eq!(of_session(&of("other"), "s", None).await, ["other case-0"]);
    assert_eq!(of_session(&everyone, "s", None).await.len(), 3);
    assert_eq!(of_session(&everyone, "another", None).await, [] as [&str; 0]);
    assert_eq!(of_session(&of("of nobody"), "s", None).await, [] as [&str; 0]);

    let closed = &vault.case(&of("acme"), None, "case-1").await.unwrap()[0];
    assert_eq!((closed.state, closed.entries, closed.owner.as_str()), (CaseState::Closed, 2, "ann"));
    assert_eq!((closed.opened_at, closed.changed_at), (NOW + 1, NOW + 100));
    assert_eq!(vault.case(&everyone, None, "case-0").await.unwrap().len(), 2);
    assert_eq!(vault.case(&of("other"), None, "case-1").await.unwrap(), []);
    assert!(vault.case(&of("other"), Some("acme"), "case-1").await.is_err());
    for wrong in ["", "1", "1.x", "x.1"] {
        assert!(wrong.parse::<crate::CaseCursor>().is_err(), "{wrong}");
    }
}
