//! Goal: whatever happens to the process or to the files, a lookup finds what the log has below what the index says it covers, and
//! the rest is built again. In tests a run of the lowest level has 64 entries.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use vouchlog_ledger::{Disk, DiskFile, Folder, LockGuard};
use vouchlog_merkle::LeafIndex;
use vouchlog_storage::{Index, IndexBatch, MemoryIndex, RunEntry, StoreError};

use super::merger::merge_now;
use super::recent::RECENT_ENTRIES;
use super::run::file_name;
use super::run_store::{Access, RunStore};
use super::{RunIndex, VERSION};

const LIMIT: usize = 40;

/// A hash's prefix that differs in the bytes that are compared.
fn spread(at: u64) -> [u8; 8] {
    (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()
}

/// A log whose entries follow from their indexes: statements of five streams in turns of random length, heads, openings and successors.
fn entries(from: u64, upto: u64) -> IndexBatch {
    let mut batch = IndexBatch { from, upto, ..IndexBatch::default() };
    let mut next: BTreeMap<u64, u64> = BTreeMap::new();
    for index in 0..upto {
        let turn = index / 7;
        let stream = turn.wrapping_mul(0x9e37_79b9) >> 5 & 3;
        let is_statement = index % 50 < 46;
        let sequence = *next.get(&stream).unwrap_or(&0);
        if is_statement {
            next.insert(stream, sequence + 1);
        }
        if index < from {
            continue;
        }
        batch.leaf_hashes.push((spread(index), index));
        match index % 50 {
            46 => batch.stream_heads.push((stream, index)),
            47 => batch.stream_keys.push((spread(index % 11), index)),
            48 => batch.successors.push((index % 150, index)),
            49 => {}
            _ => {
                // A third of the statements have the same digest, others one of a few.
                let digest = if index % 3 == 0 { 1 } else { index % 257 };
                batch.digests.push((spread(digest), index));
                batch.runs.push(RunEntry { stream, start: sequence, first: index });
            }
        }
    }
    batch
}

/// What a lookup must find below `size`.
fn model(size: u64) -> MemoryIndex {
    let model = MemoryIndex::default();
    model.put(&entries(0, size)).unwrap();
    model
}

fn place(run: Option<RunEntry>, sequence: u64) -> Option<u64> {
    run.and_then(|run| run.first.checked_add(sequence.checked_sub(run.start)?))
}

fn indexes(found: Vec<u64>) -> Vec<LeafIndex> {
    found.into_iter().map(LeafIndex::new).collect()
}

/// Compares lookups, of one in `step` entries, with the model of what the index covers when it answers; returns what it covers in
/// the end.
fn check(store: &RunStore, step: usize) -> u64 {
    let mut models: BTreeMap<u64, Rc<MemoryIndex>> = BTreeMap::new();
    let mut of = |covered: u64| models.entry(covered).or_insert_with(|| Rc::new(model(covered))).clone();
    let upto = store.covered();
    for key in (0..upto + 5).step_by(step) {
        let answer = store.by_leaf_hash(spread(key), LIMIT).unwrap();
        let known = of(answer.covered).by_leaf_hash(spread(key), LIMIT).unwrap().found;
        assert_below(answer.found, &known, answer.covered);
    }
    for key in 0..260 {
        let answer = store.by_digest(spread(key), LIMIT).unwrap();
        let known = of(answer.covered).by_digest(spread(key), LIMIT).unwrap().found;
        assert_below(answer.found, &known, answer.covered);
    }
    for key in 0..12 {
        let answer = store.by_stream_key(spread(key), LIMIT).unwrap();
        let known = of(answer.covered).by_stream_key(spread(key), LIMIT).unwrap().found;
        assert_below(answer.found, &known, answer.covered);
    }
    for stream in 0..5 {
        for sequence in (0..upto / 4 + 2).step_by(step) {
            let answer = store.statements(stream, sequence).unwrap();
            let known = of(answer.covered).run(stream, sequence).unwrap().found;
            // The model has a run for each statement.
            if let Some(known) = known.filter(|known| known.start == sequence) {
                assert_eq!(place(answer.found, sequence), Some(known.first), "{sequence} of stream {stream}");
            }
        }
    }
    for stream in 0..151 {
        let answer = store.stream_places(stream).unwrap();
        let known = of(answer.covered).stream(stream).unwrap().found;
        // An index with a gap may know newer ones from behind it.
        assert!(answer.found.head >= known.head, "the head of stream {stream}");
        assert!(answer.found.successor >= known.successor, "the successor of stream {stream}");
        if store.seen() == answer.covered {
            assert_eq!(answer.found, known, "stream {stream}");
        }
    }
    store.covered()
}

/// What lies below `covered` is found, lowest first; more may be found beyond it.
fn assert_below(found: Vec<u64>, known: &[LeafIndex], covered: u64) {
    assert!(found.is_sorted(), "{found:?}");
    let below: Vec<u64> = found.into_iter().filter(|index| *index < covered).collect();
    assert_eq!(indexes(below), known, "of what is below {covered}");
}

/// Follows the log up to `size`, in batches of `step`.
fn follow(store: &RunStore, size: u64, step: u64) -> Result<(), StoreError> {
    while store.covered() < size {
        let from = store.covered();
        store.put(&entries(from, size.min(from + step)))?;
    }
    Ok(())
}

fn open(dir: &Path) -> Arc<RunStore> {
    Arc::new(RunStore::open(Arc::new(Folder::new(dir)), Access::Write).unwrap())
}

fn files(dir: &Path) -> Vec<String> {
    let mut names = Folder::new(dir).list().unwrap();
    names.sort();
    names
}

/// A directory with runs of the lowest two levels, of 1,500 entries.
fn sample() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    follow(&store, 1_500, 100).unwrap();
    merge_now(&store).unwrap();
    store.write_rest().unwrap();
    assert_eq!(store.runs().len(), 9, "one of 1,024 entries, seven of 64, and the rest");
    dir
}

#[test]
fn runs_of_every_level_find_what_the_log_has() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let size = RECENT_ENTRIES * 4096 + 1_234;
    let all = entries(0, size);
    while store.covered() < size {
        let from = store.covered();
        store.put(&part(&all, from, size.min(from + RECENT_ENTRIES * 32))).unwrap();
        merge_now(&store).unwrap();
    }
    let spans: Vec<u64> = store.runs().iter().map(|run| run.span()).collect();
    assert_eq!(spans[0], RECENT_ENTRIES * 4096, "{spans:?}");
    let known = MemoryIndex::default();
    known.put(&all).unwrap();
    let some = (0..size).step_by(997).chain([size - 1]);
    for index in some {
        assert_eq!(store.by_leaf_hash(spread(index), 9).unwrap().found, [index]);
    }
    for key in 0..260 {
        let found = store.by_digest(spread(key), 9).unwrap().found;
        assert_eq!(indexes(found), known.by_digest(spread(key), 9).unwrap().found);
    }
    for sequence in (0..size / 4).step_by(1_009) {
        let found = place(store.statements(2, sequence).unwrap().found, sequence);
        assert_eq!(found, place(known.run(2, sequence).unwrap().found, sequence), "{sequence}");
    }
    // What it takes for an entry, its places included: a third of the entries begin a run of statements here.
    let bytes: u64 = store.runs().iter().map(|run| run.bytes).sum();
    assert!(bytes < size * 17, "{} bytes an entry", bytes as f64 / size as f64);
    for run in store.runs().iter() {
        run.verify().unwrap();
    }
}

/// The part of a batch that is about these entries.
fn part(all: &IndexBatch, from: u64, upto: u64) -> IndexBatch {
    fn own<T: Clone>(all: &[T], place: impl Fn(&T) -> u64, from: u64, upto: u64) -> Vec<T> {
        let at = |size| all.partition_point(|item| place(item) < size);
        all[at(from)..at(upto)].to_vec()
    }
    let pairs = |pairs: &[([u8; 8], u64)]| own(pairs, |pair| pair.1, from, upto);
    let places = |pairs: &[(u64, u64)]| own(pairs, |pair| pair.1, from, upto);
    IndexBatch {
        from,
        upto,
        leaf_hashes: pairs(&all.leaf_hashes),
        digests: pairs(&all.digests),
        runs: own(&all.runs, |run| run.first, from, upto),
        stream_keys: pairs(&all.stream_keys),
        stream_heads: places(&all.stream_heads),
        successors: places(&all.successors),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Follow { by: u64, batch: u64 },
    Merge,
    Lose(usize),
    Restart { cleanly: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(
        prop_oneof![
            4 => (1..400_u64, 1..200_u64).prop_map(|(by, batch)| Step::Follow { by, batch }),
            2 => Just(Step::Merge),
            1 => any::<usize>().prop_map(Step::Lose),
            1 => any::<bool>().prop_map(|cleanly| Step::Restart { cleanly }),
        ],
        1..10,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn an_index_is_like_its_model(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        let mut size = 0;
        for step in steps {
            match step {
                Step::Follow { by, batch } => {
                    size += by;
                    follow(&store, size, batch).unwrap();
                }
                Step::Merge => merge_now(&store).unwrap(),
                Step::Lose(at) => {
                    let runs = store.runs();
                    if !runs.is_empty() {
                        let run = &runs[at % runs.len()];
                        store.lose(run, "planned").unwrap();
                        assert_eq!(store.covered(), run.range.start.min(store.covered()));
                    }
                }
                Step::Restart { cleanly } => {
                    let seen = store.seen();
                    if cleanly {
                        store.write_rest().unwrap();
                    }
                    drop(store);
                    store = open(dir.path());
                    assert_eq!(store.seen(), seen, "what it saw outlives the process");
                }
            }
            check(&store, 31);
        }
        follow(&store, size, 77).unwrap();
        merge_now(&store).unwrap();
        assert_eq!(check(&store, 3), size);
    }
}

/// A batch that was read before a part of the index was lost must not count as what is missing.
#[test]
fn what_is_lost_is_not_taken_for_covered() {
    let dir = sample();
    let store = open(dir.path());
    let stale = entries(1_500, 1_600);
    let lost = store.runs()[3].clone();
    store.lose(&lost, "planned").unwrap();
    assert_eq!((store.covered(), store.seen()), (lost.range.start, 1_500));
    assert!(!dir.path().join(file_name(&lost.range)).exists());
    store.put(&stale).unwrap();
    assert_eq!(store.covered(), lost.range.start, "the batch does not begin there");
    // It ends within the next run, and no run overlaps another.
    store.put(&entries(lost.range.start, lost.range.end + 20)).unwrap();
    assert_eq!(store.covered(), 1_500, "all of it is covered again");
    assert!(store.runs().is_sorted_by(|one, next| one.range.end <= next.range.start));
    follow(&store, 1_600, 50).unwrap();
    assert_eq!(check(&store, 1), 1_600);
}

/// A disk that fails every change from one on; that one is done by half.
#[derive(Debug)]
struct Dying {
    folder: Folder,
    left: Arc<AtomicU64>,
}

#[derive(Debug)]
struct DyingFile(Arc<dyn DiskFile>, Arc<AtomicU64>);

const EIO: i32 = 5;

fn lives(left: &AtomicU64) -> io::Result<()> {
    let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    before.map(drop).map_err(|_| io::Error::from_raw_os_error(EIO))
}

impl Disk for Dying {
    fn list(&self) -> io::Result<Vec<String>> {
        self.folder.list()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.folder.open(name)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        lives(&self.left)?;
        Ok(Arc::new(DyingFile(self.folder.create(name)?, self.left.clone())))
    }

    fn open_for_writing(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(DyingFile(self.folder.open_for_writing(name)?, self.left.clone())))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        lives(&self.left)?;
        self.folder.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        lives(&self.left)?;
        self.folder.remove(name)
    }

    fn sync(&self) -> io::Result<()> {
        lives(&self.left)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn lock(&self) -> io::Result<Option<LockGuard>> {
        self.folder.lock()
    }
}

impl DiskFile for DyingFile {
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read_exact_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(into, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let alive = lives(&self.1);
        let bytes = if alive.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        self.0.write_all_at(bytes, offset)?;
        alive
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        lives(&self.1)?;
        self.0.set_length(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        lives(&self.1)
    }
}

/// What a process does until it dies: follows the log, and merges now and then.
fn work(dir: &Path, left: u64) -> Result<(), StoreError> {
    let disk = Dying { folder: Folder::new(dir), left: Arc::new(AtomicU64::new(left)) };
    let store = Arc::new(RunStore::open(Arc::new(disk), Access::Write)?);
    for size in [700, 1_100, 1_300] {
        follow(&store, size, 90)?;
        merge_now(&store)?;
    }
    store.write_rest()
}

#[test]
fn a_process_that_dies_at_any_write_leaves_an_index_that_opens_and_catches_up() {
    let mut deaths = 0;
    for left in 0.. {
        let dir = tempfile::tempdir().unwrap();
        if work(dir.path(), left).is_ok() {
            break;
        }
        deaths += 1;
        let store = open(dir.path());
        let covered = check(&store, 61);
        assert!(covered <= store.seen(), "killed at write {left}");
        follow(&store, 1_400, 300).unwrap();
        merge_now(&store).unwrap();
        assert_eq!(check(&store, 61), 1_400, "killed at write {left}");
        let left_over: Vec<String> =
            files(dir.path()).into_iter().filter(|name| name.ends_with(".new")).collect();
        assert!(left_over.is_empty(), "killed at write {left}: {left_over:?}");
        assert_eq!(
            files(dir.path()).len(),
            store.runs().len() + 1,
            "SEEN and the runs, killed at write {left}"
        );
    }
    assert!(deaths > 100, "{deaths} writes");
}

#[test]
fn a_damaged_byte_anywhere_costs_a_run_and_no_wrong_answer() {
    let sample = sample();
    let runs: Vec<String> = files(sample.path()).into_iter().filter(|name| name.ends_with(".run")).collect();
    let mut noticed = 0;
    let mut damaged = 0;
    for name in [&runs[0], &runs[4]] {
        let whole = fs::read(sample.path().join(name)).unwrap();
        let footer = whole.len() - 64;
        let some =
            (0..footer).step_by(whole.len() / 20).chain((footer..whole.len()).step_by(9)).chain([3, 4]);
        for at in some {
            let dir = tempfile::tempdir().unwrap();
            for file in files(sample.path()) {
                fs::copy(sample.path().join(&file), dir.path().join(&file)).unwrap();
            }
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            fs::write(dir.path().join(name), bytes).unwrap();
            let store = open(dir.path());
            // Whatever it covers when it answers, it finds that; no lookup of this reads every byte.
            check(&store, 41);
            damaged += 1;
            noticed += usize::from(store.covered() < 1_500);
            follow(&store, 1_500, 500).unwrap();
            assert_eq!(check(&store, 41), 1_500, "byte {at} of {name}");
            assert_eq!(store.seen(), 1_500);
        }
    }
    assert!(noticed * 10 > damaged * 9, "{noticed} of {damaged} were noticed by lookups");
}

#[test]
fn a_run_that_is_gone_cut_short_or_from_elsewhere_is_built_again() {
    let sample = sample();
    let runs: Vec<String> = files(sample.path()).into_iter().filter(|name| name.ends_with(".run")).collect();
    let other = fs::read(sample.path().join(&runs[2])).unwrap();
    let inflict: [&dyn Fn(&Path); 4] = [
        &|path| fs::remove_file(path).unwrap(),
        &|path| fs::write(path, b"").unwrap(),
        &|path| fs::write(path, &fs::read(path).unwrap()[..4_200]).unwrap(),
        &|path| fs::write(path, &other).unwrap(),
    ];
    for (damage, inflict) in inflict.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        for file in files(sample.path()) {
            fs::copy(sample.path().join(&file), dir.path().join(&file)).unwrap();
        }
        inflict(&dir.path().join(&runs[4]));
        assert!(damage == 0 || RunStore::open(Arc::new(Folder::new(dir.path())), Access::ReadOnly).is_err());
        let store = open(dir.path());
        assert_eq!(store.covered(), store.runs()[3].range.end, "damage {damage}");
        follow(&store, 1_500, 500).unwrap();
        assert_eq!(check(&store, 3), 1_500, "damage {damage}");
    }
}

/// Merging reads what lookups may not have read for years.
#[test]
fn a_merge_that_meets_damage_loses_the_run_and_goes_on_later() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    follow(&store, RECENT_ENTRIES * 16, 64).unwrap();
    let run = store.runs()[5].clone();
    let path = dir.path().join(file_name(&run.range));
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, bytes).unwrap();
    merge_now(&store).unwrap();
    assert_eq!(store.covered(), run.range.start);
    follow(&store, RECENT_ENTRIES * 16, 64).unwrap();
    merge_now(&store).unwrap();
    assert_eq!(store.runs().len(), 1);
    assert_eq!(check(&store, 1), RECENT_ENTRIES * 16);
}

/// Else files would pile up until there are no descriptors left.
#[test]
fn an_index_whose_merges_fail_takes_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.report_merges(Some("planned".into()));
    let failed = follow(&store, RECENT_ENTRIES * 100, 64).unwrap_err();
    assert_eq!(failed, StoreError::Io("planned".into()));
    assert_eq!(store.runs().len(), 65);
    store.report_merges(None);
    merge_now(&store).unwrap();
    follow(&store, RECENT_ENTRIES * 80, 64).unwrap();
    assert_eq!(check(&store, 17), RECENT_ENTRIES * 80);
}

#[test]
fn an_index_merges_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let index = RunIndex::open(dir.path()).unwrap();
    let size = RECENT_ENTRIES * 40;
    while index.covered().unwrap() < size {
        let from = index.covered().unwrap();
        index.put(&entries(from, size.min(from + 500))).unwrap();
    }
    for _ in 0..60_000 {
        if index.in_use().unwrap().runs == 2 + 8 {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(index);
    let again = RunIndex::open_existing(dir.path()).unwrap().expect("it is of this format");
    assert_eq!((again.covered(), again.in_use().unwrap().runs), (Ok(size), 10));
}

#[test]
fn an_index_of_another_format_is_begun_anew() {
    let before: [fn(&Path); 3] = [
        // What an earlier version left: files and directories of its database, and no FORMAT.
        |dir| {
            fs::create_dir_all(dir.join("keyspaces/1/tables")).unwrap();
            fs::write(dir.join("keyspaces/1/tables/1"), b"table").unwrap();
            fs::write(dir.join("0.jnl"), b"journal").unwrap();
        },
        |dir| fs::write(dir.join("FORMAT"), b"vouchlog index 2\n").unwrap(),
        |dir| fs::remove_file(dir.join("FORMAT")).unwrap(),
    ];
    for (way, change) in before.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        if way > 0 {
            RunIndex::open(dir.path()).unwrap().put(&entries(0, 300)).unwrap();
        }
        change(dir.path());
        assert!(RunIndex::open_existing(dir.path()).unwrap().is_none(), "and nothing of it is read");
        let index = RunIndex::open(dir.path()).unwrap();
        assert_eq!((index.covered(), index.remembered()), (Ok(0), Ok(0)), "way {way}");
        index.put(&entries(0, 300)).unwrap();
        drop(index);
        assert_eq!(fs::read(dir.path().join("FORMAT")).unwrap(), VERSION);
        assert!(!dir.path().join("0.jnl").exists() && !dir.path().join("keyspaces").exists());
        assert_eq!(RunIndex::open(dir.path()).unwrap().covered(), Ok(300));
    }
}
