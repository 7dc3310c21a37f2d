//! Load over gRPC on a running log: streaming as fast as it goes, or unary at a rate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use clap::Args;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use vouchlog_note::{Origin, SigningKey};
use vouchlog_stream::limits::RECENT_RUNS;

use crate::gateway::{Gateway, Target, statements};
use crate::quota::Quota;
use crate::report::{Meter, Report};

/// The log, and how much load.
#[derive(Debug, Args)]
pub(crate) struct GrpcArgs {
    /// The log
    #[arg(long, default_value = "http://127.0.0.1:6962")]
    log: String,
    /// Its vkey; the origin is the vkey's name
    #[arg(long)]
    log_vkey: String,
    /// Key file of the operator, to enrol the gateways with
    #[arg(long)]
    operator_key: Option<std::path::PathBuf>,
    /// Gateways at work at once, each on its own connection
    #[arg(long, default_value_t = 4)]
    gateways: usize,
    /// Statements in a request
    #[arg(long, default_value_t = 256)]
    batch: usize,
    /// Requests of a gateway under way at once
    #[arg(long, default_value_t = RECENT_RUNS)]
    window: usize,
    /// How long, in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Statements in all, instead of a time
    #[arg(long)]
    statements: Option<u64>,
    /// Requests a second in all, for unary load
    #[arg(long, default_value_t = 1000)]
    rate: u64,
    /// Process id of the server, to report its memory and processor time
    #[arg(long)]
    pid: Option<u32>,
}

impl GrpcArgs {
    fn target(&self) -> Result<Target> {
        let vkey: vouchlog_note::VerifyingKey = self.log_vkey.parse()?;
        let operator = match &self.operator_key {
            None => None,
            Some(path) => Some(SigningKey::from_key_file(&std::fs::read_to_string(path)?)?),
        };
        Ok(Target { url: self.log.clone(), origin: Origin::new(vkey.name().as_str())?, vkey, operator })
    }
}

/// Streaming append, each gateway with a window of requests under way.
pub(crate) async fn stream(args: GrpcArgs) -> Result<Report> {
    let mut gateways = Vec::new();
    for number in 0..args.gateways {
        gateways.push(Gateway::open(args.target()?, number).await?);
    }
    let (quota, meter, started) =
        (Quota::new(args.seconds, args.statements), Meter::start(args.pid), Instant::now());
    let workers =
        gateways.into_iter().map(|g| tokio::spawn(stream_one(g, quota.clone(), args.batch, args.window)));
    finish(workers.collect(), started, meter).await
}

async fn stream_one(mut gateway: Gateway, quota: Arc<Quota>, batch: usize, window: usize) -> Result<Report> {
    let room = Arc::new(Semaphore::new(window));
    let (requests, outgoing) = mpsc::channel(window);
    let under_way = Arc::new(Mutex::new(std::collections::VecDeque::new()));
    let (target, mut client) = (gateway.target(), gateway.client.clone());
    let body = statements(batch)?;
    let sent = under_way.clone();
    let (sender_room, sender_body) = (room.clone(), body.clone());
    let sender = tokio::spawn(async move {
        loop {
            sender_room.acquire().await?.forget();
            let count = quota.take(batch);
            if count == 0 {
                return Ok::<(), anyhow::Error>(());
            }
            let request = gateway.request(&sender_body[..count], seconds())?;
            sent.lock().push_back((count, Instant::now()));
            requests.send(request).await.map_err(|_| anyhow!("the call ended"))?;
        }
    });
    let mut report = Report::default();
    let mut answers = client.append_stream(ReceiverStream::new(outgoing)).await?.into_inner();
    while let Some(answer) = answers.message().await? {
        let (count, started) = under_way.lock().pop_front().ok_or_else(|| anyhow!("an answer too many"))?;
        target.verify(answer, &body[..count])?;
        report.record(count as u64, started.elapsed())?;
        room.add_permits(1);
    }
    sender.await??;
    ensure!(under_way.lock().is_empty(), "the log did not respond to every request");
    Ok(report)
}

/// Unary append at a rate: each gateway sends at its times, and latency counts from when a request was due, so that a stall
/// is not hidden by the requests it kept from being sent.
pub(crate) async fn unary(args: GrpcArgs) -> Result<Report> {
    let mut gateways = Vec::new();
    for number in 0..args.gateways {
        gateways.push(Gateway::open(args.target()?, number).await?);
    }
    let interval = Duration::from_secs_f64(args.gateways as f64 / args.rate as f64);
    let (quota, meter, started) =
        (Quota::new(args.seconds, args.statements), Meter::start(args.pid), Instant::now());
    let workers = gateways.into_iter().enumerate().map(|(number, gateway)| {
        let first = started + interval.mul_f64(number as f64 / args.gateways as f64);
        tokio::spawn(unary_one(gateway, quota.clone(), args.batch, first, interval))
    });
    finish(workers.collect(), started, meter).await
}

async fn unary_one(
    mut gateway: Gateway,
    quota: Arc<Quota>,
    batch: usize,
    first: Instant,
    interval: Duration,
) -> Result<Report> {
    let (target, body, mut due) = (gateway.target(), statements(batch)?, first);
    let mut report = Report::default();
    loop {
        tokio::time::sleep_until(due.into()).await;
        let count = quota.take(batch);
        if count == 0 {
            return Ok(report);
        }
        let request = gateway.request(&body[..count], seconds())?;
        let answer = gateway.client.append(request).await?.into_inner();
        target.verify(answer, &body[..count])?;
        report.record(count as u64, due.elapsed())?;
        due += interval;
    }
}

async fn finish(
    workers: Vec<tokio::task::JoinHandle<Result<Report>>>,
    started: Instant,
    meter: Meter,
) -> Result<Report> {
    let mut report = Report::default();
    for worker in workers {
        report.merge(&worker.await??)?;
    }
    report.elapsed = started.elapsed();
    meter.stop(&mut report);
    Ok(report)
}

fn seconds() -> u64 {
    vouchlog_runtime::Clock::system().now_seconds().get()
}
