//! Every link broken in turn: each has its own error.

use vouchlog_merkle::{Hash, InclusionProof, LeafIndex, TreeHead, TreeSize, leaf_hash};
use vouchlog_note::{Origin, ProofFile, SignatureType, UnverifiedNote};
use vouchlog_stream::{Digest, Entry, Evidence, StatementEntry, StatementKind, StreamId};

use super::super::{
    LogTrust, Presentation, PresentationError, PresentationPart, StreamIdentity, verify_presentation,
};
use super::{claims, record, revocation_of, with_status};
use crate::statement::{ClearClaims, IssuedStatement, StatementError, issue};
use crate::testing::{
    GATEWAY, Log, OF_OTHER, OPENED, OPENED_AGAIN, at, checkpoint, enrolment, gateway, genesis, key, log_key,
    logged, opening, operator, origin, policy, stream_key,
};

/// A log with a statement, and its presentation.
struct Case {
    log: Log,
    claims: ClearClaims,
    issued: IssuedStatement,
    index: u64,
    presentation: Presentation,
}

impl Case {
    fn new() -> Self {
        Self::with(|_| {}, |_| {})
    }

    /// A case in which the statement's claims, or its entry, are changed first.
    fn with(claim: impl FnOnce(&mut ClearClaims), log_as: impl FnOnce(&mut StatementEntry)) -> Self {
        let mut claims = ClearClaims { stream: StreamId::new(OPENED).unwrap(), ..claims() };
        claim(&mut claims);
        let issued = issue(&claims, &record(), &stream_key(OPENED)).unwrap();
        let mut entry = logged(&issued, &claims, OPENED);
        log_as(&mut entry);
        let mut log = Log::default();
        let index = log.push(&Entry::Statement(entry));
        let presentation = log.present(&issued, &["/initiator/sub", "/note"], index);
        Self { log, claims, issued, index, presentation }
    }

    fn refused(&self) -> PresentationError {
        refused(&self.presentation)
    }

    /// The presentation, after an entry was appended and its proof put where `part` says.
    fn with_entry(mut self, entry: &Entry, part: PresentationPart) -> PresentationError {
        let index = self.log.push(entry);
        *self.part(part) = self.log.proof(index).to_text();
        self.refused()
    }

    fn part(&mut self, part: PresentationPart) -> &mut String {
        let p = &mut self.presentation;
        match part {
            PresentationPart::Statement => &mut p.proof,
            PresentationPart::Genesis | PresentationPart::OperatorChange => &mut p.genesis,
            PresentationPart::Enrolment => &mut p.stream.enrolment,
            PresentationPart::Opening => &mut p.stream.opening,
            PresentationPart::SignerEnrolment => &mut p.signed_by.as_mut().unwrap().enrolment,
            PresentationPart::SignerOpening => &mut p.signed_by.as_mut().unwrap().opening,
            PresentationPart::Revocation => revocation(&mut p.stream),
            PresentationPart::SignerRevocation => revocation(p.signed_by.as_mut().unwrap()),
        }
    }

    /// A case in which the statement was signed for the stream opened at `signer`, whose identity is shown.
    fn sent_again(signer: u64, enrolment: u64, issuer: &str) -> Self {
        let mut case = Self::new();
        let stream = StreamId::new(signer).unwrap();
        case.claims = ClearClaims { stream, issuer: issuer.to_owned(), ..case.claims };
        case.issued = issue(&case.claims, &record(), &stream_key(signer)).unwrap();
        case.index = case.log.push(&Entry::Statement(logged(&case.issued, &case.claims, OPENED)));
        case.presentation = case.log.present(&case.issued, &[], case.index);
        case.presentation.signed_by = Some(case.log.identity(enrolment, signer));
        case
    }
}

fn revocation(of: &mut StreamIdentity) -> &mut String {
    of.status.as_mut().unwrap().revocation.as_mut().unwrap()
}

fn refused(presentation: &Presentation) -> PresentationError {
    let log_key = log_key();
    let trust = LogTrust::new(log_key.verifying_key(), None);
    match verify_presentation(presentation, &trust) {
        Err(error) => error,
        Ok(verified) => panic!("it holds: {verified:?}"),
    }
}

const ALL: [PresentationPart; 8] = [
    PresentationPart::Statement,
    PresentationPart::Genesis,
    PresentationPart::Enrolment,
    PresentationPart::Opening,
    PresentationPart::SignerEnrolment,
    PresentationPart::SignerOpening,
    PresentationPart::Revocation,
    PresentationPart::SignerRevocation,
];

fn complete() -> Case {
    let mut case = Case::sent_again(OPENED_AGAIN, 1, GATEWAY);
    let revoked = case.log.push(&revocation_of(&gateway(), &operator(), at().millis() + 1));
    let (proof, size) = (case.log.proof(revoked), TreeSize::new(revoked + 1));
    let p = &mut case.presentation;
    for of in [&mut p.stream, p.signed_by.as_mut().unwrap()] {
        *of = with_status(of.clone(), size, Some(&proof));
    }
    case
}

#[test]
fn every_proof_must_be_one() {
    for part in ALL {
        let mut case = complete();
        case.part(part).insert(0, 'x');
        assert!(
            matches!(case.refused(), PresentationError::ProofFile { part: p, .. } if p == part),
            "{part}"
        );
    }
}

#[test]
fn every_proof_must_carry_its_entry() {
    for part in ALL {
        let mut case = complete();
        let file = ProofFile::parse(case.part(part).as_bytes()).unwrap();
        let bare = ProofFile::new(None, file.index(), file.proof().clone(), file.note().clone());
        *case.part(part) = bare.unwrap().to_text();
        let error = case.refused();
        assert_eq!(error, PresentationError::NoEntry(part));
        assert!(!error.is_finding());
    }
}

#[test]
fn every_checkpoint_must_be_the_logs() {
    for part in ALL {
        let mut case = complete();
        let file = ProofFile::parse(case.part(part).as_bytes()).unwrap();
        let text = file.note().as_str();
        let (body, signatures) = text.split_once("\n\n— ").unwrap();
        let (name, signature) = signatures.split_once(' ').unwrap();
        // Behind the key ID.
        let changed = if &signature[20..21] == "A" { "B" } else { "A" };
        let forged = format!("{body}\n\n— {name} {}{changed}{}", &signature[..20], &signature[21..]);
        *case.part(part) = case.part(part).replace(text, &forged);
        let error = case.refused();
        assert!(matches!(error, PresentationError::Checkpoint { part: p, .. } if p == part), "{error}");
    }
}

#[test]
fn every_checkpoint_must_satisfy_the_policy() {
    let (log_key, policy) = (log_key(), policy());
    let trust = LogTrust::new(log_key.verifying_key(), Some(&policy));
    assert!(verify_presentation(&complete().presentation, &trust).is_ok());
    for part in ALL {
        let mut case = complete();
        let text = case.part(part).trim_end();
        let (without, cosignature) = text.rsplit_once('\n').unwrap();
        assert!(cosignature.contains("witness.example.com"));
        *case.part(part) = format!("{without}\n");
        let error = verify_presentation(&case.presentation, &trust).unwrap_err();
        assert!(matches!(error, PresentationError::Policy { part: p, .. } if p == part), "{error}");
        assert!(error.is_finding());
    }
}

#[test]
fn every_entry_must_be_in_the_tree() {
    for part in ALL {
        let mut case = complete();
        let file = ProofFile::parse(case.part(part).as_bytes()).unwrap();
        let mut hashes: Vec<Hash> = file.proof().hashes().to_vec();
        hashes[0] = leaf_hash(b"another");
        let proof = InclusionProof::from_hashes(hashes).unwrap();
        let extra = file.extra().map(<[u8]>::to_vec);
        *case.part(part) = ProofFile::new(extra, file.index(), proof, file.note().clone()).unwrap().to_text();
        let error = case.refused();
        assert!(matches!(error, PresentationError::NotIncluded { part: p, .. } if p == part), "{error}");
        assert!(error.is_finding());
    }
}

#[test]
fn every_entry_must_be_of_its_kind() {
    for part in ALL {
        let mut case = complete();
        let other = if part == PresentationPart::Genesis {
            PresentationPart::Enrolment
        } else {
            PresentationPart::Genesis
        };
        *case.part(part) = case.part(other).clone();
        let error = case.refused();
        // An enrolment in place of the genesis is refused for its place already.
        let of_kind = PresentationError::OtherEntry { part };
        assert!(
            error == of_kind
                || matches!(error, PresentationError::Order { part: PresentationPart::Genesis, .. }),
            "{error}"
        );
    }
    // An entry in no format of ours, in a tree of one.
    let mut case = Case::new();
    let head = TreeHead { size: TreeSize::new(1), root: leaf_hash(b"\x7f") };
    let (index, proof) = (LeafIndex::new(0), InclusionProof::from_hashes(Vec::new()).unwrap());
    let file = ProofFile::new(Some(b"\x7f".to_vec()), index, proof, checkpoint(head)).unwrap();
    *case.part(PresentationPart::Genesis) = file.to_text();
    assert_eq!(case.refused(), PresentationError::OtherEntry { part: PresentationPart::Genesis });
}

#[test]
fn the_genesis_is_the_first_entry_signed_by_the_log() {
    let error = Case::new().with_entry(&genesis(origin(), &log_key()), PresentationPart::Genesis);
    assert!(matches!(error, PresentationError::Order { part: PresentationPart::Genesis, .. }), "{error}");
    for (entry, is_for_other) in [
        (genesis(origin(), &operator()), false),
        (genesis(Origin::new("other.example.com").unwrap(), &log_key()), true),
    ] {
        let mut case = Case::new();
        case.log.entries[0] = entry.encode();
        *case.part(PresentationPart::Genesis) = case.log.proof(0).to_text();
        let error = case.refused();
        if is_for_other {
            assert!(matches!(error, PresentationError::OtherLog { .. }), "{error}");
        } else {
            assert!(
                matches!(error, PresentationError::Note { part: PresentationPart::Genesis, .. }),
                "{error}"
            );
        }
    }
}

#[test]
fn the_enrolment_is_signed_by_the_operator_and_is_of_the_gateways_key() {
    let signed_by_itself = enrolment(&gateway(), &gateway());
    let of_another_key = enrolment(&key(GATEWAY, SignatureType::Ed25519, 33), &operator());
    for (entry, is_signed) in [(signed_by_itself, false), (of_another_key, true)] {
        let mut case = Case::new();
        case.log.entries[1] = entry.encode();
        *case.part(PresentationPart::Enrolment) = case.log.proof(1).to_text();
        let error = case.refused();
        if is_signed {
            assert_eq!(error, PresentationError::OtherKey { part: PresentationPart::Enrolment });
        } else {
            assert!(
                matches!(error, PresentationError::Note { part: PresentationPart::Enrolment, .. }),
                "{error}"
            );
        }
    }
    let error = Case::new().with_entry(&enrolment(&gateway(), &operator()), PresentationPart::Enrolment);
    assert!(matches!(error, PresentationError::Order { part: PresentationPart::Enrolment, .. }), "{error}");
}

#[test]
fn the_opening_is_signed_by_the_gateway_and_names_the_stream() {
    let Entry::StreamOpened { logged_at, note } = opening(OPENED, &gateway()) else { unreachable!() };
    let (text, signature) = note.split_once("\n\n").unwrap();
    let other = stream_key(9).verifying_key().to_string();
    let forged = text.replace(&stream_key(OPENED).verifying_key().to_string(), &other);
    let note =
        UnverifiedNote::parse(format!("{forged}\n\n{signature}").as_bytes()).unwrap().as_str().to_owned();
    let mut case = Case::new();
    case.log.entries[2] = Entry::StreamOpened { logged_at, note }.encode();
    *case.part(PresentationPart::Opening) = case.log.proof(OPENED).to_text();
    let error = case.refused();
    assert!(matches!(error, PresentationError::Note { part: PresentationPart::Opening, .. }), "{error}");

    let mut case = Case::new();
    case.presentation.stream = case.log.identity(1, OPENED_AGAIN);
    let [entry, shown] = [OPENED, OPENED_AGAIN].map(|id| StreamId::new(id).unwrap());
    assert_eq!(case.refused(), PresentationError::OtherStream { entry, shown });
}

#[test]
fn what_a_stream_has_comes_behind_its_opening() {
    // Logged before the stream was opened whose name it bears.
    let mut log = Log::default();
    let claims = ClearClaims { stream: StreamId::new(9).unwrap(), ..claims() };
    let issued = issue(&claims, &record(), &stream_key(9)).unwrap();
    let index = log.push(&Entry::Statement(logged(&issued, &claims, 9)));
    log.push(&opening(9, &gateway()));
    let mut presentation = log.present(&issued, &[], index);
    presentation.stream = log.identity(1, 9);
    let error = refused(&presentation);
    assert!(matches!(error, PresentationError::Order { part: PresentationPart::Opening, .. }), "{error}");

    // Signed with the key of a stream that was not open yet.
    let mut case = Case::new();
    let claims = ClearClaims { stream: StreamId::new(10).unwrap(), ..case.claims };
    let issued = issue(&claims, &record(), &stream_key(10)).unwrap();
    let index = case.log.push(&Entry::Statement(logged(&issued, &claims, OPENED)));
    assert_eq!(case.log.push(&opening(10, &gateway())), 10);
    let mut presentation = case.log.present(&issued, &[], index);
    presentation.signed_by = Some(case.log.identity(1, 10));
    let error = refused(&presentation);
    assert!(
        matches!(error, PresentationError::Order { part: PresentationPart::SignerOpening, .. }),
        "{error}"
    );
}

#[test]
fn the_statement_is_signed_by_the_stream_it_names() {
    let other = issue(&Case::new().claims, &record(), &stream_key(OPENED_AGAIN)).unwrap();
    let mut case = Case::new();
    case.presentation.sd_jwt = other.present(&[]).unwrap();
    let error = case.refused();
    assert!(matches!(error, PresentationError::Statement(StatementError::KeyId { .. })), "{error}");

    let claimed = StreamId::new(OPENED_AGAIN).unwrap();
    let case = Case::with(|claims| claims.stream = claimed, |_| {});
    let shown = StreamId::new(OPENED).unwrap();
    assert_eq!(case.refused(), PresentationError::SigningStream { claimed, shown });

    // Signed elsewhere, and that is not shown.
    let mut case = complete();
    case.presentation.signed_by = None;
    let error = case.refused();
    assert!(matches!(error, PresentationError::Statement(StatementError::KeyId { .. })), "{error}");
}

#[test]
fn a_gateway_speaks_for_itself_alone() {
    let case = Case::with(|claims| claims.issuer = "other.example.com".to_owned(), |_| {});
    assert!(matches!(case.refused(), PresentationError::Issuer { .. }));
    let error = Case::sent_again(OF_OTHER, 4, "other.example.com").refused();
    assert!(matches!(error, PresentationError::OtherGateway { .. }), "{error}");
    assert!(error.is_finding());
}

#[test]
fn the_entry_says_what_the_statement_says() {
    let digest = Digest::of(b"another");
    let case = Case::with(|_| {}, |entry| entry.statement.digest = digest);
    let computed = case.issued.digest();
    assert_eq!(case.refused(), PresentationError::Digest { computed, logged: digest });
    let case = Case::with(|_| {}, |entry| entry.statement.kind = StatementKind::Intent);
    assert!(matches!(case.refused(), PresentationError::Kind { .. }));
    let case = Case::with(|_| {}, |entry| entry.statement.evidence = Evidence::NONE);
    let error = case.refused();
    assert!(matches!(error, PresentationError::Evidence { .. }) && error.is_finding());
    assert!(error.to_string().contains("claims the evidence 0x00000003; 0x00000000 was logged"), "{error}");
}

#[test]
fn every_disclosure_is_checked() {
    let case = Case::new();
    let (jwt, rest) = case.presentation.sd_jwt.split_once('~').unwrap();
    let mut disclosures: Vec<&str> = rest.trim_end_matches('~').split('~').collect();
    assert_eq!(disclosures.len(), 3);
    // The group goes; what stands in it is orphaned.
    disclosures.remove(0);
    let mut changed = case.presentation.clone();
    changed.sd_jwt = format!("{jwt}~{}~", disclosures.join("~"));
    let expected = PresentationError::Statement(StatementError::UnusedDisclosures(1));
    assert_eq!(refused(&changed), expected);
    // Another value under the same salt.
    let other = issue(&case.claims, &record(), &stream_key(OPENED)).unwrap();
    changed.sd_jwt = format!("{jwt}~{}~", other.disclosures[0].encoded);
    assert_eq!(refused(&changed), expected);
    // Another JWT of the same gateway, stream and record.
    changed.sd_jwt = other.present(&[]).unwrap();
    assert!(matches!(refused(&changed), PresentationError::Digest { .. }));
    assert!(case.index > OPENED);
}
