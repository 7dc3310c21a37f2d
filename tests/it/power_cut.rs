//! A power cut under load: what the kernel had not yet been told to make durable is gone, and everything acknowledged must
//! be there all the same.
//!
//! The server's data lies on an ext4 file system in an image file, mounted through a loop device. To cut, the server is
//! frozen (SIGSTOP) and the image copied: what is dirty in the mounted file system's cache is not in the copy. The copy is
//! mounted, the log opened from it and checked. That the method can tell is shown by the last test: with fdatasync made a
//! no-op, statements are lost.
//!
//! This takes root and loop devices. Where they are missing, the tests say so and how to run them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::Mutex;
use vouchlog_client::{Connection, GrpcLog};
use vouchlog_sequencer::testing::{ORIGIN, TestGateway};

use crate::kill::{Promised, Replay, acknowledged_more_than, newest, work};
use crate::process::{Server, free_port, rounds, signal, succeed, vouchlog, write_keys};

/// In the short and the long form.
const CUTS: (u64, u64) = (6, 20);
/// Cuts within which the lack of fdatasync must show; one is enough more often than not.
const CUTS_WITHOUT_SYNC: u64 = 10;
const IMAGE_BYTES: u64 = 512 * 1024 * 1024;

/// A mounted image, unmounted when dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn new(image: &Path, at: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let mounted = Command::new("mount").args(["-o", "loop"]).arg(image).arg(&at).output().ok()?;
        mounted.status.success().then(|| Self(at))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A server that was just killed may hold on for a moment.
        for _ in 0..50 {
            if Command::new("umount").arg(&self.0).output().is_ok_and(|done| done.status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// An empty ext4 file system, mounted; none where that cannot be done.
fn disk(folder: &Path) -> Option<(PathBuf, Mounted)> {
    let image = folder.join("disk");
    std::fs::File::create(&image).and_then(|file| file.set_len(IMAGE_BYTES)).unwrap();
    let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).output().ok()?;
    if !made.status.success() {
        return None;
    }
    let mounted = Mounted::new(&image, folder.join("mounted"))?;
    Some((image, mounted))
}

fn not_here() {
    eprintln!(
        "power cuts are not simulated here: run as root where loop devices can be mounted: cargo test -p vouchlog-cli --test it power_cut"
    );
}

/// A server under the load of two gateways.
struct Loaded {
    server: Server,
    promised: Arc<Mutex<Promised>>,
    stop: Arc<AtomicBool>,
}

impl Loaded {
    async fn start(server: Server) -> Self {
        let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
        let (promised, stop) = (Arc::new(Mutex::new(Promised::default())), Arc::new(AtomicBool::new(false)));
        for seed in 10..12 {
            let gateway = TestGateway::open(&log, seed).await.unwrap();
            tokio::spawn(work(log.clone(), gateway, u64::from(seed), stop.clone(), promised.clone()));
        }
        Self { server, promised, stop }
    }

    /// Cuts the power: returns what had been promised, and mounts what would be on the disk.
    async fn cut(&self, image: &Path, folder: &TempDir, cut: u64) -> (Promised, Mounted) {
        tokio::time::sleep(Duration::from_millis(150 + cut * 131 % 900)).await;
        signal(self.server.pid(), "STOP");
        // Answers that had left the server arrive; they count.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let promised = self.promised.lock().await.clone();
        let copy = folder.path().join(format!("copy-{cut}"));
        let copied = Command::new("cp").arg("--sparse=always").arg(image).arg(&copy).status().unwrap();
        assert!(copied.success());
        signal(self.server.pid(), "CONT");
        let mounted = Mounted::new(&copy, folder.path().join(format!("at-{cut}"))).expect("the copy mounts");
        std::fs::remove_file(&copy).unwrap();
        (promised, mounted)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cuts_under_load_lose_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let Some((image, mounted)) = disk(folder.path()) else { return not_here() };
    let loaded = Loaded::start(Server::start(&mounted.0.join("data"), free_port(), &[])).await;
    for cut in 0..rounds(CUTS) {
        let (promised, after) = loaded.cut(&image, &folder, cut).await;
        let data = after.0.join("data");
        let server = Server::start(&data, free_port(), &[]);
        let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
        Replay::default().follow(&log, &promised).await;
        assert_eq!(server.terminate(), 0);
        succeed(&["fsck", "--data", data.to_str().unwrap()]);
    }
    acknowledged_more_than(&loaded.promised, 1_000).await;
    loaded.stop.store(true, Ordering::Relaxed);
    assert_eq!(loaded.server.terminate(), 0);
}

/// A library that makes fsync and fdatasync do nothing, so that only what sled's own `flush` does is left.
fn library_without_sync(folder: &Path) -> Option<PathBuf> {
    let (source, library) = (folder.join("nosync.c"), folder.join("nosync.so"));
    std::fs::write(&source, "int fsync(int f){(void)f;return 0;}int fdatasync(int f){(void)f;return 0;}\n")
        .unwrap();
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).output().ok()?;
    built.status.success().then_some(library)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_fdatasync_a_cut_loses_acknowledged_statements() {
    let folder = tempfile::tempdir().unwrap();
    let Some((image, mounted)) = disk(folder.path()) else { return not_here() };
    let Some(library) = library_without_sync(folder.path()) else { return not_here() };
    let data = mounted.0.join("data");
    write_keys(&data);
    let mut command = vouchlog();
    command.args(["serve", "--json", "--origin", ORIGIN, "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    command.env("LD_PRELOAD", &library);
    let loaded = Loaded::start(Server::spawn(command)).await;
    for cut in 0..CUTS_WITHOUT_SYNC {
        let (promised, after) = loaded.cut(&image, &folder, cut).await;
        let largest = promised.heads.iter().map(|head| head.size).max();
        let data = after.0.join("data");
        let served = std::panic::catch_unwind(|| Server::start(&data, free_port(), &[]));
        let kept = match served {
            Err(_) => false,
            Ok(server) => {
                let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
                Some(newest(&log).await.size) >= largest
            }
        };
        if !kept {
            return loaded.stop.store(true, Ordering::Relaxed);
        }
    }
    panic!("{CUTS_WITHOUT_SYNC} cuts without fdatasync lost nothing: the method cannot tell");
}
