//! A chat service that can prove what it answered: each answer's record is graded, kept in a vault, and logged.
//! `cargo run -p vouchlog --features vault --example embed`
//!
//! It takes a folder for its data; without one, it uses a folder for temporary files.

use std::path::{Path, PathBuf};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use vouchlog::custody::{Custodian, CustodyConfig};
use vouchlog::gateway::Options;
use vouchlog::vault::{Access, Grade, Record, RecordId, Recorder, Severity, Vault, VaultKeySource};
use vouchlog::{Digest, Log, ServerConfig, keys, random_bytes};

type Error = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let data =
        std::env::args_os().nth(1).map_or_else(|| std::env::temp_dir().join("vouchlog-chat"), PathBuf::from);
    std::fs::create_dir_all(data.join("vault"))?;

    // The gateway's key signs the stream of statements. The log takes them because its operator enrolled that key.
    let gateway = keys::load_or_create(&data.join("gateway.key"), "gateway.example.com/chat")?;
    let log = vouchlog::open(data.join("log"))
        .origin("log.example.com/ai")
        .gateway(gateway.verifying_key().clone())
        .await?;
    let log_url = serve(&log).await?;

    // The vault keeps the records, encrypted. The custodian logs a digest of each.
    let (vault, owner) = open_vault(&data).await?;
    let config = CustodyConfig {
        url: log_url,
        security: vouchlog::ConnectionSecurity::default(),
        log: log.vkey().clone(),
        gateway,
        state: data.join("spool"),
        tenant: "default".into(),
        options: Options::default(),
    };
    let custodian = Custodian::open(vault.clone(), owner.clone(), config).await?;

    let app = Router::new().route("/chat", post(chat)).with_state(custodian.recorder().clone());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/chat", listener.local_addr()?);
    let served = tokio::spawn(axum::serve(listener, app).into_future());

    let question = json!({ "user": "u-30477", "message": "Where is my order?" });
    let answer: Value = reqwest::Client::new().post(&url).json(&question).send().await?.json().await?;
    println!("POST {url}\n{answer:#}");

    // A service does not wait for the log. Here the receipt is shown, so it has to be there.
    custodian.recorder().flush().await?;
    let id: RecordId = serde_json::from_value(answer["record"].clone())?;
    let place = vault.row(&owner, &id).await?.place.ok_or("the record is in the log")?;
    println!("logged at index {} of {}, which can be proven to anyone", place.index, log.origin());

    served.abort();
    custodian.stop().await;
    log.stop().await;
    Ok(())
}

/// Answers a message, and keeps evidence of the answer. The record is on disk before the user gets the answer.
async fn chat(
    State(recorder): State<Recorder>,
    Json(question): Json<Value>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let started = Timestamp::now();
    let message = question["message"].as_str().unwrap_or_default();
    let reply = ask_model(message);
    let record = json!({
        "kind": "interaction",
        "id": Digest::from_bytes(random_bytes()).to_string()[..32],
        "time": { "start": started, "end": Timestamp::now() },
        "initiator": { "kind": "human", "iss": "https://idp.example", "sub": question["user"], "verified_by": "oidc" },
        "workload": { "id": "spiffe://corp.example/chat", "method": "x509_svid", "verified": true, "shared": false },
        "model": { "provider": "example", "requested": "m-1", "served": "m-1" },
        "input": { "content": message },
        "output": { "content": reply },
        "tools": [],
        "outcome": { "state": "executed" },
    });
    let record = Record::from_value(record).map_err(|error| failed(&error))?.record;
    let recorded = recorder.record(vec![record]).await.map_err(|error| failed(&error))?;
    let recorded = recorded.first().ok_or_else(|| failed(&"no record was kept"))?;
    let grade = recorded.grade.as_ref().ok_or_else(|| failed(&"the record is known already"))?;
    Ok(Json(json!({
        "reply": reply,
        "record": recorded.id,
        "executor_known": grade.verdicts.executor_known.to_string(),
        "missing": missing(grade),
    })))
}

/// What an investigator would miss in the record.
fn missing(grade: &Grade) -> Vec<String> {
    let errors = grade.findings.iter().filter(|finding| finding.severity >= Severity::Error);
    errors.map(|finding| format!("{}: {}", finding.rule.code, finding.message)).collect()
}

/// Your provider's client.
fn ask_model(_message: &str) -> &'static str {
    "It left the warehouse today."
}

fn failed(error: &impl ToString) -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// Serves the log on a port of its own: the custodian and every auditor read it there. Returns its URL.
async fn serve(log: &Log) -> Result<String, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(log.server(ServerConfig::default()).run(listener, std::future::pending()));
    Ok(url)
}

/// Opens the vault in the data folder. Its key should be kept somewhere else; see `VaultKeySource`.
async fn open_vault(data: &Path) -> Result<(Vault, Access), Error> {
    let key = VaultKeySource::File(data.join("vault.key")).load_or_create()?;
    let vault = Vault::open_or_create(&data.join("vault").display().to_string(), key).await?;
    let owner = vault.owner().await?;
    Ok((vault, owner))
}
