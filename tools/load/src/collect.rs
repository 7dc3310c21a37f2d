//! Load on a collector: traces of AI calls from OpenTelemetry's SDK, exported over OTLP, each export repeated until it is
//! acknowledged.
//!
//! Nothing is sampled and nothing dropped: the SDK's batch processor drops spans when its queue is full without naming them, so
//! the spans are gathered here and given to the SDK's exporter. A span counts as acknowledged when its export was answered with
//! success. An exporter does not tell of a partial success; a checker that holds the list of `--acknowledged` against the log does.

mod shape;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::Args;
use opentelemetry::Context;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{
    Compression, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    Sampler, SdkTracer, SdkTracerProvider, Span, SpanData, SpanExporter as _, SpanProcessor,
};
use parking_lot::Mutex;
use vouchlog_runtime::Backoff;

use crate::quota::Quota;
use crate::report::{Meter, Report};
use shape::{Shape, Turn};

/// The first pause before an export is sent again; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The collector, and how much load.
#[derive(Debug, Args)]
pub(crate) struct CollectArgs {
    /// The collector: grpc://… for OTLP over gRPC, http://… for OTLP over HTTP
    #[arg(long, value_name = "URL", default_value = "grpc://127.0.0.1:4317")]
    otlp: String,
    /// Compress with gzip (gRPC alone)
    #[arg(long)]
    gzip: bool,
    /// What each trace is
    #[arg(long, value_enum, default_value_t = Shape::Turn)]
    shape: Shape,
    /// Emitters at work at once, each on its own connection with one export under way
    #[arg(long, default_value_t = 4)]
    emitters: usize,
    /// Spans in an export
    #[arg(long, default_value_t = 512)]
    batch: usize,
    /// Spans a second in all; without it, as fast as it goes
    #[arg(long, value_name = "N")]
    spans_per_second: Option<u64>,
    /// How long, in seconds
    #[arg(long, alias = "duration", default_value_t = 10)]
    seconds: u64,
    /// Spans in all, instead of a time; some more end the last traces
    #[arg(long, value_name = "N")]
    spans: Option<u64>,
    /// How long an export is sent again and again while the collector does not take it, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,
    /// Write trace, span and operation of each acknowledged span, one a line
    #[arg(long, value_name = "FILE")]
    acknowledged: Option<PathBuf>,
    /// Process id of the collector, to report its memory and processor time
    #[arg(long)]
    pid: Option<u32>,
}

/// Exports for the given time. One export is one request.
pub(crate) async fn run(args: CollectArgs) -> Result<Report> {
    ensure!(args.batch > 0 && args.emitters > 0, "at least one emitter, and one span in an export");
    let list = args.acknowledged.as_ref().map(List::create).transpose()?;
    let (quota, begun) = (Quota::new(args.seconds, args.spans), Instant::now());
    let pace = args.spans_per_second.map(|rate| Pace {
        interval: Duration::from_secs_f64((args.emitters * args.batch) as f64 / rate.max(1) as f64),
        begun,
    });
    let (run, meter) = (drawn()?, Meter::start(args.pid));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..args.emitters {
        let emitter = Emitter::new(&args, format!("{run:08x}-{number}"), list.clone())?;
        let pace = pace.map(|pace| pace.staggered(number, args.emitters));
        tasks.spawn(emitter.run(args.shape, quota.clone(), args.batch, pace));
    }
    let mut report = Report::of("spans");
    for exported in tasks.join_all().await {
        report.merge(&exported?)?;
    }
    report.elapsed = begun.elapsed();
    meter.stop(&mut report);
    Ok(report)
}

/// When exports are due. Latency counts from there, so that a stall is not hidden by the exports it kept from being sent.
#[derive(Clone, Copy, Debug)]
struct Pace {
    interval: Duration,
    begun: Instant,
}

impl Pace {
    /// The pace of one of several emitters, which take turns.
    fn staggered(self, number: usize, of: usize) -> Self {
        Self { begun: self.begun + self.interval.mul_f64((number + 1) as f64 / of as f64), ..self }
    }
}

/// Spans that ended and were not exported yet.
#[derive(Clone, Debug, Default)]
struct Ended(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Ended {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Where what was acknowledged is listed.
#[derive(Clone, Debug)]
struct List(Arc<Mutex<BufWriter<File>>>);

impl List {
    fn create(path: &PathBuf) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Self(Arc::new(Mutex::new(BufWriter::new(file)))))
    }

    /// Writes a batch through, so that a run that is ended early leaves what it had.
    fn add(&self, batch: &[SpanData]) -> Result<()> {
        let mut file = self.0.lock();
        for span in batch {
            let operation = span.attributes.iter().find(|it| it.key.as_str() == "gen_ai.operation.name");
            let operation = operation.map_or("-".into(), |it| it.value.as_str().into_owned());
            let ids = &span.span_context;
            writeln!(file, "{} {} {operation}", ids.trace_id(), ids.span_id())?;
        }
        Ok(file.flush()?)
    }
}

/// One instrumented program: the SDK, and an exporter on a connection of its own.
struct Emitter {
    name: String,
    // Its tracer makes spans only while it lives.
    _provider: SdkTracerProvider,
    tracer: SdkTracer,
    ended: Ended,
    exporter: SpanExporter,
    patience: Duration,
    list: Option<List>,
}

impl Emitter {
    fn new(args: &CollectArgs, name: String, list: Option<List>) -> Result<Self> {
        let ended = Ended::default();
        let resource =
            opentelemetry_sdk::Resource::builder_empty().with_attributes(shape::resource(&name)).build();
        // Whatever the environment says, nothing is sampled away.
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::AlwaysOn)
            .with_resource(resource.clone())
            .with_span_processor(ended.clone())
            .build();
        let tracer = provider.tracer("vouchlog-load");
        let mut exporter = exporter(&args.otlp, args.gzip)?;
        exporter.set_resource(&resource);
        let patience = Duration::from_secs(args.patience);
        Ok(Self { name, _provider: provider, tracer, ended, exporter, patience, list })
    }

    /// Emits until there is nothing left to do, and then what is left over of the last traces.
    async fn run(
        self,
        shape: Shape,
        quota: Arc<Quota>,
        batch: usize,
        mut pace: Option<Pace>,
    ) -> Result<Report> {
        let (mut report, mut turn) = (Report::default(), 0);
        loop {
            if let Some(pace) = &pace {
                tokio::time::sleep_until(pace.begun.into()).await;
            }
            let count = quota.take(batch);
            if count == 0 {
                break;
            }
            while self.ended.0.lock().len() < count {
                shape.emit(&self.tracer, &Turn::new(&self.name, turn));
                turn += 1;
            }
            let spans = self.ended.0.lock().drain(..count).collect();
            let due = pace.map_or_else(Instant::now, |pace| pace.begun);
            self.export(spans, due, &mut report).await?;
            if let Some(pace) = &mut pace {
                pace.begun += pace.interval;
            }
        }
        let spans: Vec<SpanData> = self.ended.0.lock().drain(..).collect();
        if !spans.is_empty() {
            self.export(spans, Instant::now(), &mut report).await?;
        }
        Ok(report)
    }

    /// Exports a batch, again and again, until it is acknowledged or patience ends.
    async fn export(&self, spans: Vec<SpanData>, due: Instant, report: &mut Report) -> Result<()> {
        let (begun, mut backoff) = (Instant::now(), Backoff::new(FIRST_PAUSE, LONGEST_PAUSE));
        while let Err(error) = self.exporter.export(spans.clone()).await {
            let left = self.patience.saturating_sub(begun.elapsed());
            if left.is_zero() {
                bail!("the collector did not take an export for {} s: {error}", self.patience.as_secs());
            }
            report.retries += 1;
            tokio::time::sleep(backoff.next_wait().min(left)).await;
        }
        report.record(spans.len() as u64, due.elapsed())?;
        self.list.as_ref().map_or(Ok(()), |list| list.add(&spans))
    }
}

/// The SDK's exporter, whose own repetitions are switched off: they are counted here.
fn exporter(url: &str, gzip: bool) -> Result<SpanExporter> {
    if let Some(address) = url.strip_prefix("grpc://") {
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(format!("http://{address}"))
            .with_retry_policy(RetryPolicy::disabled());
        let exporter = if gzip { exporter.with_compression(Compression::Gzip) } else { exporter };
        return Ok(exporter.build()?);
    }
    ensure!(!gzip, "--gzip is for grpc://");
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", url.trim_end_matches('/')))
        .with_retry_policy(RetryPolicy::disabled());
    Ok(exporter.build()?)
}

/// Sets the names of one run apart from those of another.
fn drawn() -> Result<u32> {
    getrandom::u32().map_err(|error| anyhow!("no randomness: {error}"))
}
