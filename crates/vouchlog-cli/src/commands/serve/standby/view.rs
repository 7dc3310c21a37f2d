//! What a standby sees of the lease: who leads the log, looked at ten times a second.

use std::time::Duration;

use tokio::sync::watch;
use vouchlog::StoreError;
use vouchlog::postgres::{Leader, LeaseMetrics, Postgres};

/// How often the lease is looked at.
pub(in super::super) const POLL: Duration = Duration::from_millis(100);

/// What was seen last.
#[derive(Clone, Debug)]
pub(super) struct LeaseView {
    pub(super) leader: Leader,
    /// Why it could not be looked at again, if so.
    pub(super) trouble: Option<String>,
}

impl LeaseView {
    pub(super) fn words(&self) -> String {
        let leader = &self.leader;
        let by = if leader.address.is_empty() { "another process" } else { &leader.address };
        match (&self.trouble, leader.is_held) {
            (None, true) => format!("{by} leads the log"),
            (None, false) => "no node leads the log at the moment".to_owned(),
            (Some(trouble), _) => format!("the lease cannot be seen: {trouble}"),
        }
    }
}

/// Looks at the lease until it is dropped.
pub(super) async fn follow(
    place: Postgres,
    origin: String,
    view: watch::Sender<LeaseView>,
    metrics: LeaseMetrics,
) {
    loop {
        tokio::time::sleep(POLL).await;
        let looked = match look(&place, Some(&origin)).await {
            Ok(Some(leader)) => {
                metrics.seen(leader.epoch);
                Ok(leader)
            }
            Ok(None) => Err("the database does not hold the log".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        view.send_if_modified(|known| match looked {
            Ok(leader) => {
                let is_news = known.trouble.is_some()
                    || (known.leader.epoch, known.leader.is_held) != (leader.epoch, leader.is_held)
                    || known.leader.address != leader.address;
                *known = LeaseView { leader, trouble: None };
                is_news
            }
            Err(trouble) => {
                let is_news = known.trouble.is_none();
                if is_news {
                    tracing::warn!(trouble, "the lease on the log cannot be seen");
                }
                known.trouble = Some(trouble);
                is_news
            }
        });
    }
}

/// Looks at the lease once.
pub(super) async fn look(place: &Postgres, origin: Option<&str>) -> Result<Option<Leader>, StoreError> {
    let (place, origin) = (place.clone(), origin.map(str::to_owned));
    let looking = tokio::task::spawn_blocking(move || place.leader(origin.as_deref()));
    looking.await.unwrap_or_else(|error| Err(StoreError::Io(error.to_string())))
}
