//! Whoever writes the database without the vault's key changes no principal.

use sqlx::{AnyConnection, Executor, Row as _};

use super::*;
use crate::access::Token;
use crate::keys::{context, seal};
use crate::principals::hash;
use crate::role::{Role, Roles};
use crate::{Result, VaultError};

async fn stored(raw: &mut AnyConnection) -> Vec<u8> {
    sqlx::query("SELECT principals FROM vault").fetch_one(raw).await.unwrap().get(0)
}

async fn store(raw: &mut AnyConnection, sealed: Option<Vec<u8>>) {
    let set = match sealed {
        Some(sealed) => sqlx::query("UPDATE vault SET principals = $1").bind(sealed),
        None => sqlx::query("UPDATE vault SET principals = NULL"),
    };
    set.execute(raw).await.unwrap();
}

/// That nobody gets in, with a token or without, as the list is not what was written.
async fn assert_noticed(vault: &Vault, tokens: &[&Token], why: &str) {
    let mut outcomes: Vec<Result<Access>> = vec![vault.owner().await];
    for token in tokens {
        outcomes.push(vault.authenticate(token).await);
    }
    for outcome in outcomes {
        let Err(VaultError::Damaged(said)) = &outcome else { panic!("{why}: {outcome:?}") };
        assert!(said.contains(why), "{said}");
    }
}

pub(super) async fn principals_changed_behind_its_back_are_noticed(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let admin_token = vault.grant(&owner, "admin", Roles::all(), None, NOW).await.unwrap();
    let admin = vault.authenticate(&admin_token).await.unwrap();
    let low: Roles = [Role::ReadMetadata].into_iter().collect();
    let low_token = vault.grant(&admin, "low", low, Some("acme"), NOW).await.unwrap();
    let tokens = [&admin_token, &low_token];
    let mut raw = place.raw().await;
    let whole = stored(&mut raw).await;

    // Rows of the table that earlier versions had give nothing, and their absence takes nothing away.
    raw.execute("DELETE FROM principal").await.unwrap();
    let insert =
        "INSERT INTO principal (name, roles, salt, token_hash, granted_at) VALUES ('low', 63, $1, $2, 0)";
    let forged = sqlx::query(insert).bind(vec![0_u8; 16]).bind(hash(&[0; 16], &low_token).to_vec());
    forged.execute(&mut raw).await.unwrap();
    let access = vault.authenticate(&low_token).await.unwrap();
    assert_eq!((access.roles(), access.tenant()), (low, Some("acme")));
    assert_eq!(vault.owner().await, Err(VaultError::TokenNeeded));

    for at in [0, whole.len() / 2, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        store(&mut raw, Some(changed)).await;
        assert_noticed(&vault, &tokens, "changed without the vault's key").await;
    }
    store(&mut raw, Some(Vec::new())).await;
    assert_noticed(&vault, &tokens, "changed without the vault's key").await;
    store(&mut raw, None).await;
    assert_noticed(&vault, &tokens, "is missing").await;
    let reopened = Vault::open(&place.location, kek(1)).await.unwrap();
    assert_noticed(&reopened, &tokens, "is missing").await;
    // The list of another vault under the same key.
    let elsewhere = TestDatabase::directory();
    let (other, _) = open(&elsewhere).await;
    store(&mut raw, Some(stored(&mut elsewhere.raw().await).await)).await;
    assert_noticed(&vault, &tokens, "changed without the vault's key").await;
    other.close().await;

    // An older list: `low` is taken out, and brought back.
    store(&mut raw, Some(whole.clone())).await;
    vault.revoke(&admin, "low").await.unwrap();
    let newest = stored(&mut raw).await;
    assert_eq!(vault.authenticate(&low_token).await, Err(VaultError::TokenUnknown));
    store(&mut raw, Some(whole)).await;
    assert_noticed(&vault, &tokens, "older than it was").await;
    let changed = vault.grant(&admin, "more", low, None, NOW).await;
    assert!(matches!(changed, Err(VaultError::Damaged(_))), "{changed:?}");
    if place.dir.is_some() {
        // Also by a process that has never seen the newer one.
        let reopened = Vault::open(&place.location, kek(1)).await.unwrap();
        assert_noticed(&reopened, &tokens, "older than it was").await;
    }
    store(&mut raw, Some(newest)).await;
    assert_eq!(vault.authenticate(&admin_token).await.unwrap(), admin);
    // They go with the key.
    vault.rewrap(&admin, kek(2)).await.unwrap();
    assert_eq!(vault.authenticate(&admin_token).await.unwrap(), admin);
    let reopened = Vault::open(&place.location, kek(2)).await.unwrap();
    assert_eq!(reopened.authenticate(&admin_token).await.unwrap(), admin);
}

pub(super) async fn principals_of_an_earlier_version_are_sealed_once(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let token = vault.grant(&owner, "admin", Roles::all(), None, NOW).await.unwrap();
    vault.close().await;
    // As an earlier version left it.
    let mut raw = place.raw().await;
    let vault_id: Vec<u8> = sqlx::query("SELECT id FROM vault").fetch_one(&mut raw).await.unwrap().get(0);
    let key_check = seal(kek(1).bytes(), &context(&["key check"]), &vault_id).unwrap();
    let update = sqlx::query("UPDATE vault SET key_check = $1, principals = NULL").bind(key_check);
    update.execute(&mut raw).await.unwrap();
    let insert =
        "INSERT INTO principal (name, roles, salt, token_hash, granted_at) VALUES ('ann', 63, $1, $2, 0)";
    let ann = sqlx::query(insert).bind(vec![7_u8; 16]).bind(hash(&[7; 16], &token).to_vec());
    ann.execute(&mut raw).await.unwrap();
    for _ in 0..2 {
        let vault = Vault::open(&place.location, kek(1)).await.unwrap();
        let access = vault.authenticate(&token).await.unwrap();
        // The roles that there were.
        let roles = Role::ALL.into_iter().filter(|role| *role != Role::Review).collect();
        assert_eq!((access.name(), access.roles(), access.tenant()), ("ann", roles, None));
        assert_eq!(vault.owner().await, Err(VaultError::TokenNeeded));
        vault.close().await;
    }
    let left = sqlx::query("SELECT count(*) FROM principal").fetch_one(&mut raw).await.unwrap();
    assert_eq!(left.get::<i64, _>(0), 0);
}
