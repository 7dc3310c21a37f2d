//! Goal: every rule of tlog-checkpoint and tlog-cosignature is enforced where a checkpoint is parsed, opened or
//! signed. Method: tables of refusals, and notes put together line by line.

use vouchlog_merkle::EMPTY_ROOT;
use vouchlog_note::{
    Checkpoint, CheckpointError, CosignedCheckpoint, NoteError, Origin, SignatureLine, SignatureType,
    SignedCheckpoint, UnverifiedNote,
};

use crate::vectors::{head, signing_key};

const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

#[test]
fn malformed_checkpoints_are_refused() {
    fn check(text: &str, expected: &CheckpointError) {
        assert_eq!(&Checkpoint::parse(text).unwrap_err(), expected, "{text:?}");
    }
    check("", &NoteError::NoFinalNewline.into());
    check("\n", &CheckpointError::TooFewLines { lines: 1 });
    check("a\n1\n", &CheckpointError::TooFewLines { lines: 2 });
    check(&format!("a\n1\n{ROOT}"), &NoteError::NoFinalNewline.into());
    check(&format!("\n1\n{ROOT}\n"), &CheckpointError::EmptyOrigin);
    check(&format!("a\n1\n{ROOT}\n\n"), &CheckpointError::EmptyLine { line: 4 });
    check(&format!("a\n1\n{ROOT}\next\n\next\n"), &CheckpointError::EmptyLine { line: 5 });
    check(&format!("a\r\n1\n{ROOT}\n"), &NoteError::ControlCharacter { at: 1, byte: b'\r' }.into());
    for size in ["", "00", "01", "+1", "-1", "1 ", " 1", "0x1", "1_0", "١", "18446744073709551616"] {
        check(&format!("a\n{size}\n{ROOT}\n"), &CheckpointError::Size);
    }
    let size = 1 << 63;
    check(&format!("a\n{size}\n{ROOT}\n"), &CheckpointError::SizeTooLarge { size });
    let unpadded = &ROOT[..43];
    for root in ["", "AAAA", unpadded, &format!("{unpadded}A"), &format!("{ROOT}=")] {
        check(&format!("a\n1\n{root}\n"), &CheckpointError::Root);
    }
    // The last character of a 32-byte hash has two trailing bits, which are zero in `I` and not in `J`.
    check(&format!("a\n1\n{}J=\n", &ROOT[..42]), &CheckpointError::Root);
    check(&format!("a\n0\n{ROOT}\n"), &CheckpointError::EmptyTreeRoot);
    let origin = "cosignature/v1".to_owned();
    check(&format!("{origin}\n1\n{ROOT}\n"), &CheckpointError::ReservedOrigin { origin });
    let origin = "subtree/v1".to_owned();
    check(&format!("{origin}\n1\n{ROOT}\n"), &CheckpointError::ReservedOrigin { origin });
    let too_long = CheckpointError::OriginTooLong { bytes: 256, limit: 255 };
    check(&format!("{}\n1\n{ROOT}\n", "o".repeat(256)), &too_long);
}

#[test]
fn well_formed_checkpoints_print_as_they_were_read() {
    let origin = "o".repeat(255);
    for text in [
        format!("go.sum database tree\n20852163\n{ROOT}\n"),
        "a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n".to_owned(),
        format!("{origin}\n9223372036854775807\n{ROOT}\nextension\nand + another\n"),
    ] {
        let checkpoint = Checkpoint::parse(&text).unwrap();
        assert_eq!(checkpoint.text(), text);
        assert_eq!(checkpoint.extensions().len(), text.lines().count() - 3);
    }
}

#[test]
#[should_panic(expected = "no tree has this head")]
fn an_empty_tree_has_one_root() {
    let head = head(0);
    assert_ne!(head.root, EMPTY_ROOT);
    let _ = Checkpoint::new(Origin::new("a").unwrap(), head);
}

#[test]
fn a_log_signs_in_its_own_name_only() {
    let origin = Origin::new("log.example").unwrap();
    let checkpoint = Checkpoint::new(origin.clone(), head(7));
    let key = signing_key("log.example", SignatureType::Ed25519, 1);
    let signed = SignedCheckpoint::sign(&checkpoint, &key).unwrap();
    let opened = SignedCheckpoint::open(signed.note().as_bytes(), &origin, key.verifying_key()).unwrap();
    assert_eq!(opened, signed);
    assert_eq!(
        (opened.origin(), opened.head(), opened.text()),
        (&origin, head(7), checkpoint.text().as_str())
    );

    let other = signing_key("other.example", SignatureType::Ed25519, 1);
    let refused = SignedCheckpoint::sign(&checkpoint, &other);
    assert!(matches!(refused, Err(CheckpointError::KeyName { .. })));
    let witness = signing_key("log.example", SignatureType::CosignatureEd25519, 1);
    let refused = SignedCheckpoint::sign(&checkpoint, &witness);
    assert!(matches!(refused, Err(CheckpointError::Note(NoteError::WrongKeyType { .. }))));
}

#[test]
fn opening_asks_for_the_right_log_key_and_role() {
    let origin = Origin::new("log.example").unwrap();
    let key = signing_key("log.example", SignatureType::Ed25519, 1);
    let clock = signing_key("log.example", SignatureType::CosignatureEd25519, 2);
    let checkpoint = Checkpoint::new(origin.clone(), head(7));
    let signed = SignedCheckpoint::sign(&checkpoint, &key).unwrap();
    let cosigned = CosignedCheckpoint::sign(&checkpoint, &clock, 99).unwrap();

    let other = Origin::new("other.example").unwrap();
    let expected = CheckpointError::OtherOrigin { expected: other.clone(), actual: origin.clone() };
    let refused = SignedCheckpoint::open(signed.note().as_bytes(), &other, key.verifying_key());
    assert_eq!(refused.unwrap_err(), expected);
    let refused = CosignedCheckpoint::open(cosigned.note().as_bytes(), &other, clock.verifying_key());
    assert_eq!(refused.unwrap_err(), expected);

    // A cosignature is no log signature, and the other way round.
    let refused = SignedCheckpoint::open(cosigned.note().as_bytes(), &origin, clock.verifying_key());
    assert!(matches!(refused, Err(CheckpointError::Note(NoteError::WrongKeyType { .. }))));
    let refused = CosignedCheckpoint::open(signed.note().as_bytes(), &origin, key.verifying_key());
    assert!(matches!(refused, Err(CheckpointError::Note(NoteError::WrongKeyType { .. }))));
    let refused = SignedCheckpoint::open(cosigned.note().as_bytes(), &origin, key.verifying_key());
    assert!(matches!(refused, Err(CheckpointError::Note(NoteError::NoKnownSignature { .. }))));

    // A log that changes keys is known by both.
    let successor = signing_key("log.example", SignatureType::Ed25519, 3);
    let keys = [successor.verifying_key(), key.verifying_key()];
    assert_eq!(SignedCheckpoint::open_with_keys(signed.note().as_bytes(), &origin, keys).unwrap(), signed);
}

#[test]
fn cosigned_checkpoints_carry_their_timestamp() {
    let origin = Origin::new("log.example/stream/3").unwrap();
    let key = signing_key("gateway.example", SignatureType::CosignatureEd25519, 2);
    for timestamp in [0, 1_767_225_600, i64::MAX.unsigned_abs()] {
        let checkpoint = Checkpoint::new(origin.clone(), head(12));
        let cosigned = CosignedCheckpoint::sign(&checkpoint, &key, timestamp).unwrap();
        let note = cosigned.note().as_bytes();
        let opened = CosignedCheckpoint::open(note, &origin, key.verifying_key()).unwrap();
        assert_eq!(opened, cosigned);
        assert_eq!((opened.timestamp(), opened.head()), (timestamp, head(12)));
    }
}

#[test]
fn a_cosignature_with_another_timestamp_is_refused() {
    let origin = Origin::new("log.example").unwrap();
    let key = signing_key("gateway.example", SignatureType::CosignatureEd25519, 2);
    let checkpoint = Checkpoint::new(origin.clone(), head(12));
    let text = checkpoint.text();
    let early = key.cosign(&checkpoint, 10).unwrap();
    let mut payload = early.id().as_bytes().to_vec();
    payload.extend_from_slice(&11u64.to_be_bytes());
    payload.extend_from_slice(&early.payload()[8..]);
    use base64::Engine;
    let payload = base64::engine::general_purpose::STANDARD.encode(payload);
    let note = format!("{text}\n— gateway.example {payload}\n");
    let refused = CosignedCheckpoint::open(note.as_bytes(), &origin, key.verifying_key());
    assert!(matches!(refused, Err(CheckpointError::Note(NoteError::InvalidSignature { .. }))));
}

#[test]
fn a_second_line_of_a_known_key_is_refused_in_checkpoints() {
    let origin = Origin::new("log.example").unwrap();
    let key = signing_key("gateway.example", SignatureType::CosignatureEd25519, 2);
    let checkpoint = Checkpoint::new(origin.clone(), head(12));
    let lines: Vec<SignatureLine> = [10, 20].map(|time| key.cosign(&checkpoint, time).unwrap()).into();
    let note = UnverifiedNote::from_parts(&checkpoint.text(), lines).unwrap();
    let refused = CosignedCheckpoint::open(note.as_str().as_bytes(), &origin, key.verifying_key());
    assert!(matches!(refused, Err(CheckpointError::Note(NoteError::RepeatedSignature { .. }))));
    // In any other note the first line counts, as in Go.
    let verified = note.verify([key.verifying_key()]).unwrap();
    assert_eq!(verified.signatures().len(), 1);
    assert_eq!(verified.signatures()[0].timestamp(), Some(10));
}

#[test]
fn only_verified_cosignatures_are_added() {
    let origin = Origin::new("log.example").unwrap();
    let log = signing_key("log.example", SignatureType::Ed25519, 1);
    let witness = signing_key("w1.example", SignatureType::CosignatureEd25519, 2);
    let stranger = signing_key("w2.example", SignatureType::CosignatureEd25519, 3);
    let signed = SignedCheckpoint::sign(&Checkpoint::new(origin, head(5)), &log).unwrap();
    let known = [witness.verifying_key()];
    let by = |key: &vouchlog_note::SigningKey, time| {
        format!("{}\n", key.cosign(signed.checkpoint(), time).unwrap())
    };

    let answer = by(&stranger, 10) + &by(&witness, 10);
    let cosigned = signed.with_cosignatures(&answer, known).unwrap();
    assert_eq!(cosigned.note(), format!("{}{}", signed.note(), by(&witness, 10)));
    let refreshed = cosigned.with_cosignatures(&by(&witness, 20), known).unwrap();
    assert_eq!(refreshed.note(), format!("{}{}", signed.note(), by(&witness, 20)));
    // An answer that was late changes nothing.
    assert_eq!(refreshed.with_cosignatures(&by(&witness, 15), known).unwrap(), refreshed);

    let refused = signed.with_cosignatures(&by(&stranger, 10), known);
    assert!(matches!(refused, Err(CheckpointError::Note(NoteError::NoKnownSignature { .. }))));
    let other = Checkpoint::new(signed.origin().clone(), head(6));
    let of_other = format!("{}\n", witness.cosign(&other, 10).unwrap());
    let refused = signed.with_cosignatures(&of_other, known);
    assert!(matches!(refused, Err(CheckpointError::Note(NoteError::InvalidSignature { .. }))));
    for answer in ["", "\n", "not a line\n"] {
        assert!(signed.with_cosignatures(answer, known).is_err(), "{answer:?}");
    }
}

#[test]
fn a_log_signs_with_both_its_keys_ed25519_first() {
    let origin = Origin::new("log.example").unwrap();
    let ed25519 = signing_key("log.example", SignatureType::Ed25519, 1);
    let ml_dsa = signing_key("log.example", SignatureType::MlDsa44, 2);
    let checkpoint = Checkpoint::new(origin.clone(), head(5));
    let signed = SignedCheckpoint::sign_with(&checkpoint, &ed25519, Some((&ml_dsa, 10))).unwrap();
    let once = SignedCheckpoint::sign(&checkpoint, &ed25519).unwrap();
    let line = ml_dsa.cosign(&checkpoint, 10).unwrap();
    assert_eq!(signed.note(), format!("{}{line}\n", once.note()));
    assert_eq!(SignedCheckpoint::sign_with(&checkpoint, &ed25519, None).unwrap(), once);

    let note = signed.note().as_bytes();
    let keys = [ml_dsa.verifying_key(), ed25519.verifying_key()];
    assert_eq!(SignedCheckpoint::open_with_keys(note, &origin, keys).unwrap(), signed);
    for key in keys {
        let opened = SignedCheckpoint::open(note, &origin, key).unwrap();
        assert_eq!((opened.head(), opened.verified().ignored_lines().len()), (head(5), 1));
    }

    let sign_with = |ed25519, ml_dsa| SignedCheckpoint::sign_with(&checkpoint, ed25519, Some((ml_dsa, 10)));
    let stranger = signing_key("other.example", SignatureType::MlDsa44, 3);
    assert!(matches!(sign_with(&ed25519, &stranger), Err(CheckpointError::KeyName { .. })));
    for (first, second) in [(&ed25519, &ed25519), (&ml_dsa, &ml_dsa)] {
        let refused = sign_with(first, second);
        assert!(matches!(refused, Err(CheckpointError::Note(NoteError::WrongKeyType { .. }))), "{refused:?}");
    }
    let timestamp = 1 << 63;
    let refused = SignedCheckpoint::sign_with(&checkpoint, &ed25519, Some((&ml_dsa, timestamp)));
    assert_eq!(refused.unwrap_err(), CheckpointError::Note(NoteError::Timestamp { timestamp }));
}

#[test]
fn an_ml_dsa_signature_is_the_logs_only_under_its_name_and_without_extension_lines() {
    let origin = Origin::new("log.example").unwrap();
    let log = signing_key("log.example", SignatureType::MlDsa44, 2);
    let witness = signing_key("w1.example", SignatureType::MlDsa44, 3);
    let note = |text: &str, key: &vouchlog_note::SigningKey| {
        let line = key.cosign(&Checkpoint::parse(text).unwrap(), 10).unwrap();
        UnverifiedNote::from_parts(text, vec![line]).unwrap()
    };
    let text = Checkpoint::new(origin.clone(), head(5)).text();
    let open = |note: &UnverifiedNote, key: &vouchlog_note::SigningKey| {
        SignedCheckpoint::open(note.as_str().as_bytes(), &origin, key.verifying_key())
    };
    assert!(open(&note(&text, &log), &log).is_ok());
    assert!(matches!(open(&note(&text, &witness), &witness), Err(CheckpointError::KeyName { .. })));

    // What was signed stays signed when a line is added behind it, and the line is nobody's.
    let extended = note(&format!("{text}extension\n"), &log);
    assert_eq!(extended.lines(), note(&text, &log).lines());
    assert!(extended.clone().verify([log.verifying_key()]).is_ok());
    assert_eq!(open(&extended, &log).unwrap_err(), CheckpointError::UnsignedExtensions);

    // Streams know one type of key.
    let checkpoint = Checkpoint::new(origin.clone(), head(5));
    let refused = CosignedCheckpoint::sign(&checkpoint, &log, 10);
    assert!(matches!(refused, Err(CheckpointError::Note(NoteError::WrongKeyType { .. }))));
    let refused = CosignedCheckpoint::open(extended.as_str().as_bytes(), &origin, log.verifying_key());
    assert!(matches!(refused, Err(CheckpointError::Note(NoteError::WrongKeyType { .. }))));
}

#[test]
fn an_ml_dsa_signature_is_bound_to_all_it_says() {
    let key = signing_key("w1.example", SignatureType::MlDsa44, 3);
    let checkpoint = Checkpoint::new(Origin::new("log.example").unwrap(), head(5));
    let line = key.cosign(&checkpoint, 10).unwrap();
    let verify = |text: &str, payload: &[u8]| {
        use base64::Engine;
        let payload = [line.id().as_bytes(), payload].concat();
        let payload = base64::engine::general_purpose::STANDARD.encode(payload);
        let note = format!("{text}\n— w1.example {payload}\n");
        UnverifiedNote::parse(note.as_bytes()).unwrap().verify([key.verifying_key()])
    };
    let text = checkpoint.text();
    assert_eq!(verify(&text, line.payload()).unwrap().signatures()[0].timestamp(), Some(10));

    let is_refused =
        |text: &str, payload: &[u8]| matches!(verify(text, payload), Err(NoteError::InvalidSignature { .. }));
    let root = text.lines().last().unwrap();
    for other in [
        text.replace("log.example", "log.examplf"),
        text.replace("\n5\n", "\n6\n"),
        text.replace(root, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        "no checkpoint\n".to_owned(),
    ] {
        assert!(is_refused(&other, line.payload()), "{other}");
    }
    let changed = |place: usize| {
        let mut payload = line.payload().to_vec();
        payload[place] ^= 1;
        payload
    };
    for payload in [changed(0), changed(7), changed(8), changed(1000), changed(2427)] {
        assert!(is_refused(&text, &payload));
    }
    let (long, short) = ([line.payload(), &[0]].concat(), &line.payload()[..2427]);
    assert!(is_refused(&text, &long) && is_refused(&text, short) && is_refused(&text, &line.payload()[8..]));
    assert!(is_refused(&text, &[0; 7]));
}
