//! Entries and the notes in them, against vectors that an independent program made, and against whatever bytes come.

use proptest::prelude::*;
use serde_json::Value;
use vouchlog_merkle::{Hash, leaf_hash};
use vouchlog_note::{CosignedCheckpoint, KeyName, Origin, SignatureType, SigningKey, UnverifiedNote};

use super::*;
use crate::limits::{MAX_REASON_BYTES, MAX_STREAM_SIZE};
use crate::{
    Continuation, DailyLimits, Digest, Enrolment, Evidence, Genesis, Limit, OperatorCause, OperatorChange,
    Operators, Previous, Pruning, Quota, QuotaScope, RecoveryKey, ReplacementCause, ReplacementReason,
    Replaces, Retirement, RetirementCause, RetirementProof, Revocation, StatementKind, StreamOpening,
    SuccessionError, TextError, WitnessRotation,
};

const VECTORS: &str = include_str!("../../../../tests/vectors/entries/entries.json");
const T: u64 = 1_767_225_600_000;

fn vectors() -> Value {
    serde_json::from_str(VECTORS).unwrap()
}

/// Name, bytes and leaf hash of every golden entry.
fn golden() -> Vec<(String, Vec<u8>, Hash)> {
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap().to_owned();
    let entry = |entry: &Value| {
        (
            text(entry, "name"),
            hex::decode(text(entry, "hex")).unwrap(),
            text(entry, "leaf_hash").parse().unwrap(),
        )
    };
    vectors()["entries"].as_array().unwrap().iter().map(entry).collect()
}

fn key(role: &str) -> SigningKey {
    let key = &vectors()["keys"][role];
    let seed = hex::decode(key["seed_hex"].as_str().unwrap()).unwrap().try_into().unwrap();
    let name = KeyName::new(key["name"].as_str().unwrap()).unwrap();
    let signature_type = u8::try_from(key["type"].as_u64().unwrap()).unwrap().try_into().unwrap();
    let made = SigningKey::generate(name, signature_type, seed).unwrap();
    assert_eq!(made.verifying_key().to_string(), key["vkey"].as_str().unwrap());
    made
}

fn origin() -> Origin {
    Origin::new(vectors()["origin"].as_str().unwrap()).unwrap()
}

fn at(millis: u64) -> LoggedAt {
    LoggedAt::from_millis(millis).unwrap()
}

fn enrolment() -> Enrolment {
    Enrolment::first(origin(), key("gateway").verifying_key().clone())
}

fn replacing(old: &str, new: &str, reason: ReplacementReason) -> Enrolment {
    let replaces = Some(Replaces { key: key(old).verifying_key().clone(), reason });
    Enrolment { replaces, ..Enrolment::first(origin(), key(new).verifying_key().clone()) }
}

fn replacement() -> Enrolment {
    let (cause, words) = (ReplacementCause::Compromised, "key left in a build log".to_owned());
    replacing("gateway", "gateway-next", ReplacementReason::Operator { cause, words })
}

fn rotation() -> Enrolment {
    replacing("gateway-next", "gateway-third", ReplacementReason::Rotation)
}

fn opening(previous: Option<Previous>) -> StreamOpening {
    let (gateway, stream) = (key("gateway").verifying_key().clone(), key("stream").verifying_key().clone());
    StreamOpening { log: origin(), gateway, stream, previous }
}

fn revocation(reason: &str) -> Revocation {
    let gateway = key("gateway").verifying_key().clone();
    Revocation { log: origin(), gateway, effective: at(T + 30_000), reason: reason.to_owned() }
}

fn quota() -> Quota {
    let gateway = key("gateway").verifying_key().name().clone();
    let limits = DailyLimits {
        statements: Limit::AtMost(1_000_000),
        bytes: Limit::Unlimited,
        streams: Limit::Default,
    };
    Quota { log: origin(), scope: QuotaScope::Gateway(gateway), issued: at(T + 90_000), limits }
}

fn operator_rotation() -> OperatorChange {
    OperatorChange {
        log: origin(),
        operator: key("operator-next").verifying_key().clone(),
        replaces: key("operator").verifying_key().clone(),
        cause: OperatorCause::Rotation,
        words: "the yearly rotation".to_owned(),
    }
}

fn retirement() -> Retirement {
    let (log, successor) = (key("log").verifying_key().clone(), key("successor").verifying_key().clone());
    let words = "key left in a build log".to_owned();
    Retirement { log, successor, cause: RetirementCause::Compromised, words }
}

/// The golden retirement as entry 1, and last, of a log.
fn continuation() -> Continuation {
    let bytes = |wanted: &str| golden().into_iter().find(|(name, ..)| name == wanted).unwrap();
    let ((_, _, genesis), (_, retired, leaf)) = (bytes("genesis"), bytes("log-retired"));
    let root = vouchlog_merkle::node_hash(&genesis, &leaf);
    let head = vouchlog_merkle::TreeHead { size: vouchlog_merkle::TreeSize::new(2), root };
    let checkpoint = vouchlog_note::Checkpoint::new(origin(), head);
    let signed = vouchlog_note::SignedCheckpoint::sign(&checkpoint, &key("log")).unwrap();
    let inclusion = vouchlog_merkle::InclusionProof::from_hashes(vec![genesis]).unwrap();
    Continuation::new(RetirementProof::new(&retired, inclusion, signed.note().as_bytes()).unwrap())
}

fn genesis() -> Genesis {
    Genesis { origin: origin(), operator: key("operator").verifying_key().clone() }
}

/// What each golden entry means, made here from the same seeds.
fn meaning(name: &str, bytes: &[u8]) -> Entry {
    let stream = StreamId::new(2).unwrap();
    let previous = Previous { stream, size: 10 };
    // The two heads are read below; here they are taken as they are.
    let head = || String::from_utf8(bytes[12..].to_vec()).unwrap();
    match name {
        "genesis" => Entry::Genesis { logged_at: at(T), note: genesis().sign(&key("log")).unwrap() },
        "gateway-enrolled" => {
            Entry::GatewayEnrolled { logged_at: at(T + 1), note: enrolment().sign(&key("operator")).unwrap() }
        }
        "stream-opened" => {
            Entry::StreamOpened { logged_at: at(T + 2), note: opening(None).sign(&key("gateway")).unwrap() }
        }
        "stream-opened-again" => Entry::StreamOpened {
            logged_at: at(T + 90_001),
            note: opening(Some(previous)).sign(&key("gateway")).unwrap(),
        },
        "stream-head" => Entry::StreamHead { logged_at: at(T + 60_000), stream, note: head() },
        "stream-closed" => Entry::StreamClosed { logged_at: at(T + 90_000), stream, note: head() },
        "gateway-revoked" => Entry::GatewayRevoked {
            logged_at: at(T + 90_002),
            note: revocation("key left in a build log").sign(&key("operator")).unwrap(),
        },
        "gateway-enrolled-replacement" => Entry::GatewayEnrolled {
            logged_at: at(T + 90_004),
            note: replacement().sign(&key("operator")).unwrap(),
        },
        "gateway-enrolled-rotation" => {
            let note = rotation().cross_sign(&key("gateway-next"), &key("gateway-third")).unwrap();
            let note = Enrolment::countersign(&note, &origin(), &key("operator")).unwrap();
            Entry::GatewayEnrolled { logged_at: at(T + 90_005), note }
        }
        "quota-set" => {
            Entry::QuotaSet { logged_at: at(T + 90_004), note: quota().sign(&key("operator")).unwrap() }
        }
        "operator-changed-rotation" => Entry::OperatorChanged {
            logged_at: at(T + 90_006),
            note: operator_rotation().sign(&key("operator"), &key("operator-next")).unwrap(),
        },
        "operator-changed-recovery-key" => {
            let naming = RecoveryKey {
                log: origin(),
                recovery: key("recovery").verifying_key().clone(),
                replaces: None,
            };
            let note = naming.sign(&key("operator"), &key("recovery"), None).unwrap();
            Entry::OperatorChanged { logged_at: at(T + 90_007), note }
        }
        "witness-rotated" => {
            let note = WitnessRotation::sign(&key("witness"), &key("witness-next"), T / 1_000 + 90).unwrap();
            Entry::WitnessRotated { logged_at: at(T + 90_008), note }
        }
        "log-retired" => {
            let note = retirement().sign(&key("log"), &key("successor")).unwrap();
            Entry::LogRetired { logged_at: at(T + 90_006), note }
        }
        "log-continued" => Entry::LogContinued {
            logged_at: at(T + 90_007),
            note: continuation().sign(&key("successor")).unwrap(),
        },
        "log-pruned" => {
            let reason = "entries are kept for 7 years".into();
            let pruning = Pruning { log: origin(), minimum: 1 << 20, reason };
            Entry::LogPruned { logged_at: at(T + 90_009), note: pruning.sign(&key("log")).unwrap() }
        }
        "largest-numbers" => Entry::Statement(StatementEntry {
            logged_at: LoggedAt::MAX,
            stream: StreamId::MAX,
            sequence: SequenceNumber::MAX,
            statement: Statement {
                kind: StatementKind::Opaque,
                evidence: Evidence::new(Evidence::DEFINED & !(1 << 24)).unwrap(),
                digest: Digest::from_bytes([0xff; 32]),
            },
        }),
        // The first statement of the stream that was opened again, entry 15 of this log.
        "heartbeat" => Entry::Statement(StatementEntry {
            logged_at: at(T + 90_003),
            stream: StreamId::new(15).unwrap(),
            sequence: SequenceNumber::new(0).unwrap(),
            statement: statement(StatementKind::Heartbeat).statement,
        }),
        "hold" => Entry::Statement(StatementEntry {
            logged_at: at(T + 90_008),
            stream: StreamId::new(15).unwrap(),
            sequence: SequenceNumber::new(1).unwrap(),
            statement: statement(StatementKind::Hold).statement,
        }),
        _ => Entry::Statement(statement(StatementKind::from_name(name).unwrap())),
    }
}

/// The kinds of the golden stream's ten statements, in their order.
fn golden_stream() -> impl Iterator<Item = StatementKind> {
    StatementKind::ALL
        .into_iter()
        .filter(|kind| !matches!(kind, StatementKind::Heartbeat | StatementKind::Hold))
}

fn statement(kind: StatementKind) -> StatementEntry {
    let place = golden_stream().position(|other| other == kind).unwrap_or_default() as u64;
    let all_bits = 0x1_ffff | 2 << 22 | 1 << 24 | 1 << 26 | 1 << 27;
    let bits = if kind == StatementKind::Interaction { all_bits } else { 0 };
    StatementEntry {
        logged_at: at(T + 3 + place),
        stream: StreamId::new(2).unwrap(),
        sequence: SequenceNumber::new(place).unwrap(),
        statement: Statement {
            kind,
            evidence: Evidence::new(bits).unwrap(),
            digest: Digest::of(kind.name().as_bytes()),
        },
    }
}

#[test]
fn golden_entries_mean_what_they_mean() {
    let golden = golden();
    assert_eq!(golden.len(), StatementKind::ALL.len() + 17);
    for (name, bytes, leaf) in golden {
        let entry = Entry::decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(entry, meaning(&name, &bytes), "{name}");
        assert_eq!(hex::encode(entry.encode()), hex::encode(&bytes), "{name}");
        assert_eq!(leaf_hash(&bytes), leaf, "{name}");
        assert!(name.starts_with(entry.kind_name()) || name == "largest-numbers", "{name}");
        assert_eq!(entry.logged_at().field(), bytes[1..7], "{name}");
    }
}

/// The golden head is signed over the golden statements: entries, leaf data and stream origin fit together.
#[test]
fn the_golden_head_is_that_of_the_golden_statements() {
    let mut range = vouchlog_merkle::CompactRange::new();
    for kind in golden_stream() {
        range.append(statement(kind).statement.stream_leaf_hash());
    }
    let stream = StreamId::new(2).unwrap();
    let stream_origin = Origin::new(&crate::stream_origin(origin().as_str(), stream)).unwrap();
    for (name, bytes, _) in golden() {
        let (Entry::StreamHead { note, .. } | Entry::StreamClosed { note, .. }) =
            Entry::decode(&bytes).unwrap()
        else {
            continue;
        };
        let opened = CosignedCheckpoint::open(note.as_bytes(), &stream_origin, key("stream").verifying_key());
        assert_eq!(opened.unwrap().head().root, range.root().unwrap(), "{name}");
    }
}

#[test]
fn no_truncation_and_no_extension_of_an_entry_is_that_entry() {
    for (name, bytes, _) in golden() {
        let entry = Entry::decode(&bytes).unwrap();
        let is_statement = matches!(entry, Entry::Statement(_));
        for length in 0..bytes.len() {
            // A note cut at the end of a signature line still looks like a note; its reader refuses it.
            let cut = Entry::decode(&bytes[..length]);
            let looks_like_note =
                bytes[..length].ends_with(b"\n") && bytes[..length].windows(2).any(|w| w == b"\n\n");
            assert_eq!(cut.is_ok(), !is_statement && looks_like_note, "{name} cut to {length} bytes");
            if let Ok(cut) = cut {
                assert_ne!(cut, entry);
                assert!(open_note(&cut).is_err(), "{name} cut to {length} bytes");
            }
        }
        for extra in [&b"\0"[..], b"\n", b"x", b"\xff", b" \n", b"\n\n"] {
            let longer = [&bytes, extra].concat();
            if let Ok(longer) = Entry::decode(&longer) {
                assert!(!is_statement && open_note(&longer).is_err(), "{name} with {extra:?} behind it");
            }
        }
    }
}

/// Opens the note of a control entry as its reader does.
fn open_note(entry: &Entry) -> Result<(), String> {
    let text = |error: TextError| error.to_string();
    let operator = key("operator").verifying_key().clone();
    match entry {
        Entry::Statement(_) => Ok(()),
        Entry::Genesis { note, .. } => {
            Genesis::open(note, key("log").verifying_key()).map(drop).map_err(text)
        }
        Entry::StreamOpened { note, .. } => StreamOpening::open(note, &origin()).map(drop).map_err(text),
        Entry::GatewayEnrolled { note, .. } => {
            Enrolment::open(note, &origin(), &operator).map(drop).map_err(text)
        }
        Entry::GatewayRevoked { note, .. } => {
            Revocation::open(note, &origin(), &operator).map(drop).map_err(text)
        }
        Entry::QuotaSet { note, .. } => Quota::open(note, &origin(), &operator).map(drop).map_err(text),
        Entry::OperatorChanged { note, .. } => {
            Operators::new(operator).open(note, &origin()).map(drop).map_err(|error| error.to_string())
        }
        Entry::WitnessRotated { note, .. } => WitnessRotation::open(note).map(drop).map_err(text),
        Entry::LogRetired { note, .. } => {
            Retirement::open_of(note, key("log").verifying_key()).map(drop).map_err(text)
        }
        Entry::LogPruned { note, .. } => {
            Pruning::open(note, &origin(), key("log").verifying_key()).map(drop).map_err(text)
        }
        Entry::LogContinued { note, .. } => {
            let opened = Continuation::open(note, key("successor").verifying_key());
            opened.map(drop).map_err(|error: SuccessionError| error.to_string())
        }
        Entry::StreamHead { stream, note, .. } | Entry::StreamClosed { stream, note, .. } => {
            let origin = Origin::new(&crate::stream_origin(origin().as_str(), *stream)).unwrap();
            let opened = CosignedCheckpoint::open(note.as_bytes(), &origin, key("stream").verifying_key());
            opened.map(drop).map_err(|error| error.to_string())
        }
    }
}

#[test]
fn every_golden_note_opens() {
    for (name, bytes, _) in golden() {
        open_note(&Entry::decode(&bytes).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn bytes_that_are_no_entry_are_refused() {
    let statement = statement(StatementKind::Interaction).to_bytes();
    for kind in (0..0x80).filter(|kind| StatementKind::from_byte(*kind).is_none()) {
        let mut bytes = statement;
        bytes[0] = kind;
        assert_eq!(Entry::decode(&bytes), Err(EntryError::Kind(kind)));
    }
    let control = |kind: u8, body: &[u8]| Entry::decode(&[&[kind][..], &[0; 6], body].concat());
    for kind in [0x86, 0x87].into_iter().chain(0x8e..=0xff) {
        assert_eq!(control(kind, b"text\n\nsignature\n"), Err(EntryError::Kind(kind)));
    }
    for bit in (0..32).filter(|bit| Evidence::DEFINED & 1 << bit == 0) {
        let mut bytes = statement;
        bytes[18..22].copy_from_slice(&(1u32 << bit).to_be_bytes());
        assert_eq!(Entry::decode(&bytes), Err(EntryError::Evidence(1 << bit)));
    }
    let mut both = statement;
    both[18..22].copy_from_slice(&(3u32 << 24).to_be_bytes());
    assert_eq!(Entry::decode(&both), Err(EntryError::Evidence(3 << 24)));

    assert_eq!(Entry::decode(b""), Err(EntryError::Empty));
    assert_eq!(Entry::decode(&[0x82; 11]), Err(EntryError::Length { kind: 0x82, length: 11 }));
    assert_eq!(
        Entry::decode(&vec![1; MAX_ENTRY_BYTES + 1]),
        Err(EntryError::Length { kind: 1, length: MAX_ENTRY_BYTES + 1 })
    );
    for body in [&b""[..], b"\n", b"no blank line\n", b"no end\n\nhere", b"\xff\n\n\n"] {
        assert_eq!(control(0x80, body), Err(EntryError::NoteText), "{body:?}");
    }
    let long = |length: usize| [vec![b'x'; length - 3], b"\n\n\n".to_vec()].concat();
    assert!(control(0x80, &long(MAX_NOTE_BYTES)).is_ok());
    assert_eq!(control(0x80, &long(MAX_NOTE_BYTES + 1)), Err(EntryError::NoteLength(MAX_NOTE_BYTES + 1)));
    assert!(control(0x8c, &long(MAX_CONTINUATION_BYTES)).is_ok());
    let longer = MAX_CONTINUATION_BYTES + 1;
    assert_eq!(control(0x8c, &long(longer)), Err(EntryError::NoteLength(longer)));
}

#[test]
fn numbers_that_do_not_fit_are_none() {
    assert_eq!(StreamId::new(1 << 40), None);
    assert_eq!(SequenceNumber::new(1 << 48), None);
    assert_eq!(LoggedAt::from_millis(1 << 48), None);
    assert_eq!(StreamId::MAX.get(), (1 << 40) - 1);
}

/// Signs a text that says what no honest signer says.
fn signed(text: &str, by: &SigningKey) -> String {
    UnverifiedNote::from_parts(text, vec![by.sign_note(text).unwrap()]).unwrap().as_str().to_owned()
}

/// `what` of a text replaced by something else, signed by the right key all the same.
fn altered(note: &str, what: &str, by: &str, signer: &SigningKey) -> String {
    let text = UnverifiedNote::parse(note.as_bytes()).unwrap().unverified_text().to_owned();
    assert!(text.contains(what), "{text} has `{what}`");
    signed(&text.replacen(what, by, 1), signer)
}

#[test]
fn control_notes_come_back() {
    let (operator, gateway) = (key("operator"), key("gateway"));
    let note = genesis().sign(&key("log")).unwrap();
    assert_eq!(Genesis::open(&note, key("log").verifying_key()), Ok(genesis()));
    let note = enrolment().sign(&operator).unwrap();
    assert_eq!(Enrolment::open(&note, &origin(), operator.verifying_key()), Ok(enrolment()));
    let previous = |stream, size| Some(Previous { stream: StreamId::new(stream).unwrap(), size });
    for previous in [None, previous(0, 0), previous(7, 12), previous(StreamId::MAX.get(), MAX_STREAM_SIZE)] {
        let note = opening(previous).sign(&gateway).unwrap();
        assert_eq!(StreamOpening::open(&note, &origin()), Ok(opening(previous)));
    }
    let note = revocation("the laptop was stolen").sign(&operator).unwrap();
    assert_eq!(
        Revocation::open(&note, &origin(), operator.verifying_key()),
        Ok(revocation("the laptop was stolen"))
    );
}

#[test]
fn a_reason_cannot_break_its_line() {
    let operator = key("operator");
    let long = "ä".repeat(MAX_REASON_BYTES);
    for (reason, kept) in [
        ("two\nlines", "two lines"),
        ("x\n\n\u{2014} operator.example.com AAAA", "x  \u{2014} operator.example.com AAAA"),
        ("\u{0}\t\r\u{7f}\u{85}", "unspecified"),
        ("", "unspecified"),
        ("  round  ", "round"),
        (long.as_str(), &long[..MAX_REASON_BYTES]),
    ] {
        let note = revocation(reason).sign(&operator).unwrap();
        let opened = Revocation::open(&note, &origin(), operator.verifying_key()).unwrap();
        assert_eq!(opened.reason, kept);
        let entry = Entry::GatewayRevoked { logged_at: at(T), note };
        assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
    }
}

#[test]
fn notes_by_the_wrong_key_are_refused() {
    let (operator, gateway, log) = (key("operator"), key("gateway"), key("log"));
    let note_error = |outcome: Result<(), TextError>| matches!(outcome, Err(TextError::Note(_)));
    let genesis = genesis().sign(&operator).unwrap();
    assert!(note_error(Genesis::open(&genesis, log.verifying_key()).map(drop)));
    let enrolment = enrolment().sign(&gateway).unwrap();
    assert!(note_error(Enrolment::open(&enrolment, &origin(), operator.verifying_key()).map(drop)));
    let revocation = revocation("x").sign(&gateway).unwrap();
    assert!(note_error(Revocation::open(&revocation, &origin(), operator.verifying_key()).map(drop)));
    let opening_by_other = opening(None).sign(&operator).unwrap();
    assert!(note_error(StreamOpening::open(&opening_by_other, &origin()).map(drop)));
    // A key with the gateway's name that is another key.
    let name = gateway.verifying_key().name().clone();
    let namesake = SigningKey::generate(name, SignatureType::Ed25519, [9; 32]).unwrap();
    let opening_by_namesake = opening(None).sign(&namesake).unwrap();
    assert!(note_error(StreamOpening::open(&opening_by_namesake, &origin()).map(drop)));
    // A key that cosigns does not sign notes.
    assert!(note_error(opening(None).sign(&key("stream")).map(drop)));
}

#[test]
fn altered_notes_are_refused_even_when_signed() {
    let gateway = key("gateway");
    let check = |what: &str, by: &str| {
        let note = opening(Some(Previous { stream: StreamId::new(12).unwrap(), size: 34 }));
        let note = altered(&note.sign(&gateway).unwrap(), what, by, &gateway);
        assert!(StreamOpening::open(&note, &origin()).is_err(), "`{what}` replaced by `{by}` opens");
    };
    check("vouchlog/v1 stream", "vouchlog/v2 stream");
    check("vouchlog/v1 stream", "vouchlog/v1 enrol");
    check("log log.example.com/ai-digests", "log log.example.com/other");
    check("log log.example.com/ai-digests\n", "");
    check("log ", "log  ");
    check("log ", "Log ");
    check("gateway ", "stream ");
    check("previous 12 34\n", "");
    check("previous 12 34\n", "previous 12 34\nmore\n");
    check("previous 12 34\n", "previous 12 34\n\n");
    for previous in
        ["012 34", "12 034", "+12 34", "12  34", "12 34 ", " 12 34", "12", "12 -1", "None", "none ", ""]
    {
        check("12 34", previous);
    }
    check("12 34", "1099511627776 34"); // 2^40, no stream
    check("12 34", "12 281474976710657"); // 2^48 + 1, no size
    check("12 34", "12 18446744073709551616");
    // The two keys in each other's place: each has one job, and its type says which.
    let (first, second) = (gateway.verifying_key().to_string(), key("stream").verifying_key().to_string());
    check(&first, &second);
    check(&second, &first);
}

#[test]
fn other_notes_are_as_strict() {
    let (operator, log) = (key("operator"), key("log"));
    let note = revocation("x").sign(&operator).unwrap();
    let cases = [
        ("effective 1767225630000", "effective 01767225630000"),
        ("effective 1767225630000", "effective 281474976710656"),
        ("effective 1767225630000", "effective never"),
        ("reason x\n", "reason \n"),
        ("reason x\n", "reason x\nreason y\n"),
        ("reason x\n", ""),
        ("log log.example.com", "log log.example.org"),
    ];
    for (what, by) in cases {
        let note = altered(&note, what, by, &operator);
        assert!(Revocation::open(&note, &origin(), operator.verifying_key()).is_err(), "{by}");
    }
    let long = format!("reason {}", "y".repeat(MAX_REASON_BYTES + 1));
    let long = altered(&note, "reason x", &long, &operator);
    assert!(Revocation::open(&long, &origin(), operator.verifying_key()).is_err());

    let note = genesis().sign(&log).unwrap();
    for (what, by) in [("origin ", "log "), ("\noperator", "\n\noperator"), ("genesis\n", "genesis \n")] {
        assert!(Genesis::open(&altered(&note, what, by, &log), log.verifying_key()).is_err(), "{by}");
    }
    let note = enrolment().sign(&operator).unwrap();
    let stream = key("stream").verifying_key().to_string();
    let gateway = key("gateway").verifying_key().to_string();
    let other_type = altered(&note, &gateway, &stream, &operator);
    assert!(Enrolment::open(&other_type, &origin(), operator.verifying_key()).is_err());
    // One note cannot pass for another.
    assert!(Revocation::open(&note, &origin(), operator.verifying_key()).is_err());

    let huge = format!("{}{}", "x".repeat(MAX_NOTE_BYTES), note);
    let length = TextError::Length(huge.len());
    assert_eq!(Enrolment::open(&huge, &origin(), operator.verifying_key()), Err(length.clone()));
    assert_eq!(StreamOpening::open(&huge, &origin()), Err(length));
}

fn statements() -> impl Strategy<Value = Entry> {
    let kind = proptest::sample::select(StatementKind::ALL.to_vec());
    let bits = any::<u32>().prop_filter_map("two verdicts", |bits| Evidence::new(bits & Evidence::DEFINED));
    (kind, bits, any::<[u8; 32]>(), 0..1u64 << 48, 0..1u64 << 40, 0..1u64 << 48).prop_map(
        |(kind, evidence, digest, logged_at, stream, sequence)| {
            Entry::Statement(StatementEntry {
                logged_at: at(logged_at),
                stream: StreamId::new(stream).unwrap(),
                sequence: SequenceNumber::new(sequence).unwrap(),
                statement: Statement { kind, evidence, digest: Digest::from_bytes(digest) },
            })
        },
    )
}

fn controls() -> impl Strategy<Value = Entry> {
    (0..9u8, 0..1u64 << 48, 0..1u64 << 40, "\\PC{0,200}\n\n\\PC{0,100}\n").prop_map(
        |(kind, logged_at, stream, note)| {
            let (logged_at, stream) = (at(logged_at), StreamId::new(stream).unwrap());
            match kind {
                0 => Entry::Genesis { logged_at, note },
                1 => Entry::StreamOpened { logged_at, note },
                2 => Entry::StreamHead { logged_at, stream, note },
                3 => Entry::StreamClosed { logged_at, stream, note },
                4 => Entry::GatewayEnrolled { logged_at, note },
                5 => Entry::GatewayRevoked { logged_at, note },
                6 => Entry::LogRetired { logged_at, note },
                7 => Entry::LogPruned { logged_at, note },
                _ => Entry::LogContinued { logged_at, note },
            }
        },
    )
}

/// Bytes that get past the first checks: an entry, changed in a few places.
fn nearly_entries() -> impl Strategy<Value = Vec<u8>> {
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (prop_oneof![statements(), controls()], changes).prop_map(|(entry, changes)| {
        let mut bytes = entry.encode();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn what_is_encoded_decodes(entry in prop_oneof![statements(), controls()]) {
        prop_assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        bytes in prop_oneof![nearly_entries(), proptest::collection::vec(any::<u8>(), 0..120)]
    ) {
        if let Ok(entry) = Entry::decode(&bytes) {
            prop_assert_eq!(entry.encode(), bytes);
        }
    }

    #[test]
    fn random_notes_never_panic(note in "(vouchlog/v1 (genesis|stream|enrol|revoke)\n)?\\PC{0,300}\n\n\u{2014} \\PC{0,80}\n") {
        let entry = Entry::StreamOpened { logged_at: at(0), note: note.clone() };
        let _ = open_note(&entry);
        let _ = Genesis::open(&note, key("log").verifying_key());
    }

    #[test]
    fn any_reason_gives_a_note_that_opens(reason in any::<String>()) {
        let operator = key("operator");
        let note = revocation(&reason).sign(&operator).unwrap();
        let opened = Revocation::open(&note, &origin(), operator.verifying_key()).unwrap();
        prop_assert!(!opened.reason.is_empty() && opened.reason.len() <= MAX_REASON_BYTES);
    }
}
