//! The receiver as its emitters see it: the routes on a real socket of the loopback interface, asked by real clients, in front of a
//! sink that remembers what it was given and answers what it is told to.

mod doors;
mod forged;
mod forwarding;
mod hostile;
mod otlp;

use std::io::Write;
use std::sync::Arc;

use ::http::StatusCode;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::net::TcpListener;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use vouchlog_record::{Record, RecordId, SealReason};

use super::*;
use crate::arrival::Door;

/// What a sink was given.
#[derive(Clone, Debug, PartialEq)]
enum Handover {
    Body(Door, Bytes, u64),
    Intent(Box<Record>),
    Seal(String, SealReason),
}

/// A sink for tests. Clones are the same one.
#[derive(Clone)]
struct StandIn(Arc<Mutex<Memory>>);

struct Memory {
    senders: Vec<Sender>,
    given: Vec<Handover>,
    answer: Result<Acceptance, Rejection>,
    receipt: Option<IntentReceipt>,
}

/// Headers of a request.
type Headers<'a> = &'a [(&'a str, &'a str)];

impl StandIn {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Memory {
            senders: Vec::new(),
            given: Vec::new(),
            answer: Ok(Acceptance::Kept),
            receipt: None,
        })))
    }

    fn answers(&self, answer: Result<Acceptance, Rejection>) {
        self.0.lock().answer = answer;
    }

    fn shows(&self, receipt: IntentReceipt) {
        self.0.lock().receipt = Some(receipt);
    }

    /// What came since it was last asked.
    fn given(&self) -> Vec<Handover> {
        std::mem::take(&mut self.0.lock().given)
    }

    /// Who sent the bodies that came since it was last asked.
    fn senders(&self) -> Vec<Sender> {
        std::mem::take(&mut self.0.lock().senders)
    }

    fn put(&self, given: Handover) -> Result<Acceptance, Rejection> {
        let mut memory = self.0.lock();
        memory.given.push(given);
        memory.answer.clone()
    }
}

#[tonic::async_trait]
impl Sink for StandIn {
    async fn take(&self, arrival: Arrival, items: u64) -> Result<Acceptance, Rejection> {
        self.0.lock().senders.push(arrival.sender);
        self.put(Handover::Body(arrival.door, arrival.body, items))
    }

    async fn intent(&self, record: Record, _: Sender) -> Result<IntentReceipt, Rejection> {
        self.put(Handover::Intent(Box::new(record)))?;
        Ok(self.0.lock().receipt.clone().unwrap())
    }

    async fn seal(&self, session: &str, reason: SealReason, _: Sender) -> Result<Acceptance, Rejection> {
        self.put(Handover::Seal(session.to_owned(), reason))
    }

    /// The vault has a record `taken`, with nothing in it.
    async fn conflicts(&self, records: &[Record]) -> Vec<RecordId> {
        let is_other = |record: &&Record| record.to_object().len() > 2;
        let named = records.iter().filter(is_other).filter_map(|record| record.id.clone());
        named.filter(|id| id.as_str() == "taken").collect()
    }
}

/// A receiver that listens.
struct Served {
    sink: StandIn,
    receiver: Arc<Receiver>,
    registry: Registry,
    base: String,
    server: tokio::task::JoinHandle<()>,
}

impl Served {
    async fn start() -> Self {
        Self::with(ReceiverConfig::default()).await
    }

    async fn with(config: ReceiverConfig) -> Self {
        let (sink, mut registry) = (StandIn::new(), Registry::default());
        let receiver = Receiver::new(sink.clone(), config, &mut registry);
        let Routes { http, grpc } = Arc::clone(&receiver).routes();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, http.merge(grpc)).await.unwrap() });
        Self { sink, receiver, registry, base, server }
    }

    async fn channel(&self) -> Channel {
        Endpoint::from_shared(self.base.clone()).unwrap().connect().await.unwrap()
    }

    async fn post(&self, path: &str, headers: Headers<'_>, body: impl Into<reqwest::Body>) -> Answer {
        let client = reqwest::Client::builder().no_proxy().no_gzip().build().unwrap();
        let mut request = client.post(format!("{}{path}", self.base)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (content_type, retry_after) = (header("content-type").unwrap_or_default(), header("retry-after"));
        let challenge = header("www-authenticate");
        let status = answer.status();
        Answer { status, content_type, retry_after, challenge, body: answer.bytes().await.unwrap() }
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct Answer {
    status: StatusCode,
    content_type: String,
    retry_after: Option<String>,
    challenge: Option<String>,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{:?}", self.body))
    }

    /// google.rpc.Status in protobuf.
    fn status(&self) -> tonic_types::pb::Status {
        prost::Message::decode(&self.body[..]).unwrap()
    }
}

const PB: (&str, &str) = ("content-type", "application/x-protobuf");
const JS: (&str, &str) = ("content-type", "application/json");
const GZ: (&str, &str) = ("content-encoding", "gzip");

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Calls any of the three services: on the wire their messages are the same where they matter here.
async fn call<M: prost::Message + 'static>(
    channel: Channel,
    method: &'static str,
    message: M,
    zipped: bool,
) -> Result<Value, Status> {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
    let mut client = tonic::client::Grpc::new(channel);
    if zipped {
        client = client.send_compressed(CompressionEncoding::Gzip);
    }
    client.ready().await.map_err(|error| Status::new(Code::Unknown, error.to_string()))?;
    let codec = tonic_prost::ProstCodec::<M, ExportTraceServiceResponse>::default();
    let path = ::http::uri::PathAndQuery::from_static(method);
    let answer = client.unary(tonic::Request::new(message), path, codec).await?.into_inner();
    Ok(answer
        .partial_success
        .map_or(Value::Null, |partial| serde_json::json!([partial.rejected_spans, partial.error_message])))
}
