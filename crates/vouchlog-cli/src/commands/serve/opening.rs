//! Opening the log that `vouchlog serve` serves: at once, or, for a node of a log in PostgreSQL, once it may lead. Until then it is a standby.

use std::net::SocketAddr;
use std::pin::Pin;

use vouchlog::{
    ConnectionSecurity, EngineError, Log, OpenError, PlainText, STRANGERS_HOUSE_LIMITS, StoreError,
    VerifyingKey, WitnessUrls, keys,
};

use super::member::Member;
use super::standby::{self, Front, SharedLog, Standby};
use super::store::Stores;
use super::{Args, advise};
use crate::commands::ended;
use crate::commands::exposure::Transport;
use crate::connections;

/// An open log, and the URLs of its witnesses.
type OpenLog = (Log, Option<WitnessUrls>);

/// How this node connects to the others. One that listens without TLS beyond this machine is in a network that is trusted.
pub(super) fn security(transport: Transport) -> ConnectionSecurity {
    let security = connections::security();
    match transport {
        Transport::ClearAnywhere => ConnectionSecurity { plain_text: PlainText::Anywhere, ..security },
        Transport::Tls | Transport::Clear => security,
    }
}

impl Args {
    /// Opens the log; `None` if the node is to stop before it may lead.
    pub(super) async fn open(
        &self,
        stores: Stores<'_>,
        front: &Front<'_>,
        address: SocketAddr,
        mut shutdown: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> anyhow::Result<Option<OpenLog>> {
        let Some(place) = stores.postgres else {
            let opened = self.attempt(stores, front.member, address).await?;
            return opened.map(Some).map_err(|error| advise(&error));
        };
        let key = self.known_key()?;
        let named = key.as_ref().map(|key| key.name().to_string());
        let origin = self.origin.clone().or(named);
        let shared = SharedLog { place: place.clone(), objects: stores.objects.cloned(), key };
        let mut standby: Option<Standby> = None;
        loop {
            if let Some(standby) = &mut standby {
                match standby.released(shutdown.as_mut()).await {
                    standby::End::Free => {}
                    standby::End::Stopped => return Ok(None),
                }
            } else if let Some(leader) = standby::leader(place, origin.as_deref()).await? {
                standby = Some(Standby::start(shared.clone(), leader, front)?);
                continue;
            }
            // It serves as a standby until the log is open.
            match self.attempt(stores, front.member, address).await? {
                Err(error) if is_leased(&error) => {
                    tracing::info!(reason = %error, "another process leads the log");
                    tokio::time::sleep(standby::POLL).await;
                }
                opened => return opened.map(Some).map_err(|error| advise(&error)),
            }
        }
    }

    async fn attempt(
        &self,
        stores: Stores<'_>,
        member: &Member,
        address: SocketAddr,
    ) -> anyhow::Result<Result<OpenLog, OpenError>> {
        let (builder, witness_urls) = self.builder(member)?;
        let builder = stores.apply(builder);
        let builder = match &self.continues {
            Some(source) => builder.continues(ended::fetch(source).await?),
            None => builder,
        };
        let builder = builder.house(self.house.is_on(address));
        // Who reaches the house stream from elsewhere is nobody's gateway.
        let builder = if address.ip().to_canonical().is_loopback() {
            builder
        } else {
            builder.house_limits(STRANGERS_HOUSE_LIMITS)
        };
        Ok(builder.await.map(|log| (log, witness_urls)))
    }

    /// The log's key, as far as it is there.
    pub(super) fn known_key(&self) -> anyhow::Result<Option<VerifyingKey>> {
        let file = self.data.join("log.key");
        let key = match &self.key {
            Some(key) => Some(key.open()?),
            None if file.exists() => Some(keys::load(&file)?),
            None => None,
        };
        Ok(key.map(|key| key.verifying_key().clone()))
    }
}

/// Whether another process was quicker to lead the log.
fn is_leased(error: &OpenError) -> bool {
    matches!(
        error,
        OpenError::Store(StoreError::Leased(_))
            | OpenError::Engine(EngineError::Store(StoreError::Leased(_)))
    )
}
