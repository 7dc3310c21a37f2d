//! What is in the files of a vault on SQLite: never anything in clear, and nothing at all of what was erased.

use std::collections::HashSet;
use std::path::Path;

use sqlx::Row as _;

use super::*;
use crate::{Scope, VaultError};

/// Every file of the vault, as it is on disk now.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap())
    };
    std::fs::read_dir(dir).unwrap().map(read).collect()
}

/// Which of the needles are anywhere in the files. Each is known by its first 16 bytes.
fn found<'a>(files: &[(String, Vec<u8>)], needles: &'a [Vec<u8>]) -> Vec<(String, &'a [u8])> {
    let heads: HashSet<&[u8]> = needles.iter().map(|needle| &needle[..16]).collect();
    let mut found = Vec::new();
    for (name, bytes) in files {
        let hits = bytes.windows(16).filter_map(|window| heads.get(window));
        found.extend(hits.map(|head| (name.clone(), *head)));
    }
    found
}

/// What the database stores of the records of a person: wrapped and sealed bytes in slices of 16, and personal pseudonyms.
async fn traces(place: &TestDatabase, person: &str) -> Vec<Vec<u8>> {
    let mut raw = place.raw().await;
    let of = "FROM record r JOIN sealed s ON s.record = r.n WHERE r.id LIKE $1";
    let mut traces = Vec::new();
    let pieces = "FROM record r JOIN content_piece s ON s.record = r.n WHERE r.id LIKE $1";
    for (column, of) in [("key", of), ("metadata", of), ("bytes", pieces)] {
        let sql = format!("SELECT s.{column} {of}");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(format!("{person}%"))
            .fetch_all(&mut raw)
            .await
            .unwrap();
        for row in rows {
            // A page boundary may cut one slice, not all of them.
            traces.extend(row.get::<Vec<u8>, _>(0).chunks_exact(16).map(<[u8]>::to_vec));
        }
    }
    let sql = "SELECT DISTINCT f.mac FROM facet f JOIN record r ON r.n = f.record WHERE f.personal = 1 AND r.id LIKE $1";
    let rows = sqlx::query(sql).bind(format!("{person}%")).fetch_all(&mut raw).await.unwrap();
    assert!(!rows.is_empty());
    traces.extend(rows.iter().map(|row| row.get::<Vec<u8>, _>(0)));
    let sql = "SELECT DISTINCT s.mac, s.key FROM subject s JOIN record_subject rs ON rs.subject = s.id \
               JOIN record r ON r.n = rs.record WHERE r.id LIKE $1";
    for row in sqlx::query(sql).bind(format!("{person}%")).fetch_all(&mut raw).await.unwrap() {
        traces.push(row.get(0));
        traces.extend(row.get::<Vec<u8>, _>(1).chunks_exact(16).map(<[u8]>::to_vec));
    }
    traces
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_ever_holds_anything_in_clear_or_erased() {
    let place = TestDatabase::directory();
    let dir = place.dir.as_ref().unwrap().path().join("the vault");
    let (vault, owner) = open(&place).await;
    // Random pseudonyms among many, so that pages of indexes split and are joined.
    for call in 0..12 {
        let mut records = Vec::new();
        for i in 0..200 {
            let n = call * 200 + i;
            let person = if n % 3 == 0 { "alice".to_owned() } else { format!("person {n}") };
            let name = if n % 3 == 0 { format!("alice-{n}") } else { format!("other-{n}") };
            let mut given = record(&name, &format!("session {n}"), &person);
            given.facets.push((Facet::Device, format!("the device of {person} {n}")));
            given.content.truncate(20 + n * 7 % 6_000);
            records.push(given);
        }
        vault.keep(&owner, records, NOW).await.unwrap();
    }
    let clear: Vec<Vec<u8>> = [
        "metadata-in-clear-of",
        "content-in-clear-of",
        "the device of alice",
        "session 200 or more",
        "person 100 or more",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    let before = files(&dir);
    assert!(before.iter().any(|(name, _)| name == "vault.db-wal"), "the log is among the files");
    assert_eq!(found(&before, &clear), []);
    let erased = traces(&place, "alice").await;
    let kept = traces(&place, "other").await;
    let found_before: HashSet<&[u8]> = found(&before, &erased).into_iter().map(|(_, trace)| trace).collect();
    assert!(found_before.len() * 10 > erased.len() * 9, "the method finds what is there");

    let scope = Scope::Subject { tenant: None, subject: "alice".to_owned() };
    let plan = vault.plan_erasure(&owner, &scope, NOW).await.unwrap();
    assert_eq!(plan.records.len(), 800);
    vault.begin_erasure(&owner, &plan, "request", &id("e1"), NOW).await.unwrap();
    vault.finish_erasure(&owner, &id("e1"), NOW).await.unwrap();
    let after = files(&dir);
    assert_eq!(found(&after, &erased), []);
    assert_eq!(found(&after, &clear), []);
    let found_after: HashSet<&[u8]> = found(&after, &kept).into_iter().map(|(_, trace)| trace).collect();
    assert!(found_after.len() * 10 > kept.len() * 9, "what was not erased is there");
    let size = |files: &[(String, Vec<u8>)]| files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    assert!(size(&after) < size(&before), "the space is given back");
    assert_eq!(vault.metadata(&owner, &id("other-1")).await.unwrap(), metadata("other-1"));
}

#[tokio::test]
async fn the_files_are_their_owners_alone_and_a_commit_is_synced() {
    use std::os::unix::fs::PermissionsExt;
    let place = TestDatabase::directory();
    let dir = place.dir.as_ref().unwrap().path().join("the vault");
    let (vault, owner) = open(&place).await;
    vault.keep(&owner, vec![record("r1", "s", "p")], NOW).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for entry in std::fs::read_dir(&dir).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
    let mut tx = vault.shared.db.begin().await.unwrap();
    // full, WAL, on, in memory.
    for (pragma, value) in [
        ("synchronous", "2"),
        ("journal_mode", "wal"),
        ("secure_delete", "1"),
        ("foreign_keys", "1"),
        ("temp_store", "2"),
    ] {
        let row =
            sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA {pragma}"))).fetch_one(&mut *tx).await.unwrap();
        let has =
            row.try_get::<i64, _>(0).map_or_else(|_| row.get::<String, _>(0), |number| number.to_string());
        assert_eq!(has, value, "{pragma}");
    }
}

#[tokio::test]
async fn errors_of_a_server_that_is_not_there_hide_the_password() {
    let location = "postgres://user:hunter2@127.0.0.1:1/vault?sslmode=disable&options=-c%20x%3Dhunter2";
    let error = Vault::open(location, kek(1)).await.map(drop).unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("postgres://user@127.0.0.1:1/vault") && !shown.contains("hunter2"), "{shown}");
}

/// A file system of 24 MiB in memory, unmounted when dropped; none where this process may not mount.
struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
            .arg(dir.path())
            .output()
            .ok()?;
        mount.status.success().then_some(Self { dir })
    }

    /// Takes everything but this many bytes, or all that can be had.
    fn fill(&self, leave: u64) {
        let free = fs4::available_space(self.dir.path()).unwrap();
        let bytes = vec![7; usize::try_from(free.saturating_sub(leave)).unwrap()];
        std::fs::write(self.dir.path().join("fill"), bytes).unwrap();
    }

    fn make_room(&self) {
        std::fs::remove_file(self.dir.path().join("fill")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = std::process::Command::new("umount").arg("-l").arg(self.dir.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_records_and_takes_them_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        return eprintln!("no disk is filled here: run as root where a tmpfs can be mounted");
    };
    let location = disk.dir.path().join("vault").to_str().unwrap().to_owned();
    let vault = Vault::open_or_create(&location, kek(1)).await.unwrap();
    let owner = vault.owner().await.unwrap();
    let none = vault.keep(&owner, vec![record("r0", "s", "p")], NOW).await.unwrap_err();
    assert!(matches!(none, VaultError::NoRoom { needed: crate::limits::MIN_FREE_BYTES, .. }), "{none}");

    // With a reserve: refused before anything is tried.
    vault.keep_free(4 << 20);
    vault.keep(&owner, vec![record("r1", "s", "p")], NOW).await.unwrap();
    assert_eq!(vault.impediment(), None);
    disk.fill(3 << 20);
    let full = vault.keep(&owner, vec![record("r2", "s", "p")], NOW).await.unwrap_err();
    assert!(full.to_string().contains("the disk of the vault is full"), "{full}");
    assert!(vault.impediment().unwrap().contains("full"));
    disk.make_room();
    vault.keep(&owner, vec![record("r2", "s", "p")], NOW).await.unwrap();
    assert_eq!(vault.impediment(), None);

    // Without one: SQLite finds the disk full in the middle of a transaction.
    vault.keep_free(0);
    disk.fill(64 << 10);
    let many = |call: usize| (0..40).map(|n| record(&format!("m{call}-{n}"), "s", "p")).collect::<Vec<_>>();
    let mut failures = 0;
    for call in 0..20 {
        failures += usize::from(vault.keep(&owner, many(call), NOW).await.is_err());
    }
    assert!(failures > 0, "the disk was not full");
    disk.make_room();
    for call in 0..20 {
        vault.keep(&owner, many(call), NOW).await.unwrap();
    }
    assert_eq!(vault.metadata(&owner, &id("m19-39")).await.unwrap(), metadata("m19-39"));
    vault.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_found_no_room_leaves_no_connection_that_refuses_the_next() {
    let place = TestDatabase::directory();
    let (vault, owner) = open(&place).await;
    vault.keep(&owner, vec![record("r1", "s", "p")], NOW).await.unwrap();
    // SQLite fails as on a full disk, and rolls back by itself.
    let mut tx = vault.shared.db.begin().await.unwrap();
    sqlx::query("PRAGMA max_page_count = 1").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let large = |name: &str| KeepRecord { content: vec![7; 1 << 20], ..record(name, "s", "p") };
    let full = vault.keep(&owner, vec![large("r2")], NOW).await.unwrap_err();
    assert!(full.to_string().contains("full"), "{full}");
    vault.keep(&owner, vec![large("r2")], NOW).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_reports_a_lock_that_another_process_holds() {
    let place = TestDatabase::directory();
    let (vault, owner) = open(&place).await;
    let mut other = place.raw().await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let keeping = tokio::spawn({
        let (vault, owner) = (vault.clone(), owner.clone());
        async move { vault.keep(&owner, vec![record("r1", "s", "p")], NOW).await }
    });
    let reported = async {
        loop {
            match vault.impediment() {
                Some(impediment) => break impediment,
                None => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    };
    let impediment = tokio::time::timeout(std::time::Duration::from_secs(60), reported).await.unwrap();
    assert!(impediment.contains("another process may hold the lock"), "{impediment}");
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    keeping.await.unwrap().unwrap();
    assert_eq!(vault.impediment(), None);
}
