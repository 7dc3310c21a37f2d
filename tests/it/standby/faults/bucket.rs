//! A log in PostgreSQL and an S3 server, with a faulty way between them: answers that are lost, conflicts, storms of 503, a leader that is
//! killed while it seals, and conditions that are ignored. The log goes on, and what is published is sound.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;

use super::World;
use crate::objects::{audit, published_size, until_published};
use crate::process::{rounds, signal, vouchlog};
use crate::standby::campaign::{Campaign, Successor};
use crate::standby::cluster::Node;

/// In the short and the long form, for each fault.
const ROUNDS: (u64, u64) = (1, 10);
/// How long a fault lasts.
const SPELL: Duration = Duration::from_secs(3);
/// The largest object of these logs is a bundle of 256 entries.
const MAX_BODY_BYTES: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    /// Every request is answered with 503.
    Busy,
    /// Every write is answered with 409, and not done.
    Conflict,
    /// Every second write is done, and its connection closed without an answer.
    LostAnswer,
    /// Of a write, now this and now that happens.
    Mixed,
    /// The process that writes the next tile is killed before its request is passed on.
    KillsWriter,
    /// A condition that is not met is reported as met.
    IgnoresConditions,
}

impl Trouble {
    const OF_LOGS: [Self; 5] = [Self::Busy, Self::Conflict, Self::LostAnswer, Self::Mixed, Self::KillsWriter];

    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Busy => "object store answers 503 for 3 s",
            Self::Conflict => "object store answers 409 to writes for 3 s",
            Self::LostAnswer => "answers of the object store lost for 3 s",
            Self::Mixed => "503, 409 and lost answers for 3 s",
            Self::KillsWriter => "leader killed while it seals",
            Self::IgnoresConditions => "conditions ignored",
        }
    }

    /// What happens to the `number`th write.
    fn of_write(self, number: u64) -> Self {
        match self {
            Self::LostAnswer if number % 2 == 1 => Self::None,
            Self::Mixed => [Self::Busy, Self::LostAnswer, Self::None, Self::Conflict][(number % 4) as usize],
            other => other,
        }
    }
}

/// An S3 server as its clients see it through a faulty network.
#[derive(Clone)]
struct Faulty {
    server: String,
    client: reqwest::Client,
    trouble: Arc<Mutex<Trouble>>,
    writes: Arc<AtomicU64>,
    writer: Arc<AtomicU32>,
}

impl Faulty {
    /// Before the server at that URL; its own URL.
    async fn start(server: String) -> (Self, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let (trouble, writes, writer) = (Arc::new(Mutex::new(Trouble::None)), Arc::default(), Arc::default());
        let faulty = Self { server, client, trouble, writes, writer };
        let shared = faulty.clone();
        let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| async move {
            shared.answer(method, uri, headers, body).await
        };
        let router = Router::new().fallback(answer);
        let router = router.layer(axum::extract::DefaultBodyLimit::max(MAX_BODY_BYTES));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (faulty, url)
    }

    fn set(&self, trouble: Trouble) {
        *self.trouble.lock() = trouble;
    }

    async fn answer(&self, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
        let is_write = method == Method::PUT;
        let mut trouble = *self.trouble.lock();
        if is_write {
            trouble = trouble.of_write(self.writes.fetch_add(1, Ordering::Relaxed));
        }
        match trouble {
            Trouble::Busy => return (StatusCode::SERVICE_UNAVAILABLE, code("SlowDown")).into_response(),
            Trouble::Conflict if is_write => {
                return (StatusCode::CONFLICT, code("ConditionalRequestConflict")).into_response();
            }
            Trouble::KillsWriter if is_write && uri.path().contains("/tile/") => {
                self.set(Trouble::None);
                signal(self.writer.load(Ordering::SeqCst), "KILL");
            }
            _ => {}
        }
        let request = self.client.request(method, format!("{}{uri}", self.server)).headers(headers);
        let answer = request.body(body).send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.unwrap();
        if trouble == Trouble::LostAnswer && is_write {
            // Ends the connection's task, without a message on the test's standard error.
            std::panic::resume_unwind(Box::new("the answer is lost"));
        }
        if trouble == Trouble::IgnoresConditions && status == StatusCode::PRECONDITION_FAILED {
            return (StatusCode::OK, [("etag", "\"ignored\"")]).into_response();
        }
        (status, headers, body).into_response()
    }

    fn inflict(&self, trouble: Trouble, leader: &Node) {
        self.writer.store(leader.pid(), Ordering::SeqCst);
        self.set(trouble);
        if trouble == Trouble::KillsWriter {
            let pid = leader.pid();
            crate::standby::cluster::wait("the leader is killed", || leader.pid() != pid);
        } else {
            thread::sleep(SPELL);
        }
        self.set(Trouble::None);
    }
}

/// As an S3 server reports an error.
fn code(code: &str) -> String {
    format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{code}</Message></Error>")
}

/// A bucket of an S3 server and its endpoint.
fn server() -> Option<(String, String)> {
    let bucket = std::env::var("VOUCHLOG_S3").ok().filter(|server| !server.is_empty());
    let Some(bucket) = bucket else {
        eprintln!("NOT TESTED with an S3 server: set VOUCHLOG_S3 to a bucket of one, as `.ci/run` does");
        return None;
    };
    let time = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let url = format!("{bucket}/faults-{}-{time}", std::process::id());
    Some((url, std::env::var("AWS_ENDPOINT_URL").expect("the endpoint of the S3 server")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_store_that_fails_loses_nothing_and_stops_no_log() {
    let Some((objects, endpoint)) = server() else { return };
    let (faulty, url) = Faulty::start(endpoint).await;
    let world = tokio::task::block_in_place(|| {
        World::with(
            |_| {},
            |nodes| {
                for node in nodes {
                    node.more
                        .extend(["--objects", &objects, "--objects-interval", "20ms"].map(str::to_owned));
                    node.environment.push(("AWS_ENDPOINT_URL".to_owned(), url.clone()));
                }
            },
        )
    });
    let Some(world) = world else { return };
    let mut campaign = Campaign::start(&world.cluster).await;
    for trouble in (0..rounds(ROUNDS)).flat_map(|_| Trouble::OF_LOGS) {
        let successor = match trouble {
            Trouble::KillsWriter => Successor::Either,
            _ => Successor::Leader,
        };
        let before = published_size(&objects).await;
        let inflict = |leader: &Node, _: &Node| faulty.inflict(trouble, leader);
        campaign.round(&world.cluster, trouble.name(), successor, inflict).await;
        // It catches up.
        until_published(&objects, before + 1).await;
    }
    campaign.end(&world.cluster).await;
    drop(world);
    let audited = tokio::task::block_in_place(|| audit(&objects));
    assert_eq!(audited, published_size(&objects).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_store_that_ignores_conditions_is_refused() {
    let Some((objects, endpoint)) = server() else { return };
    let (faulty, url) = Faulty::start(endpoint).await;
    faulty.set(Trouble::IgnoresConditions);
    let mut check = vouchlog();
    check.args(["store", "check", "--objects", &objects]).env("AWS_ENDPOINT_URL", url);
    let output = tokio::task::spawn_blocking(move || check.output().unwrap()).await.unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("If-None-Match"), "{words}");
}
