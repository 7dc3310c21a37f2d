//! `vouchlog store copy`: a log that moves between a directory, PostgreSQL and object stores under load, that is stopped at every step of a
//! move and killed anywhere. Never do two stores sign.

use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use vouchlog::moving::{MoveError, Moving, Place, Step};
use vouchlog::objects::Objects;
use vouchlog::{ConnectionSecurity, LogBuilder, OpenError, StoreError};
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, statements};

use crate::kill::Replay;
use crate::objects::{audit, grow};
use crate::process::{Server, fail, free_port, rounds, run, succeed, vouchlog, write_keys};
use crate::standby::{Balancer, Load, World};
use crate::witnesses::{json, log_key};

/// In the short and the long form.
const KILLS: (u64, u64) = (6, 60);
const T: u64 = 1_767_225_600;
/// More statements than both gateways of a load have under way at once.
const BEYOND_WHAT_IS_UNDER_WAY: usize = 100;

fn vkey() -> String {
    log_key().verifying_key().to_string()
}

/// The arguments of a move.
fn copy<'a>(from: &'a str, to: &'a str, key: &'a str, objects: &'a [&'a str]) -> Vec<&'a str> {
    [&["store", "copy", "--json", "--from", from, "--to", to, "--log-vkey", key], objects].concat()
}

/// A move that has begun, and has copied what it could while the log is served.
fn begin(args: &[&str]) -> Child {
    let mut child =
        vouchlog().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let stderr = child.stderr.take().unwrap();
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    let asked = lines.by_ref().any(|line| line.contains("Stop the process"));
    assert!(asked, "it does not ask for the process to be stopped");
    std::thread::spawn(move || lines.for_each(drop));
    child
}

fn end(child: Child) -> Value {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    json(&String::from_utf8_lossy(&output.stdout))
}

/// That no log is served from a directory.
fn refuses(serve: &[&str], words: &str) {
    let (code, said) = fail(&[&["serve", "--listen", "127.0.0.1:0", "--origin", ORIGIN], serve].concat());
    assert!(code == 2 && said.contains(words), "{said}");
}

/// From a directory to the database, to another directory, and once more, under load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_moves_there_and_back_under_load() {
    let Some(world) = World::new() else { return };
    let (database, key) = (world.postgres.url(), vkey());
    let path = |name: &str| world.data(name).to_str().unwrap().to_owned();
    let objects = format!("file://{}", path("objects"));
    let ports = [free_port(), free_port(), free_port(), free_port()];
    let balancer = Balancer::start(ports[0]);
    let log = balancer.log();
    let to = |port: u16| balancer.leader.store(port, Ordering::SeqCst);

    let first = Server::start(&world.data("first"), ports[0], &[]);
    let load = Load::start(&log).await;
    load.more_than(600).await;
    let (from, child) =
        (path("first"), begin(&copy(&path("first"), &database, &key, &["--objects", &objects])));
    assert_eq!(first.terminate(), 0);
    let moved = end(child);
    assert!(moved["size"].as_u64().unwrap() > 500, "{moved}");
    refuses(&["--data", &from], "was moved to postgres://");
    let node = ["--store", &database, "--objects", &objects];
    let second = Server::start(&world.data("node"), ports[1], &node);
    to(ports[1]);
    load.more_than(load.so_far().await.statements.len() + BEYOND_WHAT_IS_UNDER_WAY).await;

    // The leader is fenced: its acknowledged entries come along, and it does not lead again.
    let back = json(&succeed(&copy(&database, &path("back"), &key, &[])));
    assert!(back["size"].as_u64() > moved["size"].as_u64(), "{back}");
    assert_eq!(second.wait(), 3, "a deposed leader asks to be restarted");
    let node_data = path("node");
    refuses(&[&["--data", &node_data][..], &node].concat(), "was moved to");
    let third = Server::start(&world.data("back"), ports[2], &[]);
    to(ports[2]);
    load.more_than(load.so_far().await.statements.len() + BEYOND_WHAT_IS_UNDER_WAY).await;

    let promised = load.end().await;
    Replay::default().follow(&log, &promised).await;
    assert!(audit(&third.url) <= size(&third).await);
    assert_eq!(third.terminate(), 0);
    succeed(&["fsck", "--data", &path("back"), "--log-vkey", &key]);
    refuses(&["--data", &from], "was moved to postgres://");
    // What was left does not move again, and a second run of a move that is complete changes nothing.
    let (code, said) = fail(&copy(&from, &path("elsewhere"), &key, &[]));
    assert!(code == 2 && said.contains("was moved"), "{said}");
    assert_eq!(json(&succeed(&copy(&database, &path("back"), &key, &[])))["size"], Value::Null);
}

async fn size(server: &Server) -> u64 {
    let log = vouchlog_client::GrpcLog::connect(&vouchlog_client::Connection::new(&server.url)).unwrap();
    crate::kill::newest(&log).await.size.get()
}

/// The stores that a log is moved between.
struct Stores {
    _folder: tempfile::TempDir,
    from: (Place, Option<Objects>, PathBuf),
    to: (Place, Option<Objects>, PathBuf),
}

fn objects(folder: &Path, name: &str) -> Objects {
    let url = format!("file://{}", folder.join(name).display());
    Objects::open(&url, &ConnectionSecurity::default()).unwrap()
}

/// Every kind of store as the source and as the destination.
fn pairs(world: &World) -> Vec<Stores> {
    let kinds = [
        ("dir", "pg"),
        ("pg", "dir"),
        ("dir+objects", "pg+objects"),
        ("pg", "pg+objects"),
        ("dir", "dir+objects"),
    ];
    let mut stores = Vec::new();
    for (number, (from, to)) in kinds.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let place = |role: &str, kind: &str| {
            let data = folder.path().join(role);
            write_keys(&data);
            let objects = kind.ends_with("+objects").then(|| objects(folder.path(), "objects"));
            if kind.starts_with("dir") {
                return (Place::Directory(data.clone()), objects, data);
            }
            // A database of its own for each: they all hold the log of the test keys.
            let name = format!("{role}_{number}");
            world.postgres.sql(&format!("CREATE DATABASE {name}"));
            let (server, _) =
                world.postgres.url().rsplit_once('/').map(|(a, b)| (a.to_owned(), b.len())).unwrap();
            (Place::parse(&format!("{server}/{name}")).unwrap(), objects, data)
        };
        let (from, to) = (place("source", from), place("target", to));
        stores.push(Stores { _folder: folder, from, to });
    }
    stores
}

/// A log as the program opens it, at a place.
fn builder((place, objects, data): &(Place, Option<Objects>, PathBuf)) -> LogBuilder {
    let builder = vouchlog::open(data).origin(ORIGIN);
    let builder = match place {
        Place::Postgres(postgres) => builder.postgres(postgres.clone()),
        Place::Directory(_) => builder,
    };
    match objects {
        Some(objects) => builder.objects(objects.clone()),
        None => builder,
    }
}

/// Opens the log at a place and adds to it; whether it was served from there.
async fn serves(place: &(Place, Option<Objects>, PathBuf), seed: u8) -> bool {
    let log = match builder(place).await {
        Ok(log) => log,
        Err(OpenError::Store(
            StoreError::Moved(_)
            | StoreError::Arriving(_)
            | StoreError::Foreign(_)
            | StoreError::ForeignObjects(_),
        )) => return false,
        Err(error) => panic!("{error:?}"),
    };
    let mut gateway = TestGateway::open(&log, seed).await.unwrap();
    gateway.send(&log, statements(300, u64::from(seed) << 20), T).await.unwrap();
    log.stop().await;
    true
}

fn moving(stores: &Stores) -> Moving {
    Moving {
        from: stores.from.0.clone(),
        to: stores.to.0.clone(),
        objects: stores.to.1.clone(),
        vkey: log_key().verifying_key().clone(),
        patience: Duration::from_secs(60),
        security: ConnectionSecurity::default(),
    }
}

/// Stops at every step of a move, for every kind of store. In between the log goes on where it is served, and the same move is run again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_stops_at_any_step_leaves_one_store_to_sign() {
    let Some(world) = World::new() else { return };
    for stores in pairs(&world) {
        let from = match &stores.from.0 {
            Place::Postgres(postgres) => {
                (Place::Postgres(postgres.clone().create(true)), stores.from.1.clone(), stores.from.2.clone())
            }
            Place::Directory(_) => (stores.from.0.clone(), stores.from.1.clone(), stores.from.2.clone()),
        };
        assert!(serves(&from, 20).await, "the source is begun");
        let mut seed = 21;
        for stop_at in 0.. {
            let moving = moving(&stores);
            let moved = tokio::task::spawn_blocking(move || {
                let mut seen = 0;
                let mut left = false;
                let moved = moving.run(&mut |step| {
                    left |= step == Step::Left;
                    seen += u32::from(!matches!(step, Step::Copied { .. }));
                    if seen > stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                });
                (moved, left)
            });
            let (moved, left) = moved.await.unwrap();
            match moved {
                Err(MoveError::Stopped) => {}
                Ok(_) => break,
                Err(error) => panic!("{} to {}, stopped at {stop_at}: {error:?}", stores.from.0, stores.to.0),
            }
            assert!(!serves(&stores.to, seed).await, "the destination serves before the move is complete");
            assert_eq!(serves(&from, seed).await, !left, "stopped at step {stop_at}");
            seed += 1;
        }
        assert!(!serves(&from, 90).await, "the source was left");
        assert!(serves(&stores.to, 91).await, "the destination serves");
        let log = builder(&stores.to).await.unwrap();
        // The first batch, and one for each time the source was served.
        assert!(log.sequenced().size().get() >= 300 * u64::from(seed - 20), "{}", log.sequenced().size());
        log.stop().await;
    }
}

/// kill -9 of the program at any moment of a move; in the end the log is at its destination, whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_a_move_lose_nothing() {
    let Some(world) = World::new() else { return };
    let (database, key, data) = (world.postgres.url(), vkey(), world.data("log"));
    let server = Server::start(&data, 0, &[]);
    grow(&server, 10, 20_000).await;
    assert_eq!(server.terminate(), 0);
    let from = data.to_str().unwrap();
    let args = copy(from, &database, &key, &[]);
    let command = || -> Command {
        let mut command = vouchlog();
        command.args(&args).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let begun = std::time::Instant::now();
    let mut killed = command().spawn().unwrap();
    std::thread::sleep(Duration::from_millis(30));
    killed.kill().unwrap();
    killed.wait().unwrap();
    let mut done = false;
    for kill in 0..rounds(KILLS) {
        let mut child = command().spawn().unwrap();
        std::thread::sleep(Duration::from_millis(50 + kill * 173 % 1_500));
        done |= child.try_wait().unwrap().is_some_and(|status| status.success());
        child.kill().ok();
        child.wait().unwrap();
    }
    eprintln!("killed for {:?}; complete before the last run: {done}", begun.elapsed());
    succeed(&args);
    refuses(&["--data", from], "was moved to postgres://");
    let rebuilt = world.data("rebuilt");
    let (code, said) = fail(&["recover", "--to", rebuilt.to_str().unwrap(), "--data", from]);
    assert!(code == 2 && said.contains("was moved to or from"), "{said}");
    let node = Server::start(&world.data("node"), 0, &["--store", &database]);
    assert!(audit(&node.url) > 20_000);
    assert_eq!(node.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_is_refused_in_words() {
    let Some(world) = World::new() else { return };
    let (database, key, data) = (world.postgres.url(), vkey(), world.data("log"));
    let from = data.to_str().unwrap();
    let (code, said) = fail(&copy(from, &database, &key, &[]));
    assert!(code == 2 && said.contains("holds no log"), "{said}");
    let server = Server::start(&data, 0, &[]);
    grow(&server, 10, 600).await;
    // It does not stop.
    let (code, said) = fail(&[&copy(from, &database, &key, &[])[..], &["--wait", "1s"]].concat());
    assert!(code == 2 && said.contains("was not stopped within 1s"), "{said}");
    assert!(audit(&server.url) <= size(&server).await, "the log goes on");
    // Neither half of a destination opens.
    let node = world.data("node");
    write_keys(&node);
    refuses(&["--data", node.to_str().unwrap(), "--store", &database], "the move is not complete");
    assert_eq!(server.terminate(), 0);
    let other = world.data("other");
    assert_eq!(Server::start(&other, 0, &[]).terminate(), 0);
    let (code, said) = fail(&copy(from, other.to_str().unwrap(), &key, &[]));
    assert!(code == 2 && said.contains("already") && said.contains("nothing was changed"), "{said}");
    let stranger =
        vouchlog_sequencer::testing::key("log.example.com/b", vouchlog_note::SignatureType::Ed25519, 9);
    let stranger = stranger.verifying_key().to_string();
    let (code, said) = fail(&copy(from, &database, &stranger, &[]));
    assert!(code == 2 && said.contains("is not that of the log"), "{said}");
    let output = run(&["store", "copy", "--from", &database, "--to", from]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--log-vkey"));
    succeed(&copy(from, &database, &key, &[]));
    assert_eq!(Server::start(&node, 0, &["--store", &database]).terminate(), 0);
}
