//! The witness against tlog-witness, against logs that lie, and against stores that fail. One binary: linking one is quicker than
//! linking ten.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the verdict, in its helpers too")]

mod concurrency;
mod faults;
mod logs;
mod model;
mod refusals;
mod retirement;
mod sequence;
mod statuses;
mod subtree;
mod vectors;
mod world;
