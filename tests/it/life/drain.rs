//! SIGTERM and SIGINT: requests in flight finish, new connections are refused, and no client holds the process.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::PATIENCE;
use super::program::{Program, add, collect, has, serve, witness};

const HALF: &[u8] = b"POST /add HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\nsal";

fn begin(program: &Program, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(program.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    // A request that is answered on another connection shows that this one was accepted.
    let mut other = TcpStream::connect(program.address()).unwrap();
    other.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stream
}

/// Waits until the port takes nothing more.
fn wait_until_refused(program: &mut Program) {
    for _ in 0..6_000 {
        if TcpStream::connect(program.address()).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("new connections are taken");
}

#[tokio::test]
async fn a_half_sent_request_holds_no_server_longer_than_the_drain() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("log");
    for (round, signal) in ["TERM", "INT"].into_iter().enumerate() {
        let mut log = Program::start(serve(&data, &["--drain", "500ms"]));
        let seed = format!("acknowledged in round {round}");
        assert_eq!(add(log.url(), &seed).await.0, 200);
        let _head = begin(&log, b"POST /add HTTP/1.1\r\nhost: x\r\nx-half: ");
        let _body = begin(&log, HALF);
        log.signal(signal);
        assert_eq!(log.end(), Some(0));
    }
    let mut log = Program::start(serve(&data, &[]));
    for round in 0..2 {
        assert!(has(log.url(), &format!("acknowledged in round {round}")).await);
    }
    assert_eq!(log.terminate(), Some(0));
    let more = ["--drain", "500ms", "--listen", "127.0.0.1:0"];
    let others = [
        witness(&folder.path().join("witness"), &more[..2]),
        collect(&folder.path().join("collector"), &more),
    ];
    for command in others {
        let mut program = Program::start(command);
        let _half = begin(&program, b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\n{");
        assert_eq!(program.terminate(), Some(0));
    }
}

#[test]
fn a_request_in_flight_is_answered_and_a_new_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Program::start(serve(&folder.path().join("log"), &["--drain", "10m"]));
    let mut half = begin(&log, HALF);
    log.signal("TERM");
    wait_until_refused(&mut log);
    assert!(log.is_running(), "a request is in flight");
    half.write_all(b"ted").unwrap();
    let mut answer = String::new();
    half.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(log.end(), Some(0));
}
