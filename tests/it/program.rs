//! The program as its users meet it: safe defaults, clear refusals, exit codes, hostile input, a full disk.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use vouchlog_api::{Appender, ErrorKind};
use vouchlog_client::{Connection, GrpcLog};
use vouchlog_sequencer::testing::{TestGateway, statements};

use crate::process::{Server, fail, free_port, succeed, vouchlog};

const T: u64 = 1_767_225_600;

#[test]
fn demo_ends_with_verified_proofs_and_a_caught_forgery() {
    let said = succeed(&["demo"]);
    assert!(said.contains("128 of 128 receipts hold"), "{said}");
    assert!(said.contains("DOES NOT HOLD"), "{said}");
}

#[test]
fn serve_needs_nothing_but_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut command = vouchlog();
    command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    let server = Server::spawn(command);
    assert!(server.vkey.starts_with("vouchlog.localhost/"), "{}", server.vkey);
    for key in ["data/log.key", "data.operator.key"] {
        let mode = std::fs::metadata(folder.path().join(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    assert!(!data.join("operator.key").exists(), "a copy of the data must not enrol gateways");
    let said = succeed(&["fsck", "--data", data.to_str().unwrap()]);
    assert!(
        said.contains("not everything was examined"),
        "beside a running log nothing is called sound: {said}"
    );
    let digest = vouchlog_stream::Digest::of(b"salted").to_string();
    let said =
        succeed(&["submit", "--json", "--log", &server.url, "--log-vkey", &server.vkey, "--digest", &digest]);
    assert!(said.contains("\"index\""), "{said}");
    let vkey = server.vkey.clone();
    assert_eq!(server.terminate(), 0);
    // Started again, it is the same log.
    let mut command = vouchlog();
    command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    assert_eq!(Server::spawn(command).vkey, vkey);
}

/// What was typed may be a name from elsewhere, and the parser's error repeats it.
#[test]
fn a_wrong_argument_steers_no_terminal() {
    let vkey = "log\u{200b}\u{202e}\u{1b}[2J.example.com+00000000+AQ==";
    for args in [&["verify", "file", "--log-vkey", vkey][..], &["verify", "file", vkey, vkey], &[vkey]] {
        let (code, error) = fail(args);
        assert!(code == 2 && error.contains('\u{fffd}'), "{error:?}");
        assert!(!error.contains(['\u{200b}', '\u{202e}', '\u{1b}']), "{error:?}");
    }
}

#[test]
fn an_unknown_gateway_is_told_the_command_that_enrols_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), 0, &[]);
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (key, state) = (at("gateway.key"), at("spool"));
    let vkey = succeed(&["keygen", "--kind", "gateway", "--name", "gateway.example.com", "--out", &key]);
    let digest = vouchlog_stream::Digest::of(b"salted").to_string();
    let submit = [
        "submit",
        "--log",
        &server.url,
        "--log-vkey",
        &server.vkey,
        "--gateway-key",
        &key,
        "--state",
        &state,
        "--digest",
        &digest,
    ];
    let (code, error) = fail(&submit);
    assert_eq!(code, 2);
    assert!(error.contains("vouchlog enrol") && error.contains(vkey.trim()), "{error}");
    let operator = at("data/operator.key");
    let origin = vouchlog_sequencer::testing::ORIGIN;
    succeed(&["enrol", "--log", &server.url, "--origin", origin, "--operator-key", &operator, vkey.trim()]);
    // What was spooled while it was refused is sent now, once.
    succeed(&[
        "submit",
        "--log",
        &server.url,
        "--log-vkey",
        &server.vkey,
        "--gateway-key",
        &key,
        "--state",
        &state,
        "--flush",
    ]);
    let found = succeed(&["prove", "--log", &server.url, "--digest", &digest, "--log-vkey", &server.vkey]);
    assert!(found.starts_with("c2sp.org/tlog-proof@v1\n"), "{found}");
}

/// Sends bytes and returns what comes back until the server closes. Bytes that are not HTTP are given a second: there may be no answer.
fn send(address: &str, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    let patience = if bytes.starts_with(b"\x16") { 1 } else { 60 };
    socket.set_read_timeout(Some(Duration::from_secs(patience))).unwrap();
    // The server may close before it has read everything; that is an answer too.
    let _ = socket.write_all(bytes);
    let mut answer = Vec::new();
    let _ = socket.take(64 * 1024).read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_input_gets_clear_errors_and_memory_stays_flat() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), 0, &[]);
    let address = server.url.trim_start_matches("http://").to_owned();
    let huge = vec![b'a'; 8 * 1024 * 1024];
    let many = format!("[{}]", vec![r#"{"kind":"opaque","digest":"00"}"#; 5_000].join(","));
    let nested = "[".repeat(100_000);
    let cases: [(&str, Vec<u8>, &str); 12] = [
        ("empty body", post("/v1/statements", b""), " 400 "),
        ("not JSON", post("/v1/statements", b"{\"kind\":"), " 400 "),
        ("not UTF-8", post("/v1/statements", b"[\"\xff\xfe\"]"), " 400 "),
        ("nested", post("/v1/statements", nested.as_bytes()), " 4"),
        ("too many", post("/v1/statements", many.as_bytes()), " 4"),
        ("too large", post("/add", &huge), " 413 "),
        (
            "past the log",
            b"GET /v1/inclusion?index=18446744073709551615 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
                .into(),
            " 4",
        ),
        (
            "no number",
            b"GET /v1/inclusion?index=-1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".into(),
            " 400 ",
        ),
        ("odd tile", b"GET /tile/0/x1/2 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".into(), " 40"),
        (
            "unknown path",
            b"GET /../../etc/passwd HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".into(),
            " 404 ",
        ),
        (
            "wrong method",
            b"DELETE /checkpoint HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".into(),
            " 405 ",
        ),
        ("not HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".into(), ""),
    ];
    let before = server.resident();
    for _ in 0..5 {
        for (what, request, expected) in &cases {
            let answer = send(&address, request);
            let status = answer.lines().next().unwrap_or("").to_owned();
            assert!(status.contains(expected), "{what}: {status}");
        }
    }
    // Slow clients hold a connection, not the server.
    let slow: Vec<_> = (0..200).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateway.send(&log, statements(10, 1), T).await.unwrap();
    drop(slow);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 64 * 1024 * 1024, "memory grew by {grown} bytes");
}

/// What tells of a log's inside is on the port for operators, and on no other then.
#[test]
fn operators_have_a_port_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let admin = format!("127.0.0.1:{}", free_port());
    let server =
        Server::start(&folder.path().join("data"), 0, &["--admin-listen", &admin, "--proxy", "192.0.2.1"]);
    let public = server.url.strip_prefix("http://").unwrap();
    let get = |address: &str, path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        send(address, head.as_bytes())
    };
    let metrics = get(&admin, "/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200") && metrics.contains("vouchlog_log_tree_size"), "{metrics}");
    assert!(get(public, "/metrics").starts_with("HTTP/1.1 404"));
    assert!(get(public, "/healthz").starts_with("HTTP/1.1 200"));
    assert!(get(&admin, "/checkpoint").starts_with("HTTP/1.1 404"));
    assert!(get(public, "/checkpoint").starts_with("HTTP/1.1 200"));
}

/// A small disk that the test fills; none where loop devices cannot be mounted.
fn small_disk(folder: &Path) -> Option<std::path::PathBuf> {
    let (image, at) = (folder.join("disk"), folder.join("small"));
    std::fs::create_dir_all(&at).unwrap();
    std::fs::File::create(&image).and_then(|file| file.set_len(256 * 1024 * 1024)).unwrap();
    let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).output().ok()?;
    let mounted = Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&at).output().ok()?;
    (made.status.success() && mounted.status.success()).then_some(at)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_statements_and_takes_them_again_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = small_disk(folder.path()) else {
        return eprintln!("no disk is filled here: run as root where loop devices can be mounted");
    };
    let server = Server::start(&disk.join("data"), free_port(), &[]);
    let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateway.send(&log, statements(500, 1), T).await.unwrap();
    let fill = disk.join("fill");
    // Stops by itself where the disk ends.
    let _ = Command::new("dd")
        .args(["if=/dev/zero", "bs=1M", "count=400"])
        .arg(format!("of={}", fill.display()))
        .output();
    let request = gateway.request(statements(500, 2), T);
    let error = log.append(request.clone()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("disk is full"), "{error}");
    let ready = reqwest::get(format!("{}/readyz", server.url)).await.unwrap();
    assert_eq!(ready.status(), 503);
    let why = ready.text().await.unwrap();
    assert!(why.contains("disk is full"), "{why}");
    std::fs::remove_file(&fill).unwrap();
    assert!(!log.append(request).await.unwrap().repeated);
    // The lookup index tries again four times a second, behind the log.
    let ready = async {
        while reqwest::get(format!("{}/readyz", server.url)).await.unwrap().status() != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ready).await.expect("the log heals by itself");
    assert_eq!(server.terminate(), 0);
    succeed(&["fsck", "--data", disk.join("data").to_str().unwrap()]);
    assert!(Command::new("umount").arg(&disk).status().unwrap().success());
}
