//! Goal: keepers of records can sign for the gateway's stream and hand statements over, also while the log is away.
//! Method: a real log and server behind a proxy; the gateway used through the trait alone.

use std::time::Duration;

use vouchlog_api::{Appender, ErrorKind, Submitter};
use vouchlog_client::{Connection, Gateway, GatewayConfig};

use crate::world::{World, in_time, key, statements};

#[tokio::test(flavor = "multi_thread")]
async fn the_signer_is_the_stream_s_and_is_known_without_the_log_from_then_on() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let gateway = world.gateway(dir.path()).await;
    let signer = in_time(gateway.signer()).await.unwrap();
    let info = world.log.stream(signer.stream).await.unwrap();
    assert_eq!(info.key, signer.key.verifying_key().to_string());
    assert!(info.enrolled.get() < signer.stream.get());
    Submitter::submit(&gateway, statements(0..3)).await.unwrap();
    in_time(Submitter::flush(&gateway)).await.unwrap();
    gateway.stop().await;

    let away = GatewayConfig { log: Connection::new("http://127.0.0.1:1"), ..world.config(dir.path()) };
    let gateway = Gateway::open(away).await.unwrap();
    let again = in_time(gateway.signer()).await.unwrap();
    assert_eq!(again.stream, signer.stream);
    assert_eq!(again.key.verifying_key(), signer.key.verifying_key());
    // Spooled, though nobody listens.
    Submitter::submit(&gateway, statements(3..5)).await.unwrap();
    let mut reasons = Vec::new();
    let patience = Duration::from_millis(1_500);
    let reason = in_time(gateway.out_of_reach(patience, |reason| reasons.push(reason.to_owned()))).await;
    assert!(reasons.contains(&reason), "{reason} is not among {reasons:?}");
    assert!(reasons.windows(2).all(|pair| pair[0] != pair[1]), "a reason is repeated: {reasons:?}");
    assert_eq!(gateway.waiting(), 2);
    gateway.stop().await;

    let gateway = world.gateway(dir.path()).await;
    in_time(Submitter::flush(&gateway)).await.unwrap();
    world.check_exactly(&statements(0..5)).await;
}

/// A stopped process keeps its socket: connections are made, and nothing comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_never_answers_is_out_of_reach() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let gateway = world.gateway(dir.path()).await;
    in_time(gateway.signer()).await.unwrap();
    gateway.stop().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let hanging = GatewayConfig { log: Connection::new(&url), ..world.config(dir.path()) };
    let new = tempfile::tempdir().unwrap();
    for (hanging, statement) in [
        (hanging, Some(0..1)),
        (GatewayConfig { log: Connection::new(&url), ..world.config(new.path()) }, None),
    ] {
        let gateway = Gateway::open(hanging).await.unwrap();
        if let Some(range) = statement {
            Submitter::submit(&gateway, statements(range)).await.unwrap();
        }
        let reason = in_time(gateway.out_of_reach(Duration::from_millis(1_500), |_| ())).await;
        // Not what the end of the far longer wait for one answer is called.
        assert_eq!(reason, "it does not answer");
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_signer_for_a_gateway_the_log_refuses() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let stranger = GatewayConfig { gateway_key: key("stranger.example", 9), ..world.config(dir.path()) };
    let gateway = Gateway::open(stranger).await.unwrap();
    let refused = in_time(gateway.signer()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_signer_once_the_stream_is_closed() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let gateway = world.gateway(dir.path()).await;
    in_time(gateway.signer()).await.unwrap();
    in_time(gateway.close()).await.unwrap();
    assert_eq!(in_time(gateway.signer()).await.unwrap_err().kind, ErrorKind::Unavailable);
}
