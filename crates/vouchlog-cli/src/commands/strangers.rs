//! How a server faces strangers: on which port it shows health and metrics, and which addresses are proxies.

use std::net::IpAddr;

use tokio::net::TcpListener;
use vouchlog_server::{Server, ServerConfig};

use super::exposure::{Transport, duplicate, listen_at};
use super::running::DrainArgs;

/// How a server faces strangers.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct StrangersArgs {
    /// Serve health, metrics and reflection at this address, with connections and limits of their own. Other ports then show only /healthz and whether /readyz passes; without it, so do those that are not on loopback
    #[arg(long, value_name = "ADDRESS", env = "VOUCHLOG_ADMIN_LISTEN")]
    admin_listen: Option<String>,
    /// The IP address of a proxy in front. It stands for many clients, so the limits for one address do not bind it; loopback never is bound. May be repeated
    #[arg(long = "proxy", value_name = "IP", env = "VOUCHLOG_PROXIES", value_delimiter = ' ')]
    proxies: Vec<IpAddr>,
}

/// The port for operators, if there is one.
pub(super) struct AdminPort(Option<(TcpListener, String)>);

impl StrangersArgs {
    /// How the command's server is set. Raises the limit of open files: call it before anything is opened.
    pub(super) fn config(&self, drain: &DrainArgs) -> ServerConfig {
        ServerConfig { proxies: self.proxies.clone(), ..drain.config() }
    }

    /// The address of the port for operators, as it was given.
    pub(super) fn admin_listen(&self) -> Option<&str> {
        self.admin_listen.as_deref()
    }

    /// Takes the port for operators. On loopback it is in plain text, elsewhere as the others are.
    pub(super) async fn admin_port(&self, transport: Transport) -> anyhow::Result<AdminPort> {
        let Some(address) = &self.admin_listen else { return Ok(AdminPort(None)) };
        let (listener, address) = listen_at(address, "--admin-listen", transport).await?;
        let is_local = address.ip().to_canonical().is_loopback();
        let transport = if is_local { Transport::Clear } else { transport };
        Ok(AdminPort(Some((listener, transport.url(address)))))
    }
}

impl AdminPort {
    /// The same port once more.
    pub(super) fn duplicate(&self) -> anyhow::Result<Self> {
        let again = self.0.as_ref().map(|(listener, url)| anyhow::Ok((duplicate(listener)?, url.clone())));
        Ok(Self(again.transpose()?))
    }

    /// Where it is.
    pub(super) fn url(&self) -> Option<String> {
        self.0.as_ref().map(|(_, url)| url.clone())
    }

    /// A line about it.
    pub(super) fn line(&self) -> String {
        self.url().map_or_else(String::new, |url| format!("  operators      {url}\n"))
    }

    /// Has a server answer operators there.
    pub(super) fn of(self, server: Server) -> Server {
        match self.0 {
            Some((listener, _)) => server.admin(listener),
            None => server,
        }
    }
}
