//! Request ids: every response has one, every error repeats it, and no header of a stranger gets into either unchecked.

use futures::stream;
use serde_json::Value;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request};
use tonic_types::StatusExt;
use vouchlog_proto::v1;

use super::{Served, client};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn traceparent() -> String {
    format!("00-{TRACE}-00f067aa0ba902b7-01")
}

/// An id that the server made.
fn is_made(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn id_of(metadata: &MetadataMap) -> String {
    metadata.get("x-request-id").unwrap().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn http_responses_and_errors_carry_the_request_id() {
    let served = Served::start().await;
    for (path, status) in [("/checkpoint", 200), ("/healthz", 200), ("/v1/receipts/999", 404), ("/nope", 404)]
    {
        let request = client()
            .get(served.url(path))
            .header("x-request-id", "my-id.1")
            .header("traceparent", traceparent());
        let response = request.send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["x-request-id"]),
            (status, &"my-id.1".parse().unwrap())
        );
        if status == 404 {
            let body: Value = response.json().await.unwrap();
            assert_eq!(body["request_id"], "my-id.1", "{path}");
        }
    }
    let traced =
        client().get(served.url("/checkpoint")).header("traceparent", traceparent()).send().await.unwrap();
    assert_eq!(traced.headers()["x-request-id"], TRACE);
    let made = |response: reqwest::Response| response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let [first, second] = [
        client().get(served.url("/nope")).send().await.unwrap(),
        client().get(served.url("/nope")).send().await.unwrap(),
    ]
    .map(made);
    assert!(is_made(&first) && is_made(&second) && first != second, "{first} {second}");
    served.stop().await;
}

#[tokio::test]
async fn hostile_ids_are_replaced() {
    let served = Served::start().await;
    let long = "x".repeat(129);
    for hostile in ["a\tb", "a b", "\u{e4}", "<script>", "%0d%0aset-cookie:x", &long] {
        let request =
            format!("GET /nope HTTP/1.1\r\nhost: h\r\nconnection: close\r\nx-request-id: {hostile}\r\n\r\n");
        let answer = served.raw(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
        assert!(is_made(id), "{hostile:?} became {id}");
        assert!(answer.contains(&format!("\"request_id\":\"{id}\"")), "{answer}");
        assert!(!answer.contains(hostile), "{answer}");
    }
    // A control character is no header at all.
    let answer = served.raw(b"GET /nope HTTP/1.1\r\nhost: h\r\nx-request-id: a\x01b\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400") && !answer.contains('\u{1}'), "{answer}");

    let mut request = Request::new(v1::GetReceiptRequest::default());
    request.metadata_mut().insert("x-request-id", long.parse().unwrap());
    let refused = served.reader().await.get_receipt(request).await.unwrap_err();
    assert!(is_made(&id_of(refused.metadata())));
    served.stop().await;
}

#[tokio::test]
async fn rpcs_carry_the_request_id_in_metadata_and_details() {
    let served = Served::start().await;
    let mut reader = served.reader().await;
    let mut request = Request::new(v1::GetCheckpointRequest {});
    request.metadata_mut().insert("x-request-id", "rpc/1".parse().unwrap());
    let answer = reader.get_checkpoint(request).await.unwrap();
    assert_eq!(id_of(answer.metadata()), "rpc/1");

    let mut request = Request::new(v1::GetStreamRequest { stream: 999 });
    request.metadata_mut().insert("traceparent", traceparent().parse().unwrap());
    let refused = served.gateway().await.get_stream(request).await.unwrap_err();
    assert_eq!((refused.code(), id_of(refused.metadata())), (Code::NotFound, TRACE.to_owned()));
    assert_eq!(refused.get_details_request_info().unwrap().request_id, TRACE);

    // A stream that fails after it has begun to answer: the id is in the head, and in the details of the trailers.
    let mut request = Request::new(stream::iter([v1::AppendRequest::default()]));
    request.metadata_mut().insert("x-request-id", "stream-1".parse().unwrap());
    let answer = served.gateway().await.append_stream(request).await.unwrap();
    assert_eq!(id_of(answer.metadata()), "stream-1");
    let refused = answer.into_inner().message().await.unwrap_err();
    assert_eq!(refused.get_details_request_info().unwrap().request_id, "stream-1", "{refused:?}");
    served.stop().await;
}
