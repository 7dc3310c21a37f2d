//! Goal: a program that serves neither a log nor a witness still tells of its health and metrics, and of nothing else. Method:
//! the real router on a real socket, asked over HTTP and by the gRPC health client.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use reqwest::StatusCode;
use serde_json::Value;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use vouchlog_proto::v1;
use vouchlog_proto::v1::log_client::LogClient;

use super::{Readiness, Running, Served, Server, ServerConfig, client};

async fn start() -> Running {
    let mut registry = Registry::default();
    registry.register("monitor_audits", "A metric of the program", Counter::<u64>::default());
    let health = || Readiness::new().check("audit", Err("there was none yet".into()));
    Running::start(Server::operations(ServerConfig::default()).health(health).registry(registry)).await
}

#[tokio::test]
async fn health_and_metrics_need_no_log() {
    let running = start().await;
    let get = async |path: &str| client().get(running.url(path)).send().await.unwrap();
    assert_eq!(get("/healthz").await.status(), StatusCode::OK);
    let ready = get("/readyz").await;
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(ready["checks"]["audit"], "there was none yet");
    let metrics = get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("monitor_audits_total 0"), "{metrics}");
    let document: Value = get("/openapi.json").await.json().await.unwrap();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/", "/healthz", "/metrics", "/openapi.json", "/readyz"]);
    assert!(get("/").await.text().await.unwrap().contains("/metrics"));
    let mut health = HealthClient::new(running.channel().await);
    let served = health.check(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(served.status(), tonic_health::pb::health_check_response::ServingStatus::NotServing);
    running.stop().await;
}

#[tokio::test]
async fn nothing_of_a_log_is_there() {
    let running = start().await;
    for path in ["/checkpoint", "/tile/entries/000", "/v1/inclusion?index=0"] {
        let answer = client().get(running.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let mut log = LogClient::new(running.channel().await);
    let refused = log.get_checkpoint(v1::GetCheckpointRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    running.stop().await;
}

/// What recovers by itself must not have the process restarted; what does not, must.
#[tokio::test]
async fn what_stopped_for_good_is_not_healthy() {
    let served = Served::start().await;
    let get = async |path: &str| client().get(served.url(path)).send().await.unwrap();
    served.log.break_store("the disk is full");
    assert_eq!(get("/healthz").await.status(), StatusCode::OK);
    assert_eq!(get("/readyz").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    served.log.poison("a commit had an unknown outcome");
    let answer = get("/healthz").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.text().await.unwrap(), "a commit had an unknown outcome\n");
    assert_eq!(get("/readyz").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    served.stop().await;
}
