//! The notes of control entries. The input is the text; it is signed here, so that the readers behind the signature are
//! reached, and once with its own bytes as the whole note.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vouchlog_fuzz::{ORIGIN, damage, key, origin};
use vouchlog_note::{SignatureType, SigningKey, UnverifiedNote};
use vouchlog_stream::{
    Continuation, Enrolment, Genesis, LoggedAt, OperatorCause, OperatorChange, OperatorNote, Operators,
    Previous, RecoveryKey, ReplacementCause, ReplacementReason, Replaces, Retirement, RetirementCause,
    RetirementProof, Revocation, StreamId, StreamOpening, WitnessKeys,
};

static SIGNER: LazyLock<SigningKey> = LazyLock::new(|| key(ORIGIN, SignatureType::Ed25519, 1));

/// Two keys of one gateway, of which the second takes the place of the first.
static OLD: LazyLock<SigningKey> = LazyLock::new(|| key("gateway.example", SignatureType::Ed25519, 3));
static NEW: LazyLock<SigningKey> = LazyLock::new(|| key("gateway.example", SignatureType::Ed25519, 4));

/// The operator's next key.
static NEXT: LazyLock<SigningKey> = LazyLock::new(|| key(ORIGIN, SignatureType::Ed25519, 5));

/// The key of a log that continues this one.
static SUCCESSOR: LazyLock<SigningKey> = LazyLock::new(|| key("log.example/next", SignatureType::Ed25519, 6));

fn retirement() -> Retirement {
    Retirement {
        log: SIGNER.verifying_key().clone(),
        successor: SUCCESSOR.verifying_key().clone(),
        cause: RetirementCause::Compromised,
        words: "the disk was copied".to_owned(),
    }
}

fn replacing(reason: ReplacementReason) -> Enrolment {
    let replaces = Some(Replaces { key: OLD.verifying_key().clone(), reason });
    Enrolment { replaces, ..Enrolment::first(origin(), NEW.verifying_key().clone()) }
}

/// One right text of each kind.
static TEXTS: LazyLock<[String; 9]> = LazyLock::new(|| {
    let signer = SIGNER.verifying_key();
    let stream = key("gateway.example", SignatureType::CosignatureEd25519, 2).verifying_key().clone();
    let previous = Some(Previous { stream: StreamId::new(7).expect("small"), size: 41 });
    let opening = StreamOpening { log: origin(), gateway: signer.clone(), stream, previous };
    let revocation = Revocation {
        log: origin(),
        gateway: signer.clone(),
        effective: LoggedAt::from_millis(1_767_225_600_000).expect("a time of this century"),
        reason: "the key was stolen".to_owned(),
    };
    let rotation = OperatorChange {
        log: origin(),
        operator: NEXT.verifying_key().clone(),
        replaces: signer.clone(),
        cause: OperatorCause::Rotation,
        words: "yearly".to_owned(),
    };
    let recovery = RecoveryKey { log: origin(), recovery: NEW.verifying_key().clone(), replaces: None };
    [
        Genesis { origin: origin(), operator: signer.clone() }.sign(&SIGNER),
        opening.sign(&SIGNER),
        Enrolment::first(origin(), signer.clone()).sign(&SIGNER),
        revocation.sign(&SIGNER),
        replacing(ReplacementReason::Rotation).cross_sign(&OLD, &NEW),
        replacing(ReplacementReason::Operator {
            cause: ReplacementCause::Lost,
            words: "in a taxi".to_owned(),
        })
        .sign(&SIGNER),
        rotation.sign(&SIGNER, &NEXT),
        recovery.sign(&SIGNER, &NEW, None),
        retirement().sign(&SIGNER, &SUCCESSOR),
    ]
    .map(|note| {
        let note = UnverifiedNote::parse(note.expect("it signs").as_bytes()).expect("just written");
        note.unverified_text().to_owned()
    })
});

/// Whether a note written again has the same text: lines of other keys are ignored, and are not written again.
fn has_text<E>(note: &str, again: Result<String, E>) -> bool {
    let text = |note: &str| {
        UnverifiedNote::parse(note.as_bytes()).ok().map(|note| note.unverified_text().to_owned())
    };
    again.is_ok_and(|again| text(&again).is_some() && text(&again) == text(note))
}

fn read(note: &str) {
    let signer = SIGNER.verifying_key();
    if let Ok(genesis) = Genesis::open(note, signer) {
        assert!(has_text(note, genesis.sign(&SIGNER)));
    }
    if let Ok(opening) = StreamOpening::open(note, &origin())
        && opening.gateway == *signer
    {
        assert!(has_text(note, opening.sign(&SIGNER)));
    }
    match Enrolment::open(note, &origin(), signer) {
        // What opens as a rotation was signed by both keys: only these two are held here.
        Ok(rotation) if rotation.is_rotation() => {
            let handed_over = rotation.cross_sign(&OLD, &NEW).expect("nobody else can have signed it");
            assert_eq!(Enrolment::open_rotation(&handed_over, &origin()), Ok(rotation.clone()));
            let whole = Enrolment::countersign(&handed_over, &origin(), &SIGNER).expect("both signed");
            assert_eq!(Enrolment::open(&whole, &origin(), signer), Ok(rotation));
        }
        Ok(enrolment) => {
            // Signing tidies the words of a reason; whatever it makes must read, and stay, the same.
            let tidy = enrolment.sign(&SIGNER).expect("it was signed before");
            let again = Enrolment::open(&tidy, &origin(), signer).expect("a note of ours reads");
            assert_eq!(
                (&again.gateway, again.sign(&SIGNER).as_deref()),
                (&enrolment.gateway, Ok(tidy.as_str()))
            );
        }
        Err(_) => {}
    }
    if let Ok(retirement) = Retirement::open_of(note, signer) {
        // Nobody else can have signed it.
        let tidy = retirement.sign(&SIGNER, &SUCCESSOR).expect("it was signed before");
        let again = Retirement::open(&tidy).expect("a note of ours reads");
        assert_eq!(again.sign(&SIGNER, &SUCCESSOR).as_deref(), Ok(tidy.as_str()));
    }
    let _ = Continuation::open(note, signer);
    match Operators::new(signer.clone()).open(note, &origin()) {
        Ok(OperatorNote::Change(change)) => {
            let tidy = change.sign(&SIGNER, &NEXT).expect("nobody else can have signed it");
            let again = Operators::new(signer.clone()).open(&tidy, &origin());
            assert!(matches!(again, Ok(OperatorNote::Change(again)) if again.operator == change.operator));
        }
        Ok(OperatorNote::Recovery(named)) => assert!(has_text(note, named.sign(&SIGNER, &NEW, None))),
        Err(_) => {}
    }
    let _ = WitnessKeys::default().open(note);
    if let Ok(revocation) = Revocation::open(note, &origin(), signer) {
        // Signing tidies the reason; whatever it makes must read, and stay, the same.
        let tidy = revocation.sign(&SIGNER).expect("it was signed before");
        let again = Revocation::open(&tidy, &origin(), signer).expect("a note of ours reads");
        assert_eq!((&again.gateway, again.effective), (&revocation.gateway, revocation.effective));
        assert_eq!(again.sign(&SIGNER).as_deref(), Ok(tidy.as_str()));
    }
}

fuzz_target!(|input: &[u8]| {
    if let Ok(note) = str::from_utf8(input) {
        read(note);
    }
    if let Ok(proof) = RetirementProof::open(input) {
        assert_eq!(proof.to_text().as_bytes(), input);
    }
    let Some((&which, change)) = input.split_first() else { return };
    let Ok(text) = String::from_utf8(damage(TEXTS[usize::from(which % 9)].as_bytes(), change)) else {
        return;
    };
    // Signed by the one key that most notes need, and by those of a rotation or a retirement.
    for signers in [&[&*SIGNER][..], &[&*OLD, &*NEW, &*SIGNER], &[&*SIGNER, &*NEXT], &[&*SIGNER, &*SUCCESSOR]]
    {
        let lines: Result<Vec<_>, _> = signers.iter().map(|key| key.sign_note(&text)).collect();
        // A note too long or too odd to assemble is not one to read.
        if let Ok(lines) = lines
            && let Ok(note) = UnverifiedNote::from_parts(&text, lines)
        {
            read(note.as_str());
        }
    }
});
