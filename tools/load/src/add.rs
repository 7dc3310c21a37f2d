//! Load on `POST /add` of a running log, over HTTP/1.1: a body a request, on connections that are kept open.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::report::{Meter, Report};

/// No response of `/add` is longer, head and body together.
const MAX_RESPONSE: usize = 64 * 1024;
/// How long to wait after the log pushed back.
const PAUSE: Duration = Duration::from_millis(20);

/// The log, and how much load.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// The log's address, HOST:PORT
    #[arg(long, default_value = "127.0.0.1:6962")]
    address: String,
    /// Connections at work at once
    #[arg(long, default_value_t = 512)]
    writers: usize,
    /// Requests of a connection under way at once; more than one is HTTP/1.1 pipelining
    #[arg(long, default_value_t = 1)]
    pipeline: usize,
    /// Bytes of a body
    #[arg(long, default_value_t = 100)]
    bytes: usize,
    /// How long, in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Process id of the server, to report its memory and processor time
    #[arg(long)]
    pid: Option<u32>,
}

/// Posts for the given time. One body is one request.
pub(crate) async fn run(args: AddArgs) -> Result<Report> {
    ensure!(args.writers > 0 && args.pipeline > 0, "at least one writer, with one request under way");
    ensure!(args.bytes >= 16, "a body has 16 bytes or more: they tell it from the others");
    let mut connections = Vec::new();
    for number in 0..args.writers {
        connections.push(Connection::open(&args, number as u64).await?);
    }
    let (meter, begun) = (Meter::start(args.pid), Instant::now());
    let end = begun + Duration::from_secs(args.seconds);
    let mut tasks = tokio::task::JoinSet::new();
    for connection in connections {
        tasks.spawn(connection.post_until(end, args.pipeline));
    }
    let mut report = Report::of("appends");
    for posted in tasks.join_all().await {
        report.merge(&posted?)?;
    }
    report.elapsed = begun.elapsed();
    meter.stop(&mut report);
    Ok(report)
}

/// A connection that is kept open.
struct Connection {
    stream: TcpStream,
    /// The head of every request.
    head: String,
    body: Vec<u8>,
    number: u64,
    sent: u64,
    /// What was read and not looked at.
    read: Vec<u8>,
}

/// The part of a response that counts.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Index(u64),
    /// The log pushed back.
    Later,
}

impl Connection {
    async fn open(args: &AddArgs, number: u64) -> Result<Self> {
        let stream = TcpStream::connect(&args.address)
            .await
            .with_context(|| format!("cannot connect to {}", args.address))?;
        stream.set_nodelay(true)?;
        let head =
            format!("POST /add HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n", args.address, args.bytes);
        Ok(Self { stream, head, body: vec![0x5a; args.bytes], number, sent: 0, read: Vec::new() })
    }

    async fn post_until(mut self, end: Instant, pipeline: usize) -> Result<Report> {
        let (mut report, mut under_way, mut last) = (Report::default(), VecDeque::new(), None);
        loop {
            let mut requests = Vec::new();
            while under_way.len() < pipeline && Instant::now() < end {
                self.write_request(&mut requests);
                under_way.push_back(Instant::now());
            }
            self.stream.write_all(&requests).await?;
            let Some(started) = under_way.pop_front() else { return Ok(report) };
            match self.answer().await? {
                Answer::Index(index) => {
                    ensure!(last.is_none_or(|last| index > last), "index {index} comes after {last:?}");
                    last = Some(index);
                    report.record(1, started.elapsed())?;
                }
                Answer::Later => {
                    report.retries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Each body is another: its first bytes are the connection's number and the request's.
    fn write_request(&mut self, requests: &mut Vec<u8>) {
        self.body[..8].copy_from_slice(&self.number.to_be_bytes());
        self.body[8..16].copy_from_slice(&self.sent.to_be_bytes());
        self.sent += 1;
        requests.extend_from_slice(self.head.as_bytes());
        requests.extend_from_slice(&self.body);
    }

    /// The next response.
    async fn answer(&mut self) -> Result<Answer> {
        loop {
            if let Some((answer, length)) = parse(&self.read)? {
                self.read.drain(..length);
                return Ok(answer);
            }
            ensure!(self.read.len() < MAX_RESPONSE, "a response is longer than {MAX_RESPONSE} bytes");
            if self.stream.read_buf(&mut self.read).await? == 0 {
                bail!("the log closed a connection with requests under way");
            }
        }
    }
}

/// Reads a response and its length; none if it is not whole.
fn parse(bytes: &[u8]) -> Result<Option<(Answer, usize)>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end])?;
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    let mut headers = lines.filter_map(|line| line.split_once(':'));
    let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.context("a response has no content-length")?.1.trim().parse()?;
    ensure!(length <= MAX_RESPONSE, "a response has a body of {length} bytes");
    let Some(body) = bytes.get(end + 4..end + 4 + length) else { return Ok(None) };
    let body = String::from_utf8_lossy(body);
    let answer = match status.split(' ').nth(1) {
        Some("200") => Answer::Index(body.trim().parse().with_context(|| format!("not an index: {body}"))?),
        Some("503" | "429") => Answer::Later,
        _ => bail!("the log responded `{status}`: {body}"),
    };
    Ok(Some((answer, end + 4 + length)))
}
