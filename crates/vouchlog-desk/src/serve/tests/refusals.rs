//! What is refused before it is asked: callers that are not recognised, messages that are none, and what is no call.

use prost::Message;
use reqwest::StatusCode;
use serde_json::json;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use vouchlog_proto::vault::SERVICE;
use vouchlog_proto::vault::v1::vault_client::VaultClient;
use vouchlog_proto::vault::v1::{self, FILE_DESCRIPTOR_SET};

use super::world::{World, call};
use crate::limits::MAX_REQUEST_BYTES;
use crate::reading::FindRecords;

/// A message in its frame.
fn framed(message: &[u8]) -> Vec<u8> {
    [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

/// A call as bytes; its HTTP status and how it ended.
async fn sent(
    world: &World,
    token: Option<&str>,
    method: &str,
    head: (&str, &str),
    body: Vec<u8>,
) -> (StatusCode, Option<Status>) {
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let mut request = client.post(world.url(&format!("/{SERVICE}/{method}"))).header("te", "trailers");
    if head.0 != "content-type" {
        request = request.header("content-type", "application/grpc");
    }
    request = request.header(head.0, head.1).body(body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.unwrap();
    (answer.status(), Status::from_header_map(answer.headers()))
}

const PLAIN: (&str, &str) = ("content-type", "application/grpc");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_method_answers_a_caller_that_is_not_recognised() {
    let world = World::start().await;
    let set = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let forged = format!("vouchlog-vault-{}", "A".repeat(43));
    let mut methods = 0;
    for method in set.file.iter().flat_map(|file| &file.service).flat_map(|service| &service.method) {
        methods += 1;
        // Nothing of the message is read: it may be none.
        for (token, body) in
            [(None, framed(&[])), (Some(forged.as_str()), framed(&[])), (Some("x"), framed(&[0xff; 9]))]
        {
            let (status, ended) = sent(&world, token, method.name(), PLAIN, body).await;
            let ended = ended.unwrap();
            assert_eq!((status, ended.code()), (StatusCode::OK, Code::Unauthenticated), "{}", method.name());
            assert!(!ended.message().contains(&forged), "{ended:?}");
        }
    }
    assert_eq!(methods, 37);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_are_no_request_are_refused() {
    let world = World::start().await;
    let token = world.tokens["reader"].as_str();
    let long = v1::FindRecordsRequest { after: Some("x".repeat(MAX_REQUEST_BYTES)), ..Default::default() };
    let ended = call::<FindRecords>(world.channel().await, Some(token), long).await.unwrap_err();
    assert_eq!(ended.code(), Code::OutOfRange, "{ended:?}");
    let many = v1::FindRecordsRequest { kinds: vec![String::new(); 5_000], ..Default::default() };
    for (what, message) in [
        ("a field of a later version", vec![0xf8, 0x06, 0x01]),
        ("more fields than any request has", many.encode_to_vec()),
        ("half a field", vec![0x0a, 0x05, 0x00]),
        ("text that is none", vec![0x0a, 0x01, 0xff]),
        ("a number in the place of text", vec![0x08, 0x01]),
    ] {
        let (_, ended) = sent(&world, Some(token), "FindRecords", PLAIN, framed(&message)).await;
        let ended = ended.unwrap();
        assert_eq!(ended.code(), Code::InvalidArgument, "{what}: {ended:?}");
        assert_eq!(ended.get_details_error_info().unwrap().reason, "INVALID_ARGUMENT", "{what}");
        assert!(ended.get_details_request_info().is_some(), "{what}");
    }
    let requests = [
        ("DecideFindings", v1::DecideFindingsRequest { state: 77, ..Default::default() }.encode_to_vec()),
        ("DecideFindings", v1::DecideFindingsRequest::default().encode_to_vec()),
        ("SetRetention", v1::SetRetentionRequest { class: "fin".to_owned(), seconds: None }.encode_to_vec()),
        ("Erase", v1::EraseRequest { basis: "none".to_owned(), ..Default::default() }.encode_to_vec()),
        (
            "Erase",
            v1::EraseRequest {
                target: Some(v1::Target { target: None }),
                basis: "none".to_owned(),
                ..Default::default()
            }
            .encode_to_vec(),
        ),
        ("ShowRecord", v1::ShowRecordRequest::default().encode_to_vec()),
    ];
    for (method, message) in requests {
        let (_, ended) =
            sent(&world, Some(world.tokens["everyone"].as_str()), method, PLAIN, framed(&message)).await;
        assert_eq!(ended.unwrap().code(), Code::InvalidArgument, "{method}");
    }
    let answered = world.by_rpc::<FindRecords>("reader", &json!({})).await;
    assert!(answered.is_ok(), "{answered:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_call_is_refused() {
    let world = World::start().await;
    let token = Some(world.tokens["reader"].as_str());
    let (status, _) =
        sent(&world, token, "FindRecords", ("content-type", "application/json"), b"{}".to_vec()).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let (_, ended) = sent(&world, token, "FindRecord", PLAIN, framed(&[])).await;
    assert_eq!(ended.unwrap().code(), Code::Unimplemented);
    let (_, ended) =
        sent(&world, token, "FindRecords", ("origin", "https://evil.example"), framed(&[])).await;
    assert_eq!(ended.unwrap().code(), Code::PermissionDenied);
    world.stop().await;
}

/// The generated client, and what a client that knows nothing of the service asks first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_is_described_and_its_client_is_answered() {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_check_response::ServingStatus;
    use tonic_health::pb::health_client::HealthClient;
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

    let world = World::start().await;
    let channel = world.channel().await;
    let mut health = HealthClient::new(channel.clone());
    let checked =
        health.check(HealthCheckRequest { service: SERVICE.to_owned() }).await.unwrap().into_inner();
    assert_eq!(checked.status(), ServingStatus::Serving);
    let mut reflection = ServerReflectionClient::new(channel.clone());
    for (asked, expected) in [
        (MessageRequest::ListServices(String::new()), SERVICE),
        (MessageRequest::FileContainingSymbol(format!("{SERVICE}.Erase")), "PlanErasureRequest"),
    ] {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(asked) };
        let mut answers =
            reflection.server_reflection_info(futures::stream::iter([request])).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
        let text = match answer {
            MessageResponse::ListServicesResponse(list) => format!("{list:?}"),
            MessageResponse::FileDescriptorResponse(file) => {
                String::from_utf8_lossy(&file.file_descriptor_proto.concat()).into_owned()
            }
            other => panic!("{other:?}"),
        };
        assert!(text.contains(expected), "{text}");
    }
    let mut client = VaultClient::new(channel);
    let mut request =
        Request::new(v1::ShowRecordRequest { record: "r-default".to_owned(), ..Default::default() });
    let bearer = MetadataValue::try_from(format!("Bearer {}", world.tokens["reader"])).unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request.metadata_mut().insert("x-request-id", MetadataValue::from_static("asked-1"));
    let answered = client.show_record(request).await.unwrap();
    assert_eq!(answered.metadata().get("x-request-id").unwrap(), "asked-1");
    assert_eq!(answered.into_inner().row.unwrap().tenant, "default");
    world.stop().await;
}
