//! Goal: malformed proof files and add-checkpoint requests are refused, each for its own reason. Method: tables.

use vouchlog_merkle::{ConsistencyProof, InclusionProof, LeafIndex, TreeSize};
use vouchlog_note::{
    AddCheckpoint, AddCheckpointError, NoteError, ProofFile, ProofFileError, UnverifiedNote,
};

const NOTE: &str = "log.example\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— a AAAAAAA=\n";
const HASH: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
const HEADER: &str = "c2sp.org/tlog-proof@v1\n";

#[test]
fn malformed_proof_files_are_refused() {
    fn check(head: &str, expected: &ProofFileError) {
        let file = format!("{head}\n{NOTE}");
        assert_eq!(&ProofFile::parse(file.as_bytes()).unwrap_err(), expected, "{head}");
    }
    fn check_after_header(lines: &str, expected: &ProofFileError) {
        check(&format!("{HEADER}{lines}"), expected);
    }
    check("c2sp.org/tlog-proof@v2\nindex 0\n", &ProofFileError::Header);
    check("index 0\n", &ProofFileError::Header);
    check("", &ProofFileError::Header);
    check_after_header("", &ProofFileError::Index);
    check_after_header("extra AAAA\n", &ProofFileError::Index);
    check_after_header(HASH, &ProofFileError::Index);
    for index in ["", "-1", "+1", "01", "0x1", " 1", "1 ", "one", "18446744073709551616"] {
        check_after_header(&format!("index {index}\n"), &ProofFileError::Index);
    }
    check_after_header("INDEX 0\n", &ProofFileError::Index);
    check_after_header("index 0\nextra AAAA\n", &ProofFileError::ProofHash { place: 0 });
    check_after_header("extra AAAA\nextra AAAA\nindex 0\n", &ProofFileError::Index);
    for extra in ["", "AAA", "AAAB=", "AAA=\r", "?", "AAAA AAAA"] {
        check_after_header(&format!("extra {extra}\nindex 0\n"), &ProofFileError::Extra);
    }
    let long = "A".repeat(64_004);
    let too_large = ProofFileError::ExtraTooLarge { bytes: 48_003, limit: 48_000 };
    check_after_header(&format!("extra {long}\nindex 0\n"), &too_large);
    check_after_header(&format!("index 0\n{HASH}AAAA\n"), &ProofFileError::ProofHash { place: 1 });
    check_after_header(&format!("index 0\n{} \n", HASH.trim_end()), &ProofFileError::ProofHash { place: 0 });
    let too_long = ProofFileError::ProofTooLong { limit: 63 };
    check_after_header(&format!("index 0\n{}", HASH.repeat(64)), &too_long);

    let parse = |file: &[u8]| ProofFile::parse(file).unwrap_err();
    assert_eq!(parse(b""), ProofFileError::NoBlankLine);
    assert_eq!(parse(format!("{HEADER}index 0\n").as_bytes()), ProofFileError::NoBlankLine);
    assert_eq!(parse(b"c2sp\xff"), ProofFileError::NotUtf8 { at: 4 });
    let no_note = format!("{HEADER}index 0\n\n");
    assert_eq!(parse(no_note.as_bytes()), ProofFileError::Note(NoteError::NoFinalNewline));
    let trailing = format!("{HEADER}index 0\n\n{NOTE}trailing\n");
    assert!(matches!(parse(trailing.as_bytes()), ProofFileError::Note(NoteError::Line { line: 2, .. })));
    assert!(matches!(parse(&vec![b'a'; 2 << 20]), ProofFileError::TooLarge { .. }));
}

#[test]
fn a_proof_file_takes_what_its_limits_say() {
    let note = UnverifiedNote::parse(NOTE.as_bytes()).unwrap();
    let no_hashes = || InclusionProof::from_hashes(Vec::new()).unwrap();
    let file = |extra| ProofFile::new(extra, LeafIndex::new(0), no_hashes(), note.clone());
    let largest = file(Some(vec![0xa5; 48_000])).unwrap().to_text();
    assert!(largest.lines().all(|line| line.len() < 64 * 1024));
    assert_eq!(ProofFile::parse(largest.as_bytes()).unwrap().extra(), Some(&[0xa5; 48_000][..]));
    let too_large = ProofFileError::ExtraTooLarge { bytes: 48_001, limit: 48_000 };
    assert_eq!(file(Some(vec![0; 48_001])).unwrap_err(), too_large);
    // No data is no line.
    assert_eq!(file(Some(Vec::new())).unwrap().to_text(), format!("{HEADER}index 0\n\n{NOTE}"));

    let longest = format!("{HEADER}index 18446744073709551615\n{}\n{NOTE}", HASH.repeat(63));
    let parsed = ProofFile::parse(longest.as_bytes()).unwrap();
    assert_eq!(parsed.proof().hashes().len(), 63);
    assert_eq!(parsed.to_text(), longest);
}

#[test]
fn malformed_requests_are_refused() {
    fn check(head: &str, expected: &AddCheckpointError) {
        let request = format!("{head}\n{NOTE}");
        assert_eq!(&AddCheckpoint::parse(request.as_bytes()).unwrap_err(), expected, "{head}");
    }
    for first in
        ["", "old", "old ", "old -1", "old 01", "old 0x1", "old 1 ", "Old 1", "old 9223372036854775808"]
    {
        check(&format!("{first}\n"), &AddCheckpointError::OldSize);
    }
    check(HASH, &AddCheckpointError::OldSize);
    check("old 1\nAAAA\n", &AddCheckpointError::ProofHash { place: 0 });
    check(&format!("old 1\n{HASH}old 1\n"), &AddCheckpointError::ProofHash { place: 1 });
    check(&format!("old 1\n{}", HASH.repeat(64)), &AddCheckpointError::ProofTooLong { limit: 63 });

    let parse = |request: &[u8]| AddCheckpoint::parse(request).unwrap_err();
    assert_eq!(parse(b""), AddCheckpointError::NoBlankLine);
    assert_eq!(parse(b"old 0\n"), AddCheckpointError::NoBlankLine);
    assert_eq!(parse(b"old 0\n\xff"), AddCheckpointError::NotUtf8 { at: 6 });
    assert_eq!(parse(b"old 0\n\nlog\n"), AddCheckpointError::Note(NoteError::NoSignatures));
    let limit = 128 * 1024;
    assert_eq!(parse(&vec![b'a'; limit + 1]), AddCheckpointError::TooLarge { bytes: limit + 1, limit });

    let unsent = |old, note: &UnverifiedNote| {
        AddCheckpoint::new(
            TreeSize::new(old),
            ConsistencyProof::from_hashes(Vec::new()).unwrap(),
            note.clone(),
        )
    };
    let note = UnverifiedNote::parse(NOTE.as_bytes()).unwrap();
    assert!(unsent(7, &note).is_ok());
    assert_eq!(unsent(1 << 63, &note).unwrap_err(), AddCheckpointError::OldSize);
    let long_text = "x".repeat(limit) + "\n";
    let long_note = UnverifiedNote::from_parts(&long_text, note.lines().to_vec()).unwrap();
    assert!(matches!(unsent(7, &long_note), Err(AddCheckpointError::TooLarge { .. })));

    let longest = format!("old 9223372036854775807\n{}\n{NOTE}", HASH.repeat(63));
    let parsed = AddCheckpoint::parse(longest.as_bytes()).unwrap();
    assert_eq!(parsed.proof().hashes().len(), 63);
    assert_eq!(parsed.to_text(), longest);
}
