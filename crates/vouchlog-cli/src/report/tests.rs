//! Reports of sample sessions, and of text no gateway would write.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use vouchlog_record::{Record, RecordId};
use vouchlog_session::{ProofState, SessionContext, SessionRecord, Timeline, plain, sample};

use super::{html, text};

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

/// Between the tags of the page's only style.
fn style(page: &str) -> &str {
    page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap()
}

#[test]
fn the_page_allows_its_own_style_and_nothing_else() {
    for (_, session) in SESSIONS {
        let page = html(&sample::timeline(session));
        let hash = STANDARD.encode(vouchlog_merkle::sha256(style(&page).as_bytes()).as_bytes());
        let policy =
            format!("default-src &#39;none&#39;; style-src &#39;sha256-{hash}&#39;;").replace("&#39;", "'");
        assert!(page.contains(&policy), "the style's hash is {hash}");
        for forbidden in ["<script", "src=", "href=", "url(", "style=", "@import", "<iframe", "onclick"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
    }
}

#[test]
fn the_page_has_every_record_its_answers_and_its_limits() {
    for (_, session) in SESSIONS {
        let timeline = sample::timeline(session);
        let page = html(&timeline);
        assert_eq!(page.matches("<article").count(), timeline.records.len());
        for record in &timeline.records {
            let summary = format!("Record <code>{}</code>", record.id);
            assert_eq!(page.matches(&summary).count(), 1, "{summary}");
        }
        assert_eq!(page.matches("class=\"between").count(), timeline.gaps.len());
        for words in [
            "Who authorised it?",
            "What identity executed it?",
            "Are all records present?",
            "What it cannot prove",
        ] {
            assert!(page.contains(words), "{words}");
        }
    }
}

#[test]
fn hostile_text_is_text() {
    let page = html(&sample::timeline(sample::BROKEN));
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
    assert!(html(&named).contains("<title>Session \u{fffd}&lt;/title&gt;&lt;script&gt;</title>"));
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
        let page = html(&timeline);
        // Line breaks and the page's own style aside, everything in both is safe to show.
        for out in [&shown, &page.replace(style(&page), "")] {
            for line in out.lines() {
                let safe = plain(line);
                prop_assert_eq!(safe, line);
            }
        }
        // The page has the tags that a page of this shape has, and no more.
        let harmless = hostile(&["a".to_owned()]);
        let tags = |page: &str| page.matches("<article").count();
        prop_assert_eq!(tags(&page), timeline.records.len());
        prop_assert!(tags(&html(&harmless)) == 1 && !page.contains("<script"));
        let as_json = super::json(&timeline);
        prop_assert_eq!(&as_json["session"], &Value::from(timeline.session));
    }
}
