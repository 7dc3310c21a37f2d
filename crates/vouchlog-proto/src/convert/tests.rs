//! Every type comes back from its message as it was, and no message, however odd, makes a conversion panic.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::{Message, Name};
use vouchlog_api::limits::{MAX_NOTE_BYTES, MAX_STATEMENTS};
use vouchlog_api::{
    AckLevel, Append, Appended, HouseAppend, HouseAppended, LookupKey, Opened, RangeReceipt, RunInfo,
    StreamInfo,
};
use vouchlog_merkle::{
    ConsistencyProof, Hash, InclusionProof, LeafIndex, RangeProof, Subtree, SubtreeProof, TreeSize,
};
use vouchlog_note::limits::{MAX_ADD_CHECKPOINT_BYTES, MAX_TREE_SIZE};
use vouchlog_note::{AddCheckpoint, SignSubtree, UnverifiedNote};
use vouchlog_stream::{
    Digest, Evidence, Fork, LoggedAt, Previous, SequenceNumber, Statement, StatementKind, StreamId,
    StreamStatus,
};

use crate::limits::{MAX_REQUEST_BYTES, MAX_WITNESS_REQUEST_BYTES};
use crate::{ConvertError, EntryName, v1};

fn statement() -> impl Strategy<Value = Statement> {
    let kind = proptest::sample::select(StatementKind::ALL.to_vec());
    (kind, any::<u32>(), any::<[u8; 32]>()).prop_map(|(kind, bits, digest)| Statement {
        kind,
        evidence: Evidence::new(bits & Evidence::DEFINED & !(1 << 25)).unwrap(),
        digest: Digest::from_bytes(digest),
    })
}

fn ack_level() -> impl Strategy<Value = AckLevel> {
    proptest::sample::select(vec![AckLevel::Sequenced, AckLevel::Witnessed])
}

fn hashes(most: usize) -> impl Strategy<Value = Vec<Hash>> {
    vec(any::<[u8; 32]>().prop_map(Hash::from_bytes), 0..=most)
}

fn receipt() -> impl Strategy<Value = RangeReceipt> {
    (0..1_u64 << 40, 0..1_u64 << 48, any::<u64>(), any::<u32>(), hashes(64), hashes(64), ".{0,80}").prop_map(
        |(stream, number, first, count, left, right, checkpoint)| RangeReceipt {
            stream: StreamId::new(stream).unwrap(),
            sequence: SequenceNumber::new(number).unwrap(),
            first: LeafIndex::new(first),
            count,
            logged_at: LoggedAt::from_millis(number).unwrap(),
            proof: RangeProof::from_parts(left, right).unwrap(),
            checkpoint,
        },
    )
}

/// A note with this text and a signature line that nobody verifies.
fn note(text: &str) -> UnverifiedNote {
    let line = "\u{2014} log.example WPN6W3jJ1c6LzKfyJ3ERTuLyAJZxJOmKxXdZ1fVdYc0=\n";
    UnverifiedNote::parse(format!("{text}\n\n{line}").as_bytes()).unwrap()
}

/// The message as the other side decodes it.
fn over_the_wire<M: Message + Default>(message: &M) -> M {
    M::decode(Bytes::from(message.encode_to_vec())).unwrap()
}

proptest! {
    #[test]
    fn appends_come_back(
        stream in 0..1_u64 << 40,
        old_size: u64,
        statements in vec(statement(), 0..40),
        head in ".{0,40}",
        close: bool,
        wait_for in ack_level(),
    ) {
        let stream = StreamId::new(stream).unwrap();
        let append = Append { stream, old_size, statements, head, close, wait_for };
        let message = over_the_wire(&v1::AppendRequest::from(&append));
        prop_assert_eq!(Append::try_from(message), Ok(append));
    }

    #[test]
    fn house_appends_come_back(statements in vec(statement(), 1..40), wait_for in ack_level()) {
        let append = HouseAppend { statements, wait_for };
        let message = over_the_wire(&v1::AppendHouseRequest::from(&append));
        prop_assert_eq!(HouseAppend::try_from(message), Ok(append));
    }

    #[test]
    fn receipts_come_back(receipt in receipt(), stream_size: u64, repeated: bool, witnessed: bool) {
        let house = HouseAppended { receipt: receipt.clone(), witnessed };
        let message = over_the_wire(&v1::AppendHouseResponse::from(house.clone()));
        prop_assert_eq!(HouseAppended::try_from(message), Ok(house));
        let appended = Appended { stream_size, receipt: Some(receipt), repeated, witnessed };
        let message = over_the_wire(&v1::AppendResponse::from(appended.clone()));
        prop_assert_eq!(Appended::try_from(message), Ok(appended));
    }

    #[test]
    fn checkpoints_for_witnesses_come_back(old_size in 0..=MAX_TREE_SIZE, proof in hashes(63), text in "[ -~]{1,60}") {
        let proof = ConsistencyProof::from_hashes(proof).unwrap();
        let request = AddCheckpoint::new(TreeSize::new(old_size), proof, note(&text)).unwrap();
        let message = v1::AddCheckpointRequest::from(&request);
        prop_assert!(message.encoded_len() < request.to_text().len());
        let again = AddCheckpoint::try_from(over_the_wire(&message)).unwrap();
        prop_assert_eq!(again.to_text(), request.to_text());
    }

    #[test]
    fn subtrees_for_witnesses_come_back(
        place in 0..1_u64 << 30,
        width in 1..1_u64 << 30,
        hash: [u8; 32],
        proof in hashes(63),
        text in "[ -~]{1,60}",
    ) {
        let begin = place * width.next_power_of_two();
        let subtree = Subtree::new(begin, begin + width).unwrap();
        let proof = SubtreeProof::from_hashes(proof).unwrap();
        let request = SignSubtree::new(subtree, Hash::from_bytes(hash), proof, note(&text)).unwrap();
        let message = v1::SignSubtreeRequest::from(&request);
        prop_assert!(message.encoded_len() < request.to_string().len());
        let again = SignSubtree::try_from(over_the_wire(&message)).unwrap();
        prop_assert_eq!(again.to_string(), request.to_string());
    }

    #[test]
    fn origins_come_back(hash: [u8; 32]) {
        let hash = Hash::from_bytes(hash);
        let message = over_the_wire(&v1::GetLatestCheckpointRequest::from(&hash));
        prop_assert_eq!(Hash::try_from(message), Ok(hash));
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        let bytes = Bytes::from(bytes);
        let _ = v1::AppendRequest::decode(bytes.clone()).map(Append::try_from);
        let _ = v1::AppendResponse::decode(bytes.clone()).map(Appended::try_from);
        let _ = v1::AppendHouseRequest::decode(bytes.clone()).map(HouseAppend::try_from);
        let _ = v1::AppendHouseResponse::decode(bytes.clone()).map(HouseAppended::try_from);
        let _ = v1::OpenStreamResponse::decode(bytes.clone()).map(Opened::try_from);
        let _ = v1::GetStreamResponse::decode(bytes.clone()).map(StreamInfo::try_from);
        let _ = v1::AddCheckpointRequest::decode(bytes.clone()).map(AddCheckpoint::try_from);
        let _ = v1::SignSubtreeRequest::decode(bytes.clone()).map(SignSubtree::try_from);
        let _ = v1::GetLatestCheckpointRequest::decode(bytes.clone()).map(Hash::try_from);
        let _ = v1::EntryRef::decode(bytes.clone()).map(|entry| EntryName::try_from(Some(entry)));
        let _ = v1::GetInclusionProofResponse::decode(bytes).map(|proof| InclusionProof::try_from(&proof));
    }

    #[test]
    fn odd_messages_never_panic(
        stream: u64,
        kind: u32,
        evidence: u32,
        digest in vec(any::<u8>(), 0..40),
        count in 0..4_usize,
    ) {
        let statement = v1::Statement { kind, evidence, digest: digest.clone().into() };
        let request = v1::AppendRequest { stream, statements: vec![statement; count], ..Default::default() };
        let _ = Append::try_from(request);
        let receipt = v1::RangeReceipt {
            stream,
            sequence: stream,
            logged_at: stream,
            left: vec![digest.clone().into(); count],
            ..Default::default()
        };
        let _ = RangeReceipt::try_from(receipt);
        let checkpoint = note("text").as_str().to_owned();
        let proof = vec![Bytes::from(digest.clone()); count];
        let request = v1::AddCheckpointRequest { old_size: stream, proof: proof.clone(), checkpoint: checkpoint.clone() };
        let _ = AddCheckpoint::try_from(request);
        let (begin, end) = (u64::from(kind), stream);
        let _ = SignSubtree::try_from(v1::SignSubtreeRequest { begin, end, hash: digest.into(), proof, checkpoint });
    }
}

#[test]
fn streams_come_back() {
    for status in [
        StreamStatus::Open,
        StreamStatus::Closed,
        StreamStatus::Superseded(StreamId::new(0).unwrap()),
        StreamStatus::Superseded(StreamId::MAX),
    ] {
        let info = StreamInfo {
            stream: StreamId::new(5).unwrap(),
            gateway: "gateway.example/a".to_owned(),
            enrolled: LeafIndex::new(4),
            revoked: (status != StreamStatus::Open).then(|| LeafIndex::new(0)),
            operator_changes: vec![LeafIndex::new(3), LeafIndex::new(5)],
            key: "vkey".to_owned(),
            previous: Some(Previous { stream: StreamId::new(2).unwrap(), size: 9 }),
            size: 3,
            head: Some("head".to_owned()),
            runs: vec![RunInfo {
                start: 0,
                count: 3,
                first: LeafIndex::new(6),
                logged_at: LoggedAt::from_millis(7).unwrap(),
            }],
            status,
            fork: Some(Fork { size: 2, accepted: "a".to_owned(), refused: "b".to_owned() }),
        };
        let message = over_the_wire(&v1::GetStreamResponse::from(info.clone()));
        assert_eq!(StreamInfo::try_from(message), Ok(info));
    }
    let bare = v1::GetStreamResponse { status: 1, ..Default::default() };
    let info = StreamInfo::try_from(bare.clone()).unwrap();
    assert_eq!((info.head, info.previous, info.fork), (None, None, None));
    let unknown = v1::GetStreamResponse { status: 77, ..bare };
    assert_eq!(StreamInfo::try_from(unknown), Err(ConvertError::Missing("status")));
}

#[test]
fn entry_names_come_back() {
    let names = [
        EntryName::Index(LeafIndex::new(u64::MAX)),
        EntryName::Key(LookupKey::LeafHash(Hash::from_bytes([1; 32]))),
        EntryName::Key(LookupKey::Digest(Digest::from_bytes([2; 32]))),
        EntryName::Key(LookupKey::Sequence(StreamId::MAX, SequenceNumber::MAX)),
    ];
    for name in names {
        assert_eq!(EntryName::try_from(Some(over_the_wire(&v1::EntryRef::from(name)))), Ok(name));
    }
    assert_eq!(EntryName::try_from(None), Err(ConvertError::Missing("entry")));
    assert_eq!(EntryName::try_from(Some(v1::EntryRef { by: None })), Err(ConvertError::Missing("entry")));
}

#[test]
fn errors_name_the_field_and_the_statement() {
    let good = v1::Statement { kind: 2, evidence: 0, digest: Bytes::from_static(&[0; 32]) };
    let check = |bad: v1::Statement, words: &str| {
        let request = v1::AppendRequest { statements: vec![good.clone(), bad], ..Default::default() };
        assert_eq!(Append::try_from(request).unwrap_err().to_string(), words);
    };
    check(v1::Statement { kind: 300, ..good.clone() }, "statement 1: `kind` cannot be 300");
    check(v1::Statement { kind: 0, ..good.clone() }, "statement 1: `kind` cannot be 0");
    check(
        v1::Statement { evidence: 1 << 31, ..good.clone() },
        "statement 1: `evidence` cannot be 2147483648",
    );
    check(
        v1::Statement { digest: Bytes::from_static(b"short"), ..good.clone() },
        "statement 1: `digest` has 5 bytes, not 32",
    );
    let crowd = v1::AppendRequest { statements: vec![good; MAX_STATEMENTS + 1], ..Default::default() };
    assert!(matches!(Append::try_from(crowd), Err(ConvertError::Count { count: 16_385, .. })));
    let stray = v1::AppendRequest { stream: 1 << 40, ..Default::default() };
    assert!(matches!(Append::try_from(stray), Err(ConvertError::Number { field: "stream", .. })));
    let unheard_of = v1::AppendRequest { wait_for: 3, ..Default::default() };
    assert_eq!(Append::try_from(unheard_of).unwrap_err().to_string(), "`wait_for` cannot be 3");
    let negative = v1::AppendRequest { wait_for: -1, ..Default::default() };
    assert!(matches!(Append::try_from(negative), Err(ConvertError::Number { field: "wait_for", .. })));
    let unsaid = v1::AppendRequest::default();
    assert_eq!(Append::try_from(unsaid).unwrap().wait_for, AckLevel::Sequenced);
    assert_eq!(
        HouseAppended::try_from(v1::AppendHouseResponse::default()),
        Err(ConvertError::Missing("receipt"))
    );
    let nothing = v1::AppendHouseRequest::default();
    assert_eq!(HouseAppend::try_from(nothing), Err(ConvertError::Missing("statements")));
}

#[test]
fn the_largest_request_fits_its_bound() {
    let statement = v1::Statement { kind: 15, evidence: u32::MAX, digest: Bytes::from_static(&[0xff; 32]) };
    let request = v1::AppendRequest {
        stream: u64::MAX,
        old_size: u64::MAX,
        statements: vec![statement; MAX_STATEMENTS],
        head: "x".repeat(MAX_NOTE_BYTES),
        close: true,
        wait_for: i32::MIN,
    };
    assert!(request.encoded_len() <= MAX_REQUEST_BYTES, "{} bytes", request.encoded_len());
}

#[test]
fn details_are_named_as_any_reader_expects() {
    assert_eq!(v1::Conflict::type_url(), "type.googleapis.com/vouchlog.v1.Conflict");
}

/// What no witness could read, whatever it knows: each request is refused before anybody is asked.
#[test]
fn malformed_requests_to_witnesses_are_refused() {
    let good = v1::AddCheckpointRequest {
        old_size: 1,
        proof: vec![Bytes::from_static(&[0; 32])],
        checkpoint: note("text").as_str().to_owned(),
    };
    assert!(AddCheckpoint::try_from(good.clone()).is_ok());
    let check = |bad: v1::AddCheckpointRequest, words: &str| {
        let error = AddCheckpoint::try_from(bad).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    check(
        v1::AddCheckpointRequest { old_size: 1 << 63, ..good.clone() },
        "`old_size` cannot be 9223372036854775808",
    );
    let short = vec![Bytes::from_static(&[0; 31])];
    check(v1::AddCheckpointRequest { proof: short, ..good.clone() }, "`proof` has 31 bytes, not 32");
    let long = vec![Bytes::from_static(&[0; 32]); 64];
    check(v1::AddCheckpointRequest { proof: long, ..good.clone() }, "`proof` has 64 items, more than 63");
    check(v1::AddCheckpointRequest { checkpoint: String::new(), ..good.clone() }, "`checkpoint` is rejected");
    // The longest note leaves no room for the lines before it.
    let longest = note(&"x".repeat(MAX_ADD_CHECKPOINT_BYTES - note("").as_str().len()));
    assert_eq!(longest.as_str().len(), MAX_ADD_CHECKPOINT_BYTES);
    let checkpoint = longest.as_str().to_owned();
    check(v1::AddCheckpointRequest { checkpoint, ..good.clone() }, "the limit is 131072");

    let subtree = v1::SignSubtreeRequest {
        begin: 4,
        end: 7,
        hash: Bytes::from_static(&[0; 32]),
        proof: Vec::new(),
        checkpoint: good.checkpoint,
    };
    assert!(SignSubtree::try_from(subtree.clone()).is_ok());
    for (bad, words) in [
        (v1::SignSubtreeRequest { begin: 5, ..subtree.clone() }, "[5, 7)"),
        (
            v1::SignSubtreeRequest { begin: 0, end: 1 << 63, ..subtree.clone() },
            "`end` cannot be 9223372036854775808",
        ),
        (v1::SignSubtreeRequest { hash: Bytes::new(), ..subtree.clone() }, "`hash` has 0 bytes, not 32"),
        (v1::SignSubtreeRequest { checkpoint: "no note".to_owned(), ..subtree }, "`checkpoint` is rejected"),
    ] {
        let error = SignSubtree::try_from(bad).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let hash = v1::GetLatestCheckpointRequest { origin_hash: Bytes::from_static(&[0; 33]) };
    assert_eq!(Hash::try_from(hash), Err(ConvertError::Length { field: "origin_hash", length: 33 }));
}

/// The longest request that can be put together, in the fewest bytes of text, fits as a message.
#[test]
fn the_largest_request_to_a_witness_fits_its_bound() {
    let fixed = "old 0\n\n".len() + note("").as_str().len();
    let note = note(&"x".repeat(MAX_ADD_CHECKPOINT_BYTES - fixed));
    let none = ConsistencyProof::from_hashes(Vec::new()).unwrap();
    let request = AddCheckpoint::new(TreeSize::new(0), none, note).unwrap();
    assert_eq!(request.to_text().len(), MAX_ADD_CHECKPOINT_BYTES);
    let message = v1::AddCheckpointRequest::from(&request);
    assert!(message.encoded_len() <= MAX_WITNESS_REQUEST_BYTES, "{} bytes", message.encoded_len());
}
