//! What is known beside the records of a set.

use jiff::{SignedDuration, Timestamp};

use crate::limits::{ORPHAN_TIMEOUT, SESSION_QUIET};

/// What is known beside the records of a set. What others found about the log or the vault is no fact of the set: it becomes a
/// [`Finding`](crate::Finding) by [`Finding::reported`](crate::Finding::reported).
#[derive(Clone, Debug, Default)]
pub struct SetFacts {
    /// Whether the records are all there are of their streams and sessions, and not a choice of them.
    pub whole: bool,
    /// Sessions.
    pub sessions: Vec<SessionFacts>,
    /// How long an intent may be without an outcome; otherwise [`ORPHAN_TIMEOUT`].
    pub orphan_timeout: Option<SignedDuration>,
    /// What time it is.
    pub now: Option<Timestamp>,
}

/// What is known of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFacts {
    /// The session.
    pub session: String,
    /// Whether it is over, by its end or by its age.
    pub over: bool,
}

impl SessionFacts {
    /// What is known of a session by its last record: it is over after [`SESSION_QUIET`] without another.
    pub fn by_age(session: String, last: Timestamp, now: Timestamp) -> Self {
        Self { session, over: now.duration_since(last) > SESSION_QUIET }
    }
}

impl SetFacts {
    pub(crate) fn orphan_timeout(&self) -> SignedDuration {
        self.orphan_timeout.unwrap_or(ORPHAN_TIMEOUT)
    }
}
