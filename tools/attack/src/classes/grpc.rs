//! gRPC: messages that are no messages, messages that never end, reflection, and streams without end.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Request};
use tokio::time::{Instant, timeout, timeout_at};

use crate::attack::{Attack, Context, Observation, Target};
use crate::wire::connect;

const CLASS: &str = "grpc";
/// How long a server may take for a call that it can answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Before a connection that ended is made again.
const PAUSE: Duration = Duration::from_millis(5);

/// Statuses that name the caller's fault: cancelled, invalid, deadline, not found, denied, exhausted, precondition, aborted, out of
/// range, unimplemented, unavailable, unauthenticated. Not unknown (2) and not internal (13): those are the server's own.
pub(super) const CALLERS: &[u16] = &[1, 3, 4, 5, 7, 8, 9, 10, 11, 12, 14, 16];

/// SPEC: gRPC's compression.md, "Test cases": a message with its Compressed-Flag set, and no encoding named but identity, "MUST fail with
/// INTERNAL status".
const UNNAMED_ENCODING: &[u16] = &[13];

/// SPEC: the same: a message compressed in a way that the server does not support "MUST fail with status UNIMPLEMENTED".
const UNKNOWN_ENCODING: &[u16] = &[12];

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = malformed();
    all.extend(framed());
    all.extend(unfinished());
    all.extend(endless());
    all
}

/// A message behind its five bytes: compressed flag (8) length (32).
pub(super) fn message(compressed: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[compressed][..], &length, bytes].concat()
}

/// A connection with the standard's manners.
pub(super) async fn connected(to: SocketAddr, from: usize) -> Result<SendRequest<Bytes>> {
    let stream = connect(to, from).await?;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(1 << 20).max_header_list_size(64 << 10);
    let (client, connection) = timeout(ANSWER, builder.handshake(stream)).await??;
    // It ends with its client.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client.ready().await?)
}

pub(super) fn request(path: &str, more: &[(&str, &str)]) -> Result<Request<()>> {
    let mut request = Request::post(format!("http://localhost{path}")).header("te", "trailers");
    if more.iter().all(|(name, _)| *name != "content-type") {
        request = request.header("content-type", "application/grpc");
    }
    Ok(more.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(())?)
}

/// The status of a call: in the headers, or in the trailers behind the body.
pub(super) async fn status(answer: ResponseFuture) -> Result<(u16, Option<u16>)> {
    let reading = async {
        let (head, mut body) = answer.await?.into_parts();
        if let Some(code) = code(&head.headers) {
            return Ok((head.status.as_u16(), Some(code)));
        }
        while let Some(data) = body.data().await {
            let _ = body.flow_control().release_capacity(data?.len());
        }
        let trailers = body.trailers().await?;
        Ok((head.status.as_u16(), trailers.as_ref().and_then(code)))
    };
    match timeout(ANSWER, reading).await {
        Ok(status) => status,
        Err(_) => bail!("no answer in {} s", ANSWER.as_secs()),
    }
}

fn code(headers: &HeaderMap) -> Option<u16> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

/// One call with a whole body, which must fail with one of these codes.
pub(super) async fn refused(
    context: &Context,
    path: &str,
    more: &[(&str, &str)],
    (body, codes): (Bytes, &[u16]),
) -> Result<Observation> {
    let mut client = connected(context.to, 0).await?;
    let (answer, mut sending) = client.send_request(request(path, more)?, false)?;
    // The server may refuse before it has read everything.
    let _ = sending.send_data(body, true);
    let complaint = match status(answer).await {
        // Reset, or the connection is closed: refused without words.
        Err(error) if error.downcast_ref::<h2::Error>().is_some() => None,
        Err(error) => Some(format!("{error:#}")),
        Ok((200, Some(code))) if codes.contains(&code) => None,
        Ok((http, None)) if (400..500).contains(&http) => None,
        Ok((http, code)) => Some(format!("it answered {http} with gRPC status {code:?}")),
    };
    Ok(Observation::sent(1_u64).with(complaint))
}

fn refusal(
    name: &str,
    target: Target,
    path: &'static str,
    more: &'static [(&str, &str)],
    body: Vec<u8>,
) -> Attack {
    answered(name, (target, path, more), body, CALLERS)
}

/// The same, with the codes that are right.
fn answered(
    name: &str,
    (target, path, more): (Target, &'static str, &'static [(&str, &str)]),
    body: Vec<u8>,
    codes: &'static [u16],
) -> Attack {
    let body = Bytes::from(body);
    Attack::repeated(CLASS, format!("{CLASS}: {name}"), target, move |context: Context| {
        let body = body.clone();
        async move { refused(&context, path, more, (body, codes)).await }
    })
}

const APPEND: &str = "/vouchlog.v1.Gateway/Append";
const STREAM: &str = "/vouchlog.v1.Gateway/AppendStream";
const HOUSE: &str = "/vouchlog.v1.Gateway/AppendHouse";
const OPEN: &str = "/vouchlog.v1.Gateway/OpenStream";
const ENROL: &str = "/vouchlog.v1.Gateway/Enrol";
const COSIGN: &str = "/vouchlog.v1.Witness/AddCheckpoint";
pub(super) const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
pub(super) const WATCH: &str = "/grpc.health.v1.Health/Watch";
const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Bytes that are no protobuf of any method.
pub(super) fn no_protobuf() -> [(&'static str, Vec<u8>); 7] {
    [
        ("a truncated varint", vec![0x08, 0xff]),
        ("a varint of eleven bytes", [&[0x08][..], &[0xff; 11]].concat()),
        ("field number 0", vec![0x00, 0x01]),
        ("a group that never ends", vec![0x0b; 64]),
        ("groups ten thousand deep", vec![0x0b; 10_000]),
        ("a length of 2^63", [&[0x1a][..], &[0x80; 8], &[0x80, 0x01]].concat()),
        ("text that is no UTF-8", vec![0x0a, 0x02, 0xff, 0xfe, 0x22, 0x02, 0xff, 0xfe]),
    ]
}

/// The same, each in one whole message.
fn malformed() -> Vec<Attack> {
    let methods = [
        ("Append", Target::Log, APPEND),
        ("OpenStream", Target::Log, OPEN),
        ("Enrol", Target::Log, ENROL),
        ("AddCheckpoint", Target::Witness, COSIGN),
    ];
    let mut all = Vec::new();
    for (method, target, path) in methods {
        for (name, bytes) in &no_protobuf() {
            all.push(refusal(&format!("{name} to {method}"), target, path, &[], message(0, bytes)));
        }
    }
    // A stream of 2^40, statements without digests, and an acknowledgement level that there is none of.
    let impossible = vec![0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0x1a, 0x00, 0x1a, 0x00, 0x30, 0x63];
    all.push(refusal("an impossible append", Target::Log, APPEND, &[], message(0, &impossible)));
    all.push(refusal("no statements", Target::Log, HOUSE, &[], message(0, &[])));
    all.push(refusal(
        "empty statements by the thousand",
        Target::Log,
        HOUSE,
        &[],
        message(0, &[0x0a, 0x00].repeat(300_000)),
    ));
    all
}

/// What is wrong around the message.
fn framed() -> Vec<Attack> {
    let long = [&[0][..], &u32::MAX.to_be_bytes(), &[0; 64]].concat();
    let bomb = crate::classes::zipped::bomb(64 << 20);
    vec![
        refusal("a message of 4 GiB, announced", Target::Log, APPEND, &[], long.clone()),
        refusal("a message of 4 GiB, announced to a stream", Target::Log, STREAM, &[], long.clone()),
        refusal("a message of 4 GiB, announced to a witness", Target::Witness, COSIGN, &[], long.clone()),
        refusal("a message of 4 GiB, announced to a collector", Target::Collector, EXPORT, &[], long),
        refusal("a message that ends early", Target::Log, APPEND, &[], vec![0, 0, 0, 0, 9, 1]),
        refusal(
            "two messages for a method that takes one",
            Target::Log,
            APPEND,
            &[],
            message(0, &[0x10, 0x01]).repeat(2),
        ),
        refusal("no message", Target::Log, APPEND, &[], Vec::new()),
        refusal("a compressed flag of 7", Target::Log, APPEND, &[], message(7, &[0x10, 0x01])),
        answered(
            "compressed without saying how",
            (Target::Log, APPEND, &[]),
            message(1, &[0x10, 0x01]),
            UNNAMED_ENCODING,
        ),
        answered(
            "compressed, and said not to be",
            (Target::Witness, COSIGN, &[("grpc-encoding", "identity")]),
            message(1, &[0x10, 0x01]),
            UNNAMED_ENCODING,
        ),
        answered(
            "compressed by an unknown method",
            (Target::Log, APPEND, &[("grpc-encoding", "zpaq")]),
            message(1, &[1]),
            UNKNOWN_ENCODING,
        ),
        refusal(
            "64 MiB of zeros, compressed",
            Target::Log,
            APPEND,
            &[("grpc-encoding", "gzip")],
            message(1, &bomb),
        ),
        refusal(
            "a method that there is none of",
            Target::Log,
            "/vouchlog.v1.Gateway/DropTable",
            &[],
            message(0, &[]),
        ),
        refusal("a service that there is none of", Target::Log, "/evil.Service/Run", &[], message(0, &[])),
        refusal("a path with ..", Target::Log, "/vouchlog.v1.Gateway/../../log.key", &[], message(0, &[])),
        refusal(
            "a timeout that is no number",
            Target::Log,
            HOUSE,
            &[("grpc-timeout", "eternity")],
            message(0, &[]),
        ),
        refusal("an export without a token", Target::Collector, EXPORT, &[], message(0, &[])),
        refusal(
            "an export with a wrong token",
            Target::Collector,
            EXPORT,
            &[("authorization", "Bearer wrong-wrong-wrong-wrong")],
            message(0, &[]),
        ),
    ]
}

/// Messages that lack their last bytes, on many calls of a few connections, held.
fn unfinished() -> Vec<Attack> {
    let case =
        |name: &str, target, path: &'static str, bytes: usize, (connections, calls): (usize, usize)| {
            Attack::lasting(CLASS, format!("{CLASS}: {name}"), target, move |context| async move {
                let many = (context.scale(connections, connections.min(2)), calls);
                hold(&context, request(path, &[])?, (bytes, None), many).await
            })
        };
    vec![
        case("partial messages on AppendStream", Target::Log, STREAM, 720_000, (8, 128)),
        case("partial messages on Append", Target::Log, APPEND, 720_000, (8, 128)),
        case("partial messages to a witness", Target::Witness, COSIGN, 60_000, (8, 128)),
        case("partial messages to reflection", Target::Log, REFLECTION, 4_100_000, (2, 60)),
        case("partial messages to a witness's reflection", Target::Witness, REFLECTION, 4_100_000, (2, 60)),
        case(
            "partial messages to a collector's reflection",
            Target::Collector,
            REFLECTION,
            4_100_000,
            (2, 60),
        ),
        case("partial exports without a token", Target::Collector, EXPORT, 4_100_000, (2, 60)),
        case("partial messages to health", Target::Log, WATCH, 4_100_000, (2, 60)),
    ]
}

/// Sends all but the last bytes of a message on many calls, and holds them until the time is over. With a pause, a further byte follows on
/// each call after each pause, which never completes the message.
pub(super) async fn hold(
    context: &Context,
    call: Request<()>,
    (bytes, pause): (usize, Option<Duration>),
    (connections, calls): (usize, usize),
) -> Result<Observation> {
    let end = context.end();
    let mut sent = 0;
    let (mut held, mut clients) = (Vec::new(), Vec::new());
    // Slow senders begin with nothing but the announced length.
    let begun = if pause.is_none() { bytes - 3 } else { 0 };
    let body = [&[0][..], &u32::try_from(bytes)?.to_be_bytes(), &vec![0x0a; begun]].concat();
    for number in 0..connections {
        // A server may refuse the connection: then this one holds nothing.
        let Ok(mut client) = connected(context.to, number).await else { continue };
        for _ in 0..calls {
            if Instant::now() >= end {
                break;
            }
            let Ok(ready) = timeout_at(end, client.clone().ready()).await else { break };
            let Ok(ready) = ready else { break };
            client = ready;
            let Ok((answer, mut sending)) = client.send_request(call.clone(), false) else { break };
            // What flow control lets through; the rest waits here.
            let _ = sending.send_data(body.clone().into(), false);
            held.push((answer, sending));
            sent += 1;
        }
        clients.push(client);
    }
    while let Some(pause) = pause.filter(|_| Instant::now() < end) {
        tokio::time::sleep_until(end.min(Instant::now() + pause)).await;
        // A call that the server ended takes no more.
        held.retain_mut(|(_, sending)| sending.send_data(Bytes::from_static(&[0x0a]), false).is_ok());
    }
    tokio::time::sleep_until(end).await;
    Ok(Observation::sent(sent as u64))
}

/// Streams of answers that have no end, and requests on them without a pause.
fn endless() -> Vec<Attack> {
    vec![
        Attack::lasting(
            CLASS,
            format!("{CLASS}: health watched by thousands"),
            Target::Log,
            |context| async move { watch(&context, (context.scale(40, 4), 100)).await },
        ),
        flood("questions to reflection", Target::Log, REFLECTION, vec![0x3a, 0x00]),
        flood("questions to a collector's reflection", Target::Collector, REFLECTION, vec![0x3a, 0x00]),
        flood("empty messages on AppendStream", Target::Log, STREAM, Vec::new()),
    ]
}

/// Watches health on many calls, and reads what is sent.
pub(super) async fn watch(context: &Context, (connections, calls): (usize, usize)) -> Result<Observation> {
    let mut held = Vec::new();
    for number in 0..connections {
        let Ok(mut client) = connected(context.to, number).await else { continue };
        for _ in 0..calls {
            let Ok(ready) = client.clone().ready().await else { break };
            client = ready;
            let Ok((answer, mut sending)) = client.send_request(request(WATCH, &[])?, false) else { break };
            let _ = sending.send_data(message(0, &[]).into(), true);
            held.push(answer);
        }
    }
    let sent = held.len();
    let mut held: FuturesUnordered<ResponseFuture> = held.into_iter().collect();
    let end = context.end();
    let mut bodies = Vec::new();
    while let Ok(Some(answer)) = timeout_at(end, held.next()).await {
        bodies.extend(answer.ok());
    }
    tokio::time::sleep_until(end).await;
    Ok(Observation::sent(sent as u64))
}

fn flood(name: &str, target: Target, path: &'static str, bytes: Vec<u8>) -> Attack {
    Attack::lasting(CLASS, format!("{CLASS}: a flood of {name}"), target, move |context| {
        let bytes = bytes.clone();
        async move { pour(&context, request(path, &[])?, &bytes).await }
    })
}

/// Sends one message again and again on one call, and makes a new call when that ends.
pub(super) async fn pour(context: &Context, call: Request<()>, bytes: &[u8]) -> Result<Observation> {
    let burst = Bytes::from(message(0, bytes).repeat(1_000));
    let end = context.end();
    let mut sent = 0;
    while Instant::now() < end {
        // The server may refuse: not to be asked without a pause.
        tokio::time::sleep(PAUSE).await;
        let Ok(mut client) = connected(context.to, 0).await else { continue };
        let Ok((answer, mut sending)) = client.send_request(call.clone(), false) else { continue };
        let reading = tokio::spawn(async move { drop(status(answer).await) });
        while Instant::now() < end {
            sending.reserve_capacity(burst.len());
            let capacity = futures::future::poll_fn(|cx| sending.poll_capacity(cx));
            if !matches!(timeout_at(end, capacity).await, Ok(Some(Ok(_))))
                || sending.send_data(burst.clone(), false).is_err()
            {
                break;
            }
            sent += 1_000;
        }
        reading.abort();
    }
    Ok(Observation::sent(sent as u64))
}
