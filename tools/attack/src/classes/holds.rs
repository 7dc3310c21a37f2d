//! Connections and requests that are held: heads without bodies, slow and stalled bodies, idle connections, readers that do not read.

use std::time::Duration;

use anyhow::Result;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::attack::{Attack, Context, Observation, Target};
use crate::wire::{Frames, PREFACE, connect, drain, headers, request, settings, write};

const CLASS: &str = "holds";
/// The name of the attack by idle and slow connections.
pub(crate) const CROWD: &str = "holds: thousands of idle connections and hundreds of slow ones";
/// What a server that holds thousands of idle connections may have in memory: 200 MB.
const MAX_RESIDENT: u64 = 200_000_000;
/// Between two bytes of a slow head or body.
const SLOW: Duration = Duration::from_millis(500);
/// Requests at a time on one connection: what servers allow.
const STREAMS: u32 = 128;
/// Connections that open at once.
const OPENING: usize = 64;

const HEAD: &str = "POST /add HTTP/1.1\r\nHost: localhost\r\n";

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = heads_without_bodies();
    all.extend(slow());
    all.extend(unread());
    all.push(Attack::lasting(CLASS, CROWD, Target::Log, idle).within(MAX_RESIDENT));
    for (name, said) in [
        ("connections that say nothing", &b""[..]),
        ("half a preface", &PREFACE[..20]),
        ("a preface and no settings", PREFACE),
        ("half a request line", &b"GET /check"[..]),
    ] {
        all.push(held(name, Target::Log, said.to_vec()));
    }
    all.push(Attack::lasting(
        CLASS,
        "holds: HTTP/2 connections that obey and ask nothing",
        Target::Log,
        |context| async move {
            let end = context.end();
            let count = context.scale(2_000, 200);
            let frames = opened(&context, count, &[]).await;
            let sent = frames.len();
            futures::future::join_all(frames.into_iter().map(|mut frames| async move {
                frames.obey(end).await;
            }))
            .await;
            Ok(Observation::sent(sent as u64))
        },
    ));
    all
}

fn heads_without_bodies() -> Vec<Attack> {
    let case = |name: &str, target, path: &'static str, more: &'static [(&str, &str)], brings_token: bool| {
        Attack::lasting(
            CLASS,
            format!("holds: heads without bodies, {name}"),
            target,
            move |context| async move {
                let bearer = format!("Bearer {}", context.token.as_deref().unwrap_or_default());
                let token = [("authorization", bearer.as_str())];
                let fields = if brings_token { [more, &token].concat() } else { more.to_vec() };
                let head = request("POST", path, &fields);
                heads(&context, &head).await
            },
        )
    };
    const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc"), ("te", "trailers")];
    const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
    vec![
        case("POST /add", Target::Log, "/add", &[], false),
        case("POST /v1/statements", Target::Log, "/v1/statements", JSON, false),
        case("POST /v1/gateways", Target::Log, "/v1/gateways", &[], false),
        case("gRPC Append", Target::Log, "/vouchlog.v1.Gateway/Append", GRPC, false),
        case("gRPC AppendStream", Target::Log, "/vouchlog.v1.Gateway/AppendStream", GRPC, false),
        case("POST /add-checkpoint", Target::Witness, "/add-checkpoint", &[], false),
        case("POST /v1/traces without a token", Target::Collector, "/v1/traces", JSON, false),
        case("POST /v1/traces by an emitter", Target::Collector, "/v1/traces", JSON, true),
    ]
}

/// 33 connections with 128 requests each, or as many as the server lets in.
pub(super) async fn heads(context: &Context, head: &[u8]) -> Result<Observation> {
    let end = context.end();
    let mut frames = opened(context, 33, &[]).await;
    let burst: Vec<u8> = (0..STREAMS).flat_map(|nth| headers(2 * nth + 1, head, false)).collect();
    let mut sent = 0;
    for one in &mut frames {
        sent += if one.write(&burst).await.is_ok() { u64::from(STREAMS) } else { 0 };
    }
    futures::future::join_all(frames.iter_mut().map(|frames| frames.obey(end))).await;
    Ok(Observation::sent(sent))
}

/// Connections with frames, from several addresses; fewer if the server refuses some.
async fn opened(context: &Context, count: usize, values: &[(u16, u32)]) -> Vec<Frames> {
    let mut all = Vec::new();
    for begin in (0..count).step_by(OPENING) {
        let some = (begin..count.min(begin + OPENING)).map(|number| Frames::open(context.to, number, values));
        all.extend(futures::future::join_all(some).await.into_iter().flatten());
    }
    all
}

/// Connections, likewise, that have said something.
async fn connections(context: &Context, count: usize, said: &[u8]) -> Vec<TcpStream> {
    let one = |number| async move {
        let mut stream = connect(context.to, number).await?;
        write(&mut stream, said).await?;
        Ok::<_, std::io::Error>(stream)
    };
    let mut all = Vec::new();
    for begin in (0..count).step_by(OPENING) {
        let some = (begin..count.min(begin + OPENING)).map(one);
        all.extend(futures::future::join_all(some).await.into_iter().flatten());
    }
    all
}

/// Connections that said so much and wait.
fn held(name: &str, target: Target, said: Vec<u8>) -> Attack {
    Attack::lasting(CLASS, format!("holds: {name}"), target, move |context| {
        let said = said.clone();
        async move {
            let streams = connections(&context, context.scale(2_000, 200), &said).await;
            let sent = streams.len();
            let end = context.end();
            futures::future::join_all(streams.into_iter().map(|mut stream| async move {
                drain(&mut stream, end).await;
            }))
            .await;
            Ok(Observation::sent(sent as u64))
        }
    })
}

fn slow() -> Vec<Attack> {
    let case = |name: &str, target, said: String, byte: &'static [u8]| {
        Attack::lasting(CLASS, format!("holds: {name}"), target, move |context| {
            let said = said.replace("{token}", context.token.as_deref().unwrap_or_default());
            async move { Ok(Observation::sent(slowly(&context, (500, 100), said.as_bytes(), byte).await)) }
        })
    };
    let emitter = |length: usize, body: &str| {
        format!(
            "POST /v1/traces HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nAuthorization: Bearer {{token}}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
    };
    let stalling = |name: &str, target, said: String| {
        Attack::lasting(CLASS, format!("holds: {name}"), target, move |context| {
            let said = said.replace("{token}", context.token.as_deref().unwrap_or_default());
            async move { stalled(&context, (500, 100), said.as_bytes()).await }
        })
    };
    vec![
        case("slow heads", Target::Log, HEAD.to_owned(), b"X: y\r\n"),
        case("slow heads at a collector", Target::Collector, HEAD.to_owned(), b"X: y\r\n"),
        case("slow bodies", Target::Log, format!("{HEAD}Content-Length: 60000\r\n\r\n"), b"x"),
        case("slow chunks", Target::Log, format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n"), b"1\r\nx\r\n"),
        case("slow bodies at a collector", Target::Collector, emitter(60_000, ""), b" "),
        stalling(
            "stalled bodies",
            Target::Log,
            format!("{HEAD}Content-Length: 60000\r\n\r\n{}", "x".repeat(59_999)),
        ),
        stalling(
            "stalled bodies without a token",
            Target::Collector,
            emitter(1_000_000, &" ".repeat(999_999)).replace("Bearer {token}", "none"),
        ),
        Attack::lasting(
            CLASS,
            "holds: seventeen bodies of 16 MiB that stall before their end",
            Target::Collector,
            move |context| {
                // As few bytes as make the collector set the whole of it aside.
                let said = emitter(16 << 20, &" ".repeat(1 << 20))
                    .replace("{token}", context.token.as_deref().unwrap_or_default());
                async move { stalled(&context, (18, 18), said.as_bytes()).await }
            },
        ),
    ]
}

/// Connections that said something and then say a little more again and again; how many there were.
pub(super) async fn slowly(
    context: &Context,
    (long, short): (usize, usize),
    said: &[u8],
    byte: &'static [u8],
) -> u64 {
    let end = context.end();
    let streams = connections(context, context.scale(long, short), said).await;
    let sent = streams.len();
    let mut tasks = JoinSet::new();
    for mut stream in streams {
        tasks.spawn(async move {
            while Instant::now() < end && write(&mut stream, byte).await.is_ok() {
                if drain(&mut stream, end.min(Instant::now() + SLOW)).await {
                    return;
                }
            }
        });
    }
    tasks.join_all().await;
    sent as u64
}

/// Connections that said something and say no more, until the time is over or they are closed.
pub(super) async fn stalled(
    context: &Context,
    (long, short): (usize, usize),
    said: &[u8],
) -> Result<Observation> {
    let end = context.end();
    let streams = connections(context, context.scale(long, short), said).await;
    let sent = streams.len();
    let waiting = streams.into_iter().map(|mut stream| async move { drain(&mut stream, end).await });
    futures::future::join_all(waiting).await;
    Ok(Observation::sent(sent as u64))
}

/// 6,000 idle connections, opened by many addresses, and 500 slow ones.
async fn idle(context: Context) -> Result<Observation> {
    let idle = connections(&context, context.scale(6_000, 600), b"").await;
    let sent = idle.len() as u64;
    let slow = slowly(&context, (500, 50), HEAD.as_bytes(), b"X: y\r\n").await;
    drop(idle);
    Ok(Observation::sent(sent + slow))
}

fn unread() -> Vec<Attack> {
    let windows = |name: &str, path: &'static str| {
        Attack::lasting(
            CLASS,
            format!("holds: HTTP/2 readers of {name} with a window of 0"),
            Target::Log,
            move |context| async move {
                let end = context.end();
                // SETTINGS_INITIAL_WINDOW_SIZE (4)
                let mut frames = opened(&context, context.scale(20, 10), &[(4, 0)]).await;
                let head = request("GET", path, &[]);
                let burst: Vec<u8> = (0..STREAMS).flat_map(|nth| headers(2 * nth + 1, &head, true)).collect();
                let mut sent = 0;
                for one in &mut frames {
                    sent += if one.write(&burst).await.is_ok() { u64::from(STREAMS) } else { 0 };
                }
                futures::future::join_all(frames.iter_mut().map(|frames| frames.obey(end))).await;
                Ok(Observation::sent(sent))
            },
        )
    };
    let pipelines = |name: &str, path: &'static str| {
        Attack::lasting(
            CLASS,
            format!("holds: pipelines of {name} that nobody reads"),
            Target::Log,
            move |context| async move {
                let said = format!("GET {path} HTTP/1.1\r\nHost: l\r\n\r\n").repeat(1_000);
                let streams = connections(&context, context.scale(200, 40), said.as_bytes()).await;
                let sent = streams.len();
                tokio::time::sleep_until(context.end()).await;
                Ok(Observation::sent(sent as u64))
            },
        )
    };
    const ENTRIES: &str = "/v1/entries?start=0&end=1024";
    vec![
        windows("entries", ENTRIES),
        windows("the description of the interface", "/openapi.json"),
        windows("metrics", "/metrics"),
        pipelines("entries", ENTRIES),
        pipelines("the description of the interface", "/openapi.json"),
        Attack::lasting(
            CLASS,
            "holds: settings that change with every frame",
            Target::Log,
            |context| async move {
                let end = context.end();
                let mut frames = opened(&context, 8, &[]).await;
                let mut sent = 0;
                let head = request("GET", ENTRIES, &[]);
                for nth in 0..STREAMS {
                    for one in &mut frames {
                        let size = if nth % 2 == 0 { 0 } else { 0x7fff_ffff };
                        let bytes = [settings(&[(4, size)]), headers(2 * nth + 1, &head, true)].concat();
                        sent += u64::from(one.write(&bytes).await.is_ok());
                    }
                }
                futures::future::join_all(frames.iter_mut().map(|frames| frames.obey(end))).await;
                Ok(Observation::sent(sent))
            },
        ),
    ]
}
