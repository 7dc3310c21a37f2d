//! Goal: a program's own routes are served as a log's are, on every listener, and what they lack is answered in the caller's
//! protocol. Method: two routers of the kind a program brings, the gRPC one with tonic's own fallback, on two real sockets.

use axum::routing::post;
use axum::{Extension, Router};
use http::HeaderMap;
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{Running, Server, ServerConfig, client};
use crate::Peer;

const METHOD: &str = "/their.v1.Service/Export";

fn server() -> Server {
    let refused = || async { Status::data_loss("theirs").into_http::<axum::body::Body>() };
    let grpc = Routes::default().into_axum_router().route(METHOD, post(refused));
    let http = Router::new()
        .route("/theirs", post(|body: String| async { body }))
        .route(
            "/broken",
            post(|| async {
                if true {
                    panic!("on purpose")
                }
            }),
        )
        .fallback(|| async { "never seen" });
    Server::routes(http, grpc, ServerConfig::default())
}

/// Status and gRPC code of an empty POST.
async fn sent(url: String, content_type: &str) -> (StatusCode, Option<Code>) {
    let h2 = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let answer = h2.post(url).header("content-type", content_type).send().await.unwrap();
    let code = Status::from_header_map(answer.headers()).map(|status| status.code());
    (answer.status(), code)
}

#[tokio::test]
async fn routes_of_a_program_are_served_on_every_listener() {
    let listeners =
        [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
    let bases = listeners.each_ref().map(|listener| format!("http://{}", listener.local_addr().unwrap()));
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(server().run_on(listeners.into(), async { drop(stopped.await) }));
    for base in &bases {
        let http = async |path: &str, headers: HeaderMap| {
            client().post(format!("{base}{path}")).headers(headers).body("back").send().await.unwrap()
        };
        assert_eq!(http("/theirs", HeaderMap::new()).await.text().await.unwrap(), "back");
        let page =
            HeaderMap::from_iter([(http::header::ORIGIN, "https://elsewhere.example".parse().unwrap())]);
        assert_eq!(http("/theirs", page).await.status(), StatusCode::FORBIDDEN);
        assert_eq!(http("/broken", HeaderMap::new()).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
        for (path, code) in [("/elsewhere", "NOT_FOUND"), ("/healthz", "METHOD_NOT_ALLOWED")] {
            let answer = http(path, HeaderMap::new()).await;
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            assert!(answer.text().await.unwrap().contains(code), "{path}");
        }
        let wrong = client().get(format!("{base}/theirs")).send().await.unwrap();
        assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
        let grpc = "application/grpc";
        assert_eq!(sent(format!("{base}{METHOD}"), grpc).await, (StatusCode::OK, Some(Code::DataLoss)));
        let unknown = sent(format!("{base}/their.v1.Service/Other"), grpc).await;
        assert_eq!(unknown, (StatusCode::OK, Some(Code::Unimplemented)));
        let channel = tonic::transport::Endpoint::from_shared(base.clone()).unwrap().connect().await.unwrap();
        HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap();
    }
    let metrics = client().get(format!("{}/metrics", bases[1])).send().await.unwrap().text().await.unwrap();
    let theirs = r#"grpc_service="their.v1.Service",grpc_method="Export",grpc_code="DataLoss"} 2"#;
    assert!(metrics.contains(theirs), "both listeners count together: {metrics}");
    let others = r#"grpc_service="other",grpc_method="other",grpc_code="Unimplemented"} 2"#;
    assert!(metrics.contains(others), "{metrics}");
    assert!(metrics.contains(r#"method="POST",route="/theirs",code="200"} 2"#), "{metrics}");
    drop(stop);
    task.await.unwrap();
}

#[tokio::test]
async fn requests_bring_their_peer() {
    let peer =
        async |Extension(peer): Extension<Peer>| format!("{} {}", peer.address, peer.certificate.is_none());
    let http = Router::new().route("/peer", axum::routing::get(peer));
    let server = Server::routes(http, Router::new(), ServerConfig::default());
    let running = Running::start(server).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let request = b"GET /peer HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    let address = stream.local_addr().unwrap();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with(&format!("{address} true")), "{answer}");
    running.stop().await;
}
