//! What the log engine asks of a store; a store in memory with a fault plan; and the suite every store must pass.
//!
//! The contract is small on purpose, so that an embedded database, an SQL server or an object store with conditional
//! writes can all keep it: **the [`Living`] part** (head, states, the entries not yet in full bundles) is small and swapped
//! atomically by each commit; **the [`Sealed`] part** (full tiles and full bundles) never changes again. [`Sealing`] makes a
//! [`Store`] of any pair of them. Lookup tables are a follower's [`Index`], outside the commit, and may be lost.
//!
//! A head is committed first and signed afterwards. So "one root per size" rests on the commit alone, and a process that
//! stops between the two signs the same head when it starts again.
//!
//! A witness keeps a small state for each log it cosigns, in a [`WitnessStore`] with the same promises. A vault may keep sealed content
//! in a [`ContentStore`].
//!
//! Out of scope: what entries mean (`vouchlog-stream`), how the tree grows (`vouchlog-merkle`), who writes when
//! (`vouchlog-sequencer`).
//!
//! *Invariant: when [`Store::commit`] returns, what it was given survives a power cut.*

pub mod conformance;
mod content_store;
mod error;
pub mod framing;
mod index;
mod living;
mod memory;
mod memory_witness;
mod place;
mod pruned;
mod residence;
mod sealing;
mod snapshot;
mod store;
mod tenure;
mod view;
mod witness_store;

pub use content_store::{ContentFuture, ContentStore};
pub use error::{CommitError, StoreError};
pub use index::{
    COMPARED_BYTES, Index, IndexAnswer, IndexBatch, MemoryIndex, RunEntry, StreamPlaces, key_prefix,
};
pub use living::{Epoch, Living, Sealed, Tail};
pub use memory::{Fault, FaultPlan, MemoryStore};
pub use memory_witness::MemoryWitnessStore;
pub use place::{FileRange, Part};
pub use pruned::Pruned;
pub use residence::{Move, MoveId, Residence};
pub use sealing::Sealing;
pub use snapshot::Snapshot;
pub use store::{Batch, Growth, Loaded, StateKey, Store};
pub use tenure::Tenure;
pub use view::{Checkpoints, Unsealed, View};
pub use witness_store::{
    MAX_WITNESS_CHANGES, MAX_WITNESS_STATE_BYTES, Revision, StoreIdentity, WitnessChange, WitnessCommitError,
    WitnessStore, check_witness_changes,
};
