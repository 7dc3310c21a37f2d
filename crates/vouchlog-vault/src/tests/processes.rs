//! Several processes on one vault, one of them killed. The test's own program, started again, is the other process.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;

/// Where a child is told what to do: `LOCATION PREFIX`, two lines.
const TASK: &str = "VOUCHLOG_VAULT_TEST_CHILD";
/// What it prints before the ids of a call that was acknowledged.
const ACKNOWLEDGED: &str = "acknowledged";
const CALL: usize = 8;
const CALLS_BEFORE_THE_KILL: usize = 25;

/// Not a test of its own: what a child process does, which is to keep records until it is killed.
#[tokio::test]
async fn child_process() {
    let Ok(task) = std::env::var(TASK) else { return };
    let (location, prefix) = task.split_once('\n').unwrap();
    let vault = Vault::open(location, kek(1)).await.unwrap();
    let owner = vault.owner().await.unwrap();
    for call in 0.. {
        let names: Vec<String> = (0..CALL).map(|i| format!("{prefix}-{call}-{i}")).collect();
        // Both processes make and use the same persons.
        let records = names.iter().map(|name| record(name, prefix, &format!("person {}", call % 20)));
        vault.keep(&owner, records.collect(), NOW).await.unwrap();
        println!("\n{ACKNOWLEDGED} {}", names.join(" "));
    }
}

fn spawn(location: &str, prefix: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "tests::processes::child_process", "--nocapture", "--test-threads=1"]);
    command.env(TASK, format!("{location}\n{prefix}")).stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// What a child acknowledged until it was killed.
fn killed_in_the_middle(mut child: Child) -> Vec<String> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    let mut calls = 0;
    while let Some(Ok(line)) = lines.next() {
        if let Some(names) = line.strip_prefix(ACKNOWLEDGED) {
            acknowledged.extend(names.split_whitespace().map(str::to_owned));
            calls += 1;
        }
        if calls == CALLS_BEFORE_THE_KILL {
            // SIGKILL; what it had printed by then is still read.
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success());
    assert!(calls >= CALLS_BEFORE_THE_KILL, "the child ended early, after {calls} calls");
    acknowledged
}

pub(super) async fn two_processes_and_a_kill_lose_nothing_acknowledged(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let children = ["a", "b"].map(|prefix| spawn(&place.location, prefix));
    let readers = children.map(|child| tokio::task::spawn_blocking(|| killed_in_the_middle(child)));
    // This process writes too, meanwhile.
    for call in 0..CALLS_BEFORE_THE_KILL {
        vault.keep(&owner, vec![record(&format!("c-{call}"), "c", "person 1")], NOW).await.unwrap();
    }
    let mut acknowledged: BTreeSet<String> = (0..CALLS_BEFORE_THE_KILL).map(|i| format!("c-{i}")).collect();
    for reader in readers {
        acknowledged.extend(reader.await.unwrap());
    }
    vault.close().await;

    let (vault, owner) = open(&place).await;
    for name in &acknowledged {
        let name = id(name);
        assert_eq!(vault.metadata(&owner, &name).await.unwrap(), metadata(name.as_str()));
    }
    // A call is there whole, also the one that was cut.
    for prefix in ["a", "b"] {
        let mut query = by(Facet::Session, prefix);
        let mut found = 0;
        loop {
            let page = vault.find(&owner, &query).await.unwrap();
            found += page.len();
            let Some(last) = page.last() else { break };
            query.after = Some(last.cursor());
        }
        assert_eq!(found % CALL, 0, "{prefix} kept part of a call");
    }
}

pub(super) async fn many_handles_make_the_same_vault(place: TestDatabase) {
    // A PostgreSQL server accepts 100 connections in all.
    let count = if place.location.starts_with("postgres") { 8 } else { 24 };
    let mut handles = tokio::task::JoinSet::new();
    for _ in 0..count {
        let location = place.location.clone();
        handles.spawn(async move { Vault::open_or_create(&location, kek(1)).await });
    }
    let vaults: Vec<Vault> = handles.join_all().await.into_iter().map(Result::unwrap).collect();
    for (i, vault) in vaults.iter().enumerate() {
        let (name, owner) = (format!("r{i}"), vault.owner().await.unwrap());
        vault.keep(&owner, vec![record(&name, "s", "p")], NOW).await.unwrap();
    }
    let owner = vaults[0].owner().await.unwrap();
    assert_eq!(
        ids(&vaults[0], &owner, &by(Facet::Session, "s")).await.len(),
        count,
        "all wrote to one vault"
    );
}

pub(super) async fn two_handles_write_the_same_vault(place: TestDatabase) {
    // Made by both at once.
    let location = place.location.as_str();
    let (one, two) =
        tokio::join!(Vault::open_or_create(location, kek(1)), Vault::open_or_create(location, kek(1)));
    let vaults = [one.unwrap(), two.unwrap()];
    let owner = vaults[0].owner().await.unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for call in 0..60 {
        let (vault, owner) = (vaults[call % 2].clone(), owner.clone());
        // Each record is given to both: one keeps it, the other finds it kept.
        let name = format!("r{}", call / 2);
        calls.spawn(async move { vault.keep(&owner, vec![record(&name, "s", "p")], NOW).await });
    }
    while let Some(kept) = calls.join_next().await {
        kept.unwrap().unwrap();
    }
    assert_eq!(ids(&vaults[0], &owner, &by(Facet::Session, "s")).await.len(), 30);
    assert_eq!(vaults[1].metadata(&owner, &id("r17")).await.unwrap(), metadata("r17"));
}
