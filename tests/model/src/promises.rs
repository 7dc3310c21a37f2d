//! What must hold in every state.

use stateright::Property;

use crate::model::{Protocol, Takeover};
use crate::world::{Tree, World};

/// A promise of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// No two signed heads of one size have different roots.
    OneRootPerSize,
    /// What was signed was committed before, and stays in the log.
    SignedIsCommitted,
    /// What was acknowledged stays in the log.
    AcknowledgedIsKept,
    /// What was refused never gets into the log.
    RefusedStaysOut,
    /// No batch is in the log twice.
    ExactlyOnce,
    /// A head is shown by the process that holds the lease. It does not hold where a lease is taken while it runs.
    ShownByLeader,
}

impl Promise {
    /// What a report calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneRootPerSize => "one root per size",
            Self::SignedIsCommitted => "what is signed was committed",
            Self::AcknowledgedIsKept => "what is acknowledged is kept",
            Self::RefusedStaysOut => "what is refused stays out",
            Self::ExactlyOnce => "exactly once",
            Self::ShownByLeader => "heads are shown by the leader",
        }
    }
}

pub(crate) fn properties() -> Vec<Property<Protocol>> {
    vec![
        Property::always(Promise::OneRootPerSize.name(), |_, world: &World| {
            let sizes = world.signed.iter().map(Tree::size);
            sizes.clone().count() == sizes.collect::<std::collections::BTreeSet<_>>().len()
        }),
        Property::always(Promise::SignedIsCommitted.name(), |_, world: &World| {
            world.signed.iter().all(|tree| tree.is_prefix_of(&world.database.tree))
        }),
        Property::always(Promise::AcknowledgedIsKept.name(), |_, world: &World| {
            world.acknowledged.iter().all(|batch| world.database.tree.holds(*batch))
        }),
        Property::always(Promise::RefusedStaysOut.name(), |_, world: &World| {
            !world.refused.iter().any(|batch| world.database.tree.holds(*batch))
        }),
        Property::always(Promise::ExactlyOnce.name(), |_, world: &World| {
            let tree = &world.database.tree;
            tree.size() == tree.batches().collect::<std::collections::BTreeSet<_>>().len()
        }),
        Property::always(Promise::ShownByLeader.name(), |protocol: &Protocol, world: &World| {
            protocol.takeover == Takeover::AtOnce || !world.usurped
        }),
    ]
}
