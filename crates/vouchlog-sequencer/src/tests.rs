//! The engine on the in-memory store: every promise, and every way a store can break one.

mod behaviour;
mod eviction;
mod faults;
mod recovery;
mod witnesses;
