//! A log that is moved from or to a database. The mark of a move is in the fence's own row, so that every claim of the log meets it.

use sqlx::Row as _;
use vouchlog_storage::{Checkpoints, Loaded, Move, Residence, Sealed, Sealing, StoreError};

use crate::contents::read_all;
use crate::database::{Database, QUERY_PATIENCE};
use crate::living::{LOAD_PATIENCE, PostgresLiving};
use crate::outcome::unsigned;
use crate::schema::{self, CHECKPOINTS_VERSION, NewLog};
use crate::sealed::PostgresSealed;
use crate::settings::Settings;
use crate::store::SEALED_HERE;
use crate::view::checkpoints;

/// A log in a database, as any process sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resident {
    log: i32,
    /// The version of the tables.
    version: i64,
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
            let version = schema::version(connection).await?;
            if let Err(error) = schema::check_known(version) {
                return Ok(Err(error));
            }
            let mut rows = Vec::new();
            for (origin, row) in schema::find(connection, wanted.as_deref()).await? {
                // Tables of an older version have no marks. Nothing is changed here, so they stay as they are.
                let head = sqlx::query(
                    "SELECT coalesce(size, 0), sealed, coalesce(to_jsonb(h) ->> 'move', '') FROM vouchlog_head h WHERE log = $1",
                );
                let head = head.bind(row.log).fetch_one(&mut *connection).await?;
                let (size, sealed, mark): (i64, i64, String) =
                    (head.try_get(0)?, head.try_get(1)?, head.try_get(2)?);
                rows.push((origin, row, size, sealed, mark, version));
            }
            Ok(Ok(rows))
        })
    })??;
    let mut found = rows.into_iter().map(|(origin, row, size, sealed, mark, version)| {
        Ok(Resident {
            log: row.log,
            version,
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
///
/// # Errors
/// [`StoreError`] when the database does not respond, or what it gave up cannot be read.
pub fn open_sealed(database: &Database, log: &Resident) -> Result<PostgresSealed, StoreError> {
    PostgresSealed::open(database.clone(), log.log)
}

/// What the rows of a log hold, and the newest checkpoints that its leader has shown: for looking at it beside its leader.
///
/// # Errors
/// [`StoreError`] when the database does not respond, or what it holds cannot be read.
pub fn read_log(database: &Database, log: &Resident) -> Result<(Option<Loaded>, Checkpoints), StoreError> {
    let number = log.log;
    // The checkpoints first: what is read afterwards has no fewer entries.
    let checkpoints = match log.version < CHECKPOINTS_VERSION {
        true => Checkpoints::default(),
        false => checkpoints(database, number)?,
    };
    let contents = database.query(LOAD_PATIENCE, move |connection| Box::pin(read_all(connection, number)))?;
    Ok((contents.loaded()?, checkpoints))
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
