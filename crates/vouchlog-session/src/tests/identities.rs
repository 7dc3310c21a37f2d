//! Agents of a registry, identities of workloads, and the policies that determined a decision, in words.

use std::collections::BTreeMap;

use vouchlog_record::RegisteredAgent;

use super::*;

/// An entry of the registry of agents.
fn entry(agent: &Value) -> RegisteredAgent {
    let value = json!({ "kind": "configuration", "configuration": { "subject": "agent", "id": "a", "agent": agent } });
    let record = Record::from_value(value).unwrap().record;
    record.body.configuration.value().unwrap().agent.value().unwrap().clone()
}

#[test]
fn the_registry_is_shown_once_for_each_agent_that_a_session_names() {
    let act = |id: &str, agent: Value| {
        kept(
            id,
            json!({ "kind": "interaction", "initiator": { "sub": "u-1" }, "workload": { "id": "w", "agent": agent } }),
        )
    };
    let retired = entry(&json!({
        "name": "Refunds", "owner": "team-pay", "sponsor": "ann", "created": "2026-03-01T00:00:00Z", "retired": "2026-11-28T12:00:00Z",
    }));
    let in_service = entry(&json!({ "owner": "team-claims", "retired": { "$": "not_applicable" } }));
    let context = SessionContext {
        agents: BTreeMap::from([
            ("agt-1".to_owned(), retired),
            ("agt-2".to_owned(), in_service),
            ("agt-3".to_owned(), entry(&json!({}))),
            ("agt-9".to_owned(), entry(&json!({ "owner": "nobody here" }))),
        ]),
        ..SessionContext::default()
    };
    let records = vec![
        act("r-1", json!({ "id": "agt-1" })),
        act("r-2", json!({ "id": "agt-1" })),
        act("r-3", json!({ "id": "agt-2" })),
        act("r-4", json!({ "id": "agt-3" })),
        act("r-5", json!({ "name": "of no registry" })),
    ];
    let told = outline(&Timeline::of("s", records, &context));
    let lines: Vec<_> =
        told.lines().filter(|line| line.contains("registry of agents")).map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "executor: registry of agents: agt-1: named Refunds, owner: team-pay, accountable: ann, in service since 2026-03-01 00:00:00 UTC, retired since 2026-11-28 12:00:00 UTC",
            "executor: registry of agents: agt-2: owner: team-claims",
            "executor: registry of agents: agt-3: nothing else is stated of it",
        ],
        "{told}"
    );
}

#[test]
fn identities_and_policies_are_told_in_words() {
    let record = json!({
        "kind": "interaction", "initiator": { "sub": "u-1" },
        "workload": {
            "id": "bbbbbbbb-1111-2222-3333-444444444444", "method": "entra_token", "issuer": "https://sts.windows.net/t/", "verified_by": "issuer_keys",
            "agent": { "id": "agt-1", "blueprint": "bp-1", "tenant": "t-1", "sponsor": "ann" },
        },
        "credentials": [
            { "id": "tt-1", "type": "txn_token", "binding": "dpop", "proof_verified": false, "txn": "txn-9" },
            { "id": "k-1", "type": "sts_session", "role_session": { "role": "arn:aws:iam::1:role/r", "name": "run-42", "source_identity": "ann" } },
        ],
        "policy": [
            { "engine": "cedar", "verdict": "deny", "phase": "input", "determining": [{ "id": "p0", "effect": "forbid" }, { "id": "p1", "version": "3" }], "unevaluated": ["p2"] },
            { "engine": "cedar", "verdict": "deny", "phase": "output", "determining": [] },
        ],
    });
    let told = outline(&of(vec![kept("r-1", record)]));
    for words in [
        "agent agt-1 of blueprint bp-1 in tenant t-1, accountable: ann",
        "identity by entra token of https://sts.windows.net/t/ checked by issuer keys",
        "txn token tt-1, bound by dpop, without proof of possession, for transaction txn-9",
        "session run-42 of role arn:aws:iam::1:role/r for ann",
        "determined by p0 (forbid), p1 3; not evaluated: p2",
        "no policy applied",
        "2 decisions: 2 deny; determined by p0 (forbid), p1 3",
    ] {
        assert!(told.contains(words), "{words} is not in\n{told}");
    }
}

#[test]
fn an_entry_of_the_registry_is_told_where_it_is_a_record() {
    let value = json!({
        "kind": "configuration", "configuration": {
            "subject": "agent", "id": "agt-1", "in_force_from": "2026-11-28T12:00:00Z", "agent": { "sponsor": "ann", "retired": "2026-11-28T12:00:00Z" },
        },
    });
    let told = outline(&of(vec![kept("c-1", value)]));
    assert!(told.contains("accountable: ann, retired since 2026-11-28"), "{told}");
}
