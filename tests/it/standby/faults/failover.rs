//! Failover of PostgreSQL itself: a primary that is killed or cut off from its standby, and the standby that is promoted. A synchronous
//! one has everything. An asynchronous one may not, and a witness keeps the log from being continued there.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use vouchlog_merkle::TreeHead;

use crate::database::Postgres;
use crate::kill::newest;
use crate::process::{free_port, rounds, succeed};
use crate::standby::campaign::{Campaign, Successor};
use crate::standby::cluster::{Cluster, Node, NodeSettings, wait, wait_for};
use crate::standby::{PATIENCE, World};
use crate::witnesses::{json, start_witness, write_policy};

/// In the short and the long form, for each fault.
const ROUNDS: (u64, u64) = (1, 10);
/// How long a process has to sign what it must not.
const TEMPTATION: Duration = Duration::from_secs(1);
/// What a commit looks like in `pg_stat_activity` while it waits for the synchronous standby.
const HANGING: &str = "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'vouchlog commit' AND query LIKE '%moved%'";

/// A primary and its standby.
struct Servers {
    primary: Postgres,
    standby: Postgres,
    is_synchronous: bool,
    made: u32,
}

impl Servers {
    fn start(bin: &Path, folder: &Path, is_synchronous: bool) -> Self {
        let primary = Postgres::start(bin, folder, free_port());
        let standby = primary.replica("replica-0", free_port());
        let servers = Self { primary, standby, is_synchronous, made: 1 };
        servers.until_streaming();
        servers
    }

    /// Waits until the standby follows, synchronously if it is to.
    fn until_streaming(&self) {
        if self.is_synchronous {
            self.primary.set("synchronous_standby_names", "replica");
        }
        let state = if self.is_synchronous { "sync" } else { "async" };
        let sql = format!(
            "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = '{state}'"
        );
        wait("the standby of the database follows", || self.primary.value(&sql) == "1");
    }

    /// The standby gets nothing from now on.
    fn cut_replication(&self) {
        self.standby.set("primary_conninfo", "");
        wait("the standby is cut off", || {
            self.standby.value("SELECT count(*) FROM pg_stat_wal_receiver") == "0"
        });
    }

    /// Kills the primary and promotes the standby, where the nodes then find their database. Another standby follows it.
    fn fail_over(&mut self, nodes: &[Arc<Node>; 2]) {
        self.primary.crash();
        self.standby.promote();
        let port = self.standby.port();
        for node in nodes {
            node.link.lead_to(([127, 0, 0, 1], port).into());
        }
    }

    /// The former standby becomes the primary, with a new standby of its own.
    fn replace_standby(&mut self) {
        let standby = self.standby.replica(&format!("replica-{}", self.made), free_port());
        self.primary = std::mem::replace(&mut self.standby, standby);
        self.made += 1;
        self.until_streaming();
    }
}

fn nodes(servers: &Servers, more: &[&str]) -> [NodeSettings; 2] {
    let node = || {
        let mut settings = NodeSettings::local(servers.primary.port());
        settings.more.extend(more.iter().map(|&argument| argument.to_owned()));
        settings
    };
    [node(), node()]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failover {
    PrimaryKilled,
    CommitHangs,
}

impl Failover {
    fn name(self) -> &'static str {
        match self {
            Self::PrimaryKilled => "primary killed, synchronous standby promoted",
            Self::CommitHangs => "replication cut, the hanging commit cancelled, standby promoted",
        }
    }

    fn inflict(self, servers: &mut Servers, cluster: &Cluster) {
        if self == Self::CommitHangs {
            servers.cut_replication();
            let count = format!("SELECT count(*) {HANGING}");
            wait("a commit hangs", || servers.primary.value(&count) != "0");
            let head = "SELECT size || ' ' || encode(root, 'hex') FROM vouchlog_head";
            let before = servers.primary.value(head);
            wait("what hung is visible", || {
                servers.primary.value(&format!("SELECT count(pg_cancel_backend(pid)) {HANGING}"));
                servers.primary.value(head) != before
            });
            let hung = servers.primary.value(head);
            thread::sleep(TEMPTATION);
            assert!(!signed(cluster).contains(&hung), "a head that may be lost was signed");
        }
        servers.fail_over(&cluster.nodes);
    }
}

/// Every head that any node signed, as the database shows them.
fn signed(cluster: &Cluster) -> BTreeSet<String> {
    let shown = |head: TreeHead| format!("{} {}", head.size, hex::encode(head.root.as_bytes()));
    cluster.referee.heads().into_iter().map(shown).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_to_a_synchronous_standby_loses_nothing() {
    let Some(bin) = Postgres::programs() else {
        return eprintln!("not tested: PostgreSQL is not installed");
    };
    let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
    let mut servers = tokio::task::block_in_place(|| Servers::start(&bin, folder.path(), true));
    let cluster = tokio::task::block_in_place(|| Cluster::start(folder.path(), nodes(&servers, &[])));
    let mut campaign = Campaign::start(&cluster).await;
    for fault in (0..rounds(ROUNDS)).flat_map(|_| [Failover::PrimaryKilled, Failover::CommitHangs]) {
        let inflict = |_: &Node, _: &Node| fault.inflict(&mut servers, &cluster);
        campaign.round(&cluster, fault.name(), Successor::Either, inflict).await;
        tokio::task::block_in_place(|| servers.replace_standby());
    }
    campaign.end(&cluster).await;
}

/// An asynchronous standby that lacks entries is promoted all the same: the node that signed them remembers, and the other one learns it from
/// a witness. Neither signs anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_that_lost_entries_is_stopped_before_anything_is_signed() {
    let Some(world) = World::new() else { return };
    let folder = world.folder.path();
    let witness = start_witness(folder, "w1", 0, &[]);
    let policy = write_policy(folder, &[("w1", &witness, "http")]);
    let (primary, standby) = tokio::task::block_in_place(|| {
        let standby = world.postgres.replica("replica-0", free_port());
        (world.postgres, standby)
    });
    let mut servers = Servers { primary, standby, is_synchronous: false, made: 1 };
    tokio::task::block_in_place(|| servers.until_streaming());
    // The operator is warned.
    let check = json(&succeed(&["store", "check", "--json", "--store", &servers.primary.url()]));
    assert!(check["store"]["findings"].to_string().contains("no-synchronous-standby"), "{check}");
    let more = ["--policy", &policy, "--witness-interval", "50ms"];
    let cluster = tokio::task::block_in_place(|| Cluster::start(folder, nodes(&servers, &more)));
    let Campaign { load, log, .. } = Campaign::start(&cluster).await;
    load.more_than(50).await;
    tokio::task::block_in_place(|| servers.cut_replication());
    let size = servers.standby.value("SELECT size FROM vouchlog_head").parse::<u64>().unwrap();
    let deadline = Instant::now() + PATIENCE;
    // What is shown was cosigned.
    while newest(&log).await.size.get() <= size {
        assert!(Instant::now() < deadline, "nothing more is witnessed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (leader, other) = tokio::task::block_in_place(|| cluster.roles());
    tokio::task::block_in_place(|| {
        servers.primary.crash();
        // What was committed may still be signed.
        thread::sleep(TEMPTATION);
        let before = signed(&cluster);
        servers.fail_over(&cluster.nodes);
        let is_refused = |node: &Node, why: &str| node.lines().contains(why);
        wait_for(&leader, "remembers what it signed", || {
            is_refused(&leader, "this log, but its store holds")
        });
        wait_for(&other, "is refused by a witness", || is_refused(&other, "with this log's signature, but"));
        thread::sleep(TEMPTATION);
        // The head in the store was signed before: a node that has not signed it yet does, to show it to witnesses.
        assert_eq!(signed(&cluster), before, "a second history was signed");
        assert!(!leader.leads() && !other.leads());
    });
    load.abandon();
}
