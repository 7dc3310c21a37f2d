//! The program's own log lines, spans and metrics: how they are written, and where they are exported.
//!
//! The subscriber has two layers with a filter each. The first writes log lines to standard error (`--trace`, `--log-format`). The
//! second exports spans over OTLP and exists only with an endpoint; without it, spans finer than the first filter cost nothing.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use prometheus_client::registry::Registry;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::terminal;

/// A layer of the subscriber.
type AnyLayer = Box<dyn Layer<tracing_subscriber::Registry> + Send + Sync>;

/// Flags of the commands that run until they are stopped.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct TelemetryArgs {
    /// Format of the program's own traces
    #[arg(long, value_enum, default_value = "text", env = "VOUCHLOG_LOG_FORMAT")]
    log_format: LogFormat,
    /// Export the program's own spans and metrics to this OpenTelemetry collector, such as http://127.0.0.1:4318 [default: OTEL_EXPORTER_OTLP_ENDPOINT, else none]
    #[cfg(feature = "otlp")]
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<String>,
}

/// Commands that telemetry is sent to. The environment names their address to the programs that send it, so it is no reason for
/// them to export: they would send their spans to themselves.
#[cfg(feature = "otlp")]
const COLLECTORS: [&str; 2] = ["collect", "up"];

/// Format of the program's own traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}

/// What a command that runs until it is stopped wants of this.
#[derive(Debug)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "only an export has a name and an end"))]
pub(crate) struct TelemetryNeeds<'a> {
    /// The command's name.
    pub(crate) command: &'static str,
    pub(crate) args: &'a TelemetryArgs,
    /// How long the last export may take.
    pub(crate) drain: Duration,
}

/// Takes one log line a call, as the subscriber writes them. What it quotes of others must neither steer a terminal nor begin a line of
/// its own.
#[derive(Debug)]
struct LogWriter<W> {
    format: LogFormat,
    inner: W,
}

impl<W: Write> Write for LogWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let shown = match self.format {
            LogFormat::Text => terminal::log_line(&text),
            LogFormat::Json => terminal::json(&text),
        };
        self.inner.write_all(shown.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Ends with the program.
#[derive(Debug, Default)]
pub(crate) struct Running {
    #[cfg(feature = "otlp")]
    exporting: Option<(vouchlog_telemetry::Telemetry, Duration)>,
}

/// Writes log lines from now on, filtered by `--trace`, and exports if an endpoint is set.
pub(crate) fn start(filter: Option<&str>, wanted: Option<&TelemetryNeeds<'_>>) -> anyhow::Result<Running> {
    // What the client meets, the other commands report themselves.
    let default = if wanted.is_some() { "info" } else { "warn,vouchlog_client=off" };
    let filter = EnvFilter::try_new(filter.unwrap_or(default)).context("--trace")?;
    let format = wanted.map_or(LogFormat::Text, |wanted| wanted.args.log_format);
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        // A reader of standard error that has gone costs the trace and nothing else.
        .log_internal_errors(false)
        .with_writer(move || LogWriter { format, inner: std::io::stderr() });
    let lines: AnyLayer = match format {
        LogFormat::Json => lines.json().with_filter(filter).boxed(),
        LogFormat::Text => lines.with_filter(filter).boxed(),
    };
    let (exports, running) = exporting(wanted)?;
    let layers: Vec<AnyLayer> = [Some(lines), exports].into_iter().flatten().collect();
    tracing_subscriber::registry().with(layers).init();
    Ok(running)
}

#[cfg(feature = "otlp")]
fn exporting(wanted: Option<&TelemetryNeeds<'_>>) -> anyhow::Result<(Option<AnyLayer>, Running)> {
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use vouchlog_telemetry::{Config, Telemetry};

    let Some(wanted) = wanted else { return Ok((None, Running::default())) };
    let (flag, service) = (wanted.args.otlp_endpoint.as_deref(), format!("vouchlog-{}", wanted.command));
    if flag.is_none() && COLLECTORS.contains(&wanted.command) {
        return Ok((None, Running::default()));
    }
    let variable = |name: &str| std::env::var(name).ok();
    let config = Config::new(flag, &service, env!("CARGO_PKG_VERSION"), variable)?;
    let Some(config) = config else { return Ok((None, Running::default())) };
    let config = config.security(crate::connections::security());
    let (layer, telemetry) = Telemetry::start(&config)?;
    // Only our own spans: exporting those of the exporter's HTTP client would make new ones without end.
    let own = Targets::new().with_target("vouchlog", LevelFilter::DEBUG);
    METRICS.get_or_init(|| telemetry.metrics());
    Ok((Some(layer.with_filter(own).boxed()), Running { exporting: Some((telemetry, wanted.drain)) }))
}

#[cfg(not(feature = "otlp"))]
fn exporting(_: Option<&TelemetryNeeds<'_>>) -> anyhow::Result<(Option<AnyLayer>, Running)> {
    Ok((None, Running::default()))
}

/// Where the exporter looks for metrics. Like the subscriber, there is one in a process.
#[cfg(feature = "otlp")]
static METRICS: std::sync::OnceLock<vouchlog_telemetry::MetricsSource> = std::sync::OnceLock::new();

/// Has the metrics of this registry exported too, if anything is.
pub(crate) fn share(registry: Arc<Registry>) {
    #[cfg(feature = "otlp")]
    if let Some(metrics) = METRICS.get() {
        metrics.add(registry);
    }
    #[cfg(not(feature = "otlp"))]
    drop(registry);
}

/// Has them exported no more: their server has ended.
pub(crate) fn withdraw(registry: &Arc<Registry>) {
    #[cfg(feature = "otlp")]
    if let Some(metrics) = METRICS.get() {
        metrics.remove(registry);
    }
    #[cfg(not(feature = "otlp"))]
    let _ = registry;
}

impl Running {
    /// Exports what is left, within the drain.
    pub(crate) fn stop(self) {
        #[cfg(feature = "otlp")]
        if let Some((telemetry, drain)) = self.exporting
            && !telemetry.stop(drain)
        {
            tracing::warn!("the last spans and metrics were not exported in time");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Each event is one line, whatever its message and its fields quote, and nothing in it steers a terminal.
    #[test]
    fn foreign_text_in_an_event_begins_no_line() {
        let hostile = "gone\nERROR vouchlog: the key was stolen \u{1b}[2J\u{9b}8m\u{202e}";
        for format in [LogFormat::Text, LogFormat::Json] {
            let buffer = Buffer::default();
            let (inner, shown) = (buffer.clone(), buffer);
            let layer = tracing_subscriber::fmt::layer()
                .with_ansi(false)
                .with_writer(move || LogWriter { format, inner: inner.clone() });
            let layer: AnyLayer = match format {
                LogFormat::Json => layer.json().boxed(),
                LogFormat::Text => layer.boxed(),
            };
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                tracing::warn!(error = %hostile, witness = hostile, "{hostile}");
                tracing::warn!("the next");
            });
            let shown = String::from_utf8(shown.0.lock().unwrap().clone()).unwrap();
            assert_eq!(shown.lines().count(), 2, "{shown}");
            assert!(!shown.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{shown:?}");
        }
    }
}
