//! A log, a gateway's key, a vault, and records made of recorded exchanges.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::process::{Server, succeed, vouchlog};

/// A log that runs, a gateway it knows, and an empty vault.
pub(super) struct World {
    pub(super) folder: tempfile::TempDir,
    pub(super) server: Server,
}

impl World {
    pub(super) fn start() -> Self {
        Self::with(tempfile::tempdir().unwrap(), &[])
    }

    /// The same, of a log that is started with more flags.
    pub(super) fn with(folder: tempfile::TempDir, flags: &[&str]) -> Self {
        let server = Server::start(&folder.path().join("log"), 0, flags);
        let key = folder.path().join("gateway.key");
        let vkey =
            succeed(&["keygen", "--kind", "gateway", "--name", "gateway.example.com", "--out", text(&key)]);
        let operator = folder.path().join("log/operator.key");
        let origin = vouchlog_sequencer::testing::ORIGIN;
        succeed(&[
            "enrol",
            "--log",
            &server.url,
            "--operator-key",
            text(&operator),
            "--origin",
            origin,
            vkey.trim(),
        ]);
        let world = Self { folder, server };
        // What is in force, and which credentials were issued, as the gateway recorded it before.
        world.record(&testdata("earlier.json"));
        world
    }

    pub(super) fn path(&self, name: &str) -> String {
        text(&self.folder.path().join(name)).to_owned()
    }

    /// Runs a command on the vault and its log.
    pub(super) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the program starts")
    }

    /// The same, not started yet.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = vouchlog();
        command
            .args(args)
            .env("VOUCHLOG_VAULT", self.folder.path().join("vault"))
            .env("VOUCHLOG_URL", &self.server.url)
            .env("VOUCHLOG_LOG_VKEY", &self.server.vkey)
            .env("VOUCHLOG_GATEWAY_KEY", self.folder.path().join("gateway.key"));
        command
    }

    /// The JSON answer of a command, and its exit code, which must not be that of an error.
    pub(super) fn ask(&self, args: &[&str]) -> (i32, Value) {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let output = self.run(&args);
        let (said, error) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let code = output.status.code().unwrap_or(-1);
        assert!(code == 0 || code == 1, "{args:?}: exit {code}: {said}{error}");
        (code, serde_json::from_str(&said).unwrap_or_else(|_| panic!("{args:?}: {said}{error}")))
    }

    /// Records; the answer for each.
    pub(super) fn record(&self, records: &Value) -> Vec<Value> {
        let file = self.path("records.json");
        std::fs::write(&file, records.to_string()).unwrap();
        let (code, said) = self.ask(&["record", &file]);
        assert_eq!(code, 0, "{said}");
        said["records"].as_array().unwrap().clone()
    }

    /// Discloses fields of a record, and verifies them as a stranger would. The file is deleted.
    pub(super) fn disclosed(&self, record: &str, fields: &str) -> Value {
        let file = self.path("presentation.json");
        self.ask(&["disclose", "--record", record, "--fields", fields, "--basis", "case 17", "--out", &file]);
        let said = succeed(&["verify", "--json", "--presentation", &file, "--log-vkey", &self.server.vkey]);
        std::fs::remove_file(&file).unwrap();
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["holds"], true, "{said}");
        said
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Test data of `vouchlog-record`.
pub(super) fn testdata(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vouchlog-record/testdata").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A request to a provider and the answer it gave.
pub(super) fn exchange(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/exchanges");
    serde_json::from_slice(&std::fs::read(path.join(format!("{name}.json"))).unwrap()).unwrap()
}

/// A record that must be kept for this long. Several may be made: each is of a call of its own.
pub(super) fn owed(id: &str, retention: &str) -> Value {
    let mut record = record_of(id, &exchange("tool-call"));
    record["correlation"]["idempotency_key"] = id.into();
    record["custody"]["retention"] = retention.into();
    record
}

/// The record that a gateway which knows everything would make of an exchange: the prompt, the answer, the model, the tool call
/// are the exchange's; who, under which authority and policy is invented.
pub(super) fn record_of(id: &str, exchange: &Value) -> Value {
    let mut record = testdata("record-complete.json");
    let (request, response) = (&exchange["request_body"], &exchange["response_body"]);
    record["id"] = id.into();
    record["input"]["content"] = request["messages"].clone();
    record["output"]["content"] = response["choices"].clone();
    record["output"]["finish"] = json!([response["choices"][0]["finish_reason"]]);
    record["model"]["requested"] = request["model"].clone();
    record["model"]["served"] = response["model"].clone();
    record["correlation"]["response_id"] = response["id"].clone();
    record["correlation"]["request_id"] = exchange["response_headers"]["x-request-id"].clone();
    if let Some(call) = response["choices"][0]["message"]["tool_calls"].get(0) {
        let tool = &mut record["tools"][0];
        tool["call_id"] = call["id"].clone();
        tool["name"] = call["function"]["name"].clone();
        tool["arguments"] = call["function"]["arguments"].clone();
        for decision in record["policy"].as_array_mut().unwrap() {
            if decision["phase"] == "pre_tool" {
                decision["target"] = call["id"].clone();
            }
        }
    }
    // The outcome alone is recorded here, not the intent before it.
    record["correlation"].as_object_mut().unwrap().remove("intent");
    record["correlation"]["write_ahead"] = false.into();
    record
}

/// Turn `turn` of the session `sess-story`.
pub(super) fn turn(turn: u64, name: &str) -> Value {
    let mut record = record_of(&format!("s-{turn}"), &exchange(name));
    record["correlation"]["session"] = "sess-story".into();
    record["correlation"]["session_sequence"] = turn.into();
    record["correlation"]["idempotency_key"] = format!("idem-{turn}").into();
    record["correlation"]["span"] = format!("a00000000000000{turn}").into();
    record
}

/// The seal of that session.
pub(super) fn seal(records: u64) -> Value {
    json!({
        "kind": "session-seal", "id": "s-seal", "time": { "start": "2026-11-18T09:20:00Z" },
        "correlation": { "session": "sess-story" }, "session_seal": { "records": records, "reason": "done" },
    })
}
