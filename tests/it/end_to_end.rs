//! The main job with real processes: two gateways, two hundred thousand statements, proofs that hold offline, and a reader
//! that shares nothing with the server but the vkey.

use std::path::Path;

use vouchlog_api::{Appender, LogReader};
use vouchlog_client::{Connection, GrpcLog, TileReader, VerifiedLog};
use vouchlog_merkle::{CompactRange, EntryBundle, LeafIndex, leaf_hash};
use vouchlog_note::Origin;
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, statements};
use vouchlog_stream::{Entry, Statement};

use crate::process::{Server, fail, succeed};

const T: u64 = 1_767_225_600;
const STATEMENTS: usize = 70_000;

/// Sends its share in batches and returns where each statement is.
async fn share(log: GrpcLog, seed: u8) -> Vec<(u64, Statement)> {
    let mut gateway = TestGateway::open(&log, seed).await.unwrap();
    let mut placed = Vec::new();
    for round in 0..STATEMENTS / 2 / 1_000 {
        let batch = statements(1_000, (u64::from(seed) << 32) + round as u64);
        let receipt = gateway.send(&log, batch.clone(), T).await.unwrap().receipt.unwrap();
        placed.extend((receipt.first.get()..).zip(batch));
    }
    placed
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_and_70_000_statements_are_proven_by_strangers() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), 0, &[]);
    let (url, vkey) = (server.url.clone(), server.vkey.clone());
    let log = GrpcLog::connect(&Connection::new(&url)).unwrap();
    let (one, two) = tokio::join!(tokio::spawn(share(log.clone(), 10)), tokio::spawn(share(log.clone(), 11)));
    let mut placed = [one.unwrap(), two.unwrap()].concat();
    placed.sort_unstable_by_key(|(index, _)| *index);

    read_all_by_tiles(&url, &vkey, &placed).await;

    // Proof files are fetched while the log runs, and verified when it is gone.
    let picked: Vec<_> = placed.iter().step_by(STATEMENTS / 20).collect();
    for (index, _) in &picked {
        let (index, file) = (index.to_string(), path(folder.path(), &format!("{index}.tlog-proof")));
        succeed(&["prove", "--log", &url, "--index", &index, "--log-vkey", &vkey, "-o", &file]);
    }
    assert_eq!(server.terminate(), 0);
    for (index, statement) in &picked {
        let file = path(folder.path(), &format!("{index}.tlog-proof"));
        let digest = statement.digest.to_string();
        let said = succeed(&["verify", "--json", "--proof", &file, "--log-vkey", &vkey, "--digest", &digest]);
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["index"], *index, "{said}");
        let other = vouchlog_stream::Digest::of(b"another").to_string();
        let (code, _) = fail(&["verify", "--proof", &file, "--log-vkey", &vkey, "--digest", &other]);
        assert_eq!(code, 1, "a proof of something else is a finding");
    }
    let data = path(folder.path(), "data");
    let report: serde_json::Value =
        serde_json::from_str(&succeed(&["fsck", "--json", "--data", &data])).unwrap();
    assert_eq!(report["statements"], STATEMENTS, "{report}");
}

/// Reads the whole log over HTTP: every entry, the root computed from them, every statement where the receipt said.
async fn read_all_by_tiles(url: &str, vkey: &str, placed: &[(u64, Statement)]) {
    let reader = TileReader::http(url).unwrap();
    let log =
        VerifiedLog::open(reader.clone(), Origin::new(ORIGIN).unwrap(), vkey.parse().unwrap(), None).unwrap();
    let head = log.update().await.unwrap().head();
    let size = head.size.get();
    let mut range = CompactRange::new();
    let mut placed = placed.iter();
    let mut next = placed.next();
    for bundle in 0..size.div_ceil(256) {
        let width = usize::try_from((size - bundle * 256).min(256)).unwrap();
        let bytes = reader.entry_bundle(bundle, u16::try_from(width).unwrap()).await.unwrap();
        for (entry, index) in EntryBundle::entries(&bytes, width).unwrap().into_iter().zip(bundle * 256..) {
            range.append(leaf_hash(entry));
            if let Some((_, statement)) = next.filter(|(placed, _)| *placed == index) {
                let Entry::Statement(found) = Entry::decode(entry).unwrap() else { panic!("entry {index}") };
                assert_eq!(found.statement, *statement, "entry {index}");
                next = placed.next();
            }
        }
    }
    assert!(next.is_none(), "a statement is missing");
    assert_eq!(range.root(), Some(head.root), "the entries lead to the signed root");
    let (_, proof) = log.entry(LeafIndex::new(size / 2)).await.unwrap();
    assert_eq!(proof.index().get(), size / 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_everything_and_an_older_head_is_a_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut gateway = None;
    let mut last = None;
    for round in 0..4 {
        let server = Server::start(&data, 0, &[]);
        let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
        let mut g = match gateway.take() {
            Some(gateway) => gateway,
            None => TestGateway::open(&log, 10).await.unwrap(),
        };
        g.send(&log, statements(300, round), T).await.unwrap();
        assert_eq!(log.stream(g.stream).await.unwrap().size, 300 * (round + 1));
        let reader = TileReader::http(&server.url).unwrap();
        let seen = folder.path().join("seen");
        let verified =
            VerifiedLog::open(reader, Origin::new(ORIGIN).unwrap(), server.vkey.parse().unwrap(), Some(seen))
                .unwrap();
        // What was seen in earlier rounds is in the file; a log that shrank or forked would be refused here.
        let head = verified.update().await.unwrap().head();
        assert!(last.is_none_or(|last| last < head.size));
        last = Some(head.size);
        gateway = Some(g);
        assert_eq!(server.terminate(), 0);
    }
}
