//! What an embedding program gets: features that pull in only what they need, and examples that run.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed; clippy knows only functions marked as tests"
)]

#[cfg(feature = "vault")]
mod examples;
mod features;
#[cfg(feature = "log")]
mod several;
