//! kill -9 at any moment: every acknowledged commit is there, whole, and nothing is torn.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use vouchlog_storage::Store;

use crate::cluster::Place;
use crate::synthetic::{batch, check, next_size};

/// Set for the child process, which commits until it is killed: URL, origin, folder, and what its sealed part is.
const CHILD: &str = "VOUCHLOG_TEST_POSTGRES_CRASH";
const ROUNDS: u64 = 10;

/// The child: prints every size once it is acknowledged.
#[test]
fn writer() {
    let Ok(child) = std::env::var(CHILD) else { return };
    let [url, origin, dir, sealed] = child.split(' ').collect::<Vec<_>>()[..] else { panic!("{child}") };
    let (location, dir) =
        (vouchlog_storage_postgres::Location::parse(url).unwrap(), std::path::Path::new(dir));
    let database = vouchlog_storage_postgres::Database::new(location).unwrap();
    let mut options = vouchlog_storage_postgres::Options::new(dir);
    (options.create, options.takeover) = (true, vouchlog_storage_postgres::Takeover::AtOnce);
    if sealed == "segments" {
        let make = |_, sealed| vouchlog_storage_sled::Segments::open_at(&dir.join("sealed"), sealed);
        write(&vouchlog_storage_postgres::open_with(&database, origin, options, "segments", make).unwrap());
    } else if sealed.contains("://") {
        let make = |size, part| crate::objects::sealed(sealed, origin, (size, part));
        write(&vouchlog_storage_postgres::open_with(&database, origin, options, sealed, make).unwrap());
    } else {
        write(&vouchlog_storage_postgres::open(&database, origin, options).unwrap());
    }
}

fn write(store: &impl Store) {
    let mut size = check(store);
    loop {
        let old = size.unwrap_or(0);
        store.commit(size, batch(old, next_size(old))).unwrap();
        size = Some(next_size(old));
        println!("acknowledged {}", next_size(old));
    }
}

/// Starts the writer, kills it `after` its first acknowledged commit, and returns the last size that it acknowledged.
fn kill_a_writer(place: &Place, sealed: &str, after: Duration) -> u64 {
    let told = [&place.url(), &place.origin, place.memory.path().to_str().unwrap(), sealed].join(" ");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::writer", "--nocapture"])
        .env(CHILD, told)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let size_in = |line: String| line.strip_prefix("acknowledged ").and_then(|size| size.parse::<u64>().ok());
    let first = lines.by_ref().find_map(size_in);
    let reader = std::thread::spawn(move || lines.filter_map(size_in).last());
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap().or(first).expect("the writer gets somewhere")
}

pub(crate) fn nothing_acknowledged_is_lost<S: Store>(sealed: &str, open: impl Fn(&Place) -> S) {
    let Some(place) = Place::new() else { return };
    let mut reached = 0;
    for round in 0..ROUNDS {
        let after = Duration::from_micros(round * 97_919 % 400_000);
        let acknowledged = kill_a_writer(&place, sealed, after);
        let store = open(&place);
        let size = check(&store).unwrap();
        assert!(size >= acknowledged, "round {round}: {acknowledged} were acknowledged, {size} are there");
        assert!(size > reached, "round {round} goes on where the last one stopped");
        reached = size;
        if round % 3 == 0 {
            store.close().unwrap();
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_with_all_in_the_database() {
    nothing_acknowledged_is_lost("postgres", Place::open);
}

#[test]
fn nothing_acknowledged_is_lost_with_segments() {
    nothing_acknowledged_is_lost("segments", Place::open_segments);
}
