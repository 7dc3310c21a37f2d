//! Faults of processes, network, database, object store and clocks under load, with a referee: two supervised nodes, a stretch of network
//! between each and the database, gateways that see one address. After each fault everything acknowledged is there; at the end every head
//! that any node ever signed is a head of the one history.
//!
//! Most of the time these tests wait. `.ci/run` runs them beside other steps, and `VOUCHLOG_LONG_TESTS=1` repeats each fault.

use std::fmt;
use std::thread;
use std::time::Duration;

use super::campaign::{Campaign, Successor};
use super::cluster::{Cluster, Node, NodeSettings, wait};
use super::link::Stall;
use crate::database::{Postgres, Site};
use crate::process::{free_port, rounds};

mod bucket;
mod clocks;
mod edits;
mod failover;
mod partitions;
mod points;

/// In the short and the long form, for each fault.
const ROUNDS: (u64, u64) = (1, 10);
/// In the short and the long form, of the leader alone.
const KILLS: (u64, u64) = (3, 100);
/// Longer than a lease, so that the other node takes over.
const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// kill -9 of the leader.
    Killed,
    /// The leader is stopped for longer than its lease, and goes on.
    Paused,
    /// The leader and the database do not reach each other; what was under way arrives afterwards.
    Partitioned,
    /// What the leader sends arrives late, after its lease.
    RequestsLate,
    /// What the database answers is lost, after it was done.
    AnswersLost,
    /// The leader's connections are cut, twenty times.
    Cut,
    /// The database's sessions are terminated, twenty times.
    Terminated,
    /// The database crashes and recovers.
    DatabaseCrashed,
    /// The lease is over in the database before its time, twenty times, as after jumps of the database's clock.
    LeaseCutShort,
}

impl Fault {
    const ALL: [Self; 9] = [
        Self::Killed,
        Self::Paused,
        Self::Partitioned,
        Self::RequestsLate,
        Self::AnswersLost,
        Self::Cut,
        Self::Terminated,
        Self::DatabaseCrashed,
        Self::LeaseCutShort,
    ];

    /// Who must lead afterwards. A leader that was killed is started again, and may be quicker once its lease is over.
    fn successor(self) -> Successor {
        match self {
            Self::Paused | Self::Partitioned | Self::RequestsLate | Self::AnswersLost => Successor::Standby,
            _ => Successor::Either,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Killed => "kill -9 of the leader",
            Self::Paused => "leader paused for 4 s",
            Self::Partitioned => "leader cut off from the database for 4 s",
            Self::RequestsLate => "leader's statements held for 4 s",
            Self::AnswersLost => "database's answers held for 4 s, then lost",
            Self::Cut => "leader's connections cut, 20 times",
            Self::Terminated => "database's sessions terminated, 20 times",
            Self::DatabaseCrashed => "database crashed and recovered",
            Self::LeaseCutShort => "lease over before its time, 20 times",
        })
    }
}

/// A database and two nodes on loopback, in a folder. The cluster is dropped first: its nodes are clients of the database.
struct World {
    cluster: Cluster,
    postgres: Postgres,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Option<Self> {
        Self::with(|_| {}, |_| {})
    }

    /// With settings of the database and of the nodes changed.
    fn with(
        of_database: impl FnOnce(&mut Site),
        of_nodes: impl FnOnce(&mut [NodeSettings; 2]),
    ) -> Option<Self> {
        let Some(bin) = Postgres::programs() else {
            eprintln!("not tested: PostgreSQL is not installed");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        let port = free_port();
        let mut site = Site::local(port);
        of_database(&mut site);
        let postgres = Postgres::start_at(&bin, folder.path(), site);
        let mut settings = [NodeSettings::local(port), NodeSettings::local(port)];
        of_nodes(&mut settings);
        let cluster = Cluster::start(folder.path(), settings);
        Some(Self { cluster, postgres, _folder: folder })
    }
}

/// Does it, and undoes it once its time is over.
fn inflict(fault: Fault, postgres: &mut Postgres, leader: &Node, other: &Node) {
    let for_a_while = || {
        thread::sleep(LONGER_THAN_A_LEASE);
        // However long that takes here: before, the leader could renew its lease.
        wait("the other node takes over", || other.leads());
    };
    match fault {
        Fault::Killed => kill(leader),
        Fault::Paused => {
            leader.signal("STOP");
            for_a_while();
            leader.signal("CONT");
        }
        Fault::Partitioned | Fault::RequestsLate | Fault::AnswersLost => {
            leader.link.hold(match fault {
                Fault::RequestsLate => Stall::Requests,
                Fault::AnswersLost => Stall::Answers,
                _ => Stall::Both,
            });
            for_a_while();
            if fault == Fault::AnswersLost {
                leader.link.cut();
            }
            leader.link.heal();
        }
        Fault::Cut => repeat(|| leader.link.cut()),
        Fault::Terminated => repeat(|| {
            postgres.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'vouchlog%'",
            );
        }),
        Fault::DatabaseCrashed => postgres.crash_and_recover(),
        Fault::LeaseCutShort => {
            repeat(|| postgres.sql("UPDATE vouchlog_lease SET renewed = renewed - interval '1 hour'"));
        }
    }
}

/// Kills a node. What it acknowledged before has arrived when this returns.
fn kill(node: &Node) {
    let pid = node.pid();
    node.signal("KILL");
    wait("the node is started again", || node.pid() != pid);
}

fn repeat(mut act: impl FnMut()) {
    for _ in 0..20 {
        act();
        thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_loses_an_acknowledged_entry_or_makes_a_second_root() {
    let Some(mut world) = tokio::task::block_in_place(World::new) else { return };
    let mut campaign = Campaign::start(&world.cluster).await;
    for fault in (0..rounds(ROUNDS)).flat_map(|_| Fault::ALL) {
        let World { cluster, postgres, .. } = &mut world;
        let inflict = |leader: &Node, other: &Node| inflict(fault, postgres, leader, other);
        campaign.round(cluster, &fault.to_string(), fault.successor(), inflict).await;
    }
    campaign.end(&world.cluster).await;
}

/// The leader is killed at any moment of its life, in the long form a hundred times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_killed_again_and_again_loses_nothing() {
    let Some(world) = tokio::task::block_in_place(World::new) else { return };
    let mut campaign = Campaign::start(&world.cluster).await;
    for round in 0..rounds(KILLS) {
        let killed = |leader: &Node, _: &Node| {
            // Spread over the time between two renewals, and over commits.
            thread::sleep(Duration::from_millis(round * 137 % 600));
            kill(leader);
        };
        campaign.round(&world.cluster, "kill -9 of the leader", Successor::Either, killed).await;
    }
    campaign.end(&world.cluster).await;
}
