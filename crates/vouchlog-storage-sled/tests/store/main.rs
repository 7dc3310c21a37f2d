//! The store on sled against the suite of the contract, and against what can happen to a directory.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the verdict, in its helpers too")]

mod care;
mod crash;
mod damage;
mod forgetting;
mod moving;
mod opening;
mod synthetic;
mod witness;

use vouchlog_storage::conformance;
use vouchlog_storage_sled::{Options, RunIndex, SledStore};

#[test]
fn passes_the_suite_of_stores() {
    conformance::check_store(|| {
        let dir = tempfile::tempdir().unwrap();
        move || SledStore::open(dir.path(), synthetic::ORIGIN, Options::default()).unwrap()
    });
}

#[test]
fn passes_the_suite_of_stores_that_give_up_entries() {
    conformance::check_pruning(|| {
        let dir = tempfile::tempdir().unwrap();
        move || SledStore::open(dir.path(), synthetic::ORIGIN, Options::default()).unwrap()
    });
}

#[test]
fn the_index_passes_the_suite_of_indexes() {
    conformance::check_index(|| {
        let dir = tempfile::tempdir().unwrap();
        move || RunIndex::open(&dir.path().join("index")).unwrap()
    });
}
