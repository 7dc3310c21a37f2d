//! The thread that exports: it gathers spans, reads metrics, and sends both. Nobody waits for it but [`Telemetry::stop`].

use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver as Ended, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};
use vouchlog_runtime::metrics::register;
use vouchlog_runtime::{Clock, UnixMillis};

use crate::config::Config;
use crate::layer::SpanLayer;
use crate::limits::{MAX_BATCH_SPANS, MAX_QUEUED_SPANS};
use crate::metrics::{Period, collect};
use crate::outage::{Change, Outage, Signal};
use crate::transport::{Failure, Transport};

/// Why exporting could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The operating system gave no thread or no runtime.
    #[error("the exporting thread could not be started: {0}")]
    Thread(#[from] io::Error),
    /// The endpoint cannot be used.
    #[error("the endpoint cannot be used: {0}")]
    Endpoint(String),
}

/// The running exporter.
pub struct Telemetry {
    stop: oneshot::Sender<()>,
    ended: Ended<()>,
    source: MetricsSource,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

/// Where the exporter finds the metrics of the program, once it has some. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct MetricsSource(Arc<Mutex<Vec<Arc<Registry>>>>);

impl MetricsSource {
    /// Exports this registry, too, from now on. A process may run several servers, each with a registry of its own.
    pub fn add(&self, registry: Arc<Registry>) {
        self.registries().push(registry);
    }

    /// Exports this registry no more: its server has ended.
    pub fn remove(&self, registry: &Arc<Registry>) {
        self.registries().retain(|other| !Arc::ptr_eq(other, registry));
    }

    fn registries(&self) -> MutexGuard<'_, Vec<Arc<Registry>>> {
        // A panic while it was held has left a list that can still be read.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Telemetry {
    /// Starts to export. The layer belongs into the program's subscriber.
    ///
    /// # Errors
    /// If there is no thread for it, or the endpoint can never be used. An endpoint that is away is no error.
    pub fn start(config: &Config) -> Result<(SpanLayer, Self), StartError> {
        let (sender, spans) = mpsc::channel(MAX_QUEUED_SPANS);
        let clock = Clock::system();
        let source = MetricsSource::default();
        let mut registry = Registry::default();
        let dropped: Counter = register(
            &mut registry,
            "vouchlog_telemetry_dropped_spans",
            "Spans that were not exported: the queue was full, or the endpoint rejected them",
        );
        source.add(Arc::new(registry));
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = sync_channel(1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let transport = {
            let _inside = runtime.enter();
            Transport::new(config).map_err(StartError::Endpoint)?
        };
        let worker = Worker {
            transport,
            spans,
            batch: Vec::new(),
            source: source.clone(),
            began: clock.now(),
            clock: clock.clone(),
            resource: resource(config),
            dropped: dropped.clone(),
            endpoint: config.endpoint_name(),
            outage: Outage::default(),
        };
        let (span_delay, metric_interval) = (config.span_delay, config.metric_interval);
        std::thread::Builder::new().name("vouchlog-otlp".into()).spawn(move || {
            runtime.block_on(worker.run(span_delay, metric_interval, stopped));
            // Nobody waits any more if this fails.
            let _ = end.send(());
        })?;
        Ok((SpanLayer::new(sender, dropped, clock), Self { stop, ended, source }))
    }

    /// Where to put the registry.
    pub fn metrics(&self) -> MetricsSource {
        self.source.clone()
    }

    /// Exports what is left, for at most `patience`. Returns whether it came to an end. Call it outside of async code.
    pub fn stop(self, patience: Duration) -> bool {
        drop(self.stop);
        self.ended.recv_timeout(patience).is_ok()
    }
}

struct Worker {
    transport: Transport,
    spans: mpsc::Receiver<Span>,
    /// Not exported yet, at most [`MAX_BATCH_SPANS`].
    batch: Vec<Span>,
    source: MetricsSource,
    began: UnixMillis,
    clock: Clock,
    resource: Resource,
    dropped: Counter,
    endpoint: String,
    outage: Outage,
}

impl Worker {
    async fn run(
        mut self,
        span_delay: Duration,
        metric_interval: Duration,
        mut stopped: oneshot::Receiver<()>,
    ) {
        let (mut spans_due, mut metrics_due) = (interval(span_delay), interval(metric_interval));
        for due in [&mut spans_due, &mut metrics_due] {
            due.set_missed_tick_behavior(MissedTickBehavior::Delay);
            // The first tick comes at once, when there is nothing to send yet.
            due.tick().await;
        }
        loop {
            // Full after a failure: the batch waits for its next turn, and the queue fills meanwhile.
            let free = MAX_BATCH_SPANS.saturating_sub(self.batch.len());
            tokio::select! {
                biased;
                // An error is the handle's end as well.
                _ = &mut stopped => break,
                count = self.spans.recv_many(&mut self.batch, free), if free > 0 => {
                    if count == 0 {
                        break;
                    }
                    if self.batch.len() >= MAX_BATCH_SPANS {
                        self.send_spans().await;
                    }
                }
                _ = spans_due.tick() => {
                    self.send_spans().await;
                }
                _ = metrics_due.tick() => self.send_metrics().await,
            }
        }
        self.flush().await;
    }

    /// Sends what is left, until something fails.
    async fn flush(&mut self) {
        loop {
            while self.batch.len() < MAX_BATCH_SPANS
                && let Ok(span) = self.spans.try_recv()
            {
                self.batch.push(span);
            }
            if self.batch.is_empty() || !self.send_spans().await {
                break;
            }
        }
        self.send_metrics().await;
    }

    /// Returns whether the batch is gone.
    async fn send_spans(&mut self) -> bool {
        if self.batch.is_empty() {
            return true;
        }
        let scope_spans =
            vec![ScopeSpans { scope: Some(scope()), spans: self.batch.clone(), ..ScopeSpans::default() }];
        let resource = Some(self.resource.clone());
        let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
        let sent = self.transport.spans(ExportTraceServiceRequest { resource_spans }).await;
        self.report(Signal::Spans, &sent);
        match sent {
            Err(Failure { is_passing: true, .. }) => return false,
            Err(_) => {
                self.dropped.inc_by(self.batch.len() as u64);
            }
            Ok(()) => {}
        }
        self.batch.clear();
        true
    }

    async fn send_metrics(&mut self) {
        let registries = self.source.registries().clone();
        let nanos = |time: UnixMillis| time.get().saturating_mul(1_000_000);
        let period = Period { start: nanos(self.began), now: nanos(self.clock.now()) };
        // Only a metric that cannot be written fails, and `/metrics` reports that.
        let metrics: Vec<_> =
            registries.iter().filter_map(|registry| collect(registry, period).ok()).flatten().collect();
        if metrics.is_empty() {
            return;
        }
        let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics, ..ScopeMetrics::default() }];
        let resource = Some(self.resource.clone());
        let resource_metrics =
            vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
        let sent = self.transport.metrics(ExportMetricsServiceRequest { resource_metrics }).await;
        self.report(Signal::Metrics, &sent);
    }

    fn report(&mut self, signal: Signal, sent: &Result<(), Failure>) {
        let endpoint = self.endpoint.as_str();
        let outcome = sent.as_ref().map(drop).map_err(|failure| failure.why.as_str());
        match (self.outage.note(signal, outcome), outcome) {
            (Some(Change::Began), Err(why)) => tracing::warn!(
                endpoint,
                ?signal,
                why,
                "spans or metrics cannot be exported; retrying, and dropping spans while the queue is full"
            ),
            (Some(Change::Ended), _) => {
                let dropped = self.dropped.get();
                tracing::info!(endpoint, dropped, "spans and metrics are exported again");
            }
            _ => {}
        }
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "vouchlog".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

fn resource(config: &Config) -> Resource {
    let attribute = |(key, value): &(String, String)| KeyValue {
        key: key.clone(),
        value: Some(AnyValue { value: Some(Value::StringValue(value.clone())) }),
        ..KeyValue::default()
    };
    Resource { attributes: config.resource.iter().map(attribute).collect(), ..Resource::default() }
}
