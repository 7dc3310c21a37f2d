//! Who has to sign an enrolment, and what a note may not say.

use proptest::prelude::*;
use vouchlog_note::{KeyName, SignatureType};

use super::*;
use crate::limits::MAX_REASON_BYTES;

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::generate(KeyName::new(name).unwrap(), SignatureType::Ed25519, [seed; 32]).unwrap()
}

fn operator() -> SigningKey {
    key("log.example.com/operator", 1)
}

fn old() -> SigningKey {
    key("gateway.example.com", 2)
}

fn new() -> SigningKey {
    key("gateway.example.com", 3)
}

fn origin() -> Origin {
    Origin::new("log.example.com").unwrap()
}

fn replacing(reason: ReplacementReason) -> Enrolment {
    let replaces = Some(Replaces { key: old().verifying_key().clone(), reason });
    Enrolment { replaces, ..Enrolment::first(origin(), new().verifying_key().clone()) }
}

fn rotation() -> Enrolment {
    replacing(ReplacementReason::Rotation)
}

fn by_operator(cause: ReplacementCause, words: &str) -> Enrolment {
    replacing(ReplacementReason::Operator { cause, words: words.to_owned() })
}

fn open(note: &str) -> Result<Enrolment, TextError> {
    Enrolment::open(note, &origin(), operator().verifying_key())
}

/// A note of the text, signed by whom one likes.
fn signed(text: &str, by: &[&SigningKey]) -> String {
    sign_all(text, by).unwrap()
}

#[test]
fn a_rotation_is_signed_by_the_old_key_the_new_key_and_the_operator() {
    let handed_over = rotation().cross_sign(&old(), &new()).unwrap();
    assert_eq!(Enrolment::open_rotation(&handed_over, &origin()), Ok(rotation()));
    assert!(open(&handed_over).is_err(), "the operator has not signed");
    let note = Enrolment::countersign(&handed_over, &origin(), &operator()).unwrap();
    let opened = open(&note).unwrap();
    assert_eq!(opened, rotation());
    assert_eq!(opened.rotated_from(), Some(old().verifying_key()));

    let text = rotation().text().unwrap();
    let [old, new, operator, stranger] = [old(), new(), operator(), key("stranger.example.com", 9)];
    for missing in [[&old, &new], [&old, &operator], [&new, &operator], [&stranger, &operator]] {
        let note = signed(&text, &missing);
        assert!(matches!(open(&note), Err(TextError::Note(_))), "{note}");
    }
    // A line that names a key and is not by it refutes the note, whatever else is there.
    let other = Enrolment::first(origin(), new.verifying_key().clone()).text().unwrap();
    let lines = vec![
        old.sign_note(&other).unwrap(),
        new.sign_note(&text).unwrap(),
        operator.sign_note(&text).unwrap(),
    ];
    let forged = UnverifiedNote::from_parts(&text, lines).unwrap().as_str().to_owned();
    assert!(matches!(open(&forged), Err(TextError::Note(_))));
}

#[test]
fn the_operator_alone_signs_no_rotation() {
    assert!(matches!(rotation().sign(&operator()), Err(TextError::Form { .. })));
    assert!(matches!(rotation().cross_sign(&new(), &old()), Err(TextError::Form { .. })));
    let note = by_operator(ReplacementCause::Lost, "x").sign(&operator()).unwrap();
    assert!(matches!(Enrolment::open_rotation(&note, &origin()), Err(TextError::Form { .. })));
    assert!(Enrolment::countersign(&note, &origin(), &operator()).is_err());
    let one_sided = signed(&rotation().text().unwrap(), &[&new()]);
    assert!(Enrolment::countersign(&one_sided, &origin(), &operator()).is_err());
}

#[test]
fn a_replacement_names_its_reason() {
    for cause in ReplacementCause::ALL {
        let enrolment = by_operator(cause, "the disk of eu-1 died");
        let note = enrolment.sign(&operator()).unwrap();
        assert!(note.contains(&format!("\nreason {cause} the disk of eu-1 died\n")), "{note}");
        assert_eq!(open(&note), Ok(enrolment));
    }
    let note = by_operator(ReplacementCause::Lost, " two\nlines ").sign(&operator()).unwrap();
    assert_eq!(open(&note), Ok(by_operator(ReplacementCause::Lost, "two lines")));
    let note = by_operator(ReplacementCause::Error, "").sign(&operator()).unwrap();
    assert_eq!(open(&note), Ok(by_operator(ReplacementCause::Error, "unspecified")));
}

#[test]
fn a_note_that_says_something_else_is_refused_although_it_is_signed() {
    let right = by_operator(ReplacementCause::Lost, "w").text().unwrap();
    let old = old().verifying_key().to_string();
    let long = format!("lost {}", "w".repeat(MAX_REASON_BYTES + 1));
    for (what, by) in [
        ("reason lost w", "reason lost"),
        ("reason lost w", "reason lost "),
        ("reason lost w", "reason stolen w"),
        ("reason lost w", "reason rotation x"),
        ("reason lost w", long.as_str()),
        ("reason lost w\n", ""),
        ("reason lost w\n", "reason lost w\nreason lost w\n"),
        (old.as_str(), new().verifying_key().to_string().as_str()),
        (old.as_str(), key("another.example.com", 2).verifying_key().to_string().as_str()),
        ("replaces ", "replaced "),
    ] {
        assert!(right.contains(what));
        let note = signed(&right.replacen(what, by, 1), &[&operator()]);
        assert!(open(&note).is_err(), "{note}");
    }
    assert!(by_operator(ReplacementCause::Lost, "w").sign(&operator()).is_ok());
}

proptest! {
    #[test]
    fn any_words_give_a_note_that_opens(words in any::<String>(), cause in proptest::sample::select(&ReplacementCause::ALL[..])) {
        let note = by_operator(cause, &words).sign(&operator()).unwrap();
        let opened = open(&note).unwrap();
        prop_assert_eq!(opened.sign(&operator()).unwrap(), note);
    }

    #[test]
    fn random_lines_never_panic_and_what_opens_is_written_again(
        lines in proptest::collection::vec("(replaces|reason|gateway|log) (rotation|lost|error|log.example.com| |\\PC){0,9}", 0..4)
    ) {
        let text = format!("{TITLE}\nlog log.example.com\ngateway {}\n{}\n", new().verifying_key(), lines.join("\n"));
        if let Ok(line) = operator().sign_note(&text)
            && let Ok(note) = UnverifiedNote::from_parts(&text, vec![line])
            && let Ok(opened) = open(note.as_str())
        {
            let again = opened.sign(&operator()).unwrap();
            prop_assert_eq!(again.as_str(), note.as_str());
        }
    }
}
