//! A log inside an axum program of your own: `cargo run -p vouchlog --example log_only`.
//!
//! It takes a folder for its data; without one, it uses a folder for temporary files.

use std::path::PathBuf;

use axum::{Router, routing::get};
use vouchlog::{AckLevel, Appender, Evidence, HouseAppend, Statement, StatementKind, commit_to};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data =
        std::env::args_os().nth(1).map_or_else(|| std::env::temp_dir().join("vouchlog-log"), PathBuf::from);
    let log = vouchlog::open(data).origin("log.example.com/ai").await?;

    let app = Router::new().route("/hello", get(|| async { "hello" })).merge(log.router());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("serving /hello and the log at http://{}", listener.local_addr()?);
    let served = tokio::spawn(axum::serve(listener, app).into_future());

    // The log never sees the record, only a salted digest of it. Keep the opening beside the record.
    let opening = commit_to(br#"{"model": "m-1", "outcome": "ok"}"#);
    let (kind, evidence, digest) = (StatementKind::Opaque, Evidence::NONE, opening.digest());
    let statements = vec![Statement { kind, evidence, digest }];
    let append = HouseAppend { statements: statements.clone(), wait_for: AckLevel::Sequenced };
    let receipt = log.append_house(append).await?.receipt;
    let checkpoint = receipt.verify(&statements, log.origin(), log.vkey())?;
    println!("{}", receipt.proof_file(&statements, &checkpoint, receipt.first)?);

    served.abort();
    log.stop().await;
    Ok(())
}
