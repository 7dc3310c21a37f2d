//! Verdicts, validity, what was withheld, and re-judgement.

use serde_json::{Value, json};
use vouchlog_record::SCHEMA;
use vouchlog_stream::Evidence;

use super::testing::{COMPLETE, LOW_RISK, REGULATED, context, id, read, testdata};
use super::*;
use crate::rules::tests::{MUTATIONS, edit};
use crate::terms::{Cause, Severity};
use crate::validity::Answer;

mod amendments;
mod approvals;
mod attacks;
mod claims;
mod credentials;
mod properties;

fn edited(edits: &[(&str, Value)]) -> Record {
    let mut value = testdata(COMPLETE);
    edit(&mut value, edits);
    read(value)
}

fn graded(edits: &[(&str, Value)]) -> Grade {
    grade(&edited(edits), &context())
}

fn reasons(validity: &Validity) -> Vec<&'static str> {
    validity.reasons.iter().map(|reason| reason.code).collect()
}

/// Which rules make a verdict a no, as the page on evidence defines it.
fn definition(verdict: &str) -> Vec<&'static str> {
    let of = |verdicts: &[&str]| verdicts.iter().flat_map(|verdict| definition(verdict)).collect::<Vec<_>>();
    let and = |mut codes: Vec<&'static str>, more: &[&'static str]| {
        codes.extend(more);
        codes
    };
    match verdict {
        "authorized_known" => vec!["R01", "R02", "R03", "R08", "R09", "R32", "R34"],
        "executor_known" => vec!["R05", "R06", "R07"],
        "credential_valid_at_moment" => vec!["R11", "R12", "R13", "R14", "R14i", "R16", "R17", "R18"],
        "attributable" => of(&["authorized_known", "executor_known", "credential_valid_at_moment"]),
        "auditable_interaction" => vec!["R01", "R05", "R24", "R27", "R30", "R39", "R46"],
        "interaction_level" => and(of(&["auditable_interaction"]), &["R26", "R38", "R47", "R51"]),
        "governed" => and(of(&["attributable"]), &["R15", "R21", "R25", "R39", "R54", "R85"]),
        "inference_level" => and(of(&["interaction_level"]), &["R43", "R54", "R55"]),
        other => panic!("{other}"),
    }
}

#[test]
fn each_verdict_flips_for_each_rule_of_its_definition_and_for_no_other() {
    for mutation in MUTATIONS {
        let graded = grade(&mutation.record(), &mutation.context());
        let fired: Vec<_> = graded.findings.iter().map(|finding| finding.rule.code).collect();
        for (verdict, answer) in graded.verdicts.answers().into_iter().filter(|(name, _)| *name != "complete")
        {
            // An approval that came too late, or was no person's, authorised nothing; an override is judged by R26.
            let is_authorized = definition(verdict).contains(&"R32");
            let of_approvals = |finding: &Finding| {
                ["R36", "R37"].contains(&finding.rule.code)
                    && finding.at.iter().any(|at| at.starts_with("/approval"))
            };
            let counts = fired.iter().any(|code| definition(verdict).contains(code))
                || is_authorized && graded.findings.iter().any(of_approvals);
            assert_eq!(answer != Answer::Yes, counts, "{verdict} after {}: {fired:?}", mutation.what);
        }
    }
    // And each of them by itself, so that no code of a definition is a dead letter.
    let verdicts = [
        "authorized_known",
        "executor_known",
        "auditable_interaction",
        "interaction_level",
        "governed",
        "inference_level",
    ];
    for verdict in verdicts {
        for code in definition(verdict) {
            let weak = ["R11", "R12", "R14i", "R16", "R17"].contains(&code);
            let flips =
                MUTATIONS.iter().filter(|mutation| mutation.code == code && mutation.cause != Cause::Unknown);
            let answers: Vec<_> = flips
                .map(|mutation| {
                    let graded = grade(&mutation.record(), &mutation.context());
                    graded.verdicts.answers().into_iter().find(|(name, _)| *name == verdict).unwrap().1
                })
                .collect();
            let expected = if weak { Answer::Indeterminate } else { Answer::No };
            assert!(
                !answers.is_empty() && answers.iter().all(|answer| *answer == expected),
                "{verdict} {code}: {answers:?}"
            );
        }
    }
}

#[test]
fn an_error_makes_a_record_incomplete_and_a_warning_does_not() {
    for mutation in MUTATIONS.iter().filter(|mutation| mutation.also.is_empty()) {
        let graded = grade(&mutation.record(), &mutation.context());
        let worst = graded.findings.iter().map(|finding| finding.severity).max().unwrap();
        let expected = match worst {
            // An effect nobody saw is a warning, and no inference-level audit trail; a long life is no governance.
            _ if ["R55", "R15"].contains(&mutation.code) => Answer::No,
            // Without a credential, or its window, nothing can be said of it: an error all the same.
            Severity::Error | Severity::Critical => Answer::No,
            Severity::Indeterminate => Answer::Indeterminate,
            Severity::Warn | Severity::Info => Answer::Yes,
        };
        assert_eq!(graded.verdicts.complete, expected, "{}", mutation.what);
    }
}

#[test]
fn an_outcome_and_both_contents_are_asked_for() {
    let without = graded(&[("/outcome/state", Value::Null)]).verdicts;
    assert_eq!((without.auditable_interaction, without.complete), (Answer::No, Answer::No));
    let without = graded(&[("/output/content", Value::Null)]).verdicts;
    assert_eq!((without.auditable_interaction, without.interaction_level), (Answer::Yes, Answer::No));
    let erased = graded(&[("/output/content", json!({ "$": "erased" }))]).verdicts;
    assert_eq!(erased.interaction_level, Answer::Indeterminate);
}

#[test]
fn a_denied_interaction_can_be_complete() {
    let record = edited(&[
        ("/policy", json!([])),
        ("/policy/-", testdata(COMPLETE)["policy"][0].clone()),
        ("/policy/0/verdict", json!("deny")),
        ("/policy/0/enforced", json!("deny")),
        ("/policy/0/reason", json!("not_on_this_device")),
        ("/tools", json!([])),
        ("/approval", json!({ "$": "not_applicable" })),
        ("/data/retrieved", json!(false)),
        ("/data/sources", json!([])),
        ("/model/served", json!({ "$": "not_applicable" })),
        ("/output", json!({ "$": "not_applicable" })),
        ("/outcome/state", json!("denied")),
    ]);
    let graded = grade(&record, &context());
    assert_eq!(graded.findings, []);
    assert_eq!(graded.verdicts.complete, Answer::Yes);
}

#[test]
fn three_questions_have_three_answers_each() {
    let withheld = || json!({ "$": "redacted" });
    for (edits, answers) in [
        (vec![], [Answer::Yes; 3]),
        (vec![("/initiator/verified_by", json!("header"))], [Answer::No, Answer::Yes, Answer::Yes]),
        (vec![("/initiator/verified_by", withheld())], [Answer::Indeterminate, Answer::Yes, Answer::Yes]),
        (vec![("/workload/method", json!("none"))], [Answer::Yes, Answer::No, Answer::Yes]),
        (vec![("/workload/method", withheld())], [Answer::Yes, Answer::Indeterminate, Answer::Yes]),
        (vec![("/credential/exp", json!("2026-11-18T09:06:35Z"))], [Answer::Yes, Answer::Yes, Answer::No]),
        (vec![("/credential/exp", withheld())], [Answer::Yes, Answer::Yes, Answer::Indeterminate]),
    ] {
        let verdicts = graded(&edits).verdicts;
        let got = [verdicts.authorized_known, verdicts.executor_known, verdicts.credential_valid_at_moment];
        assert_eq!(got, answers, "{edits:?}");
        assert_eq!(verdicts.attributable, got[0].and(got[1]).and(got[2]), "{edits:?}");
    }
}

#[test]
fn a_token_that_dies_in_the_middle_of_a_call_is_noticed() {
    let valid = validity::validity(&edited(&[]), &context());
    let moments: Vec<_> = valid.moments.iter().map(|moment| (moment.what.as_str(), moment.answer)).collect();
    let uses = [
        "decision in-1",
        "decision read-1",
        "decision 4ca636c1",
        "decision out-1",
        "retrieval crm/orders/8841",
        "tool call_A1",
        "downstream payments-api",
        "start",
    ];
    assert_eq!(moments, uses.map(|what| (what, Answer::Yes)));
    let died =
        graded(&[("/policy/3", Value::Null), ("/credential/exp", json!("2026-11-18T09:06:42Z"))]).validity;
    assert_eq!((died.answer, reasons(&died)), (Answer::No, vec!["R14"]));
    let dead: Vec<_> = died
        .moments
        .iter()
        .filter(|moment| moment.answer == Answer::No)
        .map(|moment| moment.what.as_str())
        .collect();
    assert_eq!(dead, ["downstream payments-api"]);
    assert_eq!(died.moments[3].answer, Answer::Yes, "the tool began in time");
}

#[test]
fn a_clock_that_is_off_makes_the_edge_of_a_window_uncertain() {
    let at = |exp: &str, clock: Value| {
        graded(&[("/credential/exp", json!(format!("2026-11-18T09:06:{exp}Z"))), ("/time/clock", clock)])
            .validity
    };
    let told = |millis: u64| json!({ "max_error_ms": millis });
    // The last use is the decision on the output, at 43.900.
    assert_eq!(at("43.913", told(12)).answer, Answer::Yes);
    for (exp, clock, answer, code) in [
        ("43.912", told(12), Answer::Indeterminate, "R14i"),
        ("43.889", told(12), Answer::Indeterminate, "R14i"),
        ("43.888", told(12), Answer::No, "R14"),
        ("43.900", told(0), Answer::No, "R14"),
        // Nobody says how far it may be off: a second is assumed.
        ("44.800", json!({ "source": "?" }), Answer::Indeterminate, "R14i"),
        ("42.900", json!({ "$": "redacted" }), Answer::No, "R14"),
    ] {
        let validity = at(exp, clock);
        assert_eq!((validity.answer, validity.reasons[0].code), (answer, code), "{exp}: {validity:?}");
    }
    assert_eq!(at("45.100", json!({ "source": "?" })).answer, Answer::Yes);
}

#[test]
fn where_nothing_else_is_known_the_start_is_the_moment() {
    let nothing = json!({ "$": "not_applicable" });
    let record = edited(&[
        ("/policy", json!([])),
        ("/tools", json!([])),
        ("/data/sources", nothing.clone()),
        ("/model", nothing),
    ]);
    let moments = validity::validity(&record, &context()).moments;
    assert_eq!(moments.iter().map(|moment| moment.what.as_str()).collect::<Vec<_>>(), ["start"]);
}

#[test]
fn another_credential_downstream_is_judged_by_its_own_window() {
    let record = edited(&[("/tools/0/downstream/0/credential", json!("svc-1"))]);
    let at = |text: &str| Some(format!("2026-11-18T09:{text}Z").parse().unwrap());
    assert_eq!(grade(&record, &context()).validity.answer, Answer::Indeterminate);
    assert_eq!(
        grade(&record, &context().issued("svc-1", at("06:00"), at("07:00"))).validity.answer,
        Answer::Yes
    );
    let expired = grade(&record, &context().issued("svc-1", at("05:00"), at("06:00"))).validity;
    assert_eq!((expired.answer, reasons(&expired)), (Answer::No, vec!["R14"]));
    let revoked = context().issued("svc-1", at("06:00"), at("07:00")).revoked("svc-1", at("06:30").unwrap());
    assert_eq!(reasons(&grade(&record, &revoked).validity), ["R18"]);
}

#[test]
fn a_revocation_that_arrives_later_judges_again_and_names_what_is_affected() {
    let record = edited(&[]);
    let mut known = context();
    assert_eq!(grade(&record, &known).verdicts.attributable, Answer::Yes);
    let credential = record.body.credential.value().unwrap().id.value().unwrap().clone();
    let revocation = read(json!({
        "kind": "credential-event", "id": "revoked-0001", "credential": { "id": credential },
        "credential_event": { "action": "revoked", "effective": "2026-11-18T09:06:41.935Z", "reason": "stolen" }
    }));
    known.learn(&id("revoked-0001"), &revocation);
    let after = grade(&record, &known);
    assert_eq!((after.verdicts.attributable, reasons(&after.validity)), (Answer::No, vec!["R18", "R18"]));
    assert!(after.validity.reasons[0].text.contains("(record revoked-0001)"), "{:?}", after.validity.reasons);

    let other = edited(&[("/credential/id", json!("c-2")), ("/policy/3", Value::Null)]);
    let low = read(testdata(LOW_RISK));
    let records = [(id("b"), &record), (id("a"), &other), (id("c"), &low), (id("d"), &revocation)];
    let since = "2026-11-18T09:06:41.950Z".parse().unwrap();
    let affected =
        affected_by_revocation(records.iter().map(|(id, record)| (id, *record)), &credential, since);
    let told: Vec<_> = affected.iter().map(|one| format!("{} {}", one.record, one.what)).collect();
    // The other record only called downstream with it.
    assert_eq!(
        told,
        ["b tool call_A1", "a downstream payments-api", "b downstream payments-api", "b decision out-1"]
    );
    let all = affected_by_revocation(
        records.iter().map(|(id, record)| (id, *record)),
        &credential,
        jiff::Timestamp::MIN,
    );
    assert_eq!(all.len(), 9);
}

#[test]
fn logs_that_are_taken_for_audit_trails_are_called_what_they_are() {
    let transcript =
        read(json!({ "kind": "interaction", "input": { "content": "hi" }, "output": { "content": "ho" } }));
    let verdicts = grade(&transcript, &Context::default()).verdicts;
    assert!(verdicts.transcript_only && !verdicts.operational_log_only, "{verdicts}");
    let log = read(
        json!({ "kind": "interaction", "outcome": { "state": "executed" }, "usage": { "input_tokens": 3 } }),
    );
    let verdicts = grade(&log, &Context::default()).verdicts;
    assert!(!verdicts.transcript_only && verdicts.operational_log_only, "{verdicts}");
    let complete = graded(&[]).verdicts;
    assert!(!complete.transcript_only && !complete.operational_log_only);
}

#[test]
fn the_bitmap_says_what_there_is() {
    let all = grade(&read(testdata(COMPLETE)), &context()).evidence;
    assert_eq!(all.bits(), 0x0dc1_ffff);
    assert_eq!(grade(&read(testdata(REGULATED)), &context()).evidence.bits(), 0x0d81_7f3f);
    assert_eq!(grade(&read(testdata(LOW_RISK)), &context()).evidence.bits(), 0x0d41_3f39);
    let names = all.names();
    assert_eq!((names.first(), names.last()), (Some(&"initiator"), Some(&"complete")));
    assert_eq!(names.len(), 17 + 4);
    assert_eq!(Evidence::NONE.names(), Vec::<&str>::new());
    let sampled = graded(&[("/custody/dropped_attributes", json!(1))]).evidence;
    assert!(sampled.names().contains(&"sampled or lossy source"));
    let expired = graded(&[("/credential/exp", json!("2026-11-18T09:06:35Z"))]).evidence;
    assert!(expired.names().contains(&"credential not valid at the moment"));
}

#[test]
fn records_that_are_no_interaction_are_asked_what_makes_sense_only() {
    let event = read(json!({
        "kind": "credential-event", "credential": { "id": "c", "iat": "2026-11-18T09:00:00Z", "exp": "2026-11-18T09:05:00Z" },
        "credential_event": { "action": "issued" }, "custody": { "recorder": "gw-eu1#3" }, "time": { "received": "2026-11-18T09:00:00Z" }
    }));
    let graded_event = grade(&event, &context());
    assert_eq!(graded_event.findings, []);
    assert_eq!(graded_event.evidence.bits(), 1 << 4, "the window, and no verdict");
    assert!(graded_event.verdicts.answers().iter().all(|(_, answer)| *answer == Answer::Indeterminate));

    // An intent says who and by what authority. What comes after is open, and never claimed.
    let intent = edited(&[
        ("/kind", json!("intent")),
        ("/output", Value::Null),
        ("/outcome", Value::Null),
        ("/tools", Value::Null),
        ("/override", Value::Null),
        ("/time/end", Value::Null),
        ("/model/served", Value::Null),
        ("/policy/3", Value::Null),
        ("/policy/2", Value::Null),
        ("/policy/1", Value::Null),
        ("/data/sources", Value::Null),
        ("/data/retrieved", Value::Null),
    ]);
    let graded_intent = grade(&intent, &context());
    assert_eq!(
        graded_intent.findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        Vec::<String>::new()
    );
    let verdicts = graded_intent.verdicts;
    assert_eq!((verdicts.attributable, verdicts.complete), (Answer::Yes, Answer::Indeterminate));
    assert_eq!(graded_intent.evidence.bits() & (1 << 26 | 1 << 27), 1 << 26);
}

#[test]
fn a_grade_is_told_in_stable_words() {
    let told = serde_json::to_value(graded(&[("/initiator/verified_by", json!("header"))])).unwrap();
    assert_eq!(
        told["findings"],
        json!([{
            "code": "R02", "name": "UNVERIFIED_INITIATOR", "severity": "error", "cause": "wrong",
            "record": "9b2d6f0c4e8a4d71a35cf1e08b7d2a64", "at": ["/initiator/verified_by"],
            "message": "the initiator's name comes from a header"
        }])
    );
    assert_eq!(told["verdicts"]["authorized_known"], "no");
    assert_eq!(told["verdicts"]["transcript_only"], false);
    assert_eq!(told["validity"]["moments"][0]["what"], "decision in-1");
    assert_eq!(told["evidence"], 0x01c1_ffff);
    let words = graded(&[("/initiator/verified_by", json!("header"))]).verdicts.to_string();
    assert!(words.contains("authorized known             no\n"), "{words}");
    assert_eq!(testdata(COMPLETE)["schema"], SCHEMA);
}
