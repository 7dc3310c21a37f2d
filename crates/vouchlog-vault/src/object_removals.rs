//! Objects that are to be removed, as rows that stay until they are: what was erased, and what no record names.

use std::collections::HashSet;

use futures::stream::{self, StreamExt};
use sqlx::{AnyConnection, Row as _};

use crate::Result;
use crate::database::Database;
use crate::limits::{OBJECT_WRITES, REMOVED_AT_ONCE};
use crate::object_name::ObjectName;
use crate::objects::Objects;
use crate::sql::{Value, over_set, over_values, query};

/// Which objects to remove.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    All,
    /// Those of the records of an erasure.
    OfErasure(i64),
}

/// Notes the objects of an erasure's records, in the transaction that destroys their keys.
pub(crate) async fn note_erased(tx: &mut AnyConnection, erasure: i64, now: i64) -> Result<()> {
    let note = "INSERT INTO object_removal (object, erasure, since) SELECT s.object, r.erasure, $1 FROM record r \
                JOIN sealed s ON s.record = r.n WHERE r.erasure = $2 AND s.object IS NOT NULL ON CONFLICT DO NOTHING";
    sqlx::query(note).bind(now).bind(erasure).execute(tx).await?;
    Ok(())
}

/// Notes those of some objects that no record names. Returns how many there are.
pub(crate) async fn note_unnamed(
    tx: &mut AnyConnection,
    mut objects: Vec<ObjectName>,
    now: i64,
) -> Result<u64> {
    let values = objects.iter().map(|object| object.as_bytes().into()).collect();
    let rows = over_set(tx, "SELECT object FROM sealed WHERE object IN", values, "").await?;
    let named: HashSet<ObjectName> =
        rows.iter().map(|row| ObjectName::read(row.try_get(0)?)).collect::<Result<_>>()?;
    objects.retain(|object| !named.contains(object));
    let rows = objects.iter().map(|object| vec![object.as_bytes().into(), now.into()]).collect();
    over_values(tx, "INSERT INTO object_removal (object, since)", rows, "ON CONFLICT DO NOTHING").await?;
    Ok(objects.len() as u64)
}

/// How many objects are still to be removed.
pub(crate) async fn count(tx: &mut AnyConnection, which: Which) -> Result<u64> {
    let row = match which {
        Which::All => sqlx::query("SELECT count(*) FROM object_removal").fetch_one(tx).await?,
        Which::OfErasure(erasure) => {
            let count = sqlx::query("SELECT count(*) FROM object_removal WHERE erasure = $1");
            count.bind(erasure).fetch_one(tx).await?
        }
    };
    Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
}

/// Removes objects, those first that were tried least often: one that its store does not give up, such as one under a lock, is in nobody's
/// way. Returns how many were tried.
pub(crate) async fn remove_some(db: &Database, objects: &Objects, which: Which) -> Result<usize> {
    let rows = match which {
        Which::All => {
            let find = "SELECT object FROM object_removal ORDER BY tries, since LIMIT $1";
            sqlx::query(find).bind(REMOVED_AT_ONCE).fetch_all(&db.readers).await?
        }
        Which::OfErasure(erasure) => {
            let find = "SELECT object FROM object_removal WHERE erasure = $1 AND tries = 0 LIMIT $2";
            sqlx::query(find).bind(erasure).bind(REMOVED_AT_ONCE).fetch_all(&db.readers).await?
        }
    };
    if rows.is_empty() {
        return Ok(0);
    }
    let names: Vec<ObjectName> =
        rows.iter().map(|row| ObjectName::read(row.try_get(0)?)).collect::<Result<_>>()?;
    let removals: Vec<_> = names.iter().map(|name| async { (*name, objects.remove(*name).await) }).collect();
    let (mut gone, mut left) = (Vec::<Value>::new(), Vec::<Value>::new());
    let mut removals = stream::iter(removals).buffer_unordered(OBJECT_WRITES);
    while let Some((name, removed)) = removals.next().await {
        match removed {
            Ok(()) => gone.push(name.as_bytes().into()),
            Err(error) => {
                tracing::warn!(object = name.path(), %error, "an object was not removed; it is tried again");
                left.push(name.as_bytes().into());
            }
        }
    }
    objects.counts.removed.inc_by(gone.len() as u64);
    objects.counts.removal_failures.inc_by(left.len() as u64);
    let mut tx = db.begin().await?;
    over_set(&mut tx, "DELETE FROM object_removal WHERE object IN", gone, "").await?;
    for object in left {
        let update = "UPDATE object_removal SET tries = tries + 1 WHERE object = $1".to_owned();
        query(update, vec![object]).execute(&mut *tx).await?;
    }
    db.commit(tx).await?;
    Ok(names.len())
}
