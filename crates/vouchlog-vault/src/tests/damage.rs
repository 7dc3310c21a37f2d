//! Damage to the files of a vault on SQLite: it is named with the file, never served, and nothing is written after it.

use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use sqlx::{Connection, Executor};

use super::*;
use crate::VaultError;

const RECORDS: usize = 60;

fn file(place: &TestDatabase, name: &str) -> PathBuf {
    place.dir.as_ref().unwrap().path().join("the vault").join(name)
}

/// A vault with records, half of them logged, as a process that was killed leaves it.
async fn sample() -> (TestDatabase, Vault) {
    let place = TestDatabase::directory();
    let (vault, owner) = open(&place).await;
    for n in 0..RECORDS {
        vault.keep(&owner, vec![record(&format!("r{n}"), "s", "p")], NOW).await.unwrap();
        if n % 2 == 0 {
            let index = u64::try_from(n).unwrap();
            vault.logged(&owner, vec![logged(&format!("r{n}"), index, "a proof")]).await.unwrap();
        }
    }
    (place, vault)
}

/// The files of a vault as they are now, in another place.
fn copied(place: &TestDatabase) -> TestDatabase {
    let copy = TestDatabase::directory();
    std::fs::create_dir(copy.dir.as_ref().unwrap().path().join("the vault")).unwrap();
    for name in ["vault.db", "vault.db-wal", "vault.db.mark"] {
        if file(place, name).exists() {
            std::fs::copy(file(place, name), file(&copy, name)).unwrap();
        }
    }
    copy
}

async fn opened(place: &TestDatabase) -> Result<Vault, VaultError> {
    Vault::open_or_create(&place.location, kek(1)).await
}

fn assert_names(error: &VaultError, words: &str) {
    let text = error.to_string();
    assert!(matches!(error, VaultError::Damaged(_)), "{error:?}");
    assert!(text.contains("the vault/vault.db") && text.contains(words), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_ahead_log_that_lost_its_end_is_refused_and_not_touched() {
    let (place, _vault) = sample().await;
    let whole = std::fs::read(file(&place, "vault.db-wal")).unwrap();
    type Inflict = fn(&mut Vec<u8>);
    let damages: [(&str, Inflict); 4] = [
        ("a flipped bit", |wal| wal[100_000] ^= 1),
        ("cut short", |wal| wal.truncate(wal.len() / 2)),
        ("a sector of zeros", |wal| wal[41_232..41_744].fill(0)),
        ("empty", |wal| wal.clear()),
    ];
    for (what, inflict) in damages {
        let copy = copied(&place);
        let mut damaged = whole.clone();
        inflict(&mut damaged);
        std::fs::write(file(&copy, "vault.db-wal"), &damaged).unwrap();
        let error = opened(&copy).await.map(drop).unwrap_err();
        assert_names(&error, "");
        assert_eq!(
            std::fs::read(file(&copy, "vault.db-wal")).unwrap(),
            damaged,
            "{what}: it is left as it is"
        );
        std::fs::write(file(&copy, "vault.db-wal"), &whole).unwrap();
        let vault = opened(&copy).await.unwrap();
        assert_eq!(vault.check(None, |_| {}).await.unwrap(), Vec::<String>::new(), "{what}: it was put back");
        vault.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_an_empty_and_a_missing_database_are_refused() {
    let (place, vault) = sample().await;
    vault.close().await;
    let older = copied(&place);
    let (vault, owner) = open(&place).await;
    vault.keep(&owner, vec![record("one-more", "s", "p")], NOW).await.unwrap();
    vault.close().await;
    std::fs::copy(file(&place, "vault.db.mark"), file(&older, "vault.db.mark")).unwrap();
    assert_names(&opened(&older).await.map(drop).unwrap_err(), "changes that were acknowledged");
    // The operator accepts the loss.
    std::fs::remove_file(file(&older, "vault.db.mark")).unwrap();
    opened(&older).await.unwrap().close().await;
    for empty in [true, false] {
        let copy = copied(&place);
        if empty {
            std::fs::write(file(&copy, "vault.db"), b"").unwrap();
        } else {
            std::fs::remove_file(file(&copy, "vault.db")).unwrap();
        }
        assert_names(&opened(&copy).await.map(drop).unwrap_err(), "changes that were acknowledged");
        assert_eq!(file(&copy, "vault.db").exists(), empty, "none is made in its place");
    }
    // The mark is made again.
    let copy = copied(&place);
    std::fs::remove_file(file(&copy, "vault.db.mark")).unwrap();
    opened(&copy).await.unwrap().close().await;
}

/// Every sector of the database, one at a time: refused by name, or everything is read as it was written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_damaged_sector_is_served() {
    let (place, vault) = sample().await;
    vault.close().await;
    let whole = std::fs::read(file(&place, "vault.db")).unwrap();
    let (mut refused, mut harmless) = (0, 0);
    // 37 is prime to the number of sectors in a page, so that each part of a page has its turn.
    for (turn, sector) in (0..whole.len() / 512).step_by(37).enumerate() {
        let copy = copied(&place);
        let mut damaged = whole.clone();
        let begin = sector * 512;
        if turn % 2 == 0 {
            damaged[begin..begin + 512].fill(0);
        } else {
            damaged[begin + 200] ^= 1 << (turn % 8);
        }
        std::fs::write(file(&copy, "vault.db"), &damaged).unwrap();
        match everything(&copy).await {
            Ok(()) => harmless += 1,
            Err(error) => {
                assert_names(&error, "");
                refused += 1;
            }
        }
    }
    eprintln!(
        "of {} damaged sectors {refused} were refused and {harmless} were harmless",
        refused + harmless
    );
    assert!(refused > 0);
}

/// Checks the vault and reads every record back.
async fn everything(place: &TestDatabase) -> Result<(), VaultError> {
    let vault = opened(place).await?;
    let read = async {
        if let Some(found) = vault.check(None, |_| {}).await?.into_iter().next() {
            let refused = vault.keep(&vault.owner().await?, vec![record("new", "s", "p")], NOW).await;
            assert!(matches!(refused, Err(VaultError::Damaged(_))), "{refused:?}");
            return Err(VaultError::Damaged(vault.damage().unwrap_or(found)));
        }
        let owner = vault.owner().await?;
        assert_eq!(vault.find(&owner, &by(Facet::Session, "s")).await?.len(), RECORDS);
        for n in 0..RECORDS {
            let name = format!("r{n}");
            let row = vault.row(&owner, &id(&name)).await?;
            assert_eq!((row.place.is_some(), row.evidence.bits()), (n % 2 == 0, 0b1011));
            assert_eq!(vault.jwt(&owner, &id(&name)).await?, format!("header.{name}.signature"));
            assert_eq!(vault.metadata(&owner, &id(&name)).await?, metadata(&name));
            assert_eq!(vault.proof(&owner, &id(&name)).await?, (n % 2 == 0).then(|| "a proof".to_owned()));
        }
        Ok(())
    };
    let outcome = read.await;
    vault.close().await;
    outcome
}

/// What SQLite cannot notice: values that fit its structure and are not what was written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_value_is_not_served() {
    for (change, read) in [
        ("UPDATE record SET evidence = evidence + 16 WHERE id = 'r1'", "row"),
        ("UPDATE record SET sequence = sequence + 1 WHERE id = 'r2'", "row"),
        ("UPDATE record SET evidence = evidence + 16 WHERE id = 'r3'", "unlogged"),
        ("UPDATE statement SET jwt = 'x' || jwt WHERE record = 3", "jwt"),
        ("DELETE FROM statement WHERE record = 3", "jwt"),
        ("UPDATE proof SET proof = 'x' WHERE record = 3", "proof"),
        ("DELETE FROM proof WHERE record = 3", "proof"),
        ("DELETE FROM sealed WHERE record = 3", "metadata"),
        ("DELETE FROM content_piece WHERE n = (SELECT max(n) FROM content_piece WHERE record = 3)", ""),
        ("PRAGMA foreign_keys = OFF; DELETE FROM record WHERE id = 'r2'", ""),
    ] {
        let (place, vault) = sample().await;
        let owner = vault.owner().await.unwrap();
        let mut raw = place.raw().await;
        raw.execute(change).await.unwrap();
        raw.close().await.unwrap();
        let changed = if change.contains("'r1'") { id("r1") } else { id("r2") };
        let error = match read {
            "row" => vault.row(&owner, &changed).await.err(),
            "unlogged" => vault.unlogged(&owner, 0, 100).await.err(),
            "jwt" => vault.jwt(&owner, &changed).await.err(),
            "proof" => vault.proof(&owner, &changed).await.err(),
            "metadata" => vault.metadata(&owner, &changed).await.err(),
            _ => None,
        };
        if !read.is_empty() {
            assert_names(&error.unwrap_or_else(|| panic!("{change}: it was served")), "");
        }
        assert_ne!(vault.check(None, |_| {}).await.unwrap(), Vec::<String>::new(), "{change}");
        assert!(vault.impediment().unwrap().contains("the vault/vault.db"), "{change}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_of_an_earlier_version_gets_its_sums() {
    let (place, vault) = sample().await;
    let mut raw = place.raw().await;
    for undo in [
        "UPDATE record SET sum = NULL, place_sum = NULL",
        "UPDATE statement SET sum = NULL",
        "UPDATE proof SET sum = NULL",
        "UPDATE vault SET summed = 0",
    ] {
        raw.execute(undo).await.unwrap();
    }
    raw.close().await.unwrap();
    vault.close().await;
    everything(&place).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_is_checked_table_by_table() {
    let (place, vault) = sample().await;
    // Too large to be read at the start.
    let filler = vec![7; 1 << 20];
    let owner = vault.owner().await.unwrap();
    for n in 0..70 {
        let large = KeepRecord { content: filler.clone(), ..record(&format!("large{n}"), "s", "p") };
        vault.keep(&owner, vec![large], NOW).await.unwrap();
    }
    vault.close().await;
    let length = std::fs::metadata(file(&place, "vault.db")).unwrap().len();
    assert!(length > crate::limits::CHECKED_AT_OPEN);
    let database = std::fs::OpenOptions::new().write(true).open(file(&place, "vault.db")).unwrap();
    database.write_all_at(&[0; 512], length - 30 * 4096).unwrap();
    let vault = opened(&place).await.unwrap();
    let mut seen = 0;
    let damage = vault.check(Some(u64::MAX), |progress| seen = progress.records).await.unwrap();
    assert!(!damage.is_empty() && seen > 0);
    assert!(vault.damage().unwrap().contains("the vault/vault.db"));
}
