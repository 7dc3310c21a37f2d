//! What can go wrong in the vault, and what to do about it. No message holds a password, a key, or anything of a record but
//! its id.

use thiserror::Error;
use vouchlog_record::RecordId;
use vouchlog_storage::StoreError;

use crate::key_error::KeyError;
use crate::refusal::Refusal;
use crate::role::Role;

/// The answer of every call.
pub type Result<T, E = VaultError> = std::result::Result<T, E>;

/// Why the vault did not do what was asked. Nothing was changed unless the variant says so.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The location names no database.
    #[error(
        "`{0}` is not a valid place for a vault: give a directory, sqlite://FILE or postgres://USER@HOST/DATABASE"
    )]
    Location(String),
    /// There is no vault yet.
    #[error("there is no vault at {0}: create it first")]
    Missing(String),
    /// There is a vault already.
    #[error("a vault already exists at {0}: open it")]
    Exists(String),
    /// A newer version of the program has changed the tables.
    #[error("the vault was made by another version of this program ({0}): use that one, or a newer one")]
    Version(String),
    /// The key encryption key could not be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The vault's keys are wrapped by another key.
    #[error(
        "the key does not belong to this vault: use the key it was created with, or the one it was last rewrapped under"
    )]
    WrongKey,
    /// The key was wrapped for another vault.
    #[error("the wrapped key was made for another vault: name the file that was made for this one")]
    ForeignKey,
    /// Another process rewrapped the keys while this one had the vault open.
    #[error("the vault was rewrapped under a new key: open it again with that key")]
    Rewrapped,
    /// The caller's roles do not allow it.
    #[error("`{who}` may not do this: it requires the role `{needs}`")]
    Forbidden {
        /// Who asked.
        who: String,
        /// The role that is missing.
        needs: Role,
    },
    /// The caller is of another tenant.
    #[error("`{who}` may not do this: it has no access to the tenant `{tenant}`")]
    ForbiddenTenant {
        /// Who asked.
        who: String,
        /// The tenant asked for.
        tenant: String,
    },
    /// The caller is of one tenant, and all are concerned.
    #[error("`{0}` may not do this: it concerns every tenant, and the principal has access to one")]
    NeedsAllTenants(String),
    /// There are principals, so holding the key is not enough.
    #[error("this vault has principals: give the token of one of them")]
    TokenNeeded,
    /// No principal has this token.
    #[error("no principal has this token: it was revoked, or belongs to another vault")]
    TokenUnknown,
    /// Without an administrator, no role could be granted any more.
    #[error("a vault with principals needs one with the role `admin`: grant it first, or revoke it last")]
    LastAdmin,
    /// The content was asked for without the record that says so.
    #[error("reading the content of record {0} requires a permit that names it")]
    NotPermitted(RecordId),
    /// The call breaks a rule, and will again.
    #[error("{0}")]
    Invalid(String),
    /// The id was given to another record.
    #[error("record {0} already exists with another digest: use a new id")]
    Conflict(RecordId),
    /// The digest belongs to another record.
    #[error("record {given} has the digest of record {kept}: each record needs its own statement")]
    DigestTaken {
        /// The record given.
        given: RecordId,
        /// The record that has the digest.
        kept: RecordId,
    },
    /// No record has this id.
    #[error("there is no record {0} in this vault")]
    UnknownRecord(RecordId),
    /// The rule found nothing in the record when it was kept.
    #[error(
        "the rule {code} found nothing in record {record} when it was kept, so there is nothing to decide"
    )]
    UnknownFinding {
        /// The rule.
        code: String,
        /// The record.
        record: RecordId,
    },
    /// No hold has this name.
    #[error("there is no legal hold `{0}` in this vault")]
    UnknownHold(String),
    /// No case has this name.
    #[error("there is no case `{0}` in this vault")]
    UnknownCase(String),
    /// A case has this name.
    #[error("there is a case `{0}` already: add to it, or choose another name")]
    CaseExists(String),
    /// The case was closed.
    #[error("the case `{0}` is closed: open another one")]
    CaseClosed(String),
    /// The caller has no saved search of this name.
    #[error("there is no saved search `{0}` of yours in this vault")]
    UnknownSearch(String),
    /// No principal has this name.
    #[error("there is no principal `{0}` in this vault")]
    UnknownPrincipal(String),
    /// No erasure was begun under this id.
    #[error("no erasure was started under record {0}")]
    UnknownErasure(RecordId),
    /// The record was erased, or is about to be.
    #[error("record {0} was erased: only its statement and proof remain")]
    Erased(RecordId),
    /// Some of the records must be kept. Plan again.
    #[error("{} of the records must be kept: {}", .0.len(), .0.first().map_or_else(String::new, ToString::to_string))]
    Refused(Vec<Refusal>),
    /// The plan names no record that is still there.
    #[error("the plan has no record to erase")]
    NothingToErase,
    /// No record that is still there matches what a hold was asked for.
    #[error("no record matches, so nothing would be held: compare with `find`")]
    NothingToHold,
    /// What is stored is not what was written, or its key is gone. Names the database.
    #[error("the vault is damaged: {0}")]
    Damaged(String),
    /// The object with a record's content is missing, or is not what was written; the database is sound. Names the record and the object.
    #[error("the vault is damaged: {0}")]
    LostContent(String),
    /// The content is in an object store, and the vault was opened without it. Names the store.
    #[error(
        "content of this vault is in the object store {0}, and the vault was opened without it: give --objects {0}"
    )]
    NeedsObjects(String),
    /// The object store is not the one of this vault, or cannot hold its content.
    #[error("{0}")]
    ForeignObjects(String),
    /// The object store failed or is away. The same call again may succeed.
    #[error("the vault's object store failed: {0}")]
    Objects(String),
    /// Others held the database for too long. The same call again may succeed.
    #[error("the database is busy: retry")]
    Busy,
    /// The disk is nearly full. The same call succeeds when there is room again.
    #[error("the disk of the vault is full: {free} bytes are free, {needed} are reserved; free disk space")]
    NoRoom {
        /// Bytes that are free.
        free: u64,
        /// Bytes that stay free.
        needed: u64,
    },
    /// The vault was closed.
    #[error("the vault is closed")]
    Closed,
    /// The server of the database is away, starts, or takes no more connections. Nothing is wrong with what was asked for.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// The database failed, or is full or away. The outcome of a write is unknown; the same call again is safe.
    #[error("the database failed: {0}")]
    Database(String),
}

impl VaultError {
    /// A call that breaks a rule.
    pub(crate) fn invalid(why: impl Into<String>) -> Self {
        Self::Invalid(why.into())
    }

    /// Something stored that makes no sense.
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }

    /// Whether the same transaction may succeed if run again: lost a race, a lock or a deadlock.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Busy)
    }
}

impl From<sqlx::Error> for VaultError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::Database(error) if is_race(error.as_ref()) => Self::Busy,
            sqlx::Error::Database(error) if is_damage(error.as_ref()) => Self::damaged(error.message()),
            // The message alone: PostgreSQL's `detail` quotes values.
            sqlx::Error::Database(error) => Self::Database(error.message().to_owned()),
            sqlx::Error::ColumnDecode { index, .. } => {
                Self::damaged(format!("column {index} cannot be read"))
            }
            sqlx::Error::Decode(_) | sqlx::Error::AnyDriverError(_) => {
                Self::damaged("the value's type differs from the type written")
            }
            other => Self::Database(other.to_string()),
        }
    }
}

/// The same error with the place of the vault, if it is damaged or its database failed.
pub(crate) fn named(error: VaultError, place: &str) -> VaultError {
    match error {
        VaultError::Damaged(what) if !what.contains(place) => VaultError::Damaged(format!("{place}: {what}")),
        VaultError::LostContent(what) if !what.contains(place) => {
            VaultError::LostContent(format!("{place}: {what}"))
        }
        VaultError::Database(what) if !what.contains(place) => {
            VaultError::Database(format!("{place}: {what}"))
        }
        error => error,
    }
}

/// What a failure of the object store means for a call. The same call may succeed later.
pub(crate) fn of_objects(error: StoreError) -> VaultError {
    match error {
        StoreError::ForeignObjects(why) => VaultError::ForeignObjects(why),
        StoreError::ObjectStore(why) => VaultError::Objects(why),
        error => VaultError::Objects(error.to_string()),
    }
}

/// SQLite: a malformed file (11), one that is no database (26), or one that ends too early (522).
fn is_damage(error: &(dyn sqlx::error::DatabaseError + 'static)) -> bool {
    let number = error.code().filter(|code| code.len() < 5).and_then(|code| code.parse::<u32>().ok());
    number.is_some_and(|number| matches!(number & 0xff, 11 | 26) || number == 522)
}

/// PostgreSQL: a server that starts or stops (57P01 to 57P03), has no room (class 53), or lost the connection (class 08).
pub(crate) fn is_away(error: &(dyn sqlx::error::DatabaseError + 'static)) -> bool {
    let code = error.code().unwrap_or_default();
    code.len() == 5 && ["57P01", "57P02", "57P03", "53", "08"].iter().any(|class| code.starts_with(class))
}

/// SQLite: busy (5) and locked (6) with their extended codes. PostgreSQL: classes 40 (transaction rollback) and 55P03 (lock not
/// available). Both: a unique or foreign key that another process was faster with.
fn is_race(error: &(dyn sqlx::error::DatabaseError + 'static)) -> bool {
    if error.is_unique_violation() || error.is_foreign_key_violation() {
        return true;
    }
    let Some(code) = error.code() else { return false };
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 5 | 6),
        _ => code.starts_with("40") || code == "55P03",
    }
}
