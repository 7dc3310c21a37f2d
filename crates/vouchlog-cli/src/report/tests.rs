//! Reports of sample sessions, and of text no gateway would write.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use vouchlog_auditor::{
    AuditReport, Checked, CheckpointReport, FindingKind, OperatorReport, StreamReport, WitnessRotationReport,
};
use vouchlog_record::{Record, RecordId};
use vouchlog_session::{ProofState, SessionContext, SessionRecord, Timeline, plain, sample};

use super::{AuditMade, EvidenceName, Provenance, SessionMade, WitnessSeen, text};

const SESSIONS: [(&str, &str); 3] =
    [("complete", sample::COMPLETE), ("broken", sample::BROKEN), ("empty", sample::EMPTY)];

/// Compares with a file; writes it when `VOUCHLOG_WRITE_GOLDEN` is set.
fn golden(name: &str, text: &str) {
    let path = format!("{}/testdata/report/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("VOUCHLOG_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap() == text, "{path} differs: write it anew and compare");
}

/// Text without colours.
fn without_colours(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| out + part.split_once('m').unwrap().1)
}

fn longest_line(text: &str) -> usize {
    text.lines().map(textwrap::core::display_width).max().unwrap_or_default()
}

#[test]
fn text_is_as_it_was() {
    for (name, session) in SESSIONS {
        golden(&format!("{name}.txt"), &text(&sample::timeline(session), 100, false));
    }
}

#[test]
fn json_is_as_it_was_with_each_record_as_it_came() {
    for (name, session) in SESSIONS {
        let timeline = sample::timeline(session);
        let mut value = super::json(&timeline);
        for (shown, recorded) in value["records"].as_array_mut().unwrap().iter_mut().zip(&timeline.records) {
            assert_eq!(shown["record"].take(), Value::Object(recorded.record.to_object()));
        }
        golden(&format!("{name}.json"), &format!("{value:#}\n"));
    }
}

#[test]
fn text_fits_its_width_and_colours_add_nothing() {
    for (name, session) in SESSIONS {
        let timeline = sample::timeline(session);
        for width in [60, 80, 137] {
            let shown = text(&timeline, width, false);
            assert!(longest_line(&shown) <= width, "{name} at {width}: {}", longest_line(&shown));
            let coloured = text(&timeline, width, true);
            assert_eq!(without_colours(&coloured), shown, "{name} at {width}");
            assert!(coloured.len() > shown.len());
        }
        assert_eq!(text(&timeline, 0, false), text(&timeline, 60, false));
    }
}

fn made<'a>() -> Provenance<'a> {
    let at = "2026-11-27T09:14:20Z".parse().unwrap();
    Provenance { at, keys: Vec::new(), policy: None, source: "the vault ./vault".to_owned() }
}

/// The pages of a session.
fn pages(timeline: &Timeline) -> Vec<String> {
    let made = SessionMade { made: made(), content: None, audits: 0 };
    let files = super::session(timeline, &made, "session.html");
    files.into_iter().map(|file| file.html).collect()
}

/// The first of them, without its style.
fn page(timeline: &Timeline) -> String {
    let page = pages(timeline).swap_remove(0);
    let (head, rest) = page.split_once("<style>").unwrap();
    format!("{head}{}", rest.split_once("</style>").unwrap().1)
}

/// A session of so many records, each with the findings of a record that states next to nothing.
fn long(number: u64) -> Timeline {
    let record = |place: u64| {
        let value = json!({
            "kind": "interaction",
            "time": { "start": Timestamp::from_second(1_767_225_600 + i64::try_from(place).unwrap()).unwrap() },
            "correlation": { "session": "long", "session_sequence": place },
            "output": { "content": [{ "role": "assistant", "content": "x".repeat(3_000) }] },
            "otel": { "attributes": (0..200).map(|at| (format!("name{at}"), Value::from("y".repeat(300)))).collect::<serde_json::Map<_, _>>() },
        });
        let parsed = Record::from_value(value).unwrap();
        SessionRecord {
            id: RecordId::new(&format!("r-{place}")).unwrap(),
            grade: Some(vouchlog_grading::grade(&parsed.record, &vouchlog_grading::Context::default())),
            record: parsed.record,
            place: None,
            proof: ProofState::Waiting,
            erased: None,
            content_shown: true,
            partial: false,
        }
    };
    Timeline::of("long", (1..=number).map(record).collect(), &SessionContext::default())
}

/// Every link of a page, and every anchor.
fn links_and_anchors(page: &str) -> (Vec<String>, Vec<String>) {
    let all = |before: &str| {
        let parts = page.split(before).skip(1);
        parts.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    (all("href=\""), all(" id=\""))
}

#[test]
fn a_page_states_how_it_was_made_and_what_was_not_checked() {
    for (_, session) in SESSIONS {
        let timeline = sample::timeline(session);
        let page = page(&timeline);
        for words in [
            "2026-11-27 09:14:20",
            concat!("vouchlog ", env!("CARGO_PKG_VERSION")),
            "the vault ./vault",
            "none given: no proof was verified",
            "none given: no cosignature was verified",
            "<h2>Not checked</h2>",
            "Traffic that bypassed the gateways",
            "No report of an audit was given",
            "Who authorised it?",
            "What did policy decide?",
            "Which data was involved?",
            "Is anything missing?",
        ] {
            assert!(page.contains(words), "{words}");
        }
        for forbidden in ["<script", "src=", "style=", "href=\"http", "<iframe", "onclick"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert_eq!(page.matches("<h1").count(), 1);
    }
}

/// The fault that this repairs: the worst finding of a session stood in the timeline alone, beside cards that read "Known" and "Yes".
#[test]
fn the_worst_findings_are_at_the_top_and_lead_to_their_records() {
    let timeline = sample::timeline(sample::BROKEN);
    let page = page(&timeline);
    let alarm = page.split("class=\"alarm").nth(1).unwrap().split("class=\"qs\"").next().unwrap();
    let critical: Vec<_> = timeline.summary.critical.iter().map(|one| one.finding.code).collect();
    assert!(!critical.is_empty() && critical.len() <= 5);
    for code in critical {
        assert!(alarm.contains(code), "{code} is not in the alarm");
    }
    assert!(page.find("class=\"alarm").unwrap() < page.find("class=\"qs\"").unwrap());
}

#[test]
fn every_record_and_finding_has_an_anchor_and_every_link_leads_to_one() {
    for timeline in [sample::timeline(sample::COMPLETE), sample::timeline(sample::BROKEN), long(120)] {
        let pages = pages(&timeline);
        let names: Vec<String> = (1..=pages.len())
            .map(|at| if at == 1 { "session.html".into() } else { format!("session-{at}.html") })
            .collect();
        let read: Vec<_> = pages.iter().map(|page| links_and_anchors(page)).collect();
        for (number, (links, anchors)) in read.iter().enumerate() {
            let mut unique = anchors.clone();
            unique.sort();
            unique.dedup();
            assert_eq!(unique.len(), anchors.len(), "an anchor is there twice");
            for link in links {
                let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
                let on = if file.is_empty() {
                    number
                } else {
                    names.iter().position(|name| name == file).unwrap()
                };
                assert!(anchor.is_empty() || read[on].1.iter().any(|there| there == anchor), "{link}");
            }
        }
        for (place, record) in timeline.records.iter().enumerate() {
            let anchors = &read[place / 50].1;
            assert!(anchors.contains(&format!("r{}", place + 1)));
            for finding in 1..=record.findings.len() {
                assert!(
                    anchors.contains(&format!("r{}-f{finding}", place + 1)),
                    "{}: finding {finding}",
                    record.id
                );
            }
        }
    }
}

/// The fault that this repairs: 300 records were one page of 6 MB.
#[test]
fn a_long_session_is_pages_of_bounded_size() {
    let timeline = long(120);
    let pages = pages(&timeline);
    assert_eq!(pages.len(), 3);
    for (page, records) in pages.iter().zip([50, 50, 20]) {
        assert_eq!(page.matches("<details class=\"rec d").count(), records);
        assert!(page.len() < 3 << 20, "{} bytes", page.len());
        assert!(page.contains("aria-current=\"page\""));
    }
    assert!(pages[0].contains("are not shown here, to keep the page small"));
    assert!(pages[2].contains("Records 101 to 120 of 120"));
}

#[test]
fn a_page_has_each_record_once_and_each_gap() {
    for (_, session) in SESSIONS {
        let timeline = sample::timeline(session);
        let page = page(&timeline);
        for record in &timeline.records {
            assert_eq!(
                page.matches(&format!("<code>{}</code> · entry", record.id)).count(),
                usize::from(record.place.is_some()),
                "{}",
                record.id
            );
        }
        let gaps = timeline.lines.iter().filter(|line| line.record.is_none()).count();
        assert_eq!(page.matches("<header><h3>").count(), gaps);
    }
}

#[test]
fn hostile_text_is_text() {
    let page = page(&sample::timeline(sample::BROKEN));
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && page.contains("&lt;b&gt;u-1&lt;/b&gt;")
    );
    assert!(
        page.contains("(3,000 characters not shown)"),
        "a long answer is cut, and what is cut is counted"
    );
    let shown = text(&sample::timeline(sample::BROKEN), 100, false);
    for unsafe_char in ['\u{1b}', '\u{202e}', '\u{202c}'] {
        assert!(!page.contains(unsafe_char) && !shown.contains(unsafe_char), "{unsafe_char:?}");
    }
    let named = Timeline::of("\u{202e}</title><script>", Vec::new(), &SessionContext::default());
    assert!(pages(&named)[0].contains("<title>Session \u{fffd}&lt;/title&gt;&lt;script&gt;</title>"));
    let made = SessionMade { made: made(), content: None, audits: 0 };
    let file = super::session(&long(60), &made, "javascript:a\"b.html").swap_remove(0);
    assert!(file.html.contains("href=\"javascript%3Aa%22b-2.html\""));
}

fn audited(report: &AuditReport) -> String {
    let witness = WitnessSeen { name: "<w>".into(), size: Err("it does not respond".into()) };
    let evidence = EvidenceName { path: "evidence/01.json".into(), digest: "ab".repeat(32) };
    super::audit(&AuditMade { made: made(), report, witnesses: vec![witness], evidence: vec![evidence] })
}

fn report(edits: &[(&str, Value)]) -> AuditReport {
    let stream = |id: u64, gateway: &str, complete: bool| StreamReport {
        stream: id,
        gateway: gateway.to_owned(),
        gateway_key_id: Some("0a0b0c0d".to_owned()),
        status: "open",
        continues: None,
        statements: 40,
        signed: 38,
        complete,
        pruned: false,
        heads: 2,
        newest_head: None,
        declared_losses: 0,
        interactions: 30,
        evidence: [("attributable", 24), ("policy decision", 9), ("credential not valid", 2)]
            .into_iter()
            .collect(),
    };
    let mut report = AuditReport {
        continues: None,
        pruning: None,
        gateways: Vec::new(),
        operators: Vec::new(),
        witness_rotations: Vec::new(),
        retired: None,
        findings: Vec::new(),
        counts: std::collections::BTreeMap::new(),
        origin: "log.example.com/<b>".to_owned(),
        checkpoint: Some(CheckpointReport {
            size: 100,
            root: "cd".repeat(32),
            note: "log.example.com\n100\n\n— <i>\n".to_owned(),
            cosigned_by: vec!["w1".to_owned()],
            newest_cosignature: Some(1_767_225_600),
            quorum: true,
            compared: 2,
        }),
        checked: Checked { entries: 100, rules: true, statements: 80, ..Checked::default() },
        streams: vec![
            stream(3, "b.example", true),
            stream(4, "b.example", true),
            stream(9, "a.example", true),
        ],
        quotas: Vec::new(),
    };
    for (what, value) in edits {
        match *what {
            "gap" => {
                report.counts.insert(FindingKind::StreamGap, 1);
                report.streams[2].complete = false;
            }
            "before" => report.checked.before = value.as_u64().unwrap(),
            "entries" => report.checked.entries = value.as_u64().unwrap(),
            "split" => _ = report.counts.insert(FindingKind::SplitView, 1),
            "quorum" => report.checkpoint.as_mut().unwrap().quorum = false,
            _ => report.checkpoint = None,
        }
    }
    report
}

/// The fault that this repairs: the page had no date, key or scope, said nothing of what was not checked, and listed 21 percentages in a
/// column.
#[test]
fn an_audit_is_a_working_paper() {
    let page = audited(&report(&[]));
    for words in [
        "2026-11-27 09:14:20",
        "the whole log, entries 0 to 99",
        "The log is sound",
        "No stream has a gap",
        "<h2>Not checked</h2>",
        "No policy was given",
        "it does not respond",
        "b.example <span class=\"soft s\">60 interactions</span>",
        ">80 %</span>",
        ">30 %</span>",
        "a credential that was not valid",
        "No gap, 2 not signed yet",
        "Prepared by",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(
        page.contains("log.example.com/&lt;b&gt;")
            && page.contains("— &lt;i&gt;")
            && page.contains("&lt;w&gt;")
    );
}

/// A key that changed is a fact, and no finding. The first key of an operator is no change.
#[test]
fn an_audit_lists_the_keys_that_changed() {
    let operator = |id: &str, since: u64, cause: Option<&'static str>| OperatorReport {
        vkey: "<o>".to_owned(),
        key_id: id.to_owned(),
        since,
        cause,
        words: "<i>".to_owned(),
    };
    let mut report = report(&[]);
    report.operators = vec![operator("0a0b0c0d", 0, None)];
    assert!(!audited(&report).contains("Keys that changed"));
    report.operators.push(operator("1a1b1c1d", 7, Some("rotation")));
    let rotation = WitnessRotationReport { vkey: "<w2>".to_owned(), replaces: "<w1>".to_owned(), index: 9 };
    report.witness_rotations.push(rotation);
    let page = audited(&report);
    for words in [
        "Keys that changed",
        "key rotated to 1a1b1c1d (entry 7)",
        "key &lt;w1&gt; rotated to &lt;w2&gt; (entry 9)",
        "The log is sound",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("0a0b0c0d (entry 0)") && !page.contains("<i>"));
}

/// A wrong *yes* is the worst that a page can show.
#[test]
fn a_log_is_called_sound_only_if_all_of_it_was_verified() {
    for (edits, shown) in [
        (vec![("split", json!(1))], "The log is not sound"),
        (vec![("entries", json!(99))], "Not every entry could be verified"),
        (vec![("checkpoint", json!(null))], "no checkpoint that the log signed"),
        (vec![("quorum", json!(false))], "Witnesses do not confirm it"),
        (vec![("gap", json!(1))], "1 stream is incomplete"),
    ] {
        let page = audited(&report(&edits));
        assert!(page.contains(shown), "{shown}");
        let is_of_log = !shown.contains("stream is") && !shown.contains("Witnesses");
        assert!(!is_of_log || !page.contains("The log is sound"), "{shown}");
        assert!(!shown.contains("stream is") || !page.contains("No stream has a gap"));
    }
    let again = audited(&report(&[("before", json!(60)), ("entries", json!(40))]));
    assert!(
        again.contains("The log is sound")
            && again.contains("Nothing was changed or removed since the last audit")
    );
    assert!(again.contains("Findings of earlier audits are not repeated here"));
}

fn hostile(parts: &[String]) -> Timeline {
    let part = |place: usize| parts[place % parts.len()].clone();
    let record = json!({
        "kind": "interaction", "time": { "start": Timestamp::UNIX_EPOCH },
        "initiator": { "kind": "human", "sub": part(0), "iss": part(1) },
        "input": { "content": [{ "role": part(2), "content": part(3) }] },
        "tools": [{ "name": part(4), "arguments": { part(5): part(6) }, "downstream": [{ "target": part(7) }] }],
        "policy": [{ "verdict": "deny", "reason": part(8), "reason_text": part(9) }],
        part(10): { part(11): part(12) },
    });
    let records = Record::from_value(record).map(|parsed| SessionRecord {
        id: RecordId::new("r").unwrap(),
        grade: Some(vouchlog_grading::grade(&parsed.record, &vouchlog_grading::Context::default())),
        record: parsed.record,
        place: None,
        proof: ProofState::Witnessed { by: vec![part(13)], until: Some(u64::MAX) },
        erased: None,
        content_shown: true,
        partial: true,
    });
    let known = SessionContext { notes: vec![part(14)], ..SessionContext::default() };
    Timeline::of(&part(15), records.into_iter().collect(), &known)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_breaks_out(parts in prop::collection::vec("\\PC{0,40}|.{0,20}|[<>&\"'\u{202a}-\u{202e}\u{0}-\u{1f}]{0,20}|x{500}", 1..20), width in 0_usize..200) {
        let timeline = hostile(&parts);
        let shown = text(&timeline, width, false);
        prop_assert!(longest_line(&shown) <= width.max(60));
        let page = page(&timeline);
        // Line breaks aside, everything in both is safe to show.
        for out in [&shown, &page] {
            for line in out.lines() {
                let safe = plain(line);
                prop_assert_eq!(safe, line);
            }
        }
        // The page has the tags that a page of this shape has, and no more.
        let tags = |page: &str| page.matches("<details class=\"rec d").count();
        prop_assert_eq!(tags(&page), timeline.records.len());
        prop_assert!(!page.contains("<script"));
        let as_json = super::json(&timeline);
        prop_assert_eq!(&as_json["session"], &Value::from(timeline.session));
    }
}
