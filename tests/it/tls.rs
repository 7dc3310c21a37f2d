//! Goal: a server meets strangers with TLS or not at all, and the program sends nothing in clear over a network by itself. Method: the
//! real program, OpenSSL's client, curl, and an ACME authority (Pebble). Where a tool is missing, its tests say so.

mod acme;
mod clear;
mod clients;
pub(crate) mod files;

use std::process::Command;

/// Whether a program can be started here. One that cannot is named, with what was not tested.
pub(crate) fn have(program: &str, argument: &str) -> bool {
    let found = Command::new(program).arg(argument).output().is_ok();
    if !found {
        eprintln!("NOT TESTED: `{program}` is not installed, so TLS was not tried with it");
    }
    found
}
