//! What a report looks like to people.

use std::collections::BTreeMap;

use vouchlog_collector::doctor::{BeforeAfter, Ladder, Open, Question, QuestionEffect, Rung, Silence};
use vouchlog_grading::{Severity, rule};

use super::*;

fn at(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

fn counts<const N: usize>(names: [(&str, u64); N]) -> Counts {
    Counts(names.map(|(name, count)| (name.to_owned(), count)).into())
}

fn service() -> ServiceReport {
    static LINES: std::sync::LazyLock<[String; 1]> = std::sync::LazyLock::new(|| ["user: alice".to_owned()]);
    let missing = Missing {
        rule: rule("R01").unwrap(),
        severity: Severity::Error,
        told: "no initiator is named".to_owned(),
        records: 7,
        critical: 0,
        wrong: 0,
    };
    ServiceReport {
        service: "bot".to_owned(),
        gateway: "acme",
        name: "Acme gateway",
        page: "acme.md",
        records: 7,
        with_content: 6,
        attributable: 0,
        complete: 0,
        credential_valid: 1,
        ladder: Ladder {
            answered: 1,
            questions: vec![
                Rung { question: Question::Authorized, yes: 0 },
                Rung { question: Question::Executor, yes: 7 },
                Rung { question: Question::Credential, yes: 1 },
            ],
            complete: false,
            next: Some(Step::Add {
                suggestion: 0,
                effect: Effect {
                    tried_on: 7,
                    questions: vec![QuestionEffect {
                        question: Question::Authorized,
                        yes: BeforeAfter { before: 0, after: 7 },
                    }],
                    findings: BeforeAfter { before: 14, after: 7 },
                    still_open: vec!["R16"],
                },
            }),
        },
        missing: vec![missing],
        add: vec![Suggestion {
            mends: vec!["R01"],
            findings: 7,
            to: "the gateway's file",
            lines: &*LINES,
            note: "restart it",
        }],
        beyond: vec![Open {
            rules: vec!["R24"],
            findings: 7,
            why: "it asks nobody",
            who: "gateway operator",
        }],
        sources: counts([("gen_ai acme 3", 7)]),
        emitters: counts([("support-app", 7)]),
        arrived: at("2026-11-21T13:00:00Z"),
        sampled: 1,
        dropped_attributes: 4,
        not_understood: 1,
        unknown_members: counts([("/tools/N/colour", 2)]),
        refused: 0,
        conflicts: 2,
        late: 1,
        cut_short: 0,
    }
}

fn unclaimed(service: &str, scope: &str, spans: u64) -> UnclaimedReport {
    UnclaimedReport { service: service.to_owned(), scope: scope.to_owned(), spans }
}

fn report() -> Report {
    let loss = Loss {
        from: Some(at("2026-11-21T12:00:00Z")),
        to: Some(at("2026-11-21T12:01:00Z")),
        count: Some(17),
        cause: Some("disk_budget".to_owned()),
        mode: None,
    };
    let silence = Silence { seconds: 90, from: at("2026-11-21T10:00:00Z"), recorder: "gw".to_owned() };
    Report {
        from: at("2026-11-21T00:00:00Z"),
        to: at("2026-11-22T00:00:00Z"),
        read: 9,
        truncated: true,
        services: vec![service()],
        collector: CollectorState {
            kinds: BTreeMap::from([("interaction", 7), ("intent", 2)]),
            erased: 1,
            findings: BTreeMap::from([("R69".to_owned(), 1)]),
            losses: vec![loss],
            intents_without_outcome: Vec::new(),
            sessions: 3,
            unsealed_sessions: vec!["s-2".to_owned()],
            after_seal: 0,
        },
        heartbeats: HeartbeatReport {
            heartbeats: 2,
            recorders: Vec::new(),
            longest_silence: Some(silence),
            agreeing: 1,
            unchecked: 0,
            disagreeing: Vec::new(),
            sums: Sums { lost: 17, ..Sums::default() },
            doors: BTreeMap::from([("traces".to_owned(), at("2026-11-21T11:59:00Z"))]),
            unclaimed: vec![unclaimed("chat-app", "langfuse-sdk", 12), unclaimed("", "", 1)],
        },
        critical: vec!["bot: accounts of one call contradict each other, in 2 records".to_owned()],
    }
}

#[test]
fn a_service_is_told_what_it_lacks_and_what_to_add() {
    let lines = text(&report());
    for told in [
        "9 records from 2026-11-21T00:00:00Z to 2026-11-22T00:00:00Z\n  more records match",
        "bot — Acme gateway, docs/gateways/acme.md",
        "7 records: 86 % transcripts, 0 % attributable, 0 % complete: no initiator is named",
        "answers 1 of 3 identity questions\n      0 %  who authorised it?\n    100 %  which identity executed it?\n     14 %  was its credential valid?",
        "100 %  R01   no initiator is named (error)",
        "next: add this line to the gateway's file (fixes R01: 7 findings)\n      user: alice\n    note: restart it\n    tried on 7 records",
        "      who authorised it? yes in 7 instead of 0\n      14 findings in the way become 7; still open: R16",
        "R24: it asks nobody\n      who can fix it: gateway operator",
        "unknown members: /tools/N/colour (2)",
        "2 records of calls whose accounts contradict each other",
    ] {
        assert!(lines.contains(told), "{told} is not in\n{lines}");
    }
}

#[test]
fn emitters_that_no_table_understands_are_named() {
    let lines = text(&report());
    for told in [
        "not understood: 13 spans in no mapping table, with nothing on record but this count",
        "  chat-app: 12 spans of langfuse-sdk",
        "  (no service named): 1 span of (no scope named)",
    ] {
        assert!(lines.contains(told), "{told} is not in\n{lines}");
    }
    let mut quiet = report();
    quiet.heartbeats.unclaimed.clear();
    assert!(!text(&quiet).contains("not understood"));
    quiet.heartbeats.unclaimed = (0..11).map(|n| unclaimed(&n.to_string(), "x", 1)).collect();
    assert!(text(&quiet).contains("  and 3 more; --json has them"));
}

#[test]
fn the_collectors_own_state_is_told() {
    let lines = text(&report());
    for told in [
        "kept 2 intent, 7 interaction",
        "1 record erased lawfully",
        "declared lost: 17, from 2026-11-21T12:00:00Z to 2026-11-21T12:01:00Z, disk_budget",
        "3 sessions, 1 of them over and not sealed\n    s-2",
        "findings on record: 1 of R69",
        "2 heartbeats, the longest silence 1m 30s from 2026-11-21T10:00:00Z (gw)",
        "traces: last received 2026-11-21T11:59:00Z",
        "agree with the vault in 1 intervals, disagree in 0",
        "they count 17 items lost",
        "critical\n  bot: accounts of one call contradict each other",
    ] {
        assert!(lines.contains(told), "{told} is not in\n{lines}");
    }
}

#[test]
fn only_all_is_a_hundred_per_cent_and_only_none_is_nothing() {
    for (count, of, told) in
        [(0, 0, "0 %"), (0, 9, "0 %"), (9, 9, "100 %"), (999, 1000, "99 %"), (1, 1000, "1 %"), (1, 3, "33 %")]
    {
        assert_eq!(share(count, of), told, "{count} of {of}");
    }
}
