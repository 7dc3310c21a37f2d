//! Goal: each statement is in the log exactly once, in order, with its receipt, through crashes of either side and connections
//! that break at any byte.
//! Method: a proxy that cuts by seed or by plan; gateways dropped without a word; logs reopened from what is durable. A failing
//! seed is in the message.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use vouchlog_client::{Gateway, LoggedStatements, ReceiptSink};
use vouchlog_stream::Statement;

use crate::proxy::Budget;
use crate::world::{Rng, World, in_time, statements};

/// Remembers which statements it got a receipt for.
#[derive(Clone, Default)]
struct DurableDigests(Arc<Mutex<HashSet<[u8; 32]>>>);

impl ReceiptSink for DurableDigests {
    fn keep(&mut self, taken: &LoggedStatements) -> std::io::Result<()> {
        let digests = taken.statements().iter().map(|statement| *statement.digest.as_bytes());
        self.0.lock().unwrap().extend(digests);
        Ok(())
    }
}

impl DurableDigests {
    fn check(&self, submitted: &[Statement]) {
        let kept = self.0.lock().unwrap();
        assert!(
            submitted.iter().all(|statement| kept.contains(statement.digest.as_bytes())),
            "a receipt was lost"
        );
    }
}

async fn open(world: &World, dir: &std::path::Path, kept: &DurableDigests) -> Gateway {
    let mut config = world.config(dir);
    config.sink = Some(Box::new(kept.clone()));
    Gateway::open(config).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_anywhere() {
    for seed in 0..6 {
        println!("seed {seed}");
        let (world, dir, kept) =
            (World::start().await, tempfile::tempdir().unwrap(), DurableDigests::default());
        let mut rng = Rng(seed);
        world.proxy.plan(move || Budget { up: 400 + rng.below(9_000), down: 400 + rng.below(9_000) });
        let gateway = open(&world, dir.path(), &kept).await;
        let mut rng = Rng(seed + 100);
        let (mut submitted, mut tickets) = (0, Vec::new());
        while submitted < 400 {
            let count = 1 + rng.below(12) as u64;
            tickets.push(gateway.submit(statements(submitted..submitted + count)).await.unwrap());
            submitted += count;
        }
        for ticket in tickets {
            in_time(ticket).await.unwrap();
        }
        in_time(gateway.close()).await.unwrap();
        world.check_exactly(&statements(0..submitted)).await;
        kept.check(&statements(0..submitted));
    }
}

/// The reply to every step is lost at every place, to the step of a few bytes; then the gateway dies, and another takes over.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_killed_between_any_two_steps() {
    let (world, dir, kept) = (World::start().await, tempfile::tempdir().unwrap(), DurableDigests::default());
    let mut submitted = 0;
    for down in (0..4_000).step_by(97) {
        let mut first = true;
        world.proxy.plan(move || {
            let down = if std::mem::take(&mut first) { down } else { 0 };
            Budget { up: usize::MAX, down }
        });
        let gateway = open(&world, dir.path(), &kept).await;
        drop(gateway.submit(statements(submitted..submitted + 17)).await.unwrap());
        submitted += 17;
        in_time(async {
            while gateway.status().trouble.is_none() && gateway.waiting() > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        })
        .await;
        drop(gateway);
        world.proxy.cut();
    }
    world.proxy.plan(|| Budget::ENDLESS);
    let gateway = open(&world, dir.path(), &kept).await;
    in_time(gateway.flush()).await.unwrap();
    world.check_exactly(&statements(0..submitted)).await;
    kept.check(&statements(0..submitted));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_are_killed_at_random() {
    for seed in 0..4 {
        println!("seed {seed}");
        let (mut world, dir, kept) =
            (World::start().await, tempfile::tempdir().unwrap(), DurableDigests::default());
        let mut rng = Rng(seed);
        let mut gateway = open(&world, dir.path(), &kept).await;
        let mut submitted = 0;
        for _ in 0..60 {
            let count = 1 + rng.below(9) as u64;
            drop(gateway.submit(statements(submitted..submitted + count)).await.unwrap());
            submitted += count;
            match rng.below(12) {
                0 => world.kill_and_restart().await,
                1 => {
                    drop(gateway);
                    gateway = open(&world, dir.path(), &kept).await;
                }
                2 => world.proxy.cut(),
                3 => in_time(gateway.flush()).await.unwrap(),
                _ => tokio::task::yield_now().await,
            }
        }
        in_time(gateway.flush()).await.unwrap();
        world.check_exactly(&statements(0..submitted)).await;
        kept.check(&statements(0..submitted));
    }
}
