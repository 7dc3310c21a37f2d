//! kill -9 of the server, again and again, under load: everything acknowledged is there afterwards, at its index, with its
//! receipt valid; nothing is in the log twice; every checkpoint ever seen is consistent with every later one.
//!
//! The gateways send each request again until it is answered, as the client does, and remember what they were told.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use vouchlog_api::{Appender, LogReader};
use vouchlog_client::{Connection, GrpcLog};
use vouchlog_merkle::{CompactRange, EntryBundle, Hash, TileId, TreeHead, leaf_hash};
use vouchlog_note::{Origin, SignedCheckpoint};
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, key, statements, verify};
use vouchlog_stream::{Entry, Statement};

use crate::process::{Server, free_port, rounds, succeed};

/// In the short and the long form.
const KILLS: (u64, u64) = (10, 50);
const T: u64 = 1_767_225_600;

/// What the log promised.
#[derive(Clone, Default)]
pub(crate) struct Promised {
    pub(crate) statements: Vec<(u64, Statement)>,
    pub(crate) heads: Vec<TreeHead>,
}

/// One gateway at work until told to stop.
pub(crate) async fn work(
    log: GrpcLog,
    mut gateway: TestGateway,
    seed: u64,
    stop: Arc<AtomicBool>,
    promised: Arc<Mutex<Promised>>,
) {
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

/// Waits until more statements than that were acknowledged.
pub(crate) async fn acknowledged_more_than(promised: &Mutex<Promised>, count: usize) {
    let enough = async {
        while promised.lock().await.statements.len() <= count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), enough).await.expect("the log takes statements");
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

/// A reader that follows the log from its first entry, and so knows the root of every size.
#[derive(Default)]
pub(crate) struct Replay(CompactRange);

impl Replay {
    /// Reads on to the newest head, and holds what was promised of the new part against it: the statement at each index,
    /// the root of each size.
    pub(crate) async fn follow(&mut self, log: &GrpcLog, promised: &Promised) {
        let now = newest(log).await;
        let largest = promised.heads.iter().map(|head| head.size).max().unwrap_or_default();
        assert!(largest <= now.size, "the log shrank from {largest} to {}", now.size);
        let heads: HashMap<u64, Hash> =
            promised.heads.iter().map(|head| (head.size.get(), head.root)).collect();
        let statements: HashMap<u64, Statement> = promised.statements.iter().copied().collect();
        for bundle in self.0.end() / 256..now.size.get().div_ceil(256) {
            let width = TileId { level: 0, index: bundle }.width_at(now.size);
            let bytes = log.entry_bundle(bundle, width).await.unwrap();
            let entries = EntryBundle::entries(&bytes, usize::from(width)).unwrap();
            let known = self.0.end();
            for (entry, index) in entries.into_iter().zip(bundle * 256..).filter(|(_, index)| *index >= known)
            {
                if let Some(promised) = statements.get(&index) {
                    let Ok(Entry::Statement(found)) = Entry::decode(entry) else { panic!("entry {index}") };
                    assert_eq!(found.statement, *promised, "entry {index}");
                }
                self.0.append(leaf_hash(entry));
                if let Some(root) = heads.get(&self.0.end()) {
                    assert_eq!(self.0.root(), Some(*root), "two trees of size {} were signed", self.0.end());
                }
            }
        }
        assert_eq!(self.0.root(), Some(now.root), "the entries do not lead to the signed root");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_under_load_lose_nothing_acknowledged() {
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
    let mut replay = Replay::default();
    for kill in 0..rounds(KILLS) {
        // Spread over start-up, steady load and sealing; the spread repeats, the scheduling does not.
        tokio::time::sleep(Duration::from_millis(20 + kill * 37 % 400)).await;
        server.kill();
        server = Server::start(&data, port, &[]);
        let so_far = promised.lock().await.clone();
        replay.follow(&log, &so_far).await;
    }
    acknowledged_more_than(&promised, 1_000).await;
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    // Once more from the first entry, with answers that came after the reader had passed their place.
    let promised = promised.lock().await.clone();
    Replay::default().follow(&log, &promised).await;
    assert_eq!(server.terminate(), 0);
    let report: serde_json::Value =
        serde_json::from_str(&succeed(&["fsck", "--json", "--data", data.to_str().unwrap()])).unwrap();
    assert_eq!(
        report["statements"].as_u64().unwrap(),
        promised.statements.len() as u64,
        "nothing is in the log twice: {report}"
    );
}
