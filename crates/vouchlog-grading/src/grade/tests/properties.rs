//! What holds for every record: grading never panics, what is withheld is not missing, and saying less never helps.

use proptest::prelude::*;

use super::*;

/// JSON pointers of every member of every object in the groups of a record, outermost first. The head (kind, id, profile, schema) is not
/// evidence; content and parameters are free JSON.
pub(super) fn members(record: &Value) -> Vec<String> {
    fn collect(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(object) if !object.contains_key("$") => {
                for (name, value) in object {
                    let place = format!("{at}/{name}");
                    let is_head = ["/kind", "/id", "/profile", "/schema"].contains(&place.as_str());
                    if is_head {
                        continue;
                    }
                    found.push(place.clone());
                    if !vouchlog_record::is_content(&place) && place != "/model/params" {
                        collect(value, &place, found);
                    }
                }
            }
            Value::Array(list) => {
                for (index, value) in list.iter().enumerate() {
                    collect(value, &format!("{at}/{index}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(record, "", &mut found);
    found
}

/// Every third of them, others for the next record: the records of a table have most members in common.
pub(super) fn third_of_members(record: &Value, nth: usize) -> impl Iterator<Item = String> {
    members(record).into_iter().skip(nth % 3).step_by(3)
}

/// Members whose absence is itself a statement, so that taking them away may change the case for the better:
/// a token without `nbf` holds from `iat`, one without `iat` from `nbf` (RFC 7519 leaves both open), and of a clock that does not say
/// how far it is off a second is assumed, which may be kinder than what it said; an initiator need not name its issuer, nor a decision the
/// policies that determined it, their effects, and those that could not be evaluated.
pub(super) const STATEMENTS: [&str; 10] = [
    "/credential/nbf",
    "/credential/iat",
    "/time/clock",
    "/time/clock/max_error_ms",
    "/initiator/iss",
    "/policy/0/determining",
    "/policy/0/determining/0/id",
    "/policy/0/determining/0/effect",
    "/policy/0/determining/1/effect",
    "/policy/0/unevaluated",
];

fn answers(value: &Value, context: &Context) -> [(&'static str, Answer); 9] {
    grade(&read(value.clone()), context).verdicts.answers()
}

/// No answer is a yes that was none before.
fn assert_no_better(before: &[(&str, Answer)], after: &[(&str, Answer)], what: &str) {
    for ((verdict, before), (_, after)) in before.iter().zip(after) {
        assert!(
            *after != Answer::Yes || *before == Answer::Yes,
            "{verdict} became yes by taking away {what}"
        );
    }
}

fn take_away(value: &mut Value, pointer: &str) {
    edit(value, &[(pointer, Value::Null)]);
}

#[test]
fn taking_any_one_field_away_never_turns_an_answer_into_a_yes() {
    // One for each rule: the test after this one goes through the rest by chance.
    let mut kinds = std::collections::BTreeSet::new();
    let one_of_each = MUTATIONS.iter().filter(|mutation| kinds.insert(mutation.code));
    for (nth, mutation) in one_of_each.enumerate() {
        let value = Value::Object(mutation.record().to_object());
        let context = mutation.context();
        let before = answers(&value, &context);
        for pointer in third_of_members(&value, nth).filter(|pointer| !STATEMENTS.contains(&pointer.as_str()))
        {
            let mut less = value.clone();
            take_away(&mut less, &pointer);
            assert_no_better(
                &before,
                &answers(&less, &context),
                &format!("{pointer} from {}", mutation.what),
            );
        }
    }
}

#[test]
fn what_is_withheld_is_neither_missing_nor_wrong() {
    for name in [COMPLETE, REGULATED, LOW_RISK] {
        let value = testdata(name);
        for pointer in members(&value) {
            for mark in ["redacted", "erased"] {
                let mut less = value.clone();
                edit(&mut less, &[(pointer.as_str(), json!({ "$": mark }))]);
                // A list of lists has no place for a mark; nothing else refuses one.
                let Ok(parsed) = Record::from_value(less) else { panic!("{pointer}") };
                let graded = grade(&parsed.record, &context());
                for finding in &graded.findings {
                    let plain =
                        finding.severity == Severity::Indeterminate && finding.cause != Cause::Missing;
                    assert!(plain, "{pointer} {mark}: {finding}");
                }
                for (verdict, answer) in graded.verdicts.answers() {
                    assert_ne!(answer, Answer::No, "{verdict} without {pointer}");
                }
            }
        }
    }
}

/// JSON of any kind that a field may be given.
fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!({ "$": "redacted" })),
        Just(json!({ "$": "not_applicable" })),
        Just(json!([])),
        Just(json!({})),
        Just(json!([{}, {}])),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "[a-z_]{0,8}".prop_map(Value::from),
        prop_oneof![
            Just("-009999-01-02T01:59:59Z"),
            Just("9999-12-30T22:00:00.9Z"),
            Just("2026-11-18T09:06:42Z"),
            Just("P9999999Y"),
            Just("deny"),
            Just("allow"),
            Just("step_up"),
            Just("modify"),
            Just("executed"),
            Just("approved"),
            Just("hmac-sha256:00"),
            Just("on_behalf_of"),
            Just("schedule"),
            Just("call_A1"),
        ]
        .prop_map(Value::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn grading_never_panics(
        base in prop::sample::select(vec![COMPLETE, REGULATED, LOW_RISK]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), anything()), 1..12),
        claimed in any::<u32>(),
        kind in prop::sample::select(vec!["interaction", "intent", "session-seal", "finding"]),
    ) {
        let mut value = testdata(base);
        value["kind"] = json!(kind);
        for (place, new) in changes {
            let places = members(&value);
            if places.is_empty() {
                break;
            }
            edit(&mut value, &[(place.get(&places).as_str(), new)]);
        }
        if let Ok(parsed) = Record::from_value(value) {
            let record = parsed.record;
            let graded = grade(&record, &context());
            prop_assert!(serde_json::to_value(&graded).is_ok());
            let claimed = Evidence::new(claimed & Evidence::DEFINED & !(1 << 25)).unwrap();
            contradictions(claimed, &record, DisclosureExtent::Whole, &context());
            let name = id("r");
            let facts = SetFacts { whole: true, now: Some(jiff::Timestamp::MAX), ..SetFacts::default() };
            grade_set(&[(name.clone(), &record), (id("s"), &record)], &facts);
            affected_by_revocation([(&name, &record)].into_iter(), "svc", jiff::Timestamp::MAX);
            let mut context = context();
            context.learn(&name, &record);
            grade(&record, &context);
        }
    }

    #[test]
    fn saying_less_and_less_never_turns_an_answer_into_a_yes(
        mutation in 0..MUTATIONS.len(),
        places in prop::collection::vec(any::<prop::sample::Index>(), 1..10),
    ) {
        let mutation = &MUTATIONS[mutation];
        let mut value = Value::Object(mutation.record().to_object());
        let context = mutation.context();
        let mut before = answers(&value, &context);
        for place in places {
            let left: Vec<_> =
                members(&value).into_iter().filter(|pointer| !STATEMENTS.contains(&pointer.as_str())).collect();
            if left.is_empty() {
                break;
            }
            let pointer = place.get(&left);
            take_away(&mut value, pointer);
            let after = answers(&value, &context);
            assert_no_better(&before, &after, &format!("{pointer} after {}", mutation.what));
            before = after;
        }
    }
}
