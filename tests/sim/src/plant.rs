//! Bugs planted in the simulation's own wrappers, to test its checkers: each must be found.

use crate::disk::Lie;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// A head is shown before it is committed.
    ShowBeforeCommit,
    /// Commits are acknowledged without a sync.
    AcknowledgeBeforeSync,
    /// A failed sync is taken for a successful one.
    IgnoreFailedSyncs,
    /// A start takes what it reads from the page cache for durable.
    TrustPageCache,
    /// A torn end of a copy is taken for damage.
    TakeTornForDamage,
    /// Damage in the middle of a copy is cut off like a torn end.
    TakeDamageForTorn,
    /// After an unclean stop the last record is cut off.
    CutAcknowledged,
    /// What was signed is not compared with what the store holds.
    ForgetSigned,
    /// Sealed data is forgotten in the living part before it is synced.
    SealWithoutSync,
    /// A lookup index that covers more than the log is deleted.
    IndexDeletesItself,
    /// A gateway sends each batch once.
    GatewayNeverRetries,
    /// A witness answers before its state is durable.
    WitnessForgets,
}

impl Plant {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::ShowBeforeCommit,
        Self::AcknowledgeBeforeSync,
        Self::IgnoreFailedSyncs,
        Self::TrustPageCache,
        Self::TakeTornForDamage,
        Self::TakeDamageForTorn,
        Self::CutAcknowledged,
        Self::ForgetSigned,
        Self::SealWithoutSync,
        Self::IndexDeletesItself,
        Self::GatewayNeverRetries,
        Self::WitnessForgets,
    ];

    /// The bug as a disk that lies, if it can be planted there.
    pub(crate) fn lie(self) -> Option<Lie> {
        match self {
            Self::AcknowledgeBeforeSync => Some(Lie::SyncNothing),
            Self::IgnoreFailedSyncs => Some(Lie::HideFailedSyncs),
            Self::TrustPageCache => Some(Lie::NoRewrite),
            _ => None,
        }
    }
}
