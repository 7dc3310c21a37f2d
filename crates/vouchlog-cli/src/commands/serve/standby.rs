//! A node that waits until the leader of its log ends: it is healthy and not ready, refuses requests so that callers try again elsewhere, and
//! looks at the lease ten times a second.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use vouchlog::Error;
use vouchlog::postgres::{LEASE_TTL, Leader, LeaseMetrics, Postgres};
use vouchlog::tls::Tls;
use vouchlog_access::Access;
use vouchlog_server::{Readiness, Server, ServerConfig};

use crate::advice::Advice;
use crate::commands::exposure::duplicate;
use crate::commands::refusing::{Refusal, refuse};
use crate::commands::strangers::AdminPort;
use crate::output::Output;

/// How often the lease is looked at.
pub(super) const POLL: Duration = Duration::from_millis(100);

/// Where a node serves, which it does as a standby already.
pub(super) struct Front<'a> {
    pub(super) listener: &'a TcpListener,
    pub(super) admin: &'a AdminPort,
    pub(super) config: &'a ServerConfig,
    pub(super) tls: Option<&'a Tls>,
    pub(super) access: &'a Access,
    pub(super) output: Output,
}

/// Why waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// No process leads the log.
    Free,
    /// The node is to stop.
    Stopped,
}

/// What a standby saw last.
#[derive(Clone, Debug)]
struct LeaseView {
    leader: Leader,
    /// Why it could not look again, if so.
    trouble: Option<String>,
}

impl LeaseView {
    fn words(&self) -> String {
        let leader = &self.leader;
        let by = if leader.address.is_empty() { "another process" } else { &leader.address };
        match &self.trouble {
            None => format!("this node is a standby: {by} leads the log"),
            Some(trouble) => format!("this node is a standby and cannot see the lease: {trouble}"),
        }
    }
}

/// Waits until no process leads the log.
pub(super) async fn wait(
    place: &Postgres,
    origin: Option<&str>,
    front: &Front<'_>,
    mut shutdown: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> anyhow::Result<End> {
    let first = look(place, origin).await.map_err(|error| {
        Advice::error(error.to_string(), "see `vouchlog store check` for what the database lacks")
    })?;
    let Some(leader) = first.filter(|leader| leader.is_held) else { return Ok(End::Free) };
    let seen = Arc::new(Mutex::new(LeaseView { leader, trouble: None }));
    announce(front, &seen.lock().clone());
    let stop = CancellationToken::new();
    let server = server(front, seen.clone())?;
    let listener = duplicate(front.listener)?;
    let serving = server.run(listener, stop.clone().cancelled_owned());
    let watching = async {
        let end = tokio::select! {
            () = watch(place, origin, &seen) => End::Free,
            () = shutdown.as_mut() => End::Stopped,
        };
        stop.cancel();
        end
    };
    // What the standby refuses ends at once, so there is nothing to drain.
    let ((), end) = tokio::join!(serving, watching);
    Ok(end)
}

/// Completes when the lease is free.
async fn watch(place: &Postgres, origin: Option<&str>, seen: &Mutex<LeaseView>) {
    loop {
        tokio::time::sleep(POLL).await;
        match look(place, origin).await {
            Ok(Some(leader)) if leader.is_held => *seen.lock() = LeaseView { leader, trouble: None },
            Ok(_) => return,
            // No node can take a log over while its database is away.
            Err(error) => {
                let before = seen.lock().trouble.replace(error.to_string());
                if before.is_none() {
                    tracing::warn!(%error, "the lease on the log cannot be seen");
                }
            }
        }
    }
}

async fn look(place: &Postgres, origin: Option<&str>) -> Result<Option<Leader>, vouchlog::StoreError> {
    let (place, origin) = (place.clone(), origin.map(str::to_owned));
    let looking = tokio::task::spawn_blocking(move || place.leader(origin.as_deref()));
    looking.await.unwrap_or_else(|error| Err(vouchlog::StoreError::Io(error.to_string())))
}

fn announce(front: &Front<'_>, seen: &LeaseView) {
    let leader = &seen.leader;
    let words = format!(
        "Standby of the log {}: {}. This node takes over within {} s after that one ends.",
        leader.origin,
        seen.words(),
        LEASE_TTL.as_secs() + 2
    );
    let answer = json!({
        "role": "standby", "origin": leader.origin, "leader": leader.address, "epoch": leader.epoch,
        "size": leader.size,
    });
    front.output.announce(&words, &answer);
}

fn server(front: &Front<'_>, seen: Arc<Mutex<LeaseView>>) -> anyhow::Result<Server> {
    let mut registry = Registry::default();
    LeaseMetrics::default().register(&mut registry);
    let health = seen.clone();
    let readiness = move || {
        let seen = health.lock().clone();
        Readiness::new()
            .check("role", Err(seen.words()))
            .note("role", "standby")
            .note("epoch", seen.leader.epoch.to_string())
            .note("leader", seen.leader.address)
    };
    let server = Server::new(Standby(seen), front.config.clone())
        .health(readiness)
        .registry(registry)
        .access(front.access.clone())
        .tls(front.tls.cloned());
    Ok(front.admin.duplicate()?.of(server))
}

/// A log that refuses everything for now.
#[derive(Clone)]
struct Standby(Arc<Mutex<LeaseView>>);

impl Refusal for Standby {
    fn refusal(&self) -> Error {
        Error::unavailable(self.0.lock().words())
    }
}

refuse!(Standby: Appender, LogReader, Lookup, Watch);
