//! `tools/high-availability` shows what it promises: the leader is killed, the other node takes over, nothing is lost.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::database::Postgres;
use crate::process::{free_port, rounds};

/// In the short and the long form.
const KILLS: (u64, u64) = (2, 20);

#[test]
fn the_script_kills_leaders_and_loses_nothing() {
    let Some(bin) = Postgres::programs() else {
        eprintln!("not tested: PostgreSQL is not installed");
        return;
    };
    let kills = rounds(KILLS);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_vouchlog")).parent().unwrap();
    let mut script = Command::new("timeout");
    script.args(["--kill-after=10", &(120 + kills * 30).to_string()]);
    script.arg(root.join("tools/high-availability")).arg(kills.to_string());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("VOUCHLOG_")) {
        script.env_remove(name);
    }
    script.env("PATH", format!("{}:{}", programs.display(), std::env::var("PATH").unwrap()));
    let ports = [free_port(), free_port(), free_port(), free_port()].map(|port| port.to_string());
    script.env("PORTS", ports.join(" ")).env("PG_BIN", bin);
    let haproxy = Path::new("/usr/sbin/haproxy");
    if haproxy.exists() {
        script.env("HAPROXY", haproxy);
    } else {
        eprintln!("not tested: a load balancer in front, HAProxy is not installed");
        script.env("HAPROXY", "");
    }
    let output = script.stdin(Stdio::null()).output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{errors}");
    eprintln!("{said}");
    assert_eq!(said.contains("in front of both nodes"), haproxy.exists(), "{said}");
    let takeovers = said.lines().filter(|line| line.contains("leads after")).count();
    assert_eq!(takeovers as u64, kills, "{said}");
    for line in ["has a receipt", "receipt verifies offline", "clean: no findings"] {
        assert!(said.contains(line), "{line}: {said}");
    }
}
