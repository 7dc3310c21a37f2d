//! The client as programs use it, against real counterparts: the engine behind the real server on the loopback interface, a
//! proxy that cuts connections, files, and small logs in memory that lie.

#![expect(clippy::unwrap_used, reason = "a test may panic; the lint's exception does not reach its helpers")]

mod crash;
mod disk;
mod gateway;
mod headless;
mod lies;
mod memory_log;
mod proxy;
mod submitter;
mod tile_reader;
mod verified_log;
mod witness;
mod world;
