//! Records that were made to pass, and harmless ones that look like them: one case a line. Where a gateway errs or lies about one
//! member, the rest of the record has to show it.

use super::*;

/// A change to a complete record, and what is to be found.
struct Attack {
    what: &'static str,
    edits: fn() -> Vec<(&'static str, Value)>,
    knowing: fn(Context) -> Context,
    codes: &'static [&'static str],
    /// Credential valid, attributable, complete: `y`, `n`, or `?`.
    answers: &'static str,
}

const A: Attack =
    Attack { what: "", edits: Vec::new, knowing: |context| context, codes: &[], answers: "yyy" };

const OWN: &str = "hmac-sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const WORKLOAD: &str = "spiffe://corp.example/ns/agents/sa/refunds";

fn at(text: &str) -> Value {
    json!(format!("2026-11-18T09:{text}Z"))
}

fn time(text: &str) -> Option<jiff::Timestamp> {
    Some(format!("2026-11-18T09:{text}Z").parse().unwrap())
}

fn none() -> Value {
    json!({ "$": "not_applicable" })
}

fn withheld() -> Value {
    json!({ "$": "redacted" })
}

/// A part of the record, changed.
fn part(pointer: &str, edits: &[(&str, Value)]) -> Value {
    let mut part = testdata(COMPLETE).pointer_mut(pointer).unwrap().take();
    edit(&mut part, edits);
    part
}

/// The credential's end, by a clock without error.
fn until(end: &str) -> Vec<(&'static str, Value)> {
    vec![("/credential/exp", json!(end)), ("/time/clock/max_error_ms", json!(0))]
}

/// Two credentials of one name.
fn twins(first: &[(&str, Value)], second: &[(&str, Value)]) -> Vec<(&'static str, Value)> {
    let twins = json!([part("/credential", first), part("/credential", second)]);
    vec![("/credential", Value::Null), ("/credentials", twins)]
}

/// Another name for the credential, whose issuance is then not known.
fn renamed() -> Vec<(&'static str, Value)> {
    vec![("/credential/id", json!("tok-9")), ("/tools/0/downstream/0/credential", json!("tok-9"))]
}

/// A chain of so many hops, all with the same scopes.
fn chain(hops: Value) -> Vec<(&'static str, Value)> {
    let scopes = vec![json!(["orders.read", "refund.write"]); hops.as_array().unwrap().len()];
    vec![("/authority/chain", hops), ("/authority/scopes", json!(scopes))]
}

/// Nothing takes a credential, and the user's delegation ended early.
fn without_credentials(end: &str) -> Vec<(&'static str, Value)> {
    let user = json!({ "principal": "u-20931", "iat": at("06:00"), "exp": at(end) });
    vec![
        ("/authority/chain", json!([user, WORKLOAD])),
        ("/model/credential", none()),
        ("/data/sources/0/credential", none()),
        ("/tools/0/credential", none()),
        ("/tools/0/needs_scope", none()),
        ("/tools/0/audience", none()),
        ("/tools/0/downstream/0/credential", none()),
    ]
}

fn approved_by(approver: &str) -> Vec<(&'static str, Value)> {
    vec![("/approval/approver", json!(approver))]
}

fn four_eyes(second: &str) -> Vec<(&'static str, Value)> {
    vec![("/approval", json!([part("/approval", &[]), part("/approval", &[("/approver", json!(second))])]))]
}

/// A denial of the tool call that another person overrode in time.
fn overridden(edits: &[(&str, Value)], also: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
    let mut over = json!({ "by": "u-9", "decision_id": "4ca636c1", "from": "deny", "to": "allow", "reason": "incident",
        "at": at("06:41.945") });
    edit(&mut over, edits);
    let mut all = vec![("/policy/2/verdict", json!("deny")), ("/override", over)];
    all.extend(also.iter().cloned());
    all
}

/// A second call that was denied under the same id of a decision, listed before the first; overridden at this time.
fn one_id_for_two(overridden_at: &str) -> Vec<(&'static str, Value)> {
    let changes = [("/call_id", json!("call_A2")), ("/start", at("06:42.800")), ("/end", at("06:42.900"))];
    let mut tool = part("/tools/0", &changes);
    edit(&mut tool, &[("/downstream/0/at", at("06:42.850"))]);
    let denied = [("/verdict", json!("deny")), ("/target", json!("call_A2"))];
    let other = part("/policy/2", &denied);
    let policy = json!([
        part("/policy/0", &[]),
        other,
        part("/policy/1", &[]),
        part("/policy/2", &[("/verdict", json!("deny"))]),
        part("/policy/3", &[])
    ]);
    let mut all = overridden(&[("/at", at(overridden_at))], &[]);
    all.extend([("/policy", policy), ("/tools/-", tool)]);
    all
}

/// A second call, which a policy held up too, and these approvals.
fn two_calls(approval: Value) -> Vec<(&'static str, Value)> {
    let changes = [("/call_id", json!("call_A2")), ("/start", at("06:42.800")), ("/end", at("06:42.900"))];
    let mut tool = part("/tools/0", &changes);
    edit(&mut tool, &[("/downstream/0/at", at("06:42.850"))]);
    let decision = part("/policy/2", &[("/target", json!("call_A2")), ("/decision_id", json!("d-2"))]);
    vec![("/tools/-", tool), ("/policy/-", decision), ("/approval", approval)]
}

fn order_of(context: Context, from: &str, classes: &[&str]) -> Context {
    let mut context = context;
    let record = json!({ "kind": "configuration",
        "configuration": { "subject": "data_classes", "in_force_from": from, "classes": classes } });
    context.learn(&id("classes"), &read(record));
    context
}

#[rustfmt::skip] // one line each: a table
const ATTACKS: &[Attack] = &[
    // The edges of a window, however its time is written
    Attack { what: "an end in another time zone, at the last use", edits: || until("2026-11-18T10:06:43.900+01:00"), codes: &["R14"], answers: "nnn", ..A },
    Attack { what: "an end in another time zone, a millisecond later", edits: || until("2026-11-18T04:06:43.901-05:00"), ..A },
    Attack { what: "an end a nanosecond before the last use", edits: || until("2026-11-18T09:06:43.899999999Z"), codes: &["R14"], answers: "nnn", ..A },
    Attack { what: "an end a nanosecond after the last use", edits: || until("2026-11-18T09:06:43.900000001Z"), ..A },
    Attack { what: "an end before the beginning", edits: || vec![("/credential/exp", at("06:20"))], codes: &["R14"], answers: "nnn", ..A },
    Attack { what: "a beginning a nanosecond after the first use", edits: || vec![("/credential/nbf", json!("2026-11-18T09:06:40.100000001Z")), ("/time/clock/max_error_ms", json!(0))], codes: &["R13"], answers: "nnn", ..A },
    Attack { what: "a clock that may be off for ever", edits: || vec![("/time/clock/max_error_ms", json!(u64::MAX))], codes: &["R14i"], answers: "???", ..A },
    // One name, several credentials
    Attack { what: "two of one name, of which one is dead", edits: || twins(&[], &[("/exp", at("06:42"))]), codes: &["R14i"], answers: "???", ..A },
    Attack { what: "two of one name, both dead", edits: || twins(&[("/exp", at("06:42"))], &[("/exp", at("06:42.050"))]), codes: &["R14"], answers: "nnn", ..A },
    Attack { what: "two of one name, both valid", edits: || twins(&[], &[("/exp", at("10:00"))]), ..A },
    Attack { what: "two of one name, revoked", edits: || twins(&[], &[]), knowing: |context| context.revoked(OWN, time("06:42").unwrap()), codes: &["R18"], answers: "nnn" },
    // A window that the issuer does not know of
    Attack { what: "a longer life than it was issued with", edits: renamed, knowing: |context| context.issued("tok-9", time("06:30"), time("06:42")), codes: &["R14i"], answers: "???" },
    Attack { what: "an earlier beginning than it was issued with", edits: renamed, knowing: |context| context.issued("tok-9", time("06:41"), time("11:30")), codes: &["R14i"], answers: "???" },
    Attack { what: "issued with a longer life", edits: renamed, knowing: |context| context.issued("tok-9", time("06:00"), time("21:30")), ..A },
    Attack { what: "issued with the same end, and rotated later", edits: renamed, knowing: |context| context.issued("tok-9", time("06:30"), time("11:30")).issued("tok-9", time("20:00"), time("25:00")), ..A },
    Attack { what: "rotated between two uses", edits: renamed, knowing: |context| context.issued("tok-9", time("06:00"), time("06:42")).issued("tok-9", time("06:42"), time("11:30")), ..A },
    Attack { what: "issued without an end that was recorded", edits: renamed, knowing: |context| context.issued("tok-9", time("06:30"), None), ..A },
    Attack { what: "not described, and rotated before the use", edits: || vec![("/model/credential", json!("tok-9"))], knowing: |context| context.issued("tok-9", time("05:00"), time("06:00")).issued("tok-9", time("06:00"), time("11:00")), ..A },
    Attack { what: "not described, and rotated after the use", edits: || vec![("/model/credential", json!("tok-9"))], knowing: |context| context.issued("tok-9", time("06:00"), time("11:00")).issued("tok-9", time("11:00"), time("15:00")), ..A },
    Attack { what: "not described, and used between two windows", edits: || vec![("/model/credential", json!("tok-9"))], knowing: |context| context.issued("tok-9", time("05:00"), time("06:00")).issued("tok-9", time("11:00"), time("15:00")), codes: &["R14"], answers: "nnn" },
    // A status check of another moment
    Attack { what: "checked before it was issued", edits: || vec![("/credential/status/checked_at", at("06:29.500"))], codes: &["R17"], answers: "???", ..A },
    Attack { what: "checked in the second it was issued", edits: || vec![("/credential/iat", at("06:30.700")), ("/credential/status/checked_at", at("06:30.100"))], ..A },
    Attack { what: "checked at the first use", edits: || vec![("/credential/status/checked_at", at("06:40.100"))], ..A },
    Attack { what: "checked just within the age that the profile allows", edits: || vec![("/credential/iat", at("05:40")), ("/credential/nbf", at("06:30")), ("/credential/status/checked_at", at("05:43.900"))], ..A },
    Attack { what: "checked a millisecond before that", edits: || vec![("/credential/iat", at("05:40")), ("/credential/nbf", at("06:30")), ("/credential/status/checked_at", at("05:43.899"))], codes: &["R17"], answers: "???", ..A },
    // Audience and scope
    Attack { what: "an audience that the tool's begins with", edits: || vec![("/credential/aud", json!(["corp"]))], codes: &["R20"], answers: "yyn", ..A },
    Attack { what: "an audience that begins with the tool's", edits: || vec![("/credential/aud", json!(["corp.example.evil"]))], codes: &["R20"], answers: "yyn", ..A },
    Attack { what: "an audience in another case, which is no URL", edits: || vec![("/credential/aud", json!(["Corp.example"]))], codes: &["R20"], answers: "yyn", ..A },
    Attack { what: "no audience", edits: || vec![("/credential/aud", json!([]))], codes: &["R20"], answers: "yyn", ..A },
    Attack { what: "one audience among others", edits: || vec![("/credential/aud", json!(["elsewhere.example", "corp.example"]))], ..A },
    Attack { what: "a path in another case", edits: || vec![("/credential/aud", json!(["https://corp.example/A"])), ("/tools/0/audience", json!("https://corp.example/a"))], codes: &["R20"], answers: "yyn", ..A },
    Attack { what: "a host in another case", edits: || vec![("/credential/aud", json!(["https://CORP.example/a/"])), ("/tools/0/audience", json!("https://corp.example:443/a"))], ..A },
    Attack { what: "a scope of everything", edits: || vec![("/credential/scope", json!(["*"]))], ..A },
    Attack { what: "a scope that is cut within a word", edits: || vec![("/credential/scope", json!(["refund.wr*"]))], codes: &["R19"], answers: "yyn", ..A },
    Attack { what: "a scope that the needed one begins", edits: || vec![("/credential/scope", json!(["refund.write.small"]))], codes: &["R19"], answers: "yyn", ..A },
    Attack { what: "scopes in one text, as OAuth has them", edits: || vec![("/credential/scope", json!(["orders.read refund.write"]))], ..A },
    Attack { what: "two needed scopes in one text", edits: || vec![("/tools/0/needs_scope", json!("refund.write orders.read"))], ..A },
    Attack { what: "two needed scopes, one of them not allowed", edits: || vec![("/tools/0/needs_scope", json!("refund.write admin"))], codes: &["R19"], answers: "yyn", ..A },
    // The chain of authority
    Attack { what: "a hop between that has no name", edits: || chain(json!(["u-20931", "", WORKLOAD])), codes: &["R08"], answers: "ynn", ..A },
    Attack { what: "a hop between of which nothing is known", edits: || chain(json!(["u-20931", {}, WORKLOAD])), codes: &["R08"], answers: "ynn", ..A },
    Attack { what: "a hop between that is withheld", edits: || chain(json!(["u-20931", withheld(), WORKLOAD])), codes: &["R08"], answers: "y??", ..A },
    Attack { what: "a named hop between", edits: || chain(json!(["u-20931", "gateway", WORKLOAD])), ..A },
    Attack { what: "one hop, who is not the workload", edits: || chain(json!(["u-20931"])), codes: &["R08"], answers: "ynn", ..A },
    Attack { what: "a chain that returns", edits: || chain(json!(["u-20931", WORKLOAD, "gateway", WORKLOAD])), codes: &["R08"], answers: "y??", ..A },
    Attack { what: "a chain that returns to the initiator", edits: || chain(json!(["u-20931", "gateway", "u-20931", WORKLOAD])), codes: &["R08"], answers: "y??", ..A },
    Attack { what: "a hop that is listed twice", edits: || chain(json!(["u-20931", "u-20931", WORKLOAD])), ..A },
    Attack { what: "one name at two issuers", edits: || chain(json!(["u-20931", { "principal": "gw", "issuer": "a" }, "x", { "principal": "gw", "issuer": "b" }, WORKLOAD])), ..A },
    Attack { what: "a scope of white space that a hop gained", edits: || vec![("/authority/scopes/1/-", json!(" "))], ..A },
    Attack { what: "a hop whose scopes grow in one text", edits: || vec![("/authority/scopes/1", json!(["orders.read refund.write admin"]))], codes: &["R08"], answers: "ynn", ..A },
    Attack { what: "a dead delegation of what takes no credential", edits: || without_credentials("06:41"), codes: &["R08"], answers: "ynn", ..A },
    Attack { what: "a delegation that dies before a local tool starts", edits: || without_credentials("06:41.900"), codes: &["R08"], answers: "ynn", ..A },
    Attack { what: "a living delegation of what takes no credential", edits: || without_credentials("12:00"), ..A },
    // Who approved
    Attack { what: "approved by the end user who asked", edits: || vec![("/initiator/end_user", json!("alice")), ("/approval/approver", json!("alice"))], codes: &["R35"], answers: "yyn", ..A },
    Attack { what: "approved by the pseudonym of who asked", edits: || vec![("/initiator/pseudonym", json!("p-7")), ("/approval/approver", json!("p-7"))], codes: &["R35"], answers: "yyn", ..A },
    Attack { what: "approved by another than the end user", edits: || vec![("/initiator/end_user", json!("alice"))], ..A },
    Attack { what: "approved by the initiator in capitals", edits: || approved_by("U-20931"), codes: &["R35"], answers: "yy?", ..A },
    Attack { what: "approved by the initiator with a space", edits: || approved_by("u-20931 "), codes: &["R35"], answers: "yy?", ..A },
    Attack { what: "approved by one of the same name at another issuer", edits: || approved_by("https://partner.example|u-20931"), ..A },
    Attack { what: "approved by nobody's name", edits: || approved_by("  "), codes: &["R35"], answers: "yy?", ..A },
    Attack { what: "four eyes of one person, once by the full name", edits: || four_eyes("https://idp.example|u-11007"), codes: &["R35"], answers: "yy?", ..A },
    Attack { what: "four eyes of one person, once in capitals", edits: || four_eyes("U-11007"), codes: &["R35"], answers: "yy?", ..A },
    Attack { what: "four eyes of two people", edits: || four_eyes("u-11008"), ..A },
    Attack { what: "approved a millisecond after the call began", edits: || vec![("/approval/at", at("06:41.951"))], codes: &["R36"], answers: "ynn", ..A },
    Attack { what: "approved when the call began", edits: || vec![("/approval/at", at("06:41.950"))], ..A },
    Attack { what: "an approval that expired when the call began", edits: || vec![("/approval/expires", at("06:41.950"))], codes: &["R36"], answers: "ynn", ..A },
    Attack { what: "an approval that expired a millisecond later", edits: || vec![("/approval/expires", at("06:41.951"))], ..A },
    Attack { what: "an approval at an unknown time", edits: || vec![("/approval/at", Value::Null)], codes: &["R36"], answers: "y??", ..A },
    Attack { what: "a person who was the configuration", edits: || vec![("/approval/source", json!("config"))], codes: &["R37"], answers: "ynn", ..A },
    // What was approved
    Attack { what: "an approval for this call", edits: || vec![("/approval/target", json!("call_A1"))], ..A },
    Attack { what: "an approval for another call", edits: || vec![("/approval/target", json!("call_B"))], codes: &["R32", "R34"], answers: "ynn", ..A },
    Attack { what: "an approval for a withheld call", edits: || vec![("/approval/target", withheld())], codes: &["R32", "R34"], answers: "y??", ..A },
    Attack { what: "two calls, of which one is approved", edits: || two_calls(json!(part("/approval", &[("/target", json!("call_A1"))]))), codes: &["R32", "R34"], answers: "ynn", ..A },
    Attack { what: "two calls, each with its approval", edits: || two_calls(json!([part("/approval", &[("/target", json!("call_A1"))]), part("/approval", &[("/target", json!("call_A2")), ("/approver", json!("u-11008"))])])), ..A },
    Attack { what: "two calls, the second approved after it began", edits: || two_calls(json!([part("/approval", &[("/target", json!("call_A1"))]), part("/approval", &[("/target", json!("call_A2")), ("/approver", json!("u-11008")), ("/at", at("06:42.801"))])])), codes: &["R36"], answers: "ynn", ..A },
    Attack { what: "two calls, the second approved after the first began", edits: || two_calls(json!([part("/approval", &[("/target", json!("call_A1"))]), part("/approval", &[("/target", json!("call_A2")), ("/approver", json!("u-11008")), ("/at", at("06:42.800"))])])), ..A },
    Attack { what: "a call that was not run, whose approval was refused", edits: || vec![("/approval", json!([part("/approval", &[("/target", json!("call_A1"))]), part("/approval", &[("/target", json!("call_B")), ("/approver", json!("u-11008")), ("/state", json!("rejected"))])]))], ..A },
    Attack { what: "the approved arguments", edits: || vec![("/approval/arguments_digest", testdata(COMPLETE)["tools"][0]["arguments_digest"].clone())], ..A },
    Attack { what: "other arguments than were approved", edits: || vec![("/approval/arguments_digest", json!("hmac-sha256:ffff"))], codes: &["R33"], answers: "yyn", ..A },
    Attack { what: "approved arguments that cannot be compared", edits: || vec![("/approval/arguments_digest", json!("salted-sha256:00"))], codes: &["R33"], answers: "yy?", ..A },
    // What was overridden
    Attack { what: "an override that keeps the denial", edits: || overridden(&[("/to", json!("deny"))], &[]), codes: &["R26"], answers: "yyn", ..A },
    Attack { what: "an override that lets a change through", edits: || overridden(&[("/to", json!("modify"))], &[]), ..A },
    Attack { what: "an override of a decision without a name", edits: || overridden(&[("/decision_id", json!(""))], &[("/policy/2/decision_id", json!(""))]), codes: &["R26"], answers: "yyn", ..A },
    Attack { what: "overridden by the initiator in capitals", edits: || overridden(&[("/by", json!("U-20931"))], &[]), codes: &["R26", "R35"], answers: "yy?", ..A },
    Attack { what: "two decisions of one name, overridden before both", edits: || one_id_for_two("06:41.945"), ..A },
    Attack { what: "two decisions of one name, overridden after the first", edits: || one_id_for_two("06:42.500"), codes: &["R26", "R36"], answers: "yyn", ..A },
    // What was decided and what was done
    Attack { what: "an input that was denied and stopped, and executed", edits: || vec![("/policy/0/verdict", json!("deny")), ("/policy/0/enforced", json!("deny")), ("/policy/0/reason", json!("pii"))], codes: &["R26"], answers: "yyn", ..A },
    Attack { what: "a change that was decided on and not made", edits: || vec![("/policy/0/verdict", json!("modify")), ("/policy/0/reason", json!("pii")), ("/policy/0/before_digest", json!("hmac-sha256:01")), ("/policy/0/after_digest", json!("hmac-sha256:02"))], codes: &["R31"], answers: "yyn", ..A },
    Attack { what: "a change that was decided on and made", edits: || vec![("/policy/0/verdict", json!("modify")), ("/policy/0/enforced", json!("modify")), ("/policy/0/reason", json!("pii")), ("/policy/0/before_digest", json!("hmac-sha256:01")), ("/policy/0/after_digest", json!("hmac-sha256:02"))], ..A },
    Attack { what: "a step-up and its approval for another call", edits: || vec![("/policy/2/target", json!("call_B"))], codes: &["R24"], answers: "yyn", ..A },
    Attack { what: "one call run twice, the second time with other arguments", edits: || vec![("/tools/-", part("/tools/0", &[("/arguments_digest", json!("hmac-sha256:ffff"))]))], codes: &["R33"], answers: "yyn", ..A },
    Attack { what: "one call run twice, the second time before the decision", edits: || vec![("/tools/-", part("/tools/0", &[("/start", at("06:41.920"))])), ("/approval/at", at("06:41.910"))], codes: &["R25"], answers: "yyn", ..A },
    Attack { what: "a call that is said to be denied, and called somebody", edits: || vec![("/tools/0/status", json!("denied"))], codes: &["R51"], answers: "yyn", ..A },
    Attack { what: "a call that was denied, and had an effect", edits: || vec![("/tools/0/status", json!("denied")), ("/tools/0/downstream", none()), ("/policy/2/verdict", json!("deny")), ("/policy/2/enforced", json!("deny"))], codes: &["R26", "R51", "R54"], answers: "yyn", ..A },
    Attack { what: "a call that was denied and did nothing", edits: || vec![("/tools/0/status", json!("denied")), ("/tools/0/downstream", json!([])), ("/tools/0/effect", json!("none"))], ..A },
    // Names of white space
    Attack { what: "an initiator of white space", edits: || vec![("/initiator/sub", json!(" ")), ("/authority/chain/0", json!(" "))], codes: &["R01"], answers: "ynn", ..A },
    Attack { what: "a workload of white space", edits: || vec![("/workload/id", json!("\t")), ("/authority/chain/1", json!("\t"))], codes: &["R05", "R07"], answers: "ynn", ..A },
    Attack { what: "a credential of white space", edits: || vec![("/credential/id", json!(" "))], codes: &["R11"], answers: "??n", ..A },
    Attack { what: "a data class of white space", edits: || vec![("/data/input_class", json!([" "])), ("/data/output_class/-", json!(" ")), ("/data/approved_for/-", json!(" "))], codes: &["R39"], answers: "yyn", ..A },
    Attack { what: "a source without a name", edits: || vec![("/data/sources/0", json!({ "class": "customer-pii", "start": at("06:40.250") }))], codes: &["R41"], answers: "yyn", ..A },
    Attack { what: "a source whose name is withheld", edits: || vec![("/data/sources/0", json!({ "id": withheld(), "class": "customer-pii", "start": at("06:40.250") }))], codes: &["R41"], answers: "yy?", ..A },
    // Data classes by the order that was in force
    Attack { what: "an answer in a class that was lower then", edits: || vec![("/data/output_class", json!(["public"]))], knowing: |context| order_of(context, "2026-12-01T00:00:00Z", &["internal", "customer-pii", "public"]), codes: &["R40"], answers: "yyn" },
    Attack { what: "an answer in a class that was higher then", edits: || vec![("/data/output_class", json!(["public"]))], knowing: |context| order_of(context, "2026-11-01T00:00:00Z", &["internal", "customer-pii", "public"]), ..A },
];

#[test]
fn what_was_made_to_pass_does_not_and_what_is_harmless_does() {
    let mut wrong = Vec::new();
    for attack in ATTACKS {
        let graded = grade(&edited(&(attack.edits)()), &(attack.knowing)(context()));
        let mut codes: Vec<_> = graded.findings.iter().map(|finding| finding.rule.code).collect();
        codes.dedup();
        let verdicts = graded.verdicts;
        let answers: String = [verdicts.credential_valid_at_moment, verdicts.attributable, verdicts.complete]
            .map(|answer| match answer {
                Answer::Yes => 'y',
                Answer::No => 'n',
                Answer::Indeterminate => '?',
            })
            .iter()
            .collect();
        if (codes.as_slice(), answers.as_str()) != (attack.codes, attack.answers) {
            let findings: Vec<_> = graded.findings.iter().map(ToString::to_string).collect();
            wrong.push(format!("{}: {codes:?} {answers} {findings:#?}", attack.what));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_leap_second_lengthens_no_life_and_a_time_without_a_zone_is_none() {
    let end = |text: &str| {
        let record = edited(&[("/credential/exp", json!(text))]);
        *record.body.credential.value().unwrap().exp.value().unwrap()
    };
    assert_eq!(end("2026-12-31T23:59:60Z"), end("2026-12-31T23:59:59Z"));
    for text in ["2026-11-18T09:11:30", "2026-11-18 09:11", "1795001490", "09:11:30Z"] {
        let mut value = testdata(COMPLETE);
        edit(&mut value, &[("/credential/exp", json!(text))]);
        assert!(Record::from_value(value).is_err(), "{text}");
    }
}
