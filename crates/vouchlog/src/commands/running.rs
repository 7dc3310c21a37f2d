//! What commands that run until they are stopped need of the system: a port to listen on, and its signals.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::TcpListener;

use crate::advice::Advice;
use crate::output;

/// Takes the port. Done before anything else, so that one that is in use is told before keys are made; and warns of one that
/// others can reach.
pub(super) async fn listen(address: &str) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        Advice::new(format!("cannot listen on {address}"), "give another address with --listen")
    })?;
    let address = listener.local_addr().context("the address listened on cannot be told")?;
    if !address.ip().is_loopback() {
        output::warn(
            "listening beyond this machine without TLS: put a TLS proxy in front, or listen on 127.0.0.1",
        );
    }
    Ok((listener, address))
}

/// Completes at the first SIGTERM or SIGINT. Installed before anything is opened, so that none is missed.
#[cfg(unix)]
pub(super) fn shutdown_signal() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be handled")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
pub(super) fn shutdown_signal() -> anyhow::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without the handler the system ends the process by itself.
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// SIGHUP, where there is one.
#[cfg(unix)]
pub(super) struct Hangup(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Hangup {
    pub(super) fn new() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self(signal(SignalKind::hangup()).context("SIGHUP cannot be handled")?))
    }

    pub(super) async fn received(&mut self) -> Option<()> {
        self.0.recv().await
    }
}

#[cfg(not(unix))]
pub(super) struct Hangup;

#[cfg(not(unix))]
impl Hangup {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self)
    }

    pub(super) async fn received(&mut self) -> Option<()> {
        None
    }
}
