//! File descriptors: the soft limit is raised at start, and connections never take the last ones from the store.

use std::net::TcpStream;

use vouchlog_client::{Connection, GrpcLog};
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, statements};

use super::program::{Program, limited, serve};
use crate::process::write_keys;

const LIMIT: usize = 256;
/// What stores, indexes and journals find free, whoever connects.
const RESERVED: usize = 64;
const T: u64 = 1_767_225_600;

fn open_files(program: &Program) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", program.pid())).unwrap().count()
}

#[test]
fn the_soft_limit_is_raised_to_the_hard_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Program::start(limited(&serve(&folder.path().join("log"), &[]), &["--nofile=200:777"]));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", log.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers, ["777", "777"]);
    assert_eq!(log.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_connections_leaves_descriptors_to_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("log");
    write_keys(&data);
    let command = serve(&data, &["--origin", ORIGIN, "--open-enrolment"]);
    let mut log = Program::start(limited(&command, &[&format!("--nofile={LIMIT}:{LIMIT}")]));
    let client = GrpcLog::connect(&Connection::new(log.url())).unwrap();
    let mut gateway = TestGateway::open(&client, 10).await.unwrap();
    let mut crowd = Vec::new();
    for round in 0..20 {
        crowd.extend((0..40).map(|_| TcpStream::connect(log.address()).unwrap()));
        // The log works for a connection that was there before, crowd or not.
        gateway.send(&client, statements(300, round), T).await.unwrap();
        let open = open_files(&log);
        assert!(open <= LIMIT - RESERVED, "{open} of {LIMIT} descriptors are in use");
    }
    drop(crowd);
    drop(client);
    let client = GrpcLog::connect(&Connection::new(log.url())).unwrap();
    gateway.send(&client, statements(1, 1_000), T).await.unwrap();
    assert_eq!(log.terminate(), Some(0));
}
