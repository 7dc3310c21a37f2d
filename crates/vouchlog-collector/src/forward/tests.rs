//! Goal: the other collector gets the same bytes, and whatever it does costs the receiver nothing but a bounded queue. Method: a
//! stand-in on a real socket that answers what it is told to.

use std::collections::VecDeque;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::IntoResponse;
use http_body_util::BodyExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;

use super::*;

type Script = Arc<Mutex<VecDeque<(u16, Option<&'static str>)>>>;

/// A request as the stand-in saw it.
pub(crate) type ForwardedRequest = (String, HeaderMap, Bytes);

/// A stand-in that answers by the script, and 200 after it.
pub(crate) async fn stand_in(
    script: &[(u16, Option<&'static str>)],
) -> (String, UnboundedReceiver<ForwardedRequest>) {
    let (sender, seen) = mpsc::unbounded_channel();
    let script: Script = Arc::new(Mutex::new(script.iter().copied().collect()));
    let answer = |State((sender, script)): State<(mpsc::UnboundedSender<ForwardedRequest>, Script)>,
                  request: Request| async move {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let _ = sender.send((parts.uri.path().to_owned(), parts.headers, body));
        let (status, wait) = script.lock().pop_front().unwrap_or((200, None));
        let status = StatusCode::from_u16(status).unwrap();
        match wait {
            Some(wait) => (status, [(header::RETRY_AFTER, wait)]).into_response(),
            None => status.into_response(),
        }
    };
    let router = Router::new().fallback(answer).with_state((sender, script));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, seen)
}

pub(crate) fn quick() -> ForwardLimits {
    ForwardLimits {
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(2),
        ..ForwardLimits::default()
    }
}

fn count(forward: &Forward, outcome: &'static str) -> u64 {
    forward.0.metrics.bodies.get_or_create(&Outcome { outcome }).get()
}

#[tokio::test]
async fn the_same_bytes_arrive_without_the_emitters_headers() {
    let (url, mut seen) = stand_in(&[]).await;
    let forward = Forward::start(ForwardTarget::new(&url, HeaderMap::new()), quick()).unwrap();
    forward.offer("/v1/traces", Encoding::Protobuf, true, Bytes::from_static(b"zipped"));
    let (path, headers, body) = seen.recv().await.unwrap();
    assert_eq!((path.as_str(), &body[..]), ("/v1/traces", &b"zipped"[..]));
    assert_eq!(
        (headers["content-type"].to_str().unwrap(), headers["content-encoding"].to_str().unwrap()),
        ("application/x-protobuf", "gzip")
    );
    assert!(!headers.contains_key("authorization"));
    forward.offer("/v1/metrics", Encoding::Json, false, Bytes::from_static(b"{}"));
    let (path, headers, body) = seen.recv().await.unwrap();
    assert_eq!((path.as_str(), &body[..]), ("/v1/metrics", &b"{}"[..]));
    assert_eq!(headers["content-type"], "application/json");
    assert!(!headers.contains_key("content-encoding"));
    assert!(forward.close(Duration::from_secs(30)).await);
    assert_eq!((count(&forward, "sent"), forward.0.metrics.bytes.get()), (2, 8));
}

#[tokio::test]
async fn headers_of_our_own_go_along() {
    let (url, mut seen) = stand_in(&[]).await;
    let ours = HeaderMap::from_iter([(header::AUTHORIZATION, "Bearer theirs".parse().unwrap())]);
    let forward = Forward::start(ForwardTarget::new(&url, ours), quick()).unwrap();
    forward.offer("/v1/logs", Encoding::Json, false, Bytes::from_static(b"{}"));
    let (_, headers, _) = seen.recv().await.unwrap();
    assert_eq!(headers["authorization"], "Bearer theirs");
    assert_eq!(headers["content-type"], "application/json");
    assert!(forward.close(Duration::from_secs(30)).await);
    assert_eq!(forward.not_sent(), 0);
}

#[tokio::test]
async fn what_may_succeed_is_sent_again_and_nothing_else() {
    let script = [
        (503, Some("3600")),
        (429, None),
        (502, Some("soon")),
        (504, None),
        (200, None),
        (400, None),
        (500, None),
    ];
    let (url, _seen) = stand_in(&script).await;
    let forward =
        Forward::start(ForwardTarget::new(&url, HeaderMap::new()), ForwardLimits { in_flight: 1, ..quick() })
            .unwrap();
    for _ in 0..3 {
        forward.offer("/v1/logs", Encoding::Json, false, Bytes::from_static(b"{}"));
    }
    assert!(forward.close(Duration::from_secs(30)).await, "no wait is longer than the longest");
    assert_eq!((count(&forward, "sent"), count(&forward, "refused")), (1, 2));
    assert_eq!(forward.not_sent(), 2);

    let (url, mut seen) = stand_in(&[(503, None); 5]).await;
    let forward = Forward::start(ForwardTarget::new(&url, HeaderMap::new()), quick()).unwrap();
    forward.offer("/v1/logs", Encoding::Json, false, Bytes::from_static(b"{}"));
    assert!(forward.close(Duration::from_secs(30)).await);
    assert_eq!((count(&forward, "given_up"), count(&forward, "sent")), (1, 0));
    let sent = std::iter::from_fn(|| seen.try_recv().ok()).count();
    assert_eq!(sent, 5);
}

#[tokio::test]
async fn a_hanging_or_dead_other_side_costs_a_bounded_queue() {
    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", hanging.local_addr().unwrap());
    let forward = Forward::start(
        ForwardTarget::new(&url, HeaderMap::new()),
        ForwardLimits { queue_bytes: 1 << 20, ..quick() },
    )
    .unwrap();
    for _ in 0..100 {
        forward.offer("/v1/traces", Encoding::Protobuf, false, Bytes::from(vec![0; 64 << 10]));
    }
    assert_eq!((count(&forward, "dropped"), forward.0.metrics.waiting.get()), (84, 16));
    assert_eq!(forward.not_sent(), 84);
    assert!(!forward.close(Duration::from_millis(1)).await, "the other side never answers");

    drop(hanging);
    let forward = Forward::start(ForwardTarget::new(&url, HeaderMap::new()), quick()).unwrap();
    forward.offer("/v1/traces", Encoding::Protobuf, false, Bytes::from_static(b"x"));
    assert!(forward.close(Duration::from_secs(30)).await);
    assert_eq!(count(&forward, "given_up"), 1);
    forward.offer("/v1/traces", Encoding::Protobuf, false, Bytes::from_static(b"x"));
    assert_eq!(count(&forward, "dropped"), 1, "nothing is taken once it is closed");
}

#[tokio::test]
async fn only_urls_of_http_are_taken() {
    let start = |url: &str| Forward::start(ForwardTarget::new(url, HeaderMap::new()), quick());
    for url in ["", "127.0.0.1:4318", "ftp://x", "http://x/?query"] {
        assert!(matches!(start(url), Err(ForwardError::Url(_))), "{url}");
    }
    for url in ["http://otel.example.com:4318", "http://10.0.0.1:4318", "http://0.0.0.0:4318"] {
        assert!(matches!(start(url), Err(ForwardError::PlainText(_))), "{url}");
    }
    for url in ["https://10.0.0.1:4318", "https://169.254.169.254", "https://[fd00::1]:4318"] {
        assert!(matches!(start(url), Err(ForwardError::Reach(_))), "{url}");
        let target = ForwardTarget { reach: Reach::Anywhere, ..ForwardTarget::new(url, HeaderMap::new()) };
        assert!(Forward::start(target, quick()).is_ok(), "{url}");
    }
    assert!(start("https://otel.example.com").is_ok() && start("http://localhost:4318").is_ok());
}
