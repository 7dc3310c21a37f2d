//! Goal: an emitter of OTLP finds what the specification says, by every way and in every encoding, and the sink gets the body as it
//! came. Method: captured bodies of real emitters, and small ones with one thing wrong.

use jiff::Timestamp;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message;
use serde_json::json;
use tonic_types::StatusExt;
use vouchlog_access::{BearerToken, Setup};

use super::*;
use crate::intake::{Encoding, Signal, decode};
use crate::testsupport::{ACCOUNT, testdata};

/// Every captured body, with what its name says.
fn captured() -> Vec<(Signal, Encoding, Vec<u8>)> {
    let mut bodies = Vec::new();
    for folder in std::fs::read_dir(testdata().join("otlp")).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap().map(|file| file.unwrap().path()) {
            let name = file.file_name().unwrap().to_str().unwrap();
            if name == ACCOUNT {
                continue;
            }
            let signal = if name.contains(".traces.") { Signal::Traces } else { Signal::Logs };
            let encoding = if name.ends_with(".json") { Encoding::Json } else { Encoding::Protobuf };
            bodies.push((signal, encoding, std::fs::read(&file).unwrap()));
        }
    }
    bodies
}

#[tokio::test]
async fn captured_bodies_are_taken_as_they_came_by_every_way() {
    let served = Served::start().await;
    let channel = served.channel().await;
    let bodies = captured();
    assert!(bodies.len() > 30, "{}", bodies.len());
    for (signal, encoding, body) in bodies {
        let items = decode(signal, encoding, &body).unwrap().items.len() as u64;
        let (path, door) = match signal {
            Signal::Traces => ("/v1/traces", Door::Traces(encoding)),
            Signal::Logs => ("/v1/logs", Door::Logs(encoding)),
        };
        let given = Handover::Body(door, Bytes::from(body.clone()), items);
        let (content_type, nothing) = match encoding {
            Encoding::Protobuf => (PB, &b""[..]),
            Encoding::Json => (JS, &b"{}"[..]),
        };
        let plain = served.post(path, &[content_type], body.clone()).await;
        let zipped = served.post(path, &[content_type, GZ], gzip(&body)).await;
        for answer in [plain, zipped] {
            assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, nothing));
            assert_eq!(answer.content_type, content_type.1);
        }
        assert_eq!(served.sink.given(), [given.clone(), given]);
        if encoding == Encoding::Json {
            continue;
        }
        let sent = over_grpc(&channel, signal, &body).await;
        let given = Handover::Body(door, Bytes::from(sent), items);
        assert_eq!(served.sink.given(), [given.clone(), given]);
    }
    let metrics = served.metrics();
    assert!(metrics.contains(r#"vouchlog_receiver_requests_total{door="logs",outcome="ok"}"#), "{metrics}");
    assert!(metrics.contains(r#"vouchlog_receiver_items_total{door="traces",outcome="kept"}"#), "{metrics}");
}

/// Sends a body plain and zipped with OpenTelemetry's own clients; the message as they write it.
async fn over_grpc(channel: &Channel, signal: Signal, body: &[u8]) -> Vec<u8> {
    match signal {
        Signal::Traces => {
            let message = ExportTraceServiceRequest::decode(body).unwrap();
            let mut plain = TraceServiceClient::new(channel.clone());
            let mut zipped = plain.clone().send_compressed(CompressionEncoding::Gzip);
            for client in [&mut plain, &mut zipped] {
                assert_eq!(client.export(message.clone()).await.unwrap().into_inner().partial_success, None);
            }
            message.encode_to_vec()
        }
        Signal::Logs => {
            let message = ExportLogsServiceRequest::decode(body).unwrap();
            let mut plain = LogsServiceClient::new(channel.clone());
            let mut zipped = plain.clone().send_compressed(CompressionEncoding::Gzip);
            for client in [&mut plain, &mut zipped] {
                assert_eq!(client.export(message.clone()).await.unwrap().into_inner().partial_success, None);
            }
            message.encode_to_vec()
        }
    }
}

fn span(trace: &str, attribute: &str) -> Value {
    json!({ "traceId": trace, "spanId": "00f067aa0ba902b7", "name": "chat",
        "attributes": [{ "key": "evidence.input.commitment", "value": { "stringValue": attribute } }] })
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const UNSALTED: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn traces(spans: &[Value]) -> Value {
    json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] })
}

fn message(body: &Value) -> ExportTraceServiceRequest {
    serde_json::from_value(body.clone()).unwrap()
}

#[tokio::test]
async fn what_is_refused_is_told_by_number_and_reason_and_the_rest_is_taken() {
    let served = Served::start().await;
    let body = traces(&[span("abcd", "x"), span(TRACE, "x"), span(TRACE, UNSALTED)]);
    let json = served.post("/v1/traces", &[JS], body.to_string()).await;
    let partial = &json.json()["partialSuccess"];
    assert_eq!((json.status, &partial["rejectedSpans"]), (StatusCode::OK, &json!("2")));
    let why = partial["errorMessage"].as_str().unwrap();
    assert!(why.starts_with("2 of 3 spans rejected; span 0: the trace id"), "{why}");
    assert!(why.contains("span 2: attribute `evidence.input.commitment` is an unsalted digest"), "{why}");
    let sent = message(&body);
    let protobuf = served.post("/v1/traces", &[PB], sent.encode_to_vec()).await;
    let answer: opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse =
        Message::decode(&protobuf.body[..]).unwrap();
    let partial = answer.partial_success.unwrap();
    assert_eq!((partial.rejected_spans, partial.error_message.as_str()), (2, why));
    let grpc = call(served.channel().await, Export::Traces.method(), sent.clone(), true).await.unwrap();
    assert_eq!(grpc, json!([2, why]));
    let kept = |encoding, body: Vec<u8>| Handover::Body(Door::Traces(encoding), body.into(), 1);
    let binary = kept(Encoding::Protobuf, sent.encode_to_vec());
    let expected = [kept(Encoding::Json, body.to_string().into_bytes()), binary.clone(), binary];
    assert_eq!(served.sink.given(), expected);

    let nothing_good = traces(&[span("abcd", "x"), span(TRACE, UNSALTED)]);
    let answer = served.post("/v1/traces", &[JS], nothing_good.to_string()).await;
    assert_eq!(answer.json()["partialSuccess"]["rejectedSpans"], "2");
    let logs = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [{ "traceId": "abcd" }] }] }] });
    let answer = served.post("/v1/logs", &[JS], logs.to_string()).await;
    assert_eq!(answer.json()["partialSuccess"]["rejectedLogRecords"], "1");
    assert_eq!(served.sink.given(), [], "what is refused altogether is not kept");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_by_number_and_the_body_is_kept_as_it_came() {
    let served = Served::start().await;
    let good = span(TRACE, "x").to_string();
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    for bad in [r#"{"name":"\ud800"}"#, r#"{"name":"a","name":"a"}"#, "nope", &deep] {
        let body = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{good},{bad},{good}]}}]}}]}}"#);
        let answer = served.post("/v1/traces", &[JS], body.clone()).await;
        let partial = &answer.json()["partialSuccess"];
        assert_eq!((answer.status, &partial["rejectedSpans"]), (StatusCode::OK, &json!("1")), "{partial}");
        let why = partial["errorMessage"].as_str().unwrap();
        assert!(why.starts_with("1 of 3 spans rejected; span 1: a field cannot be read: "), "{why}");
        assert_eq!(served.sink.given(), [Handover::Body(Door::Traces(Encoding::Json), body.into(), 2)]);
    }
    let mut body = message(&traces(&[span(TRACE, "x"), span(TRACE, "SPOILED")])).encode_to_vec();
    let at = body.windows(7).position(|window| window == b"SPOILED").unwrap();
    body[at] = 0xff;
    let answer = served.post("/v1/traces", &[PB], body.clone()).await;
    let partial: opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse =
        Message::decode(&answer.body[..]).unwrap();
    assert_eq!((answer.status, partial.partial_success.unwrap().rejected_spans), (StatusCode::OK, 1));
    assert_eq!(served.sink.given(), [Handover::Body(Door::Traces(Encoding::Protobuf), body.into(), 1)]);
}

#[tokio::test]
async fn nothing_to_take_is_taken() {
    let served = Served::start().await;
    let channel = served.channel().await;
    for path in ["/v1/traces", "/v1/logs", "/v1/metrics"] {
        assert_eq!(served.post(path, &[PB], "").await.status, StatusCode::OK);
        assert_eq!(served.post(path, &[PB, GZ], "").await.status, StatusCode::OK);
        assert_eq!(served.post(path, &[JS], "{}").await.body, "{}");
    }
    for export in Export::ALL {
        let answer =
            call(channel.clone(), export.method(), ExportTraceServiceRequest::default(), false).await;
        assert_eq!(answer.unwrap(), Value::Null);
    }
    let metrics = json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [{ "name": "x" }] }] }] });
    assert_eq!(served.post("/v1/metrics", &[JS], metrics.to_string()).await.body, "{}");
    assert_eq!(served.sink.given(), []);
}

#[tokio::test]
async fn emitters_are_pushed_back_in_their_own_protocol() {
    let served = Served::start().await;
    let channel = served.channel().await;
    let body = traces(&[span(TRACE, "x")]);
    let sent = message(&body);
    let full = Rejection::Full { held: 70, limit: 64 };
    for not_taken in [full, Rejection::Stopping, Rejection::Disk("it is gone".into())] {
        served.sink.answers(Err(not_taken.clone()));
        let why = not_taken.to_string();
        let json = served.post("/v1/traces", &[JS], body.to_string()).await;
        assert_eq!((json.status, json.retry_after.as_deref()), (StatusCode::SERVICE_UNAVAILABLE, Some("5")));
        let status = json.json();
        assert_eq!((&status["code"], &status["message"]), (&json!(14), &json!(why)));
        assert_eq!(status["details"][0]["retryDelay"], "5s");
        let protobuf = served.post("/v1/traces", &[PB], sent.encode_to_vec()).await;
        assert_eq!((protobuf.status, protobuf.content_type.as_str()), (json.status, PB.1));
        let status = protobuf.status();
        assert_eq!((status.code, status.message.as_str()), (14, why.as_str()));
        let refused = call(channel.clone(), Export::Traces.method(), sent.clone(), false).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (Code::Unavailable, why.as_str()));
        assert_eq!(refused.get_details_retry_info().unwrap().retry_delay, Some(Duration::from_secs(5)));
    }
    served.sink.answers(Ok(Acceptance::Lost));
    let lost = served.post("/v1/traces", &[JS], body.to_string()).await;
    let partial = &lost.json()["partialSuccess"];
    assert_eq!((lost.status, &partial["rejectedSpans"]), (StatusCode::OK, &json!("0")));
    assert!(partial["errorMessage"].as_str().unwrap().contains("its loss is declared"), "{partial}");
    let metrics = served.metrics();
    for counted in [r#"items_total{door="traces",outcome="pushed_back"} 9"#, r#"outcome="lost"} 1"#] {
        assert!(metrics.contains(counted), "{counted}: {metrics}");
    }
}

#[tokio::test]
async fn every_door_asks_for_the_token() {
    let token = "correct horse battery".replace(' ', "-");
    let bearer = Some(BearerToken::new(&format!("{token}\n")).unwrap());
    let access = Access::new(&Setup { bearer, ..Setup::default() }, Timestamp::now).unwrap();
    let config = ReceiverConfig { access, ..Default::default() };
    assert!(!format!("{config:?}").contains(&token));
    let served = Served::with(config).await;
    let paths =
        ["/v1/traces", "/v1/logs", "/v1/metrics", "/v1/records", "/v1/litellm", "/logs", "/v1/intents"];
    for path in paths.into_iter().chain(["/v1/sessions/s/seal"]) {
        let wrong = ["", "Bearer", "Bearer correct-horse-batterz", "Basic correct-horse-battery", &token];
        for authorization in wrong {
            let answer = served.post(path, &[JS, ("authorization", authorization)], "{}").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} {authorization}");
            assert!(answer.challenge.unwrap().starts_with("Bearer"), "{path} {authorization}");
            assert!(!String::from_utf8_lossy(&answer.body).contains(&token));
        }
        let bearer = format!("bearer {token}");
        let answer = served.post(path, &[JS, ("authorization", &bearer)], "").await;
        assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let empty = ExportTraceServiceRequest::default();
    let refused =
        call(served.channel().await, Export::Traces.method(), empty.clone(), false).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let mut client =
        TraceServiceClient::with_interceptor(served.channel().await, |mut request: tonic::Request<()>| {
            request.metadata_mut().insert("authorization", "Bearer correct-horse-battery".parse().unwrap());
            Ok(request)
        });
    client.export(empty).await.unwrap();
}
