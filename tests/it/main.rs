//! The integration tests, one binary: linking one is quicker than linking ten.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed; clippy knows only functions marked as tests"
)]

mod audit;
mod care;
mod collect;
mod damage;
mod database;
mod deployment;
mod emitters;
mod end_to_end;
mod evidence;
mod explore;
mod high_availability;
mod interfaces;
mod keys;
mod kill;
mod ladder;
mod layers;
mod life;
mod mirror;
mod monitor;
mod moving;
mod objects;
mod oidc;
mod power_cut;
mod process;
mod program;
mod pruning;
mod quotas;
mod readme;
mod recovered;
mod sd_jwt_python;
mod several;
mod spans;
mod standby;
mod standby_bucket;
mod strangers;
mod succession;
mod telemetry;
mod tlog_witness;
mod tls;
mod witness;
mod witness_database;
mod witness_key;
mod witnesses;
mod words;
