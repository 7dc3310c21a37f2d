//! The two protocols of OTLP that we speak: protobuf over HTTP, and gRPC.

use std::error::Error;
use std::io;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, StatusCode, Url, redirect};
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};

use crate::config::{Config, Protocol};
use crate::limits::MAX_CAUSE_CHARS;

/// Why an export failed. It is logged, so it repeats nothing that the endpoint sent: an endpoint may echo the credentials in a
/// request's headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) why: String,
    /// Whether the same request may succeed later.
    pub(crate) is_passing: bool,
}

/// Where one signal goes; `None` if it is not exported.
pub(crate) struct Transport {
    traces: Option<Target<TraceServiceClient<Channel>>>,
    metrics: Option<Target<MetricsServiceClient<Channel>>>,
    client: Client,
    headers: HeaderMap,
}

enum Target<G> {
    Http(Url),
    Grpc(G),
}

impl Transport {
    /// Needs the runtime it will run on; connects at the first export.
    pub(crate) fn new(config: &Config) -> Result<Self, String> {
        let client = Client::builder().timeout(config.timeout).redirect(redirect::Policy::none());
        for url in config.traces.iter().chain(&config.metrics) {
            config.security.check(url).map_err(|error| error.to_string())?;
        }
        let client = config.security.apply(client).map_err(|error| error.to_string())?;
        let client = client.build().map_err(|error| error.to_string())?;
        let traces =
            config.traces.as_ref().map(|url| target(url, config, TraceServiceClient::new)).transpose()?;
        let metrics =
            config.metrics.as_ref().map(|url| target(url, config, MetricsServiceClient::new)).transpose()?;
        Ok(Self { traces, metrics, client, headers: config.headers.clone() })
    }

    pub(crate) async fn spans(&mut self, request: ExportTraceServiceRequest) -> Result<(), Failure> {
        match &mut self.traces {
            None => Ok(()),
            Some(Target::Http(url)) => post(&self.client, url, &self.headers, request.encode_to_vec()).await,
            Some(Target::Grpc(client)) => {
                let exported = client.export(with_headers(request, &self.headers)).await;
                exported.map(drop).map_err(|status| refused(&status))
            }
        }
    }

    pub(crate) async fn metrics(&mut self, request: ExportMetricsServiceRequest) -> Result<(), Failure> {
        match &mut self.metrics {
            None => Ok(()),
            Some(Target::Http(url)) => post(&self.client, url, &self.headers, request.encode_to_vec()).await,
            Some(Target::Grpc(client)) => {
                let exported = client.export(with_headers(request, &self.headers)).await;
                exported.map(drop).map_err(|status| refused(&status))
            }
        }
    }
}

fn target<G>(url: &Url, config: &Config, make: impl FnOnce(Channel) -> G) -> Result<Target<G>, String> {
    if config.protocol == Protocol::Http {
        return Ok(Target::Http(url.clone()));
    }
    let mut endpoint = Endpoint::from_shared(url.to_string()).map_err(|error| error.to_string())?;
    if url.scheme() == "https" {
        let mut tls = ClientTlsConfig::new().with_webpki_roots();
        if let Some(pem) = &config.security.authorities {
            tls = tls.ca_certificate(Certificate::from_pem(pem));
        }
        if let Some(identity) = &config.security.identity {
            tls = tls.identity(Identity::from_pem(&identity.chain, identity.key.as_bytes()));
        }
        endpoint = endpoint.tls_config(tls).map_err(|error| error.to_string())?;
    }
    Ok(Target::Grpc(make(endpoint.timeout(config.timeout).connect_timeout(config.timeout).connect_lazy())))
}

fn with_headers<T>(message: T, headers: &HeaderMap) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    *request.metadata_mut() = MetadataMap::from_headers(headers.clone());
    request
}

async fn post(client: &Client, url: &Url, headers: &HeaderMap, body: Vec<u8>) -> Result<(), Failure> {
    let request =
        client.post(url.clone()).headers(headers.clone()).header(CONTENT_TYPE, "application/x-protobuf");
    let response = request.body(body).send().await.map_err(|error| {
        let why = match os_cause(&error) {
            Some(cause) => cause,
            None if error.is_timeout() => "timed out".to_owned(),
            None => "no valid response".to_owned(),
        };
        Failure { why, is_passing: true }
    })?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    // SPEC: OTLP/HTTP, "Retryable Response Codes".
    let is_passing = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    );
    Err(Failure { why: format!("the endpoint returned {status}"), is_passing })
}

/// SPEC: OTLP/gRPC, "Failures": the codes after which the same may be sent again.
fn refused(status: &Status) -> Failure {
    let is_passing = matches!(
        status.code(),
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
            | Code::ResourceExhausted
            // A connection that cannot be made or breaks has this code in tonic.
            | Code::Unknown
    );
    let code = status.code();
    let why = os_cause(status).map_or_else(|| format!("{code:?}"), |cause| format!("{code:?}: {cause}"));
    Failure { why, is_passing }
}

/// What the operating system or TLS reported, if that is the cause: connecting failed, or the connection broke.
fn os_cause(error: &(dyn Error + 'static)) -> Option<String> {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let cause = causes.filter_map(|cause| cause.downcast_ref::<io::Error>()).last()?.to_string();
    Some(cause.chars().filter(|character| !character.is_control()).take(MAX_CAUSE_CHARS).collect())
}
