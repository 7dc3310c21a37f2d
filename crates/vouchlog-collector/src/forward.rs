//! Sends every OTLP body on to another collector, as it came: best effort, a bounded queue, never in the way. What is not delivered
//! is counted and forgotten: the journal has it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use parking_lot::{Mutex, RwLock};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use reqwest::{Client, Url};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use vouchlog_outbound::{ConnectionSecurity, Reach, ReachError, SecurityError, UrlError, parse};
use vouchlog_runtime::Backoff;

use crate::intake::Encoding;
use crate::limits::{MAX_FORWARD_ANSWER, MAX_FORWARD_BYTES};

/// What room in the queue is counted in, in bytes.
const UNIT: usize = 1_024;

/// How patiently bodies are sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardLimits {
    /// Most bytes that wait or are being sent.
    pub queue_bytes: usize,
    /// Requests at a time.
    pub in_flight: usize,
    /// How long a request may take.
    pub timeout: Duration,
    /// How often a body is sent before it is given up.
    pub attempts: u32,
    /// Wait before the second attempt; it doubles with each further one. The other side's `retry-after` goes before.
    pub first_wait: Duration,
    /// Longest wait, regardless of the other side's `retry-after`.
    pub longest_wait: Duration,
}

impl Default for ForwardLimits {
    fn default() -> Self {
        Self {
            queue_bytes: MAX_FORWARD_BYTES,
            in_flight: 8,
            timeout: Duration::from_secs(10),
            attempts: 5,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
        }
    }
}

/// Where bodies are sent on.
#[derive(Clone, Debug)]
pub struct ForwardTarget {
    /// The base of an OTLP/HTTP endpoint; `/v1/traces` and its like are appended.
    pub url: String,
    /// What goes along, such as the other side's API key.
    pub headers: HeaderMap,
    /// Which authorities to trust, what to present, and when plain text is allowed.
    pub security: ConnectionSecurity,
    /// How far the URL may lead.
    pub reach: Reach,
}

impl ForwardTarget {
    /// An endpoint with the strictest rules.
    pub fn new(url: impl Into<String>, headers: HeaderMap) -> Self {
        Self { url: url.into(), headers, security: ConnectionSecurity::default(), reach: Reach::default() }
    }
}

/// Why nothing can be forwarded there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// Give the base of an OTLP/HTTP endpoint, as in `http://127.0.0.1:4318`.
    #[error("`{0}` is not an http:// or https:// URL to which a path can be appended")]
    Url(String),
    /// It may not be connected to like this.
    #[error(transparent)]
    PlainText(#[from] UrlError),
    /// It leads to a private network.
    #[error("{0}: allow it with --allow-private-addresses, if telemetry is to go there")]
    Reach(#[from] ReachError),
    /// The authorities or the identity cannot be used.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// The HTTP client cannot be made; the system's certificates are one reason.
    #[error("the HTTP client could not be created: {0}")]
    Client(#[from] reqwest::Error),
}

/// Sends bodies on. Clones are the same one; when the last is dropped, what waits is still sent.
#[derive(Clone)]
pub struct Forward(Arc<Inner>);

struct Inner {
    queue: mpsc::UnboundedSender<Message>,
    headers: Arc<RwLock<HeaderMap>>,
    room: Arc<Semaphore>,
    metrics: Metrics,
    closing: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// A body on its way. Its room is free again when it is dropped.
struct Message {
    path: &'static str,
    encoding: Encoding,
    is_gzip: bool,
    body: Bytes,
    _room: OwnedSemaphorePermit,
}

impl Forward {
    /// Sends to another collector. Needs a tokio runtime.
    pub fn start(target: ForwardTarget, pace: ForwardLimits) -> Result<Self, ForwardError> {
        let ForwardTarget { url, headers, security, reach } = target;
        let is_base =
            |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none();
        let Some(parsed) = parse(&url).ok().filter(is_base) else {
            return Err(ForwardError::Url(url.chars().take(200).collect()));
        };
        security.check(&parsed)?;
        // A redirection asks for the body to be sent elsewhere, which it is not.
        let client = Client::builder().timeout(pace.timeout).redirect(reqwest::redirect::Policy::none());
        let client = reach.limit(security.apply(client)?, &parsed)?.build()?;
        let headers = Arc::new(RwLock::new(headers));
        let metrics = Metrics::default();
        let closing = CancellationToken::new();
        let (queue, waiting) = mpsc::unbounded_channel();
        let sender = Sender {
            base: url.trim_end_matches('/').to_owned(),
            client,
            headers: headers.clone(),
            pace,
            metrics: metrics.clone(),
        };
        let task = tokio::spawn(run(waiting, Arc::new(sender), closing.clone()));
        let room = Arc::new(Semaphore::new(pace.queue_bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS)));
        Ok(Self(Arc::new(Inner { queue, headers, room, metrics, closing, task: Mutex::new(Some(task)) })))
    }

    /// Sends other headers along from the next request on.
    pub fn set_headers(&self, headers: HeaderMap) {
        *self.0.headers.write() = headers;
    }

    /// Puts a body into the queue, or drops it if there is no room. Never waits.
    pub fn offer(&self, path: &'static str, encoding: Encoding, is_gzip: bool, body: Bytes) {
        let units = u32::try_from(body.len().div_ceil(UNIT).max(1)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.0.room).try_acquire_many_owned(units);
        let message = room.map(|_room| Message { path, encoding, is_gzip, body, _room });
        self.0.metrics.waiting.inc();
        if !message.is_ok_and(|message| self.0.queue.send(message).is_ok()) {
            self.0.metrics.waiting.dec();
            self.0.metrics.count(DROPPED);
        }
    }

    /// Takes nothing more and sends what waits, at most so long. Whether nothing is left.
    pub async fn close(&self, patience: Duration) -> bool {
        self.0.closing.cancel();
        let Some(mut task) = self.0.task.lock().take() else { return true };
        let done = tokio::time::timeout(patience, &mut task).await.is_ok();
        task.abort();
        done
    }

    /// Bodies so far that the other side will not get from here: refused, given up, dropped.
    pub(crate) fn not_sent(&self) -> u64 {
        let count = |outcome| self.0.metrics.bodies.get_or_create(&Outcome { outcome }).get();
        NOT_SENT.into_iter().map(count).sum()
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        let Metrics { bodies, waiting, bytes } = &self.0.metrics;
        let registry = registry.sub_registry_with_prefix("vouchlog_forward");
        registry.register(
            "bodies",
            "Bodies for the other collector: sent, refused by it, given_up, dropped for lack of space",
            bodies.clone(),
        );
        registry.register("bodies_waiting", "Bodies queued or in flight", waiting.clone());
        registry.register_with_unit("sent", "What was sent", Unit::Bytes, bytes.clone());
    }
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forward")
    }
}

/// What may become of a body but to be sent.
const NOT_SENT: [&str; 3] = [REFUSED, GIVEN_UP, DROPPED];
const REFUSED: &str = "refused";
const GIVEN_UP: &str = "given_up";
const DROPPED: &str = "dropped";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, Default)]
struct Metrics {
    bodies: Family<Outcome, Counter>,
    waiting: Gauge,
    bytes: Counter<u64, AtomicU64>,
}

impl Metrics {
    fn count(&self, outcome: &'static str) {
        self.bodies.get_or_create(&Outcome { outcome }).inc();
    }
}

/// Takes bodies out of the queue, a few at a time, until it is closed and empty.
async fn run(mut queue: mpsc::UnboundedReceiver<Message>, sender: Arc<Sender>, closing: CancellationToken) {
    let mut sending = JoinSet::new();
    loop {
        let next = tokio::select! {
            next = queue.recv() => next,
            () = closing.cancelled(), if !queue.is_closed() => {
                queue.close();
                continue;
            }
        };
        let Some(message) = next else { break };
        while sending.len() >= sender.pace.in_flight.max(1) {
            sending.join_next().await;
        }
        let sender = Arc::clone(&sender);
        sending.spawn(async move { sender.deliver(message).await });
    }
    while sending.join_next().await.is_some() {}
}

struct Sender {
    base: String,
    client: Client,
    headers: Arc<RwLock<HeaderMap>>,
    pace: ForwardLimits,
    metrics: Metrics,
}

/// Why an attempt failed.
enum Failure {
    /// It would fail again.
    Final,
    /// It may not, after this long if the other side says so.
    Again(Option<Duration>),
}

impl Sender {
    async fn deliver(&self, message: Message) {
        let outcome = self.attempts(&message).await;
        self.metrics.count(outcome);
        self.metrics.waiting.dec();
        if outcome == "sent" {
            self.metrics.bytes.inc_by(message.body.len() as u64);
        }
    }

    async fn attempts(&self, message: &Message) -> &'static str {
        let mut backoff = Backoff::new(self.pace.first_wait, self.pace.longest_wait);
        for attempt in 1..=self.pace.attempts {
            match self.send(message).await {
                Ok(()) => return "sent",
                Err(Failure::Final) => return REFUSED,
                Err(Failure::Again(told)) if attempt < self.pace.attempts => {
                    let wait = backoff.next_wait();
                    tokio::time::sleep(told.map_or(wait, |told| told.min(self.pace.longest_wait))).await;
                }
                Err(Failure::Again(_)) => {}
            }
        }
        GIVEN_UP
    }

    /// Sends it once. No header of the emitter's goes along but those that say how to read the body: its token is for us.
    async fn send(&self, message: &Message) -> Result<(), Failure> {
        let content_type = match message.encoding {
            Encoding::Protobuf => "application/x-protobuf",
            Encoding::Json => "application/json",
        };
        let mut request = self
            .client
            .post(format!("{}{}", self.base, message.path))
            .headers(self.headers.read().clone())
            .header(header::CONTENT_TYPE, content_type)
            .body(message.body.clone());
        if message.is_gzip {
            request = request.header(header::CONTENT_ENCODING, "gzip");
        }
        let mut answer = request.send().await.map_err(|error| {
            tracing::debug!(%error, "the other collector cannot be reached");
            Failure::Again(None)
        })?;
        let (status, told) = (answer.status(), retry_after(answer.headers()));
        // A connection is used again only when its answer was read.
        let mut read = 0;
        while read <= MAX_FORWARD_ANSWER
            && let Ok(Some(chunk)) = answer.chunk().await
        {
            read += chunk.len();
        }
        match status {
            status if status.is_success() => Ok(()),
            // SPEC: OTLP 1.x, section "Retryable Response Codes".
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Err(Failure::Again(told)),
            status => {
                tracing::debug!(%status, path = message.path, "the other collector rejected a body");
                Err(Failure::Final)
            }
        }
    }
}

/// SPEC: RFC 9110 section 10.2.3, in its form of whole seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
pub(crate) mod tests;
