//! Goal: malformed proof files are refused, each for its own reason. Method: a table.

use vouchlog_merkle::{InclusionProof, LeafIndex};
use vouchlog_note::{NoteError, ProofFile, ProofFileError, UnverifiedNote};

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
