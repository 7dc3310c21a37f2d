//! The text of `/metrics`, in the format that the scraper asks for: Prometheus's own, or OpenMetrics.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};

use crate::media;

/// SPEC: Prometheus, "Exposition formats", text-based format: version 0.0.4.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// SPEC: OpenMetrics 1.0, section "Protocol Negotiation": the content type of its text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers with metrics that were encoded as OpenMetrics, in the format that is asked for.
pub(super) fn answer(request: &HeaderMap, open_metrics: String) -> Response {
    let varies = [(header::VARY, "accept")];
    match prefers_open_metrics(request) {
        true => (varies, media::content_type(OPEN_METRICS), open_metrics).into_response(),
        false => (varies, media::content_type(PROMETHEUS), prometheus(&open_metrics)).into_response(),
    }
}

/// SPEC: RFC 9110 section 12.5.1: the format with the greater weight; OpenMetrics only if it is named, and then also where both weigh
/// the same. A request that takes neither gets Prometheus's: an answer that can be read beats none.
fn prefers_open_metrics(request: &HeaderMap) -> bool {
    let accepted = request.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (mut open_metrics, mut text) = (0, 0);
    for range in accepted.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight = weight.map_or(Some(1_000), thousandths).unwrap_or(0);
        match media.as_str() {
            "application/openmetrics-text" => open_metrics = weight.max(open_metrics),
            "text/plain" => text = weight.max(text),
            _ => {}
        }
    }
    open_metrics > 0 && open_metrics >= text
}

/// A weight: `0`, `1`, or either with up to three digits after a dot.
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    let is_weight = matches!(whole, "0" | "1")
        && fraction.len() <= 3
        && fraction.bytes().all(|digit| digit.is_ascii_digit());
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    is_weight.then(|| if whole == "1" { 1_000 } else { fraction })
}

/// Writes OpenMetrics as Prometheus's text format.
///
/// SPEC: the two differ in the name of a counter's family, which has its suffix `_total` there, in types that only OpenMetrics has, in
/// units, exemplars and the mark of the end.
fn prometheus(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    // `# HELP` comes before `# TYPE`, which decides the name.
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "stateset" => ("", "gauge"),
                "gauge" | "histogram" | "summary" => ("", kind),
                _ => ("", "untyped"),
            };
            if let Some((_, words)) = help.take().filter(|(described, _)| *described == name) {
                text.push_str(&format!("# HELP {name}{suffix} {words}\n"));
            }
            text.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            text.push_str(without_exemplar(line));
            text.push('\n');
        }
    }
    text
}

/// A sample without what follows its value and time after ` # `. The same in a label's value is in quotes.
fn without_exemplar(sample: &str) -> &str {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, c) in sample.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '#' if !is_quoted => return sample[..at].trim_end(),
            _ => {}
        }
    }
    sample
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_scraper_chooses_the_format() {
        let prefers = |accept: &str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_str(accept).unwrap())]);
            prefers_open_metrics(&headers)
        };
        for open_metrics in [
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; version=1.0.0",
            // What Prometheus sends.
            "application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.4",
            "text/plain, application/openmetrics-text",
            "text/plain;q=0.5, application/openmetrics-text;q=0.501",
        ] {
            assert!(prefers(open_metrics), "{open_metrics}");
        }
        for text in [
            "*/*",
            "text/plain",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=0.000, */*",
            "application/openmetrics-text;q=0.5, text/plain;q=0.9",
            "application/openmetrics-text;q=2",
            "application/openmetrics-text;q=0.1234",
            "application/json",
            "",
        ] {
            assert!(!prefers(text), "{text}");
        }
        assert!(!prefers_open_metrics(&HeaderMap::new()));
    }

    #[test]
    fn open_metrics_become_prometheus_text() {
        let open_metrics = "\
# HELP a Requests.
# TYPE a counter
# UNIT a bytes
a_total{x=\"y\"} 1 # {trace_id=\"1\"} 1.0
# TYPE b info
b_info{version=\"1 # {x\"} 1
# HELP c Seconds.
# TYPE c histogram
c_bucket{le=\"+Inf\"} 2
c_sum 0.5
c_count 2
# HELP d Anything.
# TYPE d unknown
d 1
# EOF
";
        let text = "\
# HELP a_total Requests.
# TYPE a_total counter
a_total{x=\"y\"} 1
# TYPE b_info gauge
b_info{version=\"1 # {x\"} 1
# HELP c Seconds.
# TYPE c histogram
c_bucket{le=\"+Inf\"} 2
c_sum 0.5
c_count 2
# HELP d Anything.
# TYPE d untyped
d 1
";
        assert_eq!(prometheus(open_metrics), text);
    }
}
