//! Goal: notes are taken and refused as signed-note and Go have it. Method: Go's cases, the specification's
//! examples, and a table of refusals.

use serde::Deserialize;
use vouchlog_note::{
    Checkpoint, KeyError, LineError, NoteError, Origin, SignatureLine, SignatureType, UnverifiedNote,
    VerifiedSignature, VerifyingKey,
};

use crate::vectors;

#[derive(Deserialize)]
struct GoVectors {
    text: String,
    sig_lines: std::collections::HashMap<String, String>,
    vkeys_valid: Vec<String>,
    open_cases: Vec<OpenCase>,
}

#[derive(Deserialize)]
struct OpenCase {
    note: Option<String>,
    note_b64: Option<String>,
    known: Vec<String>,
    expect: String,
    verified: Option<Vec<String>>,
    unverified: Option<Vec<String>>,
}

fn go_vectors() -> GoVectors {
    vectors::json("golang__mod/sumdb-note-vectors.json")
}

#[test]
fn go_cases_have_their_verdict() {
    use base64::Engine;
    let cases = go_vectors().open_cases;
    assert_eq!(cases.len(), 14);
    for case in cases {
        let note = match (case.note, case.note_b64) {
            (Some(note), None) => note.into_bytes(),
            (None, Some(note)) => base64::engine::general_purpose::STANDARD.decode(note).unwrap(),
            _ => panic!("one note a case"),
        };
        let keys: Vec<VerifyingKey> = case.known.iter().map(|vkey| vkey.parse().unwrap()).collect();
        let opened = UnverifiedNote::parse(&note).and_then(|note| note.verify(&keys));
        let expect = case.expect;
        if expect.starts_with("ok") {
            let opened = opened.unwrap_or_else(|error| panic!("{expect}: {error}"));
            let names = |lines: Vec<&SignatureLine>| -> Vec<String> {
                lines.iter().map(|line| line.name().to_string()).collect()
            };
            assert_eq!(opened.text(), go_vectors().text);
            let verified = names(opened.signatures().iter().map(VerifiedSignature::line).collect());
            let mut ignored = names(opened.ignored_lines().iter().collect());
            // Go drops repeats of unknown lines; we keep every line nobody vouches for.
            ignored.dedup();
            // The case of repeated lines does not say which signatures remain: one of each.
            assert_eq!(verified, case.verified.unwrap_or(vec!["PeterNeumann".to_owned()]), "{expect}");
            assert_eq!(ignored, case.unverified.unwrap_or(vec!["EnochRoot".to_owned()]), "{expect}");
            continue;
        }
        let error = opened.expect_err(&expect);
        let as_expected = match expect.as_str() {
            "error: no verifiable signature" => matches!(error, NoteError::NoKnownSignature { .. }),
            e if e.contains("ambiguous") => matches!(error, NoteError::AmbiguousKey { .. }),
            e if e.contains("invalid signature") => matches!(error, NoteError::InvalidSignature { .. }),
            e if e.contains("Go limit") => {
                matches!(error, NoteError::TooManyLines { lines: 101, limit: 100 })
            }
            e if e.contains("no final newline") => matches!(error, NoteError::NoFinalNewline),
            e if e.contains("control char") => matches!(error, NoteError::ControlCharacter { .. }),
            e if e.contains("invalid UTF-8") => matches!(error, NoteError::NotUtf8 { .. }),
            e => e.contains("malformed"),
        };
        assert!(as_expected, "{expect}, but {error}");
    }
}

#[derive(Deserialize)]
struct SpecExamples {
    signed_note: Example,
    multi_paragraph_note: Example,
    checkpoint_example: Example,
    real_checkpoint_behind_example: Example,
    cosignature_example_line: LineExample,
}

#[derive(Deserialize)]
struct Example {
    note: String,
    vkey: Option<String>,
}

#[derive(Deserialize)]
struct LineExample {
    line: String,
    key_id_hex: String,
    timestamp: u64,
}

#[test]
fn examples_of_the_specifications_parse_and_the_verifiable_ones_verify() {
    let examples: SpecExamples = vectors::json("C2SP__C2SP/spec-examples.json");
    for example in [&examples.signed_note, &examples.real_checkpoint_behind_example] {
        let key: VerifyingKey = example.vkey.as_ref().unwrap().parse().unwrap();
        let note = UnverifiedNote::parse(example.note.as_bytes()).unwrap().verify([&key]).unwrap();
        assert_eq!(note.note(), example.note);
        assert_eq!(note.verified_note(), example.note);
        assert_eq!(note.signatures()[0].key(), &key);
    }
    // Parsing vectors only: the text keeps its blank line.
    let quasimodo = UnverifiedNote::parse(examples.multi_paragraph_note.note.as_bytes()).unwrap();
    assert!(quasimodo.unverified_text().contains(":\n\ned"));
    assert_eq!(quasimodo.lines().len(), 1);

    // The checkpoint of the specification borrows its signature from another log's note.
    let sofa = UnverifiedNote::parse(examples.checkpoint_example.note.as_bytes()).unwrap();
    let real = UnverifiedNote::parse(examples.real_checkpoint_behind_example.note.as_bytes()).unwrap();
    assert_eq!(sofa.lines()[0].payload(), real.lines()[0].payload());

    let example = examples.cosignature_example_line;
    let line: SignatureLine = example.line.trim_end_matches('\n').parse().unwrap();
    assert_eq!(line.id().to_string(), example.key_id_hex);
    assert_eq!(line.payload()[..8], example.timestamp.to_be_bytes());
}

#[test]
fn malformed_notes_are_refused() {
    fn check(note: impl AsRef<[u8]>, expected: &NoteError) {
        let note = note.as_ref();
        let error = UnverifiedNote::parse(note).unwrap_err();
        assert_eq!(&error, expected, "{:?}", String::from_utf8_lossy(note));
    }
    fn check_line(line: &str, source: LineError) {
        check(format!("text\n\n— a AAAAAAA=\n{line}\n"), &NoteError::Line { line: 2, source });
    }
    let line = "— a AAAAAAA=\n";
    assert!(UnverifiedNote::parse(format!("text\n\n{line}").as_bytes()).is_ok());

    check("", &NoteError::NoFinalNewline);
    check("text\n", &NoteError::NoSignatures);
    check("text\n\n", &NoteError::NoSignatures);
    check(format!("text\n{line}"), &NoteError::NoSignatures);
    check(format!("\n{line}"), &NoteError::NoSignatures);
    check("text\n\n— a AAAAAAA=", &NoteError::NoFinalNewline);
    check(format!("text\r\n\n{line}"), &NoteError::ControlCharacter { at: 4, byte: b'\r' });
    check(format!("te\txt\n\n{line}"), &NoteError::ControlCharacter { at: 2, byte: b'\t' });
    check(format!("text\n\n— a\0 AAAAAAA=\n{line}"), &NoteError::ControlCharacter { at: 11, byte: 0 });
    check([b"text\n\n\xff", line.as_bytes()].concat(), &NoteError::NotUtf8 { at: 6 });
    check(format!("text\n\n{}", line.repeat(101)), &NoteError::TooManyLines { lines: 101, limit: 100 });
    check(vec![b'x'; (1 << 20) + 1], &NoteError::TooLarge { bytes: (1 << 20) + 1, limit: 1 << 20 });
    assert!(UnverifiedNote::parse(format!("text\n\n{}", line.repeat(100)).as_bytes()).is_ok());
    let note = format!("text\n\n{line}");
    let too_large = NoteError::TooLarge { bytes: note.len(), limit: note.len() - 1 };
    assert_eq!(UnverifiedNote::parse_within(note.len() - 1, note.as_bytes()).unwrap_err(), too_large);

    check_line("- a AAAAAAA=", LineError::Prefix);
    check_line("—a AAAAAAA=", LineError::Prefix);
    check_line("— a", LineError::Parts);
    check_line("—  AAAAAAA=", LineError::Name(KeyError::EmptyName));
    check_line("— a+b AAAAAAA=", LineError::Name(KeyError::NameCharacter { character: '+' }));
    check_line("— a\u{2003}b AAAAAAA=", LineError::Name(KeyError::NameCharacter { character: '\u{2003}' }));
    check_line("— a b AAAAAAA=", LineError::Base64);
    check_line("— a AAAAAAA= ", LineError::Base64);
    check_line("— a AAAAAAA", LineError::Base64);
    check_line("— a AAAAAAB=", LineError::Base64);
    check_line("— a AAAAA-A=", LineError::Base64);
    check_line("— a AAAAAA==", LineError::Short { bytes: 4 });
    check_line("— a ", LineError::Short { bytes: 0 });
    check(format!("text\n\n{line}\n{line}\n"), &NoteError::NoSignatures);
}

#[test]
fn a_signature_counts_for_its_key_and_text_only() {
    let vectors = go_vectors();
    let key: VerifyingKey = vectors.vkeys_valid[0].parse().unwrap();
    let line = &vectors.sig_lines["PeterNeumann"];
    let verify = |note: String| UnverifiedNote::parse(note.as_bytes()).unwrap().verify([&key]);
    assert!(verify(format!("{}\n{line}", vectors.text)).is_ok());

    let other_text = verify(format!("{}another line\n\n{line}", vectors.text));
    assert!(matches!(other_text, Err(NoteError::InvalidSignature { payload_bytes: 64, .. })));
    // Same ID, other name: not the key's line.
    let other_name = verify(format!("{}\n{}", vectors.text, line.replace("PeterNeumann", "Someone")));
    assert_eq!(other_name.unwrap_err(), NoteError::NoKnownSignature { lines: 1, keys: 1 });
    // The key's line with a byte too few.
    let short: SignatureLine = "— PeterNeumann x08gowA=".parse().unwrap();
    let short = UnverifiedNote::from_parts(&vectors.text, vec![short]).unwrap().verify([&key]);
    assert!(matches!(short, Err(NoteError::InvalidSignature { payload_bytes: 1, .. })));
}

#[test]
fn signers_refuse_what_is_not_theirs_to_sign() {
    let log = vectors::signing_key("a", SignatureType::Ed25519, 1);
    let cosigner = vectors::signing_key("a", SignatureType::CosignatureEd25519, 2);
    assert!(matches!(cosigner.sign_note("text\n"), Err(NoteError::WrongKeyType { .. })));
    let checkpoint = Checkpoint::new(Origin::new("a").unwrap(), vectors::head(1));
    let refused = log.cosign(&checkpoint, 1).unwrap_err();
    assert!(matches!(refused, NoteError::WrongKeyType { .. }));
    let told = "the key a is of type 0x01 (Ed25519), \
                but 0x04 (Ed25519 cosignature) or 0x06 (ML-DSA-44 cosignature) is needed here";
    assert_eq!(refused.to_string(), told);
    assert_eq!(log.sign_note("text").unwrap_err(), NoteError::NoFinalNewline);
    let carriage_return = NoteError::ControlCharacter { at: 0, byte: b'\r' };
    assert_eq!(log.sign_note("\r\n").unwrap_err(), carriage_return);
    let timestamp = 1 << 63;
    let ml_dsa = vectors::signing_key("a", SignatureType::MlDsa44, 3);
    for key in [&cosigner, &ml_dsa] {
        assert_eq!(key.cosign(&checkpoint, timestamp).unwrap_err(), NoteError::Timestamp { timestamp });
        assert!(key.cosign(&checkpoint, timestamp - 1).is_ok());
    }
    assert!(matches!(ml_dsa.sign_note("text\n"), Err(NoteError::WrongKeyType { .. })));
    assert_eq!(UnverifiedNote::from_parts("text\n", vec![]).unwrap_err(), NoteError::NoSignatures);
}
