//! Goal: a key has one share, however many connections it is used from. Method: two keys, one of them greedy from many connections,
//! against small bounds.

use futures::channel::mpsc::{UnboundedSender, unbounded};
use reqwest::StatusCode;
use serde_json::json;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;
use vouchlog_access::{Access, AccessFile, Setup};
use vouchlog_note::SigningKey;
use vouchlog_proto::v1;

use super::fake::{self, Fake, Gateway, Trouble};
use super::{Running, Served, Server, ServerConfig, client};

/// A call that stays open until it is dropped: its requests then end.
type Call = (UnboundedSender<v1::AppendRequest>, Streaming<v1::AppendResponse>);

/// A call on a connection of its own, after its first request was answered.
async fn begin(served: &Served, request: v1::AppendRequest) -> Result<(v1::AppendResponse, Call), Status> {
    let (sender, requests) = unbounded();
    sender.unbounded_send(request).unwrap();
    let mut answers = served.gateway().await.append_stream(requests).await?.into_inner();
    let answer = answers.message().await?.expect("an answer");
    Ok((answer, (sender, answers)))
}

/// The same of a gateway, on a stream of its own.
async fn call(served: &Served, key: &SigningKey) -> Result<Call, Status> {
    let note = fake::opening(key, &fake::stream_key());
    let opened = served.gateway().await.open_stream(v1::OpenStreamRequest { note }).await?.into_inner();
    let request = v1::AppendRequest::from(&Gateway::new(opened.stream).request(3));
    Ok(begin(served, request).await?.1)
}

#[tokio::test]
async fn a_gateway_with_many_connections_leaves_calls_to_another() {
    let served = Served::with(ServerConfig { max_streams: 12, ..ServerConfig::default() }).await;
    let (greedy, other) = (fake::gateway_key(), fake::other_gateway_key());
    let mut held = Vec::new();
    for number in 0..12 {
        match call(&served, &greedy).await {
            Ok(answers) => held.push(answers),
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{number}: {status}");
                assert!(status.get_details_retry_info().is_some());
            }
        }
    }
    assert_eq!(held.len(), 6, "half");
    let others = [call(&served, &other).await.unwrap(), call(&served, &other).await.unwrap()];
    drop((held, others));
    // What was held is free again.
    while call(&served, &greedy).await.is_err() {
        tokio::task::yield_now().await;
    }
    served.stop().await;
}

/// A request that anybody can send again is not charged to the gateway that signed it.
#[tokio::test]
async fn a_replay_is_charged_to_nobody() {
    let served = Served::with(ServerConfig { max_streams: 8, ..ServerConfig::default() }).await;
    let mut gateway = served.gateway().await;
    let note = fake::opening(&fake::gateway_key(), &fake::stream_key());
    let opened = gateway.open_stream(v1::OpenStreamRequest { note }).await.unwrap().into_inner();
    let request = v1::AppendRequest::from(&Gateway::new(opened.stream).request(3));
    gateway.append(request.clone()).await.unwrap();
    let mut replays = Vec::new();
    for _ in 0..6 {
        let (answer, replay) = begin(&served, request.clone()).await.unwrap();
        assert!(answer.repeated);
        replays.push(replay);
    }
    assert!(call(&served, &fake::gateway_key()).await.is_ok());
    drop(replays);
    served.stop().await;
}

#[tokio::test]
async fn a_principal_with_many_connections_leaves_places_to_another() {
    let principal = |name: &str| {
        let sha256 = vouchlog_merkle::sha256(format!("{name}-token-0001").as_bytes()).to_string();
        json!({ "name": name, "tokens": [{ "sha256": sha256 }], "roles": ["submit"] })
    };
    let file = json!({ "principals": [principal("greedy"), principal("other")] });
    let file = AccessFile::parse(file.to_string().as_bytes()).unwrap();
    let setup = Setup { file: Some(file), ..Setup::default() };
    let access = Access::new(&setup, || jiff::Timestamp::UNIX_EPOCH).unwrap();
    let log = Fake::new();
    let config = ServerConfig { max_house_requests: 8, ..ServerConfig::default() };
    let served = Running::start(Server::new(log.clone(), config).access(access)).await;
    let add = |name: &str| {
        client().post(served.url("/add")).bearer_auth(format!("{name}-token-0001")).body("salted").send()
    };
    log.trouble(vec![Trouble::Hang; 4]);
    let hanging: Vec<_> = (0..4).map(|_| tokio::spawn(add("greedy"))).collect();
    while log.attempts() < 4 {
        tokio::task::yield_now().await;
    }
    let refused = add("greedy").await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let why = refused.text().await.unwrap();
    assert!(why.contains("this key"), "{why}");
    assert_eq!(add("other").await.unwrap().status(), StatusCode::OK);
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
    served.stop().await;
}
