//! What is done to a complete record, and which rule that fires. Where another rule cannot but fire too, it is named with the
//! reason.

use serde_json::{Value, json};

use super::{COMPLETE, LOW_RISK, REGULATED, edit, read, testdata};
use crate::context::Context;
use crate::grade::testing::id;
use crate::terms::Cause;

/// A change to a complete record, or to what is known beside it.
pub(crate) struct Mutation {
    /// The rule that fires.
    pub(crate) code: &'static str,
    /// What is done.
    pub(crate) what: &'static str,
    /// To which record.
    pub(crate) of: &'static str,
    /// Values by place; null takes away.
    pub(crate) edits: fn() -> Vec<(&'static str, Value)>,
    /// What is known.
    pub(crate) knowing: fn(Context) -> Context,
    /// Which others fire, and why they cannot be kept from it.
    pub(crate) also: &'static [(&'static str, &'static str)],
    /// Why the rule fires.
    pub(crate) cause: Cause,
}

const M: Mutation = Mutation {
    code: "",
    what: "",
    of: COMPLETE,
    edits: Vec::new,
    knowing: |context| context,
    also: &[],
    cause: Cause::Wrong,
};

/// The context after one more record.
fn learnt(mut context: Context, of: &str, edits: &[(&str, Value)]) -> Context {
    let mut value = testdata(of);
    edit(&mut value, edits);
    context.learn(&id("earlier"), &read(value));
    context
}

/// The context with an agent in the registry of agents.
fn registered(mut context: Context, agent: &str, entry: &Value) -> Context {
    let record = json!({
        "kind": "configuration", "time": { "start": "2026-11-01T00:00:00Z" },
        "configuration": { "subject": "agent", "id": agent, "agent": entry },
    });
    context.learn(&id("registered"), &read(record));
    context
}

/// A workload whose identity was asserted otherwise.
fn workload(method: &str, id: &str, issuer: Value) -> Vec<(&'static str, Value)> {
    let mut edits = vec![
        ("/workload/method", json!(method)),
        ("/workload/id", json!(id)),
        ("/authority/chain/1", json!(id)),
    ];
    if !issuer.is_null() {
        edits.push(("/workload/issuer", issuer));
    }
    edits
}

fn at(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

fn redacted() -> Value {
    json!({ "$": "redacted" })
}

fn erased() -> Value {
    json!({ "$": "erased" })
}

const OTHER: &str = "hmac-sha256:ffff";
const CHECKED_BEFORE: (&str, &str) = ("R17", "its status was checked before it was issued");
const PINNED: &str = "sha256:7777777777777777777777777777777777777777777777777777777777777777";
const CHAIN: (&str, &str) = ("R08", "the ends of the chain are compared with it");

#[rustfmt::skip] // one line each: a table
pub(crate) const MUTATIONS: &[Mutation] = &[
    // Identity
    Mutation { code: "R01", what: "no initiator", edits: || vec![("/initiator/sub", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R01", what: "an initiator without a name", edits: || vec![("/initiator/sub", json!(""))], cause: Cause::Missing,
        also: &[CHAIN], ..M },
    Mutation { code: "R01", what: "an initiator said not to apply", edits: || vec![("/initiator/sub", json!({ "$": "not_applicable" }))], cause: Cause::Missing, ..M },
    Mutation { code: "R01", what: "a withheld initiator", edits: || vec![("/initiator/sub", redacted())], cause: Cause::Unknown,
        also: &[CHAIN, ("R35", "whether the approver is the initiator needs the initiator")], ..M },
    Mutation { code: "R02", what: "a name from a header", edits: || vec![("/initiator/verified_by", json!("header"))], ..M },
    Mutation { code: "R02", what: "a name nobody verified", edits: || vec![("/initiator/verified_by", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R02", what: "a schedule that forgot to say that nothing is verified", of: LOW_RISK, edits: || vec![("/initiator/verified_by", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R02", what: "a name that no issuer signs", edits: || vec![("/initiator/sub", json!("spiffe://corp.example:8443/u")), ("/authority/chain/0", json!("spiffe://corp.example:8443/u"))], ..M },
    Mutation { code: "R03", what: "a shared session", edits: || vec![("/session/shared", json!(true))], ..M },
    Mutation { code: "R03", what: "a session nobody speaks of", edits: || vec![("/session", Value::Null)], cause: Cause::Unknown, ..M },
    Mutation { code: "R03", what: "a person without a session", edits: || vec![("/session", json!({ "$": "not_applicable" }))], cause: Cause::Unknown, ..M },
    Mutation { code: "R03", what: "a session that somebody else used before", knowing: |context| {
        learnt(context, COMPLETE, &[("/initiator/sub", json!("u-2")), ("/credential", Value::Null)])
    }, ..M },
    Mutation { code: "R04", what: "no device", edits: || vec![("/device", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R04", what: "no device where data is regulated", of: REGULATED, edits: || vec![("/device", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R05", what: "no workload", edits: || vec![("/workload/id", Value::Null)], cause: Cause::Missing, also: &[CHAIN], ..M },
    Mutation { code: "R05", what: "an erased workload", edits: || vec![("/workload/id", erased())], cause: Cause::Unknown, also: &[CHAIN], ..M },
    Mutation { code: "R06", what: "a shared workload", edits: || vec![("/workload/shared", json!(true))], ..M },
    Mutation { code: "R06", what: "a workload on the list of shared accounts", knowing: |context| context.shared_workload("spiffe://corp.example/ns/agents/sa/refunds"), ..M },
    Mutation { code: "R06", what: "a workload that is another agent too", knowing: |context| {
        learnt(context, COMPLETE, &[("/workload/agent/id", json!("agt-other"))])
    }, ..M },
    Mutation { code: "R07", what: "a workload that vouches for itself", edits: || vec![("/workload/method", json!("self"))], ..M },
    Mutation { code: "R07", what: "an assertion nobody checked", edits: || vec![("/workload/verified", json!(false))], ..M },
    Mutation { code: "R07", what: "an identity that no issuer signs", edits: || vec![("/workload/id", json!("spiffe://Corp.example/ns/agents/sa/refunds")), ("/authority/chain/1", json!("spiffe://Corp.example/ns/agents/sa/refunds"))], ..M },
    Mutation { code: "R02", what: "a name that its issuer does not sign", edits: || vec![("/initiator/iss", json!("https://token.actions.githubusercontent.com"))], ..M },
    Mutation { code: "R07", what: "a subject of GitHub Actions that is a pattern", edits: || workload("github_actions", "repo:octo-org/*:ref:refs/heads/main", json!("https://token.actions.githubusercontent.com")), ..M },
    Mutation { code: "R07", what: "a token of another issuer than GitHub Actions", edits: || workload("github_actions", "repo:octo-org/octo-repo:ref:refs/heads/main", json!("https://actions.evil.example")), ..M },
    Mutation { code: "R07", what: "a subject of nobody knows which issuer", edits: || workload("oidc", "refunds", Value::Null), cause: Cause::Missing, ..M },
    Mutation { code: "R07", what: "a service account of no namespace", edits: || workload("k8s_token", "system:serviceaccount::refunds", json!("https://kubernetes.example")), ..M },
    Mutation { code: "R07", what: "a role where a caller is asked for", edits: || workload("aws_sts", "arn:aws:iam::123456789012:role/", Value::Null), ..M },
    Mutation { code: "R07", what: "an agent of Entra by its name", edits: || workload("entra_token", "refunds", json!("https://sts.windows.net/00000001-0000-0ff1-ce00-000000000000/")), ..M },
    Mutation { code: "R07", what: "an account of Google's that is a person's", edits: || workload("google_token", "ann@corp.example", json!("https://accounts.google.com")), ..M },
    Mutation { code: "R07", what: "a token of GitHub Actions that nobody checked", edits: || {
        let mut edits = workload("github_actions", "repo:octo-org/octo-repo:ref:refs/heads/main", json!("https://token.actions.githubusercontent.com"));
        edits.push(("/workload/verified", json!(false)));
        edits
    }, ..M },
    Mutation { code: "R08", what: "a chain that begins elsewhere", edits: || vec![("/authority/chain/0", json!("u-1"))], ..M },
    Mutation { code: "R08", what: "a chain that ends elsewhere", edits: || vec![("/authority/chain/1", json!("spiffe://other"))], ..M },
    Mutation { code: "R08", what: "a hop that could do more than the one before", edits: || vec![("/authority/scopes/1/-", json!("admin"))], ..M },
    Mutation { code: "R08", what: "an autonomous agent that a person began", edits: || vec![("/authority/mode", json!("autonomous")), ("/authority/chain", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R08", what: "a delegation that had expired", edits: || vec![("/authority/chain/0", json!({ "principal": "u-20931", "iat": "2026-11-18T09:00:00Z", "exp": "2026-11-18T09:06:41Z" }))], ..M },
    Mutation { code: "R08", what: "no chain", edits: || vec![("/authority/chain", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R08", what: "hops of unknown scope", edits: || vec![("/authority/scopes", Value::Null)], cause: Cause::Unknown, ..M },
    Mutation { code: "R09", what: "nobody says in whose name", edits: || vec![("/authority/mode", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R10", what: "an agent of unknown version", edits: || vec![("/workload/agent", json!({ "id": "agt-refunds" }))], cause: Cause::Missing, ..M },
    // Credential
    Mutation { code: "R11", what: "no credential", edits: || vec![("/credential", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R11", what: "a withheld credential", edits: || vec![("/credential", redacted())], cause: Cause::Unknown, ..M },
    Mutation { code: "R12", what: "a credential without an end", edits: || vec![("/credential/exp", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R12", what: "a static key", edits: || vec![("/credential/exp", json!({ "$": "not_applicable" })), ("/credential/type", json!("static_key"))], cause: Cause::Missing, ..M },
    Mutation { code: "R12", what: "a credential without a beginning", edits: || vec![("/credential/iat", Value::Null), ("/credential/nbf", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R13", what: "a credential that is not valid yet", edits: || vec![("/credential/iat", json!("2026-11-18T09:06:50Z")), ("/credential/nbf", json!("2026-11-18T09:06:50Z"))], also: &[CHECKED_BEFORE], ..M },
    Mutation { code: "R13", what: "a credential issued after its first use", edits: || vec![("/credential/iat", json!("2026-11-18T09:06:41Z"))], also: &[CHECKED_BEFORE], ..M },
    Mutation { code: "R14", what: "a token that dies in the middle of a call", edits: || vec![("/credential/exp", json!("2026-11-18T09:06:42Z"))], ..M },
    Mutation { code: "R14i", what: "an end within the clock's error", edits: || vec![("/credential/exp", json!("2026-11-18T09:06:43.905Z"))], ..M },
    Mutation { code: "R14i", what: "a downstream call at an unknown time", edits: || vec![("/tools/0/downstream/0/at", Value::Null)], cause: Cause::Unknown, ..M },
    Mutation { code: "R14i", what: "a downstream call with an unknown credential", edits: || vec![("/tools/0/downstream/0/credential", json!("somebody-else's"))], cause: Cause::Unknown, ..M },
    Mutation { code: "R14i", what: "a tool of which nobody says what it called", of: REGULATED, edits: || vec![("/tools/0/downstream", Value::Null)], cause: Cause::Unknown, ..M },
    Mutation { code: "R15", what: "a long-lived credential", edits: || vec![("/credential/iat", json!("2026-11-18T08:50:00Z"))], ..M },
    Mutation { code: "R15", what: "one for more than a day, where little is at stake", of: LOW_RISK, edits: || vec![("/credential/exp", json!("2026-11-20T00:00:00Z"))], ..M },
    Mutation { code: "R16", what: "nobody looked at the credential's status", edits: || vec![("/credential/status", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R16", what: "the issuer did not know", edits: || vec![("/credential/status/result", json!("unknown"))], cause: Cause::Missing, ..M },
    Mutation { code: "R17", what: "an old look-up", edits: || vec![("/credential/status/checked_at", json!("2026-11-18T09:05:30Z"))], ..M },
    Mutation { code: "R17", what: "a look-up after the use", edits: || vec![("/credential/status/checked_at", json!("2026-11-18T09:06:43Z"))], ..M },
    Mutation { code: "R18", what: "a revoked credential, by the look-up", edits: || vec![("/credential/status/result", json!("revoked"))], ..M },
    Mutation { code: "R18", what: "a suspended credential", edits: || vec![("/credential/status/result", json!("suspended"))], ..M },
    Mutation { code: "R18", what: "a credential that was revoked in the log", knowing: |context| context.revoked(&format!("hmac-sha256:{}", "aa".repeat(32)), at("2026-11-18T09:06:42Z")), ..M },
    Mutation { code: "R18", what: "a revocation within the clock's error", knowing: |context| context.revoked(&format!("hmac-sha256:{}", "aa".repeat(32)), at("2026-11-18T09:06:43.905Z")), cause: Cause::Unknown, ..M },
    Mutation { code: "R19", what: "a scope that does not cover the tool", edits: || vec![("/credential/scope", json!(["orders.read"]))], ..M },
    Mutation { code: "R19", what: "a chain that was not allowed what the tool needs", edits: || vec![("/authority/scopes", json!([["orders.read"], ["orders.read"]]))], ..M },
    Mutation { code: "R19", what: "a tool of unknown needs", edits: || vec![("/tools/0/needs_scope", redacted())], cause: Cause::Unknown, ..M },
    Mutation { code: "R20", what: "a credential for somebody else", edits: || vec![("/credential/aud", json!(["elsewhere.example"]))], ..M },
    Mutation { code: "R21", what: "a credential used for another task", knowing: |context| learnt(context, COMPLETE, &[("/authority/task", json!("txn-1"))]), ..M },
    Mutation { code: "R21", what: "a credential another initiator used", knowing: |context| {
        learnt(context, COMPLETE, &[("/initiator/sub", json!("u-2")), ("/correlation/session", Value::Null)])
    }, ..M },
    Mutation { code: "R21", what: "a task nobody names", edits: || vec![("/authority/task", Value::Null)], cause: Cause::Unknown, ..M },
    Mutation { code: "R22", what: "a bearer token", edits: || vec![("/credential/binding", json!("bearer"))], ..M },
    Mutation { code: "R22", what: "a binding nobody names", edits: || vec![("/credential/binding", Value::Null), ("/credential/proof_verified", Value::Null)], cause: Cause::Missing,
        also: &[("R83", "it may be bound to a key, and no proof is recorded")], ..M },
    Mutation { code: "R83", what: "a bound credential without proof", edits: || vec![("/credential/proof_verified", json!(false))], ..M },
    Mutation { code: "R83", what: "a bound credential without proof, where none is asked for", of: REGULATED, edits: || vec![("/credential/proof_verified", json!(false))], ..M },
    Mutation { code: "R83", what: "nobody says whether there was a proof", edits: || vec![("/credential/proof_verified", Value::Null)], cause: Cause::Unknown, ..M },
    Mutation { code: "R83", what: "a proof that is said not to apply", edits: || vec![("/credential/proof_verified", json!({ "$": "not_applicable" }))], cause: Cause::Unknown, ..M },
    Mutation { code: "R83", what: "a credential of unknown binding without proof", of: REGULATED, edits: || vec![("/credential/binding", Value::Null), ("/credential/proof_verified", json!(false))], ..M },
    Mutation { code: "R23", what: "a credential of unknown issuance", edits: || vec![("/credential/id", json!("another"))], cause: Cause::Missing, ..M },
    // Policy
    Mutation { code: "R24", what: "nothing decided on the input", edits: || vec![("/policy/0", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R24", what: "nothing decided on what was retrieved", edits: || vec![("/policy/1", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R24", what: "nothing decided on the tool call", edits: || vec![("/policy/2", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R24", what: "nothing decided on the output", edits: || vec![("/policy/3", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R24", what: "a decision without a verdict", edits: || vec![("/policy/0/verdict", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R24", what: "a decision of withheld phase", edits: || vec![("/policy/0/phase", redacted())], cause: Cause::Unknown,
        also: &[("R25", "it may be about a tool call, and which is not known")], ..M },
    Mutation { code: "R24", what: "nothing decided at all, little at stake", of: LOW_RISK, edits: || vec![("/policy", json!([]))], cause: Cause::Missing, ..M },
    Mutation { code: "R25", what: "decided after the tool had begun", edits: || vec![("/policy/2/at", json!("2026-11-18T09:06:41.960Z"))], ..M },
    Mutation { code: "R25", what: "decided after it was over", edits: || vec![("/policy/0/at", json!("2026-11-18T09:06:44.010Z"))], ..M },
    Mutation { code: "R25", what: "the answer checked after it was recorded", edits: || vec![("/policy/3/at", json!("2026-11-18T09:06:44.230Z"))], ..M },
    Mutation { code: "R26", what: "denied and done", edits: || vec![("/policy/0/verdict", json!("deny")), ("/policy/0/reason", json!("pii"))], ..M },
    Mutation { code: "R26", what: "a tool run against a denial", edits: || vec![("/policy/2/verdict", json!("deny")), ("/policy/2/enforced", json!("deny"))], ..M },
    Mutation { code: "R26", what: "an override of another decision", edits: || vec![("/policy/0/verdict", json!("deny")), ("/policy/0/reason", json!("pii")),
        ("/override", json!({ "by": "u-9", "decision_id": "other", "from": "deny", "to": "allow", "reason": "incident", "at": "2026-11-18T09:06:40.105Z" }))], ..M },
    Mutation { code: "R26", what: "denied, and nobody says what happened", edits: || vec![("/policy/0/verdict", json!("deny")), ("/policy/0/reason", json!("pii")), ("/policy/0/enforced", Value::Null)], cause: Cause::Unknown, ..M },
    Mutation { code: "R27", what: "an unpinned policy", edits: || vec![("/policy/0/version", Value::Null), ("/policy/0/digest", Value::Null)], cause: Cause::Missing,
        also: &[("R28", "what was in force is told by the digest")], ..M },
    Mutation { code: "R28", what: "another bundle than was in force", edits: || vec![("/policy/0/digest", json!("sha256:00"))], ..M },
    Mutation { code: "R28", what: "a policy nobody configured", edits: || vec![("/policy/0/id", json!("unheard-of"))], ..M },
    Mutation { code: "R28", what: "a bundle known by its version alone", edits: || vec![("/policy/0/digest", Value::Null)], cause: Cause::Unknown, ..M },
    Mutation { code: "R28", what: "a determining policy that was not in force", edits: || vec![("/policy/0/determining", json!([{ "id": "claims", "digest": "sha256:00" }]))], ..M },
    Mutation { code: "R28", what: "determining policies of which the log knows one", edits: || vec![("/policy/0/id", Value::Null),
        ("/policy/0/determining", json!([{ "id": "refunds", "version": "rev-W3sibCI6", "digest": PINNED }, { "id": "unheard-of" }]))], ..M },
    Mutation { code: "R84", what: "allowed against a policy that forbids", edits: || vec![("/policy/0/determining", json!([{ "id": "p0", "effect": "permit" }, { "id": "p1", "effect": "forbid" }]))], ..M },
    Mutation { code: "R84", what: "a step denied by policies that permit", edits: || vec![("/policy/0/verdict", json!("deny")), ("/policy/0/reason", json!("pii")),
        ("/policy/0/determining", json!([{ "id": "p0", "effect": "permit" }]))], also: &[("R26", "it was done all the same")], ..M },
    Mutation { code: "R84", what: "a policy that could not be evaluated", edits: || vec![("/policy/0/unevaluated", json!(["p2"]))], cause: Cause::Unknown, ..M },
    Mutation { code: "R84", what: "withheld, whether one could not be evaluated", edits: || vec![("/policy/0/unevaluated", redacted())], cause: Cause::Unknown, ..M },
    Mutation { code: "R29", what: "an engine that failed open", edits: || vec![("/policy/0/verdict", json!("error"))], ..M },
    Mutation { code: "R29", what: "an engine nobody asked", edits: || vec![("/policy/0/verdict", json!("not_evaluated"))], ..M },
    Mutation { code: "R30", what: "held up for no reason", edits: || vec![("/policy/2/reason", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R31", what: "a change nobody can show", edits: || vec![("/policy/0/verdict", json!("modify")), ("/policy/0/enforced", json!("modify")), ("/policy/0/reason", json!("pii"))], cause: Cause::Missing, ..M },
    Mutation { code: "R33", what: "other arguments than the policy saw", edits: || vec![("/tools/0/arguments_digest", json!(OTHER))], ..M },
    Mutation { code: "R33", what: "arguments that cannot be compared", edits: || vec![("/tools/0/arguments_digest", json!("salted-sha256:00"))], cause: Cause::Unknown, ..M },
    // Approval and override
    Mutation { code: "R32", what: "a step-up nobody answered", edits: || vec![("/approval/required", json!(false)), ("/approval/state", json!("not_required")), ("/tools/0/irreversible", json!(false))], ..M },
    Mutation { code: "R34", what: "not approved and done", edits: || vec![("/policy/2/verdict", json!("allow")), ("/approval/state", json!("pending")), ("/tools/0/irreversible", json!(false))], ..M },
    Mutation { code: "R34", what: "what cannot be undone, approved by a rule", edits: || vec![("/approval/approver_kind", json!("policy"))], ..M },
    Mutation { code: "R34", what: "nobody says whether approval was needed", of: REGULATED, edits: || vec![("/approval", Value::Null)], cause: Cause::Unknown, ..M },
    Mutation { code: "R35", what: "approved by who asked", edits: || vec![("/approval/approver", json!("u-20931"))], ..M },
    Mutation { code: "R35", what: "approved by the agent", edits: || vec![("/approval/approver", json!("agt-refunds"))], ..M },
    Mutation { code: "R35", what: "overridden by who asked", edits: || vec![("/override", json!({ "by": "u-20931", "decision_id": "4ca636c1", "from": "step_up", "reason": "incident", "at": "2026-11-18T09:06:41.940Z" }))], ..M },
    Mutation { code: "R36", what: "overridden too late", edits: || vec![("/override", json!({ "by": "u-9", "decision_id": "4ca636c1", "from": "step_up", "reason": "incident", "at": "2026-11-18T09:19:00Z" }))], ..M },
    Mutation { code: "R36", what: "approved too late", edits: || vec![("/approval/at", json!("2026-11-18T09:06:41.951Z"))], ..M },
    Mutation { code: "R36", what: "an approval that had expired", edits: || vec![("/approval/expires", json!("2026-11-18T09:06:41.949Z"))], ..M },
    Mutation { code: "R37", what: "a person that was the configuration", edits: || vec![("/approval/source", json!("config"))], ..M },
    Mutation { code: "R38", what: "an override without a word", edits: || vec![("/override", json!({}))], cause: Cause::Missing,
        also: &[("R36", "it does not say when, either")], ..M },
    Mutation { code: "R38", what: "nobody says whether there was an override", edits: || vec![("/override", Value::Null)], cause: Cause::Unknown, ..M },
    // Data, model, content
    Mutation { code: "R39", what: "no class", edits: || vec![("/data/input_class", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R40", what: "an answer classed lower", edits: || vec![("/data/output_class", json!(["public"]))], cause: Cause::Missing, ..M },
    Mutation { code: "R40", what: "an answer in a class of unknown rank", edits: || vec![("/data/output_class", json!(["secret"]))], cause: Cause::Unknown, ..M },
    Mutation { code: "R41", what: "an unlisted retrieval", edits: || vec![("/data/sources", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R41", what: "nobody says whether something was retrieved", of: LOW_RISK, edits: || vec![("/data/retrieved", Value::Null)], cause: Cause::Unknown, ..M },
    Mutation { code: "R42", what: "a class the model must not see", edits: || vec![("/data/approved_for", json!(["internal"]))], ..M },
    Mutation { code: "R43", what: "no served model", edits: || vec![("/model/served", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R44", what: "another model", edits: || vec![("/model/served", json!("gpt-5-mini"))], cause: Cause::Missing, ..M },
    Mutation { code: "R45", what: "no parameters", edits: || vec![("/model/params", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R46", what: "text of nobody", edits: || vec![("/initiator/sub", Value::Null), ("/workload/id", Value::Null)], cause: Cause::Missing,
        also: &[("R01", "it is one half of the rule"), ("R05", "it is the other half"), CHAIN], ..M },
    Mutation { code: "R47", what: "an answer without its question", edits: || vec![("/input/content", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R49", what: "cut content", edits: || vec![("/output/truncated", json!(true))], ..M },
    Mutation { code: "R49", what: "content as long as sources cut it", edits: || vec![("/input/content", json!([{ "text": "x".repeat(61_440) }]))], ..M },
    Mutation { code: "R49", what: "content of a length that this source cuts at", edits: || vec![("/input/bytes", json!(4_096))], knowing: |context| context.content_limit(4_096), ..M },
    // Tools
    Mutation { code: "R51", what: "a call nothing became of", edits: || vec![("/tools/0/status", json!("proposed"))], ..M },
    Mutation { code: "R51", what: "a call of unknown fate", edits: || vec![("/tools/0/status", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R51", what: "nobody says whether there were calls", of: LOW_RISK, edits: || vec![("/tools", Value::Null)], cause: Cause::Unknown,
        also: &[("R14i", "a tool would have used the credential, at a time nobody knows")], ..M },
    Mutation { code: "R51", what: "a call of the answer that is not listed", edits: || vec![("/output/content", json!([{ "role": "assistant", "parts": [
        { "type": "tool_call", "id": "call_A1", "name": "issue_refund" }, { "type": "tool_call", "id": "call_A2", "name": "issue_refund" }] }]))], ..M },
    Mutation { code: "R51", what: "a call of the answer where none is listed", of: LOW_RISK, edits: || vec![("/output/content", json!([{ "role": "assistant", "parts": [{ "type": "server_tool_call", "name": "web_search" }] }])), ("/tools", json!([]))], ..M },
    Mutation { code: "R52", what: "a call that is not among those of the answer", edits: || vec![("/output/content", json!([{ "role": "assistant", "parts": [{ "type": "tool_call", "id": "call_B", "name": "other" }] }])),
        ("/tools/-", json!({ "call_id": "call_B", "name": "other", "status": "dropped", "proposed": true }))], ..M },
    Mutation { code: "R52", what: "a call nobody asked for", edits: || vec![("/tools/0/proposed", json!(false))], ..M },
    Mutation { code: "R53", what: "a changed definition", edits: || vec![("/tools/0/definition_digest", json!("sha256:00"))], ..M },
    Mutation { code: "R53", what: "a definition nobody pinned", edits: || vec![("/tools/0/pinned_definition_digest", Value::Null)], cause: Cause::Unknown, ..M },
    Mutation { code: "R54", what: "a change that called nobody", edits: || vec![("/tools/0/downstream", json!([]))], cause: Cause::Missing, ..M },
    Mutation { code: "R55", what: "an effect nobody saw", edits: || vec![("/tools/0/effect", json!("dispatched"))], ..M },
    // Time and custody
    Mutation { code: "R56", what: "heard of late", edits: || vec![("/time/received", json!("2026-11-18T09:20:00Z"))], ..M },
    Mutation { code: "R56", what: "heard of before it ended", edits: || vec![("/time/received", json!("2026-11-18T09:06:43Z"))], ..M },
    Mutation { code: "R58", what: "a tool call that ended before it began", edits: || vec![("/tools/0/end", json!("2026-11-18T09:06:41Z"))], ..M },
    Mutation { code: "R58", what: "ended before it began", edits: || vec![("/time/start", json!("2026-11-18T09:06:45Z"))], ..M },
    Mutation { code: "R70", what: "no intent", edits: || vec![("/correlation/intent", Value::Null)], cause: Cause::Missing, ..M },
    Mutation { code: "R70", what: "nobody says whether there should be an intent", of: REGULATED, edits: || vec![("/correlation/write_ahead", Value::Null)], cause: Cause::Unknown, ..M },
    Mutation { code: "R72", what: "a sampled source", edits: || vec![("/custody/sampled", json!(true))], ..M },
    Mutation { code: "R72", what: "a source nobody speaks of", edits: || vec![("/custody/sampled", Value::Null)], cause: Cause::Unknown, ..M },
    Mutation { code: "R73", what: "dropped attributes", edits: || vec![("/custody/dropped_attributes", json!(3))], ..M },
    Mutation { code: "R76", what: "a recorder nobody enrolled", edits: || vec![("/custody/recorder", json!("gw-eu9#1"))], ..M },
    Mutation { code: "R76", what: "a key after its time", knowing: |context| context.recorder_key_in_force("gw-eu2#1", at("2026-01-01T00:00:00Z"), Some(at("2026-11-01T00:00:00Z"))),
        edits: || vec![("/custody/recorder", json!("gw-eu2#1"))], ..M },
    // Registry of agents
    Mutation { code: "R85", what: "an agent that was retired", knowing: |context| registered(context, "agt-refunds", &json!({ "retired": "2026-11-18T09:00:00Z" })), ..M },
    Mutation { code: "R85", what: "an agent that was retired before its last tool call", knowing: |context| registered(context, "agt-refunds", &json!({ "retired": "2026-11-18T09:06:41.900Z" })), ..M },
    Mutation { code: "R85", what: "an agent before it was put into service", knowing: |context| registered(context, "agt-refunds", &json!({ "created": "2026-11-18T09:06:41Z" })), ..M },
    Mutation { code: "R85", what: "an agent that was retired within the clock's error", knowing: |context| registered(context, "agt-refunds", &json!({ "retired": "2026-11-18T09:06:41.955Z" })), cause: Cause::Unknown, ..M },
    Mutation { code: "R85", what: "an agent that the registry does not have", knowing: |context| registered(context, "agt-other", &json!({ "created": "2026-11-01T00:00:00Z" })), cause: Cause::Unknown, ..M },
    Mutation { code: "R85", what: "an agent without an id, where there is a registry", edits: || vec![("/workload/agent/id", Value::Null)],
        knowing: |context| registered(context, "agt-refunds", &json!({})), cause: Cause::Unknown,
        also: &[("R35", "whether the approver is the agent needs the agent")], ..M },
    Mutation { code: "R85", what: "an agent whose retirement is withheld", knowing: |context| registered(context, "agt-refunds", &json!({ "retired": { "$": "redacted" } })), cause: Cause::Unknown, ..M },
    // Session
    Mutation { code: "R81", what: "a session that was not verified", edits: || vec![("/session/verified", json!(false))], ..M },
    Mutation { code: "R81", what: "a session nobody speaks of verifying", edits: || vec![("/session/verified", Value::Null)], cause: Cause::Unknown, ..M },
    Mutation { code: "R82", what: "signed in after the call", edits: || vec![("/session/auth_time", json!("2026-11-18T09:06:45Z"))], ..M },
    Mutation { code: "R82", what: "nobody says when they signed in", edits: || vec![("/session/auth_time", Value::Null)], cause: Cause::Unknown, ..M },
    Mutation { code: "R76", what: "no recorder", edits: || vec![("/custody/recorder", Value::Null)], cause: Cause::Unknown, ..M },
];
