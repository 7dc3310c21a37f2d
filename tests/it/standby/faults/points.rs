//! A leader that is stopped at a named point of its work, for twice as long as its lease, and goes on: it signs nothing after it wakes
//! up, and ends. The link to the database and the program that keeps the key stop it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::Mutex;
use vouchlog_api::Appender;
use vouchlog_client::GrpcLog;
use vouchlog_sequencer::testing::{TestGateway, statements, verify};

use super::World;
use crate::kill::Promised;
use crate::process::rounds;
use crate::standby::campaign::{Campaign, Successor};
use crate::standby::cluster::{Cluster, Node, wait};
use crate::standby::link::{Moment, Stall};
use crate::standby::referee::StopNode;

/// In the short and the long form, for each point.
const ROUNDS: (u64, u64) = (1, 5);
const LEASE: Duration = Duration::from_secs(3);
/// Gateways that send at once, and statements of each request: more than a log commits in one batch.
const LARGE_REQUESTS: (u8, usize) = (8, 4_096);
/// How long what they send has to arrive.
const ARRIVAL: Duration = Duration::from_millis(1_500);
const T: u64 = 1_767_225_600;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    Sending(Moment),
    Signing(StopNode),
}

impl Point {
    const ALL: [Self; 8] = [
        Self::Sending(Moment::BeforeCommit),
        Self::Sending(Moment::MidSend),
        Self::Sending(Moment::AfterCommit),
        Self::Signing(StopNode::BeforeSigning),
        Self::Signing(StopNode::AfterSigning),
        Self::Sending(Moment::Sealing),
        Self::Sending(Moment::BeforeRenewal),
        Self::Sending(Moment::AfterRenewal),
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Sending(Moment::BeforeCommit) => "leader stopped before its commit",
            Self::Sending(Moment::MidSend) => "leader stopped while it sends a large commit",
            Self::Sending(Moment::AfterCommit) => "leader stopped after its commit",
            Self::Signing(StopNode::BeforeSigning) => "leader stopped before it signs",
            Self::Signing(StopNode::AfterSigning) => "leader stopped before it shows what it signed",
            Self::Sending(Moment::Sealing) => "leader stopped while it seals",
            Self::Sending(Moment::BeforeRenewal) => "leader stopped before a renewal",
            Self::Sending(Moment::AfterRenewal) => "leader stopped after a renewal",
        }
    }

    /// Whether the one thread that signs waits at this point. Elsewhere it may be between its look at the clock and its request for a
    /// signature, which it then discards.
    fn stops_the_sequencer(self) -> bool {
        !matches!(self, Self::Sending(Moment::Sealing | Moment::BeforeRenewal | Moment::AfterRenewal))
    }

    /// Sets the trap. `send_large` sends what makes a large commit.
    fn arm(self, cluster: &Cluster, leader: &Node, send_large: impl FnOnce()) {
        match self {
            Self::Signing(when) => cluster.referee.stop_next(when),
            Self::Sending(moment) => {
                leader.link.stop_at(moment, leader.pid());
                if moment == Moment::MidSend {
                    // What gateways send meanwhile waits, and makes one large batch.
                    leader.link.hold(Stall::Requests);
                    send_large();
                    thread::sleep(ARRIVAL);
                    leader.link.heal();
                } else if moment == Moment::Sealing {
                    // The statement is sent as text once on each connection.
                    leader.link.cut();
                }
            }
        }
    }

    fn inflict(self, cluster: &Cluster, leader: &Node, other: &Node, send_large: impl FnOnce()) {
        self.arm(cluster, leader, send_large);
        wait("the leader comes to the point", || leader.is_stopped());
        thread::sleep(2 * LEASE);
        wait("the other node takes over", || other.leads());
        let stopped = leader.pid();
        let before = cluster.referee.count_of(stopped);
        leader.signal("CONT");
        leader.link.heal();
        wait("the deposed leader ends", || leader.pid() != stopped);
        let after = cluster.referee.count_of(stopped);
        assert!(!self.stops_the_sequencer() || after == before, "{}: it signed afterwards", self.name());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_stopped_at_any_point_signs_nothing_after_it_wakes_up() {
    let Some(world) = tokio::task::block_in_place(World::new) else { return };
    let mut campaign = Campaign::start(&world.cluster).await;
    for (round, point) in (0..rounds(ROUNDS)).flat_map(|round| Point::ALL.map(|point| (round, point))) {
        let gateways = match point {
            Point::Sending(Moment::MidSend) => open_streams(&campaign.log, round).await,
            _ => Vec::new(),
        };
        let (cluster, mut sending) = (&world.cluster, Vec::new());
        let (log, promised) = (campaign.log.clone(), campaign.load.promised.clone());
        let send_large = || {
            let send = |gateway| tokio::spawn(send_large(log.clone(), gateway, round, promised.clone()));
            sending.extend(gateways.into_iter().map(send));
        };
        let inflict = |leader: &Node, other: &Node| point.inflict(cluster, leader, other, send_large);
        campaign.round(cluster, point.name(), Successor::Standby, inflict).await;
        for request in sending {
            request.await.unwrap();
        }
    }
    campaign.end(&world.cluster).await;
}

/// Gateways of a round with a stream each, and their numbers.
async fn open_streams(log: &GrpcLog, round: u64) -> Vec<(u8, TestGateway)> {
    let (gateways, _) = LARGE_REQUESTS;
    let first = 20 + gateways * u8::try_from(round).unwrap();
    let mut opened = Vec::new();
    for seed in first..first + gateways {
        opened.push((seed, TestGateway::open(log, seed).await.unwrap()));
    }
    opened
}

/// Sends one large request until it is acknowledged.
async fn send_large(
    log: GrpcLog,
    (seed, mut gateway): (u8, TestGateway),
    round: u64,
    promised: Arc<Mutex<Promised>>,
) {
    let batch = statements(LARGE_REQUESTS.1, u64::from(seed) << 32 | round);
    let request = gateway.request(batch.clone(), T);
    let appended = loop {
        match log.append(request.clone()).await {
            Ok(appended) => break appended,
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let head = verify(&appended, &batch).head();
    let first = appended.receipt.unwrap().first.get();
    let mut promised = promised.lock().await;
    promised.heads.push(head);
    promised.statements.extend((first..).zip(batch));
}
