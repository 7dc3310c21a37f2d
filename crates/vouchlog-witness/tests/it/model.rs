//! Random requests of honest and forking logs, against a model that is too slow and too simple to be wrong: it keeps every entry
//! of what was cosigned and compares lists.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use vouchlog_api::ErrorKind;
use vouchlog_storage::MemoryWitnessStore;

use crate::world::{TestLog, World, memory, request};

const SIZE: u64 = 9;

/// A request: of which log and history, from and to which size, with a proof of which history.
#[derive(Clone, Debug)]
struct CosignRequest {
    log: usize,
    fork: usize,
    old: u64,
    new: u64,
    proof_of: usize,
    restart: bool,
}

fn asked() -> impl Strategy<Value = CosignRequest> {
    let history = || prop_oneof![4 => Just(0usize), 1 => 1..4usize];
    (0..2usize, history(), 0..=SIZE, 0..=SIZE, history(), prop::bool::weighted(0.05)).prop_map(
        |(log, fork, old, new, proof_of, restart)| CosignRequest { log, fork, old, new, proof_of, restart },
    )
}

/// History 0 is the log's; history n parts from it at some entry.
fn histories(origin: &str) -> Vec<TestLog> {
    let log = TestLog::new(origin, SIZE);
    [usize::MAX, 0, 3, 6].iter().map(|&at| log.forked_at(at)).collect()
}

/// What the model makes of a request: it sees entries, where the witness sees roots and proofs.
fn expected(
    latest: Option<(usize, u64)>,
    asked: &CosignRequest,
    histories: &[TestLog],
) -> Result<(), ErrorKind> {
    let size = latest.map_or(0, |(_, size)| size);
    if asked.old > asked.new {
        return Err(ErrorKind::InvalidArgument);
    }
    if asked.old != size {
        return Err(ErrorKind::Conflict { size });
    }
    let same = |one: usize, other: usize, size| histories[one].head(size) == histories[other].head(size);
    let extends = latest.is_none_or(|(history, size)| same(history, asked.fork, size));
    // A proof of another history is right where it is the same proof.
    let proves = histories[asked.proof_of].proof(asked.old, asked.new)
        == histories[asked.fork].proof(asked.old, asked.new);
    if extends && proves { Ok(()) } else { Err(ErrorKind::Inconsistent) }
}

async fn run(requests: Vec<CosignRequest>) {
    let logs = [histories("log.example.com/0"), histories("log.example.com/1")];
    let mut store: Arc<MemoryWitnessStore> = memory();
    let mut world = World::open(store.clone(), &[&logs[0][0], &logs[1][0]]);
    let mut model: HashMap<usize, (usize, u64)> = HashMap::new();
    for asked in requests {
        if asked.restart {
            store = Arc::new(store.reopen());
            world = World::open(store.clone(), &[&logs[0][0], &logs[1][0]]);
        }
        let histories = &logs[asked.log];
        let proof = histories[asked.proof_of].proof(asked.old, asked.new);
        let answer =
            world.ask(request(asked.old, proof, histories[asked.fork].signed(asked.new).note())).await;
        let expected = expected(model.get(&asked.log).copied(), &asked, histories);
        assert_eq!(answer.map(|_| ()).map_err(|error| error.kind), expected, "{asked:?} after {model:?}");
        if expected.is_ok() {
            model.insert(asked.log, (asked.fork, asked.new));
        }
        for (log, (history, size)) in &model {
            let served = world.latest(&logs[*log][0]).await.unwrap().head();
            assert_eq!(served, logs[*log][*history].head(*size));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn it_answers_as_the_model_does(requests in prop::collection::vec(asked(), 1..40)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run(requests));
    }
}
