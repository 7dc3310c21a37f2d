//! Where `vouchlog serve` keeps a log that is not in its data directory, and how it hands that over.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use vouchlog::objects::Objects;
use vouchlog::postgres::Postgres;
use vouchlog::{LogBuilder, StoreError};

use crate::advice::Advice;
use crate::commands::exposure::Transport;
use crate::output;

/// The store of a log.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct StoreArgs {
    /// Keep the log in this PostgreSQL database; --data then holds only this node's keys, index and notes. Several nodes may share a store: one
    /// leads, the others wait as standbys. With --objects, full tiles and bundles go there instead. Beyond this machine TLS is verified; the password may come from PGPASSWORD or a .pgpass file
    #[arg(long, value_name = "URL", env = "VOUCHLOG_STORE")]
    store: Option<String>,
    /// Create the log if the database does not hold it. Without this, an empty database is an error: it may be the wrong one, or lost
    #[arg(long, requires = "store")]
    create: bool,
    /// The URL at which the other nodes of the log reach this one: they pass requests on to it while it leads [default: the address it listens on]
    #[arg(long, value_name = "URL", requires = "store", env = "VOUCHLOG_ADVERTISE")]
    advertise: Option<String>,
}

impl StoreArgs {
    /// The database, if there is one. Nothing is connected yet.
    pub(super) fn open(&self) -> anyhow::Result<Option<Postgres>> {
        let Some(url) = &self.store else { return Ok(None) };
        let place = Postgres::new(url).with_context(|| {
            Advice::new("--store is not usable", "give a URL such as postgres://USER@HOST/DATABASE")
        })?;
        Ok(Some(place.create(self.create)))
    }

    /// The place of the log there. `address` is where this node serves.
    pub(super) fn at(&self, place: Postgres, address: &str) -> Postgres {
        if address.is_empty() {
            output::warn(
                "this node listens on every address and names none to the others: while it leads, they cannot pass requests on to it. Give --advertise URL",
            );
        }
        place.address(address)
    }

    /// The URL as it was given.
    pub(super) fn url(&self) -> Option<&str> {
        self.store.as_deref()
    }
}

impl StoreArgs {
    /// The URL at which other nodes reach this one, which listens on `address`; empty if none is known.
    pub(super) fn advertised(&self, transport: Transport, address: SocketAddr) -> anyhow::Result<String> {
        let Some(url) = &self.advertise else {
            let is_known = !address.ip().to_canonical().is_unspecified();
            return Ok(if is_known { transport.url(address) } else { String::new() });
        };
        let is_usable = vouchlog_outbound::parse(url).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.username().is_empty()
        });
        anyhow::ensure!(
            is_usable,
            Advice::new(
                "--advertise is not usable",
                "give a URL without a path, such as https://node-a.example.com:6962"
            )
        );
        Ok(url.trim_end_matches('/').to_owned())
    }
}

/// Where the parts of a log are that are not in its data directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stores<'a> {
    pub(super) postgres: Option<&'a Postgres>,
    pub(super) objects: Option<&'a Objects>,
}

impl Stores<'_> {
    /// Looks at the object store of a log in PostgreSQL before this node waits as a standby, so that a takeover need not. One that cannot
    /// be reached now may be reached then.
    pub(super) async fn check(&self) -> anyhow::Result<()> {
        let (Some(_), Some(objects)) = (self.postgres, self.objects) else { return Ok(()) };
        match objects.check_conditions().await {
            Err(StoreError::ObjectStore(reason)) => {
                tracing::warn!(reason, "the object store could not be checked");
                Ok(())
            }
            checked => checked.map_err(|error| super::advise(&error.into())),
        }
    }

    /// Has a log opened with them.
    pub(super) fn apply(&self, builder: LogBuilder) -> LogBuilder {
        let builder = match self.postgres {
            Some(postgres) => builder.postgres(postgres.clone()),
            None => builder,
        };
        match self.objects {
            Some(objects) => builder.objects(objects.clone()),
            None => builder,
        }
    }
}

/// Whether a server stops because an operator asked it to hand the log over.
#[derive(Debug, Default)]
pub(super) struct Handover(AtomicBool);

impl Handover {
    /// Completes at the first of the two, and notes if it was the request.
    pub(super) async fn or(
        &self,
        shutdown: impl Future<Output = ()> + Send,
        requested: impl Future<Output = ()> + Send,
    ) {
        tokio::select! {
            () = shutdown => {}
            () = requested => self.0.store(true, Ordering::Relaxed),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
