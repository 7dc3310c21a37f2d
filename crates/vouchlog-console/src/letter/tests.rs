//! What the letter says, and what it must not: names of cases, and anything that steers a terminal or a browser.

use vouchlog_vault::{Refusal, Why};

use super::*;

fn id(name: &str) -> RecordId {
    RecordId::new(name).unwrap()
}

fn letter(person: &str, refusals: Vec<RefusedRecord>) -> Letter {
    let summary = PersonSummary {
        people: [person.to_owned()].into(),
        groups: ["initiator", "input", "<script>"].map(str::to_owned).into(),
        given: [1_795_300_000_000].into(),
        ..PersonSummary::default()
    };
    Letter {
        summary,
        records: Vec::new(),
        basis: "GDPR Art. 17(1)(a)".to_owned(),
        written_at: 1_795_400_000_000,
        erased: [id("r-1"), id("r-2")].into(),
        entries: [17].into(),
        refusals,
        is_unfinished: false,
    }
}

#[test]
fn an_erasure_that_stopped_early_is_not_called_complete() {
    let letter = Letter { is_unfinished: true, ..letter("https://idp.example|u-1", Vec::new()) };
    for said in [letter.text(), page::html(&letter)] {
        assert!(said.contains("The erasure is not finished"), "{said}");
        assert!(!said.contains("remains readable"), "{said}");
    }
}

#[test]
fn it_says_what_was_erased_what_stays_and_until_when() {
    let refusals = [
        ("r-3", Why::LegalHold("case Miller".to_owned())),
        ("r-4", Why::Duty(2_000_000_000_000)),
        ("r-5", Why::UnknownDuty("financial".to_owned())),
    ];
    let refusals = refusals.map(|(record, why)| RefusedRecord::from(&Refusal { record: id(record), why }));
    let letter = letter("https://idp.example|u-1", refusals.to_vec());
    for said in [letter.text(), page::html(&letter)] {
        for part in [
            "https://idp.example|u-1",
            "2 records were erased",
            "entry 17",
            "r-1",
            "r-3: it is needed for legal claims",
            "r-4: the law requires that it is kept until 2033-05-18",
            "r-5: it is of the class `financial`",
            "Backups of this store",
            "2026-11-2",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains("Miller"), "{said}");
    }
}

#[test]
fn a_name_steers_neither_a_terminal_nor_a_browser() {
    let letter = letter("\u{1b}[2J<img src=x onerror=alert(1)>\u{202e}\n* r-9", Vec::new());
    let (text, page) = (letter.text(), page::html(&letter));
    assert!(!page.contains("<img") && !page.contains("<script") && page.contains("&lt;img"), "{page}");
    for said in [&text, &page] {
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said}");
    }
    assert!(!text.contains("\n* r-9"), "{text}");
    assert!(text.contains("No record of you that was found remains readable."));
}
