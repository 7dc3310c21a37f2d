//! Where to export to, and how often: from a flag, and from the environment variables of the OpenTelemetry specification.
//!
//! | variable | what |
//! | --- | --- |
//! | `OTEL_EXPORTER_OTLP_ENDPOINT`, `_TRACES_ENDPOINT`, `_METRICS_ENDPOINT` | where; over HTTP the first is a base to which `/v1/traces` and `/v1/metrics` are added |
//! | `OTEL_EXPORTER_OTLP_PROTOCOL` | `http/protobuf` (default) or `grpc` |
//! | `OTEL_EXPORTER_OTLP_HEADERS` | `name=value,…`, values percent-encoded |
//! | `OTEL_EXPORTER_OTLP_TIMEOUT`, `OTEL_BSP_SCHEDULE_DELAY`, `OTEL_METRIC_EXPORT_INTERVAL` | milliseconds |
//! | `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` | the resource |
//! | `OTEL_TRACES_EXPORTER`, `OTEL_METRICS_EXPORTER` | `none` switches one of them off |
//! | `OTEL_SDK_DISABLED` | `true` switches all of it off |
//!
//! SPEC: OpenTelemetry specification 1.x, "OTLP Exporter Configuration" and "Environment Variable Specification". An empty variable
//! counts as absent.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;
use vouchlog_outbound::ConnectionSecurity;

use crate::limits::{METRIC_INTERVAL, MIN_TIME, SPAN_DELAY, TIMEOUT};

/// Why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name}: {problem}")]
pub struct ConfigError {
    /// The flag or variable. Its value may hold a secret and is not repeated.
    pub name: String,
    /// What is wrong with it.
    pub problem: String,
}

/// Where spans and metrics go, and how.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) traces: Option<Url>,
    pub(crate) metrics: Option<Url>,
    pub(crate) protocol: Protocol,
    pub(crate) headers: HeaderMap,
    pub(crate) security: ConnectionSecurity,
    pub(crate) timeout: Duration,
    pub(crate) span_delay: Duration,
    pub(crate) metric_interval: Duration,
    /// Attributes of the resource.
    pub(crate) resource: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Grpc,
}

impl Config {
    /// Reads `flag`, the value of `--otlp-endpoint`, and the environment. Nothing if neither names an endpoint.
    ///
    /// # Errors
    /// If a value cannot be used.
    pub fn new(
        flag: Option<&str>,
        service: &str,
        version: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, ConfigError> {
        let environment = Environment(|name: &str| variable(name).filter(|value| !value.trim().is_empty()));
        let is_disabled =
            environment.get("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true"));
        if is_disabled {
            return Ok(None);
        }
        let protocol = environment.protocol()?;
        let traces = environment.endpoint(flag, "TRACES", protocol)?;
        let metrics = environment.endpoint(flag, "METRICS", protocol)?;
        if traces.is_none() && metrics.is_none() {
            return Ok(None);
        }
        Ok(Some(Self {
            traces,
            metrics,
            protocol,
            headers: environment.headers()?,
            security: ConnectionSecurity::default(),
            timeout: environment.time("OTEL_EXPORTER_OTLP_TIMEOUT", TIMEOUT)?,
            span_delay: environment.time("OTEL_BSP_SCHEDULE_DELAY", SPAN_DELAY)?,
            metric_interval: environment.time("OTEL_METRIC_EXPORT_INTERVAL", METRIC_INTERVAL)?,
            resource: environment.resource(service, version)?,
        }))
    }

    /// Has the endpoint connected to by these rules instead of the strictest ones.
    #[must_use]
    pub fn security(self, security: ConnectionSecurity) -> Self {
        Self { security, ..self }
    }

    /// The endpoint as the log names it: without its query, which may hold a credential.
    pub(crate) fn endpoint_name(&self) -> String {
        let Some(url) = self.traces.as_ref().or(self.metrics.as_ref()) else { return String::new() };
        let mut url = url.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.to_string()
    }
}

struct Environment<F>(F);

impl<F: Fn(&str) -> Option<String>> Environment<F> {
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }

    fn protocol(&self) -> Result<Protocol, ConfigError> {
        const NAME: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
        match self.get(NAME).as_deref() {
            None | Some("http/protobuf") => Ok(Protocol::Http),
            Some("grpc") => Ok(Protocol::Grpc),
            Some(_) => Err(error(NAME, "use `http/protobuf` or `grpc`")),
        }
    }

    /// The endpoint of a signal. The flag replaces every variable.
    fn endpoint(
        &self,
        flag: Option<&str>,
        signal: &str,
        protocol: Protocol,
    ) -> Result<Option<Url>, ConfigError> {
        let exporter = format!("OTEL_{signal}_EXPORTER");
        match self.get(&exporter).as_deref() {
            None | Some("otlp") => {}
            Some("none") => return Ok(None),
            Some(_) => return Err(error(&exporter, "use `otlp` or `none`")),
        }
        let own = format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT");
        if flag.is_none()
            && let Some(url) = self.get(&own)
        {
            // SPEC: the endpoint of one signal is used as it is.
            return parse(&own, &url).map(Some);
        }
        let (name, base) = match flag {
            Some(url) => ("--otlp-endpoint", Some(url.to_owned())),
            None => ("OTEL_EXPORTER_OTLP_ENDPOINT", self.get("OTEL_EXPORTER_OTLP_ENDPOINT")),
        };
        let Some(base) = base else { return Ok(None) };
        let mut url = parse(name, &base)?;
        if protocol == Protocol::Http {
            let path = format!("{}/v1/{}", url.path().trim_end_matches('/'), signal.to_lowercase());
            url.set_path(&path);
        }
        Ok(Some(url))
    }

    fn headers(&self) -> Result<HeaderMap, ConfigError> {
        const NAME: &str = "OTEL_EXPORTER_OTLP_HEADERS";
        let mut headers = HeaderMap::new();
        for (name, value) in self.pairs(NAME)? {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| error(NAME, "a name is no header name"))?;
            let mut value = HeaderValue::from_bytes(value.as_bytes())
                .map_err(|_| error(NAME, "a value is no header value"))?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        Ok(headers)
    }

    fn resource(&self, service: &str, version: &str) -> Result<Vec<(String, String)>, ConfigError> {
        let mut resource = self.pairs("OTEL_RESOURCE_ATTRIBUTES")?;
        // SPEC: OTEL_SERVICE_NAME takes precedence over service.name in OTEL_RESOURCE_ATTRIBUTES.
        if let Some(name) = self.get("OTEL_SERVICE_NAME") {
            resource.retain(|(key, _)| key != "service.name");
            resource.push(("service.name".to_owned(), name));
        }
        for (key, default) in [("service.name", service), ("service.version", version)] {
            if !resource.iter().any(|(known, _)| known == key) {
                resource.push((key.to_owned(), default.to_owned()));
            }
        }
        Ok(resource)
    }

    /// `name=value,…`, with the values percent-encoded (W3C Baggage).
    fn pairs(&self, name: &str) -> Result<Vec<(String, String)>, ConfigError> {
        let text = self.get(name).unwrap_or_default();
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| {
                let (key, value) =
                    pair.split_once('=').ok_or_else(|| error(name, "expected `name=value,…`"))?;
                let value =
                    decoded(value.trim()).ok_or_else(|| error(name, "a value is not percent-encoded"))?;
                Ok((key.trim().to_owned(), value))
            })
            .collect()
    }

    fn time(&self, name: &str, default: Duration) -> Result<Duration, ConfigError> {
        let Some(millis) = self.get(name) else { return Ok(default) };
        let time = millis.trim().parse().map(Duration::from_millis);
        time.ok()
            .filter(|time| *time >= MIN_TIME)
            .ok_or_else(|| error(name, format!("expected milliseconds, {} or more", MIN_TIME.as_millis())))
    }
}

fn error(name: &str, problem: impl Into<String>) -> ConfigError {
    ConfigError { name: name.to_owned(), problem: problem.into() }
}

fn parse(name: &str, url: &str) -> Result<Url, ConfigError> {
    let url = Url::parse(url.trim()).map_err(|why| error(name, format!("not a URL: {why}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(error(name, "expected a URL such as http://127.0.0.1:4318"));
    }
    // The endpoint is named in the log.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(error(name, "put credentials into OTEL_EXPORTER_OTLP_HEADERS, not into the URL"));
    }
    Ok(url)
}

fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits)
                .ok()
                .filter(|it| it.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn config(flag: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<Config>, ConfigError> {
        let variables: HashMap<&str, &str> = variables.iter().copied().collect();
        Config::new(flag, "vouchlog-serve", "1", |name| variables.get(name).map(|value| (*value).to_owned()))
    }

    fn urls(flag: Option<&str>, variables: &[(&str, &str)]) -> [Option<String>; 2] {
        let config = config(flag, variables).unwrap().unwrap();
        [config.traces, config.metrics].map(|url| url.map(String::from))
    }

    #[test]
    fn without_an_endpoint_nothing_is_exported() {
        assert!(config(None, &[]).unwrap().is_none());
        assert!(config(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]).unwrap().is_none());
        assert!(config(Some("http://h"), &[("OTEL_SDK_DISABLED", "true")]).unwrap().is_none());
    }

    #[test]
    fn endpoints_follow_the_specification() {
        const BASE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otel.example.com/base/");
        let some = |url: &str| Some(url.to_owned());
        let paths = |base: &str| [some(&format!("{base}/v1/traces")), some(&format!("{base}/v1/metrics"))];
        assert_eq!(urls(None, &[BASE]), paths("https://otel.example.com/base"));
        assert_eq!(urls(Some("http://h:4318"), &[BASE]), paths("http://h:4318"));
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://other/traces");
        assert_eq!(urls(None, &[BASE, own])[0], some("http://other/traces"));
        assert_eq!(urls(None, &[own]), [some("http://other/traces"), None]);
        assert_eq!(urls(None, &[BASE, ("OTEL_METRICS_EXPORTER", "none")])[1], None);
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        assert_eq!(urls(Some("http://h:4317"), &[grpc])[1], some("http://h:4317/"));
    }

    #[test]
    fn headers_resource_and_times_are_read() {
        let config = config(
            Some("http://h"),
            &[
                ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20secret, x-scope=a"),
                ("OTEL_RESOURCE_ATTRIBUTES", "service.name=ignored,deployment.environment.name=test"),
                ("OTEL_SERVICE_NAME", "my-log"),
                ("OTEL_BSP_SCHEDULE_DELAY", "50"),
            ],
        );
        let config = config.unwrap().unwrap();
        assert_eq!(config.headers["authorization"], "Bearer secret");
        assert!(!format!("{:?}", config.headers).contains("secret"), "headers are secrets");
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let expected = [
            pair("deployment.environment.name", "test"),
            pair("service.name", "my-log"),
            pair("service.version", "1"),
        ];
        assert_eq!(config.resource, expected);
        assert_eq!((config.span_delay, config.timeout), (Duration::from_millis(50), TIMEOUT));
    }

    #[test]
    fn the_log_names_an_endpoint_without_its_query() {
        let variables = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://h/traces?api-key=secret#secret")];
        let config = config(None, &variables).unwrap().unwrap();
        assert_eq!(config.endpoint_name(), "http://h/traces");
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_its_name_without_its_value() {
        let refused = |flag: Option<&str>, variables: &[(&str, &str)], name: &str| {
            let error = config(flag, variables).unwrap_err();
            assert_eq!(error.name, name);
            assert!(!error.to_string().contains("secret"), "{error}");
        };
        for url in ["secret", "ftp://secret", "http://user:secret@host", "http://"] {
            refused(Some(url), &[], "--otlp-endpoint");
        }
        let refused = |name: &str, value: &str| refused(Some("http://h"), &[(name, value)], name);
        refused("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
        refused("OTEL_EXPORTER_OTLP_HEADERS", "secret");
        refused("OTEL_EXPORTER_OTLP_HEADERS", "a=secret%2");
        refused("OTEL_EXPORTER_OTLP_HEADERS", "a=secret%+1");
        refused("OTEL_EXPORTER_OTLP_TIMEOUT", "0");
        refused("OTEL_TRACES_EXPORTER", "zipkin");
    }
}
