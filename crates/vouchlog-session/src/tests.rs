//! Timelines of sample sessions, and of records no gateway would write.

use std::collections::BTreeSet;
use std::fmt::Write;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use vouchlog_grading::{Answer, Context, Finding, Severity, grade, rule};
use vouchlog_record::{Record, RecordId};
use vouchlog_stream::StatementKind;

use super::*;

mod identities;

fn kept(id: &str, record: Value) -> SessionRecord {
    SessionRecord {
        id: RecordId::new(id).unwrap(),
        record: Record::from_value(record).unwrap().record,
        place: None,
        proof: ProofState::Waiting,
        grade: None,
        erased: None,
        content_shown: true,
        partial: false,
    }
}

fn of(records: Vec<SessionRecord>) -> Timeline {
    Timeline::of("s", records, &SessionContext::default())
}

/// The lines as a tree one can read in a file.
fn outline(timeline: &Timeline) -> String {
    let mut out = String::new();
    for line in &timeline.lines {
        let id = timeline.record_of(line).map_or("-", |record| record.id.as_str());
        let id = if line.step == Step::Record || line.record.is_none() {
            format!("[{id}] ")
        } else {
            String::new()
        };
        let findings: Vec<_> = timeline.findings_of(line).map(|noted| noted.code).collect();
        let findings = if findings.is_empty() { String::new() } else { format!(" !{}", findings.join(" !")) };
        let (indent, step, state) = ("  ".repeat(line.depth), line.step.name(), line.state.name());
        let state = if line.state == State::Shown { String::new() } else { format!(" ({state})") };
        let words: String = line.words.chars().take(160).collect();
        writeln!(out, "{indent}{id}{step}{state}: {words}{findings}").unwrap();
    }
    let summary = &timeline.summary;
    for critical in &summary.critical {
        writeln!(out, "! {}", timeline.critical_words(critical)).unwrap();
    }
    for reply in summary.answers() {
        writeln!(out, "= {:?}: {}", reply.answer, reply.words).unwrap();
        for reason in &reply.reasons {
            writeln!(out, "    {reason}").unwrap();
        }
    }
    summary.happened.iter().for_each(|sentence| writeln!(out, "> {sentence}").unwrap());
    out
}

/// Compares with a file; writes it when `VOUCHLOG_WRITE_GOLDEN` is set.
fn golden(name: &str, text: &str) {
    let path = format!("{}/testdata/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("VOUCHLOG_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{path}");
}

#[test]
fn a_session_in_which_all_is_well() {
    let timeline = sample::timeline(sample::COMPLETE);
    golden("complete.txt", &outline(&timeline));
    assert_eq!(timeline.summary.complete.answer, Answer::Yes);
    assert!(timeline.gaps.is_empty());
}

/// Of the log's findings the critical ones about completeness make it a no, lesser ones a doubt, and the others leave the answer.
#[test]
fn a_log_that_is_not_clean_shows_no_session_to_be_complete() {
    let with = |found: &[(&str, Severity)]| {
        let (session, records, mut known) = sample::read(sample::COMPLETE);
        known.log_findings = found
            .iter()
            .map(|(code, severity)| {
                Finding::reported(rule(code).unwrap(), *severity, "stream 7", "it is wrong")
            })
            .collect();
        Timeline::of(&session, records, &known).summary
    };
    let summary = with(&[("R63", Severity::Warn), ("R60", Severity::Critical)]);
    assert_eq!(summary.complete.answer, Answer::No);
    assert_eq!(summary.complete.reasons, ["the log, stream 7: it is wrong (R60)"]);
    let codes: Vec<_> = summary.log_findings.iter().map(|shown| shown.code).collect();
    assert_eq!(codes, ["R60", "R63"], "the worst first");
    assert_eq!(with(&[("R75", Severity::Error)]).complete.answer, Answer::Indeterminate);
    for harmless in [&[][..], &[("R63", Severity::Warn)], &[("R76", Severity::Critical)]] {
        let summary = with(harmless);
        assert_eq!((summary.complete.answer, summary.log_findings.len()), (Answer::Yes, harmless.len()));
        let is_critical = harmless.iter().any(|(_, severity)| *severity == Severity::Critical);
        assert_eq!(summary.is_whole(), !is_critical, "{harmless:?}");
    }
    let many = with(&[("R74", Severity::Critical); 9]);
    assert_eq!(many.complete.reasons.last().unwrap(), "3 more findings about the log");
}

#[test]
fn a_session_in_which_much_is_not() {
    let timeline = sample::timeline(sample::BROKEN);
    golden("broken.txt", &outline(&timeline));
    assert_eq!(timeline.summary.complete.answer, Answer::No);
    let gaps: Vec<_> =
        timeline.gaps.iter().map(|gap| (gap.of, gap.first, gap.last, gap.declared.is_some())).collect();
    let stream = GapScope::Stream(vouchlog_stream::StreamId::new(7).unwrap());
    let session = GapScope::Session;
    assert_eq!(
        gaps,
        [(session, 4, 5, true), (session, 7, 7, false), (stream, 13, 13, true), (stream, 17, 17, false)]
    );
}

/// What was denied and executed anyway stands first, and nothing says that policy allowed it.
#[test]
fn a_denial_that_was_not_enforced_comes_first() {
    let decisions = |second: Value| {
        let record = json!({
            "kind": "interaction", "correlation": { "session_sequence": 1 },
            "policy": [{ "phase": "input", "id": "refunds", "verdict": "allow", "enforced": "allow" }, second],
            "outcome": { "state": "executed" },
        });
        let mut kept = kept("r", record);
        kept.grade = Some(grade(&kept.record, &Context::default()));
        of(vec![kept])
    };
    let allowed =
        decisions(json!({ "phase": "output", "id": "limit", "verdict": "allow", "enforced": "allow" }));
    let summary = &allowed.summary;
    assert!(
        !summary.critical.iter().any(|critical| critical.finding.code == "R26"),
        "{:?}",
        summary.critical
    );
    assert!(summary.happened[0].contains("policy allowed it (2 decisions)"), "{:?}", summary.happened);
    assert_eq!(summary.actions[0].policy.words, "2 decisions: 2 allow");

    let denied =
        decisions(json!({ "phase": "output", "id": "limit", "verdict": "deny", "enforced": "allow" }));
    let summary = &denied.summary;
    let first = &summary.critical[0];
    assert_eq!((first.finding.code, first.records.as_slice()), ("R26", &[0][..]), "{:?}", summary.critical);
    assert!(denied.critical_words(first).starts_with("Record 1: "), "{}", denied.critical_words(first));
    assert_eq!(summary.policy.answer, Answer::No);
    assert!(!summary.is_whole());
    let told = &summary.happened[0];
    assert!(
        !told.contains("policy allowed it") && told.contains("limit returned deny and allow was enforced"),
        "{told}"
    );
    assert!(told.contains("1 other decision was allow"), "{told}");
    assert_eq!(summary.actions[0].policy.words, "2 decisions: 1 allow, 1 deny");
}

#[test]
fn a_session_of_which_there_is_nothing() {
    let timeline = sample::timeline(sample::EMPTY);
    assert!(timeline.lines.is_empty() && timeline.records.is_empty());
    assert_eq!(timeline.summary.complete.answer, Answer::Indeterminate);
    assert_eq!(timeline.summary.complete.words, "no record of this session is present");
    assert_eq!(timeline.summary.authorised.words, "no action is recorded");
}

#[test]
fn an_outcome_hangs_under_its_intent_and_an_amendment_under_what_it_amends() {
    let record = |kind: &str, number: Value, correlation: Value| {
        let mut correlation = correlation;
        correlation["session_sequence"] = number;
        json!({ "kind": kind, "correlation": correlation })
    };
    let timeline = of(vec![
        kept("amendment", record("interaction", json!(null), json!({ "amends": "outcome-1" }))),
        kept("outcome-2", record("interaction", json!(4), json!({ "intent": "intent-2" }))),
        kept("outcome-1", record("interaction", json!(3), json!({ "intent": "intent-1" }))),
        kept("intent-2", record("intent", json!(2), json!({}))),
        kept("intent-1", record("intent", json!(1), json!({}))),
    ]);
    let heads = timeline.lines.iter().filter(|line| line.step == Step::Record);
    let heads: Vec<_> =
        heads.map(|line| (timeline.record_of(line).unwrap().id.as_str(), line.depth)).collect();
    assert_eq!(
        heads,
        [("intent-1", 0), ("outcome-1", 1), ("amendment", 2), ("intent-2", 0), ("outcome-2", 1)]
    );
    assert!(!timeline.lines.iter().any(|line| line.step == Step::Missing), "{}", outline(&timeline));
}

#[test]
fn a_session_may_be_sealed_again_and_its_seal_counts_no_amendment() {
    let seal = |id: &str, records: u64| {
        kept(id, json!({ "kind": "session-seal", "session_seal": { "records": records } }))
    };
    let outcome = |id: &str, number: u64| {
        kept(id, json!({ "kind": "interaction", "correlation": { "session_sequence": number } }))
    };
    let amendment = || {
        kept("late", json!({ "kind": "interaction", "correlation": { "amends": "one", "causes": ["one"] } }))
    };
    let intent = || kept("intent", json!({ "kind": "intent" }));
    let complete = |mut records: Vec<SessionRecord>| {
        records.push(kept(
            "end",
            json!({ "kind": "interaction", "correlation": { "intent": "intent", "session_sequence": 3 } }),
        ));
        of(records).summary.complete
    };
    let twice = complete(vec![
        outcome("one", 1),
        amendment(),
        seal("s-1", 1),
        outcome("two", 2),
        intent(),
        seal("s-2", 3),
    ]);
    // The records are waiting to be logged; nothing else is in doubt.
    assert_eq!(twice.words, "the session was sealed with 3 records, and all are present");
    assert_eq!(twice.reasons.len(), 1, "{:?}", twice.reasons);
    let short = complete(vec![outcome("one", 1), amendment(), seal("s-1", 3)]);
    assert_eq!(short.answer, Answer::No);
    assert!(
        short.reasons.iter().any(|why| why == "the seal counts 3 records; 2 of them are present"),
        "{:?}",
        short.reasons
    );
}

#[test]
fn the_span_above_comes_first_unless_a_cause_says_otherwise() {
    let record = |number: u64, span: &str, parent: &str, causes: &[&str]| {
        json!({ "kind": "interaction", "correlation": {
            "session_sequence": number, "trace": "t", "span": span, "parent_span": parent, "causes": causes } })
    };
    let order = |causes: &[&str]| -> Vec<String> {
        let timeline =
            of(vec![kept("inner", record(1, "b", "a", &[])), kept("outer", record(2, "a", "", causes))]);
        timeline.records.iter().map(|record| record.id.to_string()).collect()
    };
    assert_eq!(order(&[]), ["outer", "inner"]);
    assert_eq!(order(&["inner"]), ["inner", "outer"]);
}

#[test]
fn a_circle_is_broken_at_the_first_and_told() {
    let record = |cause: &str| json!({ "kind": "interaction", "correlation": { "causes": [cause] } });
    let timeline = of(vec![
        kept("follower", record("c")),
        kept("a", record("c")),
        kept("b", record("a")),
        kept("c", record("b")),
        kept("self", record("self")),
    ]);
    let order: Vec<_> = timeline.records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(order, ["a", "b", "c", "follower", "self"]);
    let warned = timeline.lines.iter().filter(|line| line.step == Step::Warning);
    assert_eq!(warned.map(|line| timeline.record_of(line).unwrap().id.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_loss_covers_only_a_gap_of_its_time() {
    let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
    let records = |with_time: bool| {
        [(1, 0), (3, 20)].map(|(number, second)| {
            let time = if with_time { json!({ "start": at(second) }) } else { json!({}) };
            let correlation = json!({ "session_sequence": number });
            kept(
                &format!("r{number}"),
                json!({ "kind": "interaction", "time": time, "correlation": correlation }),
            )
        })
    };
    let declared = |from: i64, to: i64, with_time: bool| {
        let loss = Loss { entry: None, from: at(from), to: at(to), count: None, cause: None };
        let known = SessionContext { losses: vec![loss], ..SessionContext::default() };
        let timeline = Timeline::of("s", records(with_time).into(), &known);
        assert_eq!((timeline.gaps[0].first, timeline.gaps[0].last), (2, 2));
        timeline.gaps[0].declared.is_some()
    };
    assert_eq!(
        [declared(5, 9, true), declared(15, 30, true), declared(21, 30, true), declared(5, 9, false)],
        [true, true, false, false]
    );
}

#[test]
fn whoever_may_not_read_content_finds_none_in_the_timeline() {
    let (session, mut records, known) = sample::read(sample::COMPLETE);
    records.iter_mut().for_each(|record| record.content_shown = false);
    let timeline = Timeline::of(&session, records, &known);
    let everything = format!("{timeline:?}");
    for content in [
        "OpenTelemetry-themed",
        "Chez Example",
        "San Francisco",
        "needs a person's approval",
        "client dinner",
    ] {
        assert!(!everything.contains(content), "{content}");
    }
    let prompts: Vec<_> =
        timeline.lines.iter().filter(|line| line.step == Step::Prompt).map(|line| line.state).collect();
    assert_eq!(prompts, [State::Redacted; 6]);
}

/// Records whose links, numbers and times are as wild as they come.
fn wild() -> impl Strategy<Value = Vec<SessionRecord>> {
    let id = || (0..12_u8).prop_map(|id| format!("r{id}"));
    let number = prop_oneof![Just(None), (0..8_u64).prop_map(Some), Just(Some(u64::MAX))];
    let one = (
        (id(), prop::sample::select(vec!["interaction", "intent", "session-seal", "declared-loss"]), number),
        (prop::collection::vec(id(), 0..3), prop::option::of(id()), prop::option::of(id())),
        (prop::option::of(0..4_u8), prop::option::of(0..4_u8), -5..5_i64, any::<bool>(), any::<bool>()),
    );
    let record = one.prop_map(|((id, kind, number), (causes, intent, amends), (span, above, at, hidden, shown))| {
        let mut record = json!({
            "kind": kind, "time": { "start": Timestamp::from_second(at).unwrap() },
            "correlation": { "session_sequence": number, "causes": causes, "intent": intent, "amends": amends, "trace": "t",
                "span": span.map(|span| span.to_string()), "parent_span": above.map(|span| span.to_string()) },
            "session_seal": { "records": number, "ids": causes }, "tools": [{ "call_id": "c" }, {}],
            "policy": [{ "target": "c", "verdict": "deny" }], "input": { "content": [{ "role": "\u{202e}" }] },
        });
        if hidden {
            record["correlation"] = json!({ "$": "redacted" });
        }
        SessionRecord { content_shown: shown, ..kept(&id, record) }
    });
    prop::collection::vec(record, 0..14)
}

proptest! {
    #[test]
    fn every_record_has_its_place_once(records in wild()) {
        let given = records.len();
        let timeline = of(records);
        let heads: Vec<_> = timeline.lines.iter().filter(|line| line.step == Step::Record).filter_map(|line| line.record).collect();
        prop_assert_eq!(heads, (0..given).collect::<Vec<_>>());
        for pair in timeline.lines.windows(2) {
            prop_assert!(pair[1].depth <= pair[0].depth + 1, "a line hangs under nothing");
        }
        let turned = timeline.lines.iter().any(|line| line.words.contains('\u{202e}'));
        prop_assert!(!turned);
    }

    #[test]
    fn what_a_record_follows_from_comes_before_it(links in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..3), 1..20), reverse in any::<bool>()) {
        let mut records: Vec<_> = links.iter().enumerate().map(|(place, causes)| {
            let causes: BTreeSet<_> = causes.iter().filter(|_| place > 0).map(|cause| format!("r{}", cause.index(place))).collect();
            // Numbers run against the causes: causes win.
            let correlation = json!({ "session_sequence": 100 - place, "causes": causes });
            kept(&format!("r{place}"), json!({ "kind": "interaction", "correlation": correlation }))
        }).collect();
        if reverse {
            records.reverse();
        }
        let timeline = of(records);
        let mut seen = BTreeSet::new();
        for record in &timeline.records {
            let causes = record.record.body.correlation.value().unwrap().causes.value().unwrap();
            prop_assert!(causes.iter().all(|cause| seen.contains(cause)));
            seen.insert(record.id.clone());
        }
        prop_assert!(!timeline.lines.iter().any(|line| line.step == Step::Warning));
    }
}

#[test]
fn what_comes_after_the_seal_is_told_and_not_counted() {
    let timeline = sample::timeline(sample::BROKEN);
    let late = timeline.lines.iter().filter(|line| line.words.contains("after the session was sealed"));
    assert_eq!(late.map(|line| timeline.record_of(line).unwrap().id.as_str()).collect::<Vec<_>>(), ["r-10"]);
    assert!(timeline.records.iter().any(|record| record.kind == StatementKind::SessionSeal));
}

#[test]
fn numbers_that_two_recorders_gave_are_compared_apart() {
    let numbered = |recorder: &str, number: u64| {
        let record = json!({
            "kind": "interaction", "correlation": { "session_sequence": number }, "custody": { "recorder": recorder }
        });
        kept(&format!("{recorder}-{number}"), record)
    };
    let seal = |recorder: &str, count: u64| {
        let record = json!({
            "kind": "session-seal", "session_seal": { "records": count }, "custody": { "recorder": recorder }
        });
        kept(&format!("{recorder}-seal"), record)
    };
    let gaps = |records: Vec<SessionRecord>| -> Vec<String> {
        let timeline = of(records);
        let told = timeline
            .lines
            .iter()
            .filter(|line| matches!(line.step, Step::Gap | Step::Missing | Step::Warning));
        told.map(|line| line.words.clone()).collect()
    };
    let first = || vec![numbered("a", 1), numbered("a", 2), seal("a", 2)];
    let both = |mut more: Vec<SessionRecord>| {
        let mut all = first();
        all.append(&mut more);
        gaps(all)
    };
    assert_eq!(both(vec![numbered("b", 1), numbered("b", 2), numbered("b", 3), seal("b", 3)]), [""; 0]);
    assert_eq!(
        both(vec![numbered("b", 1), numbered("b", 3), seal("b", 3)]).len(),
        2,
        "one is missing, and the seal counts it"
    );
    // A recorder that goes on where another one stopped.
    assert_eq!(gaps(vec![numbered("a", 1), numbered("b", 2), seal("b", 2)]), [""; 0]);
}

#[test]
fn several_credentials_approvals_and_overrides_are_told_one_by_one() {
    let record = json!({
        "kind": "interaction", "initiator": { "sub": "u-1" },
        "authority": { "mode": "on_behalf_of", "chain": ["u-1", { "principal": "agent-1", "issuer": "https://idp.example" }, { "$": "redacted" }] },
        "workload": { "id": "agent-1" },
        "credentials": [{ "id": "token-1", "type": "access_token" }, { "id": "svid-1", "type": "svid" }],
        "approval": [{ "state": "approved", "approver": "u-2" }, { "state": "pending", "approver": "u-3" }],
        "override": [{ "by": "u-4", "from": "deny" }],
        "tools": [{ "name": "refund", "credential": "token-1" }],
    });
    let told = outline(&of(vec![kept("r-1", record)]));
    for words in [
        "credential: access token token-1",
        "credential: svid svid-1",
        "approval: approved by u-2",
        "approval: pending by u-3",
        "override: u-4 changed deny",
        "with credential token-1",
        "via u-1 → agent-1 → (not shown)",
        "access token token-1 · svid svid-1",
        "approved by u-2; approval pending; overridden by u-4",
        "it was approved by u-2; approval was requested by u-3; u-4 overrode a decision",
    ] {
        assert!(told.contains(words), "{words} is not in\n{told}");
    }
    let withheld =
        outline(&of(vec![kept("r-1", json!({ "kind": "interaction", "credentials": { "$": "redacted" } }))]));
    assert!(withheld.contains("credential (redacted): withheld"), "{withheld}");
}
