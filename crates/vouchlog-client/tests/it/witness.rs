//! Goal: a witness across the network is the same as one in this process, over both protocols; and no server, however it
//! misbehaves, can make the client hang, take too much, send twice, or mistake its words.
//! Method: a witness that answers what it is told to behind the real server, and a server of scripted bytes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vouchlog_api::{AnyWitness, Error, ErrorKind, Result, Witness};
use vouchlog_client::limits::MAX_WITNESS_PAUSE;
use vouchlog_client::{GrpcWitness, HttpWitness, WitnessOptions, witness};
use vouchlog_merkle::{Hash, sha256};
use vouchlog_note::{AddCheckpoint, SignSubtree};
use vouchlog_server::{Server, ServerConfig};

use crate::world::in_time;

macro_rules! vector {
    ($path:literal) => {
        include_str!(concat!("../../../../tests/vectors/computed/e2e/", $path))
    };
}

const ADD: &str = vector!("add-checkpoint/256-to-300.request");
const SIGN: &str = vector!("sign-subtree/256-300-of-300.request");
const LINES: &str = vector!("add-checkpoint/256-to-300.response-example");

fn add() -> AddCheckpoint {
    AddCheckpoint::parse(ADD.as_bytes()).unwrap()
}

fn sign() -> SignSubtree {
    SignSubtree::parse(SIGN.as_bytes()).unwrap()
}

fn origin() -> Hash {
    sha256(b"log.example.com/ai-digests")
}

/// A witness without a mind of its own: it gives fixed answers, then none at all. Clones are the same one.
#[derive(Clone, Default)]
struct Puppet {
    answers: Arc<Mutex<VecDeque<Result<String>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Puppet {
    async fn act(&self, asked: String) -> Result<String> {
        self.asked.lock().unwrap().push(asked);
        let answer = self.answers.lock().unwrap().pop_front();
        match answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    /// Serves it, and returns it as both protocols show it.
    async fn serve(&self, options: &WitnessOptions) -> [AnyWitness; 2] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::witness(self.clone(), ServerConfig::default());
        tokio::spawn(server.run(listener, std::future::pending()));
        let http = HttpWitness::new(&format!("http://{address}"), options).unwrap();
        let grpc = GrpcWitness::connect(&format!("grpc://{address}"), options).unwrap();
        [AnyWitness::new(http), AnyWitness::new(grpc)]
    }
}

impl Witness for Puppet {
    async fn add_checkpoint(&self, request: AddCheckpoint) -> Result<String> {
        self.act(request.to_text()).await
    }

    async fn sign_subtree(&self, request: SignSubtree) -> Result<String> {
        self.act(request.to_string()).await
    }

    async fn latest_checkpoint(&self, origin: Hash) -> Result<String> {
        self.act(origin.to_string()).await
    }

    async fn retire_log(&self, proof: String) -> Result<String> {
        self.act(proof).await
    }
}

/// Stands for the proof that a log has ended: what it holds is the witness's to read.
const END: &str = "c2sp.org/tlog-proof@v1\nindex 0\n\n";

/// One of the four things a witness is asked.
async fn ask(witness: &impl Witness, what: usize) -> Result<String> {
    in_time(async {
        match what {
            0 => witness.add_checkpoint(add()).await,
            1 => witness.sign_subtree(sign()).await,
            2 => witness.latest_checkpoint(origin()).await,
            _ => witness.retire_log(END.to_owned()).await,
        }
    })
    .await
}

#[tokio::test]
async fn both_protocols_say_the_same() {
    let puppet = Puppet::default();
    let remote = puppet.serve(&WitnessOptions::default()).await;
    let wait = |seconds| ErrorKind::Overloaded { retry_after: Duration::from_secs(seconds) };
    for (said, heard) in [
        (Ok(LINES.to_owned()), Ok(LINES.to_owned())),
        (Ok(String::new()), Ok(String::new())),
        (Err(ErrorKind::InvalidArgument), Err(ErrorKind::InvalidArgument)),
        (Err(ErrorKind::NotFound), Err(ErrorKind::NotFound)),
        (Err(ErrorKind::PermissionDenied), Err(ErrorKind::PermissionDenied)),
        (Err(ErrorKind::Conflict { size: 0 }), Err(ErrorKind::Conflict { size: 0 })),
        (Err(ErrorKind::Conflict { size: 1 << 62 }), Err(ErrorKind::Conflict { size: 1 << 62 })),
        (Err(ErrorKind::Inconsistent), Err(ErrorKind::Inconsistent)),
        (Err(ErrorKind::Retired), Err(ErrorKind::Retired)),
        (Err(wait(7)), Err(wait(7))),
        (Err(wait(86_400_000)), Err(ErrorKind::Overloaded { retry_after: MAX_WITNESS_PAUSE })),
        (Err(ErrorKind::Unavailable), Err(ErrorKind::Unavailable)),
        (Ok("x".repeat(64 * 1024 + 1)), Err(ErrorKind::Internal)),
    ] {
        for (what, question) in [ADD, SIGN, &origin().to_string(), END].into_iter().enumerate() {
            for witness in &remote {
                let answer = said.clone().map_err(|kind| Error::new(kind, "the witness says why"));
                puppet.answers.lock().unwrap().push_back(answer);
                let answer = ask(witness, what).await;
                if let Err(error) = &answer {
                    assert!(error.message.starts_with("the witness at "), "{error}");
                }
                assert_eq!(answer.map_err(|error| error.kind), heard);
                assert_eq!(puppet.asked.lock().unwrap().drain(..).collect::<Vec<_>>(), [question]);
            }
        }
    }
    // The witness's words arrive, but for a size, which is all there is.
    for witness in &remote {
        puppet.answers.lock().unwrap().push_back(Err(Error::new(ErrorKind::NotFound, "no such log here")));
        assert!(ask(witness, 0).await.unwrap_err().message.contains("no such log here"));
    }
}

/// HTTP has no word of its own for a bug of the witness: to a log it is one more server that cannot be relied on now.
#[tokio::test]
async fn a_bug_of_the_witness_is_its_own_fault() {
    let puppet = Puppet::default();
    let [http, grpc] = puppet.serve(&WitnessOptions::default()).await;
    for (witness, kind) in [(http, ErrorKind::Unavailable), (grpc, ErrorKind::Internal)] {
        puppet.answers.lock().unwrap().push_back(Err(Error::internal("a bug")));
        assert_eq!(ask(&witness, 0).await.unwrap_err().kind, kind);
    }
}

#[tokio::test]
async fn a_silent_witness_is_not_waited_for() {
    let options = WitnessOptions { timeout: Duration::from_millis(100), ..WitnessOptions::default() };
    for witness in Puppet::default().serve(&options).await {
        for what in 0..3 {
            let error = ask(&witness, what).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        }
    }
}

/// What a scripted server does with a connection.
#[derive(Clone)]
enum Script {
    /// Sends this after the request, and closes.
    Say(Vec<u8>),
    /// Sends this after the request, and then nothing more.
    Stall(Vec<u8>),
    /// Sends this after the request, and then this for as long as anybody listens.
    Flood(Vec<u8>, Vec<u8>),
    /// Answers every request with this, and keeps the connection.
    Keep(Vec<u8>),
}

#[derive(Default)]
struct Heard {
    connections: usize,
    requests: Vec<String>,
}

/// A server that plays one script on every connection, and remembers what it heard.
async fn scripted(script: Script) -> (SocketAddr, Arc<Mutex<Heard>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(Heard::default()));
    let remember = heard.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            remember.lock().unwrap().connections += 1;
            tokio::spawn(play(socket, script.clone(), remember.clone()));
        }
    });
    (address, heard)
}

async fn play(mut socket: TcpStream, script: Script, heard: Arc<Mutex<Heard>>) {
    while let Some(request) = request(&mut socket).await {
        heard.lock().unwrap().requests.push(request);
        // The client may have hung up: that is its right.
        match &script {
            Script::Say(bytes) => {
                let _ = socket.write_all(bytes).await;
                let _ = socket.shutdown().await;
                return;
            }
            Script::Stall(bytes) => {
                let _ = socket.write_all(bytes).await;
                std::future::pending::<()>().await;
            }
            Script::Flood(first, then) => {
                let _ = socket.write_all(first).await;
                while socket.write_all(then).await.is_ok() {}
                return;
            }
            Script::Keep(bytes) => {
                let _ = socket.write_all(bytes).await;
            }
        }
    }
}

/// A whole request: its head, and as much as its length says.
async fn request(socket: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text);
            }
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn at(address: SocketAddr) -> HttpWitness {
    let options = WitnessOptions { timeout: Duration::from_secs(2), ..WitnessOptions::default() };
    HttpWitness::new(&format!("http://{address}/witness/w1"), &options).unwrap()
}

/// Asks a server that plays a script, and makes sure that it was asked once.
async fn outcome(script: Script) -> Result<String> {
    let (address, heard) = scripted(script).await;
    let outcome = ask(&at(address), 0).await;
    assert_eq!(heard.lock().unwrap().requests.len(), 1);
    outcome
}

#[tokio::test]
async fn the_request_is_the_one_of_the_specification() {
    let (address, heard) = scripted(Script::Keep(answer("200 OK", b"lines"))).await;
    let witness = at(address);
    for what in 0..3 {
        assert_eq!(ask(&witness, what).await.unwrap(), "lines");
    }
    let heard = heard.lock().unwrap();
    assert_eq!(heard.connections, 1, "the connection is kept alive");
    for (request, line, body) in [
        (&heard.requests[0], "POST /witness/w1/add-checkpoint HTTP/1.1".to_owned(), ADD),
        (&heard.requests[1], "POST /witness/w1/sign-subtree HTTP/1.1".to_owned(), SIGN),
        (&heard.requests[2], format!("GET /witness/w1/{}/checkpoint HTTP/1.1", origin()), ""),
    ] {
        let (head, sent) = request.split_once("\r\n\r\n").unwrap();
        assert_eq!((head.lines().next().unwrap(), sent), (line.as_str(), body));
        assert!(head.contains("user-agent: vouchlog-client/") && !head.contains("authorization"), "{head}");
    }
}

#[tokio::test]
async fn statuses_are_read_as_deployed_witnesses_mean_them() {
    let check = async |head: &str, body: &[u8], expected: ErrorKind| {
        let error = outcome(Script::Say(answer(head, body))).await.unwrap_err();
        assert_eq!(error.kind, expected, "{head}: {error}");
        error.message
    };
    let sized = "409 Conflict\r\ncontent-type: text/x.tlog.size";
    let body = vector!("add-checkpoint/409.body").as_bytes();
    check(sized, body, ErrorKind::Conflict { size: 256 }).await;
    check(&format!("{sized}; charset=utf-8"), b"0\n", ErrorKind::Conflict { size: 0 }).await;
    // The other root of servers before July 2026: nothing to try again.
    check("409 Conflict", b"", ErrorKind::Inconsistent).await;
    check(sized, b"", ErrorKind::Inconsistent).await;
    check("409 Conflict\r\ncontent-type: text/plain", b"roots differ\n", ErrorKind::Inconsistent).await;
    check("409 Conflict\r\ncontent-type: text/plain", b"256\n", ErrorKind::Internal).await;
    check("422 Unprocessable Entity", b"", ErrorKind::Inconsistent).await;
    check("404 Not Found", b"", ErrorKind::NotFound).await;
    check("400 Bad Request", b"", ErrorKind::InvalidArgument).await;
    check("413 Content Too Large", b"", ErrorKind::InvalidArgument).await;
    check("502 Bad Gateway", b"<html>nginx</html>", ErrorKind::Unavailable).await;
    check("204 No Content", b"", ErrorKind::Internal).await;
    let message =
        check("403 Forbidden", b"not\x1b[31m signed\nsecond line", ErrorKind::PermissionDenied).await;
    assert!(message.ends_with("it returned 403 Forbidden: not[31m signed"), "{message}");
    for (wait, seconds) in
        [("3", 3), ("0", 0), ("99999999999999999999", MAX_WITNESS_PAUSE.as_secs()), ("-1", 1)]
    {
        let retry_after = Duration::from_secs(seconds);
        let head = format!("429 Too Many Requests\r\nretry-after: {wait}");
        check(&head, b"", ErrorKind::Overloaded { retry_after }).await;
    }
    // What comes with 200 is the caller's to verify, whatever it claims to be.
    let odd = Script::Say(answer("200 OK\r\ncontent-type: application/json", b"{}"));
    assert_eq!(outcome(odd).await.unwrap(), "{}");
}

#[tokio::test]
async fn broken_answers_are_errors_within_bounds() {
    let check = async |script: Script, expected: ErrorKind| {
        let error = outcome(script).await.unwrap_err();
        assert_eq!(error.kind, expected, "{error}");
    };
    check(Script::Say(Vec::new()), ErrorKind::Unavailable).await;
    check(Script::Say(b"220 mail.example ESMTP\r\n".to_vec()), ErrorKind::Unavailable).await;
    check(
        Script::Say(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nshort".to_vec()),
        ErrorKind::Unavailable,
    )
    .await;
    check(Script::Say(answer("200 OK", b"\xff\xfe")), ErrorKind::Internal).await;
    let endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let chunk = [b"1000\r\n", vec![b'x'; 0x1000].as_slice(), b"\r\n"].concat();
    check(Script::Flood(endless, chunk.clone()), ErrorKind::Internal).await;
    let endless =
        b"HTTP/1.1 409 Conflict\r\ncontent-type: text/x.tlog.size\r\ntransfer-encoding: chunked\r\n\r\n";
    check(Script::Flood(endless.to_vec(), chunk), ErrorKind::Internal).await;
    let long = b"HTTP/1.1 200 OK\r\ncontent-length: 1099511627776\r\n\r\n".to_vec();
    check(Script::Flood(long, vec![b'x'; 0x1000]), ErrorKind::Internal).await;
    // A client that asks for more headers than that has other troubles.
    let headers = b"HTTP/1.1 200 OK\r\n".to_vec();
    check(Script::Flood(headers, b"x-more: and more\r\n".to_vec()), ErrorKind::Unavailable).await;
}

#[tokio::test]
async fn answers_that_do_not_end_are_given_up() {
    let options = WitnessOptions { timeout: Duration::from_millis(100), ..WitnessOptions::default() };
    for begun in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nlin"] {
        let (address, _) = scripted(Script::Stall(begun.as_bytes().to_vec())).await;
        let witness = HttpWitness::new(&format!("http://{address}"), &options).unwrap();
        let error = ask(&witness, 0).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.message.ends_with("the request timed out"), "{error}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (elsewhere, heard) = scripted(Script::Say(answer("200 OK", b"lines"))).await;
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let head = format!("{status}\r\nlocation: http://{elsewhere}/");
        let (address, _) = scripted(Script::Say(answer(&head, b""))).await;
        for what in 0..3 {
            assert_eq!(ask(&at(address), what).await.unwrap_err().kind, ErrorKind::Internal, "{status}");
        }
    }
    assert_eq!(heard.lock().unwrap().connections, 0);
}

#[tokio::test]
async fn nobody_there_is_unavailable_over_both_protocols() {
    let address = "127.0.0.1:1";
    for url in [format!("http://{address}"), format!("grpc://{address}")] {
        let error = ask(&witness(&url, &WitnessOptions::default()).unwrap(), 0).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        assert!(error.message.contains(address), "{error}");
    }
    // Something else than a witness that speaks gRPC.
    let (address, _) = scripted(Script::Keep(answer("404 Not Found", b""))).await;
    let error = ask(&witness(&format!("grpc://{address}"), &WitnessOptions::default()).unwrap(), 0)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_url_says_which_protocol_is_spoken() {
    let puppet = Puppet::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(
        Server::witness(puppet.clone(), ServerConfig::default()).run(listener, std::future::pending()),
    );
    for url in [
        format!("http://{address}"),
        format!("http://{address}/"),
        format!("grpc://{address}"),
        format!("grpc://{address}/"),
    ] {
        puppet.answers.lock().unwrap().push_back(Ok(LINES.to_owned()));
        assert_eq!(
            ask(&witness(&url, &WitnessOptions::default()).unwrap(), 0).await.unwrap(),
            LINES,
            "{url}"
        );
    }
    for url in ["https://witness.example/w1", "grpcs://witness.example:6963", "grpc://[::1]:6963"] {
        witness(url, &WitnessOptions::default()).unwrap();
    }
    for url in [
        "",
        "witness.example",
        "//witness.example",
        "ftp://witness.example",
        "file:///etc/passwd",
        "http://",
        "grpc://",
        "http://witness.example/w1",
        "grpc://witness.example",
        "http://10.0.0.1:6963",
        "http://witness.example/?log=1",
        "http://witness.example/#here",
        "grpc://witness.example/w1",
        "grpc://witness.example?w1",
        "https://user:secret@witness.example/",
        "grpc://user@witness.example",
    ] {
        let error = witness(url, &WitnessOptions::default()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument, "{url}");
        assert!(!error.message.contains("secret"), "{error}");
    }
}
