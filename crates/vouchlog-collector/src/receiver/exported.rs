//! What OTLP exports, and in which encodings.

use ::http::{HeaderMap, header};

use crate::arrival::Door;
use crate::intake::{Encoding, Signal};

pub(super) const PROTOBUF: &str = "application/x-protobuf";
pub(super) const JSON: &str = "application/json";

/// What OTLP exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Export {
    Traces,
    Logs,
    Metrics,
}

impl Export {
    pub(super) const ALL: [Self; 3] = [Self::Traces, Self::Logs, Self::Metrics];

    /// As metrics have it.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
        }
    }

    /// Where OTLP/HTTP has it.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Logs => "/v1/logs",
            Self::Metrics => "/v1/metrics",
        }
    }

    /// Where gRPC has it.
    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        }
    }

    /// How it is kept. Metrics are not: there is no interaction in them.
    pub(super) const fn kept(self, encoding: Encoding) -> Option<(Signal, Door)> {
        match self {
            Self::Traces => Some((Signal::Traces, Door::Traces(encoding))),
            Self::Logs => Some((Signal::Logs, Door::Logs(encoding))),
            Self::Metrics => None,
        }
    }
}

/// The encoding that a request names, if it is one of OTLP's.
pub(super) fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if media_type.eq_ignore_ascii_case(PROTOBUF.as_bytes()) {
        Some(Encoding::Protobuf)
    } else if media_type.eq_ignore_ascii_case(JSON.as_bytes()) {
        Some(Encoding::Json)
    } else {
        None
    }
}
