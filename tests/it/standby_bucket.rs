//! A log whose living part is in PostgreSQL and whose sealed part is in an object store, as real processes: kill -9 and takeover under load,
//! leaders that are paused and wake up. All the while a reader looks at the checkpoint in the bucket, which only moves forward.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use vouchlog::ConnectionSecurity;
use vouchlog_note::{Origin, SignedCheckpoint};
use vouchlog_sequencer::testing::ORIGIN;
use vouchlog_storage_object::Bucket;

use crate::kill::Replay;
use crate::objects::{audit, published_size};
use crate::process::{fail, free_port, rounds, signal};
use crate::standby::{Balancer, Load, World};
use crate::witnesses::log_key;

/// In the short and the long form.
const KILLS: (u64, u64) = (2, 20);
const PAUSES: (u64, u64) = (2, 20);

/// Reads the checkpoint in a bucket again and again.
struct Reader {
    stop: Arc<AtomicBool>,
    reading: JoinHandle<u64>,
}

impl Reader {
    fn start(url: &str) -> Self {
        let bucket = Bucket::open(&url.parse().unwrap(), &ConnectionSecurity::default()).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let reading = tokio::spawn(async move {
            let (mut last, mut looks) = (None, 0);
            let (origin, vkey) = (Origin::new(ORIGIN).unwrap(), log_key().verifying_key().clone());
            while !stopped.load(Ordering::Relaxed) {
                if let Some(found) = bucket.get("checkpoint", 100_000).await.unwrap() {
                    let head = SignedCheckpoint::open(&found.bytes, &origin, &vkey).unwrap().head();
                    if let Some(last) = last.replace(head) {
                        assert!(head.size > last.size || head == last, "from {last:?} back to {head:?}");
                    }
                    looks += 1;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            looks
        });
        Self { stop, reading }
    }

    /// Ends; it must have looked at something.
    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        assert!(self.reading.await.unwrap() > 20, "the reader saw no checkpoints");
    }
}

/// A folder, and a prefix in the bucket of an S3 server where there is one.
fn places(folder: &Path) -> Vec<String> {
    let mut places = vec![format!("file://{}", folder.join("objects").display())];
    match std::env::var("VOUCHLOG_S3").ok().filter(|server| !server.is_empty()) {
        Some(server) => {
            let time = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
            places.push(format!("{server}/standby-{}-{time}", std::process::id()));
        }
        None => {
            eprintln!("NOT TESTED with an S3 server: set VOUCHLOG_S3 to a bucket of one, as `.ci/run` does");
        }
    }
    places
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_a_killed_leader_over_with_its_bucket() {
    let folder = tempfile::tempdir().unwrap();
    for objects in places(folder.path()) {
        let Some(world) = World::new() else { return };
        let world = world.with(&["--objects", &objects, "--objects-interval", "20ms"]);
        let nodes = [("a", free_port()), ("b", free_port())];
        let mut leader = world.node(nodes[0].0, nodes[0].1);
        let balancer = Balancer::start(nodes[0].1);
        let log = balancer.log();
        let (reader, load) = (Reader::start(&objects), Load::start(&log).await);
        for kill in 0..rounds(KILLS) {
            let (node, port) = nodes[usize::try_from((kill + 1) % 2).unwrap()];
            let standby = world.standby(node, port);
            tokio::time::sleep(Duration::from_millis(300 + kill * 137 % 500)).await;
            leader.kill();
            leader = tokio::task::spawn_blocking(move || standby.join().unwrap()).await.unwrap();
            balancer.leader.store(port, Ordering::SeqCst);
        }
        let promised = load.end().await;
        Replay::default().follow(&log, &promised).await;
        assert_eq!(leader.terminate(), 0);
        reader.end().await;
        assert_eq!(audit(&objects), published_size(&objects).await, "{objects}");
        let last = promised.heads.iter().map(|head| head.size.get()).max().unwrap();
        assert!(published_size(&objects).await >= last, "the last head is published on the way out");
    }
}

/// Wherever a leader is stopped (while it commits, seals, or between its look at the checkpoint in the bucket and its write), nothing moves
/// back when it goes on after another one took over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_wakes_up_moves_nothing_back() {
    let folder = tempfile::tempdir().unwrap();
    for objects in places(folder.path()) {
        let Some(world) = World::new() else { return };
        let world = world.with(&["--objects", &objects, "--objects-interval", "1ms"]);
        let nodes = [("a", free_port()), ("b", free_port())];
        let mut leader = world.node(nodes[0].0, nodes[0].1);
        let balancer = Balancer::start(nodes[0].1);
        let log = balancer.log();
        let (reader, load) = (Reader::start(&objects), Load::start(&log).await);
        for pause in 0..rounds(PAUSES) {
            let (node, port) = nodes[usize::try_from((pause + 1) % 2).unwrap()];
            let standby = world.standby(node, port);
            tokio::time::sleep(Duration::from_millis(400 + pause * 271 % 300)).await;
            signal(leader.pid(), "STOP");
            let next = tokio::task::spawn_blocking(move || standby.join().unwrap()).await.unwrap();
            balancer.leader.store(port, Ordering::SeqCst);
            // The next leader publishes before the paused one goes on.
            let before = published_size(&objects).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            signal(leader.pid(), "CONT");
            let deposed = std::mem::replace(&mut leader, next);
            let code = tokio::task::spawn_blocking(move || deposed.wait()).await.unwrap();
            assert_eq!(code, 3, "a deposed leader asks to be restarted");
            assert!(published_size(&objects).await >= before);
        }
        let promised = load.end().await;
        Replay::default().follow(&log, &promised).await;
        assert_eq!(leader.terminate(), 0);
        reader.end().await;
        assert_eq!(audit(&objects), published_size(&objects).await, "{objects}");
    }
}

#[test]
fn a_log_in_a_database_keeps_its_object_store() {
    let Some(world) = World::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let objects = format!("file://{}", folder.path().join("objects").display());
    let world = world.with(&["--objects", &objects]);
    assert_eq!(world.node("a", 0).terminate(), 0);
    let (data, url) = (world.data("a"), world.postgres.url());
    let serve = ["serve", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0", "--store", &url];
    let (code, words) = fail(&serve);
    assert!(code == 2 && words.contains(&objects) && words.contains("check --objects"), "{words}");
    let other = format!("file://{}", folder.path().join("other").display());
    let (code, words) = fail(&[&serve[..], &["--objects", &other]].concat());
    assert!(code == 2 && words.contains(&objects) && words.contains("check --objects"), "{words}");
}

/// What is wrong with the arguments is reported before anything is bound or made.
#[test]
fn an_object_store_is_read_before_a_port_is_bound() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (listen, data) = (taken.local_addr().unwrap().to_string(), folder.path().join("data"));
    let serve = ["serve", "--data", data.to_str().unwrap(), "--listen", &listen, "--objects", "bucket"];
    let (code, words) = fail(&serve);
    assert!(code == 2 && words.contains("--objects is s3://bucket/prefix"), "{words}");
    assert!(!data.exists(), "nothing was begun");
}
