//! Goal: what tells of a program's inside is for its operators. Method: a listener for them, a listener that strangers reach, and one
//! that only this machine does.

use reqwest::StatusCode;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::fake::Fake;
use super::multiplexed::{Multiplexed, framed};
use super::{Readiness, Running, Server, ServerConfig, client};

const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// `list_services` (field 7) of `""`.
const LIST: [u8; 2] = [0x3a, 0];

fn server() -> Server {
    let health = || Readiness::new().check("store", Err("the disk is full".into()));
    Server::new(Fake::new(), ServerConfig::default()).health(health)
}

/// Runs a server on an address of this machine that strangers reach too, or do not.
async fn start(server: Server, bind: &str) -> Running {
    let listener = TcpListener::bind(bind).await.unwrap();
    let address = ([127, 0, 0, 1], listener.local_addr().unwrap().port()).into();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        server.run(listener, async { drop(stopped.await) }).await;
    });
    Running { address, stop: Some(stop), task }
}

async fn get(base: &str, path: &str) -> (StatusCode, String) {
    let answer = client().get(format!("{base}{path}")).send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

async fn assert_closed_to_strangers(running: &Running) {
    let base = running.url("");
    assert_eq!(get(&base, "/metrics").await.0, StatusCode::NOT_FOUND);
    assert_eq!(get(&base, "/healthz").await, (StatusCode::OK, "ok\n".to_owned()));
    let (status, ready) = get(&base, "/readyz").await;
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!((status, &ready["ready"]), (StatusCode::SERVICE_UNAVAILABLE, &Value::Bool(false)));
    assert!(!ready.to_string().contains("disk"), "{ready}");
    assert_eq!(get(&base, "/checkpoint").await.0, StatusCode::OK);
    let mut connection = Multiplexed::connect(running).await;
    assert_eq!(connection.rpc(REFLECTION, &framed(&LIST)).await.code(), Some(Code::Unimplemented));
    HealthClient::new(running.channel().await).check(HealthCheckRequest::default()).await.unwrap();
}

#[tokio::test]
async fn strangers_are_not_told_of_the_inside() {
    let running = start(server(), "0.0.0.0:0").await;
    assert_closed_to_strangers(&running).await;
    running.stop().await;
}

#[tokio::test]
async fn operators_have_a_port_of_their_own() {
    let admin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", admin.local_addr().unwrap());
    let running = start(server().admin(admin), "127.0.0.1:0").await;
    assert_closed_to_strangers(&running).await;
    let (status, metrics) = get(&base, "/metrics").await;
    assert!(
        status == StatusCode::OK && metrics.contains(r#"route="/checkpoint",code="200"} 1"#),
        "{metrics}"
    );
    assert!(get(&base, "/readyz").await.1.contains("the disk is full"));
    assert_eq!(get(&base, "/healthz").await.0, StatusCode::OK);
    assert_eq!(get(&base, "/checkpoint").await.0, StatusCode::NOT_FOUND);
    running.stop().await;
    assert!(client().get(format!("{base}/healthz")).send().await.is_err(), "it stops with the others");
}

/// The library's default is 4 MiB for a name, of each call that is open.
#[tokio::test]
async fn reflection_reads_names_and_nothing_long() {
    let running = start(server(), "127.0.0.1:0").await;
    let mut connection = Multiplexed::connect(&running).await;
    let listed = connection.rpc(REFLECTION, &framed(&LIST)).await;
    assert_eq!(listed.code(), Some(Code::Ok));
    assert!(String::from_utf8_lossy(&listed.body).contains("vouchlog.v1.Gateway"));
    // `host` (field 1) of 5,000 bytes, before the same question.
    let long = [&[0x0a, 0x88, 0x27][..], &[b'h'; 5_000], &LIST].concat();
    let unread = connection.rpc(REFLECTION, &framed(&long)).await;
    assert!(unread.body.is_empty(), "{unread:?}");
    for path in ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"] {
        let refused = connection.rpc(path, &framed(&[0x0a; 5_000])).await;
        assert_eq!(refused.code(), Some(Code::OutOfRange), "{path}");
    }
    running.stop().await;
}
