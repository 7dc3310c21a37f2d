//! The protocol of a log in PostgreSQL as a model that a checker walks through: three nodes, one database, its clock, and messages that
//! are late or lost. `README.md` beside this crate compares each step with the code that it stands for.
//!
//! *Invariant: a step of the model is one that the code can take between two moments at which it can be stopped.*

mod database;
mod model;
mod node;
mod plant;
mod promises;
mod reached;
mod world;

pub use model::{Action, Limits, Protocol, Takeover, canonical};
pub use plant::Plant;
pub use promises::Promise;
pub use reached::Event;
pub use world::World;
