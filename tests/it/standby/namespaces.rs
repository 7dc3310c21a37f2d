//! A network of a test's own: a bridge and hosts in network namespaces, with real sockets between them. Packets are dropped by nftables and
//! slowed down by a token bucket.
//!
//! The test runs once more as a process in network, mount and process namespaces that `unshare` makes. All of it ends with that process,
//! however it ends: the kernel removes what is in the namespaces with the last process in them.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Set for the process in the namespaces.
const INSIDE: &str = "VOUCHLOG_INSIDE_NAMESPACES";
/// How long that process has, in the short and the long form.
const PATIENCE: (u64, u64) = (400, 3_000);

/// Whether namespaces can be made, with what is needed in them. If they cannot, that is an error where they are demanded.
pub(super) fn available() -> bool {
    let lacking = lacking();
    if let Some(lacking) = &lacking {
        let needed = std::env::var_os("VOUCHLOG_NEEDS_NAMESPACES").is_some();
        assert!(!needed, "{lacking}");
        eprintln!("NOT TESTED in namespaces: {lacking}");
    }
    lacking.is_none()
}

fn lacking() -> Option<String> {
    let succeeds = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !succeeds("unshare", &["--net", "--mount", "--pid", "--fork", "true"]) {
        return Some("namespaces cannot be made: that takes root".to_owned());
    }
    for (program, version, package) in
        [("ip", "-V", "iproute2"), ("tc", "-V", "iproute2"), ("nft", "--version", "nftables")]
    {
        if !succeeds(program, &[version]) {
            return Some(format!("there is no `{program}`: install the package {package}"));
        }
    }
    None
}

/// Runs the test of that name again in namespaces of its own, where this returns the network. Outside it returns none once that process
/// has ended well, or if there can be no namespaces.
pub(super) fn enter(test: &str) -> Option<Network> {
    if std::env::var_os(INSIDE).is_some() {
        return Some(Network::make());
    }
    if !available() {
        return None;
    }
    // It ends with this thread, and everything in the namespaces with it.
    let mut process = Command::new("setpriv");
    process.args(["--pdeathsig=KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]);
    process.arg("--mount-proc").arg(std::env::current_exe().unwrap());
    process.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(INSIDE, "1");
    let mut process = process.stdin(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(crate::process::rounds(PATIENCE));
    let status = loop {
        match process.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if Instant::now() > deadline => break None,
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    if status.is_none() {
        process.kill().unwrap();
        process.wait().unwrap();
    }
    assert!(status.is_some_and(|status| status.success()), "{test} in namespaces: {status:?}");
    None
}

/// A host of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    NodeA,
    NodeB,
    Database,
}

impl Host {
    const ALL: [Self; 3] = [Self::NodeA, Self::NodeB, Self::Database];

    fn name(self) -> &'static str {
        match self {
            Self::NodeA => "node-a",
            Self::NodeB => "node-b",
            Self::Database => "database",
        }
    }

    pub(super) fn address(self) -> Ipv4Addr {
        let last = match self {
            Self::NodeA => 2,
            Self::NodeB => 3,
            Self::Database => 4,
        };
        Ipv4Addr::new(10, 0, 0, last)
    }

    /// The host with that address.
    pub(super) fn at(address: SocketAddr) -> Self {
        Self::ALL.into_iter().find(|host| host.address() == address.ip()).unwrap()
    }

    /// What runs a program there.
    pub(super) fn within(self) -> Vec<String> {
        ["ip", "netns", "exec", self.name()].map(str::to_owned).to_vec()
    }
}

/// What goes wrong with packets of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// None passes between it and another host.
    CutOffFrom(Host),
    /// What it sends to another host is lost.
    SendsInVain(Host),
    /// What another host sends to it is lost.
    HearsNothingOf(Host),
    /// Of a hundred packets so many are lost, in each direction.
    Loses(u32),
    /// 1 Mbit/s in each direction, with a queue of at most 400 ms.
    Slow,
}

/// The network. The process itself is on its bridge, at 10.0.0.1.
pub(super) struct Network(());

impl Network {
    fn make() -> Self {
        // `ip netns` keeps its names here; the mount is this process's own.
        command("mount", "-t tmpfs tmpfs /run");
        ip("link set lo up");
        ip("link add hosts type bridge");
        ip("address add 10.0.0.1/24 dev hosts");
        ip("link set hosts up");
        for host in Host::ALL {
            let (name, address) = (host.name(), host.address());
            ip(&format!("netns add {name}"));
            ip(&format!("link add {name} type veth peer name uplink netns {name}"));
            ip(&format!("link set {name} master hosts up"));
            ip(&format!("-n {name} address add {address}/24 dev uplink"));
            ip(&format!("-n {name} link set uplink up"));
            ip(&format!("-n {name} link set lo up"));
        }
        Self(())
    }

    /// From now on.
    pub(super) fn obstruct(&self, host: Host, obstacle: Obstacle) {
        let drops = |rule: &str, of: Option<Host>| {
            of.map(|of| format!("{rule} {} drop;", of.address())).unwrap_or_default()
        };
        let (sends, receives) = match obstacle {
            Obstacle::CutOffFrom(other) => (drops("ip daddr", Some(other)), drops("ip saddr", Some(other))),
            Obstacle::SendsInVain(other) => (drops("ip daddr", Some(other)), String::new()),
            Obstacle::HearsNothingOf(other) => (String::new(), drops("ip saddr", Some(other))),
            Obstacle::Loses(percent) => {
                let rule = format!("numgen random mod 100 < {percent} drop;");
                (rule.clone(), rule)
            }
            Obstacle::Slow => {
                let shape = "root tbf rate 1mbit burst 16kb latency 400ms";
                command("tc", &format!("-n {} qdisc add dev uplink {shape}", host.name()));
                command("tc", &format!("qdisc add dev {} {shape}", host.name()));
                return;
            }
        };
        nft(
            host,
            &format!(
                "table inet faults {{
                   chain sends {{ type filter hook output priority 0; {sends} }}
                   chain receives {{ type filter hook input priority 0; {receives} }}
                 }}"
            ),
        );
    }

    /// Removes an obstacle.
    pub(super) fn clear(&self, host: Host, obstacle: Obstacle) {
        if obstacle == Obstacle::Slow {
            command("tc", &format!("-n {} qdisc del dev uplink root", host.name()));
            command("tc", &format!("qdisc del dev {} root", host.name()));
        } else {
            nft(host, "delete table inet faults");
        }
    }
}

fn ip(args: &str) {
    command("ip", args);
}

fn command(program: &str, args: &str) {
    let output = Command::new(program).args(args.split(' ')).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{program} {args}: {}", String::from_utf8_lossy(&output.stderr));
}

fn nft(host: Host, rules: &str) {
    let within = host.within();
    let mut nft = Command::new(&within[0]);
    nft.args(&within[1..]).args(["nft", "-f", "-"]).stdin(Stdio::piped());
    let mut nft = nft.spawn().unwrap();
    nft.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
    assert!(nft.wait().unwrap().success(), "{rules}");
}
