//! A log with its server behind a proxy, and gateways for it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use vouchlog_api::{Appender, proof};
use vouchlog_client::{Connection, Gateway, GatewayConfig, GatewayError, Options, Patience};
use vouchlog_merkle::{LeafIndex, sha256};
use vouchlog_note::{KeyName, Origin, SignatureType, SigningKey, VerifyingKey};
use vouchlog_runtime::{Clock, UnixMillis, UnixSeconds};
use vouchlog_sequencer::Engine;
use vouchlog_storage::{MemoryIndex, MemoryStore};
use vouchlog_stream::{
    Digest, Enrolment, Entry, Evidence, Statement, StatementEntry, StatementKind, StreamId,
};

use crate::proxy::Proxy;

pub(crate) const ORIGIN: &str = "log.example/world";

/// A log, its server, and the proxy in front.
pub(crate) struct World {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) log: Engine<Arc<MemoryStore>>,
    pub(crate) proxy: Proxy,
    /// Whether the log looks statements up, from its next start on.
    pub(crate) has_index: bool,
    options: vouchlog_sequencer::Options,
    _stop: oneshot::Sender<()>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(vouchlog_sequencer::Options::default()).await
    }

    pub(crate) async fn with(options: vouchlog_sequencer::Options) -> Self {
        let proxy = Proxy::start().await;
        let store = Arc::new(MemoryStore::new());
        let log = open_log(store.clone(), options.clone(), true);
        let (address, stop) = serve(log.clone()).await;
        proxy.lead_to(Some(address));
        let world = Self { store, log, proxy, has_index: true, options, _stop: stop };
        world.enrol(gateway_key().verifying_key()).await;
        world
    }

    pub(crate) async fn enrol(&self, gateway: &VerifyingKey) {
        let enrolment = Enrolment::first(origin(), gateway.clone());
        self.log.enrol(enrolment.sign(&key("operator", 2)).unwrap()).await.unwrap();
    }

    /// Kills the log as `kill -9` would, and starts another on what is durable.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.replace_store(self.store.reopen()).await;
    }

    /// Kills the log and starts one on another store.
    pub(crate) async fn replace_store(&mut self, store: MemoryStore) {
        self.proxy.lead_to(None);
        self.store = Arc::new(store);
        self.log = open_log(self.store.clone(), self.options.clone(), self.has_index);
        let (address, stop) = serve(self.log.clone()).await;
        self._stop = stop;
        self.proxy.lead_to(Some(address));
    }

    pub(crate) fn connection(&self) -> Connection {
        Connection::new(format!("http://{}", self.proxy.address))
    }

    pub(crate) fn config(&self, dir: &Path) -> GatewayConfig {
        GatewayConfig {
            log: self.connection(),
            origin: origin(),
            log_key: log_key().verifying_key().clone(),
            gateway_key: gateway_key(),
            state_dir: dir.to_owned(),
            clock: Clock::from_wall(|| UnixSeconds::new(1_800_000_000).millis()),
            randomness,
            sink: None,
            options: Options {
                batch: 5,
                patience: Patience {
                    first_backoff: Duration::from_millis(1),
                    max_backoff: Duration::from_millis(20),
                    ..Patience::default()
                },
                ..Options::default()
            },
        }
    }

    pub(crate) async fn gateway(&self, dir: &Path) -> Gateway {
        Gateway::open(self.config(dir)).await.unwrap()
    }

    /// Every entry of the log.
    pub(crate) async fn entries(&self) -> Vec<Entry> {
        let size = self.log.sequenced().size();
        let mut entries = Vec::new();
        for index in 0..size.get() {
            let entry = proof::entry(&self.log, LeafIndex::new(index), size).await.unwrap();
            entries.push(Entry::decode(&entry).unwrap());
        }
        entries
    }

    pub(crate) async fn logged(&self) -> Vec<StatementEntry> {
        let entries = self.entries().await.into_iter();
        entries
            .filter_map(|entry| if let Entry::Statement(entry) = entry { Some(entry) } else { None })
            .collect()
    }

    /// The log has these statements, each once, in this order, without a gap in any stream.
    pub(crate) async fn check_exactly(&self, submitted: &[Statement]) {
        let logged = self.logged().await;
        let statements: Vec<Statement> = logged.iter().map(|entry| entry.statement).collect();
        assert_eq!(statements.len(), submitted.len(), "statements were lost or taken twice");
        assert!(statements == submitted, "statements were reordered");
        let mut next = std::collections::HashMap::<StreamId, u64>::new();
        for entry in &logged {
            let next = next.entry(entry.stream).or_default();
            assert_eq!(entry.sequence.get(), *next);
            *next += 1;
        }
    }
}

fn open_log(
    store: Arc<MemoryStore>,
    options: vouchlog_sequencer::Options,
    has_index: bool,
) -> Engine<Arc<MemoryStore>> {
    static TIME: AtomicU64 = AtomicU64::new(1_800_000_000_000);
    let config = vouchlog_sequencer::Config {
        origin: origin(),
        log_key: log_key(),
        ml_dsa_key: None,
        operator_key: Some(key("operator", 2)),
        operator: None,
        continues: None,
        house_key: None,
        randomness,
        clock: Clock::from_wall(|| UnixMillis::new(TIME.fetch_add(1, Ordering::Relaxed))),
        witnesses: None,
        options,
    };
    let index = has_index.then(|| Arc::new(MemoryIndex::default()) as _);
    Engine::open(config, store, index, &mut Registry::default()).unwrap()
}

pub(crate) async fn serve(log: impl vouchlog_server::ServedLog) -> (SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = vouchlog_server::Server::new(log, vouchlog_server::ServerConfig::default());
    tokio::spawn(async move { server.run(listener, async { drop(stopped.await) }).await });
    (address, stop)
}

pub(crate) fn origin() -> Origin {
    Origin::new(ORIGIN).unwrap()
}

pub(crate) fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::generate(KeyName::new(name).unwrap(), SignatureType::Ed25519, [seed; 32]).unwrap()
}

pub(crate) fn log_key() -> SigningKey {
    key(ORIGIN, 1)
}

pub(crate) fn gateway_key() -> SigningKey {
    key("gateway.example", 3)
}

/// Different at each call, in this whole process.
pub(crate) fn randomness() -> [u8; 32] {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    *sha256(&CALLS.fetch_add(1, Ordering::Relaxed).to_be_bytes()).as_bytes()
}

/// The nth statement, like no other.
pub(crate) fn statement(n: u64) -> Statement {
    Statement {
        kind: StatementKind::Interaction,
        evidence: Evidence::NONE,
        digest: Digest::from_bytes(*sha256(format!("statement {n}").as_bytes()).as_bytes()),
    }
}

pub(crate) fn statements(range: std::ops::Range<u64>) -> Vec<Statement> {
    range.map(statement).collect()
}

/// Numbers that look random and are the same in every run (`splitmix64`).
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }
}

/// Fails a test that would otherwise hang; says nothing about how long anything may take.
pub(crate) async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), work).await.expect("the test hangs")
}

/// Waits for a gateway to stop by itself, and why.
pub(crate) async fn stopped(gateway: &Gateway) -> GatewayError {
    in_time(async {
        loop {
            if let Some(error) = gateway.status().stopped {
                return error;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}
