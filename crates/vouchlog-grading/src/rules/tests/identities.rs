//! What resembles a fault of an identity and is none.

use serde_json::{Value, json};

use super::{COMPLETE, LOW_RISK, REGULATED, codes, edit, read, testdata};
use crate::context::Context;
use crate::grade::grade;
use crate::grade::testing::{context, id};

/// Codes of what fires on a record after these edits.
fn fired(of: &str, edits: &[(&str, Value)], context: &Context) -> Vec<&'static str> {
    let mut value = testdata(of);
    edit(&mut value, edits);
    codes(&grade(&read(value), context).findings)
}

#[test]
fn a_verified_identity_that_its_issuer_signs_is_one() {
    for (method, id, issuer) in [
        (
            "github_actions",
            "repo:octo-org/octo-repo:environment:Production",
            "https://token.actions.githubusercontent.com",
        ),
        (
            "github_actions",
            "repo:octo-org@1/octo-repo@2:pull_request",
            "https://github.corp.example/_services/token",
        ),
        ("k8s_token", "system:serviceaccount:agents:refunds", "https://kubernetes.example"),
        ("google_token", "refunds@my-project.iam.gserviceaccount.com", "https://accounts.google.com"),
        (
            "entra_token",
            "bbbbbbbb-1111-2222-3333-444444444444",
            "https://login.microsoftonline.com/00000001-0000-0ff1-ce00-000000000000/v2.0",
        ),
        ("aws_sts", "arn:aws:sts::123456789012:assumed-role/refunds/run-42", "https://sts.amazonaws.com"),
        ("oidc", "project_path:group/project:ref_type:branch:ref:main", "https://gitlab.corp.example"),
    ] {
        let edits = [
            ("/workload/method", json!(method)),
            ("/workload/id", json!(id)),
            ("/authority/chain/1", json!(id)),
            ("/workload/issuer", json!(issuer)),
            ("/workload/verified_by", json!("issuer_keys")),
        ];
        assert_eq!(fired(COMPLETE, &edits, &context()), Vec::<&str>::new(), "{method}");
    }
    let program = [
        ("/initiator/kind", json!("service")),
        ("/initiator/iss", json!("https://token.actions.githubusercontent.com")),
        ("/initiator/sub", json!("repo:octo-org/octo-repo:ref:refs/heads/main")),
        ("/authority/chain/0", json!("repo:octo-org/octo-repo:ref:refs/heads/main")),
    ];
    assert_eq!(fired(COMPLETE, &program, &context()), Vec::<&str>::new());
}

#[test]
fn a_chain_of_delegations_in_force_is_whole() {
    let agent = "spiffe://corp.example/ns/agents/sa/refunds";
    let chain = |exp: &str| {
        json!([
            { "principal": "u-20931", "issuer": "https://idp.example", "actor": "orchestrator", "confirmation": "dpop",
              "iat": "2026-11-18T09:00:00Z", "exp": "2026-11-18T09:30:00Z" },
            { "principal": "orchestrator", "actor": agent, "nbf": "2026-11-18T09:06:00Z", "exp": exp },
            { "principal": agent },
        ])
    };
    let scopes = json!([["orders.read", "refund.write"], ["orders.read", "refund.write"], ["refund.write"]]);
    let with = |exp: &str| {
        let edits = [("/authority/chain", chain(exp)), ("/authority/scopes", scopes.clone())];
        fired(COMPLETE, &edits, &context())
    };
    assert_eq!(with("2026-11-18T09:11:00Z"), Vec::<&str>::new());
    assert_eq!(with("2026-11-18T09:06:42Z"), ["R08"], "it expired before a tool's downstream call");
    assert_eq!(with("2026-11-18T09:06:42.105Z"), ["R08"], "too close to tell");
}

#[test]
fn a_proof_is_asked_for_where_a_key_is_and_the_profile_wants_it() {
    for (of, edits, expected) in [
        (COMPLETE, vec![("/credential/cnf", json!({ "x5t_s256": "bwcK" }))], vec![]),
        (
            COMPLETE,
            vec![("/credential/binding", json!("dpop")), ("/credential/cnf", json!({ "jkt": "0ZcO" }))],
            vec![],
        ),
        (
            COMPLETE,
            vec![("/credential/binding", json!("bearer")), ("/credential/proof_verified", Value::Null)],
            vec!["R22"],
        ),
        (REGULATED, vec![], vec![]),
        (LOW_RISK, vec![("/credential/proof_verified", json!(false))], vec![]),
    ] {
        assert_eq!(fired(of, &edits, &context()), expected, "{edits:?}");
    }
}

#[test]
fn policies_that_agree_with_their_verdict_are_no_finding() {
    let pinned = "sha256:7777777777777777777777777777777777777777777777777777777777777777";
    for edits in [
        vec![("/policy/0/determining", json!([{ "id": "p0", "effect": "permit" }, { "id": "p1" }]))],
        vec![("/policy/0/determining", json!([]))],
        vec![("/policy/0/unevaluated", json!([]))],
        // The set is not named, and each of its policies is.
        vec![
            ("/policy/0/id", Value::Null),
            ("/policy/0/version", Value::Null),
            ("/policy/0/digest", Value::Null),
            (
                "/policy/0/determining",
                json!([{ "id": "refunds", "digest": pinned }, { "id": "claims", "digest": pinned, "effect": "permit" }]),
            ),
        ],
        // Denied, and not done: by policies that forbid, or by none.
        vec![
            ("/outcome/state", json!("denied")),
            ("/tools/0/status", json!("denied")),
            ("/policy/2/verdict", json!("deny")),
            ("/policy/2/enforced", json!("deny")),
            ("/policy/2/determining", json!([{ "id": "p1", "effect": "forbid" }])),
            ("/policy/2/unevaluated", json!(["p3"])),
        ],
    ] {
        let found = fired(COMPLETE, &edits, &context());
        let is_ours = |code: &&str| ["R27", "R28", "R84"].contains(code);
        assert!(!found.iter().any(is_ours), "{edits:?}: {found:?}");
    }
}

/// The context with these entries of the registry of agents, each with the time from which it holds.
fn registry(entries: &[(&str, Value)]) -> Context {
    let mut context = context();
    for (from, entry) in entries {
        let record = json!({
            "kind": "configuration", "configuration": { "subject": "agent", "id": "agt-refunds", "in_force_from": from, "agent": entry },
        });
        context.learn(&id("registered"), &read(record));
    }
    context
}

#[test]
fn an_agent_in_service_may_act_and_the_newest_entry_counts() {
    let (first, later, last) = ("2026-11-01T00:00:00Z", "2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z");
    let created = json!({ "name": "Refunds", "owner": "team-pay", "created": "2026-11-01T00:00:00Z" });
    let retired = json!({ "retired": "2026-11-10T00:00:00Z" });
    let back = json!({ "retired": { "$": "not_applicable" }, "sponsor": "ann" });
    let leaves = json!({ "retired": "2026-12-01T00:00:00Z" });
    for (entries, expected) in [
        (vec![(first, json!({}))], vec![]),
        (vec![(first, created.clone())], vec![]),
        (vec![(first, created.clone()), (later, leaves)], vec![]),
        (vec![(first, created.clone()), (later, retired.clone())], vec!["R85"]),
        (vec![(later, retired.clone()), (first, created.clone())], vec!["R85"]),
        (vec![(first, created.clone()), (later, retired.clone()), (last, back.clone())], vec![]),
        (vec![(last, back.clone()), (later, retired.clone())], vec![]),
    ] {
        assert_eq!(fired(COMPLETE, &[], &registry(&entries)), expected, "{entries:?}");
    }
    let context = registry(&[(first, created), (later, retired), (last, back)]);
    let agent = context.registered_agent("agt-refunds").unwrap();
    assert_eq!(
        agent.owner.value().map(String::as_str),
        Some("team-pay"),
        "what a later entry does not state stays"
    );
    assert_eq!(agent.sponsor.value().map(String::as_str), Some("ann"));
    assert!(context.registered_agent("agt-other").is_none());
    let program = [("/workload/agent", json!({ "$": "not_applicable" }))];
    assert_eq!(fired(COMPLETE, &program, &context), Vec::<&str>::new(), "a program that is no agent");
}
