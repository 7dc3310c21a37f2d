//! A log, a gateway that it knows, a collector, and spans to send.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use vouchlog_client::{Connection, GrpcLog};
use vouchlog_merkle::{EntryBundle, TileId};
use vouchlog_record::Facet;
use vouchlog_stream::{Digest, Entry, StatementKind};
use vouchlog_vault::{Access, Query, Row, Vault, VaultKeySource};

use crate::kill::newest;
use crate::process::{Server, free_port, succeed, vouchlog};

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(super) folder: tempfile::TempDir,
    log_port: u16,
    http_port: u16,
    gateway: String,
    pub(super) client: Client,
}

impl World {
    /// Keys and ports; nothing runs.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("gateway.key");
        let key = key.to_str().unwrap();
        let gateway =
            succeed(&["keygen", "--kind", "gateway", "--name", "gateway.example.com", "--out", key]);
        let gateway = gateway.trim().to_owned();
        let (log_port, http_port) = (free_port(), free_port());
        Self { folder, log_port, http_port, gateway, client: Client::new() }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn start_log(&self) -> Server {
        Server::start(Path::new(&self.path("log")), self.log_port, &["--gateway", &self.gateway])
    }

    pub(crate) fn log_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.log_port)
    }

    /// The log's vkey, known before it runs.
    fn log_vkey() -> String {
        use vouchlog_sequencer::testing::{ORIGIN, key};
        key(ORIGIN, vouchlog_note::SignatureType::Ed25519, 1).verifying_key().to_string()
    }

    /// Starts the collector on ports that stay the same, quick to take a trace for done.
    pub(crate) fn start_collector(&self, more: &[&str]) -> Server {
        Server::spawn(self.collector(more))
    }

    /// The command that starts the collector.
    pub(crate) fn collector(&self, more: &[&str]) -> Command {
        let mut command = vouchlog();
        let http = format!("127.0.0.1:{}", self.http_port);
        command
            .args(["collect", "--json", "--otlp-grpc", "127.0.0.1:0", "--otlp-http", &http])
            .args(["--log", &self.log_url(), "--log-vkey", &Self::log_vkey()])
            .args(["--data", &self.path("collector"), "--gateway-key", &self.path("gateway.key")])
            .args(["--settle", "1s", "--idle", "2s"])
            .args(more);
        command
    }

    /// Runs a command on the vault and the log, as another process beside the collector.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let mut command = vouchlog();
        command
            .args(args)
            .env("VOUCHLOG_VAULT", self.path("collector/vault"))
            .env("VOUCHLOG_URL", self.log_url())
            .env("VOUCHLOG_LOG_VKEY", Self::log_vkey())
            .env("VOUCHLOG_GATEWAY_KEY", self.path("gateway.key"));
        command.output().unwrap()
    }

    /// The JSON answer of a command, which must end with this code.
    pub(crate) fn ask(&self, code: i32, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let output = self.run(&args);
        let said = String::from_utf8_lossy(&output.stdout);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}{error}");
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{args:?}: {said}{error}"))
    }

    /// Posts JSON to a door. Nothing if the collector is away.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Option<(StatusCode, Value)> {
        let url = format!("http://127.0.0.1:{}{path}", self.http_port);
        let request = self.client.post(url).header("content-type", "application/json");
        let answer = request.body(body.to_string()).timeout(PATIENCE).send().await.ok()?;
        let status = answer.status();
        let text = answer.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// Posts the round's traces of one emitter, which must be taken; the ids of their answers.
    pub(crate) async fn send_traces(&self, round: u64, count: u64) -> Vec<String> {
        let (body, answers) = traces(0, round, count);
        assert_eq!(self.post("/v1/traces", &body).await, Some((StatusCode::OK, json!({}))));
        answers
    }

    /// What the vault has, of some kinds.
    pub(crate) async fn rows(&self, kinds: &[StatementKind]) -> Vec<Row> {
        let (vault, access) = self.vault().await;
        let mut pages = vault.pages(&access, Query { kinds: kinds.to_vec(), ..Query::default() });
        let mut rows = Vec::new();
        while let Some(page) = pages.next().await.unwrap() {
            rows.extend(page);
        }
        rows
    }

    /// Waits until the vault has so many rows of a kind.
    pub(crate) async fn wait_for(&self, kind: StatementKind, count: usize) -> Vec<Row> {
        let waiting = async {
            loop {
                let rows = self.rows(&[kind]).await;
                if rows.len() >= count {
                    return rows;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("no {count} of kind {kind}"))
    }

    /// Records by their provider's answer.
    pub(crate) async fn by_answer(&self, answers: &[String]) -> BTreeMap<String, Vec<Row>> {
        let (vault, access) = self.vault().await;
        let mut found = BTreeMap::new();
        for answer in answers {
            let query = Query { facets: vec![(Facet::Response, answer.clone())], ..Query::default() };
            found.insert(answer.clone(), vault.find(&access, &query).await.unwrap());
        }
        found
    }

    /// What a record says, content left out.
    pub(crate) async fn facts(&self, row: Row) -> Value {
        let (vault, access) = self.vault().await;
        let context = vouchlog_vault::learn(&vault, &access).await.unwrap();
        let mut read = vouchlog_vault::read_facts(&vault, &access, vec![row], &context).await.unwrap();
        Value::Object(read.remove(0).record.unwrap().to_object())
    }

    async fn vault(&self) -> (Vault, Access) {
        let key = VaultKeySource::File(self.path("collector/vault/vault.key").into());
        let vault = Vault::open(&self.path("collector/vault"), key.load().unwrap()).await.unwrap();
        let access = vault.owner().await.unwrap();
        (vault, access)
    }

    /// How often the log has each digest.
    pub(crate) async fn logged(&self) -> BTreeMap<Digest, u64> {
        let log = GrpcLog::connect(&Connection::new(self.log_url())).unwrap();
        let size = newest(&log).await.size;
        let mut digests = BTreeMap::new();
        for bundle in 0..size.get().div_ceil(256) {
            let width = TileId { level: 0, index: bundle }.width_at(size);
            let bytes = vouchlog_api::LogReader::entry_bundle(&log, bundle, width).await.unwrap();
            for entry in EntryBundle::entries(&bytes, usize::from(width)).unwrap() {
                if let Ok(Entry::Statement(entry)) = Entry::decode(entry) {
                    *digests.entry(entry.statement.digest).or_default() += 1;
                }
            }
        }
        digests
    }
}

/// An OTLP/JSON body with traces of two spans each: a call of a model and a tool it ran. Each is one interaction.
pub(crate) fn traces(emitter: u64, round: u64, count: u64) -> (Value, Vec<String>) {
    let mut answers = Vec::new();
    let mut spans = Vec::new();
    for place in 0..count {
        // An id of zeros is none.
        let trace = format!("{:08x}{round:016x}{place:08x}", emitter + 1);
        let answer = format!("answer-{trace}");
        let session = format!("session-{emitter}-{}", round / 5);
        let common = |span: u64, parent: Option<u64>, name: &str, attributes: Value| {
            let mut json = json!({
                "traceId": trace, "spanId": format!("{span:016x}"), "name": name, "kind": 3,
                "startTimeUnixNano": format!("{}", 1_795_300_000_000_000_000_u64 + round * 1_000),
                "endTimeUnixNano": format!("{}", 1_795_300_000_500_000_000_u64 + round * 1_000),
                "attributes": attributes,
            });
            if let Some(parent) = parent {
                json["parentSpanId"] = format!("{parent:016x}").into();
            }
            json
        };
        let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
        spans.push(common(
            1,
            None,
            "chat model-1",
            json!([
                text("gen_ai.operation.name", "chat"),
                text("gen_ai.provider.name", "openai"),
                text("gen_ai.request.model", "model-1"),
                text("gen_ai.response.model", "model-1-2026"),
                text("gen_ai.response.id", &answer),
                text("session.id", &session),
                text("user.id", "user-7"),
                text(
                    "gen_ai.input.messages",
                    r#"[{"role":"user","parts":[{"type":"text","content":"Where is order 8841?"}]}]"#
                ),
            ]),
        ));
        spans.push(common(
            2,
            Some(1),
            "execute_tool get_order",
            json!([
                text("gen_ai.operation.name", "execute_tool"),
                text("gen_ai.tool.name", "get_order"),
                text("gen_ai.tool.call.id", "call-1"),
            ]),
        ));
        answers.push(answer);
    }
    let service = json!([{ "key": "service.name", "value": { "stringValue": "gateway-a" } }]);
    let body = json!({ "resourceSpans": [{
        "resource": { "attributes": service }, "scopeSpans": [{ "scope": { "name": "test" }, "spans": spans }],
    }] });
    (body, answers)
}
