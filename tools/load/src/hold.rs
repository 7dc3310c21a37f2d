//! Connections that are opened, used once, and then held: what a server's memory and its other clients notice of them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::report::{Meter, Report};

/// The longest response that is read.
const MAX_RESPONSE: usize = 64 * 1024;

/// The server, and how many connections.
#[derive(Debug, Args)]
pub(crate) struct HoldArgs {
    /// The server's address, HOST:PORT
    #[arg(long, default_value = "127.0.0.1:6962")]
    address: String,
    /// Connections held at once
    #[arg(long, default_value_t = 6_000)]
    connections: usize,
    /// How long they are held once all are open, in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Process id of the server, to report its memory and processor time
    #[arg(long)]
    pid: Option<u32>,
}

/// Opens all of them, asks for health on each, and holds them; then asks on each once more, since one that the server closed is not held.
pub(crate) async fn run(args: HoldArgs) -> Result<Report> {
    let (mut report, meter, begun) = (Report::of("requests"), Meter::start(args.pid), Instant::now());
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", args.address);
    let mut held = Vec::new();
    for number in 0..args.connections {
        let opened = TcpStream::connect(&args.address).await;
        let mut connection = opened
            .with_context(|| format!("connection {number} cannot be opened; each takes a file descriptor"))?;
        ask(&mut connection, &request, &mut report).await?;
        held.push(connection);
    }
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    report.elapsed = begun.elapsed();
    meter.stop(&mut report);
    for connection in &mut held {
        ask(connection, &request, &mut report).await.context("a connection was not held")?;
    }
    Ok(report)
}

async fn ask(connection: &mut TcpStream, request: &str, report: &mut Report) -> Result<()> {
    let started = Instant::now();
    connection.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    while !is_whole(&response)? {
        ensure!(connection.read_buf(&mut response).await? > 0, "the server closed a connection");
    }
    report.record(1, started.elapsed())
}

/// Whether a response has its head and as much of a body as the head announces.
fn is_whole(response: &[u8]) -> Result<bool> {
    ensure!(response.len() < MAX_RESPONSE, "a response is longer than {MAX_RESPONSE} bytes");
    let Some(end) = response.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(false) };
    let head = std::str::from_utf8(&response[..end])?.to_ascii_lowercase();
    ensure!(head.starts_with("http/1.1 200"), "the server responded `{}`", head.lines().next().unwrap_or(""));
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.context("a response has no content-length")?.trim().parse()?;
    Ok(response.len() >= end + 4 + length)
}
