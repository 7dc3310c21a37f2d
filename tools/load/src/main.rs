//! `vouchlog-load`: puts load on a log, a witness or a collector, and measures throughput and latency to what was verified.

mod add;
mod bound;
mod collect;
mod engine;
mod gateway;
mod grpc;
mod hold;
mod quota;
mod report;
mod streams;
mod witness;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Load on a log, a witness or a collector, with latencies to the verified receipt
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The engine in process, on the embedded store
    Engine(engine::EngineArgs),
    /// Hashing, writing and syncing alone: what the engine is measured against
    Bound(bound::BoundArgs),
    /// Streams opened and closed on the engine in process: memory and the time of an opening, round by round
    Streams(streams::StreamsArgs),
    /// Streaming gRPC append on a running log, as fast as it goes
    Stream(grpc::GrpcArgs),
    /// Unary gRPC append on a running log, at a rate
    Unary(grpc::GrpcArgs),
    /// Bodies posted to /add of a running log, over HTTP/1.1, as fast as it goes
    Add(add::AddArgs),
    /// Connections of a running server that are opened, used once, and held
    Hold(hold::HoldArgs),
    /// Heads of many logs on a running witness, as fast as it goes
    Witness(witness::WitnessArgs),
    /// Traces of AI calls on a running collector, over OTLP, as fast as it goes or at a rate
    Collect(collect::CollectArgs),
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let report = match cli.command {
        Command::Engine(args) => engine::run(args).await?,
        Command::Bound(args) => bound::run(&args)?,
        Command::Streams(args) => streams::run(args).await?,
        Command::Stream(args) => grpc::stream(args).await?,
        Command::Unary(args) => grpc::unary(args).await?,
        Command::Add(args) => add::run(args).await?,
        Command::Hold(args) => hold::run(args).await?,
        Command::Witness(args) => witness::run(args).await?,
        Command::Collect(args) => collect::run(args).await?,
    };
    if cli.json {
        println!("{:#}", report.json());
    } else {
        println!("{}", report.line());
    }
    Ok(())
}
