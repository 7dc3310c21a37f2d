//! Rounds of faults under load. After each fault everything acknowledged is there; at the end every head that any node ever signed is a
//! head of the one history, and an audit finds nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use vouchlog_client::{Connection, GrpcLog};

use super::cluster::{Cluster, Node};
use super::{Load, PATIENCE};
use crate::kill::Replay;
use crate::process::run;
use crate::witnesses::{json, log_key};

/// Who must lead after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Successor {
    /// The node that was the standby.
    Standby,
    /// The leader stays, unless its renewals fail for another reason, such as a machine that is too busy.
    Leader,
    /// Either, by their speed: a leader that ends at once is started again while its lease runs out.
    Either,
}

/// A campaign under way.
pub(super) struct Campaign {
    url: String,
    pub(super) log: GrpcLog,
    pub(super) load: Load,
    replay: Replay,
    rounds: Vec<Round>,
}

/// What came of a round.
struct Round {
    fault: String,
    /// The longest time in which nothing was acknowledged.
    waited: Duration,
    is_takeover: bool,
}

impl Campaign {
    pub(super) async fn start(cluster: &Cluster) -> Self {
        let url = cluster.url();
        let log = GrpcLog::connect(&Connection::new(&url)).unwrap();
        let load = Load::start(&log).await;
        Self { url, log, load, replay: Replay::default(), rounds: Vec::new() }
    }

    /// One fault: inflicted and undone by `inflict`, which gets the leader and the standby.
    pub(super) async fn round(
        &mut self,
        cluster: &Cluster,
        fault: &str,
        successor: Successor,
        inflict: impl FnOnce(&Node, &Node),
    ) {
        let (leader, standby) = tokio::task::block_in_place(|| cluster.roles());
        let logged = leader.lines().len();
        self.wait_for_more(fault).await;
        let gap = Gap::measure(&self.load);
        tokio::task::block_in_place(|| inflict(&leader, &standby));
        self.wait_for_more(fault).await;
        let waited = gap.end().await;
        let (leads, _) = tokio::task::block_in_place(|| cluster.roles());
        let is_takeover = leads.address != leader.address;
        match successor {
            Successor::Standby => assert!(is_takeover, "{fault}: the standby did not take over"),
            Successor::Leader => {
                let lines = &leader.lines()[logged..];
                assert!(
                    !is_takeover || lines.contains("was not renewed"),
                    "{fault}: the standby took over: {lines}"
                );
            }
            Successor::Either => {}
        }
        eprintln!("{fault}: nothing was acknowledged for {waited:.1?}");
        self.rounds.push(Round { fault: fault.to_owned(), waited, is_takeover });
        self.replay.follow(&self.log, &self.load.so_far().await).await;
    }

    /// Waits until more is acknowledged.
    async fn wait_for_more(&self, fault: &str) {
        let (before, deadline) = (self.load.count().await, Instant::now() + PATIENCE);
        while self.load.count().await == before {
            assert!(Instant::now() < deadline, "{fault}: nothing is acknowledged any more");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Compares what was acknowledged, and every head that was ever signed, with the log: one history has them all. Prints the figures.
    pub(super) async fn end(self, cluster: &Cluster) {
        let Self { url, log, load, rounds, .. } = self;
        load.more_than(100).await;
        let mut promised = load.end().await;
        let signed = cluster.referee.heads();
        let number = signed.len();
        promised.heads.extend(signed);
        Replay::default().follow(&log, &promised).await;
        check_audit(url).await;
        report(&rounds, promised.statements.len(), number);
    }
}

/// The figures of docs/reliability.md.
fn report(rounds: &[Round], acknowledged: usize, signed: usize) {
    eprintln!("| fault | rounds | takeovers | waited: median | 99 % | longest |");
    eprintln!("| --- | ---: | ---: | ---: | ---: | ---: |");
    let mut faults: Vec<&str> = Vec::new();
    for round in rounds {
        if !faults.contains(&&*round.fault) {
            faults.push(&round.fault);
        }
    }
    let line = |name: &str, rounds: &[&Round]| {
        let mut waited: Vec<f64> = rounds.iter().map(|round| round.waited.as_secs_f64()).collect();
        waited.sort_by(f64::total_cmp);
        let takeovers = rounds.iter().filter(|round| round.is_takeover).count();
        let rank = |percent: usize| waited[(waited.len() * percent).div_ceil(100).max(1) - 1];
        let (half, most, all) = (rank(50), rank(99), rank(100));
        eprintln!("| {name} | {} | {takeovers} | {half:.1} s | {most:.1} s | {all:.1} s |", rounds.len());
    };
    for fault in faults {
        let of_one: Vec<_> = rounds.iter().filter(|round| round.fault == fault).collect();
        line(fault, &of_one);
    }
    let takeovers: Vec<_> = rounds.iter().filter(|round| round.is_takeover).collect();
    if !takeovers.is_empty() {
        line("all takeovers", &takeovers);
    }
    eprintln!("{acknowledged} statements acknowledged, none lost; {signed} heads signed, no second root");
}

/// The longest time in which nothing was acknowledged.
struct Gap {
    stop: Arc<AtomicBool>,
    watching: tokio::task::JoinHandle<Duration>,
}

impl Gap {
    fn measure(load: &Load) -> Self {
        let (stop, promised) = (Arc::<AtomicBool>::default(), load.promised.clone());
        let ends = stop.clone();
        let watching = tokio::spawn(async move {
            let (mut count, mut since, mut longest) = (0, Instant::now(), Duration::ZERO);
            while !ends.load(Ordering::SeqCst) {
                let now = promised.lock().await.statements.len();
                longest = longest.max(since.elapsed());
                if now != count {
                    (count, since) = (now, Instant::now());
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            longest
        });
        Self { stop, watching }
    }

    async fn end(self) -> Duration {
        self.stop.store(true, Ordering::SeqCst);
        self.watching.await.unwrap()
    }
}

/// An audit of the whole log finds nothing.
async fn check_audit(url: String) {
    let vkey = log_key().verifying_key().to_string();
    let output =
        tokio::task::spawn_blocking(move || run(&["audit", "--json", "--log", &url, "--log-vkey", &vkey]));
    let report = json(&String::from_utf8_lossy(&output.await.unwrap().stdout));
    let findings = report["findings"].as_array().unwrap();
    // Gateways that do not close their streams fall silent; nothing else may be found, such as a statement that is there twice.
    let others: Vec<_> = findings.iter().filter(|it| it["kind"] != "silent-stream").collect();
    assert!(others.is_empty(), "{report}");
    assert_eq!(report["checked"]["entries"], report["checkpoint"]["size"], "{report}");
}
