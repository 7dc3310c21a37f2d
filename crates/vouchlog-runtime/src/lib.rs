//! What every long-running part of Vouchlog needs and none should write twice.
//!
//! | module | provides |
//! | --- | --- |
//! | [`clock`] | typed wall-clock and monotonic time, as a value that tests and simulations control |
//! | [`durable`] | files that are written completely or not at all, and survive a power cut |
//! | [`gunzip`] | unzipping foreign bytes in steps of bounded work |
//! | [`lock`] | files that one process holds at a time |
//! | [`backoff`] | growing, jittered waits between retries |
//! | [`buffer`] | buffers that grow with what arrives, within a bound |
//! | [`pace`] | work at a rate: bytes or requests a second |
//! | [`mod@caught`] | panics of libraries as errors |
//! | [`poison`] | the switch that stops writing for good, and a future that waits for it |
//! | [`readiness`] | the checks behind `/readyz` |
//! | [`program`] | running a program of the operator's, within bounds |
//! | [`watched`] | work on a thread of its own, with a deadline |
//! | [`queue`] | a bounded queue of requests, each with a caller that waits for a typed reply |
//! | [`charge`] | the key that a request is charged to |
//! | [`request_id`] | the id of the request that is being answered |
//! | [`scope`] | the span that threads of one log of several stay in |
//! | [`sender`] | who sent it, for what passes it on |
//! | [`metrics`] | registering a metric in one line |
//!
//! Out of scope: the log's formats, its store and its interfaces. This crate does not know what a log is.
//!
//! *Invariant: nothing here depends on another crate of this workspace.*

pub mod backoff;
pub mod buffer;
pub mod caught;
pub mod charge;
pub mod clock;
pub mod durable;
pub mod gunzip;
pub mod lock;
pub mod metrics;
pub mod pace;
pub mod poison;
pub mod program;
pub mod queue;
pub mod readiness;
pub mod request_id;
pub mod scope;
pub mod sender;
pub mod watched;

pub use backoff::Backoff;
pub use caught::{caught, hush_caught_panics};
pub use clock::{Clock, Monotonic, UnixMillis, UnixSeconds};
pub use gunzip::Gunzip;
pub use pace::Pace;
pub use poison::Poison;
pub use readiness::{Check, Readiness};
pub use watched::Watched;
