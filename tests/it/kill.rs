//! kill -9 of the server, again and again, under load: everything acknowledged is there afterwards, at its index, with its
//! receipt valid; nothing is in the log twice; every checkpoint ever seen is consistent with every later one.
//!
//! The gateways send each request again until it is answered, as the client does, and remember what they were told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use vouchlog_api::{Appender, LogReader, proof};
use vouchlog_client::{Connection, GrpcLog};
use vouchlog_merkle::{LeafIndex, TreeHead};
use vouchlog_note::{Origin, SignedCheckpoint};
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, key, statements, verify};
use vouchlog_stream::{Entry, Statement};

use crate::process::{Server, free_port, succeed};

const KILLS: u64 = 50;
const T: u64 = 1_767_225_600;

/// What the log promised.
#[derive(Clone, Default)]
pub(crate) struct Promised {
    pub(crate) statements: Vec<(u64, Statement)>,
    pub(crate) heads: Vec<TreeHead>,
}

/// One gateway at work until told to stop.
pub(crate) async fn work(log: GrpcLog, mut gateway: TestGateway, seed: u64, stop: Arc<AtomicBool>, promised: Arc<Mutex<Promised>>) {
    let mut round = seed << 32;
    while !stop.load(Ordering::Relaxed) {
        round += 1;
        let batch = statements(1 + usize::try_from(round % 40).unwrap(), round);
        let request = gateway.request(batch.clone(), T);
        let appended = loop {
            match log.append(request.clone()).await {
                Ok(appended) => break appended,
                Err(error) => {
                    assert!(error.is_transient(), "only a server that is away may refuse: {error:?}");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        };
        let head = verify(&appended, &batch).head();
        let first = appended.receipt.unwrap().first.get();
        let mut promised = promised.lock().await;
        promised.heads.push(head);
        promised.statements.extend((first..).zip(batch));
    }
}

/// The newest head, by the log's own signature.
pub(crate) async fn newest(log: &GrpcLog) -> TreeHead {
    let vkey = key(ORIGIN, vouchlog_note::SignatureType::Ed25519, 1).verifying_key().clone();
    let note = loop {
        match log.checkpoint().await {
            Ok(note) => break note,
            Err(error) if error.is_transient() => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(error) => panic!("{error:?}"),
        }
    };
    SignedCheckpoint::open(note.as_bytes(), &Origin::new(ORIGIN).unwrap(), &vkey).unwrap().head()
}

/// Checks promises from `from` on against the log as it is now.
pub(crate) async fn check(log: &GrpcLog, promised: &Mutex<Promised>, from: (usize, usize)) -> (usize, usize) {
    let (statements, heads) = {
        let promised = promised.lock().await;
        (promised.statements[from.0..].to_vec(), promised.heads[from.1..].to_vec())
    };
    let now = newest(log).await;
    for old in &heads {
        assert!(old.size <= now.size, "the log shrank from {} to {}", old.size, now.size);
        let proof = proof::consistency(log, old.size, now.size).await.unwrap();
        proof.verify(old, &now).unwrap();
    }
    for (at, (index, statement)) in statements.iter().enumerate() {
        let index = LeafIndex::new(*index);
        let bytes = match at % 50 {
            0 => proof::checked_inclusion(log, index, now.size, &now.root).await.unwrap().0,
            _ => proof::entry(log, index, now.size).await.unwrap(),
        };
        let Entry::Statement(entry) = Entry::decode(&bytes).unwrap() else { panic!("entry {index}") };
        assert_eq!(entry.statement, *statement, "entry {index}");
    }
    (from.0 + statements.len(), from.1 + heads.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_under_load_lose_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let (data, port) = (folder.path().join("data"), free_port());
    let mut server = Server::start(&data, port, &[]);
    let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
    let promised = Arc::new(Mutex::new(Promised::default()));
    let stop = Arc::new(AtomicBool::new(false));
    let mut workers = Vec::new();
    for seed in 10..12 {
        let gateway = TestGateway::open(&log, seed).await.unwrap();
        let work = work(log.clone(), gateway, u64::from(seed), stop.clone(), promised.clone());
        workers.push(tokio::spawn(work));
    }
    let mut checked = (0, 0);
    for kill in 0..KILLS {
        // Spread over start-up, steady load and sealing; the spread repeats, the scheduling does not.
        tokio::time::sleep(Duration::from_millis(20 + kill * 37 % 400)).await;
        server.kill();
        server = Server::start(&data, port, &[]);
        checked = check(&log, &promised, checked).await;
    }
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    check(&log, &promised, (0, 0)).await;
    let acknowledged = promised.lock().await.statements.len();
    assert!(acknowledged > 1_000, "there was too little load: {acknowledged}");
    assert_eq!(server.terminate(), 0);
    let report: serde_json::Value =
        serde_json::from_str(&succeed(&["fsck", "--json", "--data", data.to_str().unwrap()])).unwrap();
    assert_eq!(report["statements"].as_u64().unwrap(), acknowledged as u64, "nothing is in the log twice: {report}");
}
