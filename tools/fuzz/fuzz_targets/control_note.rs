//! The notes of control entries. The input is the text; it is signed here, so that the readers behind the signature are
//! reached, and once with its own bytes as the whole note.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vouchlog_fuzz::{ORIGIN, damage, key, origin};
use vouchlog_note::{SignatureType, SigningKey, UnverifiedNote};
use vouchlog_stream::{Enrolment, Genesis, LoggedAt, Previous, Revocation, StreamId, StreamOpening};

static SIGNER: LazyLock<SigningKey> = LazyLock::new(|| key(ORIGIN, SignatureType::Ed25519, 1));

/// One right text of each kind.
static TEXTS: LazyLock<[String; 4]> = LazyLock::new(|| {
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
    [
        Genesis { origin: origin(), operator: signer.clone() }.sign(&SIGNER),
        opening.sign(&SIGNER),
        Enrolment { log: origin(), gateway: signer.clone() }.sign(&SIGNER),
        revocation.sign(&SIGNER),
    ]
    .map(|note| {
        let note = UnverifiedNote::parse(note.expect("it signs").as_bytes()).expect("just written");
        note.unverified_text().to_owned()
    })
});

fn read(note: &str) {
    let signer = SIGNER.verifying_key();
    if let Ok(genesis) = Genesis::open(note, signer) {
        assert_eq!(genesis.sign(&SIGNER).as_deref(), Ok(note));
    }
    if let Ok(opening) = StreamOpening::open(note, &origin())
        && opening.gateway == *signer
    {
        assert_eq!(opening.sign(&SIGNER).as_deref(), Ok(note));
    }
    if let Ok(enrolment) = Enrolment::open(note, &origin(), signer) {
        assert_eq!(enrolment.sign(&SIGNER).as_deref(), Ok(note));
    }
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
    let Some((&which, change)) = input.split_first() else { return };
    let Ok(text) = String::from_utf8(damage(TEXTS[usize::from(which % 4)].as_bytes(), change)) else {
        return;
    };
    let Ok(line) = SIGNER.sign_note(&text) else { return };
    // A note too long or too odd to assemble is not one to read.
    if let Ok(note) = UnverifiedNote::from_parts(&text, vec![line]) {
        read(note.as_str());
    }
});
