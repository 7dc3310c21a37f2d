//! Goal: whatever is sent, it is answered with what its sender can act on, and costs no more memory than is set aside. Method: bodies
//! that are broken in each way that is known, then any bytes at all.

use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use tonic::codegen::Service;

use super::*;
use crate::limits::MAX_BODY_BYTES;
use crate::receiver::answer::Kind;
use crate::receiver::body::{gunzip, read};
use crate::testsupport::testdata;

/// A frame of gRPC.
fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

/// What a call with these bytes is answered, by its code.
async fn raw_call(served: &Served, headers: Headers<'_>, body: Vec<u8>) -> Code {
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let mut request = client.post(format!("{}{}", served.base, Export::Traces.method())).body(body);
    for (name, value) in headers.iter().chain(&[("content-type", "application/grpc")]) {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["grpc-accept-encoding"], "identity,gzip");
    Status::from_header_map(answer.headers()).map_or(Code::Ok, |status| status.code())
}

#[tokio::test]
async fn broken_bodies_are_refused_for_good() {
    let served = Served::start().await;
    let good = std::fs::read(testdata().join("otlp/session-synthetic/001.traces.pb")).unwrap();
    let bomb = gzip(&vec![0; MAX_BODY_BYTES + 1]);
    assert!(bomb.len() < MAX_BODY_BYTES / 50);
    let cut = gzip(&good)[..100].to_vec();
    let http: [(Headers<'_>, &[u8], u16); 11] = [
        (&[PB], b"garbage", 400),
        (&[JS], b"garbage", 400),
        (&[JS], b"[]", 400),
        (&[PB, GZ], &cut, 400),
        (&[PB, GZ], &good, 400),
        (&[PB, GZ], &bomb, 413),
        (&[PB], &vec![0; MAX_BODY_BYTES + 1], 413),
        (&[PB], &[0x0a, 0].repeat(400_000), 413),
        (&[("content-type", "text/plain")], &good, 415),
        (&[], &good, 415),
        (&[PB, ("content-encoding", "br")], &good, 415),
    ];
    for (headers, body, expected) in http {
        let answer = served.post("/v1/traces", headers, body.to_vec()).await;
        assert_eq!(answer.status.as_u16(), expected, "{headers:?} {}", body.len());
        let said = if headers.first() == Some(&PB) {
            answer.status().message
        } else {
            answer.json()["message"].to_string()
        };
        assert!(!said.is_empty() && answer.retry_after.is_none());
    }
    let gzip_header: Headers<'_> = &[("grpc-encoding", "gzip")];
    let grpc: [(Headers<'_>, Vec<u8>, Code); 10] = [
        (&[], framed(0, b"garbage"), Code::InvalidArgument),
        (&[], Vec::new(), Code::InvalidArgument),
        (&[], framed(0, &good)[..50].to_vec(), Code::InvalidArgument),
        // SPEC: gRPC's compression.md, "Test cases": compressed, and no encoding named but identity.
        (&[], framed(1, &gzip(&good)), Code::Internal),
        (&[("grpc-encoding", "identity")], framed(1, &gzip(&good)), Code::Internal),
        (&[], framed(7, &good), Code::InvalidArgument),
        (gzip_header, framed(1, &cut), Code::InvalidArgument),
        (gzip_header, framed(1, &bomb), Code::InvalidArgument),
        (&[("grpc-encoding", "zstd")], framed(1, &good), Code::Unimplemented),
        (gzip_header, [framed(0, &good), framed(0, &good)].concat(), Code::InvalidArgument),
    ];
    for (place, (headers, body, expected)) in grpc.into_iter().enumerate() {
        assert_eq!(raw_call(&served, headers, body).await, expected, "{place}");
    }
    assert_eq!(served.sink.given(), []);
}

#[tokio::test]
async fn bodies_share_one_budget_and_give_it_back() {
    let room = Room::new(1 << 20, Duration::ZERO);
    let headers = ::http::HeaderMap::new();
    let body = |bytes: usize| axum::body::Body::from(vec![1; bytes]);
    let (first, share) = read(&room, &headers, body(700_000), 1 << 20).await.unwrap();
    assert_eq!(first.len(), 700_000);
    let refused = read(&room, &headers, body(400_000), 1 << 20).await.err().unwrap();
    assert_eq!(refused.kind, Kind::Busy);
    // A bomb that states less than it is gets as far as there is room.
    let bomb = gzip(&vec![0; 64 << 20]);
    let lying: Bytes = [&bomb[..bomb.len() - 4], &[0; 4]].concat().into();
    assert_eq!(gunzip(room.share(), lying.clone(), MAX_BODY_BYTES).await.err().unwrap().kind, Kind::Busy);
    drop(share);
    let alone = gunzip(room.share(), lying, 1 << 20).await.err().unwrap();
    assert_eq!(alone.kind, Kind::TooLarge);
    room.share().cover(1 << 20).await.unwrap();
}

/// Four bombs at once once took 82 MiB.
#[tokio::test]
async fn a_stated_length_that_cannot_be_takes_no_room() {
    let room = Room::new(1 << 20, Duration::ZERO);
    let others = room.use_up().await;
    let bomb = gzip(&vec![0; 64 << 20]);
    let kind = async |zipped: &[u8]| {
        let zipped = Bytes::copy_from_slice(zipped);
        gunzip(room.share(), zipped, MAX_BODY_BYTES).await.err().unwrap().kind
    };
    assert_eq!(kind(&bomb).await, Kind::TooLarge);
    let little = gzip(&vec![0; 1_000]);
    assert_eq!(kind(&[&little[..little.len() - 4], &[255; 4]].concat()).await, Kind::Invalid);
    drop(others);
    let (body, _) = gunzip(room.share(), little.into(), MAX_BODY_BYTES).await.unwrap();
    assert_eq!(body.len(), 1_000);
}

/// Each is longer than its share, and one at a time may be.
#[tokio::test]
async fn large_bodies_take_turns() {
    let room = Room::new(64 * 1024, Duration::from_secs(3_600));
    let longest = 1 << 20;
    let headers = ::http::HeaderMap::new();
    let one = || async {
        let body = axum::body::Body::from(gzip(&vec![7; 500_000]));
        let (zipped, share) = read(&room, &headers, body, longest).await.unwrap();
        let (body, share) = gunzip(share, zipped, longest).await.unwrap();
        tokio::task::yield_now().await;
        drop(share);
        body.len()
    };
    let lengths = tokio::join!(one(), one(), one(), one());
    assert_eq!(lengths, (500_000, 500_000, 500_000, 500_000));
    room.share().cover(64 * 1024).await.unwrap();
}

/// 800,000 members without content once held a thread for three seconds. Over HTTP, at the other doors, and over gRPC.
#[tokio::test]
async fn empty_members_without_end_are_refused() {
    let served = Served::start().await;
    let members = gzip(b"").repeat(800_000);
    assert!(members.len() < MAX_BODY_BYTES);
    for (path, content_type) in [("/v1/traces", PB), ("/v1/records", JS), ("/v1/litellm", JS)] {
        let answer = served.post(path, &[content_type, GZ], members.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(String::from_utf8_lossy(&answer.body).contains("more than 1024 members"), "{path}");
    }
    let framed = framed(1, &members);
    assert_eq!(raw_call(&served, &[("grpc-encoding", "gzip")], framed).await, Code::InvalidArgument);
    let text = br#"{"resourceSpans":[]}"#;
    let few = [gzip(b""), gzip(text), gzip(b"")].concat();
    assert_eq!(served.post("/v1/traces", &[JS, GZ], few).await.status, StatusCode::OK);
}

/// On one thread: while blocks that produce nothing are unzipped, other work goes on.
#[tokio::test]
async fn unzipping_leaves_the_thread_to_others() {
    let room = Room::new(1 << 20, Duration::ZERO);
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let blocks = [0, 0, 0, 0xff, 0xff].repeat(200_000);
    let zipped = [&head[..], &blocks, &[1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    let unzipping = async { gunzip(room.share(), zipped.into(), 1 << 20).await.map(|(body, _)| body) };
    tokio::pin!(unzipping);
    let mut turns = 0;
    let unzipped = loop {
        tokio::select! {
            biased;
            unzipped = &mut unzipping => break unzipped,
            () = tokio::task::yield_now() => turns += 1,
        }
    };
    assert!(unzipped.unwrap().is_empty() && turns >= 10, "{turns}");
}

/// A body that says so much, and then nothing.
fn stalled(bytes: usize) -> axum::body::Body {
    let came = Full::new(Bytes::from(vec![1; bytes]));
    axum::body::Body::new(came.with_trailers(std::future::pending()))
}

/// Sixteen bodies that stopped just before their end once kept every other out for half a minute.
#[tokio::test]
async fn bodies_that_stop_leave_room_for_others() {
    let long = Duration::from_secs(3_600);
    let room = Room::new(256 * 1024, Duration::ZERO).with_idle(long);
    let headers = ::http::HeaderMap::new();
    let limit = 32 * 1024;
    let mut stopped = Vec::new();
    for _ in 0..64 {
        let (of_it, none) = (room.clone(), headers.clone());
        stopped.push(tokio::spawn(async move { read(&of_it, &none, stalled(limit - 1), limit).await }));
        tokio::task::yield_now().await;
        let good = read(&room, &headers, axum::body::Body::from(vec![1; 8 * 1024]), limit).await;
        assert_eq!(good.unwrap().0.len(), 8 * 1024, "beside {} that stopped", stopped.len());
    }
    assert!(stopped.iter().any(|body| !body.is_finished()), "some are still waited for");
    for body in stopped {
        body.abort();
    }
}

#[tokio::test]
async fn bodies_that_stop_are_given_up() {
    let room = Room::new(1 << 20, Duration::ZERO).with_idle(Duration::from_millis(50));
    let refused = read(&room, &::http::HeaderMap::new(), stalled(1_000), 1 << 20).await.err().unwrap();
    assert_eq!(refused.kind, Kind::Unavailable);
    room.share().cover(1 << 20).await.unwrap();
}

#[tokio::test]
async fn who_finds_no_room_is_told_to_come_back() {
    let served = Served::with(ReceiverConfig { patience: Duration::ZERO, ..Default::default() }).await;
    let body = r#"{"resourceSpans":[]}"#;
    for room in [&served.receiver.bodies, &served.receiver.decoding] {
        let others = room.use_up().await;
        let busy = served.post("/v1/traces", &[JS], body).await;
        assert_eq!((busy.status, busy.retry_after.as_deref()), (StatusCode::SERVICE_UNAVAILABLE, Some("1")));
        assert_eq!(busy.json()["code"], 8);
        assert_eq!(raw_call(&served, &[], framed(0, &[0x0a, 0])).await, Code::ResourceExhausted);
        let door = served.post("/v1/records", &[JS], "[{}]").await;
        assert_eq!((door.status, &door.json()["code"]), (busy.status, &"OVERLOADED".into()));
        drop(others);
        assert_eq!(served.post("/v1/traces", &[JS], body).await.status, StatusCode::OK);
    }
}

/// Any bytes, JSON of the right shape, and captured bodies with a byte changed, zipped or not.
fn bodies() -> impl Strategy<Value = (Vec<u8>, bool)> {
    let captured = [
        "otlp/session-synthetic/001.traces.pb",
        "otlp/session-synthetic-json/001.traces.json",
        "generic/litellm-mcp.json",
    ];
    let captured: Vec<Vec<u8>> =
        captured.iter().map(|file| std::fs::read(testdata().join(file)).unwrap()).collect();
    let changed = (prop::sample::select(captured), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(mut body, place, byte)| {
            let place = place.index(body.len());
            body[place] = byte;
            body
        },
    );
    let shaped = r#"(\{|\[|\{"(kind|id|reason|decision_id|resourceSpans|scopeSpans|spans)":|"intent"|,|\}|\]|5|null){1,12}"#;
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        shaped.prop_map(String::into_bytes),
        changed.clone(),
        changed.prop_map(|body| gzip(&body)),
    ];
    (body, any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Nothing that is sent is the receiver's fault.
    #[test]
    fn any_bytes_are_answered((body, zipped) in bodies()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let sink = StandIn::new();
        let id = vouchlog_record::RecordId::new("x").unwrap();
        sink.shows(IntentReceipt { id, digest: None, index: None, proof: None, lost: false });
        let Routes { http, grpc } = routes(sink, ReceiverConfig::default(), &mut Registry::default());
        let doors = ["/v1/traces", "/v1/logs", "/v1/metrics", "/v1/records", "/v1/litellm", "/logs", "/v1/intents", "/v1/sessions/s/seal"];
        let methods = Export::ALL.map(Export::method);
        for path in doors.into_iter().chain(methods) {
            for content_type in [PB.1, JS.1, "application/grpc"] {
                let mut request = ::http::Request::post(path).header("content-type", content_type);
                if zipped {
                    request = request.header("content-encoding", "gzip").header("grpc-encoding", "gzip");
                }
                let request = request.body(axum::body::Body::from(body.clone())).unwrap();
                let mut router = if path.starts_with("/open") { grpc.clone() } else { http.clone() };
                let answer = runtime.block_on(router.call(request)).unwrap();
                let status = answer.status();
                prop_assert!(!status.is_server_error(), "{path} {content_type}: {status}");
            }
        }
    }
}
