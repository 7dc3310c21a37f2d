//! A standard output or error whose reader is gone costs what would have been printed, and nothing else.

use std::process::{Command, Stdio};

use super::program::{Program, add, collect, get, has, monitor, serve, witness};
use crate::process::vouchlog;

/// A pipe that nobody reads.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[tokio::test]
async fn a_clean_stop_is_one_although_nobody_reads_the_output() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut log = Program::start(serve(&at("log"), &["--trace", "debug"]));
    let others = [
        witness(&at("witness"), &["--trace", "debug"]),
        monitor(&at("monitor"), &log, &["--trace", "debug"]),
        collect(&at("collector"), &["--trace", "debug", "--listen", "127.0.0.1:0"]),
    ];
    for command in others {
        let mut program = Program::start(command);
        program.close_output();
        // Has it write a line.
        program.signal("HUP");
        assert_eq!(get(&format!("{}/healthz", program.url())).await.unwrap().0, 200);
        assert_eq!(program.terminate(), Some(0), "{}", program.announced);
    }
    log.close_output();
    assert_eq!(add(log.url(), "acknowledged").await.0, 200);
    assert!(has(log.url(), "acknowledged").await);
    assert_eq!(log.terminate(), Some(0));
}

/// From the first byte on, and with words instead of JSON, which have a last line too.
#[test]
fn a_server_starts_although_nobody_reads_the_output() {
    let folder = tempfile::tempdir().unwrap();
    let port = crate::process::free_port();
    let mut command = vouchlog();
    command
        .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
        .arg(folder.path().join("log"));
    let mut child = command.stdout(closed()).stderr(closed()).spawn().unwrap();
    for _ in 0..6_000 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() || child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    crate::process::signal(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_closed_pipe_is_no_error_of_a_command_that_prints() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("gateway.key");
    let run = |command: &mut Command| command.stdout(closed()).stderr(closed()).status().unwrap().code();
    let keygen = ["keygen", "--kind", "gateway", "--name", "gateway.example.com", "--out"];
    assert_eq!(run(vouchlog().args(keygen).arg(&key)), Some(0));
    assert_eq!(run(vouchlog().args(keygen).arg(&key)), Some(2), "an error stays one");
    for args in [&["schema"][..], &["--help"], &["help", "serve"], &["demo"]] {
        assert_eq!(run(vouchlog().args(args)), Some(0), "{args:?}");
    }
}
