//! A round over a log of three levels, with damage of each kind.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use vouchlog_merkle::TileId;
use vouchlog_storage::{Part, Store, StoreError};
use vouchlog_storage_sled::SledStore;

use super::*;
use crate::scrub::Mirror;
use crate::testing::{ORIGIN, TestClock, TestGateway, config, statements};
use crate::{Engine, Options};

const T: u64 = 1_767_225_600;

#[derive(Debug, Default)]
struct Copy(Mutex<std::collections::HashMap<u64, Bytes>>);

impl Mirror for Copy {
    fn bundle(&self, bundle: u64) -> Result<Bytes, String> {
        self.0.lock().get(&bundle).cloned().ok_or_else(|| "the mirror lacks it".into())
    }
}

/// A log of a full level-1 tile and some, in a directory, stopped; and its bundles.
async fn stopped(dir: &std::path::Path) -> Copy {
    let clock = TestClock::default();
    let store = Arc::new(open_store(dir));
    let log = crate::testing::open(store.clone(), None, &clock).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    for part in 0..5 {
        gateway.send(&log, statements(16_000, part), T).await.unwrap();
    }
    log.stop().await;
    let copy = Copy::default();
    let sealed = store.sealed_size();
    assert!(sealed > 65_536);
    for bundle in 0..sealed / 256 {
        copy.0.lock().insert(bundle, store.entry_bundle(bundle).unwrap().unwrap());
    }
    copy
}

/// Opens the store, once the threads of the log before have let go of it.
fn open_store(dir: &std::path::Path) -> SledStore {
    for _ in 0..600 {
        match SledStore::open(dir, ORIGIN, vouchlog_storage_sled::Options::default()) {
            Err(StoreError::InUse) => std::thread::sleep(Duration::from_millis(100)),
            other => return other.unwrap(),
        }
    }
    panic!("the store was not let go of");
}

fn flip(dir: &std::path::Path, file: &str, at: u64) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new().read(true).write(true).open(dir.join(file)).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

/// Opens the log with a scrub, damages it once a round is over, and waits for another round; what is still damaged.
async fn scrubbed(
    dir: &std::path::Path,
    mirror: Option<Arc<dyn Mirror>>,
    inflict: impl FnOnce(),
) -> Option<String> {
    let scrub = ScrubOptions { bytes_per_second: 1 << 30, interval: Duration::ZERO, mirror };
    let options = Options { scrub, ..Options::default() };
    let mut registry = Registry::default();
    let log =
        Engine::open(config(&TestClock::default(), options), open_store(dir), None, &mut registry).unwrap();
    let first = rounds(&registry);
    wait_for_rounds(&registry, first + 1).await;
    inflict();
    // The round under way may be past the damage.
    let now = rounds(&registry);
    wait_for_rounds(&registry, now + 2).await;
    let checks = log.readiness().checks;
    let check = checks.into_iter().find(|check| check.name == "sealed data").unwrap();
    log.stop().await;
    check.outcome.err()
}

fn rounds(registry: &Registry) -> u64 {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("vouchlog_scrub_rounds_total ")).unwrap();
    line.parse().unwrap()
}

async fn wait_for_rounds(registry: &Registry, wanted: u64) {
    for _ in 0..6_000 {
        if rounds(registry) >= wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("round {wanted} did not come to its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_and_indexes_are_repaired_and_bundles_from_a_mirror() {
    let dir = tempfile::tempdir().unwrap();
    let copy: Arc<dyn Mirror> = Arc::new(stopped(dir.path()).await);
    let whole = |file: &str| std::fs::read(dir.path().join("sealed").join(file)).unwrap();
    let files = ["tiles/0/000000", "tiles/1/000000", "bundles/000000.data", "bundles/000000.index"];
    let before = files.map(whole);
    assert_eq!(scrubbed(dir.path(), None, || {}).await, None);

    // Tiles of both levels, and slots of the index: nothing else is needed to repair them.
    let repairable = || {
        flip(dir.path(), "sealed/tiles/0/000000", 3 * 8192 + 70);
        flip(dir.path(), "sealed/tiles/1/000000", 5000);
        flip(dir.path(), "sealed/bundles/000000.index", 5 * 12 + 7);
        flip(dir.path(), "sealed/bundles/000000.index", 90 * 12 + 11);
    };
    assert_eq!(scrubbed(dir.path(), None, repairable).await, None);
    assert!(files.map(whole) == before, "repaired to the last byte");

    // An entry: named, and repaired once there is a mirror. With the tile beside it, too.
    let damaged_bytes = [100_000, 3_000_000];
    let places = {
        let store = open_store(dir.path());
        let places = (0..store.sealed_size() / 256).filter_map(|bundle| store.place(Part::Bundle(bundle)));
        let is_hit = |place: &vouchlog_storage::FileRange| {
            damaged_bytes.iter().any(|at| (place.start..place.end).contains(at))
        };
        places.filter(is_hit).collect::<Vec<_>>()
    };
    assert_eq!(places.len(), 2);
    let in_tile = places_tile(dir.path(), 100_000);
    let damage = || damaged_bytes.iter().for_each(|at| flip(dir.path(), "sealed/bundles/000000.data", *at));
    let reported = scrubbed(dir.path(), None, damage).await.expect("a flipped bundle is reported");
    for place in &places {
        assert!(reported.contains(&place.to_string()), "{reported} does not name {place}");
    }
    let wrong: Arc<dyn Mirror> = Arc::new(Copy::default());
    let reported = scrubbed(dir.path(), Some(wrong), || {}).await.expect("an empty mirror repairs nothing");
    assert!(reported.contains("lacks"), "{reported}");
    let tile_too = || flip(dir.path(), "sealed/tiles/0/000000", in_tile);
    assert_eq!(scrubbed(dir.path(), Some(copy), tile_too).await, None);
    assert!(files.map(whole) == before, "repaired to the last byte");
}

/// A byte in the tile of the bundle that holds byte `at` of the first segment.
fn places_tile(dir: &std::path::Path, at: u64) -> u64 {
    let store = open_store(dir);
    let bundle = (0..store.sealed_size() / 256)
        .find(|bundle| store.place(Part::Bundle(*bundle)).is_some_and(|p| (p.start..p.end).contains(&at)))
        .unwrap();
    store.place(Part::Tile(TileId { level: 0, index: bundle })).unwrap().start + 9
}

#[derive(Debug)]
struct Liar(Arc<dyn Mirror>);

impl Mirror for Liar {
    fn bundle(&self, bundle: u64) -> Result<Bytes, String> {
        self.0.bundle(bundle + 1)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_has_something_else_repairs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let copy: Arc<dyn Mirror> = Arc::new(stopped(dir.path()).await);
    flip(dir.path(), "sealed/bundles/000000.data", 100_000);
    let damaged = std::fs::read(dir.path().join("sealed/bundles/000000.data")).unwrap();
    let liar: Arc<dyn Mirror> = Arc::new(Liar(copy));
    let reason = scrubbed(dir.path(), Some(liar), || {}).await.expect("it stays damaged");
    assert!(reason.contains("does not lead to the root"), "{reason}");
    assert!(std::fs::read(dir.path().join("sealed/bundles/000000.data")).unwrap() == damaged);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_tile_at_the_edge_of_the_tree_does_not_keep_the_log_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    stopped(dir.path()).await;
    let tiles = ["sealed/tiles/0/000000", "sealed/tiles/1/000000"].map(|file| dir.path().join(file));
    let before = tiles.clone().map(|file| std::fs::read(file).unwrap());
    // The last tile of level 0, and one of level 1.
    let last = before[0].len() as u64 - 8192;
    for (file, at) in [("sealed/tiles/0/000000", last + 3), ("sealed/tiles/1/000000", 300)] {
        flip(dir.path(), file, at);
        let log = crate::testing::open(open_store(dir.path()), None, &TestClock::default()).unwrap();
        log.stop().await;
        assert!(tiles.clone().map(|file| std::fs::read(file).unwrap()) == before, "{file} is repaired");
    }
}
