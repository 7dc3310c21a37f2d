//! Goal: every rule of tlog-policy is enforced, and the quorum is counted rightly. Method: a table of refused
//! lines, and a table of policies against sets of cosigning witnesses.

use vouchlog_note::{
    Checkpoint, CheckpointError, KeyError, NoteError, Origin, Policy, PolicyError, PolicyLineError,
    SignatureLine, SignatureType, SignedCheckpoint, SigningKey, UnverifiedNote,
};

use crate::vectors::{head, signing_key};

fn log_key(seed: u8) -> SigningKey {
    signing_key("log.example", SignatureType::Ed25519, seed)
}

/// Witness `letter`, whose name in policies is that letter.
fn witness_key(letter: char) -> SigningKey {
    let seed = u8::try_from(letter).unwrap();
    signing_key(&format!("{letter}.example"), SignatureType::CosignatureEd25519, seed)
}

fn witness_line(letter: char) -> String {
    format!("witness {letter} {}\n", witness_key(letter).verifying_key())
}

/// A log and the witnesses a, b, c, d.
fn base() -> String {
    let witnesses: String = ['a', 'b', 'c', 'd'].map(witness_line).concat();
    format!("log {}\n{witnesses}", log_key(1).verifying_key())
}

#[test]
fn malformed_policies_are_refused() {
    fn check(lines: &str, expected: &PolicyLineError) {
        let policy = format!("{}{lines}\nquorum none\n", base());
        match Policy::parse(policy.as_bytes()).unwrap_err() {
            PolicyError::Line { source, .. } => assert_eq!(&source, expected, "{lines}"),
            other => panic!("{lines}: {other}"),
        }
    }
    fn name(name: &str) -> String {
        name.to_owned()
    }
    let log = log_key(1).verifying_key().to_string();
    let fresh = log_key(9).verifying_key().to_string();
    let witness = witness_key('a').verifying_key().to_string();
    let fresh_witness = witness_key('x').verifying_key().to_string();

    check("logs x", &PolicyLineError::Keyword { keyword: name("logs") });
    check("LOG x", &PolicyLineError::Keyword { keyword: name("LOG") });
    check("log", &PolicyLineError::TokenCount { keyword: name("log"), tokens: 0 });
    check(
        &format!("log {fresh} https://l.example # here"),
        &PolicyLineError::TokenCount { keyword: name("log"), tokens: 4 },
    );
    check("witness x", &PolicyLineError::TokenCount { keyword: name("witness"), tokens: 1 });
    check("group g", &PolicyLineError::TokenCount { keyword: name("group"), tokens: 1 });
    check("group g any", &PolicyLineError::TokenCount { keyword: name("group"), tokens: 2 });
    check("quorum", &PolicyLineError::TokenCount { keyword: name("quorum"), tokens: 0 });
    check("quorum a b", &PolicyLineError::TokenCount { keyword: name("quorum"), tokens: 2 });
    check("log nonsense", &PolicyLineError::Vkey(KeyError::NotThreeParts));

    check(&format!("log {log}"), &PolicyLineError::DuplicateLog { vkey: log.clone() });
    let renamed = signing_key("renamed.example", SignatureType::Ed25519, 1).verifying_key().to_string();
    check(&format!("log {renamed}"), &PolicyLineError::DuplicateLog { vkey: renamed.clone() });
    check(&format!("witness x {witness}"), &PolicyLineError::DuplicateWitness { vkey: witness.clone() });
    let cosigner = SignatureType::CosignatureEd25519;
    check(&format!("log {fresh_witness}"), &PolicyLineError::LogKeyType { signature_type: cosigner });
    let log_type = PolicyLineError::WitnessKeyType { signature_type: SignatureType::Ed25519 };
    check(&format!("witness x {fresh}"), &log_type);
    let reserved = signing_key("subtree/v1", SignatureType::Ed25519, 7).verifying_key().to_string();
    let reserved_origin = CheckpointError::ReservedOrigin { origin: name("subtree/v1") };
    check(&format!("log {reserved}"), &PolicyLineError::LogName(reserved_origin));

    for keyword in ["none", "any", "all", "log", "witness", "group", "quorum"] {
        let expected = PolicyLineError::ReservedName { name: name(keyword) };
        check(&format!("witness {keyword} {fresh_witness}"), &expected);
        check(&format!("group {keyword} any a"), &expected);
    }
    check(&format!("witness a {fresh_witness}"), &PolicyLineError::NameTaken { name: name("a") });
    check("group a any b", &PolicyLineError::NameTaken { name: name("a") });
    check("group g any none", &PolicyLineError::Undefined { name: name("none") });
    check("group g any x", &PolicyLineError::Undefined { name: name("x") });
    check("group g any g", &PolicyLineError::Undefined { name: name("g") });
    check("group g any A", &PolicyLineError::Undefined { name: name("A") });
    check("group g any h\ngroup h any a", &PolicyLineError::Undefined { name: name("h") });
    check("group g any a a", &PolicyLineError::MemberTwice { name: name("a") });
    check("group g any a\ngroup h any a", &PolicyLineError::MemberTwice { name: name("a") });
    for threshold in ["0", "3", "-1", "+1", "01", "1.0", "Any", "18446744073709551616"] {
        let expected = PolicyLineError::Threshold { threshold: name(threshold), members: 2 };
        check(&format!("group g {threshold} a b"), &expected);
    }
    check("quorum x", &PolicyLineError::Undefined { name: name("x") });
    check("quorum g\ngroup g any a", &PolicyLineError::Undefined { name: name("g") });
    check("quorum a", &PolicyLineError::SecondQuorum);
}

#[test]
fn malformed_files_are_refused() {
    fn check(policy: &[u8], expected: &PolicyError) {
        assert_eq!(&Policy::parse(policy).unwrap_err(), expected, "{:?}", String::from_utf8_lossy(policy));
    }
    check(b"", &PolicyError::NoQuorum);
    check(b"\n", &PolicyError::NoQuorum);
    check(b"# quorum none\n", &PolicyError::NoQuorum);
    check(b"quorum none", &PolicyError::NoFinalNewline);
    check(b"quorum none\r\n", &PolicyError::Octet { line: 1, octet: b'\r' });
    check(b"\n# \x0b\nquorum none\n", &PolicyError::Octet { line: 2, octet: 0x0b });
    check(b"\n# \x7f\nquorum none\n", &PolicyError::Octet { line: 2, octet: 0x7f });
    let limit = 1 << 20;
    check(&vec![b'\n'; limit + 1], &PolicyError::TooLarge { bytes: limit + 1, limit });
    let line = PolicyError::Line { line: 1, source: PolicyLineError::NotUtf8 };
    check(b"log \xff\nquorum none\n", &line);
}

#[test]
fn blanks_comments_and_foreign_octets_are_taken() {
    let witness = witness_key('a');
    let policy = [
        b"\t # comment, not UTF-8: \xff\n\n \t \n".as_slice(),
        b"\twitness  \xffW#1\t",
        witness.verifying_key().to_string().as_bytes(),
        b"   https://w.example/\t\n  quorum \xffW#1 \n#",
        b"\n",
    ]
    .concat();
    let policy = Policy::parse(&policy).unwrap();
    assert_eq!(policy.witnesses().len(), 1);
    assert_eq!(policy.witnesses()[0].name().as_bytes(), b"\xffW#1");
    assert_eq!(policy.witnesses()[0].key(), witness.verifying_key());
    assert_eq!(policy.witnesses()[0].url(), Some("https://w.example/"));
    assert!(!policy.is_quorum_none());
    // A log and a witness may share their public key.
    let log = signing_key("a.example", SignatureType::Ed25519, b'a');
    let shared = format!("log {}\n{}quorum none\n", log.verifying_key(), witness_line('a'));
    let policy = Policy::parse(shared.as_bytes()).unwrap();
    assert_eq!(policy.logs()[0].origin().as_str(), "a.example");
    assert_eq!(policy.logs()[0].url(), None);
}

/// A checkpoint of log.example, cosigned by the given witnesses.
fn checkpoint_by(cosigners: &str) -> String {
    let checkpoint = checkpoint();
    let mut lines: Vec<SignatureLine> = vec![log_key(1).sign_note(&checkpoint.text()).unwrap()];
    lines.extend(cosigners.chars().map(|letter| witness_key(letter).cosign(&checkpoint, 1000).unwrap()));
    UnverifiedNote::from_parts(&checkpoint.text(), lines).unwrap().to_string()
}

fn checkpoint() -> Checkpoint {
    Checkpoint::new(Origin::new("log.example").unwrap(), head(9))
}

fn other_checkpoint() -> Checkpoint {
    Checkpoint::new(Origin::new("log.example").unwrap(), head(10))
}

#[test]
fn quorums_are_counted() {
    #[track_caller]
    fn check(rules: &str, enough: &[&str], too_few: &[&str]) {
        let policy = Policy::parse(format!("{}{rules}\n", base()).as_bytes()).unwrap();
        for cosigners in enough {
            let checkpoint = policy.verify_checkpoint(checkpoint_by(cosigners).as_bytes()).unwrap();
            assert_eq!(checkpoint.head(), head(9));
            let known: String = checkpoint.cosignatures().iter().map(|c| c.name().to_string()).collect();
            let expected: String = "abcd".chars().filter(|&c| cosigners.contains(c)).collect();
            assert_eq!(known, expected, "{rules}");
            assert!(checkpoint.cosignatures().iter().all(|c| c.timestamp() == 1000));
        }
        for cosigners in too_few {
            let refused = policy.verify_checkpoint(checkpoint_by(cosigners).as_bytes());
            let Err(PolicyError::QuorumNotMet { witnesses: 4, .. }) = refused else {
                panic!("{rules} with {cosigners}: {refused:?}");
            };
        }
    }
    // `x` is a witness the policies do not know.
    check("quorum none", &["", "a", "x", "abcd"], &[]);
    check("quorum a", &["a", "ab", "ax"], &["", "b", "x", "bcd"]);
    check("group g any a b c\nquorum g", &["a", "c", "abc"], &["", "d", "x"]);
    check("group g all a b\nquorum g", &["ab", "ba", "abc"], &["a", "b", "cd"]);
    check("group g 2 a b c\nquorum g", &["ab", "bc", "abcd"], &["a", "ad", "xd"]);
    check("group g 1 a\nquorum g", &["a"], &["b"]);
    let nested = "group g any a b\ngroup h all c d\ngroup both all g h\nquorum both";
    check(nested, &["acd", "bcd", "abcd"], &["abc", "cd", "ab"]);
    check("group g any a b\ngroup h 2 g c d\nquorum h", &["ac", "bd", "cd"], &["ab", "c"]);
    // A group outside the quorum's path asks for nothing.
    check("group g all a b\nquorum c", &["c"], &["ab"]);
}

#[test]
fn satisfaction_is_judged_on_verified_signatures_only() {
    let policy = Policy::parse(format!("{}quorum a\n", base()).as_bytes()).unwrap();
    let note = UnverifiedNote::parse(checkpoint_by("a").as_bytes()).unwrap();
    let log = log_key(1);
    let witness = witness_key('a');
    let unseen = note.clone().verify([log.verifying_key()]).unwrap();
    assert!(!policy.satisfied_by(&unseen));
    assert!(policy.satisfied_by(&note.verify([log.verifying_key(), witness.verifying_key()]).unwrap()));
}

#[test]
fn a_checkpoint_needs_a_log_of_its_own_name() {
    let policy =
        |logs: &str| Policy::parse(format!("{logs}{}quorum none\n", witness_line('a')).as_bytes()).unwrap();
    let note = checkpoint_by("a");
    let other = signing_key("other.example", SignatureType::Ed25519, 5);
    let known = policy(&format!("log {}\nlog {}\n", other.verifying_key(), log_key(1).verifying_key()));
    assert!(known.verify_checkpoint(note.as_bytes()).is_ok());

    assert_eq!(policy("").verify_checkpoint(note.as_bytes()).unwrap_err(), PolicyError::NoLogs);
    // The witness vouches for the checkpoint, the log that signed is not listed.
    let unlisted = policy(&format!("log {}\n", other.verifying_key()));
    let origin = Origin::new("log.example").unwrap();
    let not_by_log = PolicyError::NotByLog { origin: origin.clone(), logs: 1 };
    assert_eq!(unlisted.verify_checkpoint(note.as_bytes()).unwrap_err(), not_by_log);
    // A listed log signs in the name of another.
    let text = Checkpoint::new(origin.clone(), head(9)).text();
    let forged = UnverifiedNote::from_parts(&text, vec![other.sign_note(&text).unwrap()]).unwrap();
    assert_eq!(unlisted.verify_checkpoint(forged.as_str().as_bytes()).unwrap_err(), not_by_log);

    // A caller that knows its log needs none in the file, and gets no other.
    let log = log_key(1);
    let of =
        |origin: &Origin| policy("").verify_checkpoint_of(note.as_bytes(), origin, [log.verifying_key()]);
    assert!(of(&origin).is_ok());
    let other_origin = Origin::new("other.example").unwrap();
    assert!(matches!(of(&other_origin), Err(PolicyError::NotByLog { .. })));
}

#[test]
fn one_false_signature_of_a_listed_witness_refuses_the_checkpoint() {
    let policy = Policy::parse(format!("{}quorum a\n", base()).as_bytes()).unwrap();
    let false_line = witness_key('b').cosign(&other_checkpoint(), 1000).unwrap();
    let note = format!("{}{false_line}\n", checkpoint_by("a"));
    let refused = policy.verify_checkpoint(note.as_bytes());
    let Err(PolicyError::Checkpoint(CheckpointError::Note(NoteError::InvalidSignature { name, .. }))) =
        refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!(name.as_str(), "b.example");
    // Of a witness nobody listed, it is a line like any other.
    let false_line = witness_key('x').cosign(&other_checkpoint(), 1000).unwrap();
    let note = format!("{}{false_line}\n", checkpoint_by("a"));
    assert!(policy.verify_checkpoint(note.as_bytes()).is_ok());
}

#[test]
fn ml_dsa_witnesses_count_as_any_other() {
    let pq = signing_key("a.example", SignatureType::MlDsa44, 0xa);
    let policy = |rules: &str| {
        let policy = format!("{}witness pq {}\n{rules}\n", base(), pq.verifying_key());
        Policy::parse(policy.as_bytes()).unwrap()
    };
    let (either, both) = (policy("group g any b pq\nquorum g"), policy("group g all a pq\nquorum g"));
    let and_pq =
        |cosigners| format!("{}{}\n", checkpoint_by(cosigners), pq.cosign(&checkpoint(), 7).unwrap());
    // Without its line it has not cosigned.
    let refused = both.verify_checkpoint(checkpoint_by("a").as_bytes()).unwrap_err();
    assert_eq!(refused, PolicyError::QuorumNotMet { cosigned: 1, witnesses: 5 });
    assert!(either.verify_checkpoint(checkpoint_by("a").as_bytes()).is_err());

    let by_pq = either.verify_checkpoint(and_pq("").as_bytes()).unwrap();
    assert_eq!(by_pq.cosignatures().len(), 1);
    assert_eq!(by_pq.cosignatures()[0].name().as_bytes(), b"pq");
    assert_eq!(by_pq.cosignatures()[0].key(), pq.verifying_key());
    assert_eq!(by_pq.cosignatures()[0].timestamp(), 7);
    assert!(both.verify_checkpoint(and_pq("a").as_bytes()).is_ok());
    assert!(!both.satisfied_by(by_pq.signed().verified()));

    // A false line of it refuses the checkpoint as one of any listed witness does.
    let false_line = pq.cosign(&other_checkpoint(), 7).unwrap();
    let note = format!("{}{false_line}\n", checkpoint_by("ab"));
    let refused = either.verify_checkpoint(note.as_bytes());
    let invalid = matches!(
        refused,
        Err(PolicyError::Checkpoint(CheckpointError::Note(NoteError::InvalidSignature { .. })))
    );
    assert!(invalid, "{refused:?}");
}

#[test]
fn a_log_signs_with_ml_dsa_alone_if_the_key_is_called_as_the_log() {
    let pq = signing_key("log.example", SignatureType::MlDsa44, 0xa);
    let note = |text: &str, key: &SigningKey| {
        let line = key.cosign(&Checkpoint::parse(text).unwrap(), 7).unwrap();
        UnverifiedNote::from_parts(text, vec![line]).unwrap().to_string()
    };
    let policy = |lines: &str| Policy::parse(lines.as_bytes()).unwrap();
    let text = checkpoint().text();
    let log = policy(&format!("log {}\nquorum none\n", pq.verifying_key()));
    assert_eq!(log.verify_checkpoint(note(&text, &pq).as_bytes()).unwrap().head(), head(9));

    // Extension lines are not part of what it signs, so anyone could have added them.
    let extended = format!("{text}extension\n");
    let refused = log.verify_checkpoint(note(&extended, &pq).as_bytes()).unwrap_err();
    assert_eq!(refused, PolicyError::Checkpoint(CheckpointError::UnsignedExtensions));

    // A key of another name is a cosigner's, even where the caller names it.
    let other = signing_key("other.example", SignatureType::MlDsa44, 0xb);
    let nobody = policy("quorum none\n");
    let of = |key: &SigningKey| {
        let origin = Origin::new("log.example").unwrap();
        nobody.verify_checkpoint_of(note(&text, key).as_bytes(), &origin, [key.verifying_key()])
    };
    assert!(of(&pq).is_ok());
    assert!(matches!(of(&other), Err(PolicyError::NotByLog { .. })));

    // One key may be log and witness; a witness that is called as the log is no log.
    let (vkey, first) = (pq.verifying_key(), log_key(1));
    let both = policy(&format!("log {vkey}\nwitness w {vkey}\nquorum w\n"));
    assert_eq!(both.verify_checkpoint(note(&text, &pq).as_bytes()).unwrap().cosignatures().len(), 1);
    let witness = policy(&format!("log {}\nwitness w {vkey}\nquorum w\n", first.verifying_key()));
    let refused = witness.verify_checkpoint(note(&text, &pq).as_bytes());
    assert!(matches!(refused, Err(PolicyError::NotByLog { .. })));
}

#[test]
fn the_times_of_cosignatures_bound_when_it_was_witnessed() {
    let pq = signing_key("pq.example", SignatureType::MlDsa44, 0xa);
    let policy = format!("{}witness pq {}\nquorum none\n", base(), pq.verifying_key());
    let policy = Policy::parse(policy.as_bytes()).unwrap();
    assert_eq!(policy.witnesses().last().unwrap().name().as_bytes(), b"pq");

    let between = |cosigners: &[(&SigningKey, u64)]| {
        let lines = cosigners.iter().map(|(key, time)| key.cosign(&checkpoint(), *time).unwrap());
        let lines: String = lines.map(|line| format!("{line}\n")).collect();
        let note = format!("{}{lines}", checkpoint_by(""));
        policy.verify_checkpoint(note.as_bytes()).unwrap().witnessed_between()
    };
    let (a, b, stranger) = (witness_key('a'), witness_key('b'), witness_key('x'));
    assert_eq!(between(&[]), None);
    assert_eq!(between(&[(&stranger, 5)]), None);
    assert_eq!(between(&[(&a, 1000)]), Some((1000, 1000)));
    assert_eq!(between(&[(&stranger, 5), (&b, 30), (&pq, 10), (&a, 20)]), Some((10, 30)));
    // Timestamp 0 says nothing about time.
    assert_eq!(between(&[(&pq, 0)]), None);
    assert_eq!(between(&[(&pq, 0), (&a, 20)]), Some((20, 20)));
}

#[test]
fn a_policy_checkpoint_holds_the_signed_checkpoint() {
    let policy = Policy::parse(format!("{}quorum a\n", base()).as_bytes()).unwrap();
    let note = checkpoint_by("ax");
    let checkpoint = policy.verify_checkpoint(note.as_bytes()).unwrap();
    let signed: &SignedCheckpoint = checkpoint.signed();
    assert_eq!(signed.note(), note);
    assert_eq!(signed.verified().ignored_lines().len(), 1);
    assert_eq!(signed.verified().verified_note(), checkpoint_by("a"));
    assert_eq!(checkpoint.origin().as_str(), "log.example");
}
