//! What still has to be logged, and where the log has what was.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};
use vouchlog_merkle::LeafIndex;
use vouchlog_record::RecordId;
use vouchlog_stream::{Digest, LogPlace, Statement, StatementEntry, StreamId};

use crate::access::Access;
use crate::columns::{id, place_of, statement, stream};
use crate::limits::{
    MAX_COUNTED_BACKLOG, MAX_GENESIS_BYTES, MAX_PROOF_BYTES, MAX_RECORDS_PER_CALL, MAX_ROWS,
};
use crate::operation::Operation;
use crate::proof_run::{GivenProof, PackedRun, pack};
use crate::sql::{Value, over_set, over_values};
use crate::sums::{self, SUMMED};
use crate::{Logged, Result, StreamProofs, Vault, VaultError};

/// A record that is kept and, as far as the vault knows, not in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlogged {
    /// Its place in the order of keeping; the next page begins after it.
    pub n: i64,
    /// Its name.
    pub id: RecordId,
    /// The stream whose key signed its statement.
    pub stream: StreamId,
    /// What is to be logged.
    pub statement: Statement,
}

/// How many records are kept and not in the log, as far as the vault knows, over all streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// The records; [`MAX_COUNTED_BACKLOG`] stands for that many or more.
    pub records: u64,
    /// When the oldest of them was kept, in milliseconds since 1970.
    pub oldest: Option<i64>,
}

impl Backlog {
    /// How long the oldest record has waited at `now` (milliseconds since 1970); zero if none waits, or if the clock went back.
    pub fn age(&self, now: i64) -> Duration {
        let waited = self.oldest.map_or(0, |oldest| now.saturating_sub(oldest));
        Duration::from_millis(u64::try_from(waited).unwrap_or(0))
    }

    /// A readiness check: fails once the oldest record has waited for longer than `patience`.
    ///
    /// # Errors
    /// How many records wait, and for how long the oldest.
    pub fn check(&self, now: i64, patience: Duration) -> Result<(), String> {
        if self.age(now) <= patience { Ok(()) } else { Err(self.describe(now)) }
    }

    /// The backlog in words.
    pub fn describe(&self, now: i64) -> String {
        let records = match self.records {
            0 => return "every record is in the log".to_owned(),
            1 => "1 record is not in the log".to_owned(),
            MAX_COUNTED_BACKLOG.. => {
                format!("{MAX_COUNTED_BACKLOG} records or more are not in the log")
            }
            records => format!("{records} records are not in the log"),
        };
        format!("{records}; the oldest has been waiting for {} s", self.age(now).as_secs())
    }
}

/// What [`Vault::logged`] could not note as it was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotNoted {
    /// Digests of no record here.
    pub unknown: Vec<Digest>,
    /// Digests that were logged twice, with the index given. The vault keeps the index and the proof that it had before.
    pub elsewhere: Vec<(Digest, LeafIndex)>,
}

impl Vault {
    /// Records whose statements the vault does not know to be in the log, in the order they were kept, of all streams, from the one
    /// after `after` on; at most [`MAX_ROWS`].
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "unlogged"))]
    pub async fn unlogged(&self, access: &Access, after: i64, limit: usize) -> Result<Vec<Unlogged>> {
        self.shared
            .named(async {
                access.allow(Operation::Submit)?;
                let sql = select_unlogged("AND r.n > $1 ORDER BY r.n LIMIT $2");
                let limit = i64::try_from(limit.min(MAX_ROWS)).expect("a page is small");
                let rows = sqlx::query(AssertSqlSafe(sql))
                    .bind(after)
                    .bind(limit)
                    .fetch_all(&self.shared.db.readers)
                    .await?;
                rows.iter().map(read_unlogged).collect()
            })
            .await
    }

    /// Those of the records with these names that [`unlogged`](Self::unlogged) has, in the order they were kept.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "unlogged_among", records = ids.len()))]
    pub async fn unlogged_among(&self, access: &Access, ids: &[RecordId]) -> Result<Vec<Unlogged>> {
        self.shared
            .named(async {
                access.allow(Operation::Submit)?;
                let mut connection = self.shared.db.readers.acquire().await?;
                let select = select_unlogged("AND r.id IN");
                let ids = ids.iter().map(|id| id.as_str().into()).collect();
                let rows = over_set(&mut connection, &select, ids, "").await?;
                let mut unlogged = rows.iter().map(read_unlogged).collect::<Result<Vec<_>>>()?;
                unlogged.sort_by_key(|record| record.n);
                unlogged.dedup_by_key(|record| record.n);
                Ok(unlogged)
            })
            .await
    }

    /// How many records are kept and not in the log, and since when. One query, answered from the index of such records.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "kept_not_logged"))]
    pub async fn kept_not_logged(&self, access: &Access) -> Result<Backlog> {
        self.shared.named(async {
            access.allow(Operation::Submit)?;
            // `n` is the order of keeping, so the first is the oldest.
            let sql = "SELECT (SELECT count(*) FROM (SELECT 1 FROM record WHERE leaf_index IS NULL LIMIT $1) AS counted), \
                       (SELECT kept_at FROM record WHERE leaf_index IS NULL ORDER BY n LIMIT 1)";
            let most = i64::try_from(MAX_COUNTED_BACKLOG).expect("it is small");
            let row = sqlx::query(sql).bind(most).fetch_one(&self.shared.db.readers).await?;
            let records = u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0);
            Ok(Backlog { records, oldest: row.try_get(1)? })
        }).await
    }

    /// Notes where the log has kept statements, all or none. Again is fine; the proof given last is kept, so that one under a
    /// cosigned checkpoint replaces one under a bare one. A statement that was logged twice keeps its first place.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "logged", records = logged.len()))]
    pub async fn logged(&self, access: &Access, logged: Vec<Logged>) -> Result<NotNoted> {
        self.shared.named(async {
            access.allow(Operation::Submit)?;
            check(&logged)?;
            let mut tx = self.shared.db.begin().await?;
            let digests = logged.iter().map(|logged| logged.digest.as_bytes().as_slice().into()).collect();
            let select = "SELECT digest, n, kind, evidence, leaf_index, logged_stream, sequence, logged_at, proof_run \
                          FROM record WHERE digest IN";
            let mut known = HashMap::new();
            for row in over_set(&mut tx, select, digests, "").await? {
                let known_record = KnownRecord::read(&row)?;
                known.insert(known_record.statement.digest, known_record);
            }
            let (mut not_noted, mut places, mut proofs) = (NotNoted::default(), Vec::new(), HashMap::new());
            for Logged { digest, index, stream, sequence, logged_at, proof } in logged {
                let Some(record) = known.get_mut(&digest) else {
                    not_noted.unknown.push(digest);
                    continue;
                };
                let given = LogPlace { index, stream, sequence, logged_at };
                match record.place {
                    Some(place) if place.index != index => {
                        not_noted.elsewhere.push((digest, index));
                        continue;
                    }
                    Some(_) => {}
                    None => places.push((record.n, place_row(&digest, given)?)),
                }
                let LogPlace { index, stream, sequence, logged_at } = *record.place.get_or_insert(given);
                let entry = StatementEntry { logged_at, stream, sequence, statement: record.statement };
                // Of two proofs in one call the last counts.
                proofs.insert(record.n, GivenProof { n: record.n, index, entry, text: proof });
            }
            let known = known.into_values().map(|record| (record.n, record)).collect();
            store(&mut tx, proofs.into_values().collect(), &known, places).await?;
            self.shared.db.commit(tx).await?;
            Ok(not_noted)
        }).await
    }

    /// Keeps what ties a stream to its gateway. Again replaces what is given and leaves what is not.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "keep_stream_proofs", stream = proofs.stream.get()))]
    pub async fn keep_stream_proofs(&self, access: &Access, proofs: StreamProofs) -> Result<()> {
        self.shared.named(async {
            access.allow(Operation::Submit)?;
            let StreamProofs { stream, gateway, opening, enrolment, genesis } = proofs;
            for text in [Some(&gateway), Some(&opening), enrolment.as_ref()].into_iter().flatten() {
                check_proof(text)?;
            }
            if let Some(genesis) = &genesis {
                check_text(genesis, MAX_GENESIS_BYTES)?;
            }
            let insert = "INSERT INTO stream (stream, gateway, opening, enrolment, genesis) VALUES ($1, $2, $3, $4, $5) \
                          ON CONFLICT (stream) DO UPDATE SET gateway = excluded.gateway, opening = excluded.opening, \
                          enrolment = COALESCE(excluded.enrolment, stream.enrolment), \
                          genesis = COALESCE(excluded.genesis, stream.genesis)";
            let mut tx = self.shared.db.begin().await?;
            let insert = sqlx::query(insert).bind(number(stream.get())?).bind(gateway).bind(opening);
            insert.bind(enrolment).bind(genesis).execute(&mut *tx).await?;
            self.shared.db.commit(tx).await
        }).await
    }

    /// What ties a stream to its gateway, as far as it was kept.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "stream_proofs", stream = stream.get()))]
    pub async fn stream_proofs(&self, access: &Access, stream: StreamId) -> Result<Option<StreamProofs>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let sql = "SELECT gateway, opening, enrolment, genesis FROM stream WHERE stream = $1";
                let row = sqlx::query(sql)
                    .bind(number(stream.get())?)
                    .fetch_optional(&self.shared.db.readers)
                    .await?;
                let Some(row) = row else { return Ok(None) };
                Ok(Some(StreamProofs {
                    stream,
                    gateway: row.try_get(0)?,
                    opening: row.try_get(1)?,
                    enrolment: row.try_get(2)?,
                    genesis: row.try_get(3)?,
                }))
            })
            .await
    }
}

/// What is known of a record that the log has.
struct KnownRecord {
    n: i64,
    statement: Statement,
    place: Option<LogPlace>,
    /// The run that has its proof.
    run: Option<i64>,
}

impl KnownRecord {
    fn read(row: &AnyRow) -> Result<Self> {
        let place = |index: i64| place_of([index, row.try_get(5)?, row.try_get(6)?, row.try_get(7)?]);
        Ok(Self {
            n: row.try_get(1)?,
            statement: statement(row, 2, 3, 0)?,
            place: row.try_get::<Option<i64>, _>(4)?.map(place).transpose()?,
            run: row.try_get(8)?,
        })
    }
}

/// The columns that note where the log has a record.
fn place_row(digest: &Digest, place: LogPlace) -> Result<Vec<Value>> {
    let LogPlace { index, stream, sequence, logged_at } = place;
    let place = [number(index.get())?, number(stream.get())?, number(sequence.get())?];
    let place = [place[0], place[1], place[2], number(logged_at.millis())?];
    let sum = sums::of_place(digest.as_bytes(), place);
    Ok(place.into_iter().map(Value::from).chain([sum.into()]).collect())
}

/// Stores proofs, in runs where they fit, and the places of records that had none; and deletes the proofs that are replaced.
async fn store(
    tx: &mut AnyConnection,
    proofs: Vec<GivenProof>,
    known: &HashMap<i64, KnownRecord>,
    places: Vec<(i64, Vec<Value>)>,
) -> Result<()> {
    let replaced: BTreeSet<i64> = proofs.iter().filter_map(|proof| known[&proof.n].run).collect();
    let numbers: Vec<i64> = proofs.iter().map(|proof| proof.n).collect();
    let (runs, rest) = pack(proofs);
    let run_of = insert_runs(tx, runs).await?;
    let with_run = |n: i64, mut row: Vec<Value>| {
        row.extend([n.into(), run_of.get(&n).copied().into()]);
        row
    };
    let new: BTreeSet<i64> = places.iter().map(|(n, _)| *n).collect();
    let update = "WITH place (leaf_index, stream, sequence, logged_at, sum, n, run) AS (";
    let set = ") UPDATE record SET leaf_index = place.leaf_index, logged_stream = place.stream, \
               sequence = place.sequence, logged_at = place.logged_at, place_sum = place.sum, proof_run = place.run \
               FROM place WHERE record.n = place.n";
    let rows = places.into_iter().map(|(n, row)| with_run(n, row)).collect();
    over_values(tx, update, rows, set).await?;
    let again: Vec<i64> = numbers.into_iter().filter(|n| !new.contains(n)).collect();
    let set = ") UPDATE record SET proof_run = given.run FROM given WHERE record.n = given.n";
    let rows = again.iter().map(|n| with_run(*n, Vec::new())).collect();
    over_values(tx, "WITH given (n, run) AS (", rows, set).await?;
    let in_runs = again.into_iter().filter(|n| run_of.contains_key(n)).map(Value::from).collect();
    over_set(tx, "DELETE FROM proof WHERE record IN", in_runs, "").await?;
    let summed = |GivenProof { n, text, .. }| {
        let sum = sums::of_text(n, &text);
        vec![n.into(), text.into(), sum.into()]
    };
    let rest = rest.into_iter().map(summed).collect();
    let replace = "ON CONFLICT (record) DO UPDATE SET proof = excluded.proof, sum = excluded.sum";
    over_values(tx, "INSERT INTO proof (record, proof, sum)", rest, replace).await?;
    let unneeded = "AND NOT EXISTS (SELECT 1 FROM record WHERE record.proof_run = proof_run.n)";
    let replaced = replaced.into_iter().map(Value::from).collect();
    over_set(tx, "DELETE FROM proof_run WHERE n IN", replaced, unneeded).await?;
    Ok(())
}

/// Inserts runs; the run of each record.
async fn insert_runs(tx: &mut AnyConnection, runs: Vec<PackedRun>) -> Result<HashMap<i64, i64>> {
    let (mut rows, mut records_of) = (Vec::new(), HashMap::new());
    for PackedRun { first, packed, sum, records } in runs {
        rows.push(vec![first.into(), packed.into(), sum.clone().into()]);
        records_of.insert(sum, records);
    }
    let insert = "INSERT INTO proof_run (first, packed, sum)";
    let mut run_of = HashMap::new();
    for row in over_values(tx, insert, rows, "RETURNING sum, n").await? {
        let run: i64 = row.try_get(1)?;
        // Runs of other entries or under other checkpoints have other sums.
        for n in records_of.get(row.try_get::<&[u8], _>(0)?).into_iter().flatten() {
            run_of.insert(*n, run);
        }
    }
    Ok(run_of)
}

/// Begins a query of records that are not logged, with the columns that [`read_unlogged`] reads.
fn select_unlogged(rest: &str) -> String {
    format!(
        "SELECT r.n, r.id, r.stream, r.kind, r.evidence, r.digest, {SUMMED} FROM record r WHERE r.leaf_index IS NULL {rest}"
    )
}

fn read_unlogged(row: &AnyRow) -> Result<Unlogged> {
    sums::check(row, 6)?;
    Ok(Unlogged {
        n: row.try_get(0)?,
        id: id(row.try_get(1)?)?,
        stream: stream(row.try_get(2)?)?,
        statement: statement(row, 3, 4, 5)?,
    })
}

fn check(logged: &[Logged]) -> Result<()> {
    if logged.len() > MAX_RECORDS_PER_CALL {
        return Err(VaultError::invalid(format!("a call notes at most {MAX_RECORDS_PER_CALL} places")));
    }
    logged.iter().try_for_each(|logged| check_proof(&logged.proof))
}

/// Proofs are texts of lines. PostgreSQL could not even store a NUL.
fn check_proof(text: &str) -> Result<()> {
    check_text(text, MAX_PROOF_BYTES)
}

fn check_text(text: &str, limit: usize) -> Result<()> {
    let odd = |c: char| c.is_control() && c != '\n';
    if text.is_empty() || text.len() > limit || text.chars().any(odd) {
        return Err(VaultError::invalid(format!("a proof or vkey is text of at most {limit} bytes")));
    }
    Ok(())
}

/// As the database has it. Only an index past 2^63 does not fit.
pub(crate) fn number(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|_| VaultError::invalid(format!("{value} is not a log index")))
}
