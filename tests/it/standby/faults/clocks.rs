//! Clocks that are wrong, and clocks that jump. A node measures its tenure by its own machine's time since start, the database the lease by
//! its own clock; neither compares its time with the other's.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::{Fault, World, inflict};
use crate::process::rounds;
use crate::standby::campaign::{Campaign, Successor};
use crate::standby::cluster::Node;
use crate::standby::namespaces;

/// In the short and the long form, for each fault.
const ROUNDS: (u64, u64) = (1, 10);
/// How long a clock stays where it was set: several renewals.
const SPELL: Duration = Duration::from_secs(2);

/// A node whose clocks since the start of its machine run a million seconds ahead of the other's. Each of them leads once and is deposed once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clocks_of_nodes_do_not_matter_to_the_lease() {
    if !namespaces::available() {
        return;
    }
    let ahead = ["unshare", "--time", "--boottime", "1000000", "--monotonic", "1000000"];
    let world = tokio::task::block_in_place(|| {
        World::with(|_| {}, |[first, _]| first.within = ahead.map(str::to_owned).to_vec())
    });
    let Some(mut world) = world else { return };
    let mut campaign = Campaign::start(&world.cluster).await;
    for fault in (0..2 * rounds(ROUNDS)).flat_map(|_| [Fault::Paused, Fault::Killed]) {
        let World { cluster, postgres, .. } = &mut world;
        let inflict = |leader: &Node, other: &Node| inflict(fault, postgres, leader, other);
        let name = format!("{fault}, one node's clocks 1,000,000 s ahead");
        campaign.round(cluster, &name, fault.successor(), inflict).await;
    }
    campaign.end(&world.cluster).await;
}

/// Whose time of day jumps, and by how many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Jump {
    Database(i32),
    Nodes(i32),
}

impl Jump {
    /// An hour is more than a lease; half a minute less than what a log follows.
    const ALL: [Self; 4] = [Self::Database(3_600), Self::Database(-3_600), Self::Nodes(30), Self::Nodes(-30)];

    fn name(self) -> &'static str {
        match self {
            Self::Database(1..) => "clock of the database 1 h ahead for 2 s",
            Self::Database(_) => "clock of the database 1 h back for 2 s",
            Self::Nodes(1..) => "clocks of the nodes 30 s ahead for 2 s",
            Self::Nodes(_) => "clocks of the nodes 30 s back for 2 s",
        }
    }
}

/// The library that shows programs another time of day. None where it is not installed, unless it has to be.
fn faketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let found = folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|path| path.exists());
    if found.is_none() {
        let needed = std::env::var_os("VOUCHLOG_NEEDS_NAMESPACES").is_some();
        assert!(!needed, "libfaketime is missing: install the package faketime");
        eprintln!("NOT TESTED with clocks that jump: install the package faketime");
    }
    found
}

/// The environment of a program whose time of day is off by what a file states.
fn environment(library: &Path, offset: &Path) -> Vec<(String, String)> {
    let (library, offset) = (library.display().to_string(), offset.display().to_string());
    let variables = [
        ("LD_PRELOAD", &*library),
        ("FAKETIME_TIMESTAMP_FILE", &offset),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_jump_lose_nothing() {
    let Some(library) = faketime() else { return };
    let offsets = tempfile::Builder::new().prefix("clocks").tempdir().unwrap();
    let [of_database, of_nodes] = ["database", "nodes"].map(|name| offsets.path().join(name));
    let set = |file: &Path, seconds: i32| {
        // Replaced as a whole: it is read at any time.
        let next = file.with_extension("next");
        std::fs::write(&next, format!("{seconds:+}\n")).unwrap();
        std::fs::rename(&next, file).unwrap();
    };
    crate::database::open_to_all(offsets.path());
    set(&of_database, 0);
    set(&of_nodes, 0);
    let world = tokio::task::block_in_place(|| {
        World::with(
            |site| site.environment = environment(&library, &of_database),
            |nodes| {
                for node in nodes {
                    node.environment = environment(&library, &of_nodes);
                }
            },
        )
    });
    let Some(world) = world else { return };
    let mut campaign = Campaign::start(&world.cluster).await;
    for jump in (0..rounds(ROUNDS)).flat_map(|_| Jump::ALL) {
        let inflict = |_: &Node, _: &Node| {
            let (file, seconds) = match jump {
                Jump::Database(seconds) => (&of_database, seconds),
                Jump::Nodes(seconds) => (&of_nodes, seconds),
            };
            set(file, seconds);
            thread::sleep(SPELL);
            set(file, 0);
        };
        campaign.round(&world.cluster, jump.name(), Successor::Either, inflict).await;
    }
    campaign.end(&world.cluster).await;
}
