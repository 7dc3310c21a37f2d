//! Goal: every altered piece of evidence is refused, with the error that names it. Method: one tree of three entries, its
//! proof file, and one change a case.

use vouchlog_merkle::{CompactRange, InclusionProof, TreeHead};
use vouchlog_note::{Checkpoint, KeyName, SignatureType, SigningKey, UnverifiedNote};
use vouchlog_stream::{Evidence, LoggedAt, SequenceNumber, Statement, StatementKind, StreamId};

use super::*;

const RECORD: &[u8] = b"{\"outcome\":\"ok\"}";

struct Evidenced {
    key: SigningKey,
    opening: Opening,
    entry: Vec<u8>,
    file: ProofFile,
}

fn key(seed: u8) -> SigningKey {
    SigningKey::generate(KeyName::new("log.example.com/t").unwrap(), SignatureType::Ed25519, [seed; 32])
        .unwrap()
}

fn evidenced() -> Evidenced {
    let (key, opening) = (key(1), Opening::with_salt([7; 32], RECORD));
    let entry = Entry::Statement(StatementEntry {
        logged_at: LoggedAt::from_millis(1_767_225_600_000).unwrap(),
        stream: StreamId::new(2).unwrap(),
        sequence: SequenceNumber::new(5).unwrap(),
        statement: Statement {
            kind: StatementKind::Interaction,
            evidence: Evidence::NONE,
            digest: opening.digest(),
        },
    })
    .encode();
    let leaves = [b"one".as_slice(), &entry, b"three"].map(leaf_hash);
    let mut tree = CompactRange::new();
    let growth = tree.extend(&leaves);
    let head = TreeHead { size: tree.size(), root: tree.root().unwrap() };
    let index = LeafIndex::new(1);
    let plan = InclusionProof::plan(index, head.size).unwrap();
    let nodes: Vec<_> = plan.nodes().iter().map(|id| growth.node(*id).unwrap()).collect();
    let proof = InclusionProof::from_nodes(&plan, &nodes).unwrap();
    let origin = Origin::new("log.example.com/t").unwrap();
    let signed = SignedCheckpoint::sign(&Checkpoint::new(origin, head), &key).unwrap();
    let note = UnverifiedNote::parse(signed.note().as_bytes()).unwrap();
    let file = ProofFile::new(Some(entry.clone()), index, proof, note).unwrap();
    Evidenced { key, opening, entry, file }
}

impl Evidenced {
    fn verify(&self, claim: Claim<'_>) -> Result<Verified, VerifyError> {
        verify(self.file.to_text().as_bytes(), self.key.verifying_key(), None, claim)
    }
}

#[test]
fn every_kind_of_claim_verifies() {
    let e = evidenced();
    let claims =
        [Claim::Digest(e.opening.digest()), Claim::Entry(&e.entry), Claim::Record(RECORD, &e.opening)];
    for claim in claims {
        let verified = e.verify(claim).unwrap();
        assert_eq!((verified.index.get(), verified.size.get()), (1, 3));
        assert_eq!(verified.statement().unwrap().sequence.get(), 5);
    }
}

#[test]
fn an_altered_record_does_not_verify() {
    let e = evidenced();
    let altered = e.verify(Claim::Record(b"{\"outcome\":\"OK\"}", &e.opening)).unwrap_err();
    assert!(matches!(altered, VerifyError::Opening(OpeningError::Mismatch { .. })), "{altered}");
    let exchanged = Opening::with_salt([8; 32], b"another record");
    let exchanged = e.verify(Claim::Record(b"another record", &exchanged)).unwrap_err();
    assert!(matches!(exchanged, VerifyError::OtherDigest { .. }), "{exchanged}");
    assert!(altered.is_finding() && exchanged.is_finding());
}

#[test]
fn an_altered_entry_does_not_verify_although_no_signature_covers_it() {
    let e = evidenced();
    for at in 1..18 {
        // Time, stream and sequence: the digest stays the claimed one.
        let mut entry = e.entry.clone();
        entry[at] ^= 1;
        let file = with_entry(&e.file, &entry).unwrap().to_text();
        let claim = Claim::Digest(e.opening.digest());
        let error = verify(file.as_bytes(), e.key.verifying_key(), None, claim).unwrap_err();
        assert!(matches!(error, VerifyError::NotIncluded { .. }), "byte {at}: {error}");
    }
}

#[test]
fn another_log_key_does_not_verify() {
    let e = evidenced();
    let claim = Claim::Digest(e.opening.digest());
    let file = e.file.to_text();
    let error = verify(file.as_bytes(), key(2).verifying_key(), None, claim).unwrap_err();
    assert!(matches!(error, VerifyError::Checkpoint(_)) && error.is_finding(), "{error}");
}

#[test]
fn a_policy_that_nobody_satisfied_does_not_verify() {
    let e = evidenced();
    let name = KeyName::new("witness.example.com").unwrap();
    let witness = SigningKey::generate(name, SignatureType::CosignatureEd25519, [9; 32]).unwrap();
    let policy = format!("witness w {}\nquorum w\n", witness.verifying_key());
    let policy = Policy::parse(policy.as_bytes()).unwrap();
    let claim = Claim::Digest(e.opening.digest());
    let file = e.file.to_text();
    let error = verify(file.as_bytes(), e.key.verifying_key(), Some(&policy), claim).unwrap_err();
    assert!(matches!(error, VerifyError::Policy(PolicyError::QuorumNotMet { .. })), "{error}");
}

#[test]
fn without_the_entry_nothing_can_be_told() {
    let e = evidenced();
    let bare = ProofFile::new(None, e.file.index(), e.file.proof().clone(), e.file.note().clone()).unwrap();
    let claim = Claim::Digest(e.opening.digest());
    let error = verify(bare.to_text().as_bytes(), e.key.verifying_key(), None, claim).unwrap_err();
    assert!(matches!(error, VerifyError::NoEntry) && !error.is_finding(), "{error}");
    verify(bare.to_text().as_bytes(), e.key.verifying_key(), None, Claim::Entry(&e.entry)).unwrap();
}
