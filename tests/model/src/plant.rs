//! Bugs that can be planted in the model. Each is one line of the code left out or changed.

use crate::promises::Promise;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// A head is signed while its commit is under way, as the sequencer once did.
    SignBeforeCommit,
    /// A renewal extends the lease, whoever holds it: a former leader renews after expiry without a claim.
    RenewWithoutHolder,
    /// The tenure is counted from the answer to a renewal instead of from before it was sent.
    CountFromAnswer,
    /// The holder trusts its lease for as long as it lasts, without a margin for clocks that differ.
    NoMargin,
    /// What was signed is shown without a second look at the tenure: a process that was paused acts after its tenure has ended.
    ShowWithoutLook,
    /// A lease is taken although it runs.
    ClaimRunningLease,
    /// A commit does not compare the epoch.
    CommitWithoutEpoch,
    /// A claim does not raise the epoch.
    ClaimWithoutEpoch,
    /// A commit compares nothing.
    CommitUnconditionally,
    /// The outcome of a commit is settled by reading the head instead of by a claim.
    SettleByReading,
    /// A commit whose answer was lost counts as one that was not made.
    SettleAsNotMade,
}

impl Plant {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::SignBeforeCommit,
        Self::RenewWithoutHolder,
        Self::CountFromAnswer,
        Self::NoMargin,
        Self::ShowWithoutLook,
        Self::ClaimRunningLease,
        Self::CommitWithoutEpoch,
        Self::ClaimWithoutEpoch,
        Self::CommitUnconditionally,
        Self::SettleByReading,
        Self::SettleAsNotMade,
    ];

    /// The promise that it breaks.
    pub fn breaks(self) -> Promise {
        match self {
            Self::SignBeforeCommit => Promise::OneRootPerSize,
            Self::RenewWithoutHolder
            | Self::CountFromAnswer
            | Self::NoMargin
            | Self::ShowWithoutLook
            | Self::ClaimRunningLease => Promise::ShownByLeader,
            Self::CommitUnconditionally => Promise::AcknowledgedIsKept,
            Self::CommitWithoutEpoch | Self::ClaimWithoutEpoch | Self::SettleByReading => {
                Promise::RefusedStaysOut
            }
            Self::SettleAsNotMade => Promise::ExactlyOnce,
        }
    }
}
