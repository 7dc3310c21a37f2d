//! The program's own traces, on standard error.

use std::io::IsTerminal;

use anyhow::Context;
use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// Format of the program's own traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}

/// Starts tracing. `server` is the format a server asks for; other commands trace warnings only, unless a filter says more.
pub(crate) fn start(filter: Option<&str>, server: Option<LogFormat>) -> anyhow::Result<()> {
    // The lookup index's database traces its every file. What the client meets, the commands report themselves.
    let default = if server.is_some() { "info,fjall=warn,lsm_tree=warn" } else { "warn,vouchlog_client=off" };
    let filter = EnvFilter::try_new(filter.unwrap_or(default)).context("--trace")?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        // A reader of standard error that has gone costs the trace and nothing else.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    match server {
        Some(LogFormat::Json) => subscriber.json().init(),
        _ => subscriber.init(),
    }
    Ok(())
}
