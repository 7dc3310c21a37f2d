//! Content in an object store: written before it is named, named by one vault alone, and gone after an erasure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use vouchlog_storage::{ContentFuture, ContentStore, StoreError};

use super::*;
use crate::access::ReadPermit;
use crate::limits::{FOLDER_AGE, MAX_CONTENT_IN_ROW, UNNAMED_AGE};
use crate::object_folders::{millis, now};
use crate::object_upkeep::upkeep;
use crate::{ObjectMetrics, Scope, VaultError};

const MARKER: &str = "vault";

/// An object store in memory that can be away, and can hold on to objects.
#[derive(Default)]
struct FakeStore {
    objects: Mutex<BTreeMap<String, Bytes>>,
    locked: Mutex<BTreeSet<String>>,
    is_away: AtomicBool,
}

impl FakeStore {
    fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), StoreError> {
        match self.is_away.load(Ordering::SeqCst) {
            true => Err(StoreError::ObjectStore("it is away".into())),
            false => Ok(()),
        }
    }

    /// The paths of all content.
    fn contents(&self) -> Vec<String> {
        self.objects.lock().keys().filter(|path| *path != MARKER).cloned().collect()
    }

    fn copy(&self) -> Arc<Self> {
        Arc::new(Self { objects: Mutex::new(self.objects.lock().clone()), ..Self::default() })
    }
}

impl ContentStore for FakeStore {
    fn url(&self) -> &'static str {
        "memory://bucket/prefix"
    }

    fn check(&self) -> ContentFuture<'_, ()> {
        Box::pin(async { self.check() })
    }

    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> ContentFuture<'a, ()> {
        Box::pin(async move {
            self.check()?;
            let mut objects = self.objects.lock();
            match objects.get(name) {
                Some(other) if *other != bytes => Err(StoreError::Conflict(name.to_owned())),
                _ => {
                    objects.insert(name.to_owned(), bytes);
                    Ok(())
                }
            }
        })
    }

    fn read<'a>(&'a self, name: &'a str, limit: usize) -> ContentFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            self.check()?;
            match self.objects.lock().get(name) {
                Some(object) if object.len() > limit => Err(StoreError::Damaged("it is longer".into())),
                found => Ok(found.cloned()),
            }
        })
    }

    fn delete<'a>(&'a self, name: &'a str) -> ContentFuture<'a, ()> {
        Box::pin(async move {
            self.check()?;
            if self.locked.lock().contains(name) {
                return Err(StoreError::ObjectStore("a lock is on it".into()));
            }
            self.objects.lock().remove(name);
            Ok(())
        })
    }

    fn list<'a>(&'a self, folder: &'a str, limit: usize) -> ContentFuture<'a, Vec<String>> {
        Box::pin(async move {
            self.check()?;
            let objects = self.objects.lock();
            let below = objects.keys().filter(|path| path.starts_with(&format!("{folder}/")));
            Ok(below.take(limit).cloned().collect())
        })
    }
}

async fn open_with(place: &TestDatabase, store: &Arc<FakeStore>) -> (Vault, Access) {
    let (vault, owner) = open(place).await;
    vault.use_objects(store.clone(), ObjectMetrics::default()).await.unwrap();
    (vault, owner)
}

fn short(name: &str) -> KeepRecord {
    KeepRecord { content: b"short".to_vec(), ..record(name, "s1", "alice") }
}

async fn read(vault: &Vault, owner: &Access, name: &str) -> Result<Vec<u8>, VaultError> {
    vault.content(owner, &ReadPermit::new(vec![id(name)]), &id(name)).await
}

/// Erases records; how many objects are left of them.
async fn erase(vault: &Vault, owner: &Access, scope: Scope, by: &str) -> u64 {
    let plan = vault.plan_erasure(owner, &scope, NOW).await.unwrap();
    vault.begin_erasure(owner, &plan, "GDPR Art. 17(1)(a)", &id(by), NOW).await.unwrap();
    vault.finish_erasure(owner, &id(by), NOW).await.unwrap();
    vault.objects_left(&id(by)).await.unwrap()
}

fn two_hours() -> i64 {
    millis(FOLDER_AGE) * 2 + 1
}

pub(super) async fn long_content_is_an_object_and_short_content_is_not(place: TestDatabase) {
    let store = Arc::new(FakeStore::default());
    let (vault, owner) = open_with(&place, &store).await;
    let length = |bytes: usize| KeepRecord {
        content: vec![b'x'; bytes],
        ..record(&format!("long-{bytes}"), "s1", "alice")
    };
    // What a cipher adds.
    let longest_in_row = MAX_CONTENT_IN_ROW - 28;
    let records = vec![record("r1", "s1", "alice"), length(longest_in_row), length(longest_in_row + 1)];
    vault.keep(&owner, records, NOW).await.unwrap();
    let paths = store.contents();
    assert_eq!(paths.len(), 2, "{paths:?}");
    for path in &paths {
        assert!(!path.contains("r1") && !path.contains("acme") && !path.contains("alice"), "{path}");
    }
    assert_eq!(read(&vault, &owner, "r1").await.unwrap(), content("r1"));
    for bytes in [longest_in_row, longest_in_row + 1] {
        assert_eq!(read(&vault, &owner, &format!("long-{bytes}")).await.unwrap(), vec![b'x'; bytes]);
    }
    assert_eq!(vault.metadata(&owner, &id("r1")).await.unwrap(), metadata("r1"));
    let sealed = vault.sealed_bytes(&owner, &[id("r1")]).await.unwrap();
    assert!(sealed[&id("r1")] > content("r1").len() as u64);
    assert_eq!(vault.check(None, |_| {}).await.unwrap(), Vec::<String>::new());
    vault.close().await;

    // Nothing of it is in the database, and another process reads it.
    let (vault, owner) = open_with(&place, &store).await;
    let row =
        sqlx::query("SELECT count(*) FROM content_piece").fetch_one(&vault.shared.db.readers).await.unwrap();
    let pieces: i64 = sqlx::Row::get(&row, 0);
    assert_eq!(pieces, 5, "of the short one");
    assert_eq!(read(&vault, &owner, "r1").await.unwrap(), content("r1"));
}

pub(super) async fn a_missing_or_altered_object_is_named_and_stops_nothing_else(place: TestDatabase) {
    let store = Arc::new(FakeStore::default());
    let (vault, owner) = open(&place).await;
    let metrics = ObjectMetrics::default();
    vault.use_objects(store.clone(), metrics.clone()).await.unwrap();
    let mut path_of = BTreeMap::new();
    for name in ["missing", "altered", "cut", "other", "fine"] {
        let before: BTreeSet<String> = store.contents().into_iter().collect();
        vault.keep(&owner, vec![record(name, "s1", "alice")], NOW).await.unwrap();
        let path = store.contents().into_iter().find(|path| !before.contains(path)).unwrap();
        path_of.insert(name, path);
    }
    {
        let mut objects = store.objects.lock();
        objects.remove(&path_of["missing"]);
        let mut altered = objects[&path_of["altered"]].to_vec();
        altered[2_000] ^= 1;
        objects.insert(path_of["altered"].clone(), altered.into());
        let cut = objects[&path_of["cut"]].slice(..1_000);
        objects.insert(path_of["cut"].clone(), cut);
        // The object of another record, of the same length.
        let other = objects[&path_of["fine"]].clone();
        let other = [other.as_ref(), &[0; 300]].concat();
        objects.insert(path_of["other"].clone(), other.into());
    }
    for (name, words) in [
        ("missing", "is missing"),
        ("altered", "was altered"),
        ("cut", "was altered"),
        ("other", "was altered"),
    ] {
        let error = read(&vault, &owner, name).await.unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(words) && error.contains(&path_of[name]), "{error}");
        assert_eq!(vault.metadata(&owner, &id(name)).await.unwrap(), metadata(name));
    }
    assert_eq!((metrics.missing.get(), metrics.altered.get()), (1, 3));
    assert_eq!(read(&vault, &owner, "fine").await.unwrap(), content("fine"));
    let damage = vault.check(None, |_| {}).await.unwrap();
    assert_eq!(damage.len(), 4, "{damage:?}");
    let lost = vault.lost_records(&owner, Query::default(), |_| {}).await.unwrap();
    assert_eq!(lost.len(), 4);
    // The database is sound: what comes is kept.
    assert_eq!(vault.damage(), None);
    vault.keep(&owner, vec![record("next", "s1", "alice")], NOW).await.unwrap();

    store.set_away(true);
    assert!(matches!(read(&vault, &owner, "fine").await, Err(VaultError::Objects(_))));
    assert!(matches!(vault.check(None, |_| {}).await, Err(VaultError::Objects(_))));
    let late = vault.keep(&owner, vec![record("late", "s1", "alice")], NOW).await;
    assert!(matches!(late, Err(VaultError::Objects(_))), "{late:?}");
    vault.keep(&owner, vec![short("small")], NOW).await.unwrap();
    store.set_away(false);
    vault.keep(&owner, vec![record("late", "s1", "alice")], NOW).await.unwrap();
    assert_eq!(read(&vault, &owner, "late").await.unwrap(), content("late"));
}

pub(super) async fn a_vault_without_its_objects_does_what_needs_none(place: TestDatabase) {
    let store = Arc::new(FakeStore::default());
    let (vault, owner) = open(&place).await;
    // Before it has a store, everything is in the database, and stays there.
    vault.keep(&owner, vec![record("before", "s1", "alice")], NOW).await.unwrap();
    vault.use_objects(store.clone(), ObjectMetrics::default()).await.unwrap();
    vault.keep(&owner, vec![record("r1", "s1", "alice"), record("r2", "s1", "bob")], NOW).await.unwrap();
    assert_eq!(store.contents().len(), 2);
    vault.close().await;

    let (vault, owner) = open(&place).await;
    let needs = VaultError::NeedsObjects("memory://bucket/prefix".to_owned());
    assert!(needs.to_string().contains("--objects memory://bucket/prefix"), "{needs}");
    assert_eq!(read(&vault, &owner, "r1").await, Err(needs.clone()));
    assert_eq!(read(&vault, &owner, "before").await.unwrap(), content("before"));
    assert_eq!(vault.metadata(&owner, &id("r1")).await.unwrap(), metadata("r1"));
    assert_eq!(vault.keep(&owner, vec![record("r3", "s1", "alice")], NOW).await, Err(needs.clone()));
    vault.keep(&owner, vec![short("r4")], NOW).await.unwrap();
    assert_eq!(vault.check(None, |_| {}).await, Err(needs.clone()));
    assert_eq!(vault.lost_records(&owner, Query::default(), |_| {}).await, Err(needs));
    // An erasure destroys the keys, and knows what it could not remove.
    assert_eq!(erase(&vault, &owner, Scope::Record(id("r1")), "e1").await, 1);
    assert_eq!(read(&vault, &owner, "r1").await, Err(VaultError::Erased(id("r1"))));
    vault.close().await;

    let (vault, _) = open_with(&place, &store).await;
    upkeep(&vault.shared, now()).await.unwrap();
    assert_eq!((vault.objects_left(&id("e1")).await.unwrap(), store.contents().len()), (0, 1));
}

/// Each command opens the vault, and few of them need content.
pub(super) async fn a_vault_opens_while_its_store_is_away(place: TestDatabase) {
    let store = Arc::new(FakeStore::default());
    // Also when it never had one: nothing says yet whose it is.
    store.set_away(true);
    let (vault, owner) = open_with(&place, &store).await;
    let trouble = vault.objects_trouble().unwrap();
    assert!(trouble.contains("memory://bucket/prefix") && trouble.contains("it is away"), "{trouble}");
    let away = |error: VaultError| matches!(&error, VaultError::Objects(why) if why.contains("it is away"));
    vault.keep(&owner, vec![short("short")], NOW).await.unwrap();
    assert!(away(vault.keep(&owner, vec![record("r1", "s1", "alice")], NOW).await.unwrap_err()));
    assert!(away(vault.probe_objects().await.unwrap_err()));
    assert_eq!(upkeep(&vault.shared, now()).await.map_err(away), Err(true));
    store.set_away(false);
    vault.keep(&owner, vec![record("r1", "s1", "alice")], NOW).await.unwrap();
    assert_eq!((vault.objects_trouble(), store.contents().len()), (None, 1));
    assert_eq!(vault.probe_objects().await, Ok(Some("memory://bucket/prefix".to_owned())));
    vault.close().await;

    store.set_away(true);
    let (vault, owner) = open_with(&place, &store).await;
    assert_eq!(read(&vault, &owner, "short").await.unwrap(), b"short");
    assert_eq!(vault.metadata(&owner, &id("r1")).await.unwrap(), metadata("r1"));
    assert!(away(read(&vault, &owner, "r1").await.unwrap_err()));
    // What is kept already needs no object.
    vault.keep(&owner, vec![record("r1", "s1", "alice")], NOW).await.unwrap();
    // Callers at once are told the same.
    let reads = futures::future::join_all((0..8).map(|_| read(&vault, &owner, "r1"))).await;
    assert!(reads.into_iter().all(|read| away(read.unwrap_err())));
    store.set_away(false);
    assert_eq!(read(&vault, &owner, "r1").await.unwrap(), content("r1"));
    vault.close().await;

    // Another store that was away at the start is refused once it is there: nothing is read from it or removed.
    let other = Arc::new(FakeStore::default());
    other.set_away(true);
    let (vault, owner) = open_with(&place, &other).await;
    other.set_away(false);
    let foreign = |error: VaultError| matches!(error, VaultError::ForeignObjects(_));
    assert!(foreign(read(&vault, &owner, "r1").await.unwrap_err()));
    assert!(foreign(vault.probe_objects().await.unwrap_err()));
    assert!(foreign(vault.keep(&owner, vec![record("r2", "s1", "alice")], NOW).await.unwrap_err()));
    assert_eq!(upkeep(&vault.shared, now()).await.map_err(foreign), Err(true));
    assert!(vault.objects_trouble().unwrap().contains("is not the object store of this vault"));
    assert!(other.objects.lock().is_empty());
    vault.close().await;

    // Without one.
    let (vault, _) = open(&place).await;
    let needs = VaultError::NeedsObjects("memory://bucket/prefix".to_owned());
    assert_eq!((vault.probe_objects().await, vault.objects_trouble()), (Err(needs), None));
}

pub(super) async fn a_vault_takes_its_own_store_alone(place: TestDatabase) {
    let store = Arc::new(FakeStore::default());
    let (vault, owner) = open_with(&place, &store).await;
    vault.keep(&owner, vec![record("r1", "s1", "alice")], NOW).await.unwrap();
    vault.close().await;
    let refused = async |store: &Arc<FakeStore>| {
        let (vault, _) = open(&place).await;
        let refused = vault.use_objects(store.clone(), ObjectMetrics::default()).await.unwrap_err();
        assert!(matches!(refused, VaultError::ForeignObjects(_)), "{refused:?}");
        refused.to_string()
    };
    let empty = Arc::new(FakeStore::default());
    assert!(refused(&empty).await.contains("is not the object store of this vault"));
    assert_eq!(empty.contents(), Vec::<String>::new());
    // That of another vault, and one that another vault of this name began.
    let other_place = TestDatabase::directory();
    let other = Arc::new(FakeStore::default());
    drop(open_with(&other_place, &other).await);
    assert!(refused(&other).await.contains("belongs to another vault"));
    let changed = store.copy();
    let marker = String::from_utf8(changed.objects.lock()[MARKER].to_vec()).unwrap();
    let at = marker.find("store ").unwrap() + 6;
    let other_id = format!("{}{}\n", &marker[..at], "0".repeat(32));
    changed.objects.lock().insert(MARKER.to_owned(), other_id.into());
    assert!(refused(&changed).await.contains("made for this vault at another time"));
    // A copy of the store is as good.
    let (vault, owner) = open_with(&place, &store.copy()).await;
    assert_eq!(read(&vault, &owner, "r1").await.unwrap(), content("r1"));
}

pub(super) async fn an_erasure_removes_objects_once_the_store_is_there(place: TestDatabase) {
    let store = Arc::new(FakeStore::default());
    let (vault, owner) = open_with(&place, &store).await;
    let records = ["r1", "r2", "r3"].map(|name| record(name, "s1", "alice"));
    vault.keep(&owner, records.into(), NOW).await.unwrap();
    vault.keep(&owner, vec![record("r4", "s1", "bob")], NOW).await.unwrap();
    assert_eq!(erase(&vault, &owner, Scope::Record(id("r1")), "e1").await, 0);
    assert_eq!(store.contents().len(), 3);

    store.set_away(true);
    let alice = Scope::Subject { tenant: None, subject: "alice".to_owned() };
    assert_eq!(erase(&vault, &owner, alice, "e2").await, 2, "they are noted");
    assert_eq!(store.contents().len(), 3);
    assert_eq!(read(&vault, &owner, "r2").await, Err(VaultError::Erased(id("r2"))));
    assert!(vault.row(&owner, &id("r2")).await.unwrap().erased.unwrap().finished);
    // The process ends. The next one goes on, once the store is there.
    drop(vault);
    store.set_away(false);
    let (vault, owner) = open_with(&place, &store).await;
    upkeep(&vault.shared, now()).await.unwrap();
    assert_eq!((vault.objects_left(&id("e2")).await.unwrap(), store.contents().len()), (0, 1));
    assert_eq!(read(&vault, &owner, "r4").await.unwrap(), content("r4"));
    assert_eq!(vault.check(None, |_| {}).await.unwrap(), Vec::<String>::new());
}

pub(super) async fn an_object_that_stays_is_in_no_others_way(place: TestDatabase) {
    let store = Arc::new(FakeStore::default());
    let (vault, owner) = open_with(&place, &store).await;
    vault.keep(&owner, vec![record("r1", "s1", "alice")], NOW).await.unwrap();
    store.locked.lock().extend(store.contents());
    assert_eq!(erase(&vault, &owner, Scope::Record(id("r1")), "e1").await, 1);
    vault.keep(&owner, vec![record("r2", "s1", "bob")], NOW).await.unwrap();
    assert_eq!(erase(&vault, &owner, Scope::Record(id("r2")), "e2").await, 0);
    assert_eq!(store.contents().len(), 1);
    let done = upkeep(&vault.shared, now()).await.unwrap();
    assert!(!done.more, "it is not tried without a pause");
    store.locked.lock().clear();
    upkeep(&vault.shared, now()).await.unwrap();
    assert_eq!((store.contents(), vault.objects_left(&id("e1")).await.unwrap()), (Vec::new(), 0));
}

/// A process that ends between writing an object and committing the row that names it.
pub(super) async fn what_no_record_names_is_removed_a_day_later(place: TestDatabase) {
    let store = Arc::new(FakeStore::default());
    let (vault, owner) = open_with(&place, &store).await;
    vault.keep(&owner, vec![record("r1", "s1", "alice")], NOW).await.unwrap();
    let objects = vault.shared.objects().await.unwrap();
    let unnamed = objects.names(&vault.shared.db, 1).await.unwrap()[0];
    objects.put(unnamed, Bytes::from_static(b"of a record that was never kept")).await.unwrap();
    drop(vault);

    let (vault, owner) = open_with(&place, &store).await;
    upkeep(&vault.shared, now()).await.unwrap();
    assert_eq!(store.contents().len(), 2, "its folder is open");
    // Two hours later it is closed: nothing can name it any more, and it stays for a day.
    let closed_at = now() + two_hours();
    upkeep(&vault.shared, closed_at).await.unwrap();
    upkeep(&vault.shared, closed_at + millis(UNNAMED_AGE) - 1).await.unwrap();
    assert_eq!(store.contents().len(), 2);
    let done = upkeep(&vault.shared, closed_at + millis(UNNAMED_AGE)).await.unwrap();
    assert_eq!((done.unnamed, store.contents().len()), (1, 1));
    assert_eq!(read(&vault, &owner, "r1").await.unwrap(), content("r1"));
    let done = upkeep(&vault.shared, closed_at + 2 * millis(UNNAMED_AGE)).await.unwrap();
    assert_eq!((done.unnamed, done.tried), (0, 0), "the folder is not looked at again");
}

/// A process that was suspended for hours after it wrote an object.
pub(super) async fn content_in_a_closed_folder_is_written_again(place: TestDatabase) {
    let store = Arc::new(FakeStore::default());
    let (vault, owner) = open_with(&place, &store).await;
    vault.keep(&owner, vec![record("r1", "s1", "alice")], NOW).await.unwrap();
    let closed_at = now() + two_hours();
    upkeep(&vault.shared, closed_at).await.unwrap();
    // The process still takes the folder for open: the transaction does not.
    vault.keep(&owner, vec![record("r2", "s1", "alice"), short("r3")], NOW).await.unwrap();
    assert_eq!(read(&vault, &owner, "r2").await.unwrap(), content("r2"));
    let folders: BTreeSet<String> =
        store.contents().iter().map(|path| path.rsplit_once('/').unwrap().0.to_owned()).collect();
    assert_eq!(folders.len(), 2);
    upkeep(&vault.shared, closed_at).await.unwrap();
    upkeep(&vault.shared, closed_at + millis(UNNAMED_AGE)).await.unwrap();
    assert_eq!(store.contents().len(), 2);
    assert_eq!(vault.check(None, |_| {}).await.unwrap(), Vec::<String>::new());
}

pub(super) async fn records_that_are_kept_already_leave_no_object(place: TestDatabase) {
    let store = Arc::new(FakeStore::default());
    let (vault, owner) = open_with(&place, &store).await;
    vault.keep(&owner, vec![record("r1", "s1", "alice")], NOW).await.unwrap();
    let first = store.contents();
    vault.keep(&owner, vec![record("r1", "s1", "alice")], NOW).await.unwrap();
    assert_eq!(store.contents(), first);
    // Refused as a whole: what was written for its other records is removed.
    let conflict = KeepRecord { digest: Digest::of(b"other"), ..record("r1", "s1", "alice") };
    let refused = vault.keep(&owner, vec![record("r2", "s1", "alice"), conflict], NOW).await;
    assert_eq!(refused, Err(VaultError::Conflict(id("r1"))));
    upkeep(&vault.shared, now()).await.unwrap();
    assert_eq!(store.contents(), first);
    // Callers at once that keep the same record name one object.
    let calls = (0..8).map(|_| vault.keep(&owner, vec![record("r3", "s1", "alice")], NOW));
    for kept in futures::future::join_all(calls).await {
        kept.unwrap();
    }
    upkeep(&vault.shared, now()).await.unwrap();
    assert_eq!(store.contents().len(), 2);
    assert_eq!(read(&vault, &owner, "r3").await.unwrap(), content("r3"));
}
