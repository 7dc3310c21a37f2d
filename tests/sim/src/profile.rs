//! What a run may do to its machines, drawn from the seed: a few kinds of faults at once find more than all of them always.

use crate::plant::Plant;
use crate::rng::Rng;

/// The faults of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profile {
    /// Processes die at any operation, and machines lose power.
    pub(crate) crashes: bool,
    /// Reads and writes of the log's disk fail now and then.
    pub(crate) io_errors: bool,
    /// Syncs of any disk fail now and then.
    pub(crate) sync_errors: bool,
    /// Disks are full now and then.
    pub(crate) full: bool,
    /// Bytes of the log's data are damaged.
    pub(crate) rot: Rot,
    /// Writes to one copy go elsewhere.
    pub(crate) misdirected: bool,
    /// Old copies are put back.
    pub(crate) old_copies: OldCopies,
    /// Bytes of a spool are damaged.
    pub(crate) spool_rot: bool,
    /// Messages are lost, repeated and late.
    pub(crate) network: bool,
    /// The wall clock is set forward and back.
    pub(crate) clock: bool,
    /// The lookup index is lost now and then.
    pub(crate) index_loss: bool,
    /// A holder of the log's key shows witnesses another tree.
    pub(crate) forger: bool,
    /// Statements in large batches, so that much is sealed.
    pub(crate) large: bool,
}

/// What is damaged at rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Rot {
    #[default]
    Nothing,
    /// One of the two copies of the living part.
    OneCopy,
    /// Both, at once.
    BothCopies,
    /// Anything of the log.
    Anything,
}

/// Which old copies are put back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OldCopies {
    #[default]
    None,
    /// Of one copy of the living part.
    OfOne,
    /// Of the first copy, while the ledger is damaged.
    OfOneBesideDamage,
    /// Of the whole disk.
    OfAll,
}

impl Profile {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let mut coin = |part| rng.chance(part, 10);
        let mut profile = Self {
            crashes: coin(8),
            io_errors: coin(2),
            sync_errors: coin(3),
            full: coin(1),
            misdirected: coin(1),
            spool_rot: coin(1),
            network: coin(7),
            clock: coin(4),
            index_loss: coin(2),
            forger: coin(3),
            large: coin(3),
            ..Self::default()
        };
        profile.rot = match rng.below(20) {
            0..4 => Rot::OneCopy,
            4..6 => Rot::BothCopies,
            6 => Rot::Anything,
            _ => Rot::Nothing,
        };
        profile.old_copies = match rng.below(20) {
            0..2 => OldCopies::OfOne,
            2..4 => OldCopies::OfOneBesideDamage,
            4..6 => OldCopies::OfAll,
            _ => OldCopies::None,
        };
        profile
    }

    /// Faults that a planted bug needs to show itself, so that few seeds find it.
    pub(crate) fn suit(&mut self, plant: Plant) {
        match plant {
            Plant::IgnoreFailedSyncs | Plant::TrustPageCache => {
                (self.crashes, self.sync_errors) = (true, true);
            }
            // Without a power cut SIGNED would know that there was more, and so would the index.
            Plant::TakeDamageForTorn => {
                (self.rot, self.crashes, self.index_loss) = (Rot::BothCopies, true, true);
            }
            Plant::ForgetSigned => self.old_copies = OldCopies::OfOneBesideDamage,
            Plant::IndexDeletesItself => (self.old_copies, self.index_loss) = (OldCopies::OfAll, false),
            Plant::SealWithoutSync => (self.crashes, self.large) = (true, true),
            Plant::GatewayNeverRetries => self.network = true,
            Plant::WitnessForgets => (self.crashes, self.network) = (true, true),
            _ => self.crashes = true,
        }
    }
}
