//! What the collector is set to and reads telemetry by, on record whenever it changes.

use jiff::Timestamp;
use serde_json::{Value, json};
use vouchlog_merkle::sha256;
use vouchlog_record::Record;

use super::Fold;
use crate::dialect::tables;

impl Fold {
    /// Records of the configurations that are not in the log as they are now. `settings` is JSON.
    pub(super) fn configurations(&mut self, now: Timestamp, position: u64, settings: &[u8]) -> Vec<Record> {
        let tables = tables().iter().map(|table| ("dialects", table.name, table.json.as_bytes(), None));
        let told: Option<Value> = serde_json::from_slice(settings).ok();
        let all: Vec<_> = tables.chain([("gateway", "collector", settings, told)]).collect();
        let mut records = Vec::new();
        for (subject, id, bytes, told) in all {
            let digest = format!("sha256:{}", sha256(bytes));
            let of = format!("{subject}/{id}");
            if self.configurations.get(&of) == Some(&digest) {
                continue;
            }
            let mut record = json!({
                "kind": "configuration",
                "id": self.name(&format!("configuration {of} {digest} {position}")).as_str(),
                "time": { "start": now.to_string() },
                "configuration": {
                    "subject": subject, "id": id, "version": env!("CARGO_PKG_VERSION"), "digest": digest,
                    "in_force_from": now.to_string(),
                },
            });
            if let Some(told) = told {
                record["configuration"]["settings"] = told;
            }
            let parsed = Record::from_value(record).expect("a configuration is a record");
            records.push(parsed.record);
            self.configurations.insert(of.clone(), digest);
            self.changed_configurations.insert(of);
        }
        records
    }
}
