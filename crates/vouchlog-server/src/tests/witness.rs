//! Goal: a witness is C2SP tlog-witness to the byte over HTTP, and the same over gRPC. Method: a witness that answers what it is
//! told to and remembers what it was asked, requests from the vectors, and a raw socket where bytes count.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;
use vouchlog_api::{Error, ErrorKind, Result, Witness};
use vouchlog_merkle::{Hash, sha256};
use vouchlog_note::limits::MAX_ADD_CHECKPOINT_BYTES;
use vouchlog_note::{AddCheckpoint, SignSubtree};
use vouchlog_proto::v1;
use vouchlog_proto::v1::gateway_client::GatewayClient;
use vouchlog_proto::v1::witness_client::WitnessClient;

use super::grpc::reflected;
use super::{Running, Server, ServerConfig, client};

macro_rules! vector {
    ($path:literal) => {
        include_str!(concat!("../../../../tests/vectors/computed/e2e/", $path))
    };
}

const ADD: &str = vector!("add-checkpoint/256-to-300.request");
const CONFLICT: &str = vector!("add-checkpoint/409.body");
const SIGN: &str = vector!("sign-subtree/256-300-of-300.request");
const LINES: &str = vector!("add-checkpoint/256-to-300.response-example");
const CHECKPOINT: &str = vector!("checkpoint.300.cosigned");
const TEXT: &str = "text/plain; charset=utf-8";

fn origin() -> Hash {
    sha256(b"log.example.com/ai-digests")
}

/// A witness without a mind of its own. Clones are the same one.
#[derive(Clone, Default)]
struct Puppet {
    answers: Arc<Mutex<VecDeque<Act>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

enum Act {
    Answer(Result<String>),
    Panic,
    Hang,
}

impl Puppet {
    /// What it does next, once for each.
    fn will(&self, acts: impl IntoIterator<Item = Act>) {
        self.answers.lock().unwrap().extend(acts);
    }

    /// What it was asked since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    async fn act(&self, asked: String, otherwise: &str) -> Result<String> {
        self.asked.lock().unwrap().push(asked);
        let act = self.answers.lock().unwrap().pop_front();
        match act {
            None => Ok(otherwise.to_owned()),
            Some(Act::Answer(answer)) => answer,
            Some(Act::Panic) => panic!("a bug of the witness"),
            Some(Act::Hang) => std::future::pending().await,
        }
    }
}

impl Witness for Puppet {
    async fn add_checkpoint(&self, request: AddCheckpoint) -> Result<String> {
        self.act(request.to_text(), LINES).await
    }

    async fn sign_subtree(&self, request: SignSubtree) -> Result<String> {
        self.act(request.to_string(), LINES).await
    }

    async fn latest_checkpoint(&self, origin: Hash) -> Result<String> {
        self.act(origin.to_string(), CHECKPOINT).await
    }

    async fn retire_log(&self, proof: String) -> Result<String> {
        self.act(proof, LINES).await
    }
}

/// A witness behind its server.
struct Scene {
    puppet: Puppet,
    running: Running,
}

impl Scene {
    async fn start() -> Self {
        Self::with(ServerConfig::default()).await
    }

    async fn with(config: ServerConfig) -> Self {
        let puppet = Puppet::default();
        let running = Running::start(Server::witness(puppet.clone(), config)).await;
        Self { puppet, running }
    }

    async fn get(&self, path: &str) -> Response {
        client().get(self.running.url(path)).send().await.unwrap()
    }

    async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Response {
        client().post(self.running.url(path)).body(body).send().await.unwrap()
    }

    /// One of the three things a witness is asked, over HTTP.
    async fn ask(&self, what: usize) -> Response {
        match what {
            0 => self.post("/add-checkpoint", ADD).await,
            1 => self.post("/sign-subtree", SIGN).await,
            _ => self.get(&format!("/{}/checkpoint", origin())).await,
        }
    }

    async fn grpc(&self) -> WitnessClient<Channel> {
        WitnessClient::new(self.running.channel().await)
    }
}

fn add_message() -> v1::AddCheckpointRequest {
    (&AddCheckpoint::parse(ADD.as_bytes()).unwrap()).into()
}

fn sign_message() -> v1::SignSubtreeRequest {
    (&SignSubtree::parse(SIGN.as_bytes()).unwrap()).into()
}

/// The same over gRPC.
async fn call(grpc: &mut WitnessClient<Channel>, what: usize) -> Result<String, tonic::Status> {
    match what {
        0 => grpc.add_checkpoint(add_message()).await.map(|answer| answer.into_inner().cosignatures),
        1 => grpc.sign_subtree(sign_message()).await.map(|answer| answer.into_inner().cosignatures),
        _ => {
            let request = v1::GetLatestCheckpointRequest::from(&origin());
            grpc.get_latest_checkpoint(request).await.map(|answer| answer.into_inner().checkpoint)
        }
    }
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

/// A refusal as clients of tlog-witness expect it: a line of text.
async fn refused(response: Response, status: u16) -> String {
    assert_eq!(response.status().as_u16(), status);
    assert_eq!(header(&response, "content-type"), Some(TEXT));
    let text = response.text().await.unwrap();
    let line = text.strip_suffix('\n').unwrap();
    assert!(!line.is_empty() && !line.contains('\n'), "{text:?}");
    line.to_owned()
}

#[tokio::test]
async fn requests_and_answers_are_handed_through_as_they_are() {
    let scene = Scene::start().await;
    let mut grpc = scene.grpc().await;
    for (what, asked, answer) in
        [(0, ADD.to_owned(), LINES), (1, SIGN.to_owned(), LINES), (2, origin().to_string(), CHECKPOINT)]
    {
        let response = scene.ask(what).await;
        assert_eq!((response.status(), header(&response, "content-type")), (StatusCode::OK, Some(TEXT)));
        assert_eq!(response.text().await.unwrap(), answer);
        assert_eq!(call(&mut grpc, what).await.unwrap(), answer);
        assert_eq!(scene.puppet.asked(), [asked.clone(), asked]);
    }
    // No content type is asked for, so none is refused.
    for content_type in ["application/octet-stream", "text/plain", "application/json", "nonsense"] {
        let post = client().post(scene.running.url("/add-checkpoint")).header("content-type", content_type);
        assert_eq!(post.body(ADD).send().await.unwrap().status(), StatusCode::OK, "{content_type}");
    }
    for vector in
        [vector!("add-checkpoint/0-to-256.request"), vector!("add-checkpoint/300-to-300-refresh.request")]
    {
        assert_eq!(scene.post("/add-checkpoint", vector).await.status(), StatusCode::OK);
        assert_eq!(scene.puppet.asked().last().unwrap(), vector);
    }
}

#[tokio::test]
async fn every_refusal_has_its_status_over_both_protocols() {
    let scene = Scene::start().await;
    let mut grpc = scene.grpc().await;
    let retry_after = Duration::from_millis(1_500);
    for (kind, http, code, reason) in [
        (ErrorKind::InvalidArgument, 400, Code::InvalidArgument, "INVALID_ARGUMENT"),
        (ErrorKind::NotFound, 404, Code::NotFound, "NOT_FOUND"),
        (ErrorKind::Inconsistent, 422, Code::FailedPrecondition, "INCONSISTENT"),
        (ErrorKind::Fork, 500, Code::Aborted, "STREAM_FORK"),
        (ErrorKind::PermissionDenied, 403, Code::PermissionDenied, "PERMISSION_DENIED"),
        (ErrorKind::FailedPrecondition, 500, Code::FailedPrecondition, "FAILED_PRECONDITION"),
        (ErrorKind::Overloaded { retry_after }, 429, Code::ResourceExhausted, "OVERLOADED"),
        (ErrorKind::Unavailable, 503, Code::Unavailable, "UNAVAILABLE"),
        (ErrorKind::Internal, 500, Code::Internal, "INTERNAL"),
    ] {
        for what in 0..3 {
            let refuse = || Act::Answer(Err(Error::new(kind.clone(), "the witness says why")));
            scene.puppet.will([refuse(), refuse()]);
            let response = scene.ask(what).await;
            let wait = header(&response, "retry-after").map(str::to_owned);
            let expected = match kind {
                ErrorKind::Overloaded { .. } => Some("2"),
                ErrorKind::Unavailable => Some("1"),
                _ => None,
            };
            assert_eq!(wait.as_deref(), expected, "{kind:?}");
            assert_eq!(refused(response, http).await, "the witness says why");
            let status = call(&mut grpc, what).await.unwrap_err();
            assert_eq!((status.code(), status.message()), (code, "the witness says why"));
            assert_eq!(status.get_details_error_info().unwrap().reason, reason);
        }
    }
}

#[tokio::test]
async fn a_conflict_is_the_size_and_nothing_else() {
    let scene = Scene::start().await;
    for (size, body) in [(256, CONFLICT), (0, "0\n"), (i64::MAX as u64, "9223372036854775807\n")] {
        let refuse = || Act::Answer(Err(Error::new(ErrorKind::Conflict { size }, "another size")));
        scene.puppet.will([refuse(), refuse()]);
        let response = scene.ask(0).await;
        assert_eq!(response.status(), StatusCode::CONFLICT);
        assert_eq!(header(&response, "content-type"), Some("text/x.tlog.size"));
        assert_eq!(response.bytes().await.unwrap(), body);
        let status = call(&mut scene.grpc().await, 0).await.unwrap_err();
        assert_eq!(status.code(), Code::Aborted);
        assert_eq!(status.get_details_error_info().unwrap().metadata["size"], size.to_string());
    }
}

#[tokio::test]
async fn what_is_malformed_never_reaches_the_witness() {
    let scene = Scene::start().await;
    let (head, note) = ADD.split_once("\n\n").unwrap();
    let hash = head.lines().nth(1).unwrap();
    let bodies = [
        String::new(),
        "\n".to_owned(),
        "nonsense".to_owned(),
        "{\"old\": 256}".to_owned(),
        ADD.replace("\n\n", "\n"),
        ADD.replace('\n', "\r\n"),
        ADD.replace("old 256", "old 0256"),
        ADD.replace("old 256", "old -1"),
        ADD.replace("old 256", "old 9223372036854775808"),
        ADD.replace("old 256", "OLD 256"),
        ADD.replace(hash, &hash[..40]),
        format!("old 256\n{}\n{note}", format!("{hash}\n").repeat(64)),
        format!("{head}\n\n"),
        ADD.trim_end().to_owned(),
        SIGN.to_owned(),
    ];
    for body in bodies {
        let shown = body[..body.len().min(40)].to_owned();
        let response = scene.post("/add-checkpoint", body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{shown:?}");
        refused(response, 400).await;
    }
    refused(scene.post("/add-checkpoint", vec![0xff; 1_000]).await, 400).await;
    for body in [
        String::new(),
        ADD.to_owned(),
        SIGN.replace("256 300", "255 300"),
        SIGN.replace("256 300", "300 256"),
    ] {
        refused(scene.post("/sign-subtree", body).await, 400).await;
    }
    let mut grpc = scene.grpc().await;
    let short = vec![vec![0; 31].into()];
    for message in [
        v1::AddCheckpointRequest::default(),
        v1::AddCheckpointRequest { old_size: 1 << 63, ..add_message() },
        v1::AddCheckpointRequest { proof: short, ..add_message() },
        v1::AddCheckpointRequest { proof: vec![vec![0; 32].into(); 64], ..add_message() },
    ] {
        assert_eq!(grpc.add_checkpoint(message).await.unwrap_err().code(), Code::InvalidArgument);
    }
    let crooked = v1::SignSubtreeRequest { begin: 255, ..sign_message() };
    assert_eq!(grpc.sign_subtree(crooked).await.unwrap_err().code(), Code::InvalidArgument);
    let no_hash = v1::GetLatestCheckpointRequest { origin_hash: vec![0; 20].into() };
    assert_eq!(grpc.get_latest_checkpoint(no_hash).await.unwrap_err().code(), Code::InvalidArgument);
    assert!(scene.puppet.asked().is_empty());
}

/// The longest request there may be, and one byte more.
#[tokio::test]
async fn requests_are_as_long_as_the_deployed_witnesses_allow() {
    let scene = Scene::start().await;
    let (_, note) = ADD.split_once("\n\n").unwrap();
    let padded = |bytes: usize| {
        let frame = "old 0\n\n".len() + note.len() + 1;
        let (text, signatures) = note.split_once("\n\n").unwrap();
        format!("old 0\n\n{text}\n{}\n\n{signatures}", "x".repeat(bytes - frame))
    };
    let longest = padded(MAX_ADD_CHECKPOINT_BYTES);
    assert_eq!(longest.len(), 131_072);
    assert_eq!(scene.post("/add-checkpoint", longest.clone()).await.status(), StatusCode::OK);
    let request = AddCheckpoint::parse(longest.as_bytes()).unwrap();
    scene.grpc().await.add_checkpoint(v1::AddCheckpointRequest::from(&request)).await.unwrap();
    assert_eq!(scene.puppet.asked(), [longest.clone(), longest]);

    for path in ["/add-checkpoint", "/sign-subtree", "/retire-log"] {
        let words = refused(scene.post(path, padded(MAX_ADD_CHECKPOINT_BYTES + 1)).await, 413).await;
        assert_eq!(words, "the body has more than 131072 bytes");
    }
    // Of a body without a length no more is read than that.
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
    let head = "POST /add-checkpoint HTTP/1.1\r\nhost: witness.example\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = scene.running.raw(format!("{head}{}", chunk.repeat(3)).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let huge = v1::AddCheckpointRequest { checkpoint: "x".repeat(1 << 20), ..add_message() };
    assert_eq!(scene.grpc().await.add_checkpoint(huge).await.unwrap_err().code(), Code::OutOfRange);
    assert!(scene.puppet.asked().is_empty());
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let scene = Scene::start().await;
    let conflict = Act::Answer(Err(Error::new(ErrorKind::Conflict { size: 7 }, "another size")));
    scene.puppet.will([conflict]);
    let (first, rest) = ADD.split_at(100);
    let chunked = format!(
        "POST /add-checkpoint HTTP/1.1\r\nhost: witness.example\r\ntransfer-encoding: chunked\r\n\r\n\
         {:x}\r\n{first}\r\n{:x}\r\n{rest}\r\n0\r\n\r\n",
        first.len(),
        rest.len()
    );
    let whole = format!(
        "POST /add-checkpoint HTTP/1.1\r\nhost: witness.example\r\ncontent-length: {}\r\n\r\n{ADD}",
        ADD.len()
    );
    let mut stream = TcpStream::connect(scene.running.address).await.unwrap();
    for (request, status, body) in
        [(&chunked, "409", "7\n"), (&whole, "200", LINES), (&chunked, "200", LINES)]
    {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !String::from_utf8_lossy(&answer).ends_with(&format!("\r\n\r\n{body}")) {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "the connection is kept");
        }
        assert!(answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes()));
    }
    assert_eq!(scene.puppet.asked(), [ADD, ADD, ADD]);
}

#[tokio::test]
async fn a_body_that_ends_early_is_refused() {
    let scene = Scene::start().await;
    let head = format!(
        "POST /add-checkpoint HTTP/1.1\r\nhost: witness.example\r\ncontent-length: {}\r\n\r\n",
        ADD.len() + 1
    );
    let mut stream = TcpStream::connect(scene.running.address).await.unwrap();
    stream.write_all(format!("{head}{ADD}").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    // Nobody is there to hear more than that it failed, if that.
    let _ = stream.read_to_string(&mut answer).await;
    assert!(!answer.contains("200 OK"), "{answer}");
    assert!(scene.puppet.asked().is_empty());
}

#[tokio::test]
async fn anyone_may_read_the_latest_checkpoint_and_ask_whether_it_changed() {
    let scene = Scene::start().await;
    let path = format!("/{}/checkpoint", origin());
    let response = scene.get(&path).await;
    assert_eq!(header(&response, "access-control-allow-origin"), Some("*"));
    assert_eq!(header(&response, "cache-control"), Some("no-cache"));
    let etag = header(&response, "etag").unwrap().to_owned();
    let again = async || {
        let request = client().get(scene.running.url(&path)).header("if-none-match", &etag);
        request.send().await.unwrap().status()
    };
    assert_eq!(again().await, StatusCode::NOT_MODIFIED);
    // The same tree head, cosigned anew, is another checkpoint.
    scene.puppet.will([Act::Answer(Ok(CHECKPOINT.replace("Y1Zo", "Y1Zp")))]);
    assert_eq!(again().await, StatusCode::OK);
    let head = client().head(scene.running.url(&path)).send().await.unwrap();
    assert_eq!((head.status(), head.text().await.unwrap()), (StatusCode::OK, String::new()));

    scene.puppet.asked();
    let (upper, hash) = (origin().to_string().to_uppercase(), origin().to_string());
    for odd in [upper.as_str(), &hash[1..], &format!("{hash}0"), "log.example.com", "x"] {
        refused(scene.get(&format!("/{odd}/checkpoint")).await, 404).await;
    }
    assert_eq!(scene.get("/%ff/checkpoint").await.status(), StatusCode::BAD_REQUEST);
    assert!(scene.puppet.asked().is_empty());
    scene.puppet.will([Act::Answer(Err(Error::not_found("never cosigned")))]);
    let missing = scene.get(&path).await;
    assert_eq!(header(&missing, "cache-control"), Some("no-store"));
    refused(missing, 404).await;
}

#[tokio::test]
async fn web_pages_of_other_sites_cannot_submit() {
    let scene = Scene::start().await;
    for path in ["/add-checkpoint", "/sign-subtree"] {
        let post = client().post(scene.running.url(path)).header("origin", "https://attacker.example");
        assert_eq!(post.body(ADD).send().await.unwrap().status(), StatusCode::FORBIDDEN);
        let plain = scene.post(path, ADD).await;
        assert_eq!(header(&plain, "access-control-allow-origin"), None);
    }
    assert_eq!(scene.puppet.asked(), [ADD]);
}

#[tokio::test]
async fn a_witness_has_no_other_paths_and_methods() {
    let scene = Scene::start().await;
    for path in ["/checkpoint", "/tile/0/000", "/v1/inclusion", "/nope", "/add-checkpoint/", "//checkpoint"] {
        assert_eq!(scene.get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/add", "/v1/statements", "/", "/healthz"] {
        let status = scene.post(path, ADD).await.status().as_u16();
        assert!([404, 405].contains(&status), "{path}: {status}");
    }
    for path in ["/add-checkpoint", "/sign-subtree"] {
        let response = scene.get(path).await;
        assert_eq!((response.status().as_u16(), header(&response, "allow")), (405, Some("POST")));
        assert_eq!(client().put(scene.running.url(path)).send().await.unwrap().status().as_u16(), 405);
    }
    let response = scene.post(&format!("/{}/checkpoint", origin()), ADD).await;
    assert_eq!((response.status().as_u16(), header(&response, "allow")), (405, Some("GET,HEAD")));
    let mut gateway = GatewayClient::new(scene.running.channel().await);
    let stranger = gateway.enrol(v1::EnrolRequest::default()).await.unwrap_err();
    assert_eq!(stranger.code(), Code::Unimplemented);
    assert!(scene.puppet.asked().is_empty());
}

#[tokio::test]
async fn bugs_and_silence_of_the_witness_are_answered() {
    let config = ServerConfig { request_timeout: Duration::from_millis(100), ..ServerConfig::default() };
    let scene = Scene::with(config).await;
    let mut grpc = scene.grpc().await;
    scene.puppet.will([Act::Panic, Act::Panic, Act::Hang, Act::Hang]);
    assert_eq!(scene.ask(0).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(call(&mut grpc, 0).await.unwrap_err().code(), Code::Internal);
    assert_eq!(scene.ask(0).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(call(&mut grpc, 0).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(scene.ask(0).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn operators_find_what_they_know_from_logs() {
    let scene = Scene::start().await;
    assert_eq!(scene.get("/healthz").await.text().await.unwrap(), "ok\n");
    assert_eq!(scene.get("/readyz").await.json::<Value>().await.unwrap()["ready"], true);
    let index = scene.get("/").await.text().await.unwrap();
    assert!(index.contains("POST /add-checkpoint") && !index.contains("/v1/statements"), "{index}");

    let document: Value = scene.get("/openapi.json").await.json().await.unwrap();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    for path in ["/add-checkpoint", "/sign-subtree", "/retire-log", "/{origin}/checkpoint", "/readyz", "/"] {
        assert!(paths.iter().any(|there| *there == path), "{paths:?}");
    }
    assert!(!paths.iter().any(|path| *path == "/checkpoint"), "{paths:?}");
    let answers = document["paths"]["/add-checkpoint"]["post"]["responses"].as_object().unwrap();
    let statuses: Vec<&String> = answers.keys().collect();
    assert_eq!(statuses, ["200", "400", "403", "404", "409", "410", "413", "422", "429", "503"]);

    scene.ask(0).await;
    call(&mut scene.grpc().await, 1).await.unwrap();
    let metrics = scene.get("/metrics").await.text().await.unwrap();
    for line in [
        "vouchlog_http_requests_total{method=\"POST\",route=\"/add-checkpoint\",code=\"200\"} 1",
        "grpc_service=\"vouchlog.v1.Witness\",grpc_method=\"SignSubtree\",grpc_code=\"OK\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    let names = reflected(scene.running.channel().await).await;
    assert!(names.iter().any(|name| name == "vouchlog.v1.Witness"), "{names:?}");
    assert!(!names.iter().any(|name| name == "vouchlog.v1.Gateway"), "{names:?}");
    let mut health = HealthClient::new(scene.running.channel().await);
    let mut check = async |service: &str| {
        health
            .check(HealthCheckRequest { service: service.to_owned() })
            .await
            .map(|_| ())
            .map_err(|s| s.code())
    };
    assert_eq!((check("").await, check("vouchlog.v1.Witness").await), (Ok(()), Ok(())));
    assert_eq!(check("vouchlog.v1.Gateway").await, Err(Code::NotFound));
}
