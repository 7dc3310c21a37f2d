//! The pair of sled and an object store against the suite of the contract, and against what object stores do.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the verdict, in its helpers too")]

mod conditions;
mod contents;
mod crash;
mod faults;
mod faulty;
mod opening;
mod pair;
mod pruning;
mod publishing;
#[path = "../../../vouchlog-storage-sled/tests/store/synthetic.rs"]
#[allow(dead_code, reason = "the store of that crate opens directories without objects")]
mod synthetic;

use std::sync::Arc;

use object_store::memory::InMemory;
use vouchlog_storage::conformance;

use pair::{Place, azure, open, s3};

#[test]
fn sled_and_a_bucket_in_memory_pass_the_suite() {
    conformance::check_store(|| {
        let (dir, memory) = (tempfile::tempdir().unwrap(), Arc::new(InMemory::new()));
        move || open(dir.path(), &pair::over(memory.clone())).unwrap()
    });
}

#[test]
fn sled_and_a_folder_pass_the_suite() {
    conformance::check_store(|| {
        let (dir, objects) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        move || open(dir.path(), &pair::folder(objects.path())).unwrap()
    });
}

#[test]
fn sled_and_an_s3_server_pass_the_suite() {
    let Some(server) = s3() else { return };
    check_server(&server);
}

#[test]
fn sled_and_an_azure_server_pass_the_suite() {
    let Some(server) = azure() else { return };
    check_server(&server);
}

fn check_server(server: &str) {
    conformance::check_store(|| {
        // One bucket for all openings: it is probed once, and a probe takes seconds.
        let (dir, bucket) = (tempfile::tempdir().unwrap(), Place::new(server).bucket());
        move || open(dir.path(), &bucket).unwrap()
    });
}
