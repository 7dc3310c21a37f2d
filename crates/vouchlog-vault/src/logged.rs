//! What still has to be logged, and where the log has what was.

use std::collections::HashMap;

use sqlx::Row as _;
use vouchlog_evidence::RecordId;
use vouchlog_merkle::LeafIndex;
use vouchlog_stream::{Digest, Statement, StreamId};

use crate::access::{Access, Role};
use crate::limits::{MAX_PROOF_BYTES, MAX_RECORDS_PER_CALL, MAX_ROWS};
use crate::read::{digest, id, statement};
use crate::sql::{over_set, over_values};
use crate::{Logged, Result, StreamProofs, Vault, VaultError};

impl Vault {
    /// Statements of which the vault does not know yet that the log has them, in the order they were kept, of one stream or of all;
    /// at most [`MAX_ROWS`].
    pub async fn unlogged(
        &self,
        access: &Access,
        stream: Option<StreamId>,
        limit: usize,
    ) -> Result<Vec<(RecordId, Statement)>> {
        access.require(Role::Submit)?;
        let sql = "SELECT id, kind, evidence, digest FROM record WHERE leaf_index IS NULL AND (stream = $1 OR $1 = -1) \
                   ORDER BY n LIMIT $2";
        let stream = stream.map_or(Ok(-1), |stream| number(stream.get()))?;
        let limit = i64::try_from(limit.min(MAX_ROWS)).expect("a page is small");
        let rows = sqlx::query(sql).bind(stream).bind(limit).fetch_all(&self.shared.db.readers).await?;
        rows.iter().map(|row| Ok((id(row.try_get(0)?)?, statement(row, 1, 2, 3)?))).collect()
    }

    /// When the oldest record was kept that the vault does not know to be in the log, of all streams, in milliseconds since 1970.
    pub async fn oldest_unlogged(&self, access: &Access) -> Result<Option<i64>> {
        access.require(Role::Submit)?;
        // `n` is the order of keeping.
        let sql = "SELECT kept_at FROM record WHERE leaf_index IS NULL ORDER BY n LIMIT 1";
        let row = sqlx::query(sql).fetch_optional(&self.shared.db.readers).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    /// Notes where the log has kept statements, all or none. Again is fine; the proof given last is kept, so that one under a
    /// cosigned checkpoint replaces one under a bare one. Answers the digests that are of no record here.
    pub async fn logged(&self, access: &Access, logged: Vec<Logged>) -> Result<Vec<Digest>> {
        access.require(Role::Submit)?;
        check(&logged)?;
        let mut tx = self.shared.db.begin().await?;
        let digests = logged.iter().map(|logged| logged.digest.as_bytes().as_slice().into()).collect();
        let select = "SELECT digest, n, leaf_index FROM record WHERE digest IN";
        let mut known = HashMap::new();
        for row in over_set(&mut tx, select, digests, "").await? {
            known.insert(digest(row.try_get(0)?)?, (row.try_get(1)?, row.try_get(2)?));
        }
        let (mut unknown, mut places, mut proofs) = (Vec::new(), Vec::new(), Vec::new());
        for Logged { digest, index, stream, sequence, logged_at, proof } in logged {
            let Some(&(n, place)): Option<&(i64, Option<i64>)> = known.get(&digest) else {
                unknown.push(digest);
                continue;
            };
            let given = number(index.get())?;
            match place {
                Some(known) if known != given => {
                    let (known, given) = (known.unsigned_abs(), index.get());
                    return Err(VaultError::PlacedElsewhere { digest, known, given });
                }
                Some(_) => {}
                None => {
                    let (stream, sequence) = (number(stream.get())?, number(sequence.get())?);
                    let logged_at = number(logged_at.millis())?;
                    places.push(vec![
                        n.into(),
                        given.into(),
                        stream.into(),
                        sequence.into(),
                        logged_at.into(),
                    ]);
                }
            }
            proofs.push((n, proof));
        }
        let update = "WITH place (n, leaf_index, stream, sequence, logged_at) AS (";
        let set = ") UPDATE record SET leaf_index = place.leaf_index, logged_stream = place.stream, \
                   sequence = place.sequence, logged_at = place.logged_at FROM place WHERE record.n = place.n";
        over_values(&mut tx, update, places, set).await?;
        // One statement must not change a row twice: of two proofs in one call the last counts.
        let proofs: HashMap<i64, String> = proofs.into_iter().collect();
        let proofs = proofs.into_iter().map(|(n, proof)| vec![n.into(), proof.into()]).collect();
        let replace = "ON CONFLICT (record) DO UPDATE SET proof = excluded.proof";
        over_values(&mut tx, "INSERT INTO proof (record, proof)", proofs, replace).await?;
        tx.commit().await?;
        Ok(unknown)
    }

    /// Keeps what ties a stream to its gateway. Again replaces what is given and leaves what is not.
    pub async fn keep_stream_proofs(&self, access: &Access, proofs: StreamProofs) -> Result<()> {
        access.require(Role::Submit)?;
        let StreamProofs { stream, gateway, opening, enrolment, genesis } = proofs;
        for text in
            [Some(&gateway), Some(&opening), enrolment.as_ref(), genesis.as_ref()].into_iter().flatten()
        {
            check_proof(text)?;
        }
        let insert = "INSERT INTO stream (stream, gateway, opening, enrolment, genesis) VALUES ($1, $2, $3, $4, $5) \
                      ON CONFLICT (stream) DO UPDATE SET gateway = excluded.gateway, opening = excluded.opening, \
                      enrolment = COALESCE(excluded.enrolment, stream.enrolment), \
                      genesis = COALESCE(excluded.genesis, stream.genesis)";
        let mut tx = self.shared.db.begin().await?;
        let insert = sqlx::query(insert).bind(number(stream.get())?).bind(gateway).bind(opening);
        insert.bind(enrolment).bind(genesis).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    /// What ties a stream to its gateway, as far as it was kept.
    pub async fn stream_proofs(&self, access: &Access, stream: StreamId) -> Result<Option<StreamProofs>> {
        access.require(Role::ReadMetadata)?;
        let sql = "SELECT gateway, opening, enrolment, genesis FROM stream WHERE stream = $1";
        let row =
            sqlx::query(sql).bind(number(stream.get())?).fetch_optional(&self.shared.db.readers).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(StreamProofs {
            stream,
            gateway: row.try_get(0)?,
            opening: row.try_get(1)?,
            enrolment: row.try_get(2)?,
            genesis: row.try_get(3)?,
        }))
    }
}

fn check(logged: &[Logged]) -> Result<()> {
    if logged.len() > MAX_RECORDS_PER_CALL {
        return Err(VaultError::invalid(format!("a call notes at most {MAX_RECORDS_PER_CALL} places")));
    }
    logged.iter().try_for_each(|logged| check_proof(&logged.proof))
}

/// Proofs are texts of lines. PostgreSQL could not even store a NUL.
fn check_proof(text: &str) -> Result<()> {
    let odd = |c: char| c.is_control() && c != '\n';
    if text.is_empty() || text.len() > MAX_PROOF_BYTES || text.chars().any(odd) {
        return Err(VaultError::invalid(format!(
            "a proof or vkey is text of at most {MAX_PROOF_BYTES} bytes"
        )));
    }
    Ok(())
}

/// As the database has it. Only an index past 2^63 does not fit.
pub(crate) fn number(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|_| VaultError::invalid(format!("{value} is no index of a log")))
}

/// Reads [`number`] back as an index.
pub(crate) fn leaf_index(value: i64) -> Result<LeafIndex> {
    let value = u64::try_from(value).map_err(|_| VaultError::damaged("an index is negative"))?;
    Ok(LeafIndex::new(value))
}
