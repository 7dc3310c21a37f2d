//! A node that waits until the leader of its log ends, and serves meanwhile: reads from the shared store, and everything else by passing it on
//! to the leader. It looks at the lease ten times a second.
//!
//! | module | holds |
//! | --- | --- |
//! | `view.rs` | what is seen of the lease |
//! | `leader.rs` | the connections to the leader |
//! | `forward.rs` | passing one request on |
//! | `lanes.rs` | passing on the appends of a call, in order |
//! | `reading.rs` | the replica that reads are served from |
//! | `probe.rs` | whether the leader responds |
//! | `log.rs` | all of it as a log |

use std::pin::Pin;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use vouchlog::objects::Objects;
use vouchlog::postgres::{LEASE_TTL, Leader, LeaseMetrics, Postgres, Replica};
use vouchlog::tls::Tls;
use vouchlog::{ConnectionSecurity, Offered, Origin, StoreError, VerifyingKey};
use vouchlog_access::Access;
use vouchlog_server::{Readiness, Server, ServerConfig};

use super::member::Member;
use crate::advice::Advice;
use crate::commands::exposure::duplicate;
use crate::commands::strangers::AdminPort;
use crate::output::Output;

mod forward;
mod lanes;
mod leader;
mod log;
mod metrics;
mod probe;
mod reading;
mod view;

use forward::Forwarder;
use lanes::Lanes;
use leader::Leaders;
use log::StandbyLog;
use metrics::StandbyMetrics;
use probe::Reach;
use reading::Reads;
pub(super) use view::POLL;
use view::{LeaseView, look};

/// Where a node serves, which it does as a standby already.
pub(super) struct Front<'a> {
    pub(super) listener: &'a TcpListener,
    pub(super) admin: &'a AdminPort,
    pub(super) config: &'a ServerConfig,
    pub(super) tls: Option<&'a Tls>,
    pub(super) access: &'a Access,
    /// The names by which web pages may write to it.
    pub(super) hosts: Vec<String>,
    pub(super) output: Output,
    /// Where other nodes reach it; may be empty.
    pub(super) address: &'a str,
    /// How it connects to them.
    pub(super) security: ConnectionSecurity,
    /// Whether it lets callers append to the house stream.
    pub(super) has_house: bool,
    /// The policy as it was at the start, which its pages offer.
    pub(super) policy: Option<String>,
    /// Which log of its process it is.
    pub(super) member: &'a Member,
}

/// The log that a standby follows.
#[derive(Clone)]
pub(super) struct SharedLog {
    pub(super) place: Postgres,
    pub(super) objects: Option<Objects>,
    /// The key that signs it. Without one nothing can be verified, and so nothing is read.
    pub(super) key: Option<VerifyingKey>,
}

impl SharedLog {
    /// Opens it for reading. Blocks.
    fn replica(&self, origin: &str) -> Result<Replica, StoreError> {
        let foreign = |reason: &str| StoreError::Foreign(reason.to_owned());
        let key =
            self.key.clone().ok_or_else(|| foreign("this node does not have the log's key: give --key"))?;
        let origin = Origin::new(origin).map_err(|error| foreign(&error.to_string()))?;
        match &self.objects {
            Some(objects) => self.place.replica_with(objects, origin, key),
            None => self.place.replica(origin, key),
        }
    }
}

/// Why waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// No process leads the log.
    Free,
    /// The node is to stop.
    Stopped,
}

/// Who leads a log; none if no process does.
pub(super) async fn leader(place: &Postgres, origin: Option<&str>) -> anyhow::Result<Option<Leader>> {
    let looked = look(place, origin).await.map_err(|error| {
        Advice::error(error.to_string(), "see `vouchlog store check` for what the database lacks")
    })?;
    Ok(looked.filter(|leader| leader.is_held))
}

/// A node that serves as a standby until this is dropped. Requests that wait for a leader then are told to come again, so that the node can
/// serve them itself.
pub(super) struct Standby {
    view: watch::Receiver<LeaseView>,
    stop: CancellationToken,
    _following: JoinSet<()>,
}

impl Drop for Standby {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Standby {
    /// Serves as a standby from now on.
    pub(super) fn start(shared: SharedLog, leader: Leader, front: &Front<'_>) -> anyhow::Result<Self> {
        announce(front, &leader);
        let origin = leader.origin.clone();
        let (sender, view) = watch::channel(LeaseView { leader, trouble: None });
        let stop = CancellationToken::new();
        let mut registry = front.member.registry();
        let lease = LeaseMetrics::default();
        lease.register(&mut registry);
        let metrics = StandbyMetrics::register(&mut registry);
        let leaders = Leaders::new(shared.place.clone(), view.clone(), front.address, front.security.clone());
        let (reads, reach) = (Reads::new(), Reach::new());
        let offered =
            Offered { log_vkey: shared.key.as_ref().map(ToString::to_string), policy: front.policy.clone() };
        let mut following = JoinSet::new();
        let watching = view::follow(shared.place.clone(), origin.clone(), sender, lease);
        following.spawn(watching.in_current_span());
        let probing = reach.clone().follow(leaders.clone(), view.clone(), metrics.clone());
        following.spawn(probing.in_current_span());
        let reading = reads.clone().follow(move || shared.replica(&origin), metrics.clone());
        following.spawn(reading.in_current_span());
        let forwarder = Forwarder { leaders, metrics, stopping: stop.clone() };
        let log = StandbyLog {
            lanes: Lanes::new(forwarder.clone()),
            forwarder,
            reads: reads.clone(),
            has_house: front.has_house,
        };
        let seen = view.clone();
        let health = move || readiness(&seen.borrow(), &reads, &reach);
        front.member.serves(health.clone());
        let server = Server::new(log, front.config.clone())
            .offer(offered)
            .health(health)
            .registry(registry)
            .access(front.access.clone())
            .hosts(front.hosts.clone())
            .tls(front.tls.cloned())
            .scope(front.member.span())
            .share_metrics(front.member.sharing());
        let server = front.admin.duplicate()?.of(server);
        // It goes on until its last request is answered, while the node takes the log over.
        tokio::spawn(server.run(duplicate(front.listener)?, stop.clone().cancelled_owned()));
        Ok(Self { view, stop, _following: following })
    }

    /// Completes when no process leads the log, or the node is to stop.
    pub(super) async fn released(
        &mut self,
        mut shutdown: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> End {
        tokio::select! {
            // No node can take a log over while its database is away.
            free = self.view.wait_for(|view| view.trouble.is_none() && !view.leader.is_held) => {
                // Where nothing is seen any more, a claim shows who leads.
                drop(free);
                End::Free
            }
            () = shutdown.as_mut() => End::Stopped,
        }
    }
}

fn readiness(view: &LeaseView, reads: &Reads, reach: &Reach) -> Readiness {
    let lag = reads.lag();
    Readiness::new()
        .check("leader", reach.check())
        .check("reads", reads.check())
        .note("role", "standby")
        .note("epoch", view.leader.epoch.to_string())
        .note("leader", view.leader.address.clone())
        .note("lease", view.words())
        .note("leader in reach", reach.words())
        .note("lag entries", lag.entries.to_string())
        .note("lag seconds", lag.seconds.to_string())
}

fn announce(front: &Front<'_>, leader: &Leader) {
    let by = if leader.address.is_empty() { "another process" } else { &leader.address };
    let words = format!(
        "Standby of the log {}: {by} leads it. This node serves its reads, passes everything else on, and takes over within {} s after that one ends.",
        leader.origin,
        LEASE_TTL.as_secs() + 2
    );
    let answer = json!({
        "role": "standby", "origin": leader.origin, "leader": leader.address, "epoch": leader.epoch,
        "size": leader.size,
    });
    front.member.announce(front.output, &words, answer);
}
