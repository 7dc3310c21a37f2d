//! Goal: both interfaces of a vault's server are one: the same operations, answers, refusals and bounds. Method: a vault with records of two
//! tenants behind the real server on a socket of the loopback interface, asked over HTTP and by RPCs. It has no log: what a log records is
//! tested with the real program (`tests/it/evidence/served`).

mod answers;
mod contract;
mod nowhere;
mod refusals;
mod world;
