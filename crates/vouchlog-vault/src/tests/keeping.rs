//! Keeping records and saying where the log has them: exactly once, whole or not at all.

use std::time::Duration;

use sqlx::Row as _;
use vouchlog_merkle::LeafIndex;
use vouchlog_stream::Digest;

use super::*;
use crate::access::ReadPermit;
use crate::limits::{MAX_CONTENT_BYTES, MAX_FACETS, MAX_RECORDS_PER_CALL, MAX_VALUE_BYTES};
use crate::{Backlog, NotNoted, StreamProofs, VaultError};

pub(super) async fn what_is_kept_is_read_back(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let mut first = record("r1", "s1", "alice");
    first.subjects.push("bob".to_owned());
    first.amends = Some(id("r0"));
    first.retention = Retention { class: "audit".to_owned(), until: Some(NOW - 1) };
    let mut second = record("r2", "s1", "alice");
    (second.metadata, second.content, second.subjects) = (Vec::new(), Vec::new(), Vec::new());
    vault.keep(&owner, vec![first.clone(), second.clone()], NOW + 5).await.unwrap();

    // Once by the handle that kept them, once by one that has nothing in memory.
    for reopened in [false, true] {
        let vault = if reopened { open(&place).await.0 } else { vault.clone() };
        for kept in [&first, &second] {
            let row = vault.row(&owner, &kept.id).await.unwrap();
            assert_eq!(row.statement(), kept.statement());
            assert_eq!((&row.tenant, row.stream), (&kept.tenant, kept.stream));
            assert_eq!((row.started_at, row.kept_at), (kept.started_at, NOW + 5));
            assert_eq!((&row.retention, &row.amends), (&kept.retention, &kept.amends));
            assert_eq!((row.place, row.erased, row.hold), (None, None, None));
            assert_eq!(vault.jwt(&owner, &kept.id).await.unwrap(), kept.jwt);
            assert_eq!(vault.proof(&owner, &kept.id).await.unwrap(), None);
            assert_eq!(vault.metadata(&owner, &kept.id).await.unwrap(), kept.metadata);
            let permit = ReadPermit::new(vec![kept.id.clone()]);
            assert_eq!(vault.content(&owner, &permit, &kept.id).await.unwrap(), kept.content);
        }
    }
    let other = ReadPermit::new(vec![id("r2")]);
    let refused = vault.content(&owner, &other, &id("r1")).await;
    assert_eq!(refused, Err(VaultError::NotPermitted(id("r1"))));
    let missing = id("no-such-record");
    let unknown = VaultError::UnknownRecord(missing.clone());
    assert_eq!(vault.row(&owner, &missing).await.unwrap_err(), unknown);
    assert_eq!(vault.jwt(&owner, &missing).await.unwrap_err(), unknown);
    assert_eq!(vault.proof(&owner, &missing).await.unwrap_err(), unknown);
    assert_eq!(vault.metadata(&owner, &missing).await.unwrap_err(), unknown);
}

pub(super) async fn keeping_again_is_fine_and_another_digest_is_not(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let kept = record("r1", "s1", "alice");
    vault.keep(&owner, vec![kept.clone(), kept.clone()], NOW).await.unwrap();
    vault.keep(&owner, vec![kept.clone()], NOW + 9).await.unwrap();
    assert_eq!(vault.row(&owner, &kept.id).await.unwrap().kept_at, NOW);
    assert_eq!(ids(&vault, &owner, &Query::default()).await, ["r1"]);

    let other = KeepRecord { digest: Digest::of(b"other"), ..kept.clone() };
    let refused = vault.keep(&owner, vec![other], NOW).await;
    assert_eq!(refused, Err(VaultError::Conflict(id("r1"))));
    let thief = KeepRecord { id: id("r2"), ..kept.clone() };
    let refused = vault.keep(&owner, vec![thief], NOW).await;
    assert_eq!(refused, Err(VaultError::DigestTaken { given: id("r2"), kept: id("r1") }));
    assert_eq!(vault.metadata(&owner, &kept.id).await.unwrap(), kept.metadata);
}

pub(super) async fn a_call_is_kept_whole_or_not_at_all(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    vault.keep(&owner, vec![record("r1", "s1", "alice")], NOW).await.unwrap();
    let contradicting = KeepRecord { digest: Digest::of(b"other"), ..record("r1", "s1", "alice") };
    let call = vec![record("r2", "s1", "carol"), contradicting, record("r3", "s1", "carol")];
    assert_eq!(vault.keep(&owner, call, NOW).await, Err(VaultError::Conflict(id("r1"))));
    // A call that contradicts itself.
    let again = KeepRecord { digest: Digest::of(b"other"), ..record("r4", "s1", "alice") };
    let call = vec![record("r4", "s1", "alice"), again];
    assert_eq!(vault.keep(&owner, call, NOW).await, Err(VaultError::Conflict(id("r4"))));
    assert_eq!(ids(&vault, &owner, &Query::default()).await, ["r1"]);
    vault.keep(&owner, vec![record("r4", "s1", "alice")], NOW).await.unwrap();
}

pub(super) async fn callers_at_once_are_grouped_and_each_answered(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    vault.keep(&owner, vec![record("r0", "s1", "alice")], NOW).await.unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for caller in 0..100 {
        let (vault, owner) = (vault.clone(), owner.clone());
        calls.spawn(async move {
            // Every tenth contradicts what is kept, in the same group as the others.
            let mut given = record(&format!("c{caller}"), "s2", &format!("person {}", caller % 7));
            if caller % 10 == 0 {
                given = KeepRecord { digest: Digest::of(b"other"), ..record("r0", "s1", "alice") };
            }
            (caller, vault.keep(&owner, vec![given], NOW).await)
        });
    }
    while let Some(answered) = calls.join_next().await {
        let (caller, answer) = answered.unwrap();
        let expected = if caller % 10 == 0 { Err(VaultError::Conflict(id("r0"))) } else { Ok(()) };
        assert_eq!(answer, expected, "caller {caller}");
    }
    assert_eq!(ids(&vault, &owner, &by(Facet::Session, "s2")).await.len(), 90);
    assert_eq!(vault.metadata(&owner, &id("c99")).await.unwrap(), metadata("c99"));
}

pub(super) async fn bounds_are_kept(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let fine = record("r1", "s1", "alice");
    let long = "x".repeat(MAX_VALUE_BYTES + 1);
    let too_large = [
        KeepRecord { content: vec![0; MAX_CONTENT_BYTES + 1], ..fine.clone() },
        KeepRecord { facets: vec![(Facet::Tool, String::new()); MAX_FACETS + 1], ..fine.clone() },
        KeepRecord { facets: vec![(Facet::Tool, long.clone())], ..fine.clone() },
        KeepRecord { subjects: vec![long.clone()], ..fine.clone() },
        KeepRecord { subjects: vec![String::new(); 17], ..fine.clone() },
        KeepRecord { tenant: String::new(), ..fine.clone() },
        KeepRecord { tenant: "a\u{1f}b".to_owned(), ..fine.clone() },
        KeepRecord { jwt: "with a NUL \0".to_owned(), ..fine.clone() },
        KeepRecord { retention: Retention { class: "\n".to_owned(), until: None }, ..fine.clone() },
    ];
    for (i, record) in too_large.into_iter().enumerate() {
        let refused = vault.keep(&owner, vec![fine.clone(), record], NOW).await;
        assert!(matches!(refused, Err(VaultError::Invalid(_))), "{i}: {refused:?}");
    }
    let many: Vec<_> = (0..=MAX_RECORDS_PER_CALL).map(|i| record(&format!("m{i}"), "s1", "alice")).collect();
    assert!(matches!(vault.keep(&owner, many, NOW).await, Err(VaultError::Invalid(_))));
    assert_eq!(ids(&vault, &owner, &Query::default()).await, [""; 0]);
    // What is just within them.
    let value = "x".repeat(MAX_VALUE_BYTES);
    let large = KeepRecord {
        content: vec![7; MAX_CONTENT_BYTES],
        facets: (0..MAX_FACETS).map(|i| (Facet::Tool, format!("{i}{}", &value[4..]))).collect(),
        subjects: (0..16).map(|i| format!("person {i}")).collect(),
        ..fine
    };
    vault.keep(&owner, vec![large.clone()], NOW).await.unwrap();
    let permit = ReadPermit::new(vec![large.id.clone()]);
    assert_eq!(vault.content(&owner, &permit, &large.id).await.unwrap(), large.content);
    vault.keep(&owner, Vec::new(), NOW).await.unwrap();
}

pub(super) async fn statements_are_logged_once_and_in_order(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let names: Vec<String> = (0..150).map(|i| format!("r{i}")).collect();
    let records = names.iter().map(|name| record(name, "s1", "alice")).collect();
    vault.keep(&owner, records, NOW).await.unwrap();
    let waiting = vault.unlogged(&owner, i64::MIN, 1_000).await.unwrap();
    assert!(waiting.iter().map(|record| record.id.as_str()).eq(names.iter().map(String::as_str)));
    assert_eq!(waiting[3].statement, record("r3", "s1", "alice").statement());
    assert_eq!(waiting[3].stream.get(), 7);
    assert_eq!(vault.unlogged(&owner, waiting[99].n, 1_000).await.unwrap(), waiting[100..]);
    let some = [id("r9"), id("r140"), id("r9"), id("stranger")];
    let among = vault.unlogged_among(&owner, &some).await.unwrap();
    assert_eq!(among, [waiting[9].clone(), waiting[140].clone()]);
    let backlog = vault.kept_not_logged(&owner).await.unwrap();
    assert_eq!(backlog, Backlog { records: 150, oldest: Some(NOW) });
    let (soon, late) = (NOW + 60_000, NOW + 60_001);
    assert_eq!(backlog.check(soon, Duration::from_secs(60)), Ok(()));
    let why = backlog.check(late, Duration::from_secs(60)).unwrap_err();
    assert_eq!(why, "150 records are not in the log; the oldest has been waiting for 60 s");

    let places = |from: usize, to: usize, proof: &str| {
        (from..to).map(|i| logged(&names[i], 100 + i as u64, proof)).collect::<Vec<_>>()
    };
    assert_eq!(vault.logged(&owner, places(0, 100, "bare\n")).await.unwrap(), NotNoted::default());
    assert_eq!(vault.unlogged(&owner, i64::MIN, 10).await.unwrap().len(), 10);
    assert_eq!(vault.unlogged(&owner, i64::MIN, 1_000).await.unwrap()[0].id, id("r100"));
    assert_eq!(vault.unlogged_among(&owner, &some).await.unwrap(), [waiting[140].clone()]);
    assert_eq!(vault.kept_not_logged(&owner).await.unwrap().records, 50);
    // Again, overlapping, with a better proof, and with one that is not ours.
    let mut again = places(50, 150, "cosigned\n");
    again.push(logged("stranger", 5, "bare\n"));
    again.extend(places(149, 150, "cosigned twice\n"));
    let stranger = NotNoted { unknown: vec![Digest::of(b"stranger")], elsewhere: vec![] };
    assert_eq!(vault.logged(&owner, again).await.unwrap(), stranger);
    assert_eq!(vault.unlogged(&owner, i64::MIN, 1_000).await.unwrap(), []);
    assert_eq!(vault.kept_not_logged(&owner).await.unwrap(), Backlog::default());
    for (name, proof) in [("r0", "bare\n"), ("r50", "cosigned\n"), ("r149", "cosigned twice\n")] {
        assert_eq!(vault.proof(&owner, &id(name)).await.unwrap().as_deref(), Some(proof));
    }
    let row = vault.row(&owner, &id("r42")).await.unwrap();
    let expected = logged("r42", 142, "");
    let place = row.place.unwrap();
    assert_eq!((place.index, place.sequence), (expected.index, expected.sequence));
    assert_eq!((place.stream, place.logged_at), (expected.stream, expected.logged_at));
    assert_eq!(row.stream.get(), 7, "the stream it was made for stays");

    // Logged twice: the first place stays, with its proof.
    let twice = vault.logged(&owner, vec![logged("r0", 7, "another\n")]).await.unwrap();
    let digest = Digest::of(b"r0");
    assert_eq!(twice, NotNoted { unknown: vec![], elsewhere: vec![(digest, LeafIndex::new(7))] });
    assert_eq!(vault.row(&owner, &id("r0")).await.unwrap().place.unwrap().index.get(), 100);
    assert_eq!(vault.proof(&owner, &id("r0")).await.unwrap().as_deref(), Some("bare\n"));
    assert!(matches!(vault.logged(&owner, places(0, 1, "")).await, Err(VaultError::Invalid(_))));
}

/// In one column, and long content in one piece.
pub(super) async fn content_of_an_earlier_version_is_read(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let mut long = record("long", "s", "p");
    long.content = content("long").repeat(4);
    vault.keep(&owner, vec![record("old", "s", "p"), long.clone()], NOW).await.unwrap();
    let mut raw = place.raw().await;
    let pieces = "SELECT p.bytes, p.record FROM content_piece p JOIN record r ON r.n = p.record WHERE r.id = $1 ORDER BY p.n";
    let rows = sqlx::query(pieces).bind("long").fetch_all(&mut raw).await.unwrap();
    assert_eq!(rows.len(), 1);
    let rows = sqlx::query(pieces).bind("old").fetch_all(&mut raw).await.unwrap();
    assert!(rows.len() > 1 && rows.iter().all(|row| row.get::<Vec<u8>, _>(0).len() <= 1_000));
    let whole: Vec<u8> = rows.iter().flat_map(|row| row.get::<Vec<u8>, _>(0)).collect();
    let n: i64 = rows[0].get(1);
    let update = sqlx::query("UPDATE sealed SET content = $1 WHERE record = $2").bind(whole).bind(n);
    update.execute(&mut raw).await.unwrap();
    sqlx::query("DELETE FROM content_piece WHERE record = $1").bind(n).execute(&mut raw).await.unwrap();
    let permit = ReadPermit::new(vec![id("old"), id("long")]);
    assert_eq!(vault.content(&owner, &permit, &id("old")).await.unwrap(), content("old"));
    assert_eq!(vault.content(&owner, &permit, &id("long")).await.unwrap(), long.content);
    assert_eq!(vault.check(None, |_| {}).await.unwrap(), Vec::<String>::new());
    let bytes = vault.sealed_bytes(&owner, &[id("old"), id("long")]).await.unwrap();
    assert!(
        bytes[&id("old")] > content("old").len() as u64 && bytes[&id("long")] > long.content.len() as u64
    );
    vault.close().await;
}

pub(super) async fn stream_proofs_are_kept_and_completed(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let stream = StreamId::new(7).unwrap();
    assert_eq!(vault.stream_proofs(&owner, stream).await.unwrap(), None);
    let mut proofs = StreamProofs {
        stream,
        gateway: "gateway+1+key".to_owned(),
        opening: "opening\n".to_owned(),
        enrolment: None,
        genesis: Some("genesis\n".to_owned()),
    };
    vault.keep_stream_proofs(&owner, proofs.clone()).await.unwrap();
    assert_eq!(vault.stream_proofs(&owner, stream).await.unwrap(), Some(proofs.clone()));
    let more = StreamProofs { enrolment: Some("enrolment\n".to_owned()), genesis: None, ..proofs.clone() };
    vault.keep_stream_proofs(&owner, more).await.unwrap();
    proofs.enrolment = Some("enrolment\n".to_owned());
    assert_eq!(vault.stream_proofs(&owner, stream).await.unwrap(), Some(proofs));
}

pub(super) async fn a_closed_vault_says_so(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let other = vault.clone();
    vault.keep(&owner, vec![record("r1", "s1", "alice")], NOW).await.unwrap();
    vault.close().await;
    vault.close().await;
    let refused = other.keep(&owner, vec![record("r2", "s1", "alice")], NOW).await;
    assert_eq!(refused, Err(VaultError::Closed));
    assert_eq!(other.find(&owner, &Query::default()).await, Err(VaultError::Closed));
    let refused = Vault::create(&place.location, kek(1)).await.map(drop).unwrap_err();
    assert!(matches!(refused, VaultError::Exists(_)));
    let vault = Vault::open(&place.location, kek(1)).await.unwrap();
    assert_eq!(ids(&vault, &owner, &Query::default()).await, ["r1"]);
}
