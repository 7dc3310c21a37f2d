//! The right to sign for a log, which may end.

/// Whether this process may sign for the log now. A store that keeps other processes out with a lock always holds its tenure; one
/// with a lease holds it until the lease runs out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenure {
    /// It may.
    Held,
    /// The lease was not renewed in time, for this reason. It may be renewed yet: ask again.
    Lapsed(String),
    /// Another process has taken over. Final for this process.
    Lost(String),
}

impl Tenure {
    /// Why this process must not sign now, if so.
    pub fn obstacle(&self) -> Option<&str> {
        match self {
            Self::Held => None,
            Self::Lapsed(reason) | Self::Lost(reason) => Some(reason),
        }
    }
}
