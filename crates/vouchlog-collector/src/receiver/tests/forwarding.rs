//! Goal: another collector gets every OTLP body as its emitter sent it, and whether it does changes no answer.

use ::http::HeaderMap;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use super::*;
use crate::forward::ForwardTarget;
use crate::forward::tests::{quick, stand_in};
use crate::testsupport::testdata;

async fn forwarding(url: &str) -> (Served, Forward) {
    let forward = Forward::start(ForwardTarget::new(url, HeaderMap::new()), quick()).unwrap();
    let config = ReceiverConfig { forward: Some(forward.clone()), ..Default::default() };
    (Served::with(config).await, forward)
}

#[tokio::test]
async fn bodies_go_on_as_they_were_sent_whatever_the_journal_says() {
    let (url, mut seen) = stand_in(&[]).await;
    let (served, forward) = forwarding(&url).await;
    let body = std::fs::read(testdata().join("otlp/session-synthetic/001.traces.pb")).unwrap();
    let zipped = gzip(&body);
    let secret = ("authorization", "Bearer of-the-emitter");
    assert_eq!(served.post("/v1/traces", &[PB, GZ, secret], zipped.clone()).await.status, StatusCode::OK);
    let (path, headers, got) = seen.recv().await.unwrap();
    assert_eq!((path.as_str(), got), ("/v1/traces", Bytes::from(zipped)));
    assert_eq!((headers["content-encoding"].as_bytes(), headers.get("authorization")), (&b"gzip"[..], None));

    let message = ExportTraceServiceRequest::decode(&body[..]).unwrap();
    call(served.channel().await, Export::Traces.method(), message.clone(), true).await.unwrap();
    let (path, headers, got) = seen.recv().await.unwrap();
    assert_eq!((path.as_str(), got), ("/v1/traces", Bytes::from(message.encode_to_vec())));
    assert_eq!(
        (headers["content-type"].as_bytes(), headers.get("content-encoding")),
        (PB.1.as_bytes(), None)
    );

    let bad = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"\ud800"},{}]}]}]}"#;
    assert_eq!(served.post("/v1/traces", &[JS], bad).await.status, StatusCode::OK);
    assert_eq!(
        seen.recv().await.unwrap().2,
        Bytes::from(bad),
        "what is bad in it is the other side's to judge"
    );

    served.sink.answers(Err(Rejection::Stopping));
    assert_eq!(served.post("/v1/logs", &[JS], "garbage").await.status, StatusCode::BAD_REQUEST);
    let pushed_back = served.post("/v1/traces", &[PB], body.clone()).await;
    assert_eq!(pushed_back.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(seen.recv().await.unwrap().2, Bytes::from(body), "and nothing of what cannot be read");
    assert_eq!(served.post("/v1/metrics", &[JS], "{}").await.status, StatusCode::OK);
    assert_eq!(seen.recv().await.unwrap().0, "/v1/metrics");
    assert!(forward.close(Duration::from_secs(30)).await);
    assert!(
        served.metrics().contains(r#"vouchlog_forward_bodies_total{outcome="sent"} 5"#),
        "{}",
        served.metrics()
    );
}

#[tokio::test]
async fn an_other_side_that_hangs_or_is_dead_changes_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (served, _forward) = forwarding(&url).await;
    for _ in 0..20 {
        assert_eq!(served.post("/v1/traces", &[JS], "{}").await.status, StatusCode::OK);
    }
    drop(listener);
    assert_eq!(served.post("/v1/traces", &[JS], "{}").await.status, StatusCode::OK);
}
