//! The gRPC services through the generated clients.

use std::time::Duration;

use futures::{StreamExt, stream};
use prost::Message as _;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_types::StatusExt;
use vouchlog_api::{AckLevel, Appended, ErrorKind, HouseAppend, HouseAppended, StreamInfo};
use vouchlog_merkle::{ConsistencyProof, Hash, InclusionProof, LeafIndex, leaf_hash};
use vouchlog_note::{ProofFile, SignedCheckpoint};
use vouchlog_proto::{EntryName, v1};
use vouchlog_stream::limits::RECENT_RUNS;

use super::fake::{self, Gateway, Trouble, log_vkey, origin};
use super::{Served, ServerConfig};

async fn open(served: &Served) -> Gateway {
    let note = fake::opening(&fake::gateway_key(), &fake::stream_key());
    let opened = served.gateway().await.open_stream(v1::OpenStreamRequest { note }).await.unwrap();
    Gateway::new(opened.into_inner().stream)
}

fn head(note: &str) -> vouchlog_merkle::TreeHead {
    SignedCheckpoint::open(note.as_bytes(), &origin(), &log_vkey()).unwrap().head()
}

#[tokio::test]
async fn an_append_is_answered_with_a_receipt_that_verifies_and_again_with_the_same() {
    let served = Served::start().await;
    let mut sender = open(&served).await;
    let mut gateway = served.gateway().await;
    let request = sender.request(256);
    let first: Appended =
        gateway.append(v1::AppendRequest::from(&request)).await.unwrap().into_inner().try_into().unwrap();
    let receipt = first.receipt.clone().unwrap();
    receipt.verify(&request.statements, &origin(), &log_vkey()).unwrap();
    assert_eq!((first.stream_size, first.repeated, receipt.first), (256, false, LeafIndex::new(4)));
    let again: Appended =
        gateway.append(v1::AppendRequest::from(&request)).await.unwrap().into_inner().try_into().unwrap();
    assert!(again.repeated);
    assert!(first.witnessed && again.witnessed, "it was asked for");
    assert_eq!(again.receipt.unwrap().first, receipt.first);

    let stale = v1::AppendRequest { old_size: 7, ..v1::AppendRequest::from(&request) };
    assert_eq!(gateway.append(stale).await.unwrap_err().code(), Code::InvalidArgument);
    let mut ahead = Gateway::new(sender.stream.get());
    ahead.request(3);
    let refused = gateway.append(v1::AppendRequest::from(&ahead.request(4))).await.unwrap_err();
    assert_eq!(refused.code(), Code::Aborted);
    assert_eq!(refused.get_details_error_info().unwrap().metadata["size"], "256");

    let info = gateway.get_stream(v1::GetStreamRequest { stream: sender.stream.get() }).await.unwrap();
    let info = StreamInfo::try_from(info.into_inner()).unwrap();
    assert_eq!((info.size, info.runs.len(), info.head), (256, 1, Some(request.head)));
}

#[tokio::test]
async fn the_house_stream_takes_statements() {
    let served = Served::start().await;
    let mut gateway = served.gateway().await;
    let statements = (0..300).map(fake::statement).collect();
    let mut append = HouseAppend { statements, wait_for: AckLevel::Witnessed };
    let answer = gateway.append_house(v1::AppendHouseRequest::from(&append)).await.unwrap().into_inner();
    let HouseAppended { receipt, witnessed } = answer.try_into().unwrap();
    receipt.verify(&append.statements, &origin(), &log_vkey()).unwrap();
    assert!(witnessed, "it was asked for");
    append.wait_for = AckLevel::Sequenced;
    let answer = gateway.append_house(v1::AppendHouseRequest::from(&append)).await.unwrap().into_inner();
    assert!(!answer.witnessed, "nobody asked");
    let nothing = gateway.append_house(v1::AppendHouseRequest::default()).await.unwrap_err();
    assert_eq!((nothing.code(), nothing.message()), (Code::InvalidArgument, "`statements` is missing"));
}

/// Sends requests on one call and returns the answers until the call ends, and how it ends.
async fn append_all(served: &Served, requests: Vec<v1::AppendRequest>) -> (Vec<Appended>, Code) {
    let mut gateway = served.gateway().await;
    let answers = gateway.append_stream(stream::iter(requests)).await.unwrap();
    let mut answers = answers.into_inner();
    let mut taken = Vec::new();
    loop {
        match answers.message().await {
            Ok(Some(answer)) => taken.push(Appended::try_from(answer).unwrap()),
            Ok(None) => return (taken, Code::Ok),
            Err(status) => return (taken, status.code()),
        }
    }
}

#[tokio::test]
async fn a_stream_of_appends_is_answered_in_order() {
    let served = Served::start().await;
    let mut sender = open(&served).await;
    let requests: Vec<_> = (0..50).map(|number| sender.request(1 + number % 7)).collect();
    let (answers, end) = append_all(&served, requests.iter().map(Into::into).collect()).await;
    assert_eq!((answers.len(), end), (50, Code::Ok));
    let mut size = 0;
    for (request, answer) in requests.iter().zip(answers) {
        size += request.statements.len() as u64;
        assert_eq!((answer.stream_size, answer.repeated), (size, false));
        answer.receipt.unwrap().verify(&request.statements, &origin(), &log_vkey()).unwrap();
    }
}

/// The log pushes back on some of the requests under way. What stands behind one of them finds a gap, and must be sent again
/// rather than fail; nothing is taken twice.
#[tokio::test]
async fn pushback_inside_a_stream_is_waited_out() {
    let served = Served::start().await;
    let mut sender = open(&served).await;
    let busy = || Trouble::Refuse(ErrorKind::Overloaded { retry_after: Duration::from_millis(1) });
    for pattern in
        [vec![1], vec![1, 2, 1], vec![0, 1, 0, 1, 0, 0, 1], vec![1; 40], vec![0, 0, 0, 0, 0, 0, 0, 1]]
    {
        let before = served.log.size();
        let requests: Vec<_> = (0..20).map(|_| sender.request(3)).collect();
        served.log.trouble(pattern.iter().map(|hit| if *hit == 0 { Trouble::Fine } else { busy() }));
        let (answers, end) = append_all(&served, requests.iter().map(Into::into).collect()).await;
        assert_eq!((answers.len(), end), (20, Code::Ok), "{pattern:?}");
        assert_eq!(served.log.size() - before, 60, "{pattern:?}");
        for (request, answer) in requests.iter().zip(answers) {
            answer.receipt.unwrap().verify(&request.statements, &origin(), &log_vkey()).unwrap();
        }
    }
}

#[tokio::test]
async fn the_first_error_ends_a_stream_after_the_answers_that_are_due() {
    let served = Served::start().await;
    let mut sender = open(&served).await;
    let mut requests: Vec<v1::AppendRequest> = (0..6).map(|_| (&sender.request(2)).into()).collect();
    requests[4].old_size = 1;
    let (answers, end) = append_all(&served, requests.clone()).await;
    assert_eq!((answers.len(), end), (4, Code::InvalidArgument));

    requests.truncate(2);
    requests.push(v1::AppendRequest { statements: vec![v1::Statement::default()], ..Default::default() });
    let (answers, end) = append_all(&served, requests.clone()).await;
    assert_eq!((answers.len(), end), (2, Code::InvalidArgument));
    assert!(answers.iter().all(|answer| answer.repeated));

    served.log.trouble([Trouble::Fine, Trouble::Panic]);
    let (answers, end) = append_all(&served, requests).await;
    assert_eq!((answers.len(), end), (1, Code::Internal));
}

/// Eight requests are taken while none is answered; the ninth waits. The client is not failed for sending more.
#[tokio::test]
async fn a_stream_has_eight_requests_under_way() {
    let served = Served::start().await;
    let mut sender = open(&served).await;
    let size = served.log.size();
    served.log.trouble([Trouble::Hang]);
    let requests: Vec<v1::AppendRequest> = (0..20).map(|_| (&sender.request(1)).into()).collect();
    let mut gateway = served.gateway().await;
    let endless = stream::iter(requests).chain(stream::pending());
    let mut answers = gateway.append_stream(endless).await.unwrap().into_inner();
    let all_under_way = 1 + RECENT_RUNS as u64;
    while served.log.attempts() < all_under_way {
        tokio::task::yield_now().await;
    }
    let answer = tokio::time::timeout(Duration::from_millis(50), answers.message()).await;
    assert!(answer.is_err(), "the first hangs, so nothing is answered");
    assert_eq!(served.log.size(), size, "what stands behind it conflicts, and is not answered before it");
    assert_eq!(served.log.attempts(), all_under_way, "opening, and eight requests");
}

/// Requests that were read and not answered once took memory without bound: eight of the longest on each of 8,192 streams.
#[tokio::test]
async fn requests_of_streams_take_from_one_budget() {
    let served = Served::with(ServerConfig { queued_bytes: 24 * 1024, ..ServerConfig::default() }).await;
    let mut sender = open(&served).await;
    // A little more than 10 kB each: one fits a connection's share of 16 KiB, and two the budget.
    let requests: Vec<_> = (0..12).map(|_| sender.request(100)).collect();
    let (answers, end) = append_all(&served, requests.iter().map(Into::into).collect()).await;
    assert_eq!((answers.len(), end), (12, Code::Ok), "it takes longer, and nothing fails");
    let before = served.log.attempts();
    let mut held = Vec::new();
    for number in 1..3 {
        served.log.trouble([Trouble::Hang]);
        let requests: Vec<v1::AppendRequest> = (0..4).map(|_| (&sender.request(100)).into()).collect();
        let endless = stream::iter(requests).chain(stream::pending());
        held.push(served.gateway().await.append_stream(endless).await.unwrap());
        while served.log.attempts() < before + number {
            tokio::task::yield_now().await;
        }
    }
    let more = stream::iter([v1::AppendRequest::from(&sender.request(100))]);
    let mut refused = served.gateway().await.append_stream(more).await.unwrap().into_inner();
    let refused = refused.message().await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.get_details_retry_info().is_some());
    assert_eq!(served.log.attempts(), before + 2, "one on each");
    drop(held);
    // What it builds on was never taken, so it is refused; but no more for lack of room.
    let heartbeat = v1::AppendRequest::from(&sender.request(0));
    let mut end = Code::ResourceExhausted;
    while end == Code::ResourceExhausted {
        end = append_all(&served, vec![heartbeat.clone()]).await.1;
    }
    assert_eq!(end, Code::Aborted);
}

#[tokio::test]
async fn crowds_and_giants_are_refused() {
    let served = Served::start().await;
    let mut gateway = served.gateway().await;
    let tiny = v1::Statement::default();
    let crowd = v1::AppendRequest { statements: vec![tiny; 16_385], ..Default::default() };
    let refused = gateway.append(crowd).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(refused.message(), "`statements` has 16385 items, more than 16384");
    let giant = v1::AppendRequest { head: "x".repeat(3 << 20), ..Default::default() };
    let refused = gateway.append(giant).await.unwrap_err();
    assert!(matches!(refused.code(), Code::OutOfRange | Code::ResourceExhausted), "{refused}");
    let stray = gateway.get_stream(v1::GetStreamRequest { stream: u64::MAX }).await.unwrap_err();
    assert_eq!(stray.code(), Code::NotFound);
}

#[tokio::test]
async fn proofs_verify() {
    let served = Served::start().await;
    served.log.fill(400).await;
    let mut reader = served.reader().await;
    let newest = reader.get_checkpoint(v1::GetCheckpointRequest {}).await.unwrap().into_inner().note;
    let newest = head(&newest);
    let entry = served.log.entry(77);
    let name = EntryName::Index(LeafIndex::new(77));
    let proof = reader
        .get_inclusion_proof(v1::GetInclusionProofRequest { entry: Some(name.into()), size: 0 })
        .await
        .unwrap()
        .into_inner();
    let path = InclusionProof::try_from(&proof).unwrap();
    assert_eq!((proof.index, proof.size, head(&proof.checkpoint)), (77, 403, newest));
    path.verify(LeafIndex::new(77), newest.size, &leaf_hash(&entry), &newest.root).unwrap();
    assert_eq!(Hash::try_from(proof.leaf_hash.as_ref()), Ok(leaf_hash(&entry)));

    let small = reader
        .get_inclusion_proof(v1::GetInclusionProofRequest { entry: Some(name.into()), size: 200 })
        .await
        .unwrap()
        .into_inner();
    let root = InclusionProof::try_from(&small)
        .unwrap()
        .root_from(LeafIndex::new(77), vouchlog_merkle::TreeSize::new(200), &leaf_hash(&entry))
        .unwrap();
    let step = reader
        .get_consistency_proof(v1::GetConsistencyProofRequest { old_size: 200, new_size: 0 })
        .await
        .unwrap()
        .into_inner();
    let old = vouchlog_merkle::TreeHead { size: vouchlog_merkle::TreeSize::new(200), root };
    ConsistencyProof::try_from(&step).unwrap().verify(&old, &newest).unwrap();

    let receipt = reader.get_receipt(v1::GetReceiptRequest { entry: Some(name.into()) }).await.unwrap();
    let receipt = receipt.into_inner();
    let file = ProofFile::parse(receipt.proof_file.as_bytes()).unwrap();
    file.verify_inclusion(&leaf_hash(&receipt.entry), &newest).unwrap();
    assert_eq!((receipt.entry, file.index()), (entry, LeafIndex::new(77)));

    let entries =
        reader.get_entries(v1::GetEntriesRequest { start: 1, end: 9_999 }).await.unwrap().into_inner();
    assert_eq!(entries.entries.len(), 402);
    assert_eq!(entries.entries[76], served.log.entry(77));
}

#[tokio::test]
async fn impossible_reads_are_refused() {
    let served = Served::start().await;
    let mut reader = served.reader().await;
    let max = u64::MAX;
    let name = |index| Some(EntryName::Index(LeafIndex::new(index)).into());
    for (entry, size, code) in [
        (None, 0, Code::InvalidArgument),
        (Some(v1::EntryRef { by: None }), 0, Code::InvalidArgument),
        (name(max), 0, Code::NotFound),
        (name(max), max, Code::NotFound),
        (name(0), max, Code::InvalidArgument),
        (name(0), 4, Code::NotFound),
        (name(2), 2, Code::InvalidArgument),
    ] {
        let refused =
            reader.get_inclusion_proof(v1::GetInclusionProofRequest { entry, size }).await.unwrap_err();
        assert_eq!(refused.code(), code, "{size}: {refused}");
    }
    for (old_size, new_size, code) in
        [(max, 0, Code::NotFound), (1, max, Code::InvalidArgument), (3, 2, Code::InvalidArgument)]
    {
        let request = v1::GetConsistencyProofRequest { old_size, new_size };
        assert_eq!(reader.get_consistency_proof(request).await.unwrap_err().code(), code);
    }
    for (start, end, code) in
        [(max, max, Code::InvalidArgument), (max - 1, max, Code::NotFound), (3, 4, Code::NotFound)]
    {
        let refused = reader.get_entries(v1::GetEntriesRequest { start, end }).await.unwrap_err();
        assert_eq!(refused.code(), code);
    }
}

#[tokio::test]
async fn a_watcher_sees_checkpoints_as_they_come_and_the_end() {
    let served = Served::start().await;
    let mut reader = served.reader().await;
    let mut watch =
        reader.watch_checkpoints(v1::WatchCheckpointsRequest { after_size: 0 }).await.unwrap().into_inner();
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(head(&watch.message().await.unwrap().unwrap().note).size.get());
        served.log.fill(1).await;
    }
    assert_eq!(seen, [3, 4, 5]);
    // The last entry, and then the same head again with another witness's line.
    let plain = watch.message().await.unwrap().unwrap().note;
    served.log.cosign();
    let cosigned = watch.message().await.unwrap().unwrap().note;
    assert_eq!((head(&plain), plain.lines().count() + 1), (head(&cosigned), cosigned.lines().count()));
    let mut patient = reader
        .watch_checkpoints(v1::WatchCheckpointsRequest { after_size: 1_000_000 })
        .await
        .unwrap()
        .into_inner();
    let (end, ()) = tokio::join!(patient.message(), served.stop());
    assert_eq!(end.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn health_follows_readiness() {
    let served = Served::start().await;
    let mut health = HealthClient::new(served.channel().await);
    for service in ["", "vouchlog.v1.Gateway", "vouchlog.v1.Log"] {
        let answer = health.check(HealthCheckRequest { service: service.to_owned() }).await.unwrap();
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving, "{service}");
    }
    let unknown = health.check(HealthCheckRequest { service: "other".to_owned() }).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    served.log.break_store("the disk is full");
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
}

/// What reflection answers.
async fn reflect(channel: Channel, question: MessageRequest) -> MessageResponse {
    let question = ServerReflectionRequest { message_request: Some(question), ..Default::default() };
    let mut client = ServerReflectionClient::new(channel);
    let answers = client.server_reflection_info(Request::new(stream::iter([question])));
    answers.await.unwrap().into_inner().next().await.unwrap().unwrap().message_response.unwrap()
}

/// The names that reflection lists, in the order of the alphabet.
pub(super) async fn reflected(channel: Channel) -> Vec<String> {
    let answer = reflect(channel, MessageRequest::ListServices(String::new())).await;
    let MessageResponse::ListServicesResponse(services) = answer else { panic!("{answer:?}") };
    let mut names: Vec<String> = services.service.into_iter().map(|service| service.name).collect();
    names.sort_unstable();
    names
}

/// The details of an error are readable for clients that learn every type from the server.
#[tokio::test]
async fn reflection_describes_what_errors_carry() {
    let served = Served::start().await;
    let channel = served.channel().await;
    let mut wanted: Vec<MessageRequest> = ["Status", "ErrorInfo", "RetryInfo", "RequestInfo", "BadRequest"]
        .map(|name| MessageRequest::FileContainingSymbol(format!("google.rpc.{name}")))
        .into();
    let mut files = std::collections::BTreeSet::new();
    while let Some(question) = wanted.pop() {
        let answer = reflect(channel.clone(), question.clone()).await;
        let MessageResponse::FileDescriptorResponse(described) = answer else {
            panic!("{question:?}: {answer:?}")
        };
        for file in described.file_descriptor_proto {
            let file = prost_types::FileDescriptorProto::decode(&*file).unwrap();
            // What a file refers to is there as well.
            if files.insert(file.name().to_owned()) {
                wanted.extend(file.dependency.into_iter().map(MessageRequest::FileByFilename));
            }
        }
    }
    assert!(
        files.contains("google/protobuf/any.proto") && files.contains("google/protobuf/duration.proto"),
        "{files:?}"
    );
}

#[tokio::test]
async fn reflection_lists_the_services() {
    let served = Served::start().await;
    let names = reflected(served.channel().await).await;
    let ours = ["grpc.health.v1.Health", "vouchlog.v1.Gateway", "vouchlog.v1.Log"];
    assert!(ours.iter().all(|name| names.iter().any(|there| there == name)), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("Witness")), "{names:?}");
}
