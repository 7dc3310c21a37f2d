//! The good client: it writes, reads and asks for health while an attack goes on, and notes how long each took.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use parking_lot::Mutex;
use reqwest::{Client, RequestBuilder};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use vouchlog_api::Appender as _;
use vouchlog_client::{Connection, GrpcLog};
use vouchlog_merkle::{ConsistencyProof, TreeHead, TreeSize, leaf_hash};
use vouchlog_note::{AddCheckpoint, Checkpoint, Origin, SignatureType, SignedCheckpoint, UnverifiedNote};
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, key, statements};

use crate::attack::Target;

/// How long the good client waits before a request counts as an error: as long as servers themselves take at most. What is slow shows
/// in the percentiles.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two requests of a kind: a hundred a second in all, which no server notices.
const EVERY: Duration = Duration::from_millis(30);
/// Bundles of statements that a log has before the first attack.
const STOCK: u64 = 16;
/// The enrolled gateway that writes to the log.
const GATEWAY: u8 = 10;
/// The time in the heads that it signs, in seconds.
const SIGNED_AT: u64 = 1_767_225_600;

/// What a request of the good client did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Write,
    Read,
    Health,
}

#[derive(Clone, Debug)]
struct Sample {
    what: What,
    begun: Instant,
    took: Duration,
    error: Option<String>,
}

/// What the good client met in a span of time.
#[derive(Clone, Debug, Default)]
pub struct Experience {
    /// Requests that ended, well or not.
    pub requests: usize,
    /// Requests that failed, or were not answered in 30 s.
    pub errors: usize,
    /// The first of those.
    pub first_error: Option<String>,
    /// The 99th percentile of writes, in milliseconds.
    pub write_p99: f64,
    /// The same of reads.
    pub read_p99: f64,
    /// The same of requests for `/healthz`, each on a connection of its own.
    pub health_p99: f64,
}

/// A client that goes on until it is dropped, on a thread of its own: what attackers do in this program must not count as slowness of
/// the server.
pub(crate) struct Good {
    requests: Requests,
    _thread: Thread,
}

/// The client's thread, which ends when this is dropped.
struct Thread(Option<Runtime>);

impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The requests that a client makes again and again, and what became of them.
struct Requests {
    samples: Arc<Mutex<Vec<Sample>>>,
    tasks: JoinSet<()>,
}

/// Where the parts of a server are reached.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) main: SocketAddr,
    /// Where health is served, if it has a listener of its own.
    pub(crate) health: SocketAddr,
    pub(crate) token: Option<String>,
}

impl Requests {
    /// A gateway, a reader and an orchestrator of a log.
    async fn of_log(places: &Places) -> Result<Self> {
        let log = GrpcLog::connect(&Connection::new(format!("http://{}", places.main)))
            .map_err(|error| anyhow!("the good client cannot connect: {error}"))?;
        let gateway = TestGateway::open(&log, GATEWAY).await;
        let mut gateway =
            gateway.map_err(|error| anyhow!("the good gateway cannot open a stream: {error}"))?;
        // Entries to read, for those who read a great many.
        for round in 0..STOCK {
            let request = gateway.request(statements(256, u64::MAX - round), SIGNED_AT);
            log.append(request).await.map_err(|error| anyhow!("the good gateway cannot write: {error}"))?;
        }
        let mut good = Self::begin(places)?;
        let client = client(true)?;
        let main = places.main;
        good.every(What::Read, move || read(client.get(format!("http://{main}/checkpoint"))));
        let samples = Arc::clone(&good.samples);
        good.tasks.spawn(async move {
            for round in 0.. {
                let request = gateway.request(statements(4, round), SIGNED_AT);
                // Sent again until the log has it: the same request never appends twice.
                while let Err(error) = timed(&samples, What::Write, log.append(request.clone())).await {
                    drop(error);
                    tokio::time::sleep(EVERY).await;
                }
                tokio::time::sleep(EVERY).await;
            }
        });
        Ok(good)
    }

    /// A log and an orchestrator of a witness.
    async fn of_witness(places: &Places) -> Result<Self> {
        let mut good = Self::begin(places)?;
        let url = format!("http://{}/add-checkpoint", places.main);
        let client = client(true)?;
        // The first is new to the witness, all others are repeated.
        read(client.post(&url).body(add_checkpoint(0)?)).await?;
        let body = add_checkpoint(1)?;
        good.every(What::Write, move || read(client.post(&url).body(body.clone())));
        Ok(good)
    }

    /// An emitter and an orchestrator of a collector.
    fn of_collector(places: &Places) -> Result<Self> {
        let mut good = Self::begin(places)?;
        let (client, token) = (client(true)?, places.token.clone().unwrap_or_default());
        let url = format!("http://{}/v1/traces", places.main);
        let mut number = 0_u64;
        good.every(What::Write, move || {
            number += 1;
            let request = client.post(&url).bearer_auth(&token).header("content-type", "application/json");
            read(request.body(trace(number)))
        });
        Ok(good)
    }

    /// An administrator, a reader and an orchestrator of a vault.
    fn of_vault(places: &Places) -> Result<Self> {
        let mut good = Self::begin(places)?;
        let (client, token, main) = (client(true)?, places.token.clone().unwrap_or_default(), places.main);
        let ask = move |name: &str, body: serde_json::Value| {
            client.post(format!("http://{main}/v1/vault/{name}")).bearer_auth(&token).json(&body)
        };
        let set = ask.clone();
        good.every(What::Write, move || {
            read(set("set-retention", json!({ "class": "attacked", "seconds": 60 })))
        });
        good.every(What::Read, move || {
            read(ask("find-records", json!({ "tenant": "default", "limit": 10 })))
        });
        Ok(good)
    }

    /// One that asks for health.
    fn begin(places: &Places) -> Result<Self> {
        let mut good = Self { samples: Arc::default(), tasks: JoinSet::new() };
        let client = client(false)?;
        let url = format!("http://{}/healthz", places.health);
        good.every(What::Health, move || read(client.get(&url)));
        Ok(good)
    }

    fn every<R>(&mut self, what: What, mut request: impl FnMut() -> R + Send + 'static)
    where
        R: Future<Output = Result<()>> + Send,
    {
        let samples = Arc::clone(&self.samples);
        self.tasks.spawn(async move {
            loop {
                // An error is a sample as well.
                drop(timed(&samples, what, request()).await);
                tokio::time::sleep(EVERY).await;
            }
        });
    }
}

impl Good {
    /// A client of that server.
    pub(crate) async fn start(target: Target, places: Places) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let started = runtime.spawn(async move {
            match target {
                Target::Log => Requests::of_log(&places).await,
                Target::Witness => Requests::of_witness(&places).await,
                Target::Collector => Requests::of_collector(&places),
                Target::Vault => Requests::of_vault(&places),
                Target::Command => bail!("a command is started by its attack"),
            }
        });
        let thread = Thread(Some(runtime));
        Ok(Self { requests: started.await??, _thread: thread })
    }

    /// What it met from `begin` on. Requests that were under way then count if they failed.
    pub(crate) fn met(&self, begin: Instant) -> Experience {
        let samples = self.requests.samples.lock();
        let within: Vec<&Sample> = samples
            .iter()
            .filter(|sample| {
                sample.begun >= begin || sample.error.is_some() && sample.begun + sample.took > begin
            })
            .collect();
        let p99 = |what| percentile(within.iter().filter(|it| it.what == what).map(|it| it.took).collect());
        let errors = || within.iter().filter_map(|sample| Some((sample.what, sample.error.as_ref()?)));
        Experience {
            requests: within.len(),
            errors: errors().count(),
            first_error: errors().next().map(|(what, error)| format!("{what:?}: {error}")),
            write_p99: p99(What::Write),
            read_p99: p99(What::Read),
            health_p99: p99(What::Health),
        }
    }

    /// Waits until every kind of request that it makes has ended once more, so that none is judged before it met the attack.
    pub(crate) async fn another_round(&self) {
        let begin = Instant::now();
        let kinds = |samples: &[Sample], from: Option<Instant>| {
            [What::Write, What::Read, What::Health].map(|what| {
                samples.iter().any(|it| it.what == what && from.is_none_or(|from| it.begun + it.took >= from))
            })
        };
        while begin.elapsed() < 2 * PATIENCE {
            {
                let samples = self.requests.samples.lock();
                if kinds(&samples, Some(begin)) == kinds(&samples, None) {
                    return;
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// The 99th percentile, in milliseconds; 0 of nothing.
fn percentile(mut all: Vec<Duration>) -> f64 {
    all.sort();
    let place = (all.len() * 99).div_ceil(100).saturating_sub(1);
    all.get(place).map_or(0.0, |took| took.as_secs_f64() * 1_000.0)
}

/// Times a request and notes it.
async fn timed<T, E: std::fmt::Display>(
    samples: &Mutex<Vec<Sample>>,
    what: What,
    request: impl Future<Output = Result<T, E>>,
) -> Result<T> {
    let begun = Instant::now();
    let outcome = match tokio::time::timeout(PATIENCE, request).await {
        Ok(outcome) => outcome.map_err(|error| anyhow!("{error:#}")),
        Err(_) => Err(anyhow!("no answer in {} s", PATIENCE.as_secs())),
    };
    let error = outcome.as_ref().err().map(ToString::to_string);
    samples.lock().push(Sample { what, begun, took: begun.elapsed(), error });
    outcome
}

fn client(keeps_connections: bool) -> Result<Client> {
    let builder = Client::builder().no_proxy().pool_max_idle_per_host(if keeps_connections { 4 } else { 0 });
    builder.build().context("the good client cannot be made")
}

/// A request that must be answered with success.
async fn read(request: RequestBuilder) -> Result<()> {
    let answer = request.send().await.map_err(|error| anyhow!("{}", root_cause(&error)))?;
    let status = answer.status();
    let body = answer.text().await?;
    ensure!(status.is_success(), "{status}: {}", body.chars().take(200).collect::<String>());
    Ok(())
}

fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), root_cause)
}

/// A request to cosign a log of one entry, of which the witness has seen `old`.
fn add_checkpoint(old: u64) -> Result<String> {
    let head = TreeHead { size: TreeSize::new(1), root: leaf_hash(b"one entry") };
    let checkpoint = Checkpoint::new(Origin::new(ORIGIN)?, head);
    let signed = SignedCheckpoint::sign(&checkpoint, &key(ORIGIN, SignatureType::Ed25519, 1))?;
    let note = UnverifiedNote::parse(signed.note().as_bytes())?;
    let proof = ConsistencyProof::from_hashes(Vec::new()).map_err(|_| anyhow!("an empty proof is one"))?;
    Ok(AddCheckpoint::new(TreeSize::new(old), proof, note)?.to_string())
}

/// An OTLP body with one call of a model.
fn trace(number: u64) -> String {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let span = json!({
        "traceId": format!("{number:032x}"), "spanId": format!("{number:016x}"), "name": "chat model-1", "kind": 3,
        "startTimeUnixNano": "1795300000000000000", "endTimeUnixNano": "1795300000500000000",
        "attributes": [
            text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", "model-1"),
            text("gen_ai.response.id", &format!("good-{number}")), text("session.id", "good-session"),
        ],
    });
    let resource = json!({ "attributes": [text("service.name", "good")] });
    json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "spans": [span] }] }] }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_percentile_is_the_largest_of_few_and_the_second_of_two_hundred() {
        let millis = |all: &[u64]| all.iter().copied().map(Duration::from_millis).collect();
        let near = |p99: f64, expected: f64| assert!((p99 - expected).abs() < 1e-9, "{p99}");
        near(percentile(millis(&[])), 0.0);
        near(percentile(millis(&[5, 90, 7])), 90.0);
        near(percentile(millis(&(1..=200).collect::<Vec<_>>())), 198.0);
    }
}
