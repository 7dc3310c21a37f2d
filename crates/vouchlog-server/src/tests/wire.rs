//! Connections: both protocols on one port, clients that dawdle, crowds, and stopping.

use std::time::Duration;

use reqwest::{StatusCode, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use vouchlog_proto::v1;

use super::fake::Trouble;
use super::{Served, ServerConfig, client};

#[tokio::test]
async fn http1_http2_and_grpc_share_the_port() {
    let served = Served::start().await;
    let old = client().get(served.url("/checkpoint")).send().await.unwrap();
    assert_eq!((old.version(), old.status()), (Version::HTTP_11, StatusCode::OK));
    let new = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let new = new.get(served.url("/checkpoint")).send().await.unwrap();
    assert_eq!((new.version(), new.status()), (Version::HTTP_2, StatusCode::OK));
    let note = served.reader().await.get_checkpoint(v1::GetCheckpointRequest {}).await.unwrap();
    assert_eq!(note.into_inner().note, old.text().await.unwrap());
    assert!(served.raw(b"GET /healthz HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.0 200"));
}

/// The services bring a fallback of their own, which once answered every unknown path with 200.
#[tokio::test]
async fn unknown_methods_are_unimplemented_and_unknown_paths_are_not_found() {
    let served = Served::start().await;
    let h2 = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    for path in ["/vouchlog.v1.Gateway/Forget", "/vouchlog.v2.Gateway/Append", "/nope"] {
        let request = h2.post(served.url(path)).header("content-type", "application/grpc").body(vec![0; 5]);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()["grpc-status"], (Code::Unimplemented as i32).to_string(), "{path}");
        assert_eq!(response.headers()["content-type"], "application/grpc", "{path}");
    }
    let unknown = h2.get(served.url("/nope")).send().await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    assert_eq!(unknown.headers()["content-type"], "application/problem+json");
}

/// A client that says nothing, half a preface, or half a header is let go; one that is merely slow with its next request too.
#[tokio::test]
async fn slow_clients_are_let_go() {
    let config = ServerConfig { header_timeout: Duration::from_millis(150), ..ServerConfig::default() };
    let served = Served::with(config).await;
    assert_eq!(served.raw(b"").await, "");
    assert_eq!(served.raw(b"PRI * HTTP/2.0\r\n").await, "");
    assert_eq!(served.raw(b"P").await, "");
    let half = served.raw(b"GET /healthz HTTP/1.1\r\nhost: log.example\r\nx-slow: ").await;
    assert!(half.is_empty() || half.starts_with("HTTP/1.1 408"), "{half}");
    let idle = served.raw(b"GET /healthz HTTP/1.1\r\nhost: log.example\r\n\r\n").await;
    assert!(idle.starts_with("HTTP/1.1 200") && idle.ends_with("ok\n"), "{idle}");
}

#[tokio::test]
async fn nonsense_is_refused() {
    let served = Served::start().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client hello"[..],
        b"GET / HTTP/9.9\r\nhost: log.example\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: log.example\r\nconnection: close\r\n\r\n",
        b"POST /add HTTP/1.1\r\nhost: log.example\r\ncontent-length: -1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nand now nonsense",
    ] {
        let answer = served.raw(bytes).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    let long = format!("GET / HTTP/1.1\r\nhost: log.example\r\nx-long: {}\r\n\r\n", "x".repeat(100_000));
    let answer = served.raw(long.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert_eq!(client().get(served.url("/healthz")).send().await.unwrap().status(), StatusCode::OK);
}

/// A proxy in front may take what follows for a part of the first request's body.
#[tokio::test]
async fn a_body_ends_in_one_way_or_the_connection_does() {
    let served = Served::start().await;
    let smuggled = "GET /checkpoint HTTP/1.1\r\nhost: h\r\n\r\n";
    for coding in [
        "transfer-encoding: chunked, chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: gzip, chunked",
    ] {
        let request =
            format!("POST /add HTTP/1.1\r\nhost: h\r\n{coding}\r\n\r\n6\r\nsalted\r\n0\r\n\r\n{smuggled}");
        let answer = served.raw(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{coding}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{coding}: {answer}");
    }
    let good = "POST /add HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: Chunked\r\n\r\n6\r\nsalted\r\n0\r\n\r\n";
    assert!(served.raw(good.as_bytes()).await.starts_with("HTTP/1.1 200"));
    served.stop().await;
}

/// Nobody is sent away in the middle of a request to make room for another.
#[tokio::test]
async fn a_crowd_of_connections_is_turned_away() {
    let config = ServerConfig { max_connections: 2, ..ServerConfig::default() };
    let served = Served::with(config).await;
    served.log.trouble([Trouble::Hang, Trouble::Hang]);
    let request = b"POST /add HTTP/1.1\r\nhost: log.example\r\ncontent-length: 6\r\n\r\nsalted";
    let mut first = TcpStream::connect(served.address).await.unwrap();
    let mut second = TcpStream::connect(served.address).await.unwrap();
    for stream in [&mut first, &mut second] {
        stream.write_all(request).await.unwrap();
    }
    while served.log.attempts() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(served.raw(b"").await, "");
    drop(first);
    loop {
        let answer =
            served.raw(b"GET /metrics HTTP/1.1\r\nhost: log.example\r\nconnection: close\r\n\r\n").await;
        if answer.starts_with("HTTP/1.1 200") {
            assert!(answer.contains("vouchlog_server_connections 2"), "{answer}");
            assert!(!answer.contains("vouchlog_server_connections_refused_total 0"), "{answer}");
            break;
        }
    }
}

#[tokio::test]
async fn stopping_answers_what_is_under_way() {
    let served = Served::start().await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream
        .write_all(b"POST /add HTTP/1.1\r\nhost: log.example\r\ncontent-length: 6\r\n\r\nsal")
        .await
        .unwrap();
    let address = served.address;
    // The request has begun once the server counts the connection; a second one shows that.
    assert_eq!(client().get(served.url("/healthz")).send().await.unwrap().status(), StatusCode::OK);
    let stopping = tokio::spawn(served.stop());
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stream.write_all(b"ted").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with('3'), "{answer}");
    stopping.await.unwrap();
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let config = ServerConfig { drain_timeout: Duration::from_millis(100), ..ServerConfig::default() };
    let served = Served::with(config).await;
    served.log.trouble([Trouble::Hang]);
    let hanging = tokio::spawn(client().post(served.url("/add")).body("salted").send());
    while served.log.attempts() == 0 {
        tokio::task::yield_now().await;
    }
    served.stop().await;
    assert!(hanging.await.unwrap().is_err());
}

/// Half a head and half a body, of either protocol's first bytes too: none of them outlasts the drain.
#[tokio::test]
async fn a_half_sent_request_does_not_outlast_the_drain() {
    for half in [
        &b"P"[..],
        b"POST /add HTTP/1.1\r\nhost: log.example\r\nx-half: ",
        b"POST /add HTTP/1.1\r\nhost: log.example\r\ncontent-length: 6\r\n\r\nsal",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        // Only the drain can end these within the patience of this test.
        let long = Duration::from_secs(3_600);
        let config = ServerConfig {
            drain_timeout: Duration::from_millis(100),
            header_timeout: long,
            request_timeout: long,
            keepalive_interval: long,
            ..ServerConfig::default()
        };
        let served = Served::with(config).await;
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(half).await.unwrap();
        // A later request that is answered shows that the connection was accepted.
        assert_eq!(client().get(served.url("/healthz")).send().await.unwrap().status(), StatusCode::OK);
        tokio::time::timeout(Duration::from_secs(60), served.stop()).await.expect("it stops");
        let mut rest = Vec::new();
        // Closed or reset, and never answered as if it had been whole.
        let _ = stream.read_to_end(&mut rest).await;
        assert!(!rest.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&rest));
    }
}

/// The limit is that of the whole process, whose other descriptors count too.
#[tokio::test]
async fn connections_leave_descriptors_to_the_store() {
    let config = ServerConfig { max_descriptors: Some(1), ..ServerConfig::default() };
    let served = Served::with(config).await;
    assert_eq!(served.raw(b"GET /healthz HTTP/1.1\r\nhost: log.example\r\n\r\n").await, "");
    served.stop().await;
}

/// An embedding program puts the router where it likes.
#[tokio::test]
async fn the_router_nests() {
    let log = super::fake::Fake::new();
    let router = axum::Router::new()
        .route("/", axum::routing::get(|| async { "mine" }))
        .nest("/log", crate::Server::new(log, ServerConfig::default()).router());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let get = async |path: &str| client().get(format!("http://{address}{path}")).send().await.unwrap();
    assert_eq!(get("/").await.text().await.unwrap(), "mine");
    assert_eq!(get("/log/checkpoint").await.status(), StatusCode::OK);
    assert_eq!(get("/log/tile/0/000.p/3").await.status(), StatusCode::OK);
    assert_eq!(get("/log/nope").await.headers()["content-type"], "application/problem+json");
}
