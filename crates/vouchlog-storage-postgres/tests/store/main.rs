//! The store in PostgreSQL against the suite of the contract, and against what can happen to a database and its clients.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the verdict, in its helpers too")]

mod cluster;
mod crash;
mod faults;
mod lease;
mod lost;
mod moving;
mod objects;
mod opening;
mod proxy;
mod pruning;
mod synthetic;

use vouchlog_storage::conformance;
use vouchlog_storage_postgres::{Database, Location, PostgresWitnessStore};

use cluster::Place;

#[test]
fn passes_the_suite_of_stores() {
    let Some(server) = cluster::server() else { return };
    conformance::check_store(|| {
        let place = Place::in_server(&server);
        move || place.open()
    });
}

#[test]
fn passes_the_suite_of_stores_over_segments() {
    let Some(server) = cluster::server() else { return };
    conformance::check_store(|| {
        let place = Place::in_server(&server);
        move || place.open_segments()
    });
}

#[test]
fn passes_the_suite_of_witness_stores() {
    let Some(server) = cluster::server() else { return };
    conformance::check_witness_store(|| {
        let place = Place::in_server(&server);
        move |fresh| {
            let database = Database::new(Location::parse(&place.url()).unwrap()).unwrap();
            PostgresWitnessStore::open(database, &place.origin, Some(fresh)).unwrap()
        }
    });
}
