//! `vouchlog disclose`: chosen fields of one record, in a file that a stranger checks offline.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;
use vouchlog_desk::{Present, Presented, ProofsFrom};
use vouchlog_record::RecordId;
use vouchlog_statement::{LogTrust, verify_presentation};

use super::custody::{CustodyArgs, VaultArgs};
use super::desk::OpenDesk;
use super::key_status;
use super::{check_writable, policy, write_file};
use crate::advice::Advice;
use crate::output::{Outcome, Output};

/// Disclose chosen fields of one record, with everything that proves them
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  vouchlog disclose --vault vault --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" --gateway-key gateway.key \\\n    \
                        --record \"$ID\" --fields initiator.sub,credential,outcome.state --basis \"case 17\" -o case17.json\n  \
                        vouchlog verify case17.json --log-vkey \"$LOG_VKEY\"\n\n\
                        A field is named by its path, as in credential.status or tools.0.name; a group's name shows all of it. Everything\n\
                        else stays hidden, even its existence. The log first records the disclosure, by whom and why."
)]
pub(crate) struct Args {
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    custody: CustodyArgs,
    /// The record
    #[arg(long, value_name = "ID")]
    record: RecordId,
    /// The fields to show
    #[arg(long, value_name = "PATH,...", value_delimiter = ',', required = true)]
    fields: Vec<String>,
    /// The reason: the case or the request
    #[arg(long, value_name = "TEXT")]
    basis: String,
    /// Whom the fields are given to; it is recorded in the log with the reason
    #[arg(long, value_name = "NAME")]
    recipient: Option<String>,
    /// The presentation file to write
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Use the proof in the receipt instead of fetching one under the newest published checkpoint, which carries the witnesses' cosignatures. The
    /// presentation then does not include whether the gateway's key was revoked, and `verify` reports that
    #[arg(long)]
    offline: bool,
    /// Verify that the proofs satisfy this policy before writing them (C2SP tlog-policy)
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_POLICY")]
    policy: Option<PathBuf>,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let policy = self.policy.as_deref().map(policy).transpose()?;
        check_writable(&self.out)?;
        let desk = OpenDesk::recording(&self.vault, &self.custody).await?;
        // Before it is given away: what comes back is verified with it.
        let log = self.custody.log_vkey.as_ref().context("give the log's key, with --log-vkey")?;
        let paths: Vec<String> = self.fields.iter().map(|field| pointer(field)).collect();
        let presented = desk
            .ask(Present {
                tenant: Some(self.vault.tenant.clone()),
                record: self.record.clone(),
                fields: paths.clone(),
                basis: self.basis.clone(),
                proofs: if self.offline { ProofsFrom::Vault } else { ProofsFrom::Log },
                recipient: self.recipient.clone(),
            })
            .await;
        desk.close().await;
        let Presented { presentation } = presented?;
        // A faulty presentation must be reported to its author here, not found by its recipient.
        let verified = verify_presentation(&presentation, &LogTrust::new(log, policy.as_ref()))
            .map_err(|error| Advice::error(error.to_string(), "retry shortly, without --offline"))?;
        write_file(&self.out, presentation.to_json().as_bytes())?;
        let words = format!(
            "wrote {}: {} of record {}, at index {} of the log {}\n  revoked     {}",
            self.out.display(),
            crate::output::count(paths.len() as u64, "field", "fields"),
            self.record,
            verified.index,
            verified.origin,
            key_status::words(&verified.status),
        );
        let answer = json!({
            "record": self.record, "fields": paths, "file": self.out, "index": verified.index.get(),
            "gateway_revoked": key_status::as_json(&verified.status),
        });
        output.answer(&words, &answer)?;
        Ok(Outcome::Fine)
    }
}

/// `credential.status` and `/credential/status` as the JSON pointer they are.
pub(super) fn pointer(field: &str) -> String {
    if field.is_empty() || field.starts_with('/') {
        return field.to_owned();
    }
    format!("/{}", field.replace('.', "/"))
}
