//! What a failed request to an object store means.

use std::error::Error as _;

use object_store::Error;

/// The longest error of a server that is passed on.
const MAX_REASON: usize = 300;

/// A request that failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no such object.
    Absent,
    /// The condition of a write does not hold, or another write is in progress (409).
    Taken,
    /// The request was refused, and would be again.
    Refused(String),
    /// A disk failed under a folder of files: what was written may not survive a power cut, whatever a later sync reports.
    Unsynced(String),
    /// The request failed, or its outcome is unknown. Another attempt may do better.
    Passing(String),
}

/// What Linux reports of a disk that failed.
const EIO: i32 = 5;

impl Failure {
    /// What a failed operation on a file means.
    #[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
    pub(crate) fn of_file(error: std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(EIO) => Self::Unsynced(error.to_string()),
            _ => Self::Passing(error.to_string()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::NotFound { .. } => Self::Absent,
            Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. } => {
                Self::Taken
            }
            Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::NotSupported { .. }
            | Error::NotImplemented { .. }
            | Error::InvalidPath { .. }
            | Error::UnknownConfigurationKey { .. } => Self::Refused(reason(&error)),
            _ if is_failed_disk(&error) => Self::Unsynced(reason(&error)),
            _ => Self::Passing(reason(&error)),
        }
    }
}

/// An error in one line, shortened: the body of a server's answer may be long.
fn reason(error: &Error) -> String {
    let text = error.to_string();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.len() + word.len() > MAX_REASON {
            line.push_str(" …");
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// Whether a system call reported EIO.
fn is_failed_disk(error: &Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let system = error.downcast_ref::<std::io::Error>();
        if system.is_some_and(|system| system.raw_os_error() == Some(EIO)) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(source: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::Generic { store: "test", source: Box::new(source) }
    }

    #[test]
    fn a_failed_disk_is_final_and_a_busy_server_is_not() {
        let failed = std::io::Error::from_raw_os_error(5);
        assert!(matches!(generic(failed).into(), Failure::Unsynced(_)));
        let full = std::io::Error::from_raw_os_error(28);
        assert!(matches!(generic(full).into(), Failure::Passing(_)));
        let busy = std::io::Error::other(format!("503 {}", "<a> ".repeat(10_000)));
        let Failure::Passing(reason) = generic(busy).into() else { panic!("503 passes") };
        assert!(reason.len() < 400, "{reason}");
    }
}
