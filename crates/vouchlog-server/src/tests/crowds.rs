//! Goal: clients that send no bodies, half of them, or read nothing cost others nothing, however many there are. Method: HTTP/2 frames
//! that a test decides, against small bounds; beside them a good client that must not notice.

use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tonic::Code;
use tonic_types::StatusExt;
use vouchlog_proto::v1;

use super::fake::{self, Trouble};
use super::multiplexed::{Call, Multiplexed};
use super::{Served, ServerConfig, client};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3_600);

/// Nothing but what is under test ends anything.
fn patient() -> ServerConfig {
    ServerConfig {
        body_idle_timeout: LONG,
        request_timeout: LONG,
        answer_timeout: LONG,
        keepalive_interval: LONG,
        ..ServerConfig::default()
    }
}

/// A client with nothing to reproach it for.
async fn assert_served(served: &Served) {
    let get = async |path: &str| client().get(served.url(path)).send().await.unwrap().status();
    for path in ["/healthz", "/readyz", "/metrics", "/checkpoint", "/tile/0/000.p/3"] {
        assert_eq!(get(path).await, StatusCode::OK, "{path}");
    }
    let added = client().post(served.url("/add")).body("salted").send().await.unwrap();
    assert_eq!(added.status(), StatusCode::OK);
    let note = fake::opening(&fake::gateway_key(), &fake::stream_key());
    served.gateway().await.open_stream(v1::OpenStreamRequest { note }).await.unwrap();
}

/// A line of the metrics.
async fn counts(served: &Served, line: &str) -> bool {
    let metrics = client().get(served.url("/metrics")).send().await.unwrap().text().await.unwrap();
    metrics.lines().any(|there| there == line)
}

async fn until_counted(served: &Served, line: &str) {
    while !counts(served, line).await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Thirty-three connections of 128 such requests once held every place of a server.
#[tokio::test]
async fn heads_without_bodies_hold_no_place() {
    let config =
        ServerConfig { max_requests: 16, max_house_requests: 4, max_waiting_bodies: 128, ..patient() };
    let served = Served::with(config).await;
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut connection = Multiplexed::connect(&served).await;
        let mut calls = Vec::new();
        for path in ["/add", "/v1/gateways"] {
            for _ in 0..8 {
                calls.push(connection.begin(path, "text/plain").await);
            }
        }
        // The first few wait; those beyond the connection's share are told to come back.
        let refused = calls.pop().unwrap().end().await.unwrap();
        assert_eq!((refused.status, &refused.headers["retry-after"]), (503, &"1".parse().unwrap()));
        held.push((connection, calls));
        assert_served(&served).await;
    }
    // One that has waited so long may still send what it announced.
    let (connection, mut calls) = held.swap_remove(0);
    let mut first = calls.swap_remove(0);
    first.body.send_data(Bytes::from_static(b"salted"), true).unwrap();
    assert_eq!(first.end().await.unwrap().status, 200);
    drop((connection, calls, held));
    served.stop().await;
}

#[tokio::test]
async fn bodies_that_stop_are_given_up() {
    let config = ServerConfig { body_idle_timeout: Duration::from_millis(100), ..patient() };
    let served = Served::with(config).await;
    let mut connection = Multiplexed::connect(&served).await;
    let mut add = connection.begin("/add", "text/plain").await;
    add.body.send_data(Bytes::from_static(b"sal"), false).unwrap();
    let given_up = add.end().await.unwrap();
    assert_eq!((given_up.status, &given_up.headers["retry-after"]), (503, &"1".parse().unwrap()));
    assert!(String::from_utf8(given_up.body).unwrap().contains("too slowly"));

    let quiet = connection.begin("/vouchlog.v1.Gateway/AppendStream", "application/grpc").await;
    for path in ["/vouchlog.v1.Gateway/Append", "/vouchlog.v1.Gateway/AppendStream"] {
        let mut call = connection.begin(path, "application/grpc").await;
        call.body.send_data(Bytes::from_static(&[0, 0, 0, 1, 0, 7, 7]), false).unwrap();
        let given_up = call.end().await.unwrap();
        assert_eq!(given_up.code(), Some(Code::Unavailable), "{path}: {given_up:?}");
    }
    assert!(counts(&served, r#"vouchlog_server_requests_refused_total{reason="slow_body"} 3"#).await);
    // Between two messages a stream may take as long as it likes.
    let Call { mut body, answer } = quiet;
    body.send_data(Bytes::new(), true).unwrap();
    assert_eq!(Call { body, answer }.end().await.unwrap().code(), Some(Code::Ok));
    served.stop().await;
}

/// Two connections once had a server hold 220 MiB of messages that never came to an end.
#[tokio::test]
async fn incomplete_messages_take_from_one_budget() {
    let config = ServerConfig { body_bytes: 2 * 1024 * 1024, ..patient() };
    let served = Served::with(config).await;
    let half = Bytes::from([&[0, 0, 4, 0, 0][..], &[7; 60 * 1024]].concat());
    let mut connection = Multiplexed::connect(&served).await;
    let mut calls = Vec::new();
    for _ in 0..16 {
        let mut call = connection.begin("/vouchlog.v1.Gateway/AppendStream", "application/grpc").await;
        call.body.send_data(half.clone(), false).unwrap();
        calls.push(tokio::spawn(call.end()));
    }
    let refused = loop {
        if let Some(place) = calls.iter().position(JoinHandle::is_finished) {
            break calls.swap_remove(place).await.unwrap().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(calls.iter().any(|call| !call.is_finished()), "the first is held");
    let status = refused.rpc.unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_details_retry_info().is_some());
    assert_served(&served).await;
    calls.iter().for_each(JoinHandle::abort);
    drop(connection);
    served.stop().await;
}

/// What a connection may send before it is read: the windows of a stream and of itself, as the server announces them.
async fn announced_windows(stream: &mut TcpStream) -> (u32, u32) {
    // SPEC: RFC 9113 sections 3.4, 6.5, 6.7 and 6.9: the preface with empty SETTINGS; PING; SETTINGS_INITIAL_WINDOW_SIZE is 4.
    let ping = *b"\0\0\x08\x06\0\0\0\0\0in order";
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let (mut of_stream, mut of_connection) = (65_535, 65_535);
    // What is announced has come when the second is answered.
    for _ in 0..2 {
        stream.write_all(&ping).await.unwrap();
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.unwrap();
            let [a, b, c, kind, flags, ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            stream.read_exact(&mut payload).await.unwrap();
            let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
            match (kind, flags) {
                (4, 0) => {
                    let window = payload.chunks(6).find(|setting| setting[..2] == [0, 4]);
                    of_stream = window.map_or(of_stream, |window| number(&window[2..]));
                }
                (8, _) => of_connection += number(&payload),
                (6, 1) => break,
                _ => {}
            }
        }
    }
    (of_stream, of_connection)
}

#[tokio::test]
async fn windows_shrink_as_connections_come() {
    const KIB: u32 = 1_024;
    let served = Served::with(ServerConfig { window_bytes: 64 * 512 * 1024, ..patient() }).await;
    let mut held = Vec::new();
    for number in 0..160 {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        let expected = match number {
            0 => Some((256 * KIB, 512 * KIB)),
            159 => Some((65_535, 65_535)),
            _ => None,
        };
        if let Some(expected) = expected {
            assert_eq!(announced_windows(&mut stream).await, expected, "{number}");
        }
        held.push(stream);
    }
    assert_served(&served).await;
    drop(held);
    served.stop().await;
}

/// A client that opens no window once had a server hold 315 MiB of answers.
#[tokio::test]
async fn answers_that_nobody_reads_take_from_one_budget() {
    let config = ServerConfig { answer_bytes: 256 * 1024, ..patient() };
    let served = Served::with(config).await;
    served.log.fill(300).await;
    let mut connection = Multiplexed::with_window(&served, 0).await;
    let mut unread = Vec::new();
    let mut refused = 0;
    for _ in 0..40 {
        let call = connection.ask("/tile/0/000").await.unwrap();
        let answer = call.answer.await.unwrap();
        refused += usize::from(answer.status() == 503);
        unread.push(answer);
    }
    assert!((20..40).contains(&refused), "320 KiB of 256, and a share of that: {refused} refused");
    assert!(unread.iter().any(|answer| answer.headers().contains_key("retry-after")));
    assert_served(&served).await;
    assert!(
        counts(
            &served,
            &format!(r#"vouchlog_server_requests_refused_total{{reason="answer_bytes"}} {refused}"#)
        )
        .await
    );
    drop((unread, connection));
    let mut other = Multiplexed::connect(&served).await;
    assert_eq!(other.get("/tile/0/000").await.unwrap().body.len(), 8_192);
    served.stop().await;
}

#[tokio::test]
async fn who_does_not_read_is_cut_off() {
    let config = ServerConfig { answer_timeout: Duration::from_millis(200), ..patient() };
    let served = Served::with(config).await;
    served.log.fill(300).await;
    let mut dripping = Multiplexed::with_window(&served, 1).await;
    let mut old = TcpStream::connect(served.address).await.unwrap();
    let mut good = Multiplexed::connect(&served).await;
    let call = dripping.ask("/tile/0/000").await.unwrap();
    let unread = call.answer.await.unwrap();
    // Far more than a socket takes in that nobody reads from.
    let wanted = b"GET /tile/0/000 HTTP/1.1\r\nhost: log.example\r\n\r\n".repeat(4_000);
    let old = tokio::spawn(async move {
        let _ = old.write_all(&wanted).await;
        old
    });
    while !dripping.is_closed() {
        assert_eq!(good.get("/tile/0/000").await.unwrap().body.len(), 8_192);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until_counted(&served, r#"vouchlog_server_connections_ended_total{reason="slow_reader"} 2"#).await;
    assert_served(&served).await;
    assert!(!good.is_closed());
    drop((unread, old));
    served.stop().await;
}

/// The house stream is anybody's; it takes no place from a gateway, and neither takes one from reads.
#[tokio::test]
async fn house_appends_and_reads_leave_gateways_their_places() {
    let config = ServerConfig { max_house_requests: 1, max_requests: 2, ..patient() };
    let served = Served::with(config).await;
    served.log.trouble([Trouble::Hang]);
    let hanging = tokio::spawn(client().post(served.url("/add")).body("salted").send());
    while served.log.attempts() == 0 {
        tokio::task::yield_now().await;
    }
    let refused = client().post(served.url("/add")).body("salted").send().await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    let mut gateway = served.gateway().await;
    let house = gateway.append_house(v1::AppendHouseRequest::default()).await.unwrap_err();
    assert_eq!(house.code(), Code::ResourceExhausted);
    let note = fake::opening(&fake::gateway_key(), &fake::stream_key());
    gateway.open_stream(v1::OpenStreamRequest { note: note.clone() }).await.unwrap();

    served.log.trouble([Trouble::Hang]);
    let mut other = served.gateway().await;
    let stuck = tokio::spawn({
        let note = note.clone();
        async move { other.open_stream(v1::OpenStreamRequest { note }).await }
    });
    while served.log.attempts() < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        gateway.open_stream(v1::OpenStreamRequest { note }).await.unwrap_err().code(),
        Code::ResourceExhausted
    );
    for path in ["/checkpoint", "/healthz", "/metrics"] {
        assert_eq!(client().get(served.url(path)).send().await.unwrap().status(), StatusCode::OK, "{path}");
    }
    hanging.abort();
    stuck.abort();
}

/// Idle connections once kept every new one out.
#[tokio::test]
async fn idle_connections_make_room() {
    let config = ServerConfig { max_connections: 4, header_timeout: LONG, ..patient() };
    let served = Served::with(config).await;
    let mut idle = Vec::new();
    for _ in 0..12 {
        idle.push(TcpStream::connect(served.address).await.unwrap());
    }
    let mut first = idle.swap_remove(0);
    assert_served(&served).await;
    let mut rest = Vec::new();
    // Closed or reset.
    let _ = first.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
    let metrics = client().get(served.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"vouchlog_server_connections_ended_total{reason="idle"}"#), "{metrics}");
    drop(idle);
    served.stop().await;
}

#[tokio::test]
async fn a_call_without_an_end_has_a_place_of_its_own() {
    let config = ServerConfig { max_streams: 2, ..patient() };
    let served = Served::with(config).await;
    let watch = async || {
        let request = v1::WatchCheckpointsRequest { after_size: 0 };
        served.reader().await.watch_checkpoints(request).await
    };
    let (one, two) = (watch().await.unwrap(), watch().await.unwrap());
    assert_eq!(watch().await.unwrap_err().code(), Code::ResourceExhausted);
    assert_served(&served).await;
    drop((one, two));
    while watch().await.is_err() {
        tokio::task::yield_now().await;
    }
    served.stop().await;
}

/// However many connections take all they can: those that do nothing with it give way, and a good client is served.
#[tokio::test]
async fn who_clings_to_bytes_gives_way_when_they_run_short() {
    let config = ServerConfig { body_bytes: 512 * 1024, ..patient() };
    let served = Served::with(config).await;
    let half = Bytes::from([&[0, 0, 4, 0, 0][..], &[7; 15 * 1024]].concat());
    let mut held = Vec::new();
    for _ in 0..40 {
        let mut connection = Multiplexed::connect(&served).await;
        let mut call = connection.begin("/vouchlog.v1.Gateway/AppendStream", "application/grpc").await;
        call.body.send_data(half.clone(), false).unwrap();
        held.push((connection, call));
    }
    while !held.iter().any(|(connection, _)| connection.is_closed()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let metrics = client().get(served.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"vouchlog_server_connections_ended_total{reason="shortage"}"#), "{metrics}");
    let long = client().post(served.url("/add")).body(vec![1; 12 * 1024]).send();
    assert_eq!(long.await.unwrap().status(), StatusCode::OK);
    assert!(held.iter().any(|(connection, _)| !connection.is_closed()), "no more than it takes");
    drop(held);
    served.stop().await;
}
