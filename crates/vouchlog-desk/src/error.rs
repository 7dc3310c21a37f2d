//! Why something that was asked for is not done, here or by a daemon.

use thiserror::Error;
use vouchlog::custody::CustodyError;
use vouchlog_api::{Error, ErrorKind};
use vouchlog_vault::{RecordingError, VaultError};

/// Why something that was asked for is not done.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeskError {
    /// The vault refuses.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The way to the log is blocked, or the record was not made.
    #[error(transparent)]
    Custody(#[from] CustodyError),
    /// A session of which the vault has no record.
    #[error("the vault has no record of the session {0}")]
    UnknownSession(String),
    /// An identity that no record of the vault has.
    #[error("no record of the vault has this {0}")]
    UnknownIdentity(&'static str),
    /// It goes on record in a log, and none was given.
    #[error("this is recorded in a log, and the vault is opened without one")]
    NoLog,
    /// What is asked for breaks a rule, and will again.
    #[error("{0}")]
    Invalid(String),
    /// The daemon refuses.
    #[error("the vault's server refused: {0}")]
    Refused(Error),
    /// The daemon cannot be reached, or it broke off.
    #[error("the vault's server: {0}")]
    Unreachable(String),
    /// What the daemon answered is no answer.
    #[error("the answer of the vault's server cannot be read: {0}")]
    Answer(String),
}

impl From<RecordingError> for DeskError {
    fn from(error: RecordingError) -> Self {
        match error {
            RecordingError::Vault(error) => Self::Vault(error),
            error => Self::Custody(error.into()),
        }
    }
}

impl From<&DeskError> for Error {
    /// For the caller of a daemon. What is of another tenant is as if it were not there.
    fn from(error: &DeskError) -> Self {
        match error {
            DeskError::Vault(error)
            | DeskError::Custody(
                CustodyError::Vault(error) | CustodyError::Recording(RecordingError::Vault(error)),
            ) => of_vault(error),
            DeskError::UnknownSession(_) | DeskError::UnknownIdentity(_) => Error::not_found(NOTHING),
            DeskError::Invalid(why) => Error::invalid(why.clone()),
            DeskError::NoLog => Error::new(ErrorKind::FailedPrecondition, error.to_string()),
            DeskError::Refused(error) => error.clone(),
            DeskError::Custody(error) => of_custody(error),
            DeskError::Unreachable(_) | DeskError::Answer(_) => Error::unavailable(error.to_string()),
        }
    }
}

/// The one answer for what is not there, and for what is there and not the caller's.
const NOTHING: &str = "there is no such record, session or hold, or the caller has no access to it";

fn of_vault(error: &VaultError) -> Error {
    use VaultError as E;
    match error {
        E::Forbidden { .. } | E::NeedsAllTenants(_) => {
            Error::new(ErrorKind::PermissionDenied, error.to_string())
        }
        E::ForbiddenTenant { .. } | E::UnknownRecord(_) | E::UnknownHold(_) | E::UnknownCase(_) => {
            Error::not_found(NOTHING)
        }
        E::UnknownPrincipal(_) | E::UnknownSearch(_) => Error::not_found(error.to_string()),
        E::Invalid(_) => Error::invalid(error.to_string()),
        E::Erased(_)
        | E::Refused(_)
        | E::NothingToErase
        | E::NothingToHold
        | E::UnknownFinding { .. }
        | E::CaseExists(_)
        | E::CaseClosed(_)
        | E::LastAdmin
        | E::Conflict(_)
        | E::DigestTaken { .. } => Error::new(ErrorKind::FailedPrecondition, error.to_string()),
        E::NeedsObjects(_) => Error::new(
            ErrorKind::FailedPrecondition,
            "this content is in an object store, and the vault's server was started without it: ask its operator",
        ),
        E::Busy | E::NoRoom { .. } | E::Closed | E::Unreachable(_) | E::Objects(_) => {
            Error::unavailable("the vault cannot do this now: retry shortly")
        }
        // What is damaged, and where, is for the operator, who finds it in the server's log.
        _ => {
            tracing::error!(%error, "the vault failed");
            Error::internal(
                "the vault is damaged or was changed behind the server's back: its operator finds the details in the server's log",
            )
        }
    }
}

fn of_custody(error: &CustodyError) -> Error {
    match error {
        CustodyError::NotLogged(_) => Error::new(ErrorKind::FailedPrecondition, error.to_string()),
        CustodyError::Recording(RecordingError::Statement { .. } | RecordingError::Refused { .. }) => {
            Error::new(ErrorKind::FailedPrecondition, error.to_string())
        }
        CustodyError::Recording(RecordingError::NoStream(_) | RecordingError::NotSubmitted(_))
        | CustodyError::Gateway(_)
        | CustodyError::Log(_) => Error::unavailable("the way to the log is blocked: retry later"),
        _ => {
            tracing::error!(%error, "the vault's server failed");
            Error::internal("the vault's server failed: its operator finds the details in the server's log")
        }
    }
}
