//! Every bound of the exporter, with its reason.

use std::time::Duration;

/// Spans that wait to be exported: the default of the OpenTelemetry SDKs. At about 1 kB each they take 2 MB.
pub(crate) const MAX_QUEUED_SPANS: usize = 2_048;

/// Spans in one request, likewise.
pub(crate) const MAX_BATCH_SPANS: usize = 512;

/// Attributes of one span. Ours have at most 15.
pub(crate) const MAX_ATTRIBUTES: usize = 32;

/// Bytes of one attribute's value. Ours are ids, numbers and names.
pub(crate) const MAX_VALUE_BYTES: usize = 256;

/// Causes of one span.
pub(crate) const MAX_LINKS: usize = 64;

/// Characters of a failure's cause in the log.
pub(crate) const MAX_CAUSE_CHARS: usize = 100;

/// How long the spans of a batch may wait: the default of `OTEL_BSP_SCHEDULE_DELAY`.
pub(crate) const SPAN_DELAY: Duration = Duration::from_secs(5);

/// How often metrics are exported: the default of `OTEL_METRIC_EXPORT_INTERVAL`.
pub(crate) const METRIC_INTERVAL: Duration = Duration::from_secs(60);

/// How long one export may take: the default of `OTEL_EXPORTER_OTLP_TIMEOUT`.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// The shortest of these times that is accepted; a shorter one would keep the thread busy.
pub(crate) const MIN_TIME: Duration = Duration::from_millis(10);
