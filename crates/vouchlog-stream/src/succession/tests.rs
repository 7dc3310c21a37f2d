//! What shows that a log ended and that another continues it, and that nothing else does.

use proptest::prelude::*;
use vouchlog_merkle::CompactRange;
use vouchlog_note::{Checkpoint, KeyName};

use super::*;
use crate::RetirementCause;

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::generate(KeyName::new(name).unwrap(), SignatureType::Ed25519, [seed; 32]).unwrap()
}

fn old() -> SigningKey {
    key("log.example.com/2025", 1)
}

fn new() -> SigningKey {
    key("log.example.com/2026", 2)
}

fn retirement() -> Retirement {
    let (log, successor) = (old().verifying_key().clone(), new().verifying_key().clone());
    Retirement { log, successor, cause: RetirementCause::Planned, words: "a new year".to_owned() }
}

fn entry() -> Vec<u8> {
    let note = retirement().sign(&old(), &new()).unwrap();
    Entry::LogRetired { logged_at: LoggedAt::from_millis(7).unwrap(), note }.encode()
}

/// A checkpoint of a tree whose leaves are these entries, signed by `by`, and the inclusion proof of one of them.
fn logged(entries: &[Vec<u8>], index: u64, by: &SigningKey) -> (InclusionProof, String) {
    let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let mut range = CompactRange::new();
    range.extend(&leaves);
    let size = TreeSize::new(leaves.len() as u64);
    let head = TreeHead { size, root: range.root().unwrap() };
    let plan = InclusionProof::plan(LeafIndex::new(index), size).unwrap();
    let hash = |node: &vouchlog_merkle::NodeId| {
        let begin = usize::try_from(node.index << node.level).unwrap();
        let mut part = CompactRange::new();
        part.extend(&leaves[begin..begin + (1 << node.level)]);
        part.root().unwrap()
    };
    let hashes: Vec<Hash> = plan.nodes().iter().map(hash).collect();
    let proof = InclusionProof::from_nodes(&plan, &hashes).unwrap();
    let origin = Origin::new(by.verifying_key().name().as_str()).unwrap();
    let signed = SignedCheckpoint::sign(&Checkpoint::new(origin, head), by).unwrap();
    (proof, signed.note().to_owned())
}

fn entries_before() -> Vec<Vec<u8>> {
    (0..6_u8).map(|at| vec![at]).collect()
}

/// A log of seven entries whose last one is the retirement.
fn proof() -> RetirementProof {
    let entries = [entries_before(), vec![entry()]].concat();
    let (proof, checkpoint) = logged(&entries, 6, &old());
    RetirementProof::new(&entry(), proof, checkpoint.as_bytes()).unwrap()
}

#[test]
fn a_log_that_ended_is_shown_by_its_last_entry() {
    let proof = proof();
    assert_eq!((proof.head().size.get(), proof.logged_at().millis()), (7, 7));
    assert_eq!(*proof.retirement(), retirement());
    let read = RetirementProof::open_of(proof.to_text().as_bytes(), old().verifying_key()).unwrap();
    assert_eq!((read.to_text(), read.head()), (proof.to_text(), proof.head()));
    let other = RetirementProof::open_of(proof.to_text().as_bytes(), new().verifying_key()).unwrap_err();
    assert_eq!(other, SuccessionError::OtherLog(old().verifying_key().to_string()));
}

#[test]
fn a_retirement_that_is_not_the_last_entry_shows_no_end() {
    let entries = [entries_before(), vec![entry(), vec![9]]].concat();
    let (inclusion, checkpoint) = logged(&entries, 6, &old());
    let note = UnverifiedNote::parse(checkpoint.as_bytes()).unwrap();
    let file = ProofFile::new(Some(entry()), LeafIndex::new(6), inclusion, note).unwrap();
    let error = RetirementProof::open(file.to_text().as_bytes()).unwrap_err();
    assert_eq!(error, SuccessionError::NotLast { index: 6, size: 8 });
}

#[test]
fn another_entry_key_or_tree_shows_no_end() {
    let entries = [entries_before(), vec![entry()]].concat();
    let (inclusion, checkpoint) = logged(&entries, 6, &old());
    let open = |entry: &[u8], checkpoint: &str| {
        RetirementProof::new(entry, inclusion.clone(), checkpoint.as_bytes()).map(drop).unwrap_err()
    };
    let genesis = Entry::Genesis { logged_at: LoggedAt::default(), note: "a\n\nb\n".into() }.encode();
    assert_eq!(open(&genesis, &checkpoint), SuccessionError::NotARetirement);
    let mut later = entry();
    later[6] = 8;
    assert!(matches!(open(&later, &checkpoint), SuccessionError::Proof(ProofFileError::NotIncluded { .. })));
    // The successor's key signs nothing for the log, whatever it calls itself.
    let (_, by_new) = logged(&entries, 6, &new());
    assert!(matches!(open(&entry(), &by_new), SuccessionError::Checkpoint(_)));
    let (_, by_thief) = logged(&entries, 6, &key("log.example.com/2025", 9));
    assert!(matches!(open(&entry(), &by_thief), SuccessionError::Checkpoint(_)));
}

#[test]
fn a_continuation_comes_back() {
    let continuation = Continuation::new(proof());
    let note = continuation.sign(&new()).unwrap();
    assert!(
        note.starts_with("vouchlog/v1 continue\nlog log.example.com/2026\npredecessor log.example.com/2025+")
    );
    let opened = Continuation::open(&note, new().verifying_key()).unwrap();
    assert_eq!((opened.head(), opened.predecessor()), (proof().head(), old().verifying_key()));
    assert_eq!(opened.predecessor_origin().as_str(), "log.example.com/2025");
    assert_eq!(opened.proof().to_text(), proof().to_text());
    let entry = Entry::LogContinued { logged_at: LoggedAt::default(), note };
    assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
}

#[test]
fn only_the_named_successor_continues_a_log() {
    let named = new().verifying_key().to_string();
    for other in [old(), key("log.example.com/2026", 3), key("log.example.com/2027", 2)] {
        let error = Continuation::new(proof()).sign(&other).unwrap_err();
        assert_eq!(error, SuccessionError::OtherSuccessor(named.clone()));
    }
    let note = Continuation::new(proof()).sign(&new()).unwrap();
    assert!(Continuation::open(&note, old().verifying_key()).is_err());
    assert!(Continuation::open(&note, key("log.example.com/2026", 3).verifying_key()).is_err());
}

#[test]
fn a_continuation_that_says_something_else_is_refused_although_it_is_signed() {
    let note = Continuation::new(proof()).sign(&new()).unwrap();
    let text = UnverifiedNote::parse(note.as_bytes()).unwrap().unverified_text().to_owned();
    let root = proof().head().root.to_string();
    for (what, by) in [
        ("log log.example.com/2026", "log log.example.com/2027"),
        ("size 7", "size 8"),
        ("size 7", "size 07"),
        (root.as_str(), "0".repeat(64).as_str()),
        (root.as_str(), root.to_uppercase().as_str()),
        ("\n\nc2sp.org", "\nmore\n\nc2sp.org"),
        ("\n\nc2sp.org", "\n\n\nc2sp.org"),
        ("\n\nc2sp.org", "\nc2sp.org"),
        ("index 6", "index 5"),
        ("index 6", "index 06"),
        (&old().verifying_key().to_string(), &new().verifying_key().to_string()),
    ] {
        assert!(text.contains(what), "{what}");
        let altered = sign(&text.replacen(what, by, 1), &new()).unwrap();
        assert!(Continuation::open(&altered, new().verifying_key()).is_err(), "`{what}` replaced by `{by}`");
    }
    assert_eq!(
        Continuation::open(&"x".repeat(MAX_CONTINUATION_BYTES + 1), new().verifying_key()).unwrap_err(),
        SuccessionError::Length(MAX_CONTINUATION_BYTES + 1)
    );
}

#[test]
fn no_bit_of_a_proof_or_a_continuation_can_be_changed() {
    let proof = proof().to_text();
    for bit in 0..proof.len() * 8 {
        let mut bytes = proof.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let opened = RetirementProof::open_of(&bytes, old().verifying_key());
        assert!(opened.is_err(), "bit {bit} of the proof");
    }
    let note = Continuation::new(super::tests::proof()).sign(&new()).unwrap();
    for bit in 0..note.len() * 8 {
        let mut bytes = note.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(text) = String::from_utf8(bytes) else { continue };
        assert!(Continuation::open(&text, new().verifying_key()).is_err(), "bit {bit} of the note");
    }
}

#[test]
fn cosignatures_of_the_final_checkpoint_are_kept() {
    let witness = SigningKey::generate(
        KeyName::new("witness.example.com").unwrap(),
        SignatureType::CosignatureEd25519,
        [5; 32],
    )
    .unwrap();
    let entries = [entries_before(), vec![entry()]].concat();
    let (inclusion, checkpoint) = logged(&entries, 6, &old());
    let origin = Origin::new("log.example.com/2025").unwrap();
    let signed = SignedCheckpoint::open(checkpoint.as_bytes(), &origin, old().verifying_key()).unwrap();
    let line = format!("{}\n", witness.cosign(signed.checkpoint(), 5).unwrap());
    let cosigned = signed.with_cosignatures(&line, [witness.verifying_key()]).unwrap();
    let proof = RetirementProof::new(&entry(), inclusion, cosigned.note().as_bytes()).unwrap();
    assert!(proof.checkpoint().ends_with(&line));
    let note = Continuation::new(proof).sign(&new()).unwrap();
    assert!(Continuation::open(&note, new().verifying_key()).unwrap().proof().checkpoint().ends_with(&line));
}

proptest! {
    #[test]
    fn any_bytes_are_taken(bytes: Vec<u8>, text in "(vouchlog/v1 continue\n)?(log log.example.com/2026\n)?.{0,60}\n\n(c2sp.org/tlog-proof@v1\n)?.{0,60}\n") {
        let _ = RetirementProof::open(&bytes);
        if let Ok(note) = sign(&text, &new()) {
            let _ = Continuation::open(&note, new().verifying_key());
        }
    }
}
