//! Floods by anonymous callers: the house stream, reads, connections.

use std::time::Duration;

use anyhow::Result;
use reqwest::Client;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

use super::http1::{Expect, raw};
use crate::attack::{Attack, Context, Observation, Target};
use crate::wire::{connect, stranger, write};

const CLASS: &str = "floods";
/// Flooders at a time.
const FLOODERS: usize = 8;
/// Statements in one request, as many as one may have.
const STATEMENTS: usize = 1_024;
/// Requests in one write of a pipeline.
const PIPELINED: usize = 200;
/// Before a connection that ended is made again.
const PAUSE: Duration = Duration::from_millis(2);

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = vec![
        Attack::lasting(CLASS, "floods: the house stream", Target::Log, house),
        Attack::lasting(
            CLASS,
            "floods: the house stream, a statement at a time",
            Target::Log,
            |context| async move {
                pipeline(&context, b"POST /add HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx")
                    .await
            },
        ),
    ];
    let gets = [
        ("checkpoints", "/checkpoint"),
        ("entries", "/v1/entries?start=0&end=1024"),
        ("paths that there are none of", "/nothing/here"),
        ("tiles that there are none of", "/tile/0/x999/999"),
    ];
    for (name, path) in gets {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        all.push(Attack::lasting(CLASS, format!("floods: {name}"), Target::Log, move |context| {
            let request = request.clone();
            async move { pipeline(&context, request.as_bytes()).await }
        }));
    }
    for target in [Target::Log, Target::Witness, Target::Collector, Target::Vault] {
        let name = format!("floods: connections that come and go at the {}", target.name());
        all.push(Attack::lasting(CLASS, name, target, churn));
        let name = format!("floods: connections that are reset at the {}", target.name());
        all.push(Attack::lasting(CLASS, name, target, resets));
    }
    all.push(Attack::lasting(
        CLASS,
        "floods: exports without a token",
        Target::Collector,
        |context| async move {
            pipeline(&context, b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
                .await
        },
    ));
    all.extend(claims());
    all
}

/// Statements by nobody that claim to be evidence.
fn claims() -> Vec<Attack> {
    let kinds =
        ["interaction", "intent", "session-seal", "credential-event", "heartbeat", "finding", "erasure"];
    kinds
        .map(|kind| {
            let body = json!({ "kind": kind, "evidence": 219_283_455, "digest": "07".repeat(32) }).to_string();
            let bytes = format!(
                "POST /v1/statements HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let name = format!("an anonymous {kind} that claims evidence");
            raw("house", (&name, Target::Log), bytes.into_bytes(), Expect::Status(&[400, 401, 403, 422]))
        })
        .to_vec()
}

/// As many statements as the log takes, from several addresses.
async fn house(context: Context) -> Result<Observation> {
    let one = json!({ "kind": "opaque", "digest": "07".repeat(32) });
    let body = json!(vec![one; STATEMENTS]).to_string();
    let end = context.end();
    let flooder = |number: usize| {
        let body = body.clone();
        async move {
            let client = Client::builder().no_proxy().local_address(Some(stranger(number).into())).build()?;
            let mut sent = 0_u64;
            while Instant::now() < end {
                let request = client.post(format!("http://{}/v1/statements", context.to));
                let answer =
                    request.header("content-type", "application/json").body(body.clone()).send().await;
                sent += 1;
                if !answer.is_ok_and(|answer| answer.status().is_success()) {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Ok::<_, anyhow::Error>(sent)
        }
    };
    let sent = futures::future::try_join_all((0..FLOODERS).map(flooder)).await?;
    Ok(Observation::sent(sent.iter().sum::<u64>()))
}

/// One request again and again without waiting for answers, which are read and forgotten.
pub(super) async fn pipeline(context: &Context, request: &[u8]) -> Result<Observation> {
    let burst = request.repeat(PIPELINED);
    let end = context.end();
    let one = |number| {
        let burst = &burst;
        async move {
            let mut sent = 0_u64;
            while Instant::now() < end {
                tokio::time::sleep(PAUSE).await;
                let Ok(mut stream) = connect(context.to, number).await else { continue };
                let (mut from, mut to) = stream.split();
                let reading = async {
                    let mut buffer = vec![0; 64 * 1024];
                    while let Ok(1..) = from.read(&mut buffer).await {}
                };
                let writing = async {
                    let mut sent = 0_u64;
                    while Instant::now() < end && write(&mut to, burst).await.is_ok() {
                        sent += PIPELINED as u64;
                    }
                    sent
                };
                tokio::select! {
                    count = writing => sent += count,
                    () = reading => {}
                }
            }
            sent
        }
    };
    let sent = futures::future::join_all((0..FLOODERS).map(one)).await;
    Ok(Observation::sent(sent.into_iter().sum::<u64>()))
}

async fn churn(context: Context) -> Result<Observation> {
    let end = context.end();
    let one = |number| async move {
        let mut made = 0_u64;
        while Instant::now() < end {
            made += u64::from(connect(context.to, number).await.is_ok());
            tokio::task::yield_now().await;
        }
        made
    };
    let made = futures::future::join_all((0..FLOODERS).map(one)).await;
    Ok(Observation::sent(made.into_iter().sum::<u64>()))
}

/// Connections that are reset with a request under way.
async fn resets(context: Context) -> Result<Observation> {
    let end = context.end();
    let one = |number| async move {
        let mut made = 0_u64;
        while Instant::now() < end {
            let Ok(mut stream) = connect(context.to, number).await else { continue };
            // Unread answers make the close a reset.
            let _ = write(&mut stream, b"GET /checkpoint HTTP/1.1\r\nHost: l\r\n\r\n").await;
            let _ = stream.readable().await;
            made += 1;
        }
        made
    };
    let made = futures::future::join_all((0..FLOODERS).map(one)).await;
    Ok(Observation::sent(made.into_iter().sum::<u64>()))
}
