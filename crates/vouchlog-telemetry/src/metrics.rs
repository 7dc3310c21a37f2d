//! Makes OTLP metrics of what `/metrics` shows.
//!
//! The registry is read through its own text format: it has no other interface that needs no code generator. Names, labels and
//! bounds stay what they are in Prometheus, so that a dashboard finds the same series by either way.
//!
//! SPEC: OpenMetrics 1.0, and OpenTelemetry "Prometheus and OpenMetrics Compatibility". A counter `x` has its value in `x_total`; a
//! histogram has `x_bucket` with cumulative counts up to `le`, `x_sum` and `x_count`.

use std::collections::HashMap;
use std::fmt;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// From when to when the values count, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Period {
    pub(crate) start: u64,
    pub(crate) now: u64,
}

/// Everything in the registry.
pub(crate) fn collect(registry: &Registry, period: Period) -> Result<Vec<Metric>, fmt::Error> {
    let mut text = String::new();
    encode(&mut text, registry)?;
    Ok(parse(&text, period))
}

/// The metrics of a text. A line that is no sample of a number is left out.
fn parse(text: &str, period: Period) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for line in text.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            let sample = sample(line);
            let place = sample.as_ref().and_then(|it| it.family().find_map(|name| places.get(name)));
            if let (Some(sample), Some(place)) = (sample, place) {
                sample.add_to(&mut metrics[*place], period);
            }
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        let (Some(keyword), Some(name)) = (words.next(), words.next()) else { continue };
        let rest = words.next().unwrap_or_default();
        let place = *places.entry(name).or_insert_with(|| {
            metrics.push(Metric { name: name.to_owned(), ..Metric::default() });
            metrics.len() - 1
        });
        match keyword {
            "HELP" => metrics[place].description = unescaped(rest),
            "UNIT" => metrics[place].unit = rest.to_owned(),
            "TYPE" => metrics[place].data = data(rest),
            _ => {}
        }
    }
    metrics.retain(|metric| metric.data.as_ref().is_some_and(|data| !is_empty(data)));
    metrics
}

fn data(kind: &str) -> Option<Data> {
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    match kind {
        "counter" => Some(Data::Sum(Sum { is_monotonic: true, aggregation_temporality, ..Sum::default() })),
        "histogram" => Some(Data::Histogram(Histogram { aggregation_temporality, ..Histogram::default() })),
        "gauge" | "unknown" => Some(Data::Gauge(Gauge::default())),
        _ => None,
    }
}

fn is_empty(data: &Data) -> bool {
    match data {
        Data::Sum(sum) => sum.data_points.is_empty(),
        Data::Gauge(gauge) => gauge.data_points.is_empty(),
        Data::Histogram(histogram) => histogram.data_points.is_empty(),
        _ => true,
    }
}

/// A line `name{label="value",…} 1.5`.
#[derive(Debug, PartialEq)]
struct Sample<'t> {
    name: &'t str,
    labels: Vec<(String, String)>,
    value: &'t str,
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    // After the value there may be a timestamp, or an exemplar.
    Some(Sample { name, labels, value: rest.split_whitespace().next()? })
}

/// The labels up to the closing brace, and what comes after it.
fn labels(text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let (mut labels, mut rest) = (Vec::new(), text);
    loop {
        rest = rest.trim_start_matches(',');
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let mut is_escaped = false;
        let end = quoted.find(|character| {
            let is_end = character == '"' && !is_escaped;
            is_escaped = character == '\\' && !is_escaped;
            is_end
        })?;
        labels.push((name.to_owned(), unescaped(&quoted[..end])));
        rest = &quoted[end + 1..];
    }
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        });
    }
    plain
}

impl Sample<'_> {
    /// The names of the family it may belong to.
    fn family(&self) -> impl Iterator<Item = &str> {
        let suffixes = ["", "_total", "_bucket", "_sum", "_count"];
        suffixes.into_iter().filter_map(|suffix| self.name.strip_suffix(suffix))
    }

    fn add_to(self, metric: &mut Metric, period: Period) {
        let Some(number) = number(self.value) else { return };
        let suffix = &self.name[metric.name.len()..];
        match &mut metric.data {
            Some(Data::Sum(sum)) if suffix == "_total" => {
                sum.data_points.push(point(self.labels, number, period));
            }
            Some(Data::Gauge(gauge)) if suffix.is_empty() => {
                gauge
                    .data_points
                    .push(NumberDataPoint { start_time_unix_nano: 0, ..point(self.labels, number, period) });
            }
            Some(Data::Histogram(histogram)) => bucket(histogram, suffix, self.labels, number, period),
            _ => {}
        }
    }
}

fn point(labels: Vec<(String, String)>, number: Number, period: Period) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: period.start,
        time_unix_nano: period.now,
        value: Some(number),
        ..NumberDataPoint::default()
    }
}

/// Adds a line of a histogram to the data point with the same labels. The buckets of one come in the order of their bounds.
fn bucket(
    histogram: &mut Histogram,
    suffix: &str,
    mut labels: Vec<(String, String)>,
    number: Number,
    period: Period,
) {
    let bound = labels.iter().position(|(name, _)| name == "le").map(|place| labels.remove(place).1);
    let attributes = attributes(labels);
    let known = histogram.data_points.iter().position(|point| point.attributes == attributes);
    let place = known.unwrap_or_else(|| {
        histogram.data_points.push(HistogramDataPoint {
            attributes,
            start_time_unix_nano: period.start,
            time_unix_nano: period.now,
            ..HistogramDataPoint::default()
        });
        histogram.data_points.len() - 1
    });
    let point = &mut histogram.data_points[place];
    match (suffix, bound.as_deref(), number) {
        ("_sum", _, Number::AsDouble(sum)) => point.sum = Some(sum),
        ("_sum", _, Number::AsInt(sum)) => point.sum = Some(sum as f64),
        ("_count", _, Number::AsInt(count)) => point.count = u64::try_from(count).unwrap_or(0),
        ("_bucket", Some(bound), Number::AsInt(count)) => {
            // OTLP counts each bucket by itself.
            let before: u64 = point.bucket_counts.iter().sum();
            point.bucket_counts.push(u64::try_from(count).unwrap_or(0).saturating_sub(before));
            // The last bucket has no upper bound.
            point.explicit_bounds.extend(bound.parse::<f64>().ok().filter(|bound| bound.is_finite()));
        }
        _ => {}
    }
}

fn number(text: &str) -> Option<Number> {
    text.parse().map(Number::AsInt).ok().or_else(|| text.parse().map(Number::AsDouble).ok())
}

fn attributes(labels: Vec<(String, String)>) -> Vec<KeyValue> {
    let attribute = |(key, value)| KeyValue {
        key,
        value: Some(AnyValue { value: Some(Value::StringValue(value)) }),
        ..KeyValue::default()
    };
    labels.into_iter().map(attribute).collect()
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::EncodeLabelSet;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::metrics::histogram::Histogram as Observed;
    use proptest::prelude::*;

    use super::*;

    const PERIOD: Period = Period { start: 1, now: 2 };

    #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
    struct Route {
        route: String,
    }

    /// Every kind of metric that this project registers, through the real encoder.
    #[test]
    fn a_registry_comes_out_as_it_is() {
        let mut registry = Registry::default();
        let requests = Family::<Route, Counter>::default();
        let odd = "/tile/{*path}, a=b";
        requests.get_or_create(&Route { route: odd.to_owned() }).inc_by(3);
        requests.get_or_create(&Route { route: "other".to_owned() }).inc();
        registry.register("requests", "Requests, by route", requests);
        let size = prometheus_client::metrics::gauge::Gauge::<i64>::default();
        size.set(-7);
        registry.register("tree_size", "Entries", size);
        let seconds = Observed::new([0.5, 1.0]);
        for second in [0.1, 0.2, 0.7, 9.0] {
            seconds.observe(second);
        }
        registry.register("commit_seconds", "Duration", seconds);
        let metrics = collect(&registry, PERIOD).unwrap();
        let find = |name: &str| metrics.iter().find(|metric| metric.name == name).unwrap();
        assert_eq!(metrics.len(), 3);
        let Some(Data::Sum(sum)) = &find("requests").data else { panic!("a counter") };
        let mut counted: Vec<_> =
            sum.data_points.iter().map(|point| (point.attributes[0].clone(), point.value)).collect();
        counted.sort_by_key(|(_, value)| std::cmp::Reverse(*value == Some(Number::AsInt(3))));
        let route = |route: &str| attributes(vec![("route".to_owned(), route.to_owned())]).remove(0);
        assert_eq!(counted, [(route(odd), Some(Number::AsInt(3))), (route("other"), Some(Number::AsInt(1)))]);
        assert!(sum.is_monotonic && sum.data_points[0].start_time_unix_nano == 1);
        assert_eq!(find("requests").description, "Requests, by route.");
        let Some(Data::Gauge(gauge)) = &find("tree_size").data else { panic!("a gauge") };
        assert_eq!(gauge.data_points[0].value, Some(Number::AsInt(-7)));
        let Some(Data::Histogram(histogram)) = &find("commit_seconds").data else { panic!("a histogram") };
        let point = &histogram.data_points[0];
        assert_eq!((point.count, point.sum), (4, Some(10.0)));
        assert_eq!((&point.bucket_counts[..], &point.explicit_bounds[..]), (&[2, 1, 1][..], &[0.5, 1.0][..]));
    }

    /// SPEC: OpenMetrics 1.0, "Escaping": backslash, quote and line feed.
    #[test]
    fn escaped_labels_are_read() {
        let text = "# TYPE a gauge\na{x=\"q\\\"}, \\\\ \\n\",y=\"\"} 1.5\n# EOF\n";
        let metrics = parse(text, PERIOD);
        let Some(Data::Gauge(gauge)) = &metrics[0].data else { panic!("a gauge") };
        let labels =
            [("x", "q\"}, \\ \n"), ("y", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(gauge.data_points[0].attributes, attributes(labels.into()));
        assert_eq!(gauge.data_points[0].value, Some(Number::AsDouble(1.5)));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(# (TYPE|HELP) a (counter|gauge|histogram)?\n|a(_total|_bucket|_sum|_é)?(\\{[a-z=\",\\\\é}]{0,12})?( [0-9.e+-]{0,5})?\n){0,8}") {
            parse(&text, PERIOD);
        }
    }
}
