//! Goal: what a gateway promises while nothing crashes, and what it says when it cannot go on.
//! Method: a real log and server; each test one promise.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use vouchlog_api::{Appender, ErrorKind, LogReader, Lookup, LookupKey};
use vouchlog_client::{
    Gateway, GatewayConfig, GatewayError, GrpcLog, Misbehaviour, ProofFiles, ProofFolder, SpoolError,
};
use vouchlog_merkle::leaf_hash;
use vouchlog_note::{CosignedCheckpoint, Origin, ProofFile, SignedCheckpoint};
use vouchlog_runtime::{Clock, UnixSeconds};
use vouchlog_storage::MemoryStore;
use vouchlog_stream::{Entry, Retirement, RetirementCause, StreamOpening, StreamStatus, stream_origin};

use crate::world::{World, gateway_key, in_time, key, log_key, origin, statement, statements, stopped};

#[tokio::test(flavor = "multi_thread")]
async fn statements_go_in_and_proofs_come_out() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let proofs = dir.path().join("proofs");
    let folder = ProofFolder::new(dir.path());
    let mut config = world.config(&dir.path().join("state"));
    config.sink = Some(Box::new(ProofFiles::new(&proofs).unwrap()));
    let gateway = Gateway::open(config).await.unwrap();
    let tickets = [0..1, 1..12, 12..12, 12..30].map(statements);
    for submission in tickets {
        let ticket = gateway.submit(submission.clone()).await.unwrap();
        let acknowledged = in_time(ticket).await.unwrap();
        let files = acknowledged.proof_files().unwrap();
        let placed: Vec<_> = acknowledged.statements().collect();
        assert_eq!(placed.iter().map(|(_, statement)| *statement).collect::<Vec<_>>(), submission);
        assert_eq!(files.len(), submission.len());
        let entries = world.entries().await;
        for ((index, statement), file) in placed.iter().zip(&files) {
            let entry = &entries[usize::try_from(index.get()).unwrap()];
            assert!(matches!(entry, Entry::Statement(entry) if entry.statement == *statement));
            check_proof(file, &entry.encode());
            let kept = proofs.join(format!("{}-{index}.tlog-proof", statement.digest));
            check_proof(&ProofFile::parse(&fs::read(kept).unwrap()).unwrap(), &entry.encode());
        }
        for (taken, _) in acknowledged.runs() {
            folder.keep(taken.receipt(), taken.statements()).unwrap();
            let other = statements(100..100 + taken.statements().len() as u64);
            assert!(folder.keep(taken.receipt(), &other).is_err(), "a receipt is for its own statements");
        }
        for (index, _) in &placed {
            let file = ProofFile::parse(&fs::read(folder.path(*index)).unwrap()).unwrap();
            let entry = entries[usize::try_from(index.get()).unwrap()].encode();
            assert_eq!(file.extra(), Some(&entry[..]));
            check_proof(&file, &entry);
        }
    }
    in_time(gateway.flush()).await.unwrap();
    in_time(gateway.close()).await.unwrap();
    assert!(matches!(gateway.submit(statements(0..1)).await, Err(GatewayError::Closed)));
    world.check_exactly(&statements(0..30)).await;
    assert!(matches!(world.entries().await.last(), Some(Entry::StreamClosed { .. })));
}

fn check_proof(file: &ProofFile, entry: &[u8]) {
    let checkpoint =
        SignedCheckpoint::open(file.note().as_str().as_bytes(), &origin(), log_key().verifying_key())
            .unwrap();
    file.verify_inclusion(&leaf_hash(entry), &checkpoint.head()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_stream_is_continued_by_the_next() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    for round in 0..3 {
        let gateway = world.gateway(dir.path()).await;
        drop(gateway.submit(statements(round * 3..round * 3 + 3)).await.unwrap());
        in_time(gateway.close()).await.unwrap();
        gateway.stop().await;
    }
    world.check_exactly(&statements(0..9)).await;
    let entries = world.entries().await;
    let previous: Vec<_> = openings(&entries).into_iter().map(|opening| opening.previous).collect();
    assert_eq!(previous.len(), 3);
    assert_eq!(previous[0], None);
    assert!(previous[1..].iter().all(|previous| previous.is_some_and(|previous| previous.size == 3)));
}

pub(crate) fn openings(entries: &[Entry]) -> Vec<StreamOpening> {
    let opening = |entry: &Entry| match entry {
        Entry::StreamOpened { note, .. } => Some(StreamOpening::open(note, &origin()).unwrap()),
        _ => None,
    };
    entries.iter().filter_map(opening).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_stays_on_its_stream_through_restarts() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    for n in 0..4 {
        let gateway = world.gateway(dir.path()).await;
        in_time(gateway.submit(statements(n..n + 1)).await.unwrap()).await.unwrap();
        gateway.stop().await;
    }
    world.check_exactly(&statements(0..4)).await;
    assert_eq!(openings(&world.entries().await).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_wait_in_the_spool_while_the_log_is_away() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let address = world.proxy.address;
    let mut config = world.config(dir.path());
    config.log = vouchlog_client::Connection::new("http://127.0.0.1:1");
    let gateway = Gateway::open(config).await.unwrap();
    drop(gateway.submit(statements(0..20)).await.unwrap());
    in_time(async {
        while gateway.status().trouble.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(gateway.waiting(), 20);
    gateway.stop().await;
    assert_eq!(world.proxy.address, address);
    let gateway = world.gateway(dir.path()).await;
    in_time(gateway.flush()).await.unwrap();
    assert_eq!(gateway.waiting(), 0);
    world.check_exactly(&statements(0..20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_not_enrolled_is_told_so_and_keeps_its_statements() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let stranger = key("stranger.example", 9);
    let config = || GatewayConfig { gateway_key: stranger.clone(), ..world.config(dir.path()) };
    let gateway = Gateway::open(config()).await.unwrap();
    match gateway.submit(statements(0..3)).await {
        Ok(ticket) => assert!(in_time(ticket).await.is_err()),
        Err(error) => assert!(matches!(error, GatewayError::Refused(_))),
    }
    let GatewayError::Refused(error) = stopped(&gateway).await else { panic!("it should be refused") };
    assert_eq!(error.kind, ErrorKind::PermissionDenied);
    assert!(error.message.contains("stranger.example` is not enrolled"), "{error}");
    let spooled = gateway.waiting();
    gateway.stop().await;

    world.enrol(stranger.verifying_key()).await;
    let gateway = Gateway::open(config()).await.unwrap();
    in_time(gateway.flush()).await.unwrap();
    world.check_exactly(&statements(0..spooled)).await;
}

/// What was logged has its receipt, the rest stays in the spool, and the gateway is told which log continues this one.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_ends_stops_its_gateways_and_keeps_what_they_logged() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let gateway = world.gateway(dir.path()).await;
    in_time(gateway.submit(statements(0..3)).await.unwrap()).await.unwrap();
    let next = key("log.example.com/next", 78);
    let retirement = Retirement {
        log: log_key().verifying_key().clone(),
        successor: next.verifying_key().clone(),
        cause: RetirementCause::Planned,
        words: "yearly".to_owned(),
    };
    let note = retirement.sign(&log_key(), &next).unwrap();
    GrpcLog::connect(&world.connection()).unwrap().retire(note).await.unwrap();
    match gateway.submit(statements(3..5)).await {
        Ok(ticket) => assert!(in_time(ticket).await.is_err()),
        Err(error) => assert!(matches!(error, GatewayError::Refused(_))),
    }
    let GatewayError::Refused(error) = stopped(&gateway).await else { panic!("it should be refused") };
    assert_eq!(error.kind, ErrorKind::Retired);
    assert!(error.message.contains(&next.verifying_key().to_string()), "{error}");
    gateway.stop().await;
    world.check_exactly(&statements(0..3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_wrong_log_key_no_stream_is_opened() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let wrong = key(crate::world::ORIGIN, 77).verifying_key().clone();
    let gateway = Gateway::open(GatewayConfig { log_key: wrong, ..world.config(dir.path()) }).await.unwrap();
    // Whether the submission is taken depends on who is faster; the gateway stops in any case.
    let _ = gateway.submit(statements(0..3)).await;
    assert!(matches!(stopped(&gateway).await, GatewayError::Unverified(_)));
    gateway.stop().await;
    let entries = world.entries().await;
    assert!(!entries.iter().any(|entry| matches!(entry, Entry::StreamOpened { .. })), "{entries:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pushback_only_makes_it_wait() {
    let options = vouchlog_sequencer::Options { max_queued_statements: 6, ..Default::default() };
    let (world, dir) = (World::with(options).await, tempfile::tempdir().unwrap());
    let gateway = world.gateway(dir.path()).await;
    for n in 0..20 {
        drop(gateway.submit(statements(n * 5..n * 5 + 5)).await.unwrap());
    }
    in_time(gateway.flush()).await.unwrap();
    world.check_exactly(&statements(0..100)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_gateway_says_that_it_is_alive() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let mut config = world.config(dir.path());
    let time = Arc::new(AtomicU64::new(1_800_000_000));
    let clock = time.clone();
    config.clock = Clock::from_wall(move || UnixSeconds::new(clock.load(Ordering::Relaxed)).millis());
    config.options.patience.heartbeat = Duration::from_millis(10);
    let gateway = Gateway::open(config).await.unwrap();
    in_time(gateway.submit(statements(0..1)).await.unwrap()).await.unwrap();
    let stream = gateway.status().stream.unwrap();
    let (vkey, name) = {
        let info = world.log.stream(stream).await.unwrap();
        (info.key.parse().unwrap(), Origin::new(&stream_origin(origin().as_str(), stream)).unwrap())
    };
    for beat in [1_800_000_007, 1_800_000_400] {
        time.store(beat, Ordering::Relaxed);
        in_time(async {
            loop {
                let head = world.log.stream(stream).await.unwrap().head.unwrap();
                let head = CosignedCheckpoint::open(head.as_bytes(), &name, &vkey).unwrap();
                if head.timestamp() == beat {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
    // A clock that was set back neither beats nor stops anything.
    time.store(5, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(50)).await;
    in_time(gateway.submit(statements(1..3)).await.unwrap()).await.unwrap();
    in_time(gateway.close()).await.unwrap();
    world.check_exactly(&statements(0..3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_is_bounded_and_has_one_owner() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let mut config = world.config(dir.path());
    config.log = vouchlog_client::Connection::new("http://127.0.0.1:1");
    config.options.max_spooled = 10;
    let gateway = Gateway::open(config).await.unwrap();
    drop(gateway.submit(statements(0..8)).await.unwrap());
    let full = GatewayError::Spool(SpoolError::Full { held: 8, limit: 10 });
    assert_eq!(gateway.submit(statements(8..11)).await.unwrap_err(), full);
    drop(gateway.submit(statements(8..10)).await.unwrap());

    let second = Gateway::open(world.config(dir.path())).await.unwrap_err();
    assert!(matches!(second, GatewayError::Spool(SpoolError::InUse(_))), "{second}");
    gateway.stop().await;
    let mut foreign = world.config(dir.path());
    foreign.origin = Origin::new("log.example/other").unwrap();
    let refused = Gateway::open(foreign).await.unwrap_err();
    assert!(
        matches!(&refused, GatewayError::Spool(SpoolError::Foreign(why)) if why.contains(crate::world::ORIGIN))
    );
    let gateway = world.gateway(dir.path()).await;
    in_time(gateway.flush()).await.unwrap();
    world.check_exactly(&statements(0..10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lost_what_it_acknowledged_is_caught() {
    let (mut world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let gateway = world.gateway(dir.path()).await;
    in_time(gateway.submit(statements(0..4)).await.unwrap()).await.unwrap();
    let backup = world.store.reopen();
    in_time(gateway.submit(statements(4..9)).await.unwrap()).await.unwrap();
    world.replace_store(backup).await;
    // It notices when it next compares, at the latest with its next statement.
    let ticket = gateway.submit(statements(9..10)).await;
    let GatewayError::Misbehaviour(evidence) = stopped(&gateway).await else { panic!("it should be caught") };
    assert_eq!(evidence.what, Misbehaviour::Lost);
    SignedCheckpoint::open(evidence.known.as_bytes(), &origin(), log_key().verifying_key()).unwrap();
    assert!(evidence.presented.contains("has 4 statements"), "{evidence}");
    if let Ok(ticket) = ticket {
        assert!(in_time(ticket).await.is_err());
    }
    gateway.stop().await;

    // So is one that was begun anew.
    world.replace_store(MemoryStore::new()).await;
    world.enrol(gateway_key().verifying_key()).await;
    let gateway = world.gateway(dir.path()).await;
    let GatewayError::Misbehaviour(evidence) = stopped(&gateway).await else { panic!("it should be caught") };
    assert_eq!(evidence.what, Misbehaviour::Lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_of_the_state_continues_in_a_new_stream() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let (live, copy) = with_an_old_copy(&world, dir.path()).await;

    let gateway = world.gateway(&copy).await;
    in_time(gateway.submit(statements(9..12)).await.unwrap()).await.unwrap();
    world.check_exactly(&statements(0..12)).await;
    let entries = world.entries().await;
    let openings = openings(&entries);
    assert_eq!(openings.len(), 2);
    assert_eq!(openings[1].previous.unwrap().size, 9);
    // The copy took the stream over; the original finds that out and goes on without naming a predecessor of another's.
    let gateway = world.gateway(&live).await;
    in_time(gateway.submit(statements(12..13)).await.unwrap()).await.unwrap();
    world.check_exactly(&statements(0..13)).await;
}

/// What waited in the copy when it was made, and got to the log since, is not sent again on the new stream.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_of_a_spool_sends_nothing_twice() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let (live, copy) = (dir.path().join("live"), dir.path().join("copy"));
    let gateway = world.gateway(&live).await;
    in_time(gateway.submit(statements(0..4)).await.unwrap()).await.unwrap();
    world.proxy.lead_to(None);
    drop(gateway.submit(statements(4..104)).await.unwrap());
    gateway.stop().await;
    copy_dir(&live, &copy);
    let mut world = world;
    world.kill_and_restart().await;
    let gateway = world.gateway(&live).await;
    in_time(gateway.submit(statements(104..109)).await.unwrap()).await.unwrap();
    gateway.stop().await;

    let gateway = world.gateway(&copy).await;
    in_time(gateway.submit(statements(109..112)).await.unwrap()).await.unwrap();
    world.check_exactly(&statements(0..112)).await;
    assert_eq!(openings(&world.entries().await)[1].previous.unwrap().size, 109);
}

/// All acknowledgements were lost, that of the closing too, and since then the log has evicted the stream and forgotten the requests.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_gets_through_when_its_closed_stream_was_evicted() {
    let options = vouchlog_sequencer::Options { kept_ended_streams: 0, ..Default::default() };
    let (mut world, dir) = (World::with(options).await, tempfile::tempdir().unwrap());
    let (live, copy) = (dir.path().join("live"), dir.path().join("copy"));
    let gateway = world.gateway(&live).await;
    in_time(gateway.submit(statements(0..4)).await.unwrap()).await.unwrap();
    let stream = gateway.status().stream.unwrap();
    world.proxy.lead_to(None);
    world.proxy.cut();
    drop(gateway.submit(statements(4..104)).await.unwrap());
    gateway.stop().await;
    // The copy is the gateway that never had an acknowledgement of what the original sends from here on.
    copy_dir(&live, &copy);
    world.kill_and_restart().await;
    let gateway = world.gateway(&live).await;
    in_time(gateway.flush()).await.unwrap();
    in_time(gateway.close()).await.unwrap();
    gateway.stop().await;
    in_time(async {
        // An evicted stream has no requests that the log remembers.
        while !world.log.stream(stream).await.unwrap().runs.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    world.kill_and_restart().await;

    let gateway = world.gateway(&copy).await;
    in_time(gateway.submit(statements(104..107)).await.unwrap()).await.unwrap();
    in_time(gateway.close()).await.unwrap();
    world.check_exactly(&statements(0..107)).await;
    let openings = openings(&world.entries().await);
    assert_eq!(openings[1].previous.unwrap(), vouchlog_stream::Previous { stream, size: 104 });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_key_and_a_lost_directory_cost_the_stream_only() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let gateway = world.gateway(dir.path()).await;
    in_time(gateway.submit(statements(0..4)).await.unwrap()).await.unwrap();
    gateway.stop().await;
    let keys = || fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path());
    let keys: Vec<_> = keys().filter(|path| path.extension().is_some_and(|e| e == "key")).collect();
    assert_eq!(keys.len(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&keys[0]).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }
    fs::remove_file(&keys[0]).unwrap();
    let gateway = world.gateway(dir.path()).await;
    in_time(gateway.submit(statements(4..6)).await.unwrap()).await.unwrap();
    let second = gateway.status().stream.unwrap();
    gateway.stop().await;

    let fresh = tempfile::tempdir().unwrap();
    let mut config = world.config(fresh.path());
    config.options.previous = Some(second);
    let gateway = Gateway::open(config).await.unwrap();
    in_time(gateway.submit(statements(6..9)).await.unwrap()).await.unwrap();
    world.check_exactly(&statements(0..9)).await;
    let openings = openings(&world.entries().await);
    let sizes: Vec<_> =
        openings.iter().map(|opening| opening.previous.map(|previous| previous.size)).collect();
    assert_eq!(sizes, [None, Some(4), Some(2)]);
    assert!(matches!(world.log.stream(second).await.unwrap().status, StreamStatus::Superseded(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_the_log_forgot_are_proven_one_by_one() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let (live, copy) = (dir.path().join("live"), dir.path().join("copy"));
    let mut config = world.config(&live);
    config.options.batch = 2;
    let gateway = Gateway::open(config).await.unwrap();
    in_time(gateway.submit(statements(0..1)).await.unwrap()).await.unwrap();
    world.proxy.lead_to(None);
    drop(gateway.submit(statements(1..100)).await.unwrap());
    gateway.stop().await;
    copy_dir(&live, &copy);

    let mut world = world;
    world.kill_and_restart().await;
    let mut config = world.config(&live);
    config.options.batch = 2;
    let gateway = Gateway::open(config).await.unwrap();
    in_time(gateway.flush()).await.unwrap();
    gateway.stop().await;
    world.check_exactly(&statements(0..100)).await;

    // The copy has every statement and none of the receipts.
    let proofs = dir.path().join("proofs");
    let mut config = world.config(&copy);
    config.sink = Some(Box::new(ProofFiles::new(&proofs).unwrap()));
    let gateway = Gateway::open(config).await.unwrap();
    in_time(gateway.flush()).await.unwrap();
    assert_eq!(fs::read_dir(&proofs).unwrap().count(), 99);
    world.check_exactly(&statements(0..100)).await;
    assert_eq!(openings(&world.entries().await).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_copies_that_write_at_once_are_caught_as_a_fork() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let (live, copy) = (dir.path().join("live"), dir.path().join("copy"));
    let gateway = world.gateway(&live).await;
    in_time(gateway.submit(statements(0..4)).await.unwrap()).await.unwrap();
    gateway.stop().await;
    copy_dir(&live, &copy);
    let (first, second) = (world.gateway(&live).await, world.gateway(&copy).await);
    in_time(async {
        while first.status().stream.is_none() || second.status().stream.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    in_time(first.submit(statements(4..5)).await.unwrap()).await.unwrap();
    drop(second.submit(statements(5..6)).await);
    let GatewayError::Forked { fork, .. } = stopped(&second).await else { panic!("it should be caught") };
    assert_eq!(fork.size, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_traits_across_the_network() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let gateway = world.gateway(dir.path()).await;
    let placed = in_time(gateway.submit(statements(0..300)).await.unwrap()).await.unwrap();
    let (index, last) = placed.statements().last().unwrap();
    let remote = GrpcLog::connect(&world.connection()).unwrap();
    assert_eq!(remote.find(LookupKey::Digest(last.digest)).await.unwrap(), index);
    let missing = remote.find(LookupKey::Digest(statement(1_000).digest)).await.unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound);
    let published = world.log.sequenced();
    assert_eq!(remote.checkpoint().await.unwrap(), published.checkpoint());
    let size = published.size();
    let entry = vouchlog_api::proof::entry(&remote, index, size).await.unwrap();
    assert!(matches!(Entry::decode(&entry).unwrap(), Entry::Statement(entry) if entry.statement == last));
    let newer = tokio::spawn({
        let remote = remote.clone();
        async move { remote.checkpoint_after(size).await }
    });
    drop(gateway.submit(statements(300..301)).await.unwrap());
    assert_ne!(in_time(newer).await.unwrap().unwrap(), published.checkpoint());
    let nobody = vouchlog_stream::StreamId::new(77_777).unwrap();
    assert_eq!(remote.stream(nobody).await.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(
        GrpcLog::connect(&vouchlog_client::Connection::new("log.example:1")).unwrap_err().kind,
        ErrorKind::InvalidArgument
    );
}

/// The states of a gateway that stopped after 9 statements, and an older copy of it, after 4.
pub(crate) async fn with_an_old_copy(world: &World, dir: &Path) -> (PathBuf, PathBuf) {
    let (live, copy) = (dir.join("live"), dir.join("copy"));
    let gateway = world.gateway(&live).await;
    in_time(gateway.submit(statements(0..4)).await.unwrap()).await.unwrap();
    gateway.stop().await;
    copy_dir(&live, &copy);
    let gateway = world.gateway(&live).await;
    in_time(gateway.submit(statements(4..9)).await.unwrap()).await.unwrap();
    gateway.stop().await;
    (live, copy)
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy_dir(&file.path(), &target);
        } else {
            fs::copy(file.path(), target).unwrap();
        }
    }
}
