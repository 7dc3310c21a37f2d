//! The server as its clients see it: a small log in memory, or a witness that says what it is told to, behind the real router, on a real socket of the loopback
//! interface, asked by real clients. Nothing here looks inside.

mod access;
mod crowds;
mod errors;
mod explorer;
mod fake;
mod grpc;
mod http;
mod keys;
mod multiplexed;
mod operations;
mod ports;
mod requests;
mod routes;
mod tiles;
mod tls;
mod wire;
mod witness;

use std::net::SocketAddr;
use std::ops::Deref;

use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use vouchlog_proto::v1::gateway_client::GatewayClient;
use vouchlog_proto::v1::log_client::LogClient;

use crate::{Readiness, Server, ServerConfig};
use fake::Fake;

/// A running server. Dropping it stops the server.
struct Running {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(server: Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            server.run(listener, async { drop(stopped.await) }).await;
        });
        Self { address, stop: Some(stop), task }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn channel(&self) -> Channel {
        Endpoint::from_shared(self.url("")).unwrap().connect().await.unwrap()
    }

    /// Sends bytes and returns everything that comes back until the server closes.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // A reset is as much an end as a close.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Tells the server to stop, and waits until it has.
    async fn stop(mut self) {
        drop(self.stop.take());
        self.task.await.unwrap();
    }
}

/// A log and its server.
struct Served {
    log: Fake,
    running: Running,
}

impl Served {
    /// A server with its usual settings.
    async fn start() -> Self {
        Self::with(ServerConfig::default()).await
    }

    async fn with(config: ServerConfig) -> Self {
        let log = Fake::new();
        let watched = log.clone();
        let health = move || {
            let checked = Readiness::new().check("checkpoint", Ok(())).check("store", watched.store_check());
            checked.stopped(watched.stopped()).note("witness w1", "cosigned 7 entries")
        };
        let mut registry = Registry::default();
        registry.register("engine_answer", "A metric of somebody else", {
            let gauge = prometheus_client::metrics::gauge::Gauge::<i64>::default();
            gauge.set(42);
            gauge
        });
        let server = Server::new(log.clone(), config).health(health).registry(registry);
        Self { log, running: Running::start(server).await }
    }

    async fn gateway(&self) -> GatewayClient<Channel> {
        GatewayClient::new(self.channel().await)
    }

    async fn reader(&self) -> LogClient<Channel> {
        LogClient::new(self.channel().await)
    }

    async fn stop(self) {
        self.running.stop().await;
    }
}

impl Deref for Served {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

/// A plain HTTP client. Proxies of the environment are none of its business.
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().no_gzip().build().unwrap()
}
