//! Faults of processes, network and database under load, with a referee: two supervised nodes, a stretch of network between each and the
//! database, gateways that see one address. After each fault everything acknowledged is there; at the end every head that any node ever
//! signed is a head of the one history.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use vouchlog_client::{Connection, GrpcLog};
use vouchlog_merkle::TreeHead;
use vouchlog_sequencer::testing::ORIGIN;

use super::link::{Link, Stall};
use super::referee::Referee;
use super::{Load, PATIENCE, ready_within};
use crate::database::Postgres;
use crate::kill::Replay;
use crate::process::{free_port, rounds, run, signal, vouchlog, write_keys};
use crate::witnesses::{json, log_key};

/// In the short and the long form, for each fault.
const ROUNDS: (u64, u64) = (1, 10);
/// Longer than a lease, so that the other node takes over.
const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(4);
/// What a load balancer does in this time is ask each node whether it is ready.
const CHECK: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// kill -9 of the leader.
    Killed,
    /// The leader is stopped for longer than its lease, and goes on.
    Paused,
    /// The leader and the database do not reach each other; what was under way arrives afterwards.
    Partitioned,
    /// What the leader sends arrives late, after its lease.
    RequestsLate,
    /// What the database answers is lost, after it was done.
    AnswersLost,
    /// The leader's connections are cut, twenty times.
    Cut,
    /// The database's sessions are terminated, twenty times.
    Terminated,
    /// The database crashes and recovers.
    DatabaseCrashed,
    /// The lease is over in the database before its time, twenty times, as after jumps of the database's clock.
    LeaseCutShort,
}

impl Fault {
    const ALL: [Self; 9] = [
        Self::Killed,
        Self::Paused,
        Self::Partitioned,
        Self::RequestsLate,
        Self::AnswersLost,
        Self::Cut,
        Self::Terminated,
        Self::DatabaseCrashed,
        Self::LeaseCutShort,
    ];

    /// Whether the other node must lead afterwards. A leader that was killed is started again, and may be quicker once its lease is over.
    fn deposes(self) -> bool {
        matches!(self, Self::Paused | Self::Partitioned | Self::RequestsLate | Self::AnswersLost)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Killed => "kill -9 of the leader",
            Self::Paused => "leader paused for 4 s",
            Self::Partitioned => "leader cut off from the database for 4 s",
            Self::RequestsLate => "leader's statements held for 4 s",
            Self::AnswersLost => "database's answers held for 4 s, then lost",
            Self::Cut => "leader's connections cut, 20 times",
            Self::Terminated => "database's sessions terminated, 20 times",
            Self::DatabaseCrashed => "database crashed and recovered",
            Self::LeaseCutShort => "lease over before its time, 20 times",
        })
    }
}

/// A node that is started again whenever it ends, as a service manager does.
struct Node {
    port: u16,
    pid: Arc<AtomicU32>,
    link: Link,
    stop: Arc<AtomicBool>,
    supervisor: Option<JoinHandle<()>>,
}

impl Node {
    fn start(data: PathBuf, database: u16, referee: &Referee) -> Self {
        write_keys(&data);
        let (port, link) = (free_port(), Link::to(database));
        let (pid, stop) = (Arc::<AtomicU32>::default(), Arc::<AtomicBool>::default());
        let (shown, ends) = (pid.clone(), stop.clone());
        let (listen, key) = (format!("127.0.0.1:{port}"), referee.key());
        let store = format!("postgres://postgres@127.0.0.1:{}/postgres", link.port());
        let supervisor = thread::spawn(move || {
            while !ends.load(Ordering::SeqCst) {
                let mut command = vouchlog();
                command.args(["serve", "--origin", ORIGIN, "--listen", &listen, "--key", &key, "--create"]);
                command.args(["--store", &store]).arg("--data").arg(&data);
                let lines = std::fs::File::options().create(true).append(true).open(data.join("lines"));
                let mut child = command.stdout(Stdio::null()).stderr(lines.unwrap()).spawn().unwrap();
                shown.store(child.id(), Ordering::SeqCst);
                child.wait().unwrap();
                thread::sleep(Duration::from_millis(100));
            }
        });
        Self { port, pid, link, stop, supervisor: Some(supervisor) }
    }

    fn signal(&self, name: &str) {
        signal(self.pid.load(Ordering::SeqCst), name);
    }

    fn is_ready(&self) -> bool {
        is_ready(self.port)
    }

    fn is_standby(&self) -> bool {
        ready_within(self.port, Duration::from_millis(500))
            .is_some_and(|body| body.contains("\r\nvouchlog-role: standby"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.link.heal();
        // It may be between two starts, or stopped.
        for _ in 0..100 {
            if self.supervisor.as_ref().is_none_or(JoinHandle::is_finished) {
                break;
            }
            let pid = self.pid.load(Ordering::SeqCst).to_string();
            std::process::Command::new("kill").args(["-KILL", &pid]).stderr(Stdio::null()).status().ok();
            thread::sleep(Duration::from_millis(50));
        }
        self.supervisor.take().map(JoinHandle::join);
    }
}

struct World {
    /// Dropped first: they are its clients.
    nodes: [Arc<Node>; 2],
    balancer: Link,
    referee: Referee,
    postgres: Postgres,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Option<Self> {
        let Some(bin) = Postgres::programs() else {
            eprintln!("not tested: PostgreSQL is not installed");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        let port = free_port();
        let postgres = Postgres::start(&bin, folder.path(), port);
        let referee = Referee::new(folder.path());
        let first = Node::start(folder.path().join("a"), port, &referee);
        wait("the first node leads", || first.is_ready());
        let second = Node::start(folder.path().join("b"), port, &referee);
        wait("the second node is a standby", || second.is_standby());
        let balancer = Link::to(first.port);
        Some(Self {
            nodes: [Arc::new(first), Arc::new(second)],
            balancer,
            referee,
            postgres,
            _folder: folder,
        })
    }

    /// Leads gateways to the node that is ready, until it is told to stop.
    fn balance(&self) -> (Arc<AtomicBool>, JoinHandle<()>) {
        // Nodes end with the world, which this thread may outlive.
        let (ports, balancer) = (self.nodes.each_ref().map(|node| node.port), self.balancer.clone());
        let stop = Arc::<AtomicBool>::default();
        let ends = stop.clone();
        let balancing = thread::spawn(move || {
            while !ends.load(Ordering::SeqCst) {
                if let Some(leader) = ports.into_iter().find(|port| is_ready(*port)) {
                    balancer.lead_to(leader);
                }
                thread::sleep(CHECK);
            }
        });
        (stop, balancing)
    }

    /// The leader and the standby, once there is one of each.
    fn roles(&self) -> (Arc<Node>, Arc<Node>) {
        let [a, b] = &self.nodes;
        let mut roles = None;
        wait("one node leads and the other waits", || {
            let found =
                [(a, b), (b, a)].into_iter().find(|(leads, waits)| leads.is_ready() && waits.is_standby());
            roles = found.map(|(leads, waits)| (leads.clone(), waits.clone()));
            roles.is_some()
        });
        roles.unwrap()
    }

    /// Does it, and undoes it once its time is over.
    fn inflict(&mut self, fault: Fault, leader: &Node, other: &Node) {
        let for_a_while = || {
            thread::sleep(LONGER_THAN_A_LEASE);
            // However long that takes here: before, the leader could renew its lease.
            wait("the other node takes over", || other.is_ready());
        };
        match fault {
            Fault::Killed => leader.signal("KILL"),
            Fault::Paused => {
                leader.signal("STOP");
                for_a_while();
                leader.signal("CONT");
            }
            Fault::Partitioned | Fault::RequestsLate | Fault::AnswersLost => {
                leader.link.hold(match fault {
                    Fault::RequestsLate => Stall::Requests,
                    Fault::AnswersLost => Stall::Answers,
                    _ => Stall::Both,
                });
                for_a_while();
                if fault == Fault::AnswersLost {
                    leader.link.cut();
                }
                leader.link.heal();
            }
            Fault::Cut => repeat(|| leader.link.cut()),
            Fault::Terminated => repeat(|| {
                self.postgres.sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'vouchlog%'",
                );
            }),
            Fault::DatabaseCrashed => self.postgres.crash_and_recover(),
            Fault::LeaseCutShort => repeat(|| {
                self.postgres.sql("UPDATE vouchlog_lease SET renewed = renewed - interval '1 hour'");
            }),
        }
    }
}

/// Whether the node there is ready and leads.
fn is_ready(port: u16) -> bool {
    ready_within(port, Duration::from_millis(500)).is_some_and(|body| {
        body.starts_with("HTTP/1.1 200") && body.contains("\r\nvouchlog-role: leader\r\n")
    })
}

fn repeat(mut act: impl FnMut()) {
    for _ in 0..20 {
        act();
        thread::sleep(Duration::from_millis(50));
    }
}

fn wait(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: it never happened");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until more is acknowledged.
async fn wait_for_more(load: &Load, fault: Fault) {
    let (before, deadline) = (load.count().await, Instant::now() + PATIENCE);
    while load.count().await == before {
        assert!(Instant::now() < deadline, "{fault}: nothing is acknowledged any more");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The longest time in which nothing was acknowledged.
struct Gap {
    stop: Arc<AtomicBool>,
    watching: tokio::task::JoinHandle<Duration>,
}

impl Gap {
    fn measure(load: &Load) -> Self {
        let (stop, promised) = (Arc::<AtomicBool>::default(), load.promised.clone());
        let ends = stop.clone();
        let watching = tokio::spawn(async move {
            let (mut count, mut since, mut longest) = (0, Instant::now(), Duration::ZERO);
            while !ends.load(Ordering::SeqCst) {
                let now = promised.lock().await.statements.len();
                longest = longest.max(since.elapsed());
                if now != count {
                    (count, since) = (now, Instant::now());
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            longest
        });
        Self { stop, watching }
    }

    async fn end(self) -> Duration {
        self.stop.store(true, Ordering::SeqCst);
        self.watching.await.unwrap()
    }
}

/// How long callers waited, in each round of a fault.
type Gaps = BTreeMap<Fault, Vec<Duration>>;

/// What came of it, for docs/reliability.md.
struct Campaign {
    gaps: Gaps,
    takeovers: u64,
    acknowledged: usize,
    signatures: usize,
}

impl Campaign {
    fn report(&self) {
        eprintln!("| fault | rounds | callers waited: median | longest |\n| --- | ---: | ---: | ---: |");
        for (fault, gaps) in &self.gaps {
            let mut gaps: Vec<f64> = gaps.iter().map(Duration::as_secs_f64).collect();
            gaps.sort_by(f64::total_cmp);
            let (rounds, median, longest) = (gaps.len(), gaps[gaps.len() / 2], gaps[gaps.len() - 1]);
            eprintln!("| {fault} | {rounds} | {median:.1} s | {longest:.1} s |");
        }
        let Self { takeovers, acknowledged, signatures, .. } = self;
        eprintln!("{acknowledged} statements acknowledged, {takeovers} takeovers, {signatures} signatures");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_loses_an_acknowledged_entry_or_makes_a_second_root() {
    let Some(mut world) = tokio::task::block_in_place(World::new) else { return };
    let (stop, balancing) = world.balance();
    let url = format!("http://127.0.0.1:{}", world.balancer.port());
    let log = GrpcLog::connect(&Connection::new(&url)).unwrap();
    let load = Load::start(&log).await;
    let (mut replay, mut gaps, mut takeovers) = (Replay::default(), Gaps::new(), 0_u64);
    for fault in (0..rounds(ROUNDS)).flat_map(|_| Fault::ALL) {
        let (leader, other) = tokio::task::block_in_place(|| world.roles());
        wait_for_more(&load, fault).await;
        let gap = Gap::measure(&load);
        tokio::task::block_in_place(|| world.inflict(fault, &leader, &other));
        wait_for_more(&load, fault).await;
        gaps.entry(fault).or_default().push(gap.end().await);
        let (leads, _) = tokio::task::block_in_place(|| world.roles());
        takeovers += u64::from(leads.port != leader.port);
        assert!(!fault.deposes() || leads.port != leader.port, "{fault}: the other node did not take over");
        replay.follow(&log, &load.so_far().await).await;
    }
    load.more_than(100).await;
    let mut promised = load.end().await;
    // What was acknowledged, and every head that was ever signed: one history has them all.
    let signed: Vec<TreeHead> = world.referee.heads();
    let number = signed.len();
    promised.heads.extend(signed);
    Replay::default().follow(&log, &promised).await;
    check_audit(url).await;
    stop.store(true, Ordering::SeqCst);
    balancing.join().unwrap();
    Campaign { gaps, takeovers, acknowledged: promised.statements.len(), signatures: number }.report();
}

/// An audit of the whole log finds nothing.
async fn check_audit(url: String) {
    let vkey = log_key().verifying_key().to_string();
    let output =
        tokio::task::spawn_blocking(move || run(&["audit", "--json", "--log", &url, "--log-vkey", &vkey]));
    let report = json(&String::from_utf8_lossy(&output.await.unwrap().stdout));
    let findings = report["findings"].as_array().unwrap();
    // Gateways that do not close their streams fall silent; nothing else may be found, such as a statement that is there twice.
    let others: Vec<_> = findings.iter().filter(|it| it["kind"] != "silent-stream").collect();
    assert!(others.is_empty(), "{report}");
    assert_eq!(report["checked"]["entries"], report["checkpoint"]["size"], "{report}");
}
