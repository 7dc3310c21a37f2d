//! The file descriptors of the process, of which connections leave some to the rest of it.

use std::io;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::limits::RESERVED_DESCRIPTORS;

/// How long a count of the process's descriptors is good. In between, only connections are counted; what else is opened
/// meanwhile comes out of the slack in [`RESERVED_DESCRIPTORS`].
const COUNT_EVERY: Duration = Duration::from_millis(100);

/// The descriptors of this process.
pub(crate) struct Descriptors {
    limit: usize,
    reserved: usize,
    counted: Mutex<Counted>,
}

struct Counted {
    at: Instant,
    /// Descriptors that are no connections of this server.
    others: usize,
    /// Whether the last connection was refused: a run of refusals is logged once.
    is_refusing: bool,
}

impl Descriptors {
    /// Nothing where the system does not tell which descriptors are open.
    pub(crate) fn new(limit: usize) -> Option<Self> {
        let others = open_descriptors().ok()?;
        // A tiny limit is shared: half of it is no less than the store needs to run at all.
        let reserved = RESERVED_DESCRIPTORS.min(limit / 2);
        let counted = Counted { at: Instant::now(), others, is_refusing: false };
        Some(Self { limit, reserved, counted: Mutex::new(counted) })
    }

    /// Whether there is room for this many connections, one of which was just opened.
    pub(crate) fn admit(&self, connections: usize) -> bool {
        let mut counted = self.counted.lock();
        if counted.at.elapsed() >= COUNT_EVERY {
            // When even counting takes a descriptor that is not there, none is free.
            let open = open_descriptors().unwrap_or(self.limit);
            counted.others = open.saturating_sub(connections);
            counted.at = Instant::now();
        }
        let is_admitted = counted.others + connections + self.reserved <= self.limit;
        let was_refusing = std::mem::replace(&mut counted.is_refusing, !is_admitted);
        if !is_admitted && !was_refusing {
            let (limit, reserved, others) = (self.limit, self.reserved, counted.others);
            tracing::warn!(
                limit,
                reserved,
                connections,
                others,
                "connections are rejected: no file descriptors are left. Raise the limit of open files (LimitNOFILE, ulimit -n)"
            );
        }
        is_admitted
    }
}

/// How many descriptors of this process are open.
fn open_descriptors() -> io::Result<usize> {
    // The one that reads the directory is listed too, and closed afterwards.
    Ok(std::fs::read_dir("/dev/fd")?.count().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_the_reserve_alone() {
        let reserved = RESERVED_DESCRIPTORS;
        let counted =
            Counted { at: Instant::now() + Duration::from_secs(3600), others: 30, is_refusing: false };
        let descriptors = Descriptors { limit: 1_024, reserved, counted: Mutex::new(counted) };
        assert!(descriptors.admit(1_024 - reserved - 30));
        assert!(!descriptors.admit(1_024 - reserved - 29));
        assert!(descriptors.admit(1), "refusing is no state that lasts");
    }

    #[test]
    fn what_others_have_open_counts() {
        let limit = open_descriptors().unwrap() + 100;
        let descriptors = Descriptors::new(limit).unwrap();
        assert_eq!(descriptors.reserved, RESERVED_DESCRIPTORS.min(limit / 2));
        assert!(!descriptors.admit(limit), "more connections than descriptors");
    }
}
