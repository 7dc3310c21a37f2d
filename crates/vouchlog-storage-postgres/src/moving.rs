//! A log that is moved from or to a database. The mark of a move is in the fence's own row, so that every claim of the log meets it.

use sqlx::Row as _;
use vouchlog_storage::{Move, Residence, Sealed, Sealing, StoreError};

use crate::database::{Database, QUERY_PATIENCE};
use crate::living::PostgresLiving;
use crate::outcome::unsigned;
use crate::schema::{self, NewLog};
use crate::sealed::PostgresSealed;
use crate::settings::Settings;
use crate::store::SEALED_HERE;

/// A log in a database, as any process sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resident {
    log: i32,
    /// Its name.
    pub origin: String,
    /// The URL of the object store with its sealed part, if that is not in the database.
    pub objects: Option<String>,
    /// Whether it is served from here.
    pub residence: Residence,
    /// Entries that are committed.
    pub size: u64,
    /// Up to where they are sealed.
    pub sealed: u64,
}

/// The log of that name, or without a name the only log. `None` when there is no such log.
///
/// # Errors
/// [`StoreError::Foreign`] if several logs are there and none is named; [`StoreError::Io`] if the database does not respond.
pub fn find_log(database: &Database, origin: Option<&str>) -> Result<Option<Resident>, StoreError> {
    let wanted = origin.map(str::to_owned);
    let rows = database.query(QUERY_PATIENCE, move |connection| {
        let wanted = wanted.clone();
        Box::pin(async move {
            if schema::version(connection).await? == 0 {
                return Ok(Ok(Vec::new()));
            }
            // Tables of an older version have no marks.
            if let Err(error) = schema::migrate(connection, false).await? {
                return Ok(Err(error));
            }
            let mut rows = Vec::new();
            for (origin, row) in schema::find(connection, wanted.as_deref()).await? {
                let head =
                    sqlx::query("SELECT coalesce(size, 0), sealed, move FROM vouchlog_head WHERE log = $1");
                let head = head.bind(row.log).fetch_one(&mut *connection).await?;
                let (size, sealed, mark): (i64, i64, String) =
                    (head.try_get(0)?, head.try_get(1)?, head.try_get(2)?);
                rows.push((origin, row, size, sealed, mark));
            }
            Ok(Ok(rows))
        })
    })??;
    let mut found = rows.into_iter().map(|(origin, row, size, sealed, mark)| {
        Ok(Resident {
            log: row.log,
            origin,
            objects: (row.sealed_in != SEALED_HERE).then_some(row.sealed_in),
            residence: mark.parse()?,
            size: unsigned(size, "the size")?,
            sealed: unsigned(sealed, "the sealed size")?,
        })
    });
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => {
            Err(StoreError::Foreign("the database holds several logs: name one by its origin".into()))
        }
        (found, _) => found.transpose(),
    }
}

/// The sealed part of a log in the same database, for reading it beside its leader.
pub fn open_sealed(database: &Database, log: &Resident) -> PostgresSealed {
    PostgresSealed::new(database.clone(), log.log)
}

/// Makes the log `origin`, which the database does not hold, as the destination of a move; its sealed part will be in the object store
/// `place` or in the database. Returns the move to open it for: `arrival`, or an earlier one that did not complete.
///
/// # Errors
/// [`StoreError::Foreign`] when the database holds the log already, or is not fit for one.
pub fn prepare_arrival(
    database: &Database,
    origin: &str,
    place: Option<&str>,
    arrival: &Move,
) -> Result<Move, StoreError> {
    Settings::read(database)?.check()?;
    let residence = Residence::Arriving(arrival.clone());
    let sealed_in = place.unwrap_or(SEALED_HERE).to_owned();
    let new = NewLog { origin: origin.to_owned(), sealed_in, residence };
    database.query(QUERY_PATIENCE, move |connection| {
        let new = new.clone();
        Box::pin(async move {
            if let Err(error) = schema::migrate(connection, true).await? {
                return Ok(Err(error));
            }
            schema::create(connection, &new).await.map(Ok)
        })
    })??;
    let made = find_log(database, Some(origin))?;
    let made = made.ok_or_else(|| StoreError::Damaged("the new log is missing".into()))?;
    match made.residence {
        Residence::Arriving(_) if made.objects.as_deref() != place => Err(StoreError::Foreign(
            "a move to this database began with another place for the sealed part: name that one".into(),
        )),
        Residence::Arriving(known) => Ok(known),
        other => Err(other.in_the_way()),
    }
}

/// Marks the log as moved: from here on no process claims it, and nothing signs from this store. Call it once everything was verified at
/// the destination.
///
/// # Errors
/// [`StoreError::Leased`] when another process has claimed the log since; [`StoreError::Io`] when it is unknown whether the mark was made.
pub fn leave<S: Sealed>(store: &Sealing<PostgresLiving, S>, departure: Move) -> Result<(), StoreError> {
    store.living().mark(&Residence::Here, &Residence::Left(departure))
}

/// Lets the log be served from here: the move is complete, and the source is marked as left.
///
/// # Errors
/// As [`leave`].
pub fn settle<S: Sealed>(store: &Sealing<PostgresLiving, S>, arrival: Move) -> Result<(), StoreError> {
    store.living().mark(&Residence::Arriving(arrival), &Residence::Here)
}
