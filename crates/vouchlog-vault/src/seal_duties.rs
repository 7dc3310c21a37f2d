//! A vault of an earlier version, whose holds and retention classes are rows that anyone who can write the database can change: they are
//! sealed as they are, once.

use sqlx::{AnyConnection, Row as _};

use crate::database::Database;
use crate::duties::{Duties, KeptUntil};
use crate::keys::{CheckedFor, KeyRing, MAC_BYTES};
use crate::roster::Roster;
use crate::sql::over_values;
use crate::standing::StandingQuery;
use crate::{Result, VaultError};

/// Records of one transaction that get their sum.
const AT_ONCE: i64 = 500;

/// Seals holds and retention classes, and gives every record its sum.
pub(crate) async fn seal_duties(db: &Database, keys: &KeyRing) -> Result<()> {
    if !keys.is_checked_for(CheckedFor::Duties) {
        let mut tx = db.begin().await?;
        // Another process may have been faster: then this one must be started again.
        keys.check(&db.lock(&mut tx, true).await?)?;
        let mut roster = Roster::read_with(keys, &mut tx).await?;
        roster.duties = Some(of_earlier_version(&mut tx).await?);
        roster.generation += 1;
        let kek = keys.kek();
        let sealed = roster.seal(kek.bytes(), keys.vault())?;
        let key_check = KeyRing::key_check(&kek, keys.vault(), CheckedFor::Duties)?;
        let update = sqlx::query("UPDATE vault SET key_check = $1, principals = $2");
        update.bind(key_check.clone()).bind(sealed).execute(&mut *tx).await?;
        sqlx::query("DELETE FROM hold_query").execute(&mut *tx).await?;
        sqlx::query("DELETE FROM retention_class").execute(&mut *tx).await?;
        db.commit(tx).await?;
        keys.rewrapped(kek, key_check);
        keys.saw_roster(roster.generation);
        db.note_roster(roster.generation);
        tracing::info!("the vault's holds and retention classes are sealed under its key");
    }
    fill(db, keys).await
}

async fn of_earlier_version(tx: &mut AnyConnection) -> Result<Duties> {
    let mut duties = Duties::new()?;
    duties.is_filled = false;
    let sql = "SELECT name, placed_at, placed_by FROM hold";
    for row in sqlx::query(sql).fetch_all(&mut *tx).await? {
        duties.hold(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    }
    let sql = "SELECT hold, tenant, macs, kinds, from_ms, to_ms FROM hold_query";
    for row in sqlx::query(sql).fetch_all(&mut *tx).await? {
        let (macs, rest) = row.try_get::<&[u8], _>(2)?.as_chunks::<MAC_BYTES>();
        if !rest.is_empty() {
            return Err(VaultError::damaged("the pseudonyms of a hold have another length"));
        }
        let query = StandingQuery {
            tenant: row.try_get(1)?,
            macs: macs.to_vec(),
            kinds: row.try_get(3)?,
            from: row.try_get(4)?,
            to: row.try_get(5)?,
        };
        duties.hold(row.try_get(0)?, 0, "").queries.push(query);
    }
    for row in sqlx::query("SELECT name, keep_for FROM retention_class").fetch_all(&mut *tx).await? {
        duties.classes.insert(row.try_get(0)?, row.try_get(1)?);
    }
    duties.take_over_held(tx).await?;
    Ok(duties)
}

/// Gives the records of an earlier version their sums. New ones have theirs.
async fn fill(db: &Database, keys: &KeyRing) -> Result<()> {
    loop {
        let mut connection = db.readers.acquire().await?;
        match Roster::read_with(keys, &mut connection).await {
            Ok(roster) if !roster.duties()?.is_filled => {}
            // What is damaged is refused by each call that needs it.
            Ok(_) | Err(VaultError::Damaged(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
        drop(connection);
        let mut tx = db.begin().await?;
        keys.check(&db.lock(&mut tx, true).await?)?;
        let mut roster = Roster::read_with(keys, &mut tx).await?;
        let sql = "SELECT n, id, retention_class, started_at, kept_at, keep_until FROM record WHERE keep_mac IS NULL \
                   ORDER BY n LIMIT $1";
        let rows = sqlx::query(sql).bind(AT_ONCE).fetch_all(&mut *tx).await?;
        if rows.is_empty() {
            roster.duties_mut()?.is_filled = true;
            roster.write_with(keys, &mut tx).await?;
            db.commit(tx).await?;
            keys.saw_roster(roster.generation);
            db.note_roster(roster.generation);
            return Ok(());
        }
        let duties = roster.duties()?;
        let mut macs = Vec::with_capacity(rows.len());
        for row in &rows {
            let mac = duties.mac(KeptUntil::of_row(row)?);
            macs.push(vec![row.try_get::<i64, _>(0)?.into(), mac.into()]);
        }
        let after = ") UPDATE record SET keep_mac = given.mac FROM given WHERE record.n = given.n";
        over_values(&mut tx, "WITH given (n, mac) AS (", macs, after).await?;
        db.commit(tx).await?;
    }
}
