//! Parts of a network that do not reach each other, or not always: hosts in network namespaces, real packets that are dropped. The leader
//! steps down by its own clock; there are never two signers.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::LONGER_THAN_A_LEASE;
use crate::database::{Postgres, Site};
use crate::process::rounds;
use crate::standby::PATIENCE;
use crate::standby::campaign::{Campaign, Successor};
use crate::standby::cluster::{Cluster, Node, NodeSettings, wait};
use crate::standby::link::Link;
use crate::standby::namespaces::{self, Host, Network, Obstacle};

/// In the short and the long form, for each fault.
const ROUNDS: (u64, u64) = (1, 10);
/// Every host has its own, of the service and for operators.
const PORT: u16 = 6_962;
const OPERATORS: u16 = 6_972;
/// A leader that has signed nothing for so long has stepped down.
const QUIET: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Partition {
    Database,
    Standby,
    Requests,
    Answers,
    Loss,
    Slow,
}

impl Partition {
    const ALL: [Self; 6] =
        [Self::Database, Self::Standby, Self::Requests, Self::Answers, Self::Loss, Self::Slow];

    fn name(self) -> &'static str {
        match self {
            Self::Database => "packets between leader and database dropped for 4 s",
            Self::Standby => "packets between leader and standby dropped for 4 s",
            Self::Requests => "packets from leader to database dropped for 4 s",
            Self::Answers => "packets from database to leader dropped for 4 s",
            Self::Loss => "20 % of the leader's packets dropped for 4 s",
            Self::Slow => "leader on a line of 1 Mbit/s for 4 s",
        }
    }

    fn obstacle(self, standby: Host) -> Obstacle {
        match self {
            Self::Database => Obstacle::CutOffFrom(Host::Database),
            Self::Standby => Obstacle::CutOffFrom(standby),
            Self::Requests => Obstacle::SendsInVain(Host::Database),
            Self::Answers => Obstacle::HearsNothingOf(Host::Database),
            Self::Loss => Obstacle::Loses(20),
            Self::Slow => Obstacle::Slow,
        }
    }

    fn successor(self) -> Successor {
        match self {
            Self::Database | Self::Requests | Self::Answers => Successor::Standby,
            Self::Standby => Successor::Leader,
            Self::Loss | Self::Slow => Successor::Either,
        }
    }

    fn inflict(self, network: &Network, cluster: &Cluster, leader: &Node, standby: &Node) {
        let (host, obstacle) = (Host::at(leader.address), self.obstacle(Host::at(standby.address)));
        let pid = leader.pid();
        network.obstruct(host, obstacle);
        let begun = Instant::now();
        let signed = (self.successor() == Successor::Standby).then(|| {
            wait("the other node takes over", || standby.leads());
            until_quiet(cluster, pid)
        });
        thread::sleep(LONGER_THAN_A_LEASE.saturating_sub(begun.elapsed()));
        network.clear(host, obstacle);
        if let Some(signed) = signed {
            wait("the deposed leader ends", || leader.pid() != pid);
            assert_eq!(cluster.referee.count_of(pid), signed, "{}: a second signer", self.name());
        }
    }
}

/// Waits until a process signs nothing more; how many heads it signed.
fn until_quiet(cluster: &Cluster, pid: u32) -> usize {
    let deadline = Instant::now() + PATIENCE;
    let (mut count, mut since) = (cluster.referee.count_of(pid), Instant::now());
    while since.elapsed() < QUIET {
        assert!(Instant::now() < deadline, "the leader goes on signing");
        thread::sleep(Duration::from_millis(50));
        let now = cluster.referee.count_of(pid);
        if now != count {
            (count, since) = (now, Instant::now());
        }
    }
    count
}

fn node(host: Host) -> NodeSettings {
    let (address, checked_at): (SocketAddr, SocketAddr) =
        ((host.address(), PORT).into(), (host.address(), OPERATORS).into());
    let (advertised, operators) = (format!("http://{address}"), format!("{checked_at}"));
    let exposure = ["--insecure-listen", "--insecure-http", "--admin-listen", &operators];
    let more = [&exposure[..], &["--advertise", &advertised]].concat();
    NodeSettings {
        address,
        checked_at,
        store: format!("postgres://postgres@{}:{PORT}/postgres?sslmode=disable", Host::Database.address()),
        link: Link::none(),
        within: host.within(),
        more: more.into_iter().map(str::to_owned).collect(),
        environment: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_that_are_lost_lose_no_entry_and_make_no_second_signer() {
    let Some(bin) = Postgres::programs() else {
        return eprintln!("not tested: PostgreSQL is not installed");
    };
    let test = "standby::faults::partitions::packets_that_are_lost_lose_no_entry_and_make_no_second_signer";
    let Some(network) = tokio::task::block_in_place(|| namespaces::enter(test)) else { return };
    let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
    let (host, within) = (Host::Database.address(), Host::Database.within());
    let site = Site { host, within, ..Site::local(PORT) };
    let _postgres = tokio::task::block_in_place(|| Postgres::start_at(&bin, folder.path(), site));
    let nodes = [node(Host::NodeA), node(Host::NodeB)];
    let cluster = tokio::task::block_in_place(|| Cluster::start(folder.path(), nodes));
    let mut campaign = Campaign::start(&cluster).await;
    for fault in (0..rounds(ROUNDS)).flat_map(|_| Partition::ALL) {
        let inflict = |leader: &Node, standby: &Node| fault.inflict(&network, &cluster, leader, standby);
        campaign.round(&cluster, fault.name(), fault.successor(), inflict).await;
    }
    campaign.end(&cluster).await;
}
