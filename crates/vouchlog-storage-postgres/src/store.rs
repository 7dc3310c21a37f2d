//! Opening the store of a log: the server is checked, the log found or made, its lease taken.

use std::path::PathBuf;
use std::time::Duration;

use vouchlog_storage::{MoveId, Residence, Sealed, Sealing, StoreError};

use crate::claim::{Holder, LeaseHolder};
use crate::database::{Database, QUERY_PATIENCE};
use crate::living::{Extent, Opening, PostgresLiving};
use crate::schema::{self, FORMAT, LogRow, NewLog};
use crate::sealed::PostgresSealed;
use crate::settings::Settings;
use crate::signed::Signed;

/// A log whose living and sealed parts are in one database.
pub type PostgresStore = Sealing<PostgresLiving, PostgresSealed>;

/// How long a commit may take before its outcome is looked up.
const COMMIT_PATIENCE: Duration = Duration::from_secs(6);
/// What names this sealed part in the database.
pub(crate) const SEALED_HERE: &str = "postgres";

/// Whose lease is taken at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Takeover {
    /// One that has run out or was given up: a leader at work stays.
    #[default]
    WhenFree,
    /// Any: a leader at work is fenced and stops.
    AtOnce,
}

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether a log that is not in the database is made there. Without it that is an error: the database may be the wrong one, or lost.
    pub create: bool,
    /// Whose lease is taken.
    pub takeover: Takeover,
    /// What this process is called towards standbys and operators, such as its address.
    pub address: String,
    /// The folder in which this node remembers the newest head it signed, apart from the database. A process that signs nothing needs none.
    pub memory: Option<PathBuf>,
    /// How long a commit may take before its outcome is looked up.
    pub commit_patience: Duration,
    /// The move that writes a log here; see [`prepare_arrival`](crate::prepare_arrival). Without it a log that is arriving does not open.
    pub arriving: Option<MoveId>,
}

impl Options {
    /// The defaults, with this node's folder.
    pub fn new(memory: impl Into<PathBuf>) -> Self {
        Self {
            create: false,
            takeover: Takeover::default(),
            address: String::new(),
            memory: Some(memory.into()),
            commit_patience: COMMIT_PATIENCE,
            arriving: None,
        }
    }

    /// For a process that signs nothing: it moves the log, from a leader at work if there is one.
    pub fn for_moving(arriving: Option<MoveId>) -> Self {
        Self { memory: None, takeover: Takeover::AtOnce, arriving, ..Self::new("") }
    }
}

/// Opens the store of the log `origin`, with its sealed part in the same database.
///
/// # Errors
/// [`StoreError::Leased`] while another process leads the log; [`StoreError::Foreign`] for a database without the log, one whose settings
/// would lose entries, or tables of a newer version; [`StoreError::Damaged`] if this node signed more than the database holds.
pub fn open(database: &Database, origin: &str, options: Options) -> Result<PostgresStore, StoreError> {
    let sealed = |living: &PostgresLiving, _: Extent| living.sealed_here();
    open_as(database, origin, options, (SEALED_HERE, sealed))
}

/// Opens the store of the log `origin` with another sealed part, such as an object store. `make` opens it for so many committed entries,
/// of which so many are sealed. `name` is remembered: the log does not open with another sealed part.
///
/// # Errors
/// As [`open`], and [`StoreError::ForeignObjects`] for another sealed part.
pub fn open_with<S: Sealed>(
    database: &Database,
    origin: &str,
    options: Options,
    name: &str,
    make: impl FnOnce(u64, u64) -> Result<S, StoreError>,
) -> Result<Sealing<PostgresLiving, S>, StoreError> {
    let sealed = |_: &PostgresLiving, extent: Extent| make(extent.size, extent.sealed);
    open_as(database, origin, options, (name, sealed))
}

fn open_as<S: Sealed>(
    database: &Database,
    origin: &str,
    options: Options,
    (name, make): (&str, impl FnOnce(&PostgresLiving, Extent) -> Result<S, StoreError>),
) -> Result<Sealing<PostgresLiving, S>, StoreError> {
    Settings::read(database)?.check()?;
    let signed = Signed::open(options.memory.as_deref())?;
    let row = find_or_create(database, origin, name, &options, &signed)?;
    check_row(database, &row, name)?;
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| StoreError::Io(error.to_string()))?;
    let living = PostgresLiving::open(Opening {
        database: database.clone(),
        log: row.log,
        holder: Holder { id, address: options.address },
        whose: match options.takeover {
            Takeover::WhenFree => LeaseHolder::Free,
            Takeover::AtOnce => LeaseHolder::Anyone,
        },
        commit_patience: options.commit_patience,
        arriving: options.arriving,
        signed,
    });
    // Claimed before the sealed part is opened, so that no former leader seals meanwhile; joining the parts claims once more.
    let extent = living.claim_first()?;
    let sealed = make(&living, extent)?;
    Sealing::start(living, sealed)
}

fn find_or_create(
    database: &Database,
    origin: &str,
    sealed_in: &str,
    options: &Options,
    signed: &Signed,
) -> Result<LogRow, StoreError> {
    let (origin, sealed_in, residence) = (origin.to_owned(), sealed_in.to_owned(), Residence::Here);
    let (new, create) = (NewLog { origin, sealed_in, residence }, options.create);
    let remembered = signed.head().map_or(0, |head| head.size.get());
    database.query(QUERY_PATIENCE, move |connection| {
        let new = new.clone();
        Box::pin(async move {
            if let Err(error) = schema::migrate(connection, create && remembered == 0).await? {
                return Ok(Err(forgotten(remembered).unwrap_or(error)));
            }
            if let Some((_, row)) = schema::find(connection, Some(&new.origin)).await?.pop() {
                return Ok(Ok(row));
            }
            if let Some(forgotten) = forgotten(remembered) {
                return Ok(Err(forgotten));
            }
            if !create {
                return Ok(Err(schema::no_log()));
            }
            schema::create(connection, &new).await?;
            let made = schema::find(connection, Some(&new.origin)).await?.pop();
            Ok(made.map(|(_, row)| row).ok_or_else(|| StoreError::Damaged("the new log is missing".into())))
        })
    })?
}

/// This node signed heads of a log that the database does not know.
fn forgotten(remembered: u64) -> Option<StoreError> {
    (remembered > 0).then(|| {
        StoreError::Damaged(format!(
            "this node signed the log at {remembered} entries, and the database does not hold the log: restore its newest copy"
        ))
    })
}

pub(crate) fn check_row(database: &Database, row: &LogRow, sealed_in: &str) -> Result<(), StoreError> {
    if row.format != FORMAT {
        let message =
            format!("the log has format {}, expected {FORMAT}: use the version that made it", row.format);
        return Err(StoreError::Foreign(message));
    }
    if row.sealed_in != sealed_in {
        let name = |place: &str| match place {
            SEALED_HERE => "the database".to_owned(),
            other => format!("`{other}`"),
        };
        let (kept, given) = (name(&row.sealed_in), name(sealed_in));
        let message = format!("the sealed part of the log is in {kept}, not in {given}");
        return Err(StoreError::ForeignObjects(message));
    }
    let here = database.query(QUERY_PATIENCE, |connection| Box::pin(schema::system_identifier(connection)));
    // A role may be kept from reading it.
    if let Ok(here) = here
        && !row.system_identifier.is_empty()
        && here != row.system_identifier
    {
        tracing::warn!(
            "the database was copied from another cluster: serve the log only if this is its newest copy"
        );
    }
    Ok(())
}
