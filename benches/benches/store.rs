//! Goal: what durability costs. Method: commits of growing batches to the embedded store, then whole requests through the
//! engine. Every commit ends with an fdatasync, so the figures are the disk's as much as ours: compare within one run.

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prometheus_client::registry::Registry;
use tokio::runtime::Runtime;
use vouchlog_api::Appender;
use vouchlog_merkle::{
    CompactRange, EntryBundle, Hash, TILE_WIDTH, Tile, TreeHead, full_tiles, leaf_hash, tiles_of_growth,
};
use vouchlog_sequencer::testing::{ORIGIN, TestClock, TestGateway, config, statements};
use vouchlog_sequencer::{Engine, Options};
use vouchlog_storage::{Batch, Growth, Store};
use vouchlog_storage_sled::SledStore;

/// Bytes of a statement entry.
const ENTRY: [u8; 54] = [7; 54];
/// Bytes of one, framed.
const FRAMED: usize = 2 + ENTRY.len();

/// Commits batches of equal entries, with the tiles and bundles they complete, as the engine would.
struct Writer {
    store: SledStore,
    range: CompactRange,
    leaf: Hash,
    /// The full tile of each level. All tiles of a level are equal, since all leaves are.
    tiles: [Bytes; 4],
    bundle: Bytes,
}

impl Writer {
    fn new(store: SledStore) -> Self {
        let leaf = leaf_hash(&ENTRY);
        let mut hash = leaf;
        let tiles = std::array::from_fn(|_| {
            let tile = Tile::from_hashes(vec![hash; TILE_WIDTH]).expect("a full tile");
            hash = tile.root().expect("a full tile has a root");
            tile.to_bytes().into()
        });
        Self { store, range: CompactRange::new(), leaf, tiles, bundle: framed(TILE_WIDTH) }
    }

    fn commit(&mut self, count: usize, entries: Bytes) {
        let old = self.range.size();
        self.range.extend(&vec![self.leaf; count]);
        let tree =
            TreeHead { size: self.range.size(), root: self.range.root().expect("it begins at leaf 0") };
        let bundles = full_tiles(0, old)..full_tiles(0, tree.size);
        let batch = Batch {
            head: tree,
            count: count as u64,
            entries,
            states: Vec::new(),
            growth: Growth {
                tiles: tiles_of_growth(old, tree.size)
                    .map(|id| (id, self.tiles[usize::from(id.level)].clone()))
                    .collect(),
                bundles: bundles.map(|index| (index, self.bundle.clone())).collect(),
            },
        };
        self.store.commit((old.get() > 0).then_some(old.get()), batch).expect("the store takes it");
    }
}

fn framed(count: usize) -> Bytes {
    let mut entries = Vec::with_capacity(count * FRAMED);
    for _ in 0..count {
        EntryBundle::push_entry(&mut entries, &ENTRY).expect("a short entry");
    }
    entries.into()
}

fn commits(c: &mut Criterion) {
    let mut group = c.benchmark_group("sled commit");
    group.sample_size(10);
    for count in [1, 64, 256, 1024, 4096] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = SledStore::open(dir.path(), ORIGIN, vouchlog_storage_sled::Options::default());
        let mut writer = Writer::new(store.expect("a new store"));
        let entries = framed(count);
        group.throughput(Throughput::Elements(count as u64));
        group
            .bench_function(format!("{count} entries"), |b| b.iter(|| writer.commit(count, entries.clone())));
    }
    group.finish();
}

/// One gateway that waits for each receipt and verifies it: the latency of a commit, not the throughput of a busy log,
/// for which there is `vouchlog-load`.
fn engine(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = SledStore::open(dir.path(), ORIGIN, vouchlog_storage_sled::Options::default());
    let config = config(&TestClock::default(), Options::default());
    let (log, gateway) = runtime.block_on(async {
        let log = Engine::open(config, store.expect("a new store"), None, &mut Registry::default());
        let log = log.expect("a new log");
        let gateway = TestGateway::open(&log, 10).await.expect("enrolled and open");
        (log, RefCell::new(gateway))
    });
    let mut group = c.benchmark_group("engine, append to verified receipt");
    group.sample_size(10).warm_up_time(Duration::from_secs(1));
    for count in [1, 256, 4096] {
        let body = statements(count, 1);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("{count} statements"), |b| {
            b.iter(|| runtime.block_on(append(&log, &gateway, body.clone())));
        });
    }
    group.finish();
    runtime.block_on(log.stop());
}

async fn append(log: &impl Appender, gateway: &RefCell<TestGateway>, body: Vec<vouchlog_stream::Statement>) {
    let request = gateway.borrow_mut().request(body.clone(), 1_767_225_600);
    let appended = log.append(request).await.expect("appended");
    vouchlog_sequencer::testing::verify(&appended, &body);
}

criterion_group!(benches, commits, engine);
criterion_main!(benches);
