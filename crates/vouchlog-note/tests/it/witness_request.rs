//! Goal: malformed requests to a witness are refused, each for its own reason. Method: tables.

use vouchlog_merkle::{ConsistencyProof, Hash, ProofError, Subtree, SubtreeProof, TreeSize};
use vouchlog_note::{
    AddCheckpoint, AddCheckpointError, NoteError, SignSubtree, SignSubtreeError, UnverifiedNote,
    WitnessRequestError,
};

const NOTE: &str = "log.example\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— a AAAAAAA=\n";
const HASH: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
const LIMIT: usize = 128 * 1024;

fn note() -> UnverifiedNote {
    UnverifiedNote::parse(NOTE.as_bytes()).unwrap()
}

/// A note that alone fills a request.
fn long_note() -> UnverifiedNote {
    UnverifiedNote::from_parts(&("x".repeat(LIMIT) + "\n"), note().lines().to_vec()).unwrap()
}

#[test]
fn malformed_add_checkpoint_requests_are_refused() {
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
    check("old 1\nAAAA\n", &WitnessRequestError::ProofHash { place: 0 }.into());
    check(&format!("old 1\n{HASH}old 1\n"), &WitnessRequestError::ProofHash { place: 1 }.into());
    check(&format!("old 1\n{}", HASH.repeat(64)), &WitnessRequestError::ProofTooLong { limit: 63 }.into());

    let new = |old, note| {
        AddCheckpoint::new(TreeSize::new(old), ConsistencyProof::from_hashes(Vec::new()).unwrap(), note)
    };
    assert!(new(7, note()).is_ok());
    assert_eq!(new(1 << 63, note()).unwrap_err(), AddCheckpointError::OldSize);
    let too_large = new(7, long_note());
    assert!(matches!(too_large, Err(AddCheckpointError::Request(WitnessRequestError::TooLarge { .. }))));

    let longest = format!("old 9223372036854775807\n{}\n{NOTE}", HASH.repeat(63));
    let parsed = AddCheckpoint::parse(longest.as_bytes()).unwrap();
    assert_eq!(parsed.proof().hashes().len(), 63);
    assert_eq!(parsed.to_text(), longest);
}

#[test]
fn malformed_sign_subtree_requests_are_refused() {
    fn check(head: &str, expected: &SignSubtreeError) {
        let request = format!("{head}\n{NOTE}");
        assert_eq!(&SignSubtree::parse(request.as_bytes()).unwrap_err(), expected, "{head}");
    }
    for first in [
        "",
        "subtree",
        "subtree 0",
        "subtree 0 ",
        "subtree  0 1",
        "subtree 0 1 ",
        "subtree 0 1 2",
        "subtree 00 1",
        "subtree 0 -1",
        "Subtree 0 1",
        "subtree 0 9223372036854775808",
        "subtree 18446744073709551616 1",
    ] {
        check(&format!("{first}\n{HASH}"), &SignSubtreeError::FirstLine);
    }
    let invalid = |begin, end| SignSubtreeError::Subtree(ProofError::InvalidSubtree { begin, end });
    check(&format!("subtree 1 3\n{HASH}"), &invalid(1, 3));
    check(&format!("subtree 3 1\n{HASH}"), &invalid(3, 1));
    check("subtree 0 1\n", &SignSubtreeError::SubtreeHash);
    check("subtree 0 1\nAAAA\n", &SignSubtreeError::SubtreeHash);
    let head = format!("subtree 0 1\n{HASH}");
    check(&format!("{head}AAAA\n"), &WitnessRequestError::ProofHash { place: 0 }.into());
    check(&format!("{head}{HASH}AAAA\n"), &WitnessRequestError::ProofHash { place: 1 }.into());
    check(&format!("{head}{}", HASH.repeat(64)), &WitnessRequestError::ProofTooLong { limit: 63 }.into());

    let new = |end, note| {
        let subtree = Subtree::new(0, end).unwrap();
        let proof = SubtreeProof::from_hashes(Vec::new()).unwrap();
        SignSubtree::new(subtree, Hash::from_bytes([7; 32]), proof, note)
    };
    assert!(new(7, note()).is_ok());
    assert_eq!(new(1 << 63, note()).unwrap_err(), SignSubtreeError::FirstLine);
    let too_large = new(7, long_note());
    assert!(matches!(too_large, Err(SignSubtreeError::Request(WitnessRequestError::TooLarge { .. }))));

    let longest = format!("subtree 0 9223372036854775807\n{HASH}{}\n{NOTE}", HASH.repeat(63));
    let parsed = SignSubtree::parse(longest.as_bytes()).unwrap();
    assert_eq!(parsed.proof().hashes().len(), 63);
    assert_eq!(parsed.to_text(), longest);
}

#[test]
fn requests_of_both_kinds_are_bounded_text_with_a_checkpoint() {
    fn check(request: &[u8], expected: WitnessRequestError) {
        assert_eq!(AddCheckpoint::parse(request).unwrap_err(), expected.clone().into());
        assert_eq!(SignSubtree::parse(request).unwrap_err(), expected.into());
    }
    check(b"", WitnessRequestError::NoBlankLine);
    check(b"old 0\n", WitnessRequestError::NoBlankLine);
    check(b"old 0\n\xff", WitnessRequestError::NotUtf8 { at: 6 });
    check(b"old 0\n\nlog\n", WitnessRequestError::Note(NoteError::NoSignatures));
    check(&vec![b'a'; LIMIT + 1], WitnessRequestError::TooLarge { bytes: LIMIT + 1, limit: LIMIT });
}
