//! Uses of credentials against window, clock, revocation, scope, audience, refresh and delegation: one case a line.

use super::*;

/// A change to a complete record, the answer about its credential, and the rules that fire.
struct Case {
    what: &'static str,
    of: &'static str,
    edits: fn() -> Vec<(&'static str, Value)>,
    knowing: fn(Context) -> Context,
    answer: Answer,
    codes: &'static [&'static str],
}

const C: Case = Case {
    what: "",
    of: COMPLETE,
    edits: Vec::new,
    knowing: |context| context,
    answer: Answer::Yes,
    codes: &[],
};

const NO: Answer = Answer::No;
const OPEN: Answer = Answer::Indeterminate;

/// The only credential of the record, which begins at 09:06:30 and is checked at 40.020. Uses are from 40.100 to 43.900.
const OWN: &str = "hmac-sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn at(text: &str) -> Value {
    json!(format!("2026-11-18T09:{text}Z"))
}

fn time(text: &str) -> jiff::Timestamp {
    format!("2026-11-18T09:{text}Z").parse().unwrap()
}

/// The record's own credential, changed; null takes away.
fn own(edits: &[(&str, Value)]) -> Value {
    let mut credential = testdata(COMPLETE)["credential"].take();
    edit(&mut credential, edits);
    credential
}

/// A token that was issued for the tool at 41.900, when the first may be dead.
fn renewed(edits: &[(&str, Value)]) -> Value {
    let mut token = own(&[
        ("/id", json!("token-2")),
        ("/iat", at("06:41.900")),
        ("/nbf", at("06:41.900")),
        ("/exp", at("11:41")),
        ("/status/checked_at", at("06:41.920")),
    ]);
    edit(&mut token, edits);
    token
}

/// The identity document of the workload.
fn svid(edits: &[(&str, Value)]) -> Value {
    let mut svid = own(&[
        ("/id", json!("svid-1")),
        ("/type", json!("svid")),
        ("/exp", at("14:30")),
        ("/iat", at("05:00")),
        ("/nbf", at("05:00")),
    ]);
    edit(&mut svid, edits);
    svid
}

/// Several credentials in the place of the one.
fn several(credentials: Vec<Value>, edits: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
    let mut all = vec![("/credential", Value::Null), ("/credentials", Value::Array(credentials))];
    all.extend(edits.iter().cloned());
    all
}

fn withheld() -> Value {
    json!({ "$": "redacted" })
}

fn none() -> Value {
    json!({ "$": "not_applicable" })
}

/// The first token for the model, the renewed one for the tool and what it called.
fn renewal(first: Value, second: Value) -> Vec<(&'static str, Value)> {
    let second_id = second["id"].clone();
    let names = [
        ("/model/credential", first["id"].clone()),
        ("/data/sources/0/credential", first["id"].clone()),
        ("/tools/0/credential", second_id.clone()),
        ("/tools/0/downstream/0/credential", second_id),
    ];
    several(vec![first, second], &names)
}

/// A tool of a second server, called with a credential of its own.
fn second_tool(edits: &[(&str, Value)]) -> Value {
    let mut tool = testdata(COMPLETE)["tools"][0].take();
    let changes = [
        ("/call_id", json!("call_A2")),
        ("/audience", json!("https://mcp-2.example/")),
        ("/credential", json!("mcp-2")),
        ("/downstream/0/credential", json!("mcp-2")),
    ];
    edit(&mut tool, &changes);
    edit(&mut tool, edits);
    tool
}

/// Two tools of two servers, each with a token for its own.
fn servers(first: &[(&str, Value)], second: &[(&str, Value)]) -> Vec<(&'static str, Value)> {
    let mcp = |id: &str, aud: &str| renewed(&[("/id", json!(id)), ("/aud", json!([aud]))]);
    let decision = {
        let mut decision = testdata(COMPLETE)["policy"][2].take();
        edit(&mut decision, &[("/target", json!("call_A2")), ("/decision_id", json!("d-2"))]);
        decision
    };
    let mut tools = vec![testdata(COMPLETE)["tools"][0].take(), second_tool(second)];
    let changes = [
        ("/audience", json!("https://mcp-1.example")),
        ("/credential", json!("mcp-1")),
        ("/downstream/0/credential", json!("mcp-1")),
    ];
    edit(&mut tools[0], &changes);
    edit(&mut tools[0], first);
    several(
        vec![own(&[]), mcp("mcp-1", "https://mcp-1.example/"), mcp("mcp-2", "https://mcp-2.example")],
        &[
            ("/tools", Value::Array(tools)),
            ("/policy/-", decision),
            ("/model/credential", json!(OWN)),
            ("/data/sources/0/credential", json!(OWN)),
        ],
    )
}

/// The chain of authority with delegations in it.
fn hops(first: &[(&str, Value)], last: &[(&str, Value)]) -> Vec<(&'static str, Value)> {
    let workload = "spiffe://corp.example/ns/agents/sa/refunds";
    let mut user = json!({ "principal": "u-20931", "issuer": "https://idp.example", "actor": workload,
        "iat": at("06:00"), "exp": at("12:00"), "confirmation": "dpop" });
    let mut agent = json!({ "principal": workload });
    edit(&mut user, first);
    edit(&mut agent, last);
    vec![("/authority/chain", json!([user, agent]))]
}

/// A scheduled run whose only decision came before, from 06:00:00 to 06:00:02.5.
fn early(edits: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
    let mut all = vec![("/policy/0/at", json!("2026-11-18T05:59:40Z"))];
    all.extend(edits.iter().cloned());
    all
}

fn retrieved(source: &Value, exp: &str) -> Vec<(&'static str, Value)> {
    early(&[
        ("/data/retrieved", json!(true)),
        ("/data/sources", json!([source])),
        ("/credential/exp", json!(format!("2026-11-18T06:00:{exp}Z"))),
    ])
}

#[rustfmt::skip] // one line each: a table
const CASES: &[Case] = &[
    // Window and clock
    Case { what: "within its window", ..C },
    Case { what: "dead before the start", edits: || vec![("/credential/exp", at("06:35"))], answer: NO, codes: &["R14"], ..C },
    Case { what: "dead in the middle", edits: || vec![("/credential/exp", at("06:42"))], answer: NO, codes: &["R14"], ..C },
    Case { what: "dead at the last use", edits: || vec![("/credential/exp", at("06:43.900")), ("/time/clock/max_error_ms", json!(0))], answer: NO, codes: &["R14"], ..C },
    Case { what: "dead a millisecond after the last use", edits: || vec![("/credential/exp", at("06:43.901")), ("/time/clock/max_error_ms", json!(0))], ..C },
    Case { what: "dead within the clock's error", edits: || vec![("/credential/exp", at("06:43.905"))], answer: OPEN, codes: &["R14i"], ..C },
    Case { what: "a clock that may be off by ten minutes", edits: || vec![("/time/clock/max_error_ms", json!(600_000))], answer: OPEN, codes: &["R14i"], ..C },
    Case { what: "a clock nobody speaks of, and a second to spare", edits: || vec![("/time/clock", Value::Null), ("/credential/exp", at("06:44.901"))], ..C },
    Case { what: "a clock nobody speaks of, and less", edits: || vec![("/time/clock", Value::Null), ("/credential/exp", at("06:44.899"))], answer: OPEN, codes: &["R14i"], ..C },
    Case { what: "not valid before the end", edits: || vec![("/credential/nbf", at("06:50")), ("/credential/iat", at("06:50"))], answer: NO, codes: &["R13", "R17"], ..C },
    Case { what: "issued after its first use, with an earlier nbf", edits: || vec![("/credential/iat", at("06:41"))], answer: NO, codes: &["R13", "R17"], ..C },
    Case { what: "not valid before its second use, issued earlier", edits: || vec![("/credential/nbf", at("06:41"))], answer: NO, codes: &["R13"], ..C },
    Case { what: "issued at the first use", edits: || vec![("/credential/iat", at("06:40.100")), ("/time/clock/max_error_ms", json!(0))], ..C },
    Case { what: "issued within the clock's error", edits: || vec![("/credential/iat", at("06:40.095"))], answer: OPEN, codes: &["R14i"], ..C },
    Case { what: "only issued at a time", edits: || vec![("/credential/nbf", Value::Null)], ..C },
    Case { what: "only valid from a time", edits: || vec![("/credential/iat", Value::Null)], ..C },
    Case { what: "without a beginning", edits: || vec![("/credential/iat", Value::Null), ("/credential/nbf", Value::Null)], answer: OPEN, codes: &["R12"], ..C },
    Case { what: "without an end", edits: || vec![("/credential/exp", Value::Null)], answer: OPEN, codes: &["R12"], ..C },
    Case { what: "with a withheld end", edits: || vec![("/credential/exp", withheld())], answer: OPEN, codes: &["R12"], ..C },
    Case { what: "an interaction without a start", edits: || vec![("/time/start", Value::Null)], answer: OPEN, codes: &["R14i", "R58"], ..C },
    Case { what: "a tool without a start", edits: || vec![("/tools/0/start", Value::Null)], answer: OPEN, codes: &["R14i", "R25", "R36", "R58"], ..C },
    // Every start of a call is a use
    Case { what: "the model called after the end, the decision before", of: LOW_RISK, edits: || early(&[("/credential/exp", json!("2026-11-18T05:59:50Z"))]), answer: NO, codes: &["R14"], ..C },
    Case { what: "the model called before the end", of: LOW_RISK, edits: || early(&[("/credential/exp", json!("2026-11-18T06:00:01Z"))]), ..C },
    Case { what: "a local model, called without a credential", of: LOW_RISK, edits: || early(&[("/credential/exp", json!("2026-11-18T05:59:50Z")), ("/model/credential", none())]), ..C },
    Case { what: "a retrieval after the end", of: LOW_RISK, edits: || retrieved(&json!({ "id": "s", "class": "public", "start": "2026-11-18T06:00:02Z" }), "01"), answer: NO, codes: &["R14"], ..C },
    Case { what: "a retrieval before the end", of: LOW_RISK, edits: || retrieved(&json!({ "id": "s", "class": "public", "start": "2026-11-18T06:00:00.500Z" }), "01"), ..C },
    Case { what: "a retrieval at an unknown time, dead meanwhile", of: LOW_RISK, edits: || retrieved(&json!({ "id": "s", "class": "public" }), "01"), answer: OPEN, codes: &["R14i"], ..C },
    Case { what: "a retrieval at an unknown time, valid throughout", of: LOW_RISK, edits: || retrieved(&json!({ "id": "s", "class": "public" }), "03"), ..C },
    Case { what: "a withheld retrieval", of: LOW_RISK, edits: || early(&[("/data/retrieved", json!(true)), ("/data/sources", withheld())]), answer: OPEN, codes: &["R14i", "R41"], ..C },
    Case { what: "nobody says whether something was retrieved, dead meanwhile", of: LOW_RISK, edits: || early(&[("/data/retrieved", Value::Null), ("/credential/exp", json!("2026-11-18T06:00:01Z"))]), answer: OPEN, codes: &["R14i", "R41"], ..C },
    Case { what: "a retrieval of a public source", of: LOW_RISK, edits: || retrieved(&json!({ "id": "s", "class": "public", "start": "2026-11-18T06:00:02Z", "credential": { "$": "not_applicable" } }), "01"), ..C },
    Case { what: "a retrieval with a credential that is not described", of: LOW_RISK, edits: || retrieved(&json!({ "id": "s", "class": "public", "start": "2026-11-18T06:00:00.500Z", "credential": "another" }), "05"), answer: OPEN, codes: &["R14i"], ..C },
    Case { what: "a model called with a credential that is not described", edits: || vec![("/model/credential", json!("another"))], answer: OPEN, codes: &["R14i"], ..C },
    Case { what: "a withheld credential of the model", edits: || vec![("/model/credential", withheld())], answer: OPEN, codes: &["R14i"], ..C },
    Case { what: "an empty name of a credential", edits: || vec![("/model/credential", json!(""))], ..C },
    // Status and revocation
    Case { what: "of unchecked status", edits: || vec![("/credential/status", Value::Null)], answer: OPEN, codes: &["R16"], ..C },
    Case { what: "unknown to the issuer", edits: || vec![("/credential/status/result", json!("unknown"))], answer: OPEN, codes: &["R16"], ..C },
    Case { what: "checked too early", edits: || vec![("/credential/status/checked_at", at("05:30"))], answer: OPEN, codes: &["R17"], ..C },
    Case { what: "checked after the first use", edits: || vec![("/credential/status/checked_at", at("06:41"))], answer: OPEN, codes: &["R17"], ..C },
    Case { what: "revoked by the check", edits: || vec![("/credential/status/result", json!("revoked"))], answer: NO, codes: &["R18"], ..C },
    Case { what: "suspended by the check", edits: || vec![("/credential/status/result", json!("suspended"))], answer: NO, codes: &["R18"], ..C },
    Case { what: "revoked by a check after all uses", edits: || vec![("/credential/status/result", json!("revoked")), ("/credential/status/checked_at", at("07:00"))], answer: OPEN, codes: &["R17", "R18"], ..C },
    Case { what: "revoked before the first use", knowing: |context| context.revoked(OWN, time("06:35")), answer: NO, codes: &["R18"], ..C },
    Case { what: "revoked between two uses", knowing: |context| context.revoked(OWN, time("06:42")), answer: NO, codes: &["R18"], ..C },
    Case { what: "revoked after the last use", knowing: |context| context.revoked(OWN, time("06:43.950")), ..C },
    Case { what: "revoked within the clock's error", knowing: |context| context.revoked(OWN, time("06:43.905")), answer: OPEN, codes: &["R18"], ..C },
    Case { what: "revoked at the last use", edits: || vec![("/time/clock/max_error_ms", json!(0))], knowing: |context| context.revoked(OWN, time("06:43.900")), answer: NO, codes: &["R18"], ..C },
    Case { what: "another that was revoked", knowing: |context| context.revoked("token-9", time("06:35")), ..C },
    // Scope and audience
    Case { what: "of too little scope", edits: || vec![("/credential/scope", json!(["orders.read"]))], codes: &["R19"], ..C },
    Case { what: "of a scope that begins alike", edits: || vec![("/credential/scope", json!(["refund.*"]))], ..C },
    Case { what: "of no scope", edits: || vec![("/credential/scope", none())], codes: &["R19"], ..C },
    Case { what: "in a chain that was not allowed it", edits: || vec![("/authority/scopes", json!([["orders.read"], ["orders.read"]]))], codes: &["R19"], ..C },
    Case { what: "in a chain whose last hop was not allowed it", edits: || vec![("/authority/scopes/1", json!(["orders.read"]))], codes: &["R19"], ..C },
    Case { what: "for another audience", edits: || vec![("/credential/aud", json!(["elsewhere.example"]))], codes: &["R20"], ..C },
    Case { what: "for an audience with a slash", edits: || vec![("/credential/aud", json!(["corp.example/"]))], ..C },
    // Several credentials
    Case { what: "a list of one", edits: || several(vec![own(&[])], &[]), ..C },
    Case { what: "a list of one, dead", edits: || several(vec![own(&[("/exp", at("06:42"))])], &[]), answer: NO, codes: &["R14"], ..C },
    Case { what: "an empty list", edits: || several(vec![], &[]), answer: OPEN, codes: &["R11"], ..C },
    Case { what: "a withheld list", edits: || vec![("/credential", Value::Null), ("/credentials", withheld())], answer: OPEN, codes: &["R11"], ..C },
    Case { what: "one without a name among them", edits: || several(vec![own(&[]), renewed(&[("/id", Value::Null)])], &[]), answer: OPEN, codes: &["R11", "R14i"], ..C },
    Case { what: "an id that all secrets had", edits: || vec![("/credential/id", json!("[secret removed]"))], answer: OPEN, codes: &["R11"], ..C },
    // Refresh
    Case { what: "renewed before the tool call", edits: || renewal(own(&[("/exp", at("06:41.500"))]), renewed(&[])), ..C },
    Case { what: "renewed, and the old one used", edits: || {
        let mut edits = renewal(own(&[("/exp", at("06:41.500"))]), renewed(&[]));
        edits.push(("/tools/0/credential", json!(OWN)));
        edits
    }, answer: NO, codes: &["R14"], ..C },
    Case { what: "renewed, and which one the tool used is not said", edits: || {
        let mut edits = renewal(own(&[("/exp", at("06:41.500"))]), renewed(&[]));
        edits.push(("/tools/0/credential", Value::Null));
        edits
    }, answer: OPEN, codes: &["R14i"], ..C },
    Case { what: "renewed, and both were valid, whichever the tool used", edits: || {
        let mut edits = renewal(own(&[]), renewed(&[]));
        edits.push(("/tools/0/credential", Value::Null));
        edits
    }, ..C },
    Case { what: "renewed, and both dead, whichever the tool used", edits: || {
        let mut edits = renewal(own(&[("/exp", at("06:41.500"))]), renewed(&[("/exp", at("06:41.930"))]));
        edits.extend([("/tools/0/credential", Value::Null), ("/policy/2/at", at("06:41.400")), ("/policy/3/at", at("06:41.400"))]);
        edits
    }, answer: NO, codes: &["R14"], ..C },
    Case { what: "renewed after the tool call", edits: || renewal(own(&[]), renewed(&[("/iat", at("06:42.500"))])), answer: NO, codes: &["R13", "R17"], ..C },
    Case { what: "renewed too late for a decision", edits: || {
        let mut edits = renewal(own(&[("/exp", at("06:41"))]), renewed(&[("/iat", at("06:41.940")), ("/nbf", at("06:41.940"))]));
        edits.push(("/time/clock/max_error_ms", json!(0)));
        edits
    }, answer: NO, codes: &["R14"], ..C },
    Case { what: "renewed, and the new one revoked", edits: || renewal(own(&[]), renewed(&[])), knowing: |context| context.revoked("token-2", time("06:42")), answer: NO, codes: &["R18"], ..C },
    Case { what: "renewed, and the old one revoked afterwards", edits: || renewal(own(&[]), renewed(&[])), knowing: |context| context.revoked(OWN, time("06:41")), ..C },
    Case { what: "renewed, and the new one not checked", edits: || renewal(own(&[]), renewed(&[("/status", Value::Null)])), answer: OPEN, codes: &["R16"], ..C },
    Case { what: "a key without an end beside the token", edits: || renewal(own(&[]), renewed(&[("/exp", Value::Null)])), answer: OPEN, codes: &["R12"], ..C },
    Case { what: "a bearer token beside one that is bound", edits: || renewal(own(&[]), renewed(&[("/binding", json!("bearer"))])), codes: &["R22"], ..C },
    Case { what: "a long life beside a short one", edits: || renewal(own(&[]), renewed(&[("/exp", at("59:00"))])), codes: &["R15"], ..C },
    Case { what: "one of unknown issuance", edits: || renewal(own(&[]), renewed(&[("/id", json!("token-8"))])), codes: &["R23"], ..C },
    Case { what: "the tool's is not described", edits: || vec![("/tools/0/credential", json!("another"))], answer: OPEN, codes: &["R14i", "R19", "R20"], ..C },
    Case { what: "the tool's is known from its issuance", edits: || vec![("/tools/0/credential", json!("token-2"))], codes: &["R19", "R20"], ..C },
    Case { what: "the tool's is withheld", edits: || vec![("/tools/0/credential", withheld())], answer: OPEN, codes: &["R14i", "R19", "R20"], ..C },
    Case { what: "a tool without a credential that needs a scope", edits: || vec![("/tools/0/credential", none())], codes: &["R19", "R20"], ..C },
    // The workload's own
    Case { what: "the workload's document beside the token", edits: || several(vec![own(&[]), svid(&[])], &[]), ..C },
    Case { what: "a dead document of the workload", edits: || several(vec![own(&[]), svid(&[("/exp", at("06:40"))])], &[("/model/credential", json!(OWN)), ("/tools/0/credential", json!(OWN)), ("/data/sources/0/credential", json!(OWN))]), answer: NO, codes: &["R14"], ..C },
    Case { what: "a rotated document of the workload", edits: || several(vec![own(&[]), svid(&[("/id", json!("svid-0")), ("/exp", at("06:40"))]), svid(&[])], &[("/model/credential", json!(OWN)), ("/tools/0/credential", json!(OWN)), ("/data/sources/0/credential", json!(OWN))]), ..C },
    Case { what: "a dead document that the workload names", edits: || several(vec![own(&[]), svid(&[("/id", json!("svid-0")), ("/exp", at("06:40"))]), svid(&[])], &[("/model/credential", json!(OWN)), ("/tools/0/credential", json!(OWN)), ("/data/sources/0/credential", json!(OWN)), ("/workload/credential", json!("svid-0"))]), answer: NO, codes: &["R14"], ..C },
    Case { what: "a document that is not described", edits: || vec![("/workload/credential", json!("svid-9"))], answer: OPEN, codes: &["R14i"], ..C },
    Case { what: "a document that serves other tasks", edits: || several(vec![own(&[]), svid(&[])], &[]), knowing: |mut context| {
        let mut other = testdata(COMPLETE);
        edit(&mut other, &[("/credential/id", json!("svid-1")), ("/authority/task", json!("txn-1"))]);
        context.learn(&id("earlier"), &read(other));
        context
    }, ..C },
    Case { what: "a token that serves other tasks, beside a document", edits: || several(vec![own(&[]), svid(&[])], &[]), knowing: |mut context| {
        let mut other = testdata(COMPLETE);
        edit(&mut other, &[("/authority/task", json!("txn-1"))]);
        context.learn(&id("earlier"), &read(other));
        context
    }, codes: &["R21"], ..C },
    // A server of one's own for each token
    Case { what: "a token for each server", edits: || servers(&[], &[]), ..C },
    Case { what: "the tokens of two servers swapped", edits: || servers(&[("/credential", json!("mcp-2"))], &[("/credential", json!("mcp-1"))]), codes: &["R20"], ..C },
    Case { what: "the user's token passed through", edits: || servers(&[("/credential", json!(OWN))], &[]), codes: &["R20"], ..C },
    Case { what: "a server's token nobody names", edits: || servers(&[("/credential", Value::Null)], &[]), codes: &["R20"], ..C },
    Case { what: "a server that asks for more than its token allows", edits: || servers(&[], &[("/needs_scope", json!("admin"))]), codes: &["R19"], ..C },
    // Delegation
    Case { what: "hops with their windows", edits: || hops(&[], &[]), ..C },
    Case { what: "a dead delegation", edits: || hops(&[("/exp", at("06:41"))], &[]), codes: &["R08"], ..C },
    Case { what: "a delegation that is not valid yet", edits: || hops(&[("/nbf", at("06:41"))], &[]), codes: &["R08"], ..C },
    Case { what: "a delegation issued too late", edits: || hops(&[("/iat", at("06:41"))], &[]), codes: &["R08"], ..C },
    Case { what: "a delegation dead within the clock's error", edits: || hops(&[("/exp", at("06:42.105"))], &[]), codes: &["R08"], ..C },
    Case { what: "a delegation without an end", edits: || hops(&[("/exp", Value::Null)], &[]), codes: &["R08"], ..C },
    Case { what: "a delegation whose window is withheld", edits: || hops(&[("/exp", withheld())], &[]), codes: &["R08"], ..C },
    Case { what: "an initiator of another issuer", edits: || hops(&[("/issuer", json!("https://other.example"))], &[]), codes: &["R08"], ..C },
    Case { what: "an actor who is not the next hop", edits: || hops(&[("/actor", json!("spiffe://corp.example/other"))], &[]), codes: &["R08"], ..C },
    Case { what: "a nameless first hop", edits: || hops(&[("/principal", Value::Null)], &[]), codes: &["R08"], ..C },
    Case { what: "a withheld last hop", edits: || hops(&[], &[("/principal", withheld())]), codes: &["R08"], ..C },
    Case { what: "a delegation that anyone can use", edits: || hops(&[("/confirmation", json!("bearer"))], &[]), codes: &["R22"], ..C },
    Case { what: "a scope that narrows from all that begin alike", edits: || vec![("/authority/scopes/0", json!(["orders.*", "refund.*"]))], ..C },
    Case { what: "a scope that widens to all that begin alike", edits: || vec![("/authority/scopes/1", json!(["orders.read", "refund.*"]))], codes: &["R08"], ..C },
    Case { what: "an autonomous agent that a person began, with the chain", edits: || vec![("/authority/mode", json!("autonomous"))], ..C },
    Case { what: "an autonomous agent that a person began, without it", edits: || vec![("/authority/mode", json!("autonomous")), ("/authority/chain", Value::Null)], codes: &["R08"], ..C },
    Case { what: "a connector that a person used, without the chain", edits: || vec![("/authority/mode", json!("connector")), ("/authority/chain", Value::Null)], codes: &["R08"], ..C },
    Case { what: "an autonomous agent that nobody knows who began", of: LOW_RISK, edits: || vec![("/initiator/kind", json!("service")), ("/initiator/sub", json!("svc")), ("/initiator/verified_by", json!("mtls"))], ..C },
];

fn codes_of(graded: &Grade) -> Vec<&'static str> {
    let mut codes: Vec<_> = graded.findings.iter().map(|finding| finding.rule.code).collect();
    codes.dedup();
    codes
}

fn known() -> Context {
    let issued = |context: Context, id: &str| context.issued(id, Some(time("05:00")), Some(time("14:30")));
    ["token-2", "svid-0", "svid-1", "mcp-1", "mcp-2"].into_iter().fold(context(), issued)
}

#[test]
fn every_use_is_judged_by_its_own_credential() {
    assert!(CASES.len() > 100, "{}", CASES.len());
    let mut wrong = Vec::new();
    for case in CASES {
        let mut value = testdata(case.of);
        edit(&mut value, &(case.edits)());
        let graded = grade(&read(value), &(case.knowing)(known()));
        let got = (graded.validity.answer, codes_of(&graded));
        if got != (case.answer, case.codes.to_vec()) {
            let findings: Vec<_> = graded.findings.iter().map(ToString::to_string).collect();
            wrong.push(format!("{}: {got:?} {findings:#?}", case.what));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Members whose absence has a meaning of its own: a use that names no credential took one of those that are described, and a hop may
/// be no more than a name. The others are in `properties.rs`.
fn is_statement(pointer: &str) -> bool {
    let names = ["nbf", "iat", "clock", "max_error_ms"];
    let of_hop = pointer.starts_with("/authority/chain/") && !pointer.ends_with("/principal");
    of_hop
        || pointer.ends_with("/credential")
            && !["/credential", "/tools/0/downstream/0/credential"].contains(&pointer)
        || names.iter().any(|name| pointer.ends_with(&format!("/{name}")))
}

#[test]
fn taking_a_field_away_from_any_of_them_never_makes_an_answer_a_yes() {
    for (nth, case) in CASES.iter().enumerate() {
        let mut value = testdata(case.of);
        edit(&mut value, &(case.edits)());
        let context = (case.knowing)(known());
        let before = grade(&read(value.clone()), &context).verdicts.answers();
        // A group goes with the names in it; and what is withheld is not there to be taken away.
        let is_kept = |pointer: &String| {
            let text = value.pointer(pointer).map(Value::to_string).unwrap_or_default();
            let has_name = ["/model", "/workload", "/data", "/data/sources"].contains(&pointer.as_str())
                && text.contains(r#""credential":"#);
            is_statement(pointer) || has_name || text.contains(r#"{"$":"redacted"}"#)
        };
        for pointer in super::properties::third_of_members(&value, nth).filter(|pointer| !is_kept(pointer)) {
            let mut less = value.clone();
            edit(&mut less, &[(pointer.as_str(), Value::Null)]);
            let after = grade(&read(less), &context).verdicts.answers();
            for ((verdict, before), (_, after)) in before.iter().zip(&after) {
                assert!(
                    *after != Answer::Yes || *before == Answer::Yes,
                    "{}: {verdict} became yes by taking away {pointer}",
                    case.what
                );
            }
        }
    }
}

#[test]
fn a_revocation_affects_the_uses_that_name_the_credential() {
    let mut value = testdata(COMPLETE);
    edit(&mut value, &renewal(own(&[]), renewed(&[])));
    let (name, record) = (id("r-1"), read(value));
    let affected = |credential: &str| -> Vec<String> {
        let records = [(&name, &record)].into_iter();
        affected_by_revocation(records, credential, jiff::Timestamp::MIN)
            .into_iter()
            .map(|one| one.what)
            .collect()
    };
    let decisions = ["decision in-1", "decision read-1", "decision 4ca636c1", "decision out-1"];
    let of = |credential: &str| -> Vec<String> {
        affected(credential).into_iter().filter(|what| !decisions.contains(&what.as_str())).collect()
    };
    assert_eq!(of(OWN), ["start", "retrieval crm/orders/8841"]);
    assert_eq!(of("token-2"), ["tool call_A1", "downstream payments-api"]);
    assert_eq!(affected("token-9"), Vec::<String>::new());
}
