//! Keys: the right one alone opens, rewrapping changes nothing but it, and ciphertexts open in their own place only.

use super::*;
use crate::VaultError;
use crate::access::ReadPermit;

pub(super) async fn a_vault_opens_with_its_key_alone(place: TestDatabase) {
    let missing = Vault::open(&place.location, kek(1)).await.map(drop).unwrap_err();
    assert!(matches!(missing, VaultError::Missing(_)), "{missing}");
    let vault = Vault::create(&place.location, kek(1)).await.unwrap();
    let owner = vault.owner().await.unwrap();
    vault.keep(&owner, vec![record("r1", "s1", "alice")], NOW).await.unwrap();
    vault.close().await;
    for open in
        [Vault::open(&place.location, kek(2)).await, Vault::open_or_create(&place.location, kek(2)).await]
    {
        assert_eq!(open.map(drop).unwrap_err(), VaultError::WrongKey);
    }
    let vault = Vault::open(&place.location, kek(1)).await.unwrap();
    assert_eq!(vault.metadata(&owner, &id("r1")).await.unwrap(), metadata("r1"));
    assert!(!format!("{vault:?}").contains("01, 01"));
}

pub(super) async fn rewrapping_changes_the_key_and_nothing_else(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let (other, _) = open(&place).await;
    let mut records: Vec<_> =
        (0..20).map(|i| record(&format!("r{i}"), "s1", &format!("person {i}"))).collect();
    records.push(KeepRecord { tenant: "other".to_owned(), ..record("o1", "s1", "alice") });
    vault.keep(&owner, records, NOW).await.unwrap();
    vault.rewrap(&owner, kek(2)).await.unwrap();

    let read = |vault: Vault, owner: Access| async move {
        assert_eq!(vault.metadata(&owner, &id("r7")).await.unwrap(), metadata("r7"));
        assert_eq!(vault.metadata(&owner, &id("o1")).await.unwrap(), metadata("o1"));
        assert_eq!(ids(&vault, &owner, &by(Facet::Session, "s1")).await.len(), 21);
    };
    read(vault.clone(), owner.clone()).await;
    vault.keep(&owner, vec![record("later", "s2", "person 99")], NOW).await.unwrap();
    // Another process that still has the old key writes nothing under it.
    let refused = other.keep(&owner, vec![record("never", "s2", "person 100")], NOW).await;
    assert_eq!(refused, Err(VaultError::Rewrapped));
    assert_eq!(other.rewrap(&owner, kek(3)).await, Err(VaultError::Rewrapped));
    vault.close().await;
    other.close().await;

    assert_eq!(Vault::open(&place.location, kek(1)).await.map(drop).unwrap_err(), VaultError::WrongKey);
    let vault = Vault::open(&place.location, kek(2)).await.unwrap();
    read(vault.clone(), owner.clone()).await;
    assert_eq!(vault.metadata(&owner, &id("later")).await.unwrap(), metadata("later"));
}

pub(super) async fn moved_ciphertexts_do_not_open(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    vault.keep(&owner, vec![record("r1", "s1", "alice"), record("r2", "s1", "alice")], NOW).await.unwrap();
    let both = "(SELECT n FROM record WHERE id = 'r1'), (SELECT n FROM record WHERE id = 'r2')";
    let damaged = |outcome: Result<Vec<u8>, VaultError>| {
        assert!(
            matches!(outcome, Err(VaultError::Damaged(_))),
            "it opened, or was refused for another reason"
        );
    };
    let permit = ReadPermit::new(vec![id("r1"), id("r2")]);
    // Content in the place of metadata; then one record's row in the place of another's.
    for sql in [
        "UPDATE sealed SET metadata = content".to_owned(),
        format!("UPDATE sealed SET record = 1000000 - record WHERE record IN ({both})"),
        "UPDATE sealed SET record = CASE record WHEN (SELECT max(record) FROM sealed) \
             THEN (SELECT max(n) FROM record) ELSE (SELECT min(n) FROM record) END"
            .to_owned(),
    ] {
        let mut raw = place.raw().await;
        if place.dir.is_some() {
            sqlx::query("PRAGMA foreign_keys = OFF").execute(&mut raw).await.unwrap();
        } else {
            sqlx::query("ALTER TABLE sealed DROP CONSTRAINT IF EXISTS sealed_record_fkey")
                .execute(&mut raw)
                .await
                .unwrap();
        }
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut raw).await.unwrap();
        assert!(vault.metadata(&owner, &id("r1")).await.is_err());
    }
    damaged(vault.content(&owner, &permit, &id("r1")).await);
    damaged(vault.metadata(&owner, &id("r2")).await);
}
