//! A log in PostgreSQL as real processes: kill -9, standbys that take over, a leader that is paused and wakes up, a handover, an older
//! database. Gateways see one address, and nothing that was acknowledged is lost.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use vouchlog_client::{Connection, GrpcLog};
use vouchlog_sequencer::testing::TestGateway;

use crate::database::Postgres;
use crate::kill::{Promised, Replay, acknowledged_more_than, work};
use crate::process::{Server, fail, free_port, rounds, signal, succeed, vouchlog, write_keys};
use crate::witnesses::{json, start_witness, write_policy};

mod campaign;
mod cluster;
mod faults;
mod fronts;
mod link;
mod namespaces;
mod referee;

/// In the short and the long form.
const TAKEOVERS: (u64, u64) = (3, 30);
const PATIENCE: Duration = Duration::from_secs(120);

/// A PostgreSQL server, and a folder for nodes.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) postgres: Postgres,
    /// What else its nodes are started with.
    more: Vec<String>,
}

impl World {
    pub(crate) fn new() -> Option<Self> {
        let Some(bin) = Postgres::programs() else {
            eprintln!("not tested: PostgreSQL is not installed");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        let postgres = Postgres::start(&bin, folder.path(), free_port());
        Some(Self { folder, postgres, more: Vec::new() })
    }

    /// With further arguments for its nodes.
    pub(crate) fn with(self, more: &[&str]) -> Self {
        Self { more: more.iter().map(|&argument| argument.to_owned()).collect(), ..self }
    }

    pub(crate) fn data(&self, node: &str) -> std::path::PathBuf {
        self.folder.path().join(node)
    }

    fn arguments(&self) -> Vec<String> {
        let store = ["--store".to_owned(), self.postgres.url(), "--create".to_owned()];
        store.into_iter().chain(self.more.clone()).collect()
    }

    /// A node that leads at once, or once the leader has ended.
    pub(crate) fn node(&self, node: &str, port: u16) -> Server {
        let arguments = self.arguments();
        Server::start(&self.data(node), port, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// A node that is to be a standby. It is one when this returns.
    pub(crate) fn standby(&self, node: &str, port: u16) -> JoinHandle<Server> {
        let (data, arguments) = (self.data(node), self.arguments());
        let standby = std::thread::spawn(move || {
            Server::start(&data, port, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
        });
        let deadline = Instant::now() + PATIENCE;
        while !ready(port).is_some_and(|body| body.contains("\"role\":\"standby\"")) {
            assert!(Instant::now() < deadline && !standby.is_finished(), "{node} is no standby");
            std::thread::sleep(Duration::from_millis(20));
        }
        standby
    }
}

/// `vouchlog serve` at a port that no other test has.
const ANYWHERE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

/// What `/readyz` of a node that serves returns. The front of a standby that became the leader closes the connections on which it has read no
/// request, and a client is to send it again.
fn answer(port: u16) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ready(port) {
            Some(body) if !body.is_empty() => return body,
            _ => assert!(Instant::now() < deadline, "nothing answers at {port}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What `/readyz` at a port returns.
fn ready(port: u16) -> Option<String> {
    ready_at((Ipv4Addr::LOCALHOST, port).into(), Duration::from_secs(10))
}

fn ready_at(address: SocketAddr, patience: Duration) -> Option<String> {
    use std::io::{Read as _, Write as _};
    let mut socket = TcpStream::connect_timeout(&address, patience).ok()?;
    socket.set_read_timeout(Some(patience)).ok()?;
    socket.write_all(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// The one address that gateways see.
pub(crate) struct Balancer {
    port: u16,
    pub(crate) leader: Arc<AtomicU16>,
}

impl Balancer {
    pub(crate) fn start(leader: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let leader = Arc::new(AtomicU16::new(leader));
        let to = leader.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", to.load(Ordering::SeqCst))) else {
                    continue;
                };
                for (mut from, mut to) in [(&client, &server), (&server, &client)]
                    .map(|(from, to)| (from.try_clone().unwrap(), to.try_clone().unwrap()))
                {
                    std::thread::spawn(move || {
                        // Either side may be killed.
                        io::copy(&mut from, &mut to).ok();
                        to.shutdown(std::net::Shutdown::Both).ok();
                    });
                }
            }
        });
        Self { port, leader }
    }

    pub(crate) fn log(&self) -> GrpcLog {
        GrpcLog::connect(&Connection::new(format!("http://127.0.0.1:{}", self.port))).unwrap()
    }
}

/// Gateways at work until they are stopped.
pub(crate) struct Load {
    promised: Arc<Mutex<Promised>>,
    stop: Arc<AtomicBool>,
    workers: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    pub(crate) async fn start(log: &GrpcLog) -> Self {
        let (promised, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let mut workers = Vec::new();
        for seed in 10..12 {
            let gateway = TestGateway::open(log, seed).await.unwrap();
            let work = work(log.clone(), gateway, u64::from(seed), stop.clone(), Arc::clone(&promised));
            workers.push(tokio::spawn(work));
        }
        Self { promised, stop, workers }
    }

    /// Stops; everything that was promised.
    pub(crate) async fn end(self) -> Promised {
        self.stop.store(true, Ordering::Relaxed);
        for worker in self.workers {
            worker.await.unwrap();
        }
        self.promised.lock().await.clone()
    }

    /// Stops without waiting for what is under way.
    fn abandon(self) {
        for worker in self.workers {
            worker.abort();
        }
    }

    pub(crate) async fn so_far(&self) -> Promised {
        self.promised.lock().await.clone()
    }

    /// Waits until more statements than that were acknowledged.
    pub(crate) async fn more_than(&self, count: usize) {
        acknowledged_more_than(&self.promised, count).await;
    }

    /// How many statements were acknowledged.
    async fn count(&self) -> usize {
        self.promised.lock().await.statements.len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_under_load_lose_nothing_and_a_standby_takes_over() {
    let Some(world) = World::new() else { return };
    let nodes = [("a", free_port()), ("b", free_port())];
    let mut leader = world.node(nodes[0].0, nodes[0].1);
    let balancer = Balancer::start(nodes[0].1);
    let log = balancer.log();
    let load = Load::start(&log).await;
    let mut replay = Replay::default();
    for takeover in 0..rounds(TAKEOVERS) {
        let (node, port) = nodes[usize::try_from((takeover + 1) % 2).unwrap()];
        let standby = world.standby(node, port);
        tokio::time::sleep(Duration::from_millis(100 + takeover * 137 % 500)).await;
        let killed = Instant::now();
        leader.kill();
        leader = tokio::task::spawn_blocking(move || standby.join().unwrap()).await.unwrap();
        eprintln!("takeover {takeover} after {:?}", killed.elapsed());
        balancer.leader.store(port, Ordering::SeqCst);
        replay.follow(&log, &load.so_far().await).await;
    }
    load.more_than(300).await;
    let promised = load.end().await;
    Replay::default().follow(&log, &promised).await;
    let metrics = ready_metrics(&leader.url).await;
    assert!(metrics.contains("vouchlog_store_leader 1"), "{metrics}");
    assert_eq!(leader.terminate(), 0);
}

async fn ready_metrics(url: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    client.get(format!("{url}/metrics")).send().await.unwrap().text().await.unwrap()
}

/// A leader that is stopped for longer than its lease signs nothing after it wakes up, and ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_paused_signs_nothing_more() {
    let Some(world) = World::new() else { return };
    let (a, b) = (free_port(), free_port());
    let paused = world.node("a", a);
    let balancer = Balancer::start(a);
    let log = balancer.log();
    let load = Load::start(&log).await;
    let standby = world.standby("b", b);
    tokio::time::sleep(Duration::from_millis(300)).await;
    signal(paused.pid(), "STOP");
    let leader = tokio::task::spawn_blocking(move || standby.join().unwrap()).await.unwrap();
    balancer.leader.store(b, Ordering::SeqCst);
    signal(paused.pid(), "CONT");
    let code = tokio::task::spawn_blocking(move || paused.wait()).await.unwrap();
    assert_eq!(code, 3, "a deposed leader asks to be restarted");
    let promised = load.end().await;
    // Answers of both leaders, in one history.
    Replay::default().follow(&log, &promised).await;
    assert_eq!(leader.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_hands_over_when_it_is_asked() {
    let Some(world) = World::new() else { return };
    let (a, b) = (free_port(), free_port());
    let first = world.node("a", a);
    let store = ["--store", &world.postgres.url()];
    let seen = json(&succeed(&[&["store", "check", "--json"], &store[..]].concat()));
    assert_eq!(seen["store"]["leader"]["address"], serde_json::json!(first.url), "{seen}");
    let (code, said) = fail(
        &[&ANYWHERE[..], &["--data", world.data("c").to_str().unwrap(), "--store", "postgres:nowhere"]]
            .concat(),
    );
    assert!(code == 2 && said.contains("--store"), "{said}");
    let standby = world.standby("b", b);
    succeed(&[&["store", "resign"], &store[..]].concat());
    let code = tokio::task::spawn_blocking(move || first.wait()).await.unwrap();
    assert_eq!(code, 3, "it is restarted as a standby");
    let second = tokio::task::spawn_blocking(move || standby.join().unwrap()).await.unwrap();
    let body = answer(b);
    assert!(body.contains("leader") && body.contains("epoch"), "{body}");
    assert_eq!(second.terminate(), 0);
    let (code, said) = fail(&[&["store", "resign"], &store[..]].concat());
    assert_eq!(code, 1, "{said}");
}

/// Whoever remembers more than the database holds keeps the log from starting: the node itself, or on a new node a witness.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_restored_from_an_older_dump_is_refused() {
    let Some(world) = World::new() else { return };
    let folder = world.folder.path();
    let witness = start_witness(folder, "w1", 0, &[]);
    let policy = write_policy(folder, &[("w1", &witness, "http")]);
    let url = world.postgres.url();
    let more = ["--store", &url, "--create", "--policy", &policy, "--witness-interval", "50ms"];
    let dump = folder.join("older.sql");
    Server::start(&world.data("a"), 0, &more).terminate();
    world.postgres.dump(&dump);
    let server = Server::start(&world.data("a"), 0, &more);
    let digest = "07".repeat(32);
    let submit = ["submit", "--log", &server.url, "--log-vkey", &server.vkey, "--policy", &policy];
    succeed(&[&submit[..], &["--digest", &digest]].concat());
    assert_eq!(server.terminate(), 0);
    world.postgres.restore(&dump);
    write_keys(&world.data("new"));
    for (node, remembers) in [("a", "this log, but its store holds"), ("new", "witness")] {
        let data = world.data(node);
        let (code, said) = fail(&[&ANYWHERE[..], &["--data", data.to_str().unwrap()], &more[..]].concat());
        assert!(code == 2 && said.contains(remembers), "{node}: {said}");
    }
    world.postgres.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    let data = world.data("a");
    let serve = [&ANYWHERE[..], &["--data", data.to_str().unwrap(), "--store", &url]].concat();
    let (code, said) = fail(&serve);
    assert!(code == 2 && said.contains("holds no log"), "{said}");
    let (code, said) = fail(&[&serve[..], &["--create"]].concat());
    assert!(code == 2 && said.contains("this node signed the log"), "{said}");
}

/// What would lose acknowledged entries is refused in words, and other weaknesses are listed.
#[test]
fn a_database_that_loses_entries_is_refused() {
    let Some(world) = World::new() else { return };
    let url = world.postgres.url();
    let sound = json(&succeed(&["store", "check", "--json", "--store", &url]));
    assert_eq!(sound["usable"], true, "{sound}");
    // The tests' server runs without.
    assert!(sound["store"]["findings"].to_string().contains("fsync"), "{sound}");
    world.postgres.sql("ALTER DATABASE postgres SET synchronous_commit = off");
    let output = vouchlog().args(["store", "check", "--store", &url]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("synchronous_commit is off") && said.contains("must not be kept here"), "{said}");
    let data = world.data("a");
    let serve = ["--data", data.to_str().unwrap(), "--store", &url, "--create"];
    let (code, said) = fail(&[&ANYWHERE[..], &serve].concat());
    assert!(code == 2 && said.contains("synchronous_commit is off"), "{said}");
    assert!(!data.join("SIGNED").exists(), "nothing was begun");
}
