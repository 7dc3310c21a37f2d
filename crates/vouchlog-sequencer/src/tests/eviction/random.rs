//! Random histories on two logs, one of which evicts as early as it can: both answer alike, step by step.

use std::sync::Arc;

use proptest::prelude::*;
use vouchlog_api::{AckLevel, Append, Appender, StreamInfo};
use vouchlog_merkle::{TreeHead, TreeSize, leaf_hash};
use vouchlog_storage::Index;
use vouchlog_stream::Previous;

use super::{T, World, answers, words};
use crate::testing::{TestGateway, statements};

/// What is done to both logs. Streams are named by their place among those opened so far.
#[derive(Clone, Debug)]
enum Step {
    Open { seed: u8, number: u64, continues: Option<usize>, wrong_size: bool },
    Send { stream: usize, count: usize, close: bool },
    Head { stream: usize, close: bool },
    Fork { stream: usize },
    Crash,
    LoseIndex,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let stream = 0..64_usize;
    let open = (10..12_u8, 0..12_u64, proptest::option::of(stream.clone()), proptest::bool::weighted(0.2));
    let step = prop_oneof![
        6 => open.prop_map(|(seed, number, continues, wrong_size)| {
            Step::Open { seed, number, continues, wrong_size }
        }),
        4 => (stream.clone(), 1..12_usize, any::<bool>())
            .prop_map(|(stream, count, close)| Step::Send { stream, count, close }),
        4 => (stream.clone(), any::<bool>()).prop_map(|(stream, close)| Step::Head { stream, close }),
        1 => stream.prop_map(|stream| Step::Fork { stream }),
        1 => Just(Step::Crash),
        1 => Just(Step::LoseIndex),
    ];
    proptest::collection::vec(step, 10..50)
}

/// One of the logs, and what its gateways sent.
struct Side {
    world: World,
    opened: Vec<TestGateway>,
}

impl Side {
    async fn new(kept: usize) -> Self {
        Self { world: World::new(kept).await, opened: Vec::new() }
    }

    /// Takes a step at a time; the answer in words.
    async fn take(&mut self, step: &Step, seconds: u64) -> String {
        let answer = self.answer(step, seconds).await;
        self.world.settle().await;
        answer
    }

    async fn answer(&mut self, step: &Step, seconds: u64) -> String {
        let size = |gateway: &TestGateway| gateway.range.end();
        let place = |stream: usize| stream % self.opened.len().max(1);
        let log = &self.world.log;
        match *step {
            Step::Open { seed, number, continues, wrong_size } => {
                let previous = continues.and_then(|stream| self.opened.get(place(stream)));
                let previous = previous.map(|gateway| Previous {
                    stream: gateway.stream,
                    size: size(gateway) + u64::from(wrong_size),
                });
                match TestGateway::open_numbered(log, seed, number, previous).await {
                    Ok(gateway) => {
                        let stream = gateway.stream;
                        if self.opened.iter().all(|known| known.stream != stream) {
                            self.opened.push(gateway);
                        }
                        format!("opened {stream}")
                    }
                    Err(error) => words(&error),
                }
            }
            Step::Send { stream, count, close } => {
                let place = place(stream);
                let Some(gateway) = self.opened.get_mut(place) else { return String::new() };
                let mut sent = gateway.clone();
                let request = Append { close, ..sent.request(statements(count, seconds), seconds) };
                match log.append(request).await {
                    Ok(appended) => {
                        *gateway = sent;
                        format!("appended up to {}", appended.stream_size)
                    }
                    Err(error) => words(&error),
                }
            }
            Step::Head { stream, close } => {
                let Some(gateway) = self.opened.get(place(stream)) else { return String::new() };
                let outcome = log.append(gateway.head_only(seconds, close)).await;
                outcome.map_or_else(|error| words(&error), |done| done.stream_size.to_string())
            }
            Step::Fork { stream } => {
                // There is one root of no statements.
                let forks = |gateway: &&TestGateway| size(gateway) > 0;
                let Some(gateway) = self.opened.get(place(stream)).filter(forks) else {
                    return String::new();
                };
                let head = TreeHead { size: TreeSize::new(size(gateway)), root: leaf_hash(b"another") };
                let request = Append {
                    stream: gateway.stream,
                    old_size: size(gateway),
                    statements: Vec::new(),
                    head: gateway.sign_head(head, seconds),
                    close: false,
                    wait_for: AckLevel::Sequenced,
                };
                log.append(request).await.map_or_else(|error| words(&error), |_| "taken".into())
            }
            Step::Crash => {
                // The old process may write to its own index as long as it lives.
                let World { store, clock, kept, .. } = &self.world;
                let store = Arc::new(store.reopen());
                self.world = World::open(store, Arc::default(), clock.clone(), *kept).unwrap();
                String::new()
            }
            Step::LoseIndex => {
                // What the follower had read before would go into an empty index that then claims to cover everything.
                self.world.follow().await;
                self.world.index.clear().unwrap();
                self.world.tick().await;
                String::new()
            }
        }
    }

    async fn infos(&self) -> Vec<StreamInfo> {
        let mut infos = Vec::new();
        for gateway in &self.opened {
            let info = self.world.log.stream(gateway.stream).await.unwrap();
            infos.push(StreamInfo { runs: Vec::new(), ..info });
        }
        infos
    }
}

async fn compare(steps: &[Step]) {
    let mut sides = [Side::new(usize::MAX).await, Side::new(0).await];
    for (step, seconds) in steps.iter().zip(T..) {
        let mut given = Vec::new();
        for side in &mut sides {
            given.push(side.take(step, seconds).await);
        }
        assert_eq!(given[0], given[1], "{step:?}");
    }
    let [keeping, evicting] = sides;
    assert_eq!(evicting.infos().await, keeping.infos().await);
    let log = |side: &Side| side.world.log.inner.shared.clone();
    for side in [&keeping, &evicting] {
        side.world.evict(&[]).await;
    }
    let ended: Vec<_> = log(&evicting).directory.read().streams.values().map(Arc::clone).collect();
    assert!(
        ended.iter().all(|stream| !stream.has_ended() || stream.fork().is_some()),
        "all that may is evicted"
    );
    let over = |side: &Side| {
        let infos = side.opened.clone();
        let open = log(side);
        infos.into_iter().filter(move |gateway| open.stream(gateway.stream).unwrap().has_ended()).collect()
    };
    let (kept, evicted): (Vec<TestGateway>, Vec<TestGateway>) = (over(&keeping), over(&evicting));
    assert_eq!(answers(&evicting.world.log, &evicted).await, answers(&keeping.world.log, &kept).await);
    keeping.world.check().await;
    evicting.world.check().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn a_log_that_evicts_answers_like_one_that_does_not(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(compare(&steps));
    }
}
