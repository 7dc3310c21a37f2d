//! The store of a witness in PostgreSQL: its memory survives the machine, and several processes cosign from it, of which two never both
//! go on from one revision.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;
use parking_lot::Mutex;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _, Row as _};
use vouchlog_merkle::Hash;
use vouchlog_storage::{
    Revision, StoreError, StoreIdentity, WitnessChange, WitnessCommitError, WitnessStore,
    check_witness_changes,
};

use crate::database::{Database, QUERY_PATIENCE, Use};
use crate::notices::Notices;
use crate::outcome::{damaged, is_rejection, late, store_error, unsigned, words};
use crate::schema;
use crate::settings::Settings;

/// How long reading all states may take.
const LOAD_PATIENCE: Duration = Duration::from_secs(120);
const COMMIT_PATIENCE: Duration = Duration::from_secs(6);

/// A witness's store in PostgreSQL, under the witness's name.
pub struct PostgresWitnessStore {
    database: Database,
    witness: i32,
    identity: StoreIdentity,
    notices: Notices,
    writer: Mutex<Writer>,
    stopped: Mutex<Option<String>>,
}

#[derive(Default)]
struct Writer {
    connection: Option<PgConnection>,
    /// Set when a commit's outcome is unknown: what is in the database may not be durable everywhere.
    doubtful: bool,
}

impl PostgresWitnessStore {
    /// Opens the store of the witness called `name`. With `fresh` one that is missing is made, with that identity.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] if it is missing, or the server's settings would lose what was cosigned.
    pub fn open(database: Database, name: &str, fresh: Option<StoreIdentity>) -> Result<Self, StoreError> {
        Settings::read(&database)?.check()?;
        let name = name.to_owned();
        let found = database.query(QUERY_PATIENCE, move |connection| {
            let name = name.clone();
            Box::pin(async move { find(connection, &name, fresh).await })
        })??;
        let (witness, identity) = found.ok_or_else(|| {
            StoreError::Foreign(
                "the database holds no witness of this name: a witness must not forget what it cosigned"
                    .into(),
            )
        })?;
        let identity =
            <[u8; 16]>::try_from(&identity[..]).map_err(|_| damaged("the identity of the witness"))?;
        let identity = StoreIdentity::from_bytes(identity);
        let writer = Mutex::new(Writer::default());
        Ok(Self { database, witness, identity, notices: Notices::new(), writer, stopped: Mutex::default() })
    }

    fn stop(&self, reason: &str) {
        self.stopped.lock().get_or_insert_with(|| reason.to_owned());
    }

    fn unknown(&self, writer: &mut Writer, reason: String) -> WitnessCommitError {
        writer.doubtful = true;
        self.stop("the outcome of an earlier commit is unknown: reopen the store");
        WitnessCommitError::Unknown(reason)
    }
}

type StoredCell = Result<Option<(i32, Vec<u8>)>, StoreError>;

async fn find(
    connection: &mut PgConnection,
    name: &str,
    fresh: Option<StoreIdentity>,
) -> sqlx::Result<StoredCell> {
    if fresh.is_none() && schema::version(connection).await? == 0 {
        return Ok(Ok(None));
    }
    if let Err(error) = schema::migrate(connection, fresh.is_some()).await? {
        return Ok(Err(error));
    }
    if let Some(fresh) = fresh {
        let made = sqlx::query(
            "INSERT INTO vouchlog_witness (name, identity) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        );
        made.bind(name).bind(&fresh.as_bytes()[..]).execute(&mut *connection).await?;
    }
    let witness = sqlx::query("SELECT witness, identity FROM vouchlog_witness WHERE name = $1").bind(name);
    let row = witness.fetch_optional(connection).await?;
    let found = row.map(|row| Ok::<_, sqlx::Error>((row.try_get(0)?, row.try_get(1)?))).transpose()?;
    Ok(Ok(found))
}

/// A change as it is bound.
struct Change {
    origin: Hash,
    expected: u64,
    state: Bytes,
}

impl Change {
    fn next(&self) -> i64 {
        i64::try_from(self.expected.saturating_add(1)).unwrap_or(i64::MAX)
    }
}

/// What became of changes that were sent.
enum Sent {
    Committed,
    /// These revisions were found instead; nothing was written.
    Moved(HashMap<Vec<u8>, i64>),
}

/// One transaction: all rows that are there and as expected are replaced, and those that are not there are inserted; if the number is not
/// that of the changes, it is rolled back.
async fn commit(connection: &mut PgConnection, witness: i32, changes: &[Change]) -> sqlx::Result<Sent> {
    let mut transaction = connection.begin().await?;
    transaction.execute(sqlx::raw_sql("SET LOCAL lock_timeout = '5s'")).await?;
    let origins: Vec<&[u8]> = changes.iter().map(|change| &change.origin.as_bytes()[..]).collect();
    let expected: Vec<i64> =
        changes.iter().map(|change| i64::try_from(change.expected).unwrap_or(i64::MAX)).collect();
    let next: Vec<i64> = changes.iter().map(Change::next).collect();
    let states: Vec<&[u8]> = changes.iter().map(|change| &change.state[..]).collect();
    let written = sqlx::query(
        "WITH wanted AS (
             SELECT * FROM unnest($2::bytea[], $3::bigint[], $4::bigint[], $5::bytea[]) AS u(origin, expected, next, state)
             ORDER BY origin
         ), replaced AS (
             UPDATE vouchlog_witness_state s SET revision = w.next, state = w.state FROM wanted w
             WHERE s.witness = $1 AND s.origin = w.origin AND w.expected > 0 AND s.revision = w.expected
             RETURNING 1
         ), made AS (
             INSERT INTO vouchlog_witness_state (witness, origin, revision, state)
             SELECT $1, origin, next, state FROM wanted WHERE expected = 0
             ON CONFLICT (witness, origin) DO NOTHING RETURNING 1
         )
         SELECT (SELECT count(*) FROM replaced) + (SELECT count(*) FROM made)",
    );
    let written = written.bind(witness).bind(origins.clone()).bind(expected).bind(next).bind(states);
    let written: i64 = written.fetch_one(&mut *transaction).await?.try_get(0)?;
    if usize::try_from(written) == Ok(changes.len()) {
        transaction.commit().await?;
        return Ok(Sent::Committed);
    }
    transaction.rollback().await?;
    let found = sqlx::query(
        "SELECT origin, revision FROM vouchlog_witness_state WHERE witness = $1 AND origin = ANY($2)",
    );
    let found = found.bind(witness).bind(origins).fetch_all(connection).await?;
    let found = found.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    Ok(Sent::Moved(found.collect::<sqlx::Result<_>>()?))
}

impl WitnessStore for PostgresWitnessStore {
    fn identity(&self) -> StoreIdentity {
        self.identity
    }

    fn load(&self, take: &mut dyn FnMut(Hash, Revision, Bytes)) -> Result<(), StoreError> {
        let witness = self.witness;
        let rows = self.database.query(LOAD_PATIENCE, move |connection| {
            Box::pin(async move {
                let mut transaction = connection.begin().await?;
                transaction.execute(sqlx::raw_sql("SET LOCAL statement_timeout = '110s'")).await?;
                let states = sqlx::query(
                    "SELECT origin, revision, state FROM vouchlog_witness_state WHERE witness = $1",
                );
                let states = states.bind(witness).fetch(&mut *transaction).map_ok(|row| decode(&row));
                let states: Vec<_> = states.try_collect().await?;
                transaction.commit().await?;
                Ok(states)
            })
        })?;
        hand_over(rows, take)
    }

    fn refresh(
        &self,
        origins: &[Hash],
        take: &mut dyn FnMut(Hash, Revision, Bytes),
    ) -> Result<(), StoreError> {
        let witness = self.witness;
        let origins: Vec<Vec<u8>> = origins.iter().map(|origin| origin.as_bytes().to_vec()).collect();
        let rows = self.database.query(QUERY_PATIENCE, move |connection| {
            let origins = origins.clone();
            Box::pin(async move {
                let states = sqlx::query(
                    "SELECT origin, revision, state FROM vouchlog_witness_state WHERE witness = $1 AND origin = ANY($2)",
                );
                let rows = states.bind(witness).bind(origins).fetch_all(connection).await?;
                Ok(rows.iter().map(decode).collect::<Vec<_>>())
            })
        })?;
        hand_over(rows, take)
    }

    fn state(&self, origin: &Hash) -> Result<Option<Bytes>, StoreError> {
        // Held while a commit is under way, whose state must not be shown before it is durable.
        let writer = self.writer.lock();
        if writer.doubtful {
            return Err(StoreError::Io(
                "it must be reopened: the outcome of an earlier commit is unknown".into(),
            ));
        }
        let (witness, origin) = (self.witness, *origin);
        let state: Option<Vec<u8>> = self.database.query(QUERY_PATIENCE, move |connection| {
            Box::pin(async move {
                let state = sqlx::query(
                    "SELECT state FROM vouchlog_witness_state WHERE witness = $1 AND origin = $2",
                );
                let row = state.bind(witness).bind(&origin.as_bytes()[..]).fetch_optional(connection).await?;
                row.map(|row| row.try_get(0)).transpose()
            })
        })?;
        Ok(state.map(Bytes::from))
    }

    fn commit(&self, changes: &[WitnessChange]) -> Result<(), WitnessCommitError> {
        let mut writer = self.writer.lock();
        if let Some(reason) = self.stopped.lock().clone() {
            return Err(WitnessCommitError::Refused(reason));
        }
        check_witness_changes(changes)?;
        if changes.is_empty() {
            return Ok(());
        }
        let refused = |error: StoreError| WitnessCommitError::Refused(error.to_string());
        let mut connection = match writer.connection.take() {
            Some(connection) => connection,
            None => {
                let database = self.database.clone();
                let connected =
                    self.database.run(QUERY_PATIENCE, async move { database.connect(Use::Commit).await });
                connected.map_err(refused)?.map_err(|error| refused(store_error(&error)))?
            }
        };
        let (witness, notices) = (self.witness, self.notices.clone());
        let bound: Arc<[Change]> = changes
            .iter()
            .map(|change| Change {
                origin: change.origin,
                expected: change.expected.get(),
                state: change.state.clone(),
            })
            .collect();
        let sending = async move {
            let committing = notices.during(commit(&mut connection, witness, &bound));
            (tokio::time::timeout(COMMIT_PATIENCE, committing).await, connection)
        };
        let (sent, connection) = match self.database.run(COMMIT_PATIENCE + Duration::from_secs(1), sending) {
            Ok((Ok(sent), connection)) => (sent, connection),
            Ok((Err(_), _)) => return Err(self.unknown(&mut writer, late(COMMIT_PATIENCE).to_string())),
            Err(error) => return Err(self.unknown(&mut writer, error.to_string())),
        };
        match sent {
            (Ok(Sent::Committed), None) => {
                writer.connection = Some(connection);
                Ok(())
            }
            (Ok(Sent::Committed), Some(warning)) => {
                Err(self.unknown(&mut writer, format!("PostgreSQL warned: {warning}")))
            }
            (Ok(Sent::Moved(found)), _) => {
                writer.connection = Some(connection);
                Err(moved(changes, &found))
            }
            (Err(error), _) if is_rejection(&error) => Err(refused(store_error(&error))),
            (Err(error), _) => Err(self.unknown(&mut writer, words(&error))),
        }
    }

    fn impediment(&self) -> Option<String> {
        self.stopped.lock().clone()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.stop("the store is closed");
        self.writer.lock().connection = None;
        Ok(())
    }
}

impl fmt::Debug for PostgresWitnessStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresWitnessStore({})", self.identity)
    }
}

/// The first change that did not meet what it expects.
fn moved(changes: &[WitnessChange], found: &HashMap<Vec<u8>, i64>) -> WitnessCommitError {
    let revision = |origin: &Hash| {
        Revision::new(found.get(&origin.as_bytes()[..]).copied().unwrap_or_default().unsigned_abs())
    };
    let mut changes = changes.iter().map(|change| (change.origin, change.expected, revision(&change.origin)));
    match changes.find(|(_, expected, found)| expected != found) {
        Some((origin, expected, found)) => WitnessCommitError::Moved { origin, expected, found },
        // Another writer made it as expected meanwhile; nothing was written here.
        None => WitnessCommitError::Refused("another process changed the same logs at the same time".into()),
    }
}

type Decoded = Result<(Hash, Revision, Bytes), StoreError>;

fn hand_over(rows: Vec<Decoded>, take: &mut dyn FnMut(Hash, Revision, Bytes)) -> Result<(), StoreError> {
    for row in rows {
        let (origin, revision, state) = row?;
        take(origin, revision, state);
    }
    Ok(())
}

fn decode(row: &sqlx::postgres::PgRow) -> Decoded {
    let columns = || Ok::<_, sqlx::Error>((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
    let (origin, revision, state): (Vec<u8>, i64, Vec<u8>) =
        columns().map_err(|error| store_error(&error))?;
    let origin = Hash::try_from(&origin[..]).map_err(|_| damaged("the origin of a witness's state"))?;
    Ok((origin, Revision::new(unsigned(revision, "the revision of a witness's state")?), state.into()))
}
