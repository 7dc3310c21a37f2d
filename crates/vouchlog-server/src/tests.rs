//! The server as its clients see it: a small log in memory behind the real router, on a real socket of the loopback
//! interface, asked by real clients. Nothing here looks inside.

mod errors;
mod fake;
mod grpc;
mod http;
mod tiles;
mod wire;

use std::net::SocketAddr;

use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use vouchlog_proto::v1::gateway_client::GatewayClient;
use vouchlog_proto::v1::log_client::LogClient;

use crate::{Config, Readiness, Server};
use fake::Fake;

/// A running server. Dropping it stops the server.
struct Served {
    log: Fake,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Served {
    /// A server with its usual settings.
    async fn start() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(config: Config) -> Self {
        let log = Fake::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let watched = log.clone();
        let health = move || Readiness {
            checks: vec![("checkpoint", Ok(())), ("store", watched.store_check())],
            notes: vec![("witness w1".into(), "cosigned 7 entries".into())],
        };
        let mut registry = Registry::default();
        registry.register("engine_answer", "A metric of somebody else", {
            let gauge = prometheus_client::metrics::gauge::Gauge::<i64>::default();
            gauge.set(42);
            gauge
        });
        let server = Server::new(log.clone(), config).health(health).registry(registry);
        let task = tokio::spawn(async move {
            server.run(listener, async { drop(stopped.await) }).await;
        });
        Self { log, address, stop: Some(stop), task }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn channel(&self) -> Channel {
        Endpoint::from_shared(self.url("")).unwrap().connect().await.unwrap()
    }

    async fn gateway(&self) -> GatewayClient<Channel> {
        GatewayClient::new(self.channel().await)
    }

    async fn reader(&self) -> LogClient<Channel> {
        LogClient::new(self.channel().await)
    }

    /// Tells the server to stop, and waits until it has.
    async fn stop(mut self) {
        drop(self.stop.take());
        self.task.await.unwrap();
    }
}

/// A plain HTTP client. Proxies of the environment are none of its business.
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().no_gzip().build().unwrap()
}
