//! The engine, on a store in memory: all of a request but the disk.

use prometheus_client::registry::Registry;
use tokio::runtime::{Builder, Runtime};
use vouchlog_sequencer::testing::{TestClock, TestGateway, config, statements, verify};
use vouchlog_sequencer::{Engine, Options};
use vouchlog_storage::MemoryStore;

use crate::cases::{Round, SECONDS};

/// Statements of a request. One request is one batch: how many requests meet in a batch depends on time, which is another under Valgrind.
const STATEMENTS: usize = 1_024;

/// One thread, so that what is counted is the same in each run.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A new log.
pub(crate) fn open() -> Engine<MemoryStore> {
    let config = config(&TestClock::default(), Options::default());
    Engine::open(config, MemoryStore::default(), None, &mut Registry::default()).expect("a new log")
}

/// Sends a request and verifies its receipt.
pub(crate) fn append() -> Round {
    let runtime = runtime();
    let log = runtime.block_on(async { open() });
    let mut gateway = runtime.block_on(TestGateway::open(&log, 10)).expect("enrolled and open");
    let body = statements(STATEMENTS, 1);
    Box::new(move || {
        let request = gateway.request(body.clone(), SECONDS);
        let appended = runtime.block_on(vouchlog_api::Appender::append(&log, request)).expect("appended");
        verify(&appended, &body);
    })
}
