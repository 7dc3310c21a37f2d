//! What is refused, and how: every wrong request gets a clear, short answer in its own protocol, and no other suffers.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tonic_types::StatusExt;
use vouchlog_api::ErrorKind;
use vouchlog_proto::v1;

use super::fake::Trouble;
use super::multiplexed::{Multiplexed, framed};
use super::{Served, ServerConfig, client};

/// A problem document, with everything such a document has to have.
async fn problem(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let body: Value = response.json().await.unwrap();
    assert_eq!((&body["type"], &body["status"]), (&json!("about:blank"), &json!(status)));
    assert!(body["title"].is_string() && body["code"].is_string());
    let detail = body["detail"].as_str().unwrap();
    assert!(!detail.is_empty() && detail.len() <= 1_024, "{detail}");
    (status, body)
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused() {
    let served = Served::start().await;
    let (status, body) = problem(client().get(served.url("/nope")).send().await.unwrap()).await;
    assert_eq!((status, &body["code"]), (404, &json!("NOT_FOUND")));
    let response = client().delete(served.url("/checkpoint")).send().await.unwrap();
    assert_eq!(response.headers()["allow"], "GET,HEAD");
    let (status, body) = problem(response).await;
    assert_eq!((status, &body["code"]), (405, &json!("METHOD_NOT_ALLOWED")));
    assert_eq!(problem(client().get(served.url("/add")).send().await.unwrap()).await.0, 405);
}

#[tokio::test]
async fn queries_that_mean_nothing_are_refused() {
    let served = Served::start().await;
    for query in [
        "inclusion",
        "inclusion?index=1&hash=00",
        "inclusion?hash=00",
        "inclusion?hash=zz",
        "inclusion?digest=",
        "inclusion?stream=1",
        "inclusion?sequence=1",
        "inclusion?index=-1",
        "inclusion?index=1.5",
        "inclusion?index=18446744073709551616",
        "inclusion?index=1&index=2",
        "inclusion?indx=1",
        "inclusion?index=%ff%fe",
        "consistency",
        "consistency?from=x",
        "consistency?from=1&to=",
        "entries?start=0",
        "receipts/x",
        "receipts/-1",
        "receipts/%ff",
        "streams/0x1",
    ] {
        let (status, body) =
            problem(client().get(served.url(&format!("/v1/{query}"))).send().await.unwrap()).await;
        assert_eq!((status, &body["code"]), (400, &json!("INVALID_ARGUMENT")), "{query}");
    }
}

#[tokio::test]
async fn bodies_that_are_no_statements_are_refused() {
    let served = Served::start().await;
    let digest = "ab".repeat(32);
    let post = async |body: String| {
        let request = client().post(served.url("/v1/statements")).header("content-type", "application/json");
        problem(request.body(body).send().await.unwrap()).await
    };
    for (body, status) in [
        (String::new(), 400),
        ("{".to_owned(), 400),
        ("nonsense".to_owned(), 400),
        ("[".repeat(100_000), 422),
        ("{}".to_owned(), 422),
        ("[]".to_owned(), 422),
        ("[1]".to_owned(), 422),
        ("17".to_owned(), 422),
        (json!({ "kind": "opaque", "digest": "short" }).to_string(), 422),
        (json!({ "kind": "opaque", "digest": digest.to_uppercase() }).to_string(), 422),
        (json!({ "kind": "gossip", "digest": digest }).to_string(), 422),
        (json!({ "kind": "opaque", "digest": digest, "evidence": u32::MAX }).to_string(), 422),
        (json!({ "kind": "opaque", "digest": digest, "evidence": -1 }).to_string(), 422),
        (json!({ "kind": "opaque", "digest": digest, "prompt": "hello" }).to_string(), 422),
        (json!(vec![json!({ "kind": "opaque", "digest": digest }); 1_025]).to_string(), 422),
        (format!("{}{{}}", " ".repeat(600_000)), 413),
    ] {
        let (answered, problem) = post(body.clone()).await;
        assert_eq!(answered, status, "{}: {problem}", &body[..body.len().min(80)]);
    }
    let (_, second) = post(
        json!([{ "kind": "opaque", "digest": digest }, { "kind": "opaque", "digest": "x" }]).to_string(),
    )
    .await;
    assert!(second["detail"].as_str().unwrap().starts_with("statement 1: `digest`"), "{second}");
    assert_eq!(served.log.size(), 3, "nothing was logged");

    let bare = client().post(served.url("/v1/statements")).body("{}").send().await.unwrap();
    assert_eq!(problem(bare).await.0, 415);
    let long = client().post(served.url("/add")).body(vec![0; 64 * 1024 + 1]).send().await.unwrap();
    let (status, body) = problem(long).await;
    assert_eq!((status, &body["code"]), (413, &json!("TOO_LARGE")));
    let empty = client().post(served.url("/add")).send().await.unwrap();
    assert_eq!(problem(empty).await.0, 400);
}

#[tokio::test]
async fn notes_that_are_none_are_refused() {
    let served = Served::start().await;
    for path in ["/v1/gateways", "/v1/revocations", "/v1/quotas", "/v1/keys", "/v1/retirement"] {
        let post = async |kind: &str, body: Vec<u8>| {
            let request = client().post(served.url(path)).header("content-type", kind).body(body);
            problem(request.send().await.unwrap()).await.0
        };
        assert_eq!(post("application/x-www-form-urlencoded", b"note".to_vec()).await, 415);
        assert_eq!(post("text/plain", vec![0xff, 0xfe]).await, 400);
        assert_eq!(post("text/plain", vec![b'a'; 70_000]).await, 413);
        assert_eq!(post("text/plain", b"not a note".to_vec()).await, 403);
    }
}

#[tokio::test]
async fn web_pages_of_other_sites_cannot_write() {
    let served = Served::start().await;
    let host = served.address.to_string();
    let post = async |headers: &[(&str, &str)]| {
        let request = client().post(served.url("/add")).body("something salted");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(post(&[("sec-fetch-site", "cross-site")]).await, 403);
    assert_eq!(post(&[("sec-fetch-site", "same-site")]).await, 403);
    assert_eq!(post(&[("origin", "https://attacker.example")]).await, 403);
    assert_eq!(post(&[("origin", "null")]).await, 403);
    assert_eq!(post(&[("sec-fetch-site", "same-origin"), ("origin", "http://attacker.example")]).await, 200);
    assert_eq!(post(&[("origin", &format!("http://{host}"))]).await, 200);
    assert_eq!(post(&[]).await, 200);
}

/// The same refusals of the log, over both protocols.
#[tokio::test]
async fn errors_of_the_log_keep_their_kind() {
    let served = Served::start().await;
    let mut gateway = served.gateway().await;
    let wait = Duration::from_millis(1_500);
    for (kind, http, code, grpc) in [
        (ErrorKind::InvalidArgument, 400, "INVALID_ARGUMENT", tonic::Code::InvalidArgument),
        (ErrorKind::NotFound, 404, "NOT_FOUND", tonic::Code::NotFound),
        (ErrorKind::Conflict { size: 9 }, 409, "CONFLICT", tonic::Code::Aborted),
        (ErrorKind::Fork, 409, "STREAM_FORK", tonic::Code::Aborted),
        (ErrorKind::PermissionDenied, 403, "PERMISSION_DENIED", tonic::Code::PermissionDenied),
        (ErrorKind::FailedPrecondition, 409, "FAILED_PRECONDITION", tonic::Code::FailedPrecondition),
        (ErrorKind::Overloaded { retry_after: wait }, 503, "OVERLOADED", tonic::Code::ResourceExhausted),
        (ErrorKind::Unavailable, 503, "UNAVAILABLE", tonic::Code::Unavailable),
        (ErrorKind::Internal, 500, "INTERNAL", tonic::Code::Internal),
    ] {
        served.log.trouble([Trouble::Refuse(kind.clone()), Trouble::Refuse(kind.clone())]);
        let response = client().post(served.url("/add")).body("salted").send().await.unwrap();
        let retry_after =
            response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        let (status, body) = problem(response).await;
        assert_eq!((status, &body["code"]), (http, &json!(code)));
        let refused = gateway.enrol(v1::EnrolRequest::default()).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (grpc, "as the test wants it"));
        match kind {
            ErrorKind::Overloaded { .. } => {
                assert_eq!((retry_after.as_deref(), &body["retry_after_ms"]), (Some("2"), &json!(1_500)));
            }
            ErrorKind::Unavailable => assert_eq!(retry_after.as_deref(), Some("1")),
            ErrorKind::Conflict { size } => assert_eq!(body["size"], size),
            _ => assert_eq!(retry_after, None),
        }
    }
}

#[tokio::test]
async fn a_panic_is_an_error_and_nothing_more() {
    let served = Served::start().await;
    let mut gateway = served.gateway().await;
    served.log.trouble([Trouble::Panic, Trouble::Panic]);
    let response = client().post(served.url("/add")).body("salted").send().await.unwrap();
    assert_eq!(problem(response).await.0, 500);
    let refused = gateway.enrol(v1::EnrolRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Internal);
    assert_eq!(client().get(served.url("/healthz")).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn requests_that_take_too_long_are_given_up() {
    let config = ServerConfig { request_timeout: Duration::from_millis(100), ..ServerConfig::default() };
    let served = Served::with(config).await;
    let mut gateway = served.gateway().await;
    served.log.trouble([Trouble::Hang, Trouble::Hang]);
    let (status, body) =
        problem(client().post(served.url("/add")).body("salted").send().await.unwrap()).await;
    assert_eq!((status, &body["code"]), (503, &json!("UNAVAILABLE")));
    let refused = gateway.enrol(v1::EnrolRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
}

#[tokio::test]
async fn requests_without_room_are_told_to_come_back() {
    let config = ServerConfig { max_requests: 1, ..ServerConfig::default() };
    let served = Served::with(config).await;
    let mut gateway = served.gateway().await;
    served.log.trouble([Trouble::Hang]);
    let note = "text/plain";
    let enrol = || client().post(served.url("/v1/gateways")).header("content-type", note).body("a note");
    let slow = tokio::spawn(enrol().send());
    while served.log.attempts() == 0 {
        tokio::task::yield_now().await;
    }
    let response = enrol().send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    let (status, body) = problem(response).await;
    assert_eq!((status, &body["code"]), (503, &json!("OVERLOADED")));
    let refused = gateway.enrol(v1::EnrolRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    slow.abort();
}

/// INTERNAL would raise an alarm and be sent again, over bytes that only the caller can have got wrong.
#[tokio::test]
async fn messages_that_cannot_be_read_are_the_callers_fault() {
    let served = Served::start().await;
    let mut connection = Multiplexed::connect(&served).await;
    let no_message = framed(&[0xff; 9]);
    let cut_short = &framed(&[0x0a; 40])[..20];
    for path in [
        "/vouchlog.v1.Gateway/Append",
        "/vouchlog.v1.Gateway/AppendStream",
        "/vouchlog.v1.Gateway/AppendHouse",
        "/vouchlog.v1.Log/GetReceipt",
        "/grpc.health.v1.Health/Check",
    ] {
        for body in [&no_message[..], cut_short] {
            let ended = connection.rpc(path, body).await;
            let refused = ended.rpc.expect("an RPC has a status");
            assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{path}: {refused:?}");
            assert_eq!(refused.get_details_error_info().unwrap().reason, "INVALID_ARGUMENT", "{path}");
        }
    }
    // SPEC: gRPC's compression.md: INTERNAL, for this case alone.
    let flagged = connection.rpc("/vouchlog.v1.Gateway/Append", &[1, 0, 0, 0, 1, 0]).await;
    assert_eq!(flagged.code(), Some(tonic::Code::Internal));
    served.stop().await;
}
