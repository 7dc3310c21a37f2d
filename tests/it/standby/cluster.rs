//! Two nodes of one log under a supervisor each, and one address that leads to whichever of them is the leader. A referee keeps their key.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use vouchlog_sequencer::testing::ORIGIN;

use super::link::Link;
use super::referee::Referee;
use super::{PATIENCE, ready_at};
use crate::process::{free_port, signal, vouchlog, write_keys};

/// How often a load balancer asks each node whether it is ready.
const CHECK: Duration = Duration::from_millis(50);
/// How long it waits for the answer.
const CHECK_PATIENCE: Duration = Duration::from_millis(500);
/// Of what a node logged, in the message of a failed test.
const SHOWN_LINES: usize = 30;
/// A service manager's pause before it starts a node again.
const RESTART_AFTER: Duration = Duration::from_millis(100);

/// What a node is started with.
pub(super) struct NodeSettings {
    pub(super) address: SocketAddr,
    /// Where it shows operators how it is.
    pub(super) checked_at: SocketAddr,
    /// URL of its database.
    pub(super) store: String,
    /// The way from the node to its database, if the test can hold or cut it.
    pub(super) link: Link,
    /// Runs the program, such as `ip netns exec NAME`.
    pub(super) within: Vec<String>,
    /// Further arguments.
    pub(super) more: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
}

impl NodeSettings {
    /// On loopback, with a link to the database at a port.
    pub(super) fn local(database: u16) -> Self {
        let (link, address) = (Link::to(database), (Ipv4Addr::LOCALHOST, free_port()).into());
        Self {
            address,
            checked_at: address,
            store: format!("postgres://postgres@127.0.0.1:{}/postgres", link.port()),
            link,
            within: Vec::new(),
            more: Vec::new(),
            environment: Vec::new(),
        }
    }

    fn command(&self, data: &Path, key: &str) -> Command {
        let program = vouchlog();
        let mut command = match self.within.split_first() {
            None => program,
            Some((first, others)) => {
                let mut command = Command::new(first);
                command.args(others).arg(program.get_program()).stdin(Stdio::null());
                for (name, _) in program.get_envs() {
                    command.env_remove(name);
                }
                command
            }
        };
        command.args(["serve", "--origin", ORIGIN, "--listen", &self.address.to_string()]);
        command.args(["--key", key, "--create", "--store", &self.store]).args(&self.more);
        command.arg("--data").arg(data).envs(self.environment.iter().cloned());
        command
    }
}

/// A node that is started again whenever it ends, as a service manager does.
pub(super) struct Node {
    pub(super) address: SocketAddr,
    checked_at: SocketAddr,
    pub(super) link: Link,
    pub(super) data: PathBuf,
    pid: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
    supervisor: Option<JoinHandle<()>>,
}

impl Node {
    pub(super) fn start(data: PathBuf, settings: NodeSettings, referee: &Referee) -> Self {
        write_keys(&data);
        let (pid, stop) = (Arc::<AtomicU32>::default(), Arc::<AtomicBool>::default());
        let (shown, ends, key) = (pid.clone(), stop.clone(), referee.key());
        let (address, checked_at) = (settings.address, settings.checked_at);
        let (link, folder) = (settings.link.clone(), data.clone());
        let supervisor = thread::spawn(move || {
            while !ends.load(Ordering::SeqCst) {
                let lines = std::fs::File::options().create(true).append(true).open(folder.join("lines"));
                let mut command = settings.command(&folder, &key);
                let mut child = command.stdout(Stdio::null()).stderr(lines.unwrap()).spawn().unwrap();
                shown.store(child.id(), Ordering::SeqCst);
                child.wait().unwrap();
                thread::sleep(RESTART_AFTER);
            }
        });
        Self { address, checked_at, link, data, pid, stop, supervisor: Some(supervisor) }
    }

    /// The process that runs now, or the last one.
    pub(super) fn pid(&self) -> u32 {
        self.pid.load(Ordering::SeqCst)
    }

    pub(super) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Whether it is ready and leads.
    pub(super) fn leads(&self) -> bool {
        leads(self.checked_at)
    }

    pub(super) fn is_standby(&self) -> bool {
        ready_at(self.checked_at, CHECK_PATIENCE)
            .is_some_and(|body| body.contains("\r\nvouchlog-role: standby"))
    }

    /// Whether its process was stopped by a signal.
    pub(super) fn is_stopped(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        // The state follows the program's name in brackets.
        status.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
    }

    /// What its processes have logged.
    pub(super) fn lines(&self) -> String {
        std::fs::read_to_string(self.data.join("lines")).unwrap()
    }

    fn last_lines(&self) -> String {
        let lines = self.lines();
        let lines: Vec<&str> = lines.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
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
            let pid = self.pid().to_string();
            Command::new("kill").args(["-KILL", &pid]).stderr(Stdio::null()).status().ok();
            thread::sleep(Duration::from_millis(50));
        }
        self.supervisor.take().map(JoinHandle::join);
    }
}

/// Whether the node there is ready and leads.
fn leads(address: SocketAddr) -> bool {
    ready_at(address, CHECK_PATIENCE).is_some_and(|body| {
        body.starts_with("HTTP/1.1 200") && body.contains("\r\nvouchlog-role: leader\r\n")
    })
}

/// Both nodes, and the address that leads to the leader.
pub(super) struct Cluster {
    pub(super) nodes: [Arc<Node>; 2],
    pub(super) referee: Referee,
    pub(super) balancer: Link,
    stop: Arc<AtomicBool>,
    balancing: Option<JoinHandle<()>>,
}

impl Cluster {
    /// The first node leads, and the second one is its standby, when this returns.
    pub(super) fn start(folder: &Path, [first, second]: [NodeSettings; 2]) -> Self {
        let referee = Referee::new(folder);
        let first = Node::start(folder.join("a"), first, &referee);
        wait_for(&first, "leads", || first.leads());
        let second = Node::start(folder.join("b"), second, &referee);
        wait_for(&second, "is a standby", || second.is_standby());
        let nodes = [Arc::new(first), Arc::new(second)];
        let balancer = Link::to(nodes[0].address.port());
        balancer.lead_to(nodes[0].address);
        let stop = Arc::<AtomicBool>::default();
        let checked = nodes.each_ref().map(|node| (node.address, node.checked_at));
        let balancing = Some(balance(checked, &balancer, &stop));
        Self { nodes, referee, balancer, stop, balancing }
    }

    /// What gateways are given.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.balancer.port())
    }

    /// The leader and the standby, once there is one of each.
    pub(super) fn roles(&self) -> (Arc<Node>, Arc<Node>) {
        let [a, b] = &self.nodes;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found =
                [(a, b), (b, a)].into_iter().find(|(leader, other)| leader.leads() && other.is_standby());
            if let Some((leader, other)) = found {
                return (leader.clone(), other.clone());
            }
            let logged = || self.nodes.each_ref().map(|node| node.last_lines()).join("\n---\n");
            assert!(Instant::now() < deadline, "no leader with a standby:\n{}", logged());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.balancing.take().map(JoinHandle::join);
    }
}

/// Leads gateways to the node that leads, until it is stopped.
fn balance(nodes: [(SocketAddr, SocketAddr); 2], balancer: &Link, stop: &Arc<AtomicBool>) -> JoinHandle<()> {
    let (balancer, ends) = (balancer.clone(), stop.clone());
    thread::spawn(move || {
        while !ends.load(Ordering::SeqCst) {
            if let Some((leader, _)) = nodes.into_iter().find(|(_, checked_at)| leads(*checked_at)) {
                balancer.lead_to(leader);
            }
            thread::sleep(CHECK);
        }
    })
}

/// As [`wait`], with what the node logged if it never happens.
pub(super) fn wait_for(node: &Node, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "no node {what}:\n{}", node.last_lines());
        thread::sleep(Duration::from_millis(20));
    }
}

pub(super) fn wait(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: it never happened");
        thread::sleep(Duration::from_millis(20));
    }
}
